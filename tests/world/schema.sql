-- The world of random statements. {key} is the type of tenant keys, {narrow} another type that holds the same keys.
CREATE TYPE mood AS ENUM ('sad', 'fine', 'happy', 'awful');
CREATE TYPE place AS (street text, number int);
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE regions (region_id int PRIMARY KEY, name text COLLATE "und-x-icu" NOT NULL, area numeric(12, 2), founded date);
CREATE TABLE currencies (code text COLLATE "C" PRIMARY KEY, name text, rate numeric(12, 4), active boolean);
CREATE TABLE kinds (kind_id bigint PRIMARY KEY, label text, mood mood, weights int[]);
CREATE TABLE tenants (tenant_id {key} PRIMARY KEY, name text, region_id int REFERENCES regions, since date, vip boolean);
CREATE TABLE users (
    tenant_id {key} NOT NULL, user_id bigint NOT NULL, name text COLLATE "und-x-icu", code text COLLATE "C", score int, balance numeric(12, 2),
    ratio float8, mood mood, tags text[], profile jsonb, active boolean, born date, seen interval, made timestamptz, region_id int,
    PRIMARY KEY (tenant_id, user_id)
);
CREATE TABLE orders (
    tenant_id {key} NOT NULL, order_id bigint NOT NULL, user_id bigint, status text DEFAULT 'new', total numeric(12, 2), quantity smallint,
    placed timestamp, currency text COLLATE "C" REFERENCES currencies, note text COLLATE folded, PRIMARY KEY (tenant_id, order_id)
);
CREATE TABLE lines (
    tenant_id {key} NOT NULL, order_id bigint NOT NULL, line_no int NOT NULL, product text, price numeric(12, 2), amount int, spans int4range,
    worth numeric(12, 2) GENERATED ALWAYS AS (price * amount) STORED, PRIMARY KEY (tenant_id, order_id, line_no),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders ON DELETE CASCADE
);
CREATE TABLE tasks (
    tenant_id {key} NOT NULL, task_id uuid NOT NULL, user_id bigint, title varchar(40), done boolean DEFAULT false, due date, progress percent,
    priority smallint, PRIMARY KEY (tenant_id, task_id)
);
CREATE TABLE events (
    tenant_id {key} NOT NULL, event_id bigint NOT NULL, kind_id bigint, at timestamptz, payload jsonb, raw bytea, amount bigint,
    PRIMARY KEY (tenant_id, event_id)
) PARTITION BY RANGE (event_id);
CREATE TABLE events_low PARTITION OF events FOR VALUES FROM (MINVALUE) TO (4);
CREATE TABLE events_high PARTITION OF events FOR VALUES FROM (4) TO (MAXVALUE);
CREATE TABLE accounts (
    tenant_id {key} NOT NULL, account_id int NOT NULL, user_id bigint, balance numeric, opened date, moods mood[], PRIMARY KEY (tenant_id, account_id)
);
CREATE TABLE payments (
    tenant_id {key} NOT NULL, payment_id bigint NOT NULL, account_id int, order_id bigint, amount numeric(12, 2) CHECK (amount > -100000), paid timestamptz,
    mood mood, UNIQUE (tenant_id, payment_id), FOREIGN KEY (tenant_id, account_id) REFERENCES accounts
);
ALTER TABLE payments REPLICA IDENTITY USING INDEX payments_tenant_id_payment_id_key;
CREATE TABLE notes (
    tenant_id {key} NOT NULL, note_id uuid NOT NULL, user_id bigint, body text, words text[], starred boolean, pinned timestamptz,
    reach int4multirange, home place,
    PRIMARY KEY (tenant_id, note_id)
);
CREATE TABLE metrics (
    tenant_id {key} NOT NULL, day date NOT NULL, name text COLLATE "C" NOT NULL, value float8, samples int[], PRIMARY KEY (tenant_id, day, name)
);
CREATE TABLE members (
    tenant_id {narrow} NOT NULL, group_id int NOT NULL, user_id bigint NOT NULL, role text, since date, PRIMARY KEY (tenant_id, group_id, user_id)
);
CREATE EXTENSION citext;
CREATE TABLE visits (tenant_id {key} NOT NULL, visit_id int NOT NULL, page citext, seconds int, PRIMARY KEY (tenant_id, visit_id));
CREATE TABLE long_visits (rating numeric(4, 1), PRIMARY KEY (tenant_id, visit_id)) INHERITS (visits);
CREATE VIEW rich_users AS SELECT * FROM users WHERE balance > 100;
CREATE VIEW order_totals AS SELECT tenant_id, user_id, count(*) AS orders, sum(total) AS total FROM orders GROUP BY tenant_id, user_id;
CREATE VIEW tenant_regions AS SELECT t.tenant_id, t.name, r.name AS region, t.vip FROM tenants t LEFT JOIN regions r ON r.region_id = t.region_id;
CREATE VIEW urgent_tasks AS SELECT tenant_id AS owner, task_id, title, upper(title) AS loud, priority, progress FROM tasks WHERE priority > 0 WITH CHECK OPTION;
CREATE VIEW middling_tasks AS SELECT owner, task_id, title, priority FROM urgent_tasks WHERE priority < 5;
CREATE VIEW known_regions AS SELECT region_id AS id, name, area FROM regions WHERE region_id < 1000;
CREATE VIEW everybody AS SELECT tenant_id, name, score FROM users UNION ALL SELECT tenant_id, name, region_id FROM tenants;
CREATE VIEW ranked_orders AS SELECT tenant_id, order_id, total, row_number() OVER (PARTITION BY tenant_id ORDER BY total DESC NULLS LAST, order_id) AS place FROM orders;
CREATE VIEW top_orders AS SELECT DISTINCT ON (tenant_id) tenant_id, order_id, status, total FROM orders ORDER BY tenant_id, total DESC NULLS LAST, order_id;
