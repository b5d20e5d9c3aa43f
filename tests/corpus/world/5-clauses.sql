-- Every clause over the tables of tests/world. Filters.
select count(*) from users where tenant_id in (select tenant_id from tenants where vip)
select count(*) from users where tenant_id in ({a}, {b}) and (score > 3 or mood = 'sad')
select tenant_id, user_id from users where (tenant_id, user_id) in (({a}, 1), ({b}, 2), ({a}, null))
select count(*) from users where name ilike 'z%' or name similar to '(a|A)nn'
select count(*) from users where code ~ '^[a-c]$' and name !~* 'o'
select count(*) from users where balance between symmetric 100 and -50
select count(*) from users where born < date '1900-01-01' + 36525
select count(*) from users where mood > 'fine' and mood is distinct from 'awful'
select count(*) from users where active is not true and score is not null
select count(*) from users where coalesce(score, -1) = any (array[3, 4, -1])
select count(*) from users where num_nulls(score, balance, mood) > 1
select count(*) from users where profile @> '{"k": "p"}' or profile ->> 'n' = '2'
select count(*) from users where profile ? 'x' and not profile ?| array['zz', 'n']
select count(*) from users where profile @? '$.n ? (@ >= 4)'
select count(*) from users where tags && array['t1', 'u9'] and 'u1' = any (tags)
select count(*) from users where tags[2] is null and cardinality(tags) = 3
select count(*) from users where seen > interval '23 hours 59 minutes'
select count(*) from users where made at time zone 'Asia/Tokyo' > timestamp '2024-06-02 21:00'
select count(*) from users where extract(isodow from made) in (6, 7)
select count(*) from lines where spans @> 3 or isempty(spans)
select count(*) from lines where spans && int4range(2, 4) and not spans -|- int4range(7, 9)
select count(*) from lines where upper(spans) - lower(spans) > 1
select count(*) from notes where reach @> 25 and reach && '{[1,3)}'
select count(*) from notes where (home).number > 3 or (home).street = ''
select count(*) from notes where home is null
select count(*) from notes where not home is not null
select count(*) from notes where words @> '{w1}' or words = '{}'
select count(*) from events where raw > '\x80' and octet_length(raw) = 16
select count(*) from events where (payload ->> 'v')::numeric > 9
select count(*) from events where amount > 4000000000000000
select count(*) from visits where page = '/HOME'
select count(*) from visits where page in ('/HOME', '/É')
select count(*) from only visits where seconds is null
select tableoid::regclass = 'visits'::regclass from visits where tenant_id = {a}
select count(*) from orders where note = 'STRASSE'
select count(*) from orders where note = any (array['x', 'Strasse'] collate folded)
select count(*) from metrics where value = 'NaN' or value = 0
select count(*) from accounts where balance = 1 or balance = 'NaN'
select count(*) from tasks where progress between 10 and 90 and due = date '2025-01-04'
select count(*) from users where not (score > 3) is unknown
select count(*) from users where (score > 3) = (balance > 0)
select count(*) from users where score > 3 is distinct from active
select count(*) from users u where u is not null
select count(*) from users u where (u.mood, u.active) is not distinct from ('sad', true)
select tenant_id, user_id from users where tenant_id = $1 and user_id = any ($2) --: params {a}|{1,3,9}
select count(*) from users where name = $1 or code = $2 --: params Zoë|B
select count(*) from users where $1::mood is null or mood = $1 --: params \N
select count(*) from lines where spans @> $1::int --: params 3
-- Joins.
select count(*) from users u join orders o using (tenant_id, user_id)
select count(*) from users u natural join members m
select count(*) from users u left join orders o using (tenant_id, user_id) where o.order_id is null
select count(*) from users u right join orders o on o.tenant_id = u.tenant_id and o.user_id = u.user_id where u.user_id is null
select count(*), count(u.user_id), count(o.order_id) from users u full join orders o using (tenant_id, user_id)
select u.tenant_id, u.user_id, o.order_id from users u join orders o on o.user_id = u.user_id and o.tenant_id <> u.tenant_id where u.score = 10 and o.quantity = 4
select count(*) from users u join orders o on o.placed::date - u.born > 8800
select count(*) from users u, orders o, lines l where o.tenant_id = u.tenant_id and o.user_id = u.user_id and l.tenant_id = o.tenant_id and l.order_id = o.order_id
select u.tenant_id, r.name, t.name from users u left join regions r on r.region_id = u.region_id left join tenants t on t.tenant_id = u.tenant_id where u.user_id = 2
select r.name, count(u.user_id), count(distinct u.tenant_id) from regions r left join users u on u.region_id = r.region_id group by r.name
select r.name, t.name from regions r full join tenants t on t.region_id = r.region_id
select c.code, count(*) from currencies c join orders o on o.currency = c.code group by c.code
select k.label, count(e.*) from kinds k left join events e on e.kind_id = k.kind_id and e.amount > 3 group by k.label
select a.tenant_id, b.tenant_id from tenants a join tenants b on a.region_id = b.region_id and a.tenant_id < b.tenant_id
select a.name, b.name from users a join users b on lower(a.name) = lower(b.name collate "C") and a.tenant_id = {a} and b.tenant_id = {b}
select count(*) from users u cross join generate_series(1, 3) g where g <= u.score
select u.tenant_id, v.n from users u join (values ({a}, 'one'), ({b}, 'two')) v (k, n) on v.k = u.tenant_id where u.user_id = 1
select count(*) from (users u join orders o using (tenant_id, user_id)) join lines l using (tenant_id, order_id)
select x.tenant_id, x.order_id from (users join orders using (tenant_id, user_id)) as x where x.score > 8
select u.tenant_id, u.user_id, f.tag, f.n from users u cross join unnest(u.tags) with ordinality as f (tag, n) where u.user_id = 1
select u.tenant_id, e.key, e.value from users u, jsonb_each_text(u.profile) e where u.user_id = 2
select n.tenant_id, r from notes n, unnest(n.reach) r where n.user_id = 4
select t.tenant_id, o.order_id from tenants t left join lateral (select * from orders o where o.tenant_id = t.tenant_id order by total desc nulls last, order_id limit 2) o on true
select t.tenant_id, o.n from tenants t, lateral (select count(*) as n from orders o where o.currency = (select code from currencies where active order by code limit 1) and o.tenant_id = t.tenant_id) o
select t.tenant_id, x.name from tenants t cross join lateral (select u.name from users u where u.region_id = t.region_id order by u.tenant_id, u.user_id limit 1) x
select p.tenant_id, p.payment_id, a.balance from payments p join accounts a on (a.tenant_id, a.account_id) = (p.tenant_id, p.account_id)
select count(*) from members m join users u on u.tenant_id = m.tenant_id and u.user_id = m.user_id join tasks t on t.tenant_id = u.tenant_id and t.user_id = u.user_id
select v.tenant_id, v.visit_id, l.rating from visits v left join long_visits l using (tenant_id, visit_id) where v.visit_id > 999
select e.tenant_id, e.name, t.place from everybody e join ranked_orders t on t.tenant_id = e.tenant_id and t.place = e.score
select t.tenant_id, t.order_id, r.place from top_orders t join ranked_orders r using (tenant_id, order_id)
-- Subqueries in each clause.
select tenant_id, (select count(*) from orders o where o.tenant_id = t.tenant_id) from tenants t
select tenant_id, (select name from users where tenant_id = t.tenant_id order by score desc nulls last, user_id limit 1) from tenants t
select name, (select max(total) from orders where currency = 'EUR') from regions
select array(select order_id from orders where tenant_id = {a} and quantity > 1 order by 1), (select count(*) from tenants)
select tenant_id from tenants t where exists (select from orders o where o.tenant_id = t.tenant_id and o.total > 70)
select tenant_id from tenants t where not exists (select from users u where u.region_id = t.region_id)
select count(*) from users u where score > (select avg(score) from users)
select count(*) from users u where score > (select avg(score) from users v where v.tenant_id = u.tenant_id)
select count(*) from users u where score > all (select quantity from orders o where o.user_id = u.user_id and quantity is not null)
select count(*) from users u where balance <= any (select total from orders o where o.tenant_id = u.tenant_id)
select count(*) from orders where user_id not in (select user_id from users where score = 3)
select count(*) from orders where user_id not in (select score from users)
select count(*) from orders where (tenant_id, user_id) in (select tenant_id, user_id from users where active)
select count(*) from orders where total = (select max(total) from orders)
select count(*) from lines where (tenant_id, order_id) not in (select tenant_id, order_id from orders where status = 'new')
select count(*) from users where case when score > 5 then exists (select from orders where total > 60) else false end
select tenant_id, count(*) from orders group by tenant_id having count(*) > (select count(*) / 12 from orders)
select status, sum(total) from orders group by status having sum(total) > (select avg(total) * 10 from orders) order by status nulls first --: ordered
select tenant_id, user_id from users order by (select count(*) from orders o where o.tenant_id = users.tenant_id and o.user_id = users.user_id) desc, tenant_id, user_id limit 9 --: ordered
select tenant_id, user_id from users order by tenant_id, user_id limit (select count(*) from regions) offset (select min(region_id) from regions) --: ordered
select count(*) from users group by (select max(quantity) from orders)
select count(*) filter (where score > (select avg(score) from users)) from users
select sum(case when exists (select from orders o where o.tenant_id = u.tenant_id and o.user_id = u.user_id) then 1 else 0 end) from users u
select u.tenant_id from users u join orders o on o.tenant_id = u.tenant_id and o.total = (select max(total) from orders x where x.tenant_id = u.tenant_id) where u.user_id = 1
select count(*) from (select distinct on (tenant_id) tenant_id, score from users order by tenant_id, score desc nulls last, user_id) x where score > 8
select count(*) from (select tenant_id from users group by tenant_id having count(*) > 5 limit 100) x
select * from (select tenant_id, sum(total) as s from orders group by tenant_id) a join (select tenant_id, sum(price) as p from lines group by tenant_id) b using (tenant_id)
select avg(n) from (select count(*) as n from orders group by user_id) x
select max(s) from (select sum(quantity) as s from orders group by tenant_id, status) x
select (select sum(x) from (select unnest(array[score, user_id]) as x) y) from users where tenant_id = {a} order by user_id --: ordered
-- Set operations.
select tenant_id from tenants except select tenant_id from users
select region_id from tenants intersect select region_id from users
select user_id from users where tenant_id = {a} except all select user_id from orders where tenant_id = {b}
select user_id from orders intersect all select user_id from members
(select user_id from users union select order_id from orders) except (select user_id from members union all select 8)
select tenant_id, name from users union select tenant_id, name from tenants order by 1, 2 limit 12 --: ordered
(select user_id from orders union all select user_id from users) intersect select region_id from regions order by 1 --: ordered
select 'u' as kind, count(*) from users union all select 'o', count(*) from orders union all select 'r', count(*) from regions
select name collate "C" from users union select name collate "C" from regions order by 1 --: ordered
select count(*) from (select user_id from users union all select user_id from orders except select 3) x
(select tenant_id, user_id from users order by score desc nulls last, 1, 2 limit 3) union all (select tenant_id, user_id from users order by score, 1, 2 limit 3)
values (1), (2) union select user_id from users order by 1 --: ordered
select balance from users union select total from orders order by 1 limit 20 --: ordered
select null union select mood::text from users union select 'x' order by 1 nulls last --: ordered
table regions union all table regions order by 1 --: ordered
-- WITH and recursion.
with u as (select * from users where score > 3), o as materialized (select * from orders where quantity > 1) select count(*) from u join o using (tenant_id, user_id)
with t as not materialized (select tenant_id, count(*) as n from orders group by tenant_id) select max(n), min(n) from t
with a as (select tenant_id from tenants where vip), b as (select * from users where tenant_id in (select tenant_id from a)) select count(*) from b
with recursive n as (select 1 as i union all select i + 1 from n where i < 4) select i, count(o.order_id) from n left join orders o on o.order_id = n.i group by i order by i --: ordered
with recursive chain (k, o, depth) as (select tenant_id, order_id, 1 from orders where order_id = 1 union all select x.tenant_id, x.order_id, depth + 1 from chain c join orders x on x.tenant_id = c.k and x.order_id = c.o + 1) select k, max(depth) from chain group by k
with recursive chain (o) as (select order_id from orders where order_id = 2 union select x.order_id from chain c join orders x on x.order_id = c.o + 2) select o from chain order by 1 --: ordered
with recursive walk (k, u) as (select tenant_id, user_id from members where user_id = 1 union all select m.tenant_id, m.user_id from walk w join members m on m.tenant_id = w.k and m.user_id = w.u % 4 + 1 and m.group_id = 1) cycle k, u set looped using path select k, u, looped from walk
with recursive tree (k, n) as (select tenant_id, 1 from tenants union all select k, n + 1 from tree where n < 3) search depth first by k, n set ord select k, n from tree order by ord --: ordered
with x as (select tenant_id, user_id, row_number() over (partition by tenant_id order by made, user_id) as r from users) select tenant_id, user_id from x where r = 2
with x as (select 1 as tenant_id) select count(*) from x join users using (tenant_id)
-- Aggregates.
select count(*), count(score), count(distinct score), sum(score), avg(score), min(score), max(score) from users
select sum(balance), avg(balance), stddev(score), var_pop(score) from users
select bool_and(active), bool_or(active), every(active is not null), bit_or(score), bit_and(score), bit_xor(score) from users
select min(name), max(name), min(code), max(mood), min(born), max(made), min(seen) from users
select string_agg(name, ', ' order by tenant_id, user_id) from users where score > 7
select string_agg(distinct code, '' order by code) from users
select array_agg(distinct mood order by mood desc) from users
select array_agg(total order by total desc nulls last, tenant_id) from orders where quantity = 4
select jsonb_object_agg(order_id, total order by tenant_id) from orders where tenant_id = {a}
select json_agg(x order by x.n) from (select tenant_id as n, count(*) from orders group by tenant_id) x
select mode() within group (order by status), percentile_disc(array[0.25, 0.5, 0.75]) within group (order by total) from orders
select percentile_cont(0.5) within group (order by placed - timestamp '2024-01-01') from orders
select rank(20) within group (order by total), dense_rank(20) within group (order by total), percent_rank(20) within group (order by total) from orders
select count(distinct (tenant_id, status)), count(distinct lower(note collate "C")) from orders
select range_agg(spans), range_intersect_agg(spans) from lines where spans @> 4
select sum(seen), avg(seen) from users where seen < interval '2 days'
select tenant_id, sum(total) filter (where status = 'paid'), count(*) filter (where quantity > 2) from orders group by tenant_id
select status, currency, sum(quantity) from orders group by rollup (status, currency)
select status, currency, grouping(status), grouping(status, currency), count(*) from orders group by cube (status, currency)
select mood, active, count(*) from users group by grouping sets ((mood, active), (active), ()) order by mood nulls first, active nulls first, 3 --: ordered
select region_id, mood, count(*) from users group by distinct rollup (region_id, mood), rollup (region_id)
select score % 3, balance > 0, count(*) from users group by 1, 2 order by 1 nulls first, 2 nulls first --: ordered
select tenant_id, count(*) * 2 + sum(quantity), round(avg(total), 1), coalesce(max(note collate "C"), '-') from orders group by tenant_id
select date_trunc('day', placed), sum(total), sum(sum(total)) over (order by date_trunc('day', placed)) from orders group by 1 order by 1 --: ordered
select page, count(*), sum(seconds) from visits group by page --: shape
select lower(page::text), count(*) from visits group by 1
select count(*), sum(total) from orders where false
select sum(total) from orders where false group by tenant_id
select min(total) from orders having count(*) = 0
select sum(quantity) / nullif(count(*), 0), sum(total) / sum(quantity) from orders
-- Windows.
select tenant_id, order_id, sum(total) over (partition by tenant_id order by order_id rows between 1 preceding and 1 following) from orders
select tenant_id, order_id, count(*) over (order by quantity range between 1 preceding and current row exclude ties) from orders
select tenant_id, order_id, array_agg(order_id) over (partition by tenant_id order by order_id groups between 1 preceding and 1 following exclude current row) from orders
select tenant_id, user_id, first_value(name) over w, last_value(name) over w, nth_value(name, 3) over w from users window w as (partition by mood order by tenant_id, user_id rows between unbounded preceding and unbounded following)
select tenant_id, user_id, count(*) filter (where active) over (order by tenant_id, user_id) from users
select tenant_id, rank() over (order by sum(total) desc nulls last), sum(sum(total)) over () from orders group by tenant_id
select * from (select tenant_id, order_id, rank() over (partition by tenant_id order by total desc nulls last) as r from orders) x where r <= 2
select tenant_id, placed, lag(placed) over (partition by tenant_id order by placed, order_id) - placed from orders
select distinct tenant_id, max(total) over (partition by tenant_id) from orders
select row_number() over (order by tenant_id, user_id), * from users order by 1 limit 5 --: ordered
select status, cume_dist() over (order by status, tenant_id, order_id), ntile(3) over (partition by status order by tenant_id, order_id) from orders
-- ORDER BY, LIMIT, DISTINCT, locks.
select tenant_id, total from orders order by total desc nulls last, tenant_id, order_id limit 7 offset 3 --: ordered
select score from users order by score nulls first fetch first 4 rows with ties --: ordered
select status, total from orders order by status nulls first, total fetch first 5 rows with ties
select distinct status, currency from orders order by currency nulls first, status --: ordered
select distinct on (status) status, total, tenant_id from orders order by status, total desc nulls last, tenant_id, order_id --: ordered
select page from visits order by page nulls first, tenant_id, visit_id --: ordered
select tenant_id, note from orders order by note collate "C", tenant_id, order_id limit 10 --: ordered
select user_id as x, tenant_id from users order by -user_id, tenant_id --: ordered
select total as score, order_id from orders order by score nulls first, tenant_id, order_id limit 6 --: ordered
select mood::text from users order by mood::text, tenant_id, user_id limit 8 --: ordered
select tenant_id, order_id from orders where quantity = 4 order by tenant_id, order_id for update --: ordered
select tenant_id, task_id from tasks where done order by tenant_id, task_id limit 3 for update skip locked --: ordered
select o.order_id, u.name from orders o join users u using (tenant_id, user_id) where o.quantity = 3 order by o.tenant_id, o.order_id for no key update of o --: ordered
select region_id, name from regions order by region_id for share --: ordered
select tenant_id, user_id from users where tenant_id = {a} order by user_id for key share nowait --: ordered
-- Values of all types.
select tenant_id, profile -> 'k', profile #>> '{k}', jsonb_set(profile, '{n}', '9'), profile - 'x', profile || '{"z": null}' from users where user_id = 2
select jsonb_path_query_array(profile, '$.*') from users where user_id = 1
select to_jsonb(r), row_to_json(r) from regions r
select tags || 'z', array_append(tags, 'q'), array_to_string(tags, '-', '?'), tags[1:2], array_position(tags, 'u1') from users where user_id = 1
select weights || 9, array_length(weights, 1), 3 = any (weights) from kinds
select spans * int4range(2, 5), lower(spans), upper_inc(spans), isempty(spans) from lines where order_id = 2
select reach + '{[100,101)}', reach - '{[1,2)}', range_merge(reach), lower(reach) from notes where user_id = 2
select (home).street, (home).number + 1, home = row('High 1', 1)::place, row('x', user_id)::place from notes
select mood < 'happy', enum_range(mood), enum_first(mood), greatest(mood, 'fine') from users where user_id = 3
select progress + 1, progress::text from tasks
select age(timestamp '2025-01-01', placed), placed + interval '1 month', date_part('doy', placed) from orders where order_id = 1
select made at time zone 'UTC', date_trunc('week', made at time zone 'UTC'), extract(epoch from made) from users where user_id = 4
select justify_hours(seen), seen * 2, extract(hour from seen) from users
select encode(raw, 'hex'), raw || '\x00', md5(raw), get_byte(raw, 0) from events where event_id = 1
select round(balance, 1), trunc(balance), balance % 7, sign(balance), div(balance, 3) from users
select value * 2, -value, round(value::numeric, 2), value = 'NaN' from metrics where value is not null
select upper(name), initcap(name), left(name, 2), reverse(name), lpad(name, 6, '.'), name || code, format('%s/%L', name, code) from users where user_id = 5
select regexp_replace(title, '[aä]', '#'), split_part(title, ' ', 2), position('a' in title), title ~ 'B$' from tasks
select page || '!', upper(page), page = '/HOME', page like '/h%', length(page) from visits where visit_id < 3
select task_id::text, left(task_id::text, 4), task_id > '80000000-0000-0000-0000-000000000000' from tasks where priority = 2
select worth, price * amount = worth from lines
select coalesce(score, 0)::numeric / 3, score::float8 / 3, score / 2, score % 2 from users
select case mood when 'sad' then 1 when 'fine' then 2 else 0 end, nullif(code, 'B'), greatest(score, user_id), least(balance, 0) from users
select u from users u where tenant_id = {a} order by user_id --: ordered
select row(tenant_id, score), (tenant_id, score) < ({b}, 5) from users where user_id = 1
select 1 / (score - 10) from users
select score * 1000000000 from users
select 'x'::int from users
select (name || 'x')::int from users where user_id = 2
select 1 / (quantity - 4) from orders where tenant_id = {a}
select sum(1 / (quantity - 4)) from orders
-- INSERT.
insert into users (tenant_id, user_id, name) values ({a}, 90, 'new'), ({b}, 91, null), ({a}, 92, default) returning tenant_id, user_id, name --: ordered
insert into tasks (tenant_id, task_id, title) values ({a}, '00000000-0000-4000-8000-000000000001', 'x'), ({b}, '00000000-0000-4000-8000-000000000002', 'y') returning *
insert into tasks (tenant_id, task_id, progress) values ({a}, '00000000-0000-4000-8000-000000000001', 50), ({b}, '00000000-0000-4000-8000-000000000002', 101)
insert into lines (tenant_id, order_id, line_no, price, amount) values ({a}, 2, 80, 2.5, 4), ({b}, 3, 80, null, 4) returning worth
insert into lines (tenant_id, order_id, line_no, price, amount) values ({a}, 999, 80, 2.5, 4), ({b}, 3, 80, null, 4)
insert into users values ({a}, 93, 'a', 'b', 1, 2, 3, 'sad', '{x}', '{}', true, '2000-01-01', '1 day', '2024-01-01 00:00+00', 2), ({b}, 93)
insert into users (tenant_id, user_id) values ({a}, 1)
insert into users (tenant_id, user_id) values ({a}, 94), (null, 95)
insert into users (tenant_id, user_id) values ((select max(tenant_id) from tenants), 96), ({b}, (select max(user_id) + 1 from users))
insert into users (tenant_id, user_id) values (coalesce(null, {a}), 97), (abs({b}), 98)
insert into users (tenant_id, user_id, name) values ($1, 99, $2), ($3, 99, upper($2)) returning name --: params {a}|x|{b}
insert into users (tenant_id, user_id, name) select tenant_id, user_id + 100, name from users where score > 5
insert into users (tenant_id, user_id, name) select {a}, 200 + row_number() over (order by tenant_id, user_id), name from users where tenant_id = {b}
insert into users (tenant_id, user_id) select tenant_id, 150 from tenants on conflict do nothing returning tenant_id
insert into orders (tenant_id, order_id, user_id) select t.tenant_id, 100 + g, g from tenants t, generate_series(1, 2) g where t.vip
insert into metrics (tenant_id, day, name, value) select tenant_id, placed::date, 'orders', count(*) from orders group by tenant_id, placed::date
insert into members (tenant_id, group_id, user_id) (select tenant_id, 7, user_id from users where active) except (select tenant_id, 7, user_id from orders)
insert into members (tenant_id, group_id, user_id) with best as (select distinct on (tenant_id) tenant_id, user_id from users order by tenant_id, score desc nulls last, user_id) select tenant_id, 8, user_id from best
insert into events (tenant_id, event_id, at) values ({a}, -5, '2024-01-01 00:00+00'), ({b}, 500, '2024-01-01 00:00+00')
insert into visits (tenant_id, visit_id, page) select tenant_id, 300 + visit_id, upper(page) from long_visits
insert into notes (tenant_id, note_id, home, reach) values ({a}, '00000000-0000-4000-8000-000000000009', row('x', 1), '{[1,2)}'), ({b}, '00000000-0000-4000-8000-000000000009', null, '{}')
insert into payments (tenant_id, payment_id, amount) values ({a}, 70, -100001), ({b}, 70, 1)
insert into payments (tenant_id, payment_id, account_id) values ({a}, 70, 99), ({b}, 70, 1)
insert into users as x (tenant_id, user_id, score) values ({a}, 1, 50), ({b}, 1, 60) on conflict (tenant_id, user_id) do update set score = excluded.score + coalesce(x.score, 0) returning x.tenant_id, x.score
insert into users (tenant_id, user_id, score) values ({a}, 1, 50), ({b}, 1, 60) on conflict on constraint users_pkey do update set (score, name) = (excluded.score, default) where users.score < 5
insert into users (tenant_id, user_id, score) values ({a}, 1, 50), ({b}, 2, 60), ({a}, 151, 1) on conflict do nothing returning user_id
insert into users (tenant_id, user_id) values ({a}, 160), ({b}, 160), ({a}, 160) on conflict (tenant_id, user_id) do update set score = 1
insert into users (tenant_id, user_id, score) select tenant_id, user_id, 1 from users on conflict (tenant_id, user_id) do update set score = users.score + 1 where users.active
insert into users (tenant_id, user_id, score) values ({a}, 1, 1) on conflict (tenant_id, user_id) do update set score = (select count(*) from orders where orders.tenant_id = users.tenant_id) returning score
-- UPDATE.
update users set score = score + 1
update users set score = 0, name = default, balance = balance * 2 where tenant_id in ({a}, {b}) returning tenant_id, user_id, score, balance
update users set (score, balance) = (user_id, 1.5) where active
update users set (score, name) = row(user_id, upper(name)) where mood = 'sad' returning *
update users u set (score, balance) = (select count(*), sum(total) from orders o where o.tenant_id = u.tenant_id and o.user_id = u.user_id)
update users set score = (select max(quantity) from orders)
update users u set score = o.n from (select tenant_id, user_id, count(*) as n from orders group by tenant_id, user_id) o where o.tenant_id = u.tenant_id and o.user_id = u.user_id
update users u set balance = t.region_id from tenants t where t.tenant_id = u.tenant_id and t.vip returning u.tenant_id, u.user_id, t.name
update users u set name = r.name from regions r where r.region_id = u.region_id
update users u set score = v.s from (values ({a}, 1), ({b}, 2)) v (k, s) where v.k = u.tenant_id
update orders set status = 'old' where placed < (select avg(extract(epoch from placed)) * interval '1 second' + timestamp '1970-01-01' from orders)
update orders set status = upper(status) where (tenant_id, order_id) in (select tenant_id, order_id from lines where amount = 3)
update orders o set quantity = 9 where exists (select from users u where u.tenant_id = o.tenant_id and u.user_id = o.user_id and u.score > 6) and not exists (select from lines l where l.tenant_id = o.tenant_id and l.order_id = o.order_id)
update lines set price = price + 1, amount = null where line_no = 2 returning worth
update tasks set progress = progress + 50
update events set event_id = event_id + 10 where event_id = 3
update only visits set seconds = coalesce(seconds, 0) + 1
update visits set page = page || '/' where visit_id in (1, 1001) returning *
update metrics set samples[1] = 99, samples[5] = 1 where samples is not null
update notes set home.number = 5 where home is not null
update notes set words = words || 'z', reach = reach + '{[90,91)}' where starred
update users set profile = profile || jsonb_build_object('n', score) where profile ? 'n' returning profile
update users set tenant_id = {b} where tenant_id = {a} and user_id > 6
update members set tenant_id = {b}, group_id = 50 where tenant_id = {a}
update tasks set tenant_id = case tenant_id when {a} then {b} else {a} end where tenant_id in ({a}, {b}) returning tenant_id, task_id
update metrics m set tenant_id = t.tenant_id from tenants t where t.tenant_id = {b} and m.tenant_id = {a} and m.day = '2024-02-28' and m.name = 'nothing'
update users set score = $1 where mood = $2 returning user_id --: params 4|happy
update users set score = 1 / (score - 10)
-- DELETE, TRUNCATE.
delete from members where role is null returning *
delete from tasks where tenant_id in ({a}, {b}) and done
delete from tasks t using users u where u.tenant_id = t.tenant_id and u.user_id = t.user_id and u.score > 5
delete from tasks where user_id in (select user_id from users where score = 3)
delete from metrics where value > (select avg(value) from metrics where value <> 'NaN')
delete from metrics where (tenant_id, day, name) in (select tenant_id, day, name from metrics order by day, tenant_id, name limit 7)
delete from orders where quantity = 4
delete from accounts
delete from visits where page = '/home' returning tenant_id, visit_id
delete from only visits where visit_id > 2
delete from events where event_id in (3, 4) returning event_id, tenant_id
delete from notes where home = row('High 1', 1)::place or reach = '{}'
truncate metrics, members
truncate orders
truncate orders cascade
truncate only visits
-- MERGE.
merge into users u using (select tenant_id, order_id, total from orders) o on u.tenant_id = o.tenant_id and u.user_id = o.order_id when matched and o.total > 30 then update set balance = o.total when matched then delete when not matched then insert (tenant_id, user_id, balance) values (o.tenant_id, o.order_id, o.total)
merge into visits v using long_visits l on v.tenant_id = l.tenant_id and v.visit_id = l.visit_id - 1000 when matched then update set seconds = l.seconds when not matched then do nothing
merge into users u using (values ({a}, 1), ({b}, 77)) s (k, n) on u.tenant_id = s.k and u.user_id = s.n when matched then update set name = 'merged' when not matched then insert (tenant_id, user_id, name) values (s.k, s.n, 'made')
merge into users u using regions r on u.tenant_id = {a} and u.user_id = r.region_id when matched then update set name = r.name when not matched then insert (tenant_id, user_id) values ({a}, r.region_id)
merge into regions r using (select region_id, count(*) as n from users where region_id is not null group by region_id) u on r.region_id = u.region_id when matched then update set area = u.n when not matched then insert (region_id, name) values (u.region_id, 'new')
-- WITH that writes.
with d as (delete from members where tenant_id in ({a}, {b}) returning *) select tenant_id, count(*) from d group by tenant_id
with d as (delete from members where role = 'admin' returning *) insert into metrics (tenant_id, day, name, value) select tenant_id, since, 'gone', count(*) from d group by tenant_id, since
with i as (insert into users (tenant_id, user_id) values ({a}, 180), ({b}, 180) returning tenant_id) update tenants t set vip = true from i where i.tenant_id = t.tenant_id
with u as (update tasks set done = true where not done returning tenant_id) select count(*), count(distinct tenant_id) from u
with first as (select tenant_id, order_id from orders order by placed, tenant_id, order_id limit 4) update orders o set status = 'first' from first f where f.tenant_id = o.tenant_id and f.order_id = o.order_id returning o.tenant_id, o.order_id
with m as (insert into regions (region_id, name) values (60, 'm') returning region_id) insert into kinds (kind_id, label) select region_id, 'k' from m
-- Reference tables.
insert into regions (region_id, name, area) select 50 + user_id, min(name collate "C"), sum(balance) from users group by user_id
update regions r set area = (select count(*) from users u where u.region_id = r.region_id)
delete from kinds where kind_id not in (select kind_id from events where kind_id is not null)
update currencies set rate = rate * 2 where code in (select currency from orders) returning code, rate
insert into currencies (code, name) values ('EUR', 'again') on conflict (code) do update set name = excluded.name returning *
delete from regions where region_id = 1
update kinds set weights[2] = 5, mood = 'sad' returning *
-- COPY TO, cursors, prepared statements, transactions.
copy (select tenant_id, name, tags, profile from users order by tenant_id, user_id) to stdout with (format csv, header, force_quote (name)) --: ordered
copy (select * from notes order by tenant_id, note_id) to stdout with (null 'nil', delimiter '|') --: ordered
copy (select home, reach, words from notes where user_id = 1) to stdout with (format csv, quote '''')
copy visits to stdout
copy (select sum(total) from orders group by status) to stdout
begin; declare c scroll cursor for select tenant_id, order_id from orders order by tenant_id, order_id; fetch 3 from c; fetch prior from c; fetch absolute -2 from c; move first from c; fetch relative 4 from c; fetch backward 2 from c; close c; commit --: simple; ordered
begin; declare c cursor for select name, rank() over (order by name) from users order by name, tenant_id, user_id; fetch 5 from c; move 10 from c; fetch next from c; commit --: simple; ordered
declare c scroll cursor with hold for select user_id, count(*) from orders group by 1 order by 1; fetch last from c; fetch first from c; close c --: simple; ordered
prepare q (int) as select tenant_id, count(*) from orders where quantity >= $1 group by 1 order by 1; execute q (2); execute q (4); deallocate q --: simple; ordered
prepare q (bigint, text) as update users set name = $2 where tenant_id = $1 and user_id = 1 returning name; execute q ({a}, 'x'); execute q ({b}, 'y'); deallocate q --: simple
begin; update users set score = 1; savepoint s; delete from orders; select 1 / 0; rollback to s; select count(*) from orders; commit; select sum(score) from users --: simple
begin; insert into users (tenant_id, user_id) values ({a}, 190), ({b}, 190); savepoint s; insert into users (tenant_id, user_id) values ({a}, 190); rollback to s; select count(*) from users where user_id = 190; commit --: simple
begin; savepoint a; update tasks set done = true where tenant_id = {a}; savepoint b; update tasks set done = true where tenant_id = {b}; release b; rollback to a; commit; select count(*) from tasks where done --: simple
update users set score = 1 where tenant_id = {a}; update users set score = 2 where tenant_id = {b}; select sum(1 / (score - 2)) from users --: simple
create temp table mine as select tenant_id, sum(total) as s from orders group by tenant_id; select count(*) from mine m join users u using (tenant_id) where u.score > m.s / 100; drop table mine --: simple
begin; create temp table mine on commit drop as select tenant_id, user_id from users where score > 6; select count(*) from orders o join mine m using (tenant_id, user_id); delete from mine where tenant_id = {a}; select count(*) from mine; commit --: simple
select tenant_id, user_id into temp picked from users where tenant_id = {a}; select count(*) from picked; drop table picked --: simple
-- What a key beside all that does not do.
select count(*) from users u join orders o using (tenant_id, user_id) where u.tenant_id = {a} or o.quantity = 4
select count(*) from users u left join orders o on o.tenant_id = u.tenant_id and u.tenant_id = {a}
select tenant_id = {a}, count(*) from orders group by 1
select sum(total) filter (where tenant_id = {a}), sum(total) filter (where tenant_id <> {a}) from orders
select count(*) from users where tenant_id = {a} and exists (select from orders where tenant_id = {b} and quantity = 4)
select tenant_id from tenants where tenant_id = {a} union all select tenant_id from users where tenant_id = {b} and user_id < 3
select rank() over (order by tenant_id = {a} desc, tenant_id), tenant_id from tenants
select count(*) from everybody where tenant_id in ({a}, {b})
select place, count(*) from ranked_orders where tenant_id <> {a} group by place order by place --: ordered
select * from top_orders where tenant_id in ({a}, {b}) or total > 100
update tasks set priority = case when tenant_id = {a} then 1 when tenant_id = {b} then 2 end
delete from members where (tenant_id = {a}) is not true and group_id = 2
