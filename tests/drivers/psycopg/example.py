"""The example application with psycopg: tasks of many tenants. Usage: example.py URL."""

import sys

import psycopg

with psycopg.connect(sys.argv[1], autocommit=True) as db:
    db.execute("CREATE TABLE IF NOT EXISTS psycopg_tasks (tenant_id bigint, task_id bigint, title text, done boolean DEFAULT false, PRIMARY KEY (tenant_id, task_id))")

    # One tenant's statement goes to that tenant's server, however the key is sent.
    for tenant in range(1, 11):
        db.execute("INSERT INTO psycopg_tasks VALUES (%s, 1, %s)", (tenant, f"welcome, tenant {tenant}"))

    # A transaction of a tenant, and its own writes read back at once.
    with db.transaction():
        db.execute("INSERT INTO psycopg_tasks VALUES (%s, 2, 'buy milk')", (7,))
        db.execute("UPDATE psycopg_tasks SET done = true WHERE tenant_id = %s AND task_id = 1", (7,))
    rows = db.execute("SELECT task_id, title, done FROM psycopg_tasks WHERE tenant_id = %s ORDER BY task_id", (7,)).fetchall()
    assert rows == [(1, "welcome, tenant 7", True), (2, "buy milk", False)], rows

    # The same statement again and again: psycopg prepares it by itself after a few times.
    for tenant in range(1, 11):
        title = db.execute("SELECT title FROM psycopg_tasks WHERE tenant_id = %s AND task_id = 1", (tenant,)).fetchone()[0]
        assert title == f"welcome, tenant {tenant}", title

    # COPY: each row finds its server, and all of it is there or none.
    with db.cursor() as cursor:
        with cursor.copy("COPY psycopg_tasks (tenant_id, task_id, title) FROM STDIN") as copy:
            for tenant in range(1, 101):
                copy.write_row((tenant, 100, "copied"))

    # A question over all tenants.
    count, done = db.execute("SELECT count(*), count(*) FILTER (WHERE done) FROM psycopg_tasks").fetchone()
    assert (count, done) == (111, 1), (count, done)

    # An error is PostgreSQL's own.
    try:
        db.execute("INSERT INTO psycopg_tasks VALUES (7, 1, 'twice')")
        raise AssertionError("a key stands twice")
    except psycopg.errors.UniqueViolation:
        pass

    db.execute("DROP TABLE psycopg_tasks")

print("psycopg: ok")
