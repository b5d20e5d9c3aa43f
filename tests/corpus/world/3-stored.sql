-- Rows of all servers, stored in tables of which every server has a copy.
insert into regions select 100 + max(user_id), 'new', sum(balance), max(born) from users
insert into regions (region_id, name) select 100 + user_id, min(name) from users group by user_id returning *
insert into regions (region_id, name) select coalesce(region_id, 50), count(*)::text from users group by region_id on conflict (region_id) do update set name = excluded.name returning region_id, name
insert into regions (region_id, name) select user_id, 'x' from users on conflict do nothing
insert into regions (region_id, name) select 1, name from users where tenant_id = {a}
insert into regions (region_id, name) select 200, name from users where score > 1000
insert into regions (region_id, name) with top as (select max(score) as s from users) select 300 + s, 'top' from top
with top as (select max(score) as s from users) insert into regions (region_id, name) select 300 + s, 'top' from top returning *
insert into regions (region_id, name) select 100 + user_id, name from (select user_id, name, row_number() over (partition by user_id order by tenant_id) as n from users) x where n = 1
insert into regions (region_id, name, area) values (400, 'counted', (select count(*) from users))
insert into regions (region_id, name) select $1::int + count(*), $2 from users where score > $1 --: params 3|few
insert into kinds select 100 + user_id, 'k', max(mood), array_agg(distinct score order by score) from users group by user_id
begin; insert into regions (region_id, name) select 500, count(*)::text from users; delete from tasks where tenant_id = {a}; insert into regions (region_id, name) select 501, count(*)::text from tasks; select * from regions where region_id >= 500; rollback --: simple
-- Tables made of them.
create table made as select region_id, count(*) as users, sum(balance) from users group by region_id --: cleanup drop table made
create table made (a, b) as select user_id, array_agg(name order by tenant_id) from users group by user_id; insert into made values (0, '{}'); select * from made order by a; drop table made --: simple
select mood, count(*) into made from users group by mood; select * from made order by mood; drop table made --: simple
create table made as select user_id, count(*) from users group by user_id with no data; select * from made; drop table made --: simple
create table made as select max(made) from users where false; select * from made; drop table made --: simple
begin; create table made as select count(*) as n from users; select * from made; rollback; select * from made --: simple
create table made as select tenant_id, count(*) from users group by tenant_id
create materialized view made as select count(*) from users
create temp table mine as select tenant_id, sum(score) as s from users group by tenant_id; select * from mine order by tenant_id; update mine set s = 0; select u.user_id, count(*), max(s) from users u join mine using (tenant_id) group by user_id order by user_id; drop table mine --: simple
create temp table mine as select * from users where tenant_id = {a}; select count(*) from mine; drop table mine --: simple
begin; create temp table mine on commit drop as select status, count(*) from orders group by status; select * from mine order by status; commit; select * from mine --: simple
-- A key that is none.
insert into tasks (tenant_id, task_id) values ('none of these', '00000000-0000-0000-0000-000000000001')
-- Tables of which every server has a copy, written by rows of all servers.
update regions set area = (select sum(balance) from users where users.region_id = regions.region_id)
update regions r set name = r.name || s.n, area = n from (select region_id, count(*) as n from tenants group by region_id) s where s.region_id = r.region_id returning r.*, s.n, n * 2 as twice
update regions set (name, area) = (select max(name), count(*) from users where users.region_id = regions.region_id) where exists (select from users where users.region_id = regions.region_id) returning *
update currencies set rate = rate + total, active = default from (select currency, sum(total) as total from orders group by currency) o where currency = code and total > 10 returning code, rate, o.total
update kinds set mood = (select max(mood) from users), weights = array(select distinct score from users order by score limit 3) where kind_id > (select min(score) from users)
update regions set founded = (select max(born) from users) where region_id in (select region_id from users where score > $1) --: params 5
with top as (select region_id from users order by balance desc nulls last, tenant_id, user_id limit 1) update regions set name = 'top' from top where top.region_id = regions.region_id returning regions.region_id
delete from regions where region_id not in (select region_id from users where region_id is not null) and region_id not in (select region_id from tenants where region_id is not null) returning region_id
delete from kinds using users where kind_id = score returning kinds.*, score
delete from currencies where code = any (array(select currency from orders))
merge into regions r using (select region_id, count(*) as n from users group by region_id) u on r.region_id = u.region_id when matched and n > 1 then update set area = n when matched then do nothing when not matched and u.region_id is not null then insert values (u.region_id, 'merged', n)
merge into kinds k using (select score, max(mood)::text as mood from users where score is not null group by score) u on k.kind_id = u.score when matched then delete when not matched then insert values (u.score, 'from users', u.mood::mood, '{1}')
begin; update regions set name = (select min(name) from users); insert into users (tenant_id, user_id, name) values ({a}, 9999, '  first of all'); update regions set name = (select min(name) from users) where region_id < 3; select * from regions; rollback --: simple
update regions set region_id = region_id + (select max(region_id) from users) * 1000 where region_id > 100000
update regions set name = (select name from users)
