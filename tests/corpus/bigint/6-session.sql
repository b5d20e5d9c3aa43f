-- Sessions: several statements in one query, transactions, settings.
select 1; select 2 --: simple
;
select 1;;select 2 --: simple
insert into tenants (tenant_id, name) values (101, 'x'); insert into tenants (tenant_id, name) values (102, 'y') --: simple
insert into tenants (tenant_id, name) values (101, 'x'); select 1 / 0; insert into tenants (tenant_id, name) values (102, 'y') --: simple
insert into tenants (tenant_id, name) values (101, 'x'); insert into tenants (tenant_id, name) values ({a}, 'twice') --: simple
update users set score = 1 where tenant_id = {a}; update users set score = 1 where tenant_id = {b}; select 1 / 0 --: simple
begin; insert into tenants (tenant_id, name) values (101, 'x'); commit --: simple
begin; insert into tenants (tenant_id, name) values (101, 'x'); rollback --: simple
begin; insert into tenants (tenant_id, name) values (101, 'x'), (102, 'y'), (103, 'z'); select count(*) from tenants; commit; select count(*) from tenants --: simple
begin; update users set score = 7 where tenant_id = {a}; update users set score = 8 where tenant_id = {b}; commit --: simple
begin; update users set score = 7 where tenant_id = {a}; update users set score = 8 where tenant_id = {b}; rollback --: simple
begin; update users set score = 7 where tenant_id = {a}; select sum(score) from users; rollback; select sum(score) from users --: simple
begin; update users set score = 7 where tenant_id = {a}; select 1 / 0; commit; select 1 --: simple
begin; select 1 / 0; select 1; commit --: simple
begin; savepoint s; insert into tenants (tenant_id, name) values (101, 'x'); rollback to s; insert into tenants (tenant_id, name) values (102, 'y'); commit --: simple
begin; insert into tenants (tenant_id, name) values (101, 'x'); savepoint s; update users set score = 1 where tenant_id = {a}; update users set score = 1 where tenant_id = {b}; rollback to savepoint s; release s; commit --: simple
begin; savepoint s; insert into tenants (tenant_id, name) values ({a}, 'twice'); select 1; rollback to s; select 2; commit --: simple
begin; rollback to nothing; commit --: simple
savepoint s
commit
rollback
begin; begin; commit --: simple
begin; update users set score = 1 where tenant_id = {a}; commit and chain; update users set score = 2 where tenant_id = {b}; rollback --: simple
begin isolation level repeatable read; select count(*) from users where tenant_id = {a}; commit --: simple
begin isolation level repeatable read; select count(*) from users; commit --: simple
begin isolation level serializable; update users set score = 1 where tenant_id = {a}; commit --: simple
begin isolation level serializable; update users set score = 1; commit --: simple
begin read only; update users set score = 1 where tenant_id = {a}; commit --: simple
begin read only; select count(*) from users where tenant_id = {b}; commit --: simple
begin; set transaction read only; insert into tenants (tenant_id, name) values (101, 'x'); rollback --: simple
begin; set transaction isolation level serializable; show transaction_isolation; rollback --: simple
begin isolation level serializable read only deferrable; select count(*) from users where tenant_id = {a}; commit --: simple
set datestyle = 'German'; select date '2024-05-06' --: simple
set search_path = nowhere; select count(*) from users --: simple
set search_path = nowhere, public; select count(*) from users where tenant_id = {a} --: simple
set timezone = 'Asia/Tokyo'; select created_at from users where tenant_id = {a} and user_id = 1 --: simple
set timezone = 'Asia/Tokyo'; select created_at from users where user_id = 1 --: simple
set timezone = 'Asia/Tokyo'; select created_at::date, count(*) from users group by 1 --: simple
set nothing = 1
set app.colour = 'red'; show app.colour --: simple
begin; set local app.colour = 'red'; select current_setting('app.colour'); commit; select current_setting('app.colour', true) --: simple
begin; set app.colour = 'red'; rollback; select current_setting('app.colour', true) --: simple
begin; set app.colour = 'red'; commit; select current_setting('app.colour', true) --: simple
begin; set app.colour = 'red'; savepoint s; set app.colour = 'blue'; rollback to s; select current_setting('app.colour'); commit --: simple
set app.colour = 'red'; reset app.colour; select current_setting('app.colour', true) --: simple
set app.colour = 'red'; reset all; select current_setting('app.colour', true) --: simple
select set_config('app.colour', 'red', false); select current_setting('app.colour') --: simple
begin; select set_config('app.colour', 'red', true); select current_setting('app.colour'); commit; select current_setting('app.colour', true) --: simple
set extra_float_digits = 0; select ratio from users where tenant_id = {a} --: simple
set extra_float_digits = 0; select ratio from users --: simple
set bytea_output = 'escape'; select 'é'::bytea from users where tenant_id = {a} --: simple
set statement_timeout = '5s'; show statement_timeout --: simple
set role nobody
set session characteristics as transaction read only; insert into tenants (tenant_id, name) values (101, 'x') --: simple
prepare q as select count(*) from users where tenant_id = {a}; execute q; deallocate q; execute q --: simple
prepare q (bigint) as select count(*) from users where tenant_id = $1; execute q ({a}); execute q ({b}) --: simple
prepare q as select count(*) from users; execute q --: simple
prepare q (bigint, text) as insert into tenants (tenant_id, name) values ($1, $2); execute q (101, 'x'); execute q (102, 'y'); deallocate all --: simple
execute nothing
deallocate nothing
deallocate all
discard all
discard plans
set app.colour = 'red'; discard all; select current_setting('app.colour', true) --: simple
set application_name = 'corpus'; show application_name --: simple
listen channel
notify channel, 'it''s'
select pg_notify('channel', 'x')
unlisten *
create temp table scratch (n int); insert into scratch values (1), (2); select sum(n) from scratch; drop table scratch --: simple
begin; create temp table scratch (n int) on commit drop; insert into scratch values (1); select count(*) from scratch; commit --: simple
create temp table users (tenant_id bigint); select count(*) from users; drop table pg_temp.users --: simple
declare c cursor with hold for select tenant_id from tenants order by 1; fetch 2 from c; close c --: simple
begin; declare c cursor with hold for select user_id from users where tenant_id = {a} order by 1; commit; fetch 2 from c; close c --: simple
explain (format json) select 1 --: shape
set tenant.nothing to default
set app.tenant = '{a}'; select count(*) from users where tenant_id = {a} --: simple
set constraints all deferred
checkpoint
set search_path = pg_catalog; select count(*) from users --: simple
create schema other; create table other.users (tenant_name text); insert into other.users values ('x'); set local search_path = other; select count(*) from users; select * from users --: simple; cleanup drop schema if exists other cascade
select count(*) from users where score = $1 --: simple
set session characteristics as transaction isolation level serializable; select count(*) from users where tenant_id = {a}; show default_transaction_isolation --: simple
set session characteristics as transaction read only; begin; insert into tenants (tenant_id, name) values (101, 'x'); rollback --: simple
set work_mem = '2MB'; set work_mem to default; show work_mem --: simple
begin; set local work_mem = '2MB'; set local work_mem to default; show work_mem; commit --: simple
