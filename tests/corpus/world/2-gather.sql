-- Windows.
select tenant_id, user_id, row_number() over (order by score desc nulls last, tenant_id, user_id) from users --: ordered
select tenant_id, user_id, rank() over (partition by region_id order by balance) from users
select tenant_id, order_id, sum(total) over (order by tenant_id, order_id) from orders
select tenant_id, order_id, avg(total) over (partition by status order by tenant_id, order_id rows between 3 preceding and current row) from orders
select tenant_id, order_id, lag(total, 2, 0) over w, lead(status) over w from orders window w as (order by placed, tenant_id, order_id)
select name, dense_rank() over (order by name) from users
select name collate "C", percent_rank() over (order by name collate "C"), cume_dist() over (order by name collate "C") from users
select mood, count(*) over (partition by mood), first_value(code) over (partition by mood order by tenant_id, user_id) from users
select tenant_id, day, nth_value(name, 2) over (order by tenant_id, day, name range between unbounded preceding and unbounded following) from metrics
select user_id, sum(count(*)) over (order by user_id) from orders group by user_id order by user_id --: ordered
select * from (select tenant_id, user_id, row_number() over (partition by tenant_id order by score desc nulls last, user_id) as n from users) x where n <= 2
select tenant_id, total, total - avg(total) over (partition by currency) from orders where total is not null
select tenant_id, due, count(*) over (order by due range between interval '2 days' preceding and interval '2 days' following) from tasks
select tenant_id, user_id, ntile(4) over (order by tenant_id, user_id), lag(seen) over (order by tenant_id, user_id) from users
select distinct count(*) over () from users
select tenant_id, max(total) over (partition by tenant_id % 2), row_number() over (partition by tenant_id % 2 order by tenant_id, order_id) from orders
-- DISTINCT ON, DISTINCT, ties.
select distinct on (name) name, tenant_id, user_id from users order by name, tenant_id, user_id --: ordered
select distinct on (lower(name)) lower(name), tenant_id, user_id from users order by lower(name), tenant_id desc, user_id --: ordered
select distinct on (mood, active) mood, active, tenant_id from users order by mood, active desc nulls last, tenant_id, user_id --: ordered
select distinct on (note) tenant_id, order_id from orders order by note nulls first, tenant_id, order_id --: ordered
select distinct mood, active from users order by mood desc, active --: ordered
select distinct tags from users
select distinct profile -> 'k' from users
select distinct seen from users --: shape
select distinct raw from events
select distinct lower(note collate "C") from orders
select count(distinct note) from orders
select score, tenant_id, user_id from users order by score nulls first, tenant_id, user_id fetch first 7 rows only --: ordered
select score from users order by score desc nulls last fetch first 5 rows with ties --: ordered
select born from users order by born offset 3 fetch first 4 rows with ties --: ordered
-- Order by what only PostgreSQL compares.
select name, tenant_id, user_id from users order by name, tenant_id, user_id --: ordered
select name, tenant_id, user_id from users order by name collate "C" desc, tenant_id, user_id --: ordered
select code, name, tenant_id from users order by code collate "de-x-icu", name, tenant_id, user_id limit 15 --: ordered
select mood, tenant_id, user_id from users order by mood desc nulls last, tenant_id, user_id limit 11 --: ordered
select seen, tenant_id, user_id from users order by seen, tenant_id, user_id --: ordered
select tags, tenant_id, user_id from users order by tags, tenant_id, user_id --: ordered
select profile, tenant_id, user_id from users order by profile nulls first, tenant_id, user_id limit 9 --: ordered
select spans, tenant_id, order_id from lines order by spans desc, tenant_id, order_id, line_no --: ordered
select balance from accounts order by balance, tenant_id, account_id --: ordered
select value from metrics order by value nulls first, tenant_id, day, name --: ordered
select raw, tenant_id from events order by raw, tenant_id, event_id limit 12 --: ordered
select note, tenant_id, order_id from orders order by note, tenant_id, order_id --: ordered
select tenant_id, user_id from users order by length(name), lower(code), tenant_id, user_id --: ordered
select tenant_id, order_id from orders order by random() * 0, tenant_id, order_id limit 5 --: ordered
select name from users order by name using >, tenant_id, user_id --: ordered
-- Grouping.
select name, count(*) from users group by name order by name --: ordered
select mood, sum(score), avg(balance) from users group by mood order by mood nulls first --: ordered
select note, count(*) from orders group by note --: shape
select region_id, mood, count(*) from users group by rollup (region_id, mood)
select region_id, active, sum(score) from users group by cube (region_id, active)
select region_id, active, grouping(region_id, active), max(name) from users group by grouping sets ((region_id), (active), ())
select region_id, count(*) from users group by region_id having count(*) > 5 and max(score) > 3
select count(*), sum(score) from users having sum(score) > 100
select count(*) from users having false
select extract(year from born), count(*) from users group by 1 order by 1 --: ordered
select date_trunc('month', placed) as month, status, sum(total) from orders group by month, status order by month, status --: ordered
select tags[1], count(*), array_agg(tenant_id order by tenant_id, user_id) from users group by tags[1]
select profile ->> 'k', count(*) from users group by 1
select currency, round(avg(total), 2), coalesce(sum(total), 0) / count(*) from orders group by currency
select status, string_agg(order_id::text, ',' order by tenant_id, order_id) from orders group by status
select jsonb_object_agg(tenant_id || '.' || user_id, score) from users
select json_agg(x order by tenant_id, user_id) from users x
select array_agg(distinct mood order by mood) from users
select percentile_cont(array[0.25, 0.5, 0.75]) within group (order by balance) from users
select mode() within group (order by score) from users
select rank(5) within group (order by score), dense_rank(5) within group (order by score), percent_rank(5) within group (order by score) from users
select stddev(score), variance(score), var_pop(balance), stddev_samp(total) from users join orders using (tenant_id, user_id)
select corr(score, user_id), regr_slope(score, user_id), regr_count(score, user_id), covar_pop(user_id, score) from users
select bit_and(score), bit_or(score), bit_xor(score) from users
select every(active), bool_or(active) from users
select sum(ratio), avg(ratio), min(ratio), max(ratio) from users
select sum(value) from metrics
select min(seen), max(seen) from users
select max(tags), min(spans), max(mood), min(code), max(name) from users join lines using (tenant_id)
select range_agg(spans), range_intersect_agg(spans) from lines where not isempty(spans)
select sum(amount), avg(amount), count(distinct kind_id) filter (where amount > 10) from events
select sum(distinct score), count(distinct (region_id, mood)) from users
select count(*) filter (where active), count(*) filter (where not active), count(*) from users
select tenant_id % 3, count(distinct name), sum(score) filter (where mood = 'sad') from users group by 1
select max(n) from (select tenant_id, count(*) as n from orders group by tenant_id) x
select avg(n), sum(n) from (select distinct user_id as n from orders) x
-- Joins across tenants.
select count(*) from users a join users b on a.user_id = b.user_id and a.tenant_id < b.tenant_id
select a.tenant_id, b.tenant_id from tenants a join tenants b on a.region_id = b.region_id and a.tenant_id < b.tenant_id
select a.name, count(*) from users a join users b on a.name = b.name group by a.name
select count(*) from users u full join members m on m.user_id = u.user_id and m.group_id = 1
select t.name, o.order_id from tenants t left join orders o on o.quantity = t.region_id and o.tenant_id = t.tenant_id + 1
select count(*) from users u, orders o where o.user_id = u.user_id and u.region_id = 2
select u.tenant_id, k.label from users u left join kinds k on k.kind_id = u.region_id
select k.label, u.tenant_id, u.user_id from kinds k left join users u on u.region_id = k.kind_id and u.score > 5
select r.name, count(u.user_id) from regions r left join users u using (region_id) group by r.name
select c.code, sum(o.total) from currencies c left join orders o on o.currency = c.code group by c.code order by c.code --: ordered
select count(*) from regions cross join tenants
select count(*) from tenants natural join members
select a.tenant_id, x.n from tenants a cross join lateral (select count(*) as n from orders o where o.quantity = a.region_id) x
select a.tenant_id, x.order_id from tenants a left join lateral (select order_id from orders o where o.tenant_id = a.tenant_id order by total desc nulls last, order_id limit 2) x on true
select u.tenant_id, t from users u, unnest(u.tags) t
select u.tenant_id, j.key, j.value from users u, jsonb_each(u.profile) j
select count(*) from events e join kinds k on k.kind_id = e.kind_id join tenants t on t.tenant_id = e.tenant_id where k.mood = 'sad'
select (u).name, (u).score from (select u from users u) x
-- Subqueries.
select count(*) from users where score > (select avg(score) from users)
select tenant_id, user_id from users u where balance = (select max(balance) from users)
select tenant_id, user_id from users u where score = (select max(score) from users x where x.region_id = u.region_id)
select count(*) from users where user_id in (select user_id from orders where total > 50)
select count(*) from users where user_id not in (select user_id from orders where user_id is not null)
select count(*) from users where (region_id, mood) in (select region_id, mood from users where active)
select count(*) from users u where exists (select from users v where v.name = u.name and v.tenant_id <> u.tenant_id)
select count(*) from users u where not exists (select from orders o where o.user_id = u.user_id)
select count(*) from users where score >= all (select quantity from orders where quantity is not null)
select count(*) from users where score = any (select quantity from orders)
select (select count(*) from users), (select sum(total) from orders), (select max(name) from tenants)
select tenant_id, (select count(*) from members m where m.user_id = t.region_id) from tenants t
select tenant_id, array(select order_id from orders o where o.tenant_id = t.tenant_id order by total desc nulls last, order_id limit 3) from tenants t
select tenant_id, exists (select from notes n where n.starred and n.user_id = t.region_id) from tenants t
select sum(x) from (select total as x from orders order by total desc nulls last, tenant_id, order_id limit 10) s
select * from (select tenant_id, user_id from users order by tenant_id, user_id limit 5) a join (select tenant_id, user_id from users order by tenant_id, user_id offset 2 limit 5) b using (tenant_id, user_id)
select count(*) from users where region_id = (select region_id from regions order by area desc nulls last limit 1)
select case when exists (select from users where score > 9) then 'some' else 'none' end
select coalesce((select name from users where tenant_id = -1), 'nobody')
select (select name from users) --: shape
-- WITH.
with x as (select tenant_id, sum(total) as s from orders group by tenant_id) select count(*), max(s) from x where s > (select avg(s) from x)
with x as (select * from users), y as (select * from x where score > 3) select x.mood, count(y.user_id) from x left join y using (tenant_id, user_id) group by x.mood
with recursive r (n) as (select 1 union all select n + 1 from r where n < 5) select n, count(u.user_id) from r left join users u on u.user_id = n group by n order by n --: ordered
with recursive r (k, n) as (select tenant_id, 1 from tenants where vip union all select k, n + 1 from r where n < 3) select count(*), sum(n) from r
with recursive r as (select tenant_id, user_id, score from users where user_id = 1 union select u.tenant_id, u.user_id, u.score from users u join r on u.tenant_id = r.tenant_id and u.user_id = r.user_id + 1) select count(*) from r
with recursive r as (select region_id as a from users where user_id = 1 union select u.user_id::int from users u join r on u.region_id = r.a) select a from r
with x as materialized (select count(*) as n from users) select n, (select count(*) from orders) from x
with x as not materialized (select * from users where region_id = 1) select a.name from x a join x b using (tenant_id, user_id) order by a.name, a.tenant_id, a.user_id --: ordered
-- Set operations.
select user_id from users union select order_id from orders
select user_id from users union all select order_id from orders order by 1 limit 20 --: ordered
select user_id from users intersect select user_id from members
select user_id from users except select user_id from members
select user_id from orders intersect all select user_id from members
select user_id from orders except all select user_id from members
select name from users union select name from tenants order by 1 --: ordered
select mood from users union select mood from kinds order by 1 desc --: ordered
(select name from users order by name, tenant_id, user_id limit 3) union all (select name from tenants order by name limit 2)
select count(*) from (select user_id from users union select user_id from orders) x
select tenant_id, count(*) from (select tenant_id from users union all select tenant_id from orders union all select tenant_id from tasks) x group by tenant_id
select 1 union select score from users union values (2), (99)
select user_id from users where user_id in (select user_id from orders union select 2) order by user_id, tenant_id limit 4 --: ordered
-- Types.
select tenant_id, user_id, tags || array['x'], profile || '{"z": 1}', seen * 2, made at time zone 'Asia/Tokyo', born + 1 from users order by tenant_id, user_id limit 8 --: ordered
select spans * int4range(2, 4), upper(spans), isempty(spans), spans && '[1,3]' from lines order by tenant_id, order_id, line_no --: ordered
select count(*) from users where profile @> '{"k": "p"}' or tags && array['t1']
select count(*) from accounts where moods @> array['sad']::mood[]
select raw, encode(raw, 'hex'), length(raw), md5(raw) from events order by tenant_id, event_id limit 5 --: ordered
select progress, progress + 1, pg_typeof(progress) from tasks order by tenant_id, task_id limit 5 --: ordered
select balance, balance::float8, round(balance, 1), balance = 'NaN' from accounts
select value, value = 'NaN', - value, value::text from metrics
select to_char(paid, 'YYYY-MM-DD HH24:MI'), extract(epoch from paid), paid::date from payments
select format('%s-%L', name, code), concat_ws('/', code, score, mood), upper(name) collate "de-x-icu" from users
select words, array_length(words, 1), cardinality(words), words[1], 'W1' = any (words), array_to_string(words, '+') from notes
select body from notes where body ~ 'note [b-d]' or body like E'%\n"1'
select row (tenant_id, user_id), row (name, null) from users where user_id = 1
select max(row (score, name)) from users --: shape
select jsonb_agg(profile order by tenant_id, user_id) filter (where profile is not null) from users
select jsonb_path_query(profile, '$.k') from users
select xmin is not null from users limit 1
select to_jsonb(t) from tenants t
select u from users u where score = 3
select count(u) from users u
select users.* from users natural join tenants order by users.tenant_id, user_id limit 3 --: ordered
select greatest(score, region_id), least(born, date '2000-01-01'), nullif(name, 'Ann') from users
-- Views, partitions, generated columns.
select * from order_totals
select count(*) from rich_users r join order_totals o using (tenant_id, user_id)
select region, count(*) from tenant_regions group by region order by region --: ordered
select sum(orders) from order_totals where tenant_id in ({a}, {b})
select * from tenant_regions where tenant_id = {a}
select count(*), max(at) from events
select count(*) from events_low
select count(*) from only events
select e.tableoid::regclass, count(*) from events e group by 1
select sum(worth), max(worth) from lines
select product, worth from lines where worth > 5 order by worth desc, tenant_id, order_id, line_no limit 6 --: ordered
-- LIMIT and cursors.
select count(*) from (select from users limit 10) x
select user_id from users order by user_id, tenant_id limit (select 3) --: ordered
select user_id from users order by user_id, tenant_id limit 2 + 2 offset 1 + 1 --: ordered
begin; declare c cursor for select tenant_id, user_id from users order by tenant_id, user_id; fetch 5 from c; fetch 3 from c; move 2 in c; fetch next from c; close c; commit --: simple
begin; declare c scroll cursor for select tenant_id from tenants order by tenant_id; fetch last from c; fetch backward 2 from c; fetch absolute 3 from c; commit --: simple
copy (select tenant_id, count(*) from users group by tenant_id order by tenant_id) to stdout --: ordered
copy (select name, user_id from users order by name, tenant_id, user_id) to stdout with (format csv, header) --: ordered
copy users (tenant_id, user_id, name) to stdout
prepare q (int) as select count(*) from users where score > $1; execute q (3); execute q (8); deallocate q --: simple
select count(*) from users where score > $1 and region_id = any ($2) --: params 3|{1,2,3}
select name from users where name > $1 order by name, tenant_id, user_id limit $2 --: ordered; params b|4
-- Errors are PostgreSQL's.
select score / 0 from users
select name + 1 from users
select max(max(score)) from users
select score from users group by name
select * from users join orders
select user_id from users union select name from users
select (select user_id, score from users limit 1)
select nonsense(score) from users
select sum(score) over w from users
select 1 from users where count(*) > 1
select 'x'::int from users
select cast(name as int) from users
select tenant_id from users order by 5
select distinct name from users order by score
