-- Writes. After each, the tables of all servers together must hold what the oracle holds.
insert into tenants (tenant_id, name) values (101, 'one')
insert into tenants values (102, 'two', 'free', 'de', '2024-01-01')
insert into tenants (tenant_id, name) values (101, 'one'), (102, 'two'), (103, 'three'), (104, 'four'), (105, 'five')
insert into tenants (name, tenant_id) values ('one', 101), ('two', 102)
insert into tenants (tenant_id, name) values ($1, $2) --: params 101|one
insert into tenants (tenant_id, name) values ($1, $2), ($3, $4) --: params 101|one|102|two
insert into tenants (tenant_id, name) values (101, 'one') returning *
insert into tenants (tenant_id, name) values (101, 'one'), (102, 'two'), (103, 'three'), (104, 'four') returning tenant_id, upper(name)
insert into tenants (tenant_id, name) values ({a}, 'again')
insert into tenants (tenant_id, name) values (101, 'one'), ({a}, 'again'), (102, 'two')
insert into tenants (tenant_id, name) values ({a}, 'again'), ({b}, 'again') on conflict do nothing
insert into tenants (tenant_id, name) values ({a}, 'again'), ({b}, 'again'), (101, 'one') on conflict (tenant_id) do update set name = excluded.name returning tenant_id, name
insert into tenants (tenant_id, name) values ({a}, 'again') on conflict (tenant_id) do update set name = tenants.name || '!'
insert into users (tenant_id, user_id, score) values ({a}, 101, 1) on conflict (tenant_id, user_id) do update set tenant_id = 200
insert into tenants (tenant_id, name) values (null, 'nobody')
insert into tenants (name) values ('nobody')
insert into tenants (tenant_id, name) values (default, 'nobody')
insert into tenants (tenant_id, name) values (100 + 1, 'one')
insert into tenants (tenant_id, name) values (abs(-101), 'one')
insert into tenants (tenant_id, name) values ('101', 'one'), ('0102', 'two')
insert into tenants (tenant_id, name) values ((select 101), 'one')
insert into tenants (tenant_id, name) values ((select max(tenant_id) + 1 from tenants), 'next')
insert into tenants (tenant_id, name) values (101.4, 'one')
insert into tenants (tenant_id, name) values (true, 'one')
insert into tenants select 101, 'one'
insert into tenants (tenant_id, name) select tenant_id + 100, name from tenants
insert into tenants (tenant_id, name) select tenant_id + 100, name from tenants where tenant_id = {a}
insert into events (tenant_id, kind) select tenant_id, 'copy' from users
insert into events (tenant_id, kind) select tenant_id, 'copy' from users where tenant_id = {a}
insert into events (tenant_id, kind) select {b}, 'copy' from users where tenant_id = {a}
insert into events (tenant_id, kind) select n, 'many' from generate_series(1, 20) n
insert into events (tenant_id, kind) table countries
insert into events default values
insert into orders (tenant_id, order_id) values ({a}, 900), ({b}, 900) returning status
insert into orders (tenant_id, order_id, status) values ({a}, 901, default), ({b}, 901, 'x')
insert into tasks (task_id, title, tenant_id) values (77, 'x', {a}), (77, 'y', {b})
insert into orders as o (tenant_id, order_id) values ({a}, 1) on conflict (tenant_id, order_id) do update set quantity = o.quantity + 1 where o.tenant_id = {a}
update users set score = 0
update users set score = 0 where tenant_id = {a}
update users set score = score + 1 where tenant_id = {a} and user_id = 1 returning tenant_id, user_id, score
update users set score = score + 1 where tenant_id in ({a}, {b})
update users set score = score + 1 where tenant_id in ({a}, {b}) returning tenant_id, user_id, score
update users set score = 1 where tenant_id = $1 and user_id = $2 --: params {a}|1
update users set score = case when tenant_id = 1 then 10 when tenant_id = 2 then 20 end where tenant_id in (1, 2)
update users set score = (select count(*) from orders where tenant_id = {a}) where tenant_id = {b}
update users set score = (select count(*) from orders o where o.tenant_id = users.tenant_id)
update users set score = (select count(*) from orders) where tenant_id = {a}
update users set score = o.quantity from orders o where o.tenant_id = users.tenant_id and o.order_id = users.user_id
update users set score = o.quantity from orders o where o.tenant_id = {a} and o.order_id = users.user_id
update users set score = o.quantity from orders o where o.tenant_id = {a} and users.tenant_id = {a} and o.order_id = users.user_id
update users u set country = c.name from countries c where c.code = u.country
update users set score = 5 where score > (select avg(score) from users)
update users set (score, active) = (1, false) where tenant_id = {b}
update users set tenant_id = {b}, user_id = 99 where tenant_id = {a} and user_id = 1
update tenants set tenant_id = 300 where tenant_id = {a}
update tenants set tenant_id = tenant_id where tenant_id = {a}
update tenants set tenant_id = tenant_id + 100
update users set user_id = user_id + 100 where tenant_id = {a}
update users set score = random() * 0
update users set created_at = now() --: volatile
update users set score = 1 where false
update users set score = 1 where tenant_id = {a} and tenant_id = {b}
update users set score = 1 where tenant_id = {a} or score = 3
update users set score = 1 where (tenant_id = {a}) is not true
update users set score = 'x' where tenant_id = {a}
update users set score = 1 / 0
update rich_users set score = 9
update users set nothing = 1
delete from events
delete from events where tenant_id = {a}
delete from events where tenant_id in ({a}, {b}) returning tenant_id, kind
delete from events where kind = 'login'
delete from events where not (tenant_id = {a})
delete from users where country = (select status from orders where tenant_id = {a} limit 1)
delete from users where country = (select country from users where tenant_id = {a} and user_id = 1)
delete from users using orders o where o.tenant_id = users.tenant_id and o.user_id = users.user_id
delete from users using orders o where o.tenant_id = {a} and o.user_id = users.user_id
delete from users u using countries c where c.code = u.country and c.region = 'Asia'
delete from users where (tenant_id, user_id) in (select tenant_id, user_id from users order by tenant_id, user_id limit 10)
delete from users where user_id in (select user_id from users where tenant_id = {a} order by score nulls first, user_id limit 2) and tenant_id = {a}
delete from tasks where (tenant_id, task_id) in (({a}, 1), ({b}, 2))
delete from users where tenant_id = any($1) --: params {{a},{b}}
delete from events where exists (select 1 from tenants t where t.tenant_id = events.tenant_id and t.plan = 'free')
delete from only events where tenant_id = {a}
merge into users u using orders o on u.tenant_id = o.tenant_id and u.user_id = o.order_id when matched then update set score = o.quantity when not matched then insert (tenant_id, user_id, score) values (o.tenant_id, o.order_id, 0)
merge into users u using (select {a}::bigint as tenant_id, 1::bigint as user_id) s on u.tenant_id = s.tenant_id and u.user_id = s.user_id when matched then delete
merge into users u using (values ({a}, 1), ({b}, 1)) s (tenant_id, user_id) on u.tenant_id = s.tenant_id and u.user_id = s.user_id when matched then update set score = 99
with d as (delete from events where tenant_id = {a} returning *) insert into events (tenant_id, kind) select tenant_id, 'moved' from d
with d as (delete from events where tenant_id = {a} returning *) insert into events (tenant_id, kind) select {b}, kind from d
with d as (delete from events returning *) select count(*) from d
with d as (delete from events where tenant_id = {a} returning *) select count(*) from d
with d as (delete from events returning *) insert into events (tenant_id, kind) select tenant_id, 'moved' from d
with i as (insert into tenants (tenant_id, name) values (101, 'x'), (102, 'y') returning *) select count(*) from i
with i as (insert into tenants (tenant_id, name) values (101, 'x') returning *) insert into users (tenant_id, user_id) select tenant_id, 1 from i
with x as (select {a} as t) update users set score = 3 from x where tenant_id = x.t
insert into countries values ('it', 'Italy', 'Europe', 59000000)
insert into countries values ('it', 'Italy', 'Europe', 59000000), ('es', 'Spain', 'Europe', 48000000) returning code
insert into countries values ('de', 'again', null, null)
insert into countries values ('de', 'again', null, null) on conflict (code) do update set name = excluded.name returning name
insert into countries (code, name) select 'x' || n, 'X' from generate_series(1, 3) n
insert into countries (code, name) select distinct country || '2', country from users where country is not null
insert into countries (code, name) values ('t', now()::text) --: volatile
insert into countries (code, name, population) values ('r', 'random', random() * 1000000) --: volatile
insert into plans (name, token) values ('p1', gen_random_uuid()) --: volatile
insert into plans (name) values ('p1'), ('p2') --: volatile
insert into plans (plan_id, name, price) values (50, 'p1', 1), (51, 'p2', 2) --: volatile
update countries set population = population + 1
update countries set name = upper(name) where region = 'Europe' returning name
update countries set population = random() * 1000000 --: volatile
update plans set made_at = now() --: volatile
update plans set made_at = clock_timestamp() --: volatile
update plans set token = gen_random_uuid() --: volatile
update countries set population = (select count(*) from users where users.country = code)
update countries set population = u.score from users u where u.tenant_id = {a} and u.user_id = 1
delete from countries where region is null
delete from countries where code not in (select country from users where country is not null)
delete from countries using users u where u.country = countries.code and u.tenant_id = {a}
truncate events
truncate events, tasks
truncate countries
select * into table copied from users where tenant_id = {a} --: cleanup drop table if exists copied
create table copied as select * from users --: cleanup drop table if exists copied
create table copied as select tenant_id, count(*) from users group by tenant_id --: cleanup drop table if exists copied
create table copied as select * from countries --: cleanup drop table if exists copied
create table made (tenant_id bigint primary key, n int) --: cleanup drop table if exists made
create table made (n int primary key) --: cleanup drop table if exists made
create table if not exists users (n int)
create table users (n int)
alter table users add column more int --: cleanup alter table users drop column if exists more
alter table users add column more int default 7; select sum(more) from users; alter table users drop column more --: simple; cleanup alter table users drop column if exists more
alter table nothing add column more int
create index users_score on users (score) --: cleanup drop index if exists users_score
create unique index users_email on users (tenant_id, email) --: cleanup drop index if exists users_email
create index concurrently users_score on users (score) --: cleanup drop index if exists users_score
drop table nothing
drop table if exists nothing
comment on table users is 'people' --: cleanup comment on table users is null
select add_event({a})
select add_event(tenant_id) from tenants
do $$ begin update public.users set score = 1; end $$
do $$ begin perform 1; end $$
vacuum events
analyze events
lock table events
begin; lock table events; commit --: simple
copy tenants to stdout
copy tenants (tenant_id, name) to stdout with (format csv, header)
copy (select tenant_id, user_id from users where tenant_id = {a} order by 2) to stdout --: ordered
copy (select tenant_id, user_id from users order by 1, 2) to stdout with (format csv, header) --: ordered
copy (select count(*) from users) to stdout
copy countries to stdout with (format csv, force_quote *)
copy nothing to stdout
copy (select 1) to stdout
