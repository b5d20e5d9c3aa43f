INSERT INTO tenants SELECT md5('tenant ' || n)::uuid, 'tenant ' || n FROM generate_series(1, 16) n;
INSERT INTO tenants VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'manual');
INSERT INTO notes SELECT tenant_id, n, 'note ' || n || ' of ' || name FROM tenants, generate_series(1, 4) n;
