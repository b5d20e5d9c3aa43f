//! The demo's tables: a small SaaS application, and one reference table.

/// Everything that is created, statement by statement, through the proxy.
pub(super) const STATEMENTS: [&str; 8] = [
    "CREATE TABLE plans (plan text PRIMARY KEY, monthly_price numeric(10,2) NOT NULL, seats int NOT NULL)",
    "CREATE TABLE tenants (
        tenant_id bigint PRIMARY KEY,
        name text NOT NULL,
        plan text NOT NULL REFERENCES plans,
        created_at timestamptz NOT NULL DEFAULT now())",
    "CREATE TABLE users (
        tenant_id bigint NOT NULL REFERENCES tenants,
        user_id bigint NOT NULL,
        email text NOT NULL,
        joined date NOT NULL,
        PRIMARY KEY (tenant_id, user_id))",
    "CREATE TABLE projects (
        tenant_id bigint NOT NULL REFERENCES tenants,
        project_id bigint NOT NULL,
        title text NOT NULL,
        PRIMARY KEY (tenant_id, project_id))",
    "CREATE TABLE tasks (
        tenant_id bigint NOT NULL,
        task_id bigint NOT NULL,
        project_id bigint NOT NULL,
        title text NOT NULL,
        done boolean NOT NULL DEFAULT false,
        hours numeric(8,2) NOT NULL DEFAULT 0,
        PRIMARY KEY (tenant_id, task_id),
        FOREIGN KEY (tenant_id, project_id) REFERENCES projects)",
    "CREATE TABLE events (
        tenant_id bigint NOT NULL REFERENCES tenants,
        event_id bigint NOT NULL,
        kind text NOT NULL,
        at timestamptz NOT NULL,
        detail jsonb NOT NULL,
        PRIMARY KEY (tenant_id, event_id))",
    "CREATE INDEX tasks_by_project ON tasks (tenant_id, project_id)",
    "INSERT INTO plans VALUES ('free', 0, 3), ('team', 49.00, 25), ('business', 199.00, 250)",
];
