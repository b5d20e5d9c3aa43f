//! CTEs that write or lock rows.

use crate::stage::{Pair, STAMPS, each_row_is_at_home, nothing_is_left_prepared};

/// Writes in WITH that each server does for its own rows; what they give is merged.
const WITHIN: [&str; 14] = [
    "WITH d AS (DELETE FROM orders WHERE total > 25 RETURNING *) SELECT count(*), sum(total), min(tenant_id) FROM d",
    "WITH d AS (UPDATE users SET score = score + 1 WHERE id = 2 RETURNING tenant_id, id, score) SELECT * FROM d",
    "WITH d AS (UPDATE users SET score = score + 1 WHERE id = 1 RETURNING tenant_id, id, score) SELECT tenant_id, score FROM d ORDER BY score DESC, tenant_id LIMIT 4 OFFSET 2",
    "WITH d AS (DELETE FROM orders WHERE id = 2 AND tenant_id < 9 RETURNING *) INSERT INTO orders (tenant_id, id, user_id, total) SELECT tenant_id, id + 50, user_id, total * 2 FROM d RETURNING tenant_id, id, total",
    "WITH d AS (DELETE FROM orders WHERE tenant_id > 27 RETURNING tenant_id, user_id) UPDATE users u SET name = 'sold' FROM d WHERE d.tenant_id = u.tenant_id AND d.user_id = u.id RETURNING u.tenant_id, u.id, u.name",
    "WITH d AS (DELETE FROM orders WHERE tenant_id = 4 RETURNING *), u AS (UPDATE users SET score = 0 FROM d WHERE d.tenant_id = users.tenant_id RETURNING users.tenant_id, users.id) SELECT (SELECT count(*) FROM orders o WHERE o.tenant_id = u.tenant_id) AS seen, u.* FROM u",
    "WITH u AS (UPDATE users SET score = 9 WHERE country = 3 RETURNING *) SELECT c.code, count(*) FROM u JOIN countries c ON c.id = u.country GROUP BY c.code",
    "WITH u AS (UPDATE users SET name = 'new' WHERE id = 3 RETURNING tenant_id, id, name) SELECT users.name, u.name FROM users JOIN u USING (tenant_id, id)",
    "WITH u AS (UPDATE users SET score = 10 / (tenant_id - 13) RETURNING *) SELECT count(*) FROM u",
    "WITH d AS (DELETE FROM users WHERE false RETURNING *) SELECT count(*), max(score) FROM d",
    "WITH d AS (DELETE FROM users WHERE tenant_id = 30 RETURNING id, name) SELECT name FROM d ORDER BY id",
    "WITH n AS (INSERT INTO orders (tenant_id, id, total) VALUES (5, 900, 1), (5, 901, 2) RETURNING tenant_id, id) INSERT INTO orders (tenant_id, id, total) SELECT tenant_id, id + 10, 3 FROM n RETURNING tenant_id, id, total",
    "WITH n AS (INSERT INTO orders (tenant_id, id, total) VALUES (5, 920, 1) RETURNING *) INSERT INTO orders (tenant_id, id, total) SELECT 5, id + 10, 3 FROM n",
    "WITH n AS (SELECT tenant_id, id FROM users WHERE id = 1), d AS (DELETE FROM orders o USING n WHERE n.tenant_id = o.tenant_id AND o.id = n.id) SELECT count(*) FROM n",
];

#[tokio::test]
async fn writes_in_with_over_all_tenants_are_those_of_one_server() {
    let mut pair = Pair::shop("within_with").await;
    pair.all_same(&WITHIN, &["users", "orders"]).await;
    let ordered = "WITH d AS (UPDATE users SET score = score + 1 WHERE id = 1 RETURNING tenant_id, score) SELECT * FROM d ORDER BY score DESC, tenant_id LIMIT 4 OFFSET 2";
    pair.same_in_order(ordered).await;
    nothing_is_left_prepared().await;
}

/// CTEs that write, of which each runs by itself and the rest over what they return.
const STAGED: [&str; 13] = [
    "WITH n AS (INSERT INTO users (tenant_id, id, name) VALUES (1, 50, 'a'), (2, 50, 'b'), (3, 50, 'c') RETURNING *) INSERT INTO orders (tenant_id, id, user_id, total) SELECT tenant_id, 50, id, length(name) FROM n RETURNING tenant_id, id, user_id, total",
    "WITH n AS (INSERT INTO users (tenant_id, id, name) VALUES (1, 51, 'a'), (2, 51, 'b') RETURNING tenant_id, id) SELECT count(*), max(tenant_id) FROM n",
    "WITH d AS (DELETE FROM orders WHERE total > 25 RETURNING tenant_id, total) SELECT tenant_id, rank() OVER (ORDER BY total DESC, tenant_id) FROM d",
    "WITH d AS (DELETE FROM orders WHERE tenant_id = 3 OR tenant_id = 4 RETURNING user_id) UPDATE users SET score = 0 FROM d WHERE d.user_id = users.id AND users.tenant_id > 20 AND users.tenant_id <> 25",
    "WITH d AS (DELETE FROM users WHERE id = 3 AND tenant_id > 25 RETURNING *), i AS (INSERT INTO names SELECT tenant_id, id, name, 'sad' FROM d RETURNING tenant_id, name, mood) SELECT name, mood, (SELECT count(*) FROM i x WHERE x.name <= i.name) FROM i",
    "WITH d AS (DELETE FROM names RETURNING name, mood), o AS (SELECT max(total) AS most FROM orders) SELECT d.*, o.most FROM d, o",
    "WITH n (t, i) AS (INSERT INTO names VALUES (7, 1, 'Zed', 'glad'), (8, 1, 'abe', NULL) RETURNING tenant_id, id, name, mood) SELECT * FROM n",
    "WITH d AS (UPDATE names SET name = name || '.' RETURNING name, tenant_id) SELECT array_agg(name ORDER BY name), count(*) FROM d JOIN users u ON u.id = d.tenant_id",
    "WITH d AS (DELETE FROM orders WHERE false RETURNING total, tags) SELECT sum(total), count(*) OVER () FROM d GROUP BY tags",
    "WITH d AS (DELETE FROM orders WHERE id = 1 AND tenant_id < 5) SELECT max(score) - avg(score) FROM users WHERE score > (SELECT avg(score) FROM users)",
    "WITH d AS (DELETE FROM orders WHERE id = 1 AND tenant_id < 9) SELECT * FROM d",
    "WITH n AS (INSERT INTO users (tenant_id, id) VALUES (1, 60), (2, 1) RETURNING *) SELECT count(*) FROM n",
    "WITH n AS (UPDATE users SET score = 60 WHERE id = 1 AND tenant_id < 6 RETURNING tenant_id, score) MERGE INTO names USING (SELECT max(tenant_id) AS t, sum(score) AS s FROM n) s ON names.tenant_id = s.t WHEN NOT MATCHED THEN INSERT VALUES (s.t, s.s, 'sum', NULL)",
];

#[tokio::test]
async fn writes_in_with_that_others_read_across_tenants_are_those_of_one_server() {
    let mut pair = Pair::shop("staged").await;
    for answer in pair.ours.simple(STAMPS).await.unwrap() {
        assert!(answer.fault.is_none(), "{answer}");
    }
    pair.oracle.simple(STAMPS).await.unwrap();
    pair.same("INSERT INTO names VALUES (100, 1, 'keep', 'glad'), (101, 1, 'Keep', 'glad')").await;
    pair.all_same(&STAGED, &["users", "orders", "names"]).await;
    let sql = "WITH d AS (DELETE FROM orders WHERE total > $1 RETURNING tenant_id, total) SELECT count(*), sum(total) * $2 FROM d HAVING count(*) > $3";
    pair.same_extended(sql, &[Some("20"), Some("2"), Some("0")]).await;
    let sql = "WITH n AS (INSERT INTO users (tenant_id, id, name) VALUES ($1, 70, $2), ($3, 70, $2) RETURNING *) INSERT INTO orders (tenant_id, id, user_id) SELECT tenant_id, $4, id FROM n RETURNING *";
    pair.same_extended(sql, &[Some("1"), Some("n"), Some("2"), Some("70")]).await;
    pair.holds_the_same("orders").await;
    for sql in [
        "WITH d AS (DELETE FROM orders WHERE id = 1 RETURNING *) SELECT count(*) OVER () FROM d JOIN orders USING (id)",
        "WITH a AS (UPDATE users SET score = 1 RETURNING *), b AS (UPDATE users SET score = 2 RETURNING id) SELECT rank() OVER (ORDER BY a.id) FROM a, b",
    ] {
        pair.refused(sql).await;
    }
    pair.holds_the_same("users").await;
    each_row_is_at_home("staged.orders").await;
    nothing_is_left_prepared().await;
}

/// Rows that are locked by a part of the statement, and written by the rest.
const QUEUES: [&str; 5] = [
    "WITH p AS (SELECT tenant_id, id FROM users WHERE score > 3 ORDER BY score DESC, tenant_id, id LIMIT 4 FOR UPDATE SKIP LOCKED) UPDATE users u SET name = 'taken' FROM p WHERE p.tenant_id = u.tenant_id AND p.id = u.id RETURNING u.*",
    "UPDATE users SET name = 'next', score = 1 WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM users WHERE name <> 'taken' ORDER BY score, tenant_id DESC, id LIMIT 6 FOR UPDATE SKIP LOCKED) RETURNING tenant_id, id, name",
    "WITH p AS (SELECT tenant_id, id, name FROM users WHERE id = 3 ORDER BY tenant_id LIMIT 2 FOR UPDATE), d AS (DELETE FROM users u USING p WHERE p.tenant_id = u.tenant_id AND p.id = u.id RETURNING u.name) SELECT upper(name), count(*) OVER () FROM d",
    "WITH p AS (SELECT tenant_id FROM users WHERE false LIMIT 2 FOR UPDATE) UPDATE orders SET total = 0 FROM p WHERE p.tenant_id = orders.tenant_id RETURNING total",
    "WITH p AS (SELECT tenant_id, id FROM users ORDER BY tenant_id DESC, id LIMIT 2 FOR UPDATE) INSERT INTO orders (tenant_id, id, total) SELECT tenant_id, id + 60, 0 FROM p RETURNING tenant_id, id",
];

#[tokio::test]
async fn rows_that_a_part_of_the_statement_locks_are_written_by_the_rest() {
    let mut pair = Pair::shop("queues").await;
    pair.all_same(&QUEUES, &["users", "orders"]).await;
    let sql = "DELETE FROM orders WHERE tenant_id = (SELECT tenant_id FROM orders WHERE total > $1 ORDER BY tenant_id LIMIT 1 FOR UPDATE) AND id = 1 RETURNING *";
    pair.same_extended(sql, &[Some("5")]).await;
    pair.holds_the_same("orders").await;
    nothing_is_left_prepared().await;
}
