"""What sqlx, Flyway and Rails say to PostgreSQL when they migrate, by hand."""

import subprocess
import sys
import time

import psycopg2

SCRIPTS = [
    "CREATE TABLE {name}_notes (tenant_id bigint, id bigint GENERATED ALWAYS AS IDENTITY, body text, PRIMARY KEY (tenant_id, id))",
    "INSERT INTO {name}_notes (tenant_id, body) SELECT g, 'of ' || g FROM generate_series(1, 20) g; CREATE INDEX {name}_body ON {name}_notes (body)",
    "ALTER TABLE {name}_notes ADD COLUMN done boolean NOT NULL DEFAULT false; UPDATE {name}_notes SET done = true WHERE tenant_id % 2 = 0",
]


def connect():
    connection = psycopg2.connect("")
    connection.autocommit = True
    return connection, connection.cursor()


def sqlx(name="sqlx"):
    """A session's advisory lock around a transaction for each migration."""
    _, cursor = connect()
    cursor.execute("SELECT current_database()")
    cursor.execute("SELECT pg_advisory_lock(%s)", [0x3D32AD9E])
    cursor.execute("CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,"
                   " installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL)")
    cursor.execute("SELECT version FROM _sqlx_migrations WHERE success = false ORDER BY version LIMIT 1")
    assert cursor.fetchone() is None
    cursor.execute("SELECT version, checksum FROM _sqlx_migrations ORDER BY version")
    applied = {version for version, _ in cursor.fetchall()}
    for version, script in enumerate(SCRIPTS, 1):
        if version in applied:
            continue
        cursor.execute("BEGIN")
        cursor.execute(script.format(name=name))
        cursor.execute("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (%s, 'd', TRUE, %s, -1)", [version, b"\x01"])
        cursor.execute("COMMIT")
        cursor.execute("UPDATE _sqlx_migrations SET execution_time = %s WHERE version = %s", [7, version])
    cursor.execute("SELECT pg_advisory_unlock(%s)", [0x3D32AD9E])
    assert cursor.fetchone() == (True,)


def flyway(name="flyway"):
    """A lock that is tried again and again, and a history that is locked as a table."""
    connection, cursor = connect()
    cursor.execute("SELECT set_config('search_path', 'public', false)")
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [77431708279161])
        if cursor.fetchone()[0]:
            break
        time.sleep(0.1)
    cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                   " WHERE n.nspname = 'public' AND c.relname = 'flyway_schema_history' AND c.relkind = 'r')")
    if not cursor.fetchone()[0]:
        cursor.execute("BEGIN")
        cursor.execute('CREATE TABLE "public"."flyway_schema_history" ("installed_rank" INT NOT NULL, "version" VARCHAR(50), "script" VARCHAR(1000) NOT NULL,'
                       ' "installed_by" VARCHAR(100) NOT NULL, "installed_on" TIMESTAMP NOT NULL DEFAULT now(), "success" BOOLEAN NOT NULL)')
        cursor.execute('ALTER TABLE "public"."flyway_schema_history" ADD CONSTRAINT "flyway_schema_history_pk" PRIMARY KEY ("installed_rank")')
        cursor.execute('CREATE INDEX "flyway_schema_history_s_idx" ON "public"."flyway_schema_history" ("success")')
        cursor.execute("COMMIT")
    cursor.execute('SELECT count(*) FROM "public"."flyway_schema_history"')
    applied = cursor.fetchone()[0]
    connection.autocommit = False
    for rank, script in enumerate(SCRIPTS[applied:], applied + 1):
        cursor.execute('LOCK TABLE "public"."flyway_schema_history" IN EXCLUSIVE MODE')
        cursor.execute(script.format(name=name))
        cursor.execute('INSERT INTO "public"."flyway_schema_history" VALUES (%s, %s, %s, current_user, now(), true)', [rank, str(rank), f"V{rank}.sql"])
        connection.commit()
    connection.autocommit = True
    cursor.execute("SELECT pg_advisory_unlock(%s)", [77431708279161])
    assert cursor.fetchone() == (True,)


def rails(name="rails"):
    """A lock that must be free, and a row for each version."""
    connection, cursor = connect()
    cursor.execute("SET client_min_messages TO 'warning'; SET standard_conforming_strings = on; SET SESSION timezone TO 'UTC'")
    cursor.execute("SELECT pg_try_advisory_lock(2053462845::bigint * 4711)")
    assert cursor.fetchone() == (True,)
    cursor.execute('CREATE TABLE IF NOT EXISTS "schema_migrations" ("version" character varying NOT NULL PRIMARY KEY)')
    cursor.execute('CREATE TABLE IF NOT EXISTS "ar_internal_metadata" ("key" character varying NOT NULL PRIMARY KEY, "value" character varying,'
                   ' "created_at" timestamp(6) NOT NULL, "updated_at" timestamp(6) NOT NULL)')
    cursor.execute('SELECT "schema_migrations"."version" FROM "schema_migrations" ORDER BY "schema_migrations"."version" ASC')
    applied = {version for (version,) in cursor.fetchall()}
    for number, script in enumerate(SCRIPTS):
        version = f"2025010100000{number}"
        if version in applied:
            continue
        connection.autocommit = False
        cursor.execute(script.format(name=name))
        cursor.execute('INSERT INTO "schema_migrations" ("version") VALUES (%s) RETURNING "version"', [version])
        connection.commit()
        connection.autocommit = True
    cursor.execute('INSERT INTO "ar_internal_metadata" VALUES (%s, %s, now(), now()) ON CONFLICT DO NOTHING', ["environment", "test"])
    cursor.execute(f'ALTER TABLE {name}_notes ADD COLUMN "at" timestamp(6), ADD COLUMN kind integer DEFAULT 0 NOT NULL')
    cursor.execute(f'CREATE INDEX CONCURRENTLY "index_{name}_on_kind" ON "{name}_notes" ("kind")')
    cursor.execute("SELECT pg_advisory_unlock(2053462845::bigint * 4711)")
    assert cursor.fetchone() == (True,)


def together():
    """Several processes start at once, as an application's do: each migration runs once."""
    connect()[1].execute("DROP TABLE sqlx_notes; DROP TABLE _sqlx_migrations; DROP TABLE flyway_notes; DROP TABLE flyway_schema_history")
    processes = [subprocess.Popen([sys.executable, __file__, which]) for which in ["sqlx", "flyway"] * 3]
    assert [process.wait() for process in processes] == [0] * 6


{"sqlx": sqlx, "flyway": flyway, "rails": rails, "together": together}[sys.argv[1]]()
