-- Tenants named by text, in a collation where text order is not byte order.
CREATE TABLE tenants (tenant_id text PRIMARY KEY, name text);
CREATE TABLE notes (tenant_id text NOT NULL, note_id int NOT NULL, body text, PRIMARY KEY (tenant_id, note_id));
CREATE TABLE codes (tenant_id varchar(40) NOT NULL, code_id int NOT NULL, PRIMARY KEY (tenant_id, code_id));
CREATE TABLE colours (colour text PRIMARY KEY);
