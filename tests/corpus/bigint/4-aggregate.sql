-- Aggregates.
select count(*) from users
select count(*), count(score), count(distinct score) from users
select count(*) as c, sum(score) as s, min(score) as lo, max(score) as hi from users
select sum(score), avg(score) from users
select avg(score) from users where tenant_id in ({a}, {b})
select avg(balance) from users where balance <> 'NaN'
select sum(balance), avg(balance), min(balance), max(balance) from users
select sum(balance) from users where balance <> 'NaN'
select sum(total), avg(total), min(total), max(total) from orders
select avg(total) from orders where total is null
select sum(total), avg(total), max(total), count(total) from orders where tenant_id = 13
select sum(score), min(score), avg(score) from users where false
select sum(amount) from events
select sum(amount), avg(amount), max(amount) from events where kind = 'login'
select sum(amount)::bigint from events
select sum(quantity)::int, sum(quantity::smallint), sum(quantity::bigint) from orders
select sum(ratio) from users where ratio < 4
select avg(ratio), min(ratio), max(ratio) from users where ratio <> 'NaN'
select max(ratio) from users
select min(ratio) from users where ratio = 0
select sum(seen), avg(seen), max(seen) from users
select min(born), max(born), max(created_at), min(placed_at) from users, (select min(placed_at) as placed_at from orders where tenant_id = {a}) o
select min(born), max(born), min(created_at) from users
select min(name), max(name) from users
select min(code), max(code) from users
select max(mood), min(mood) from users
select max(tags) from users
select bool_and(active), bool_or(active), every(active) from users
select bit_and(score), bit_or(score), bit_xor(score) from users
select stddev(score), variance(score), stddev_pop(score) from users
select round(corr(score, user_id)::numeric, 9), round(regr_slope(score, user_id)::numeric, 9) from users
select count(distinct country), count(distinct lower(name)) from users
select count(distinct (tenant_id, country)) from users
select tenant_id, count(distinct country) from users group by tenant_id
select country, count(distinct tenant_id) from users group by country
select sum(distinct score) from users
select array_agg(user_id order by user_id) from users where tenant_id = {a}
select array_agg(tenant_id order by tenant_id) from tenants
select string_agg(name, ',' order by tenant_id) from tenants
select tenant_id, string_agg(name, ',' order by user_id) from users group by tenant_id
select jsonb_agg(tenant_id order by tenant_id), json_object_agg(tenant_id, name order by tenant_id) from tenants
select percentile_cont(0.5) within group (order by score), mode() within group (order by score) from users
select percentile_disc(0.5) within group (order by total) from orders
select rank(5) within group (order by score) from users
select product(quantity) from orders where quantity > 0 and tenant_id < 4 and order_id < 4
select country, count(*) from users group by country
select country, count(*), sum(score), avg(score) from users group by country order by country nulls first --: ordered
select country, avg(balance) from users where balance <> 'NaN' group by country
select tenant_id, count(*) from users group by tenant_id
select tenant_id, sum(total) from orders group by tenant_id order by 2 desc nulls last, 1 --: ordered
select tenant_id, sum(total) from orders group by tenant_id order by sum(total) desc limit 3 --: ordered
select count(*) from users group by country
select count(*) from users group by country, active
select sum(score) from users group by tenant_id
select score % 3 as bucket, count(*) from users group by score % 3
select score % 3 as bucket, count(*) from users group by bucket
select score % 3 as bucket, count(*) from users group by 1 order by 1 --: ordered
select active as country, count(*) from users group by country, active
select date_trunc('month', placed_at) as month, count(*) from orders group by 1 order by 1 --: ordered
select placed_at::date, sum(quantity) from orders group by placed_at::date
select balance, count(*) from users where balance = 1 group by balance --: shape
select ratio, count(*) from users where ratio <> 0 or ratio is null group by ratio
select name, count(*) from users group by name
select lower(status), sum(total) from orders group by lower(status)
select code, count(*) from users group by code order by code --: ordered
select mood, count(*) from users group by mood order by mood --: ordered
select tags[1], count(*) from users group by tags[1]
select profile->>'x', count(*) from users group by profile->>'x'
select country, active, count(*) from users group by rollup (country, active)
select country, active, count(*) from users group by cube (country, active)
select country, active, count(*), grouping(country, active) from users group by grouping sets ((country), (active), ())
select tenant_id, count(*) from users group by rollup (tenant_id)
select tenant_id, active, count(*) from users where tenant_id = {a} group by rollup (tenant_id, active)
select country from users group by country
select 1 from users group by country
select count(*) from users group by ()
select coalesce(sum(score), 0) from users
select coalesce(sum(score), 0) from users where false
select sum(score) / count(*) from users
select sum(total) / nullif(count(*), 0), round(avg(total), 2) from orders
select round(avg(score), 2), avg(score)::int, avg(score)::float8 from users
select count(*) > 0 from users
select count(*)::int from users
select count(*) * 2 + 1 as n from users
select -count(*) from users
select 100.0 * count(*) filter (where active) / count(*) from users
select sum(case when active then 1 else 0 end) from users
select sum(score * 2), sum(score + user_id), max(score) - min(score) from users
select max(score) from users where tenant_id = {a}
select count(*), 'x' as label from users
select count(*) from users having count(*) > 1000
select count(*) from users having count(*) > 10
select country, count(*) from users group by country having count(*) > 25
select country, sum(score) from users group by country having avg(score) > 4.9
select tenant_id, count(*) from orders group by tenant_id having sum(total) > 1000
select country from users group by country having max(score) is not null order by 1 --: ordered
select count(*) from (select country, count(*) from users group by country) g
select avg(n) from (select tenant_id, count(*) as n from orders group by tenant_id) g
select max(n) from (select status, sum(quantity) as n from orders group by status) g
select sum(score) from (select score from users order by score desc nulls last, tenant_id, user_id limit 10) t
select count(*) from (select distinct country, active from users) d
select count(*) from (select tenant_id from users limit 10) t
select tenant_id, user_id from users where score > (select avg(score) from users)
select user_id from users where tenant_id = {a} and score > (select avg(score) from users)
select user_id from users u where tenant_id = {a} and score > (select avg(score) from users where tenant_id = u.tenant_id)
select tenant_id, user_id from users u where score = (select max(score) from users where tenant_id = u.tenant_id)
select count(*) from users u join tenants t on t.tenant_id = u.tenant_id where t.plan = 'free'
select t.plan, count(*), sum(o.total) from tenants t join orders o using (tenant_id) group by t.plan order by 1 --: ordered
select t.plan, p.price, count(*) from tenants t join plans p on p.name = t.plan group by 1, 2
select c.region, count(*) from users u join countries c on c.code = u.country group by c.region
select c.region, count(distinct u.tenant_id) from users u join countries c on c.code = u.country group by 1
select u.country, sum(o.total) from users u join orders o on o.tenant_id = u.tenant_id and o.user_id = u.user_id group by u.country
select u.country, sum(o.total) from users u left join orders o on o.tenant_id = u.tenant_id and o.user_id = u.user_id group by u.country
select a.tenant_id, b.tenant_id from tenants a, tenants b where a.plan = b.plan and a.tenant_id < b.tenant_id
select count(*) from tenants a join tenants b on a.country = b.country
select count(*), any_value from (select 1 as any_value) x group by any_value
select sum(1), count(1), count(null), max(7) from users
select max(tenant_id) from tenants
select count(*) from countries
select count(*) from countries, plans
select region, sum(population) from countries group by region
select json_build_object('n', count(*)) from users
select array_length(array_agg(user_id), 1) from users
select min(user_id) from users group by tenant_id having min(user_id) > 1
