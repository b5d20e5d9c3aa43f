-- What the random tests found, over the tables of tests/world.
begin isolation level repeatable read; select count(*) from users; delete from notes where tenant_id in ({a}, {b}); commit --: simple
begin isolation level repeatable read; update notes set body = 'x' where tenant_id in ({a}, {b}); select count(*) from notes where body = 'x'; commit --: simple
prepare typed(int) as select 'p' || $1, count(*) from users where score > $1; execute typed(3); deallocate typed --: simple
-- What migration tools write.
do $$ begin create type fresh as enum ('a', 'b'); exception when duplicate_object then null; end $$; do $$ begin create type fresh as enum ('a', 'b'); exception when duplicate_object then null; end $$; select 'a'::fresh; drop type fresh --: simple
do $$ begin if not exists (select 1 from information_schema.columns where table_name = 'users' and column_name = 'fresh') then alter table users add column fresh int default 7; end if; end $$; select sum(fresh), count(*) from users; alter table users drop column fresh --: simple
do $$ begin alter table users add constraint fresh check (score > 1000000); end $$
do $$ begin alter table users drop column score; raise exception 'not now'; end $$; select count(score) from users --: simple
-- Rows of tables that inherit stay where they are: no key of the parent finds one of theirs.
update visits set tenant_id = {b} where tenant_id = {a}; select tableoid::regclass::text, count(*) from visits where tenant_id = {b} group by 1 order by 1 --: simple
update visits v set seconds = u.score from users u where u.user_id = v.visit_id and u.tenant_id <> v.tenant_id and u.user_id = 1
insert into visits (tenant_id, visit_id) values ({a}, 900), ({b}, 901) on conflict (tenant_id, visit_id) do update set seconds = 1 returning *
