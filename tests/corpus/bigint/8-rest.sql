-- Shapes of the paragraphs above that they have not: order by what is not in the output, functions on backends, citext, EXECUTE.
select user_id from users order by tenant_id, user_id --: ordered
select score from users order by tenant_id desc, user_id limit 7 --: ordered
select pg_cancel_backend(2147483647)
select pg_terminate_backend(2147483647)
begin; create extension citext; select tenant_id, user_id, name::citext from users order by 3, 1, 2; rollback --: ordered; simple
begin; create extension citext; select name::citext, count(*) from users group by 1 order by 1; rollback --: ordered; simple
prepare q as select count(*), sum(score) from users where score > $1; execute q(3); execute q(8) --: simple
prepare q (int) as select tenant_id, user_id, rank() over (order by score desc, tenant_id, user_id) from users where score > $1 order by 1, 2; execute q(3) --: ordered; simple
prepare q (bigint, int) as select name from users where tenant_id = $1 and score > $2 order by user_id; execute q({a}, 1); execute q({b}, 1) --: ordered; simple
prepare q as select user_id from users where score > $1 order by tenant_id, user_id limit $2 offset $3; execute q(1, 5, 2); execute q(1, null, 3) --: ordered; simple
prepare q as update users set score = score + $1 where country = $2 returning tenant_id, user_id, score; execute q(1, 'AT'); execute q(2, 'DE') --: simple
prepare q as insert into plans (plan_id, name, made_at) select plan_id + $1, name || $2, $3 from plans; execute q(100, 'x', '2020-01-01') --: simple
-- What was prepared before a schema change.
prepare q as select tenant_id, name from tenants where tenant_id = {a}; execute q; alter table tenants add column more int; execute q; alter table tenants drop column more; execute q --: simple; cleanup alter table tenants drop column if exists more
prepare q as select tenant_id, name from tenants where tenant_id in ({a}, {b}); execute q; begin; alter table tenants add column more int default 3; commit; execute q; alter table tenants drop column more --: simple; cleanup alter table tenants drop column if exists more
prepare q as select count(*), sum(score) from users; execute q; begin; create index users_score on users (score); commit; execute q; drop index users_score; execute q --: simple; cleanup drop index if exists users_score
prepare q (bigint) as update users set score = score + 1 where tenant_id = $1 returning user_id; execute q ({a}); begin; alter table users add column more int default 1; commit; execute q ({a}); execute q ({b}); alter table users drop column more --: simple; cleanup alter table users drop column if exists more
prepare q as insert into countries values ('zz', 'Z') returning code; begin; alter table countries add column more int default 2; commit; execute q; alter table countries drop column more --: simple; cleanup alter table countries drop column if exists more
prepare q as select rank() over (order by score, tenant_id, user_id), country from users where user_id = 1; execute q; begin; alter table users rename column country to land; execute q; rollback --: simple
prepare q as select rank() over (order by score, tenant_id, user_id), country from users where user_id = 1; execute q; begin; alter table users alter column score type bigint; execute q; rollback --: simple
