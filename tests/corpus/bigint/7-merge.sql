-- Rows, groups and joins of several servers: each type, order, limit and parameter that is merged.
select sum(score), avg(score), min(score), max(score), count(score) from users where false
select sum(balance), avg(balance) from users
select avg(total), sum(total), min(total), max(total) from orders
select avg(quantity) from orders group by status
select sum(amount) from events
select avg(amount) from events
select kind, sum(amount), avg(amount) from events group by kind order by sum(amount) desc nulls last, kind collate "C"
select sum(quantity::smallint), avg(quantity::smallint) from orders
select sum(-total), avg(-total) from orders
select sum(total * quantity), avg(total / 7) from orders
select avg(total) filter (where quantity > 2) from orders
select count(*) filter (where tenant_id = {a}), count(*) filter (where tenant_id = {b}) from users
select count(distinct tenant_id) from users
select count(distinct tenant_id) filter (where score > 3) from users
select tenant_id, count(distinct score), array_agg(score order by user_id) from users group by tenant_id order by tenant_id --: ordered
select min(balance), max(balance) from users
select min(born), max(created_at), min(placed_at) from users u join orders o using (tenant_id, user_id)
select bool_and(active), bool_or(active), every(done) from users join tasks using (tenant_id, user_id)
select min(code), max(code) from users
select code, count(*) from users group by code order by code --: ordered
select code as c, count(*) from users group by c order by 1 desc --: ordered
select score % 3, count(*) from users group by 1 order by 1 nulls first --: ordered
select score % 3 as m, count(*) as n from users group by m order by n desc, m --: ordered
select date_trunc('day', created_at) as day, count(*) from users group by 1 order by 1 --: ordered
select date_trunc('month', placed_at), sum(total) from orders group by 1 order by 1 desc limit 3 --: ordered
select active, score, count(*) from users group by active, score order by active, score desc nulls last --: ordered
select active, score, count(*) from users group by 1, 2 order by 1, 2 offset 3 limit 5 --: ordered
select count(*), score from users group by score having score > 3 order by score --: ordered
select score from users group by score order by score --: ordered
select distinct score from users order by score nulls first --: ordered
select distinct score, active from users order by active, score --: ordered
select distinct active from users
select distinct tenant_id % 2 from users
select distinct on (tenant_id) tenant_id, user_id, score from users order by tenant_id, score desc nulls last, user_id --: ordered
select distinct total from orders order by total limit 7 --: ordered
select distinct born from users order by born desc limit 3 offset 2 --: ordered
select all score from users order by score, tenant_id, user_id limit 9 --: ordered
select tenant_id, user_id, balance from users order by balance, tenant_id, user_id --: ordered
select tenant_id, user_id, balance from users order by balance desc, tenant_id desc, user_id --: ordered
select tenant_id, user_id, ratio from users order by ratio, tenant_id, user_id --: ordered
select tenant_id, user_id, ratio from users order by ratio desc nulls last, tenant_id, user_id limit 30 --: ordered
select tenant_id, user_id from users order by score * 2 - user_id, tenant_id, user_id --: ordered
select tenant_id, user_id from users order by -score nulls first, tenant_id, user_id --: ordered
select tenant_id, user_id from users order by coalesce(score, 0), tenant_id, user_id --: ordered
select tenant_id, user_id from users order by case when tenant_id = {a} then 0 else 1 end, tenant_id, user_id limit 12 --: ordered
select tenant_id, user_id from users order by active, born, tenant_id, user_id --: ordered
select tenant_id, user_id from users order by created_at desc limit 5 --: ordered
select tenant_id, user_id from users order by created_at::date, tenant_id, user_id limit 8 --: ordered
select tenant_id, user_id from users order by code, tenant_id, user_id limit 20 --: ordered
select tenant_id as user_id, user_id as tenant_id from users order by user_id, tenant_id limit 10 --: ordered
select -score as score from users order by score limit 5 --: ordered
select -score as score from users order by score + 0 limit 5 --: ordered
select score + 1 as x from users u order by u.score desc nulls last limit 6 --: ordered
select u.*, t.name from users u join tenants t using (tenant_id) order by u.tenant_id, u.user_id limit 5 --: ordered
select * from users natural join tenants order by tenant_id limit 3
select * from users order by tenant_id, user_id offset 120 --: ordered
select * from users order by tenant_id, user_id offset 1000 --: ordered
select tenant_id from users order by tenant_id limit 0 --: ordered
select tenant_id from tenants order by tenant_id limit $1 --: ordered; params 3
select tenant_id from tenants order by tenant_id limit $1 offset $2 --: ordered; params 3|4
select tenant_id from tenants order by tenant_id limit $1 --: ordered; params \N
select tenant_id from tenants order by tenant_id offset $1 --: ordered; params 14
select tenant_id from tenants order by tenant_id limit $1 --: params -1
select count(*) from (select tenant_id from users limit 5) x --: shape
select tenant_id, user_id from users where (tenant_id, user_id) in (({a}, 1), ({b}, 2)) order by 1 --: ordered
select name from tenants where tenant_id in ({a}, {b}, null) order by tenant_id --: ordered
select name from tenants where tenant_id = any(array[{a}, {b}]) order by tenant_id --: ordered
select name from tenants where tenant_id = any($1) order by tenant_id --: ordered; params {{{a},{b}}}
select count(*) from users where tenant_id = $1 or tenant_id = $2 --: params {a}|{b}
select count(*) from users where tenant_id = $1 or score = $2 --: params {a}|3
select count(*) from users where tenant_id = $1 --: params \N
select count(*) from users where tenant_id is null
select count(*) from users where tenant_id is not distinct from {a}
select count(*) from users where tenant_id >= {a} and tenant_id <= {a}
select count(*) from users where tenant_id between {a} and {a}
select count(*) from users where tenant_id = {a}::int
select count(*) from users where tenant_id = {a}.0
select count(*) from users where tenant_id = {a}.5
select count(*) from users where tenant_id = '{a}'
select count(*) from users where tenant_id = ' {a} '
select count(*) from users where tenant_id = '0{a}'
select count(*) from users where tenant_id = '{a}x'
select count(*) from users where tenant_id = 99999999999999999999
select count(*) from users where tenant_id = 1e0 or tenant_id = 2e0
select count(*) from users where tenant_id = 0x2
select count(*) from users where not tenant_id <> {a}
select count(*) from users where tenant_id = {a} is true
select count(*) from users where case when tenant_id = {a} then true else false end
select count(*) from users where coalesce(tenant_id, 0) = {a}
select count(*) from users where nullif(tenant_id, {a}) is null
select count(*) from users where tenant_id = (select {a})
select count(*) from users where tenant_id in (values ({a}), ({b}))
select count(*) from users where tenant_id in (select generate_series(1, 3))
select count(*) from users, generate_series(1, 3) g where tenant_id = g
select count(*) from users where tenant_id = greatest({a}, 0)
select count(*) from users where tenant_id = {a} and tenant_id = {b}
select count(*), sum(score) from users where tenant_id = {a} and tenant_id = {b}
select user_id, count(*) from users where tenant_id = {a} and tenant_id = {b} group by user_id
select count(*) from users where false and tenant_id = {a}
select count(*) from users u, orders o where u.tenant_id = o.tenant_id and u.user_id = o.user_id
select count(*) from users u left join orders o using (tenant_id, user_id) where o.order_id is null
select count(*) from users u right join orders o using (tenant_id, user_id)
select count(*), count(u.user_id), count(o.order_id) from users u full join orders o using (tenant_id, user_id)
select tenant_id, count(*) from users u full join orders o using (tenant_id, user_id) group by tenant_id order by tenant_id --: ordered
select count(*) from users u left join countries c on c.code = u.country
select c.region, count(*) from users u join countries c on c.code = u.country group by c.region
select count(*) from countries c, users u
select count(*) from users u cross join plans
select count(*) from users where country in (select code from countries where region = 'Europe')
select count(*) from users where exists (select 1 from countries where code = users.country)
select count(*) from users u where exists (select 1 from orders o where o.tenant_id = u.tenant_id and o.user_id = u.user_id)
select count(*) from users u where not exists (select 1 from orders o where o.tenant_id = u.tenant_id)
select u.tenant_id, (select count(*) from orders o where o.tenant_id = u.tenant_id) from tenants u order by 1 --: ordered
select u.tenant_id, (select max(total) from orders o where o.tenant_id = u.tenant_id) as m from tenants u order by m desc nulls last, 1 limit 5
select t.tenant_id, x.n from tenants t, lateral (select count(*) as n from users u where u.tenant_id = t.tenant_id) x order by 1 --: ordered
select tenant_id, n from (select tenant_id, count(*) as n from users group by tenant_id) x order by tenant_id --: ordered
select sum(n), max(n) from (select tenant_id, count(*) as n from orders group by tenant_id) x
select n, count(*) from (select tenant_id, count(*) as n from orders group by tenant_id) x group by n
with x as (select tenant_id, user_id from users where score > 5) select count(*) from x join orders using (tenant_id, user_id)
with x as materialized (select * from users) select count(*) from x where tenant_id = {a}
select tenant_id from users where tenant_id = {a} union all select tenant_id from orders where tenant_id = {b}
select tenant_id from users where tenant_id = {a} union select tenant_id from orders where tenant_id = {a}
(select tenant_id from users order by score limit 1) union all (select tenant_id from orders limit 1) --: shape
select tenant_id, user_id, row_number() over (partition by tenant_id order by user_id) from users order by 1, 2
select tenant_id, rank() over (order by score) from users where tenant_id = {a}
table tenants
values (1), (2)
select 1 from users
select from users
select null from users limit 3
select 'x'::text, null::int, true from users limit 2
select $1::int from users limit 2 --: params 7
select $1 from users limit 2 --: params 7
select tenant_id, $1::text || code from users order by tenant_id, user_id limit 3 --: ordered; params x
select count(*) from users where score > $1 --: params 3
select count(*) from users where score > $1 group by active --: params 3
select score + $1, count(*) from users group by 1 --: params 3
select score + $1, count(*) from users group by score + $1 --: params 3
select tenant_id, now() = now(), statement_timestamp() = statement_timestamp() from tenants
select count(*) from users where current_date > born
select count(*) from users where created_at > localtimestamp
select current_user, session_user, current_database(), current_schema from tenants where tenant_id in ({a}, {b})
select pg_typeof(tenant_id) from users limit 1
select tenant_id from tenants tablesample system (100)
select ctid from users limit 1
select tableoid from users limit 1
select users from users where tenant_id = {a}
select users from users
select row(tenant_id, user_id) from users
select count(users) from users
select count((tenant_id, user_id)) from users
select (users).user_id from users
select max(tags) from users
select string_agg(code, ',' order by code), length(string_agg(code, ',')) from users
select jsonb_object_agg(user_id, code) from users where tenant_id = {a}
select tenant_id, percentile_cont(0.5) within group (order by score) from users group by tenant_id order by 1 --: ordered
select grouping(active), count(*) from users group by rollup (active)
select sum(distinct score) from users
select sum(score) + 1 from users
select count(*) as "Count", 'é' as "Ä" from users
select sum(score) as a, sum(score) as b, count(*) as a from users
select score, sum(score) from users group by score, tenant_id
select tenant_id + 0 as t, count(*) from users group by t order by t --: ordered
select count(*) from users group by tenant_id
select max(tenant_id) from users group by active order by active --: ordered
select count(*) from users group by ()
select 1 from users group by ()
select 5 from users having count(*) > 3
select max(score) from users order by max(score)
select max(score) from users order by 1 desc limit 1
select max(score) from users limit 0
select count(*) from users offset 1
select count(*) from users limit 1 offset 0
select 1 / 0 from users
select score / (user_id - 3) from users
select sum(score / (user_id - 3)) from users
select sum(9223372036854775807::bigint) from users
select sum(2147483647) from users
select name from nothing
select nothing from users
select count(*) from users where nothing = 1
select score, count(*) from users
select sum(name) from users
select tenant_id from users for update
select tenant_id from users where tenant_id = {a} for update
select tenant_id from users where tenant_id = {a} order by user_id limit 2 for no key update skip locked
insert into tenants (tenant_id, name) values ({a}, 'x') on conflict (tenant_id) do update set name = excluded.name returning *
insert into tenants (tenant_id, name) values (77, 'x') returning tenant_id, name
insert into tenants values (77, 'x', 'free', 'de', now()) --: volatile
insert into tenants (name, tenant_id) values ('x', 77)
insert into tenants (name, tenant_id) select 'x', 77
insert into tenants (tenant_id, name) values (77, 'x'), (77, 'y') on conflict do nothing
insert into tenants (tenant_id, name) values (default, 'x')
insert into tenants (name) values ('x')
insert into tenants default values
insert into tenants (tenant_id, name) values ($1, $2) --: params 77|x
insert into tenants (tenant_id, name) values ($1, $2), ($1, 'z') on conflict do nothing --: params 77|x
insert into tenants (tenant_id, name) values ('77', 'x')
insert into tenants (tenant_id, name) values (77.4, 'x')
insert into tenants (tenant_id, name) values (77.5, 'x')
insert into tenants (tenant_id, name) values (76 + 1, 'x')
insert into tenants (tenant_id, name) values ((select 77), 'x')
insert into tenants (tenant_id, name) values (99999999999999999999, 'x')
insert into users (tenant_id, user_id, score) select tenant_id, user_id + 100, score from users where tenant_id = {a}
insert into users (tenant_id, user_id, score) select {a}, user_id + 100, score from users where tenant_id = {a}
insert into users (tenant_id, user_id, score) select {a}, order_id + 100, 1 from orders where tenant_id = {b}
update users set score = score + 1 where tenant_id = {a} returning user_id, score
update users set score = 1 where tenant_id = {a} and user_id in (select user_id from orders where tenant_id = {a})
update users u set score = o.quantity from orders o where o.tenant_id = u.tenant_id and o.user_id = u.user_id and u.tenant_id = {a} and o.order_id = 1
update users set tenant_id = {a} where tenant_id = {a}
update users set tenant_id = {b}, user_id = 99 where tenant_id = {a} and user_id = 1
update users set (score, code) = (1, 'x') where tenant_id = {a}
update users set score = 1 where tenant_id = {a} and false
update only users set score = 1 where tenant_id = {a}
update users set score = 1 where tenant_id = null
update users as u set score = 3 where u.tenant_id = {a} and u.user_id < 3
delete from users where tenant_id = {a} returning *
delete from users u using orders o where u.tenant_id = {a} and o.tenant_id = {a} and o.user_id = u.user_id
delete from events where tenant_id = {a} and amount > 3
with d as (delete from events where tenant_id = {a} returning *) select count(*) from d
with d as (delete from events where tenant_id = {a} returning *) insert into events (tenant_id, kind) select {a}, kind from d
with x as (update users set score = 0 where tenant_id = {a} returning user_id) select count(*) from x, orders o where o.tenant_id = {a} and o.user_id = x.user_id
insert into countries (code, name) values ('xx', 'X') returning *
insert into countries (code, name) values ('de', 'X') on conflict (code) do update set name = excluded.name
insert into countries select 'yy', 'Y', null, 5
update countries set population = population + 1 where region = 'Europe'
delete from countries where code = 'aq' returning code, population
truncate events
truncate countries
copy countries to stdout
copy (select code from countries order by 1) to stdout with (format csv, header)
copy users (user_id, score) to stdout
copy (select user_id from users where tenant_id = {a} order by 1) to stdout
select twice(3)
select twice(score) from users where tenant_id = {a}
