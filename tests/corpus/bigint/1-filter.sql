-- A key that stands somewhere is not a filter.
select user_id, case when tenant_id = {a} then 1 end from users
select tenant_id, case tenant_id when {a} then 'a' when {b} then 'b' end from tenants
select (tenant_id = {a}) from users
select tenant_id in ({a}, {b}) as both, count(*) from users group by 1
select count(*) filter (where tenant_id = {a}) from users
select sum(score) filter (where tenant_id = {a}), sum(score) from users
select tenant_id, user_id from users order by (tenant_id = {a}) desc, tenant_id, user_id --: ordered
select tenant_id, user_id from users order by tenant_id <> {b}, tenant_id desc, user_id limit 20 --: ordered
select count(*) from users where (tenant_id = {a}) is not true
select count(*) from users where (tenant_id = {a}) is true
select count(*) from users where (tenant_id = {a}) is unknown
select count(*) from users where not (tenant_id = {a})
select count(*) from users where not (tenant_id <> {a})
select count(*) from users where tenant_id <> {a}
select count(*) from users where tenant_id = {a} or score > 3
select count(*) from users where tenant_id = {a} or tenant_id = {b}
select count(*) from users where (tenant_id = {a} and score > 3) or (tenant_id = {b} and score < 3)
select count(*) from users where (tenant_id = {a} or score > 3) and (tenant_id = {b} or score < 3)
select count(*) from users where tenant_id = {a} or null
select count(*) from users where tenant_id = {a} and (score > 3 or tenant_id = {b})
select u.tenant_id, u.user_id, o.order_id from users u left join orders o on o.tenant_id = u.tenant_id and o.user_id = u.user_id and u.tenant_id = {a}
select u.tenant_id, u.user_id, o.order_id from users u left join orders o on o.user_id = u.user_id and u.tenant_id = {a}
select u.tenant_id, o.order_id from users u left join orders o on o.tenant_id = u.tenant_id and o.user_id = u.user_id where u.tenant_id = {a}
select u.tenant_id, o.tenant_id from users u left join orders o on o.tenant_id = {b} and o.user_id = u.user_id where u.tenant_id = {a}
select count(*) from users u right join orders o on o.tenant_id = u.tenant_id and o.user_id = u.user_id and u.tenant_id = {a}
select count(*) from users u full join orders o on o.tenant_id = u.tenant_id and o.user_id = u.user_id and o.tenant_id = {a}
select count(*) from users u full join orders o using (tenant_id, user_id) where tenant_id = {a}
select count(*) from users u join orders o using (tenant_id, user_id) where tenant_id = {a}
select count(*) from users natural join tenants where tenant_id = {a}
select count(*) from users u join orders o on o.tenant_id = u.tenant_id and o.user_id = u.user_id and u.tenant_id = {a}
select count(*) from users u join orders o on o.tenant_id = u.tenant_id and o.user_id = u.user_id
select count(*) from users u join orders o on o.user_id = u.user_id where u.tenant_id = {a}
select count(*) from users u join orders o on o.user_id = u.user_id where u.tenant_id = {a} and o.tenant_id = {b}
select count(*) from users u, orders o where u.tenant_id = {a} and o.tenant_id = u.tenant_id and o.user_id = u.user_id
select count(*) from users u, orders o where u.tenant_id = {a} and o.tenant_id >= u.tenant_id and o.user_id = u.user_id
select count(*) from users u cross join countries c where u.tenant_id = {a} and c.code = u.country
select u.user_id, c.name from users u left join countries c on c.code = u.country where u.tenant_id = {b}
select c.code, u.user_id from countries c left join users u on u.country = c.code and u.tenant_id = {a}
select c.code, count(u.user_id) from countries c left join users u on u.country = c.code group by c.code
select count(*) from users u join lateral (select * from orders o where o.tenant_id = u.tenant_id and o.user_id = u.user_id limit 1) o on true
select count(*) from users u join lateral (select * from orders o where o.user_id = u.user_id limit 1) o on true where u.tenant_id = {a}
select user_id, (select count(*) from orders where tenant_id = {a}) from users where tenant_id = {a}
select user_id, (select count(*) from orders where tenant_id = {a}) from users where tenant_id = {b}
select user_id, (select count(*) from orders where tenant_id = {a}) from users
select user_id, (select count(*) from orders) from users where tenant_id = {a}
select user_id, (select count(*) from orders o where o.tenant_id = u.tenant_id) from users u where tenant_id = {a}
select user_id, (select count(*) from orders o where o.tenant_id = u.tenant_id) from users u
select count(*) from users where exists (select 1 from orders where tenant_id = {a})
select count(*) from users where exists (select 1 from orders where tenant_id = 13)
select count(*) from users u where exists (select 1 from orders o where o.tenant_id = u.tenant_id and o.user_id = u.user_id)
select count(*) from users u where not exists (select 1 from orders o where o.tenant_id = u.tenant_id and o.user_id = u.user_id)
select count(*) from users where tenant_id = {a} and exists (select 1 from orders where tenant_id = {b})
with o as (select * from orders where tenant_id = {a}) select count(*) from o join users u on u.user_id = o.user_id
with o as (select * from orders where tenant_id = {a}) select count(*) from o join users u on u.user_id = o.user_id and u.tenant_id = o.tenant_id
with o as (select * from orders) select count(*) from o where tenant_id = {a}
with a as (select * from users where tenant_id = {a}), b as (select * from users where tenant_id = {b}) select (select count(*) from a), (select count(*) from b)
with recursive n as (select 1 as i union all select i + 1 from n where i < 3) select count(*) from n, users where tenant_id = {a}
with users as (select * from orders where tenant_id = {a}) select count(*) from users where tenant_id = {b}
select user_id from users where tenant_id = {a} union all select user_id from users where tenant_id = {b}
select user_id from users where tenant_id = {a} union select order_id from orders where tenant_id = {a}
select user_id from users where tenant_id = {a} intersect select order_id from orders where tenant_id = {b}
select tenant_id from tenants except select tenant_id from orders
select user_id from users where tenant_id = {a} union all select 99
select count(*) from users u, orders o where u.tenant_id = {a} and o.tenant_id = {b}
select count(*) from users where tenant_id % 10 = 3
select count(*) from users where tenant_id + 1 = {a}
select count(*) from users where -tenant_id = -{a}
select count(*) from users where abs(tenant_id) = {a}
select count(*) from users where tenant_id = {a} + 1
select count(*) from users where tenant_id = 2 * 3 - 1
select count(*) from users where tenant_id = -$1 --: params -5
select count(*) from users where tenant_id = $1 + 1 --: params 5
select count(*) from users where tenant_id = $1 --: params {a}
select count(*) from users where tenant_id = $1 and user_id = $2 --: params {b}|3
select count(*) from users where tenant_id = $1 --: params \N
select count(*) from users where $1 = tenant_id --: params {b}
select count(*) from users where tenant_id = $1::int --: params {b}
select count(*) from users where tenant_id = cast($1 as numeric) --: params 5.0
select count(*) from users where tenant_id = $1::text::bigint --: params {a}
select count(*) from users where tenant_id = $1 or $2 --: params {a}|t
select count(*) from users where tenant_id = coalesce($1, {b}) --: params {a}
select count(*) from users where tenant_id in ({a})
select count(*) from users where tenant_id in ({a}, {b})
select count(*) from users where tenant_id in ({a}, null)
select count(*) from users where tenant_id in (1, 2 + 3)
select count(*) from users where tenant_id not in ({a}, {b})
select count(*) from users where tenant_id not in ({a}, null)
select count(*) from users where tenant_id in ($1, $2) --: params {a}|{b}
select count(*) from users where tenant_id = any($1) --: params {{a},{b}}
select count(*) from users where tenant_id = any($1) --: params {}
select count(*) from users where tenant_id = any($1::bigint[]) --: params {{b}}
select count(*) from users where tenant_id = any(array[{a}, {b}])
select count(*) from users where tenant_id = any('{1,2,3}')
select count(*) from users where tenant_id = any('{1,2,3}'::bigint[])
select count(*) from users where tenant_id = all(array[{a}, {a}])
select count(*) from users where tenant_id <> any(array[{a}, {b}])
select count(*) from users where tenant_id <> all(array[{a}, {b}])
select count(*) from users where (tenant_id, user_id) in (({a}, 1), ({b}, 2))
select count(*) from users where (tenant_id, user_id) = ({a}, 1)
select count(*) from users where (user_id, tenant_id) = (1, {a})
select count(*) from users where row(tenant_id, user_id) = row({b}, 1)
select count(*) from users where (tenant_id, user_id) < ({a}, 1)
select count(*) from users where (tenant_id, user_id) <> ({a}, 1)
select count(*) from users where (tenant_id, user_id) is not distinct from ({a}, 1)
select count(*) from users where tenant_id is not distinct from {a}
select count(*) from users where tenant_id is distinct from {a}
select count(*) from users where tenant_id = {a} and tenant_id = {b}
select user_id from users where tenant_id = {a} and tenant_id = {b}
select user_id from users where tenant_id = {a} and tenant_id = {a}
select count(*) from users where tenant_id = null
select sum(score) from users where tenant_id = null
select count(*) from users where tenant_id is null
select count(*) from users where false
select user_id from users where false
select count(*) from users where tenant_id = {a} and false
select count(*) from users where true
select count(*) from users where tenant_id in (select tenant_id from tenants where plan = 'free')
select count(*) from users where tenant_id in (select {a})
select count(*) from users where tenant_id = (select {a})
select count(*) from users where tenant_id = (select max(tenant_id) from tenants)
select count(*) from users where tenant_id not in (select tenant_id from orders)
select count(*) from users where tenant_id = {a} and user_id in (select user_id from orders where tenant_id = {a})
select count(*) from users where tenant_id = {a} and user_id in (select user_id from orders)
select count(*) from users where country in (select code from countries where region = 'Europe')
select count(*) from users where tenant_id between {a} and {a}
select count(*) from users where tenant_id between symmetric {b} and {a}
select count(*) from users where tenant_id >= {a} and tenant_id <= {a}
select count(*) from users where tenant_id > {a}
select count(*) from users where tenant_id = '{a}'
select count(*) from users where tenant_id = ' {a} '
select count(*) from users where tenant_id = '0{a}'
select count(*) from users where tenant_id = {a}.0
select count(*) from users where tenant_id = {a}.5
select count(*) from users where tenant_id = {a}::numeric
select count(*) from users where tenant_id = {a}::float8
select count(*) from users where tenant_id = {a}::smallint
select count(*) from users where tenant_id = '{a}'::int
select count(*) from users where tenant_id = bigint '{a}'
select count(*) from users where tenant_id::text = '{a}'
select count(*) from users where tenant_id::int = {a}
select count(*) from users where tenant_id::text like '1%'
select count(*) from users where tenant_id = 'five'
select count(*) from users where tenant_id = 99999999999999999999
select count(*) from users where tenant_id = '99999999999999999999'
select count(*) from users where tenant_id = 5e0
select count(*) from users where tenant_id = true
select tenant_id, count(*) from users group by tenant_id having tenant_id = {a}
select tenant_id, count(*) from users group by tenant_id having tenant_id in ({a}, {b})
select count(*) from users having max(tenant_id) = {a}
select count(*) from (select * from users where tenant_id = {a}) u
select count(*) from (select * from users) u where tenant_id = {a}
select count(*) from (select tenant_id as user_id, user_id as tenant_id from users) u where tenant_id = {a}
select count(*) from (select 5 as tenant_id, user_id from users) u where tenant_id = 5
select count(*) from users as u (user_id, tenant_id) where tenant_id = {a}
select count(*) from users u where u.tenant_id = {a}
select count(*) from public.users where public.users.tenant_id = {a}
select count(*) from only users where tenant_id = {a}
select count(*) from users tablesample system (100) where tenant_id = {a}
select count(*) from rich_users where tenant_id = {a}
select count(*) from rich_users
select "tenant_id" from "users" where "tenant_id" = {a} limit 1
SELECT COUNT(*) FROM USERS WHERE TENANT_ID = {a}
select count(*) from users where tenant_id operator(pg_catalog.=) {a}
select count(*) from users where tenant_id = {a} /* tenant_id = {b} */ -- tenant_id = {b}
select 'tenant_id = {a}' as text, count(*) from users
select count(*) from users where case when tenant_id = {a} then true else score > 5 end
select count(*) from users where coalesce(tenant_id = {a}, true)
select count(*) from users where nullif(tenant_id, {b}) = {a}
select count(*) from users where (select tenant_id = {a})
select count(*) from users where (tenant_id = {a}) = true
select count(*) from users where (tenant_id = {a}) = (user_id = 1)
table tenants
select * from users where tenant_id = {a}
select u.* from users u where u.tenant_id = {a} order by user_id --: ordered
select u from users u where u.tenant_id = {a}
select tenant_id, user_id, tableoid::regclass from users where tenant_id = {a}
