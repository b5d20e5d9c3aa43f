-- Tenants named by uuid.
CREATE TABLE tenants (tenant_id uuid PRIMARY KEY, name text);
CREATE TABLE notes (tenant_id uuid NOT NULL, note_id int NOT NULL, body text, PRIMARY KEY (tenant_id, note_id));
CREATE TABLE colours (colour text PRIMARY KEY);
