//! Writes that each server does for its own rows.

use crate::stage::{Pair, agree, nothing_is_left_prepared};

/// Each of these is done by each server for its own rows.
const BY_EACH_SERVER: [&str; 16] = [
    "UPDATE users SET score = score + 1",
    "UPDATE users SET score = score * 2, name = upper(name) WHERE score > 20 RETURNING *",
    "UPDATE users u SET score = c.id FROM countries c WHERE c.id = u.country AND c.code = 'fr'",
    "UPDATE orders o SET total = total + u.score FROM users u WHERE u.tenant_id = o.tenant_id AND u.id = o.user_id RETURNING o.tenant_id, o.id, total, u.name",
    "UPDATE users SET (name, score) = (SELECT code, id FROM countries WHERE id = users.country) WHERE id < 3",
    "UPDATE users SET score = DEFAULT WHERE id = 2 RETURNING tenant_id, score",
    "UPDATE users u SET score = (SELECT count(*) FROM orders o WHERE o.tenant_id = u.tenant_id AND o.user_id = u.id)",
    "WITH rich AS (SELECT tenant_id, user_id FROM orders WHERE total > 20) UPDATE users u SET name = 'rich' FROM rich r WHERE r.tenant_id = u.tenant_id AND r.user_id = u.id",
    "UPDATE users SET score = 0 WHERE tenant_id IN (1, 2, 3, 4) RETURNING tenant_id, id",
    "UPDATE users SET score = NULL WHERE country IN (SELECT id FROM countries WHERE rate IS NULL)",
    "UPDATE orders SET tags = '{1,2}', tags[3] = 4 WHERE id = 2",
    "DELETE FROM orders WHERE total > 25 RETURNING tenant_id, id, total",
    "DELETE FROM orders o USING users u WHERE u.tenant_id = o.tenant_id AND u.id = o.user_id AND u.name = 'U7_1'",
    "DELETE FROM users u WHERE NOT EXISTS (SELECT FROM orders o WHERE o.tenant_id = u.tenant_id AND o.user_id = u.id)",
    "DELETE FROM orders WHERE false",
    "INSERT INTO orders (tenant_id, id, user_id, total) SELECT tenant_id, id + 100, id, score FROM users",
];

#[tokio::test]
async fn updates_and_deletes_over_all_tenants_are_those_of_one_server() {
    let mut pair = Pair::shop("each").await;
    for sql in BY_EACH_SERVER {
        pair.same(sql).await;
        pair.holds_the_same("users").await;
        pair.holds_the_same("orders").await;
    }
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn a_write_over_all_tenants_lives_and_dies_with_its_transaction() {
    let mut pair = Pair::shop("within").await;
    for sql in [
        "BEGIN",
        "UPDATE users SET score = 1000",
        "SAVEPOINT one",
        "DELETE FROM orders",
        "SELECT count(*) FROM orders",
        "ROLLBACK TO one",
        "SELECT count(*) FROM orders",
        "UPDATE users SET score = 10 / (tenant_id - 13)",
        "SELECT 1",
        "ROLLBACK TO one",
        "SELECT sum(score) FROM users",
        "DELETE FROM orders WHERE id = 2",
        "COMMIT",
    ] {
        pair.same(sql).await;
    }
    pair.holds_the_same("users").await;
    pair.holds_the_same("orders").await;
    for sql in ["BEGIN", "DELETE FROM users", "ROLLBACK", "UPDATE users SET score = 10 / (tenant_id - 13)"] {
        pair.same(sql).await;
    }
    pair.holds_the_same("users").await;
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn a_write_over_all_tenants_takes_parameters() {
    let mut pair = Pair::shop("parameters").await;
    let update =
        "UPDATE users SET score = $2, name = $1 WHERE score > $3 RETURNING tenant_id, id, name, score";
    let ours = pair.ours.extended(update, &["x", "5", "30"].map(|v| Some(v.to_owned()))).await.unwrap();
    let theirs = pair.oracle.extended(update, &["x", "5", "30"].map(|v| Some(v.to_owned()))).await.unwrap();
    agree(update, &ours, &theirs, false);
    pair.same_extended("DELETE FROM orders WHERE total < $1", &[Some("12")]).await;
    pair.same_extended("DELETE FROM orders WHERE total < $1", &[None]).await;
    pair.same_extended("DELETE FROM orders WHERE total < $1", &[Some("no number")]).await;
    pair.holds_the_same("users").await;
    pair.holds_the_same("orders").await;
}

#[tokio::test]
async fn what_is_refused_writes_nothing() {
    let mut pair = Pair::shop("refused").await;
    for sql in [
        "UPDATE users SET score = nextval('pg_catalog.nothing')",
        "SELECT * FROM users JOIN orders USING (tenant_id) ORDER BY score LIMIT 3 FOR UPDATE",
        "MERGE INTO users u USING orders o ON o.user_id = u.id WHEN MATCHED THEN DELETE",
        "WITH d AS (DELETE FROM orders RETURNING user_id) UPDATE users SET score = 0 FROM d WHERE d.user_id = users.id AND users.score = (SELECT max(total) FROM orders)",
    ] {
        pair.refused(sql).await;
    }
    pair.holds_the_same("users").await;
}

#[tokio::test]
async fn now_is_one_moment_in_a_write_over_all_tenants() {
    let mut pair = Pair::shop("moment").await;
    pair.ours.ask("UPDATE users SET made = now()").await.unwrap();
    let distinct = pair.ours.ask("SELECT DISTINCT made FROM users").await.unwrap();
    assert_eq!(distinct.rows.len(), 1, "{distinct}");
}

#[tokio::test]
async fn what_tables_do_by_themselves_they_do_over_all_servers() {
    let mut pair = Pair::new(
        "themselves",
        "CREATE TABLE parents (tenant_id bigint, id int, PRIMARY KEY (tenant_id, id)); \
         CREATE TABLE logs (tenant_id bigint NOT NULL, what text, parent int); \
         CREATE TABLE children (tenant_id bigint, id int GENERATED ALWAYS AS IDENTITY, parent int, twice int GENERATED ALWAYS AS (parent * 2) STORED, \
           note text, PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, parent) REFERENCES parents DEFERRABLE INITIALLY DEFERRED); \
         CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           INSERT INTO themselves.logs VALUES (NEW.tenant_id, TG_OP, NEW.parent); NEW.note := upper(NEW.note); RETURN NEW; END $$; \
         CREATE TRIGGER log BEFORE INSERT OR UPDATE ON children FOR EACH ROW EXECUTE FUNCTION log()",
    )
    .await;
    for sql in [
        "INSERT INTO parents SELECT n, 1 FROM generate_series(1, 20) n",
        "INSERT INTO children (tenant_id, parent, note) SELECT tenant_id, 1, 'x' FROM parents RETURNING tenant_id, parent, twice, note",
        "INSERT INTO children (tenant_id, id, parent) VALUES (1, 500, 1), (2, 501, 1), (3, 502, 1)",
        "INSERT INTO children (tenant_id, id, parent) OVERRIDING SYSTEM VALUE VALUES (1, 500, 1), (2, 501, 1), (3, 502, 1) RETURNING tenant_id, id, twice",
        "INSERT INTO children (tenant_id, parent, twice) VALUES (1, 1, DEFAULT), (2, 1, DEFAULT), (3, 1, DEFAULT)",
        "UPDATE children SET twice = 3",
        "UPDATE children SET note = 'y' WHERE tenant_id > 5 RETURNING tenant_id, twice, note",
        "UPDATE children SET note = (SELECT 'of ' || count(*) FROM parents) WHERE tenant_id IN (1, 2, 3) RETURNING tenant_id, note",
        "MERGE INTO children c USING (VALUES (4, 1, 'm'), (5, 1, 'n'), (6, 1, 'o')) s (t, p, note) ON c.tenant_id = s.t AND c.parent = s.p WHEN MATCHED THEN UPDATE SET note = s.note WHEN NOT MATCHED THEN INSERT (tenant_id, parent) VALUES (s.t, s.p)",
        "INSERT INTO children (tenant_id, parent) VALUES (3, 77), (4, 77), (5, 77)",
        "BEGIN",
        "INSERT INTO children (tenant_id, parent) VALUES (3, 77), (4, 77), (5, 77)",
        "INSERT INTO parents VALUES (3, 77), (4, 77), (5, 77)",
        "COMMIT",
        "BEGIN",
        "DELETE FROM parents WHERE id = 77",
        "SELECT count(*) FROM children",
        "COMMIT",
        "BEGIN",
        "SET CONSTRAINTS ALL IMMEDIATE",
        "INSERT INTO children (tenant_id, parent) VALUES (5, 9), (6, 9), (7, 9)",
        "ROLLBACK",
        "SELECT tenant_id, parent, twice, note FROM children",
        "SELECT * FROM logs",
        "SELECT * FROM parents",
    ] {
        pair.same(sql).await;
    }
    nothing_is_left_prepared().await;
}
