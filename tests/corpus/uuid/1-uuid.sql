select count(*) from notes where tenant_id = {a}
select count(*) from notes where tenant_id = {b}
select count(*) from notes where tenant_id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
select count(*) from notes where tenant_id = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'
select count(*) from notes where tenant_id = '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'
select count(*) from notes where tenant_id = 'a0eebc999c0b4ef8bb6d6bb9bd380a11'
select count(*) from notes where tenant_id = 'a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11'
select count(*) from notes where tenant_id = uuid 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
select count(*) from notes where tenant_id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::text::uuid
select count(*) from notes where tenant_id::text = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
select count(*) from notes where tenant_id = 'not a uuid'
select count(*) from notes where tenant_id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1'
select count(*) from notes where tenant_id = $1 --: params a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11
select count(*) from notes where tenant_id = $1 --: params A0EEBC999C0B4EF8BB6D6BB9BD380A11
select count(*) from notes where tenant_id = $1::text::uuid --: params a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11
select count(*) from notes where tenant_id = $1 --: params nonsense
select count(*) from notes where tenant_id in ({a}, {b})
select count(*) from notes where tenant_id = any(array[{a}, {b}]::uuid[])
select count(*) from notes where tenant_id = md5('tenant 3')::uuid
select tenant_id, name from tenants order by tenant_id --: ordered
select tenant_id, count(*) from notes group by tenant_id order by tenant_id desc limit 4 --: ordered
select min(tenant_id::text), count(distinct tenant_id) from notes
insert into tenants values ('11111111-1111-1111-1111-111111111111', 'x'), ('22222222-2222-2222-2222-222222222222', 'y'), ('33333333-3333-3333-3333-333333333333', 'z')
insert into tenants values (gen_random_uuid(), 'random') --: volatile
insert into tenants values ($1, $2) --: params 11111111111111111111111111111111|x
insert into notes (tenant_id, note_id) select tenant_id, 99 from tenants
update notes set body = 'x' where tenant_id = {b}
delete from notes where tenant_id in ({a}, {b}) and note_id = 1
