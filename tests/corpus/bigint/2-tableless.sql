-- No table at the top, functions, introspection.
select exists (select 1 from users where email = 'U5.1@Example.com')
select exists (select 1 from users where email = 'nobody')
select not exists (select 1 from users where tenant_id = {a})
select (select count(*) from users)
select (select count(*) from users where tenant_id = {a})
select (select count(*) from users where tenant_id = {a}), (select count(*) from users where tenant_id = {b})
select (select max(score) from users) - (select min(score) from users)
select array(select tenant_id from tenants order by tenant_id)
select array(select user_id from users where tenant_id = {a} order by 1)
select 1
select 1 as one, 'two' as two, null as three
select 1 union select 2 union select 1
select 1 where false
select
values (1, 'a'), (2, 'b')
select * from (values (1), (2)) v (n) order by n --: ordered
select * from generate_series(1, 3) n
select count(*) from generate_series(1, 3) n, users where tenant_id = {a}
select count(*) from generate_series(1, 3) n, users
select nextval('tickets') > 0
select setval('tickets', 100)
select currval('tickets')
select lastval()
select now() is not null, version() is not null, current_user, session_user, current_database(), current_schema()
select now(), version() --: shape
select tenant_id, now() from orders --: constant 2
select order_id, current_timestamp, clock_timestamp() >= now() from orders where tenant_id in ({a}, {b}) --: constant 2
select statement_timestamp() from users --: constant 1
select current_date from users --: constant 1
select count(distinct now()) from users
select count(*) from users where created_at > now() - interval '1 day'
select count(*) from users where created_at < now()
select count(*) > 0 from users where created_at::date < current_date
select random() >= 0 from users
select count(*) > 100 from (select distinct random() from users) r
select gen_random_uuid() is not null
select order_count()
select tenant_id, order_count() from tenants where tenant_id = {a}
select twice(score) from users where tenant_id = {a}
select twice(tenant_id::int) from tenants
select count(*) from users where twice(score) = 8
select pg_backend_pid() > 0
select pg_advisory_xact_lock(1)
select pg_try_advisory_xact_lock(2)
select set_config('app.colour', 'blue', false)
select current_setting('app.nothing', true)
select current_setting('server_version_num')::int > 140000
select relname from pg_class where relname = 'users' and relkind = 'r'
select table_name from information_schema.tables where table_schema = 'public' order by 1 --: ordered
select column_name, data_type from information_schema.columns where table_name = 'users' and table_schema = 'public' order by ordinal_position --: ordered
select attname, format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'public.users'::regclass and attnum > 0 order by attnum --: ordered
select c.relname, n.nspname from pg_catalog.pg_class c left join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v') and n.nspname = 'public' and pg_catalog.pg_table_is_visible(c.oid) order by 1 --: ordered
select enumlabel from pg_enum order by enumsortorder --: ordered
select count(*) from pg_class, users where relname = 'users'
select to_regclass('public.users')::text, to_regclass('nothing')
select typname from pg_type where oid = 20
show server_encoding
show standard_conforming_strings
show search_path
select * from nothing
select nothing from users
selec 1
select 1 +
select 1 / 0
select 1 / 0 from users
select count(*) from users where tenant_id = {a} and 1 / (user_id - user_id) = 1
select name || 1 from tenants where tenant_id = {a}
select repeat('x', 100000) from users where tenant_id = {a} and user_id = 1
select length(repeat('ü', 1000))

