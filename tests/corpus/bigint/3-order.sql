-- Order, limit, distinct.
select tenant_id from users limit 10 --: shape
select tenant_id, user_id from users limit 0
select tenant_id, user_id from users order by 1, 2 limit 10 --: ordered
select tenant_id, user_id from users order by 1, 2 limit 5 + 5 --: ordered
select tenant_id, user_id from users order by 1, 2 limit $1 --: ordered; params 7
select tenant_id, user_id from users order by 1, 2 limit $1 offset $2 --: ordered; params 7|100
select tenant_id, user_id from users order by 1, 2 limit $1 --: ordered; params \N
select tenant_id, user_id from users order by 1, 2 limit null --: ordered
select tenant_id, user_id from users order by 1, 2 limit all --: ordered
select tenant_id, user_id from users order by 1, 2 offset 100 --: ordered
select tenant_id, user_id from users order by 1, 2 limit 3 offset 126 --: ordered
select tenant_id, user_id from users order by 1, 2 offset 1000 --: ordered
select tenant_id, user_id from users order by 1, 2 limit -1
select tenant_id, user_id from users order by 1, 2 limit (select 3) --: ordered
select tenant_id, user_id from users order by 1, 2 limit 2.5 --: ordered
select tenant_id, user_id from users offset 120 --: shape
select tenant_id, user_id from users order by tenant_id, user_id fetch first row only --: ordered
select tenant_id, user_id from users order by tenant_id, user_id fetch next 4 rows only --: ordered
select score from users order by score fetch first 3 rows with ties --: ordered
select user_id from users where tenant_id = {a} order by user_id limit 2 --: ordered
select tenant_id, task_id from tasks where not done order by tenant_id, task_id for update skip locked limit 1
select tenant_id, task_id from tasks where tenant_id = {a} and not done order by task_id limit 1 for update skip locked
select tenant_id, user_id from users where tenant_id = {a} for update
select tenant_id, user_id from users for share
select score, tenant_id, user_id from users order by score, 2, 3 --: ordered
select score, tenant_id, user_id from users order by score desc, 2, 3 --: ordered
select score, tenant_id, user_id from users order by score nulls first, 2, 3 --: ordered
select score, tenant_id, user_id from users order by score desc nulls last, 2, 3 --: ordered
select score, tenant_id, user_id from users order by score asc nulls last, 2, 3 limit 9 --: ordered
select tenant_id, user_id from users order by score, tenant_id, user_id --: ordered
select tenant_id, user_id from users order by score nulls first, tenant_id desc, user_id limit 11 --: ordered
select tenant_id, user_id from users order by user_id + 0, tenant_id --: ordered
select tenant_id, user_id from users order by -score, tenant_id, user_id --: ordered
select tenant_id, user_id from users order by score + user_id desc nulls last, tenant_id, user_id --: ordered
select tenant_id, user_id, name from users order by name, tenant_id, user_id --: ordered
select tenant_id, user_id, name from users order by name desc, tenant_id, user_id limit 20 --: ordered
select tenant_id, user_id, name from users order by name collate "C", tenant_id, user_id --: ordered
select tenant_id, user_id, name from users order by name collate "en-US-x-icu", tenant_id, user_id --: ordered
select tenant_id, user_id, code from users order by code, tenant_id, user_id --: ordered
select tenant_id, user_id, code from users order by code desc, tenant_id, user_id --: ordered
select tenant_id, user_id from users order by lower(email), tenant_id, user_id --: ordered
select tenant_id, user_id from users order by lower(code), tenant_id, user_id --: ordered
select tenant_id, user_id, created_at::date from users order by created_at::date, tenant_id, user_id --: ordered
select tenant_id, user_id, born from users order by born, tenant_id, user_id --: ordered
select tenant_id, user_id, born from users order by born desc, tenant_id, user_id limit 5 --: ordered
select tenant_id, user_id, seen from users order by seen, tenant_id, user_id --: ordered
select tenant_id, user_id, mood from users order by mood, tenant_id, user_id --: ordered
select tenant_id, user_id, mood from users order by mood desc nulls last, tenant_id, user_id --: ordered
select tenant_id, user_id, balance from users order by balance, tenant_id, user_id --: ordered
select tenant_id, user_id, balance from users order by balance desc, tenant_id, user_id --: ordered
select tenant_id, user_id, ratio from users order by ratio, tenant_id, user_id --: ordered
select tenant_id, user_id, ratio from users order by ratio desc nulls last, tenant_id, user_id --: ordered
select tenant_id, user_id, tags from users order by tags, tenant_id, user_id --: ordered
select tenant_id, user_id, profile from users order by profile, tenant_id, user_id --: ordered
select tenant_id, user_id, active from users order by active, tenant_id, user_id --: ordered
select tenant_id, user_id, created_at from users order by created_at, tenant_id, user_id --: ordered
select tenant_id, order_id, placed_at from orders order by placed_at desc, tenant_id, order_id --: ordered
select tenant_id, name from tenants order by name --: ordered
select tenant_id, name as tenant_id2 from tenants order by tenant_id2 --: ordered
select -tenant_id as tenant_id from tenants order by tenant_id --: ordered
select name, tenant_id as name2 from tenants order by tenants.tenant_id --: ordered
select user_id as tenant_id, tenant_id as user_id from users order by tenant_id, user_id --: ordered
select u.user_id, o.user_id, o.order_id, u.tenant_id from users u join orders o on o.tenant_id = u.tenant_id and o.user_id = u.user_id order by u.user_id, u.tenant_id, o.order_id --: ordered
select u.tenant_id, o.tenant_id, o.order_id from users u join orders o on o.tenant_id = u.tenant_id and o.user_id = u.user_id order by tenant_id, o.order_id
select tenant_id, user_id from users order by tenant_id using <, user_id using > --: ordered
select tenant_id, user_id from users order by 3
select tenant_id, user_id from users order by 'x'
select tenant_id, count(*) from orders group by tenant_id order by count(*) desc, tenant_id --: ordered
select status, count(*) as n from orders group by status order by n desc, status --: ordered
select status from orders group by status order by min(tenant_id), status --: ordered
select tenant_id, user_id from users order by (select {a}), tenant_id, user_id limit 4 --: ordered
select tenant_id, user_id from users order by random() limit 3 --: shape
select * from users order by tenant_id, user_id limit 3 --: ordered
select u.*, u.score from users u order by score desc nulls last, tenant_id, user_id limit 3 --: ordered
select distinct score from users
select distinct score from users order by score --: ordered
select distinct score from users order by score desc nulls last limit 3 --: ordered
select distinct score from users order by score limit 3 offset 2 --: ordered
select distinct tenant_id, score from users where score > 5
select distinct balance = 1 from users
select count(*) from (select distinct balance from users) d
select distinct round(balance) from users where balance > 0 and balance < 10
select distinct name from users
select distinct name from users order by name --: ordered
select distinct code from users order by code --: ordered
select distinct mood from users order by mood --: ordered
select distinct ratio = 0 from users
select distinct tags from users
select distinct profile from users
select distinct active, country from users
select distinct lower(status) from orders
select distinct tenant_id from users order by user_id
select distinct on (country) country, tenant_id, user_id from users order by country, tenant_id, user_id --: ordered
select distinct on (tenant_id) tenant_id, user_id, score from users order by tenant_id, score desc nulls last, user_id --: ordered
select distinct on (lower(status)) lower(status), tenant_id, order_id from orders order by lower(status), tenant_id, order_id --: ordered
select distinct on (tenant_id % 3, user_id) tenant_id, user_id from users order by tenant_id % 3, user_id, tenant_id --: ordered
select all user_id from users where tenant_id = {a}
(select tenant_id from users where tenant_id = {a} limit 1) union all (select tenant_id from users where tenant_id = {b} limit 2)
(select tenant_id, user_id from users order by 1, 2 limit 2) union all (select tenant_id, user_id from users order by 1 desc, 2 desc limit 2)
select tenant_id from tenants union all select tenant_id from orders order by 1 limit 5 --: ordered
select country from users union select code from countries
select country from users intersect select code from countries
begin; declare c cursor for select tenant_id, user_id from users order by tenant_id, user_id; fetch 10 from c; fetch 2 from c; close c; commit --: simple; ordered
begin; declare c cursor for select user_id from users where tenant_id = {a} order by user_id; fetch 3 from c; move 1 from c; fetch all from c; commit --: simple; ordered
begin; declare c scroll cursor for select user_id from users where tenant_id = {a} order by user_id; fetch last from c; fetch prior from c; rollback --: simple; ordered
select tenant_id, row_number() over (order by tenant_id) from tenants
select tenant_id, user_id, rank() over (order by score desc nulls last) from users
select tenant_id, user_id, rank() over (partition by tenant_id order by score) from users where tenant_id = {a}
select tenant_id, user_id, rank() over (partition by tenant_id order by score) from users
select tenant_id, sum(total) over (order by tenant_id, order_id) from orders
select tenant_id, count(*) over () from tenants
select tenant_id, lag(tenant_id) over w from tenants window w as (order by tenant_id)
select * from (select tenant_id, user_id, row_number() over (partition by tenant_id order by user_id) as r from users) x where r = 1
