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
