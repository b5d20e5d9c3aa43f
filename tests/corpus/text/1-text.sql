select count(*) from notes where tenant_id = {a}
select count(*) from notes where tenant_id = {b}
select body from notes where tenant_id = 'acme'
select body from notes where tenant_id = 'ACME '
select body from notes where tenant_id = 'ACME'
select body from notes where tenant_id = '7'
select body from notes where tenant_id = '007'
select body from notes where tenant_id = ' 7'
select body from notes where tenant_id = 7::text
select body from notes where tenant_id = 7
select body from notes where tenant_id = $1 --: params 42
select body from notes where tenant_id = $1 --: params O'Hara
select body from notes where tenant_id = $1 --: params x\y
select body from notes where tenant_id = $1::varchar --: params acme
select body from notes where tenant_id = $1::char(10) --: params acme
select body from notes where tenant_id = 'acme'::char(10)
select body from notes where tenant_id = 'acme'::name
select body from notes where tenant_id = 'O''Hara'
select body from notes where tenant_id = e'O\'Hara'
select body from notes where tenant_id = $$O'Hara$$
select body from notes where tenant_id = 'x\y'
select body from notes where tenant_id = e'x\\y'
select body from notes where tenant_id = U&'caf\00e9'
select body from notes where tenant_id = 'caf' 'x'
select body from notes where tenant_id = ''
select body from notes where tenant_id = 'null'
select body from notes where tenant_id = null
select body from notes where tenant_id collate "C" = 'acme'
select body from notes where lower(tenant_id) = 'acme'
select body from notes where tenant_id ilike 'acme'
select body from notes where tenant_id like 'acme'
select body from notes where tenant_id ~ '^acme$'
select body from notes where tenant_id = 'ac' || 'me'
select body from notes where tenant_id in ('acme', 'Acme', 'café')
select body from notes where tenant_id = any('{acme,Acme}')
select body from notes where tenant_id = any(array['acme', 'zoë'])
select body from notes where tenant_id = any($1) --: params {acme,"O'Hara"}
select count(*) from codes where tenant_id = 'acme'
select count(*) from codes where tenant_id = 'ACME '
select count(*) from codes c join notes n on n.tenant_id = c.tenant_id where c.tenant_id = 'zoë'
select count(*) from codes c join notes n on n.tenant_id = c.tenant_id
select tenant_id from tenants order by tenant_id --: ordered
select tenant_id from tenants order by tenant_id collate "C" --: ordered
select tenant_id, count(*) from notes group by tenant_id order by tenant_id desc limit 5 --: ordered
select min(tenant_id), max(tenant_id) from tenants
select distinct lower(tenant_id) from tenants
insert into notes values ('new', 1, 'x'), ('New', 1, 'y'), ('NEW', 1, 'z'), ('newer', 1, 'z')
insert into notes values ('42', 9, 'x') returning tenant_id
insert into notes values (42, 9, 'x')
insert into notes (note_id, tenant_id) values (9, lower('ACME'))
insert into tenants (tenant_id) values ('tenant ' || 17)
update notes set body = upper(body) where tenant_id = 'zoë'
delete from notes where tenant_id = 'O''Hara'
delete from notes where tenant_id in ('7', '007')
insert into codes values ('acme                                                  ', 901), ('zoë                                                  ', 902)
insert into codes select tenant_id || repeat(' ', 60), 903 from codes group by tenant_id
insert into codes values ('acme' || repeat(' ', 70), 904) returning *
