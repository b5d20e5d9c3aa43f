-- Rows written through views that show rows of one table.
select owner, count(*), max(priority) from urgent_tasks group by owner order by owner
select owner, title, rank() over (order by priority desc, title) from middling_tasks order by 3, 1, 2
select t.owner, u.name from urgent_tasks t join users u on u.tenant_id = t.owner and u.score = t.priority order by 1, 2
select m.owner, u.loud from middling_tasks m join urgent_tasks u using (owner, task_id) order by 1, 2
insert into urgent_tasks (owner, task_id, title, priority) select tenant_id, '00000000-0000-0000-0000-00000000000a', name, 3 from users where user_id = 1
insert into urgent_tasks (owner, task_id, title, priority) values ({a}, '00000000-0000-0000-0000-00000000000a', 'one', 3), ({b}, '00000000-0000-0000-0000-00000000000b', 'two', 4) returning *
insert into urgent_tasks (owner, task_id, title, priority) values ({a}, '00000000-0000-0000-0000-00000000000a', 'one', 3), ({b}, '00000000-0000-0000-0000-00000000000b', 'two', -4)
insert into middling_tasks values ({a}, '00000000-0000-0000-0000-00000000000a', 'one', 3), ({b}, '00000000-0000-0000-0000-00000000000b', 'two', 40)
insert into middling_tasks values ({a}, '00000000-0000-0000-0000-00000000000a', 'one', 0)
insert into urgent_tasks (owner, task_id, loud) values ({a}, '00000000-0000-0000-0000-00000000000a', 'ONE')
insert into urgent_tasks (task_id, title, priority) values ('00000000-0000-0000-0000-00000000000a', 'one', 3)
insert into urgent_tasks (owner, task_id, title, priority) select owner, task_id, title || '!', priority + 1 from urgent_tasks on conflict (owner, task_id) do update set title = excluded.title, priority = excluded.priority
update urgent_tasks set priority = priority + 1, title = lower(title) returning owner, task_id, loud, priority
update urgent_tasks set priority = 0
update urgent_tasks set priority = -priority where owner = {a}
update middling_tasks set title = title || '?' where owner <> {a}
update middling_tasks m set title = u.name from users u where u.tenant_id = m.owner and u.user_id = 1
update urgent_tasks t set title = u.name from users u where u.user_id = t.priority and u.tenant_id = (select min(tenant_id) from users)
update urgent_tasks set loud = 'x'
update urgent_tasks set owner = {b} where owner = {a}
delete from urgent_tasks where priority > 2 returning *
delete from middling_tasks where owner in (select tenant_id from users where score > 5)
delete from urgent_tasks t using users u where u.score = t.priority and u.user_id = 1
select owner, task_id, priority from urgent_tasks where priority > 1 order by 1, 2 for update
select * from urgent_tasks order by priority desc, owner, task_id limit 3 for update
truncate urgent_tasks
copy urgent_tasks to stdout
begin; update urgent_tasks set priority = priority + 1; delete from middling_tasks; select count(*), sum(priority) from tasks; rollback --: simple
insert into known_regions select 700 + max(user_id), 'new', sum(balance) from users returning *
insert into known_regions (id, name) values (701, 'a'), (702, 'b') on conflict (id) do update set name = excluded.name
update known_regions set area = 0 * random(), name = name || (random() < 2) where id = 1 returning *
update known_regions set name = name || '!', area = area + 1 returning *
delete from known_regions where id > 900
select k.name, count(*) from users u join known_regions k on k.id = u.region_id group by k.name order by 1
