INSERT INTO tenants SELECT (ARRAY['acme', 'Acme', 'ACME ', 'café', 'caf' || 'e' || U&'\0301', '007', '7', ' 7', '42', 'zoë', 'O''Hara', 'a"b', 'x\y', '', 'null', 'tenant 16'])[n], 'tenant ' || n FROM generate_series(1, 16) n;
INSERT INTO notes SELECT tenant_id, n, 'note ' || n || ' of ' || name FROM tenants, generate_series(1, 4) n;
INSERT INTO codes SELECT tenant_id, n FROM tenants, generate_series(1, 2) n;
