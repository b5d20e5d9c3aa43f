-- A session that names a tenant: it sees that tenant's rows and no others, as if by row-level security.
select count(*) from users --: tenant {a}
select * from users order by user_id --: tenant {a}
select count(*), sum(score), avg(total) from users join orders using (tenant_id, user_id) --: tenant {a}
select count(*) from users u, orders o where o.user_id = u.user_id --: tenant {a}
select count(*) from users u left join orders o on o.user_id = u.user_id --: tenant {a}
select count(*) from users u full join orders o on o.user_id = u.user_id --: tenant {a}
select count(*) from orders o right join users u on o.user_id = u.user_id --: tenant {a}
select count(*) from users natural join orders --: tenant {a}
select count(*) from users where exists (select 1 from orders where status = 'paid') --: tenant {a}
select exists (select 1 from users where email = 'U1.1@Example.com') --: tenant {a}
select (select count(*) from users), (select max(total) from orders) --: tenant {a}
select array(select user_id from users order by 1) --: tenant {a}
select user_id, (select count(*) from orders o where o.user_id = u.user_id) from users u --: tenant {a}
with x as (select * from users) select count(*) from x --: tenant {a}
with recursive r as (select min(user_id) as n from users union all select n + 1 from r where n < 4) select n from r join users on user_id = n --: tenant {a}
select user_id from users union select order_id from orders order by 1 --: tenant {a}
select user_id from users except select order_id from orders --: tenant {a}
select user_id from users intersect select order_id from orders --: tenant {a}
select count(*) from (select distinct country from users) x --: tenant {a}
select user_id, rank() over (order by score desc nulls last, user_id) from users --: tenant {a}
select distinct on (country) country, user_id from users order by country, user_id --: tenant {a}
select c.code, count(u.user_id) from countries c left join users u on u.country = c.code group by c.code --: tenant {a}
select count(*) from countries --: tenant {a}
select name, string_agg(user_id::text, ',' order by user_id) from users group by name --: tenant {a}
select grouping(active), count(*) from users group by cube (active) --: tenant {a}
select percentile_disc(0.5) within group (order by score) from users --: tenant {a}
select count(*) from rich_users --: tenant {a}
select * from rich_users r join users u using (user_id) --: tenant {a}
select count(*) from users where tenant_id = {a} --: tenant {a}
select count(*) from users where tenant_id in ({a}) --: tenant {a}
select count(*) from users where tenant_id <> 0 --: tenant {a}
select count(*) from users where tenant_id = $1 --: tenant {a}; params {a}
select count(*) from users where user_id = $1 --: tenant {a}; params 1
select u.name from users u where u.user_id = any($1) order by 1 --: tenant {a}; params {1,2}
select x.n from tenants t, lateral (select count(*) as n from users u) x --: tenant {a}
select users.user_id from users, lateral (select * from orders where orders.user_id = users.user_id limit 1) o --: tenant {a}
select count(*) from public.users --: tenant {a}
select public.users.user_id from public.users --: tenant {a}
select count(*) from only users --: tenant {a}
select count(*) from users as orders, orders as users --: tenant {a}
select count(*) from users u join (orders o join tasks k using (user_id)) on u.user_id = o.user_id --: tenant {a}
select * from users as u (a, b) where b = 1 --: tenant {a}
select count(*) from users u where u in (select x from users x) --: tenant {a}
select u from users u where user_id = 1 --: tenant {a}
select u.* from users u where user_id = 1 --: tenant {a}
select (u).user_id from users u where user_id = 1 --: tenant {a}
select to_jsonb(u) from users u where user_id = 1 --: tenant {a}
select users from users where user_id = 1 --: tenant {a}
select count(users.*) from users --: tenant {a}
select row_to_json(t) from (select user_id from users order by 1) t --: tenant {a}
select user_id from users for update --: tenant {a}
select u.user_id from users u join orders o using (tenant_id, user_id) for update of u --: tenant {a}
select tenant_id, user_id from users where user_id = 1 for no key update skip locked --: tenant {a}
select now() is not null, count(*) from users --: tenant {a}
select count(*) from users tablesample system (100) --: tenant {a}
table users --: tenant {a}
table tenants --: tenant {a}
values (1), (2) --: tenant {a}
select 1 --: tenant {a}
select count(*) from pg_class where relname = 'users' --: tenant {a}
select count(*) from information_schema.tables where table_name = 'users' --: tenant {a}
select current_setting('app.tenant') --: tenant {a}
update users set score = 1 --: tenant {a}
update users set score = 1 where user_id = 2 --: tenant {a}
update users set score = 1 from orders where orders.user_id = users.user_id --: tenant {a}
update users u set score = o.quantity from orders o where o.user_id = u.user_id and o.order_id = 3 --: tenant {a}
update users set score = (select count(*) from orders) --: tenant {a}
update users set score = 1 where user_id in (select user_id from orders) --: tenant {a}
update users set score = 1 returning * --: tenant {a}
update rich_users set score = 1 --: tenant {a}
update tenants set name = 'x' --: tenant {a}
update only users set score = 9 --: tenant {a}
update users u set score = u2.score from users u2 where u2.user_id = u.user_id + 1 --: tenant {a}
delete from events --: tenant {a}
delete from events where kind = 'click' returning * --: tenant {a}
delete from events using users where users.score = events.amount --: tenant {a}
delete from users where user_id in (select user_id from orders limit 3) --: tenant {a}; shape; volatile
delete from users where not exists (select 1 from orders o where o.user_id = users.user_id) --: tenant {a}
with d as (delete from events returning *) select count(*) from d --: tenant {a}
with d as (delete from events returning *) insert into events (tenant_id, kind) select {a}, kind from d --: tenant {a}
with u as (update users set score = 2 returning user_id) select count(*) from u, orders --: tenant {a}
insert into users (tenant_id, user_id) values ({a}, 99) --: tenant {a}
insert into users (tenant_id, user_id) select {a}, user_id + 50 from users --: tenant {a}
insert into users (tenant_id, user_id) select {a}, order_id + 50 from orders --: tenant {a}
insert into users (tenant_id, user_id) values ({a}, 1) on conflict (tenant_id, user_id) do update set score = 77 --: tenant {a}
insert into users (tenant_id, user_id) values ({a}, 1) on conflict (tenant_id, user_id) do update set score = (select count(*) from orders) --: tenant {a}
insert into users (tenant_id, user_id) values ({a}, 99) returning (select count(*) from users) --: tenant {a}
insert into users (tenant_id, user_id, score) values ({a}, 99, (select count(*) from users)) --: tenant {a}
insert into users (tenant_id, user_id, score) values ({a}, (select max(user_id) + 1 from users), 5) --: tenant {a}
merge into users u using orders o on u.tenant_id = o.tenant_id and u.user_id = o.order_id when matched then update set score = o.quantity --: tenant {a}
merge into users u using (values (1), (2)) s (id) on u.user_id = s.id when matched then delete --: tenant {a}
select twice(score) from users --: tenant {a}
declare c cursor with hold for select user_id from users order by 1; fetch all from c --: tenant {a}; simple
begin; declare c cursor for select user_id from users order by 1; fetch 3 from c; close c; commit --: tenant {a}; simple
begin; update users set score = 4; select sum(score) from users; rollback --: tenant {a}; simple
prepare q as select count(*) from users; execute q --: tenant {a}; simple
prepare q (bigint) as select count(*) from users where user_id = $1; execute q (1) --: tenant {a}; simple
explain (format json, costs off) select count(*) from users --: tenant {a}; shape
copy users to stdout --: tenant {a}
copy (select user_id from users order by 1) to stdout --: tenant {a}
copy (select count(*) from users, orders) to stdout with (format csv, header) --: tenant {a}
create temp table scratch as select user_id from users; select count(*) from scratch; drop table scratch --: tenant {a}; simple
select count(*) from users; reset app.tenant; select count(*) from users --: tenant {a}; simple
begin; set local app.tenant = '{b}'; select count(*), sum(user_id) from orders; commit; select count(*), sum(user_id), min(tenant_id) from users --: tenant {a}; simple
select set_config('app.tenant', '{b}', false); select min(tenant_id), count(*) from users --: tenant {a}; simple
set app.tenant = ''; select count(*) from users --: tenant {a}; simple
set app.tenant to default; select count(*) from users --: tenant {a}; simple
discard all; select count(*) from users --: tenant {a}; simple
lock table users in share mode --: tenant {a}
select tenant_id from tenants order by 1 limit 3 --: tenant {a}
select count(*) from users where (select tenant_id from tenants) = {a} --: tenant {a}
select count(*) from users u join tenants t on t.tenant_id = u.tenant_id where t.plan is not null --: tenant {a}
select count(*) from users group by grouping sets ((active), ()) --: tenant {a}
select jsonb_agg(t) from (select * from orders order by order_id limit 2) t --: tenant {a}
select sum(ratio) from users --: tenant {a}
select name from users order by name --: tenant {a}
select mood, count(*) from users group by mood order by mood --: tenant {a}
select count(*) from events e1 where e1.amount > (select avg(e2.amount) from events e2) --: tenant {a}
select count(*) from users where tenant_id = 3 or user_id = 1 --: tenant {a}
select count(*) from (select * from users union all select * from users) x --: tenant {a}
select count(*) from (values (1)) v (n) join users on user_id = n --: tenant {a}
select case when count(*) > 3 then (select min(total) from orders) end from users --: tenant {a}
select coalesce((select name from users where user_id = 1), 'x') --: tenant {a}
select count(*) from users where name = (select name from users where user_id = 1 limit 1) --: tenant {a}
select generate_series(1, (select count(*) from users)) --: tenant {a}
select * from generate_series(1, (select count(*) from users)) g --: tenant {a}
select unnest(tags) from users --: tenant {a}
select count(*) from users, unnest(tags) t --: tenant {a}
select count(*) from users cross join lateral jsonb_each(profile) --: tenant {a}
select lag(user_id) over w from users window w as (order by user_id) --: tenant {a}
