-- A small SaaS: everything of a tenant carries its tenant_id; countries and plans are reference tables.
CREATE TYPE mood AS ENUM ('sad', 'fine', 'happy', 'awful');
CREATE TABLE countries (code text PRIMARY KEY, name text NOT NULL, region text, population bigint);
CREATE TABLE plans (plan_id serial PRIMARY KEY, name text NOT NULL UNIQUE, price numeric(10, 2), made_at timestamptz DEFAULT now(), token uuid);
CREATE TABLE tenants (tenant_id bigint PRIMARY KEY, name text NOT NULL, plan text, country text, created_at timestamptz);
CREATE TABLE users (
    tenant_id bigint NOT NULL, user_id bigint NOT NULL, email text, name text, code text COLLATE "C", score int, balance numeric,
    ratio float8, mood mood, tags text[], profile jsonb, country text, active boolean, born date, seen interval, created_at timestamptz,
    PRIMARY KEY (tenant_id, user_id)
);
CREATE TABLE orders (
    tenant_id bigint NOT NULL, order_id bigint NOT NULL, user_id bigint, status text DEFAULT 'new', total numeric(12, 2), quantity int,
    placed_at timestamp, PRIMARY KEY (tenant_id, order_id)
);
CREATE TABLE tasks (
    tenant_id bigint NOT NULL, task_id bigint NOT NULL, user_id bigint, title text, done boolean DEFAULT false, due date,
    PRIMARY KEY (tenant_id, task_id)
);
CREATE TABLE events (tenant_id bigint NOT NULL, kind text, payload jsonb, amount bigint, at timestamptz);
CREATE VIEW rich_users AS SELECT * FROM users WHERE balance > 100;
CREATE FUNCTION order_count() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM public.orders';
CREATE FUNCTION add_event(tenant bigint) RETURNS void LANGUAGE sql AS 'INSERT INTO public.events (tenant_id, kind) VALUES (tenant, ''made'')';
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
CREATE AGGREGATE product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1');
CREATE SEQUENCE tickets;
