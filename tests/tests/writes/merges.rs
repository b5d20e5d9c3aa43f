//! MERGE over several servers.

use crate::stage::{Pair, STAMPS, each_row_is_at_home, nothing_is_left_prepared};

/// Each of these is done by each server for its own rows, source and target together.
const MERGES: [&str; 9] = [
    "MERGE INTO users u USING orders o ON u.tenant_id = o.tenant_id AND u.id = o.user_id WHEN MATCHED AND o.total > 20 THEN DELETE WHEN MATCHED THEN UPDATE SET score = o.id, name = name || o.total",
    "MERGE INTO users u USING (SELECT tenant_id AS t, id + 7 AS n, total FROM orders WHERE total > 12) s ON s.t = u.tenant_id AND s.n = u.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (tenant_id, id, name, score) VALUES (s.t, s.n, 'merged', s.total)",
    "MERGE INTO users USING countries c ON users.country = c.id WHEN MATCHED AND c.code = 'fr' THEN UPDATE SET name = c.code, score = DEFAULT WHEN MATCHED AND users.score > 70 THEN DELETE WHEN NOT MATCHED THEN DO NOTHING",
    "WITH rich AS (SELECT tenant_id, max(total) AS total FROM orders GROUP BY tenant_id) MERGE INTO users u USING rich r ON r.tenant_id = u.tenant_id WHEN MATCHED AND r.total > 15 THEN UPDATE SET (name, score) = (SELECT code, id FROM countries WHERE id = u.country)",
    "MERGE INTO orders o USING (SELECT a.tenant_id, b.id AS n FROM users a LEFT JOIN orders b ON a.tenant_id = b.tenant_id WHERE a.id = 1) s ON s.tenant_id = o.tenant_id AND s.n = o.id WHEN MATCHED THEN UPDATE SET total = total + 1, tags[2] = 5",
    "MERGE INTO orders o USING users u ON u.tenant_id = o.tenant_id WHEN MATCHED THEN UPDATE SET total = u.id",
    "MERGE INTO orders o USING users u ON u.tenant_id = o.tenant_id AND o.id = u.id WHEN NOT MATCHED THEN INSERT VALUES (u.tenant_id, u.id, u.id, 1, '{4}')",
    "MERGE INTO users u USING orders o ON u.tenant_id = o.tenant_id AND u.id = o.id WHEN MATCHED AND u.score > (SELECT count(*) FROM orders x WHERE x.tenant_id = u.tenant_id) THEN DELETE",
    "MERGE INTO users u USING orders o ON u.tenant_id = o.tenant_id AND u.id = o.id WHEN MATCHED THEN UPDATE SET score = 1 / (u.tenant_id - 17)",
];

#[tokio::test]
async fn merge_into_the_rows_of_all_tenants_is_that_of_one_server() {
    let mut pair = Pair::shop("merges").await;
    pair.all_same(&MERGES, &["users", "orders"]).await;
    pair.refused("MERGE INTO users u USING countries c ON u.country = c.id WHEN NOT MATCHED THEN INSERT (tenant_id, id) VALUES (c.id, 1)").await;
    pair.holds_the_same("users").await;
    each_row_is_at_home("merges.users").await;
    each_row_is_at_home("merges.orders").await;
    nothing_is_left_prepared().await;
}

/// MERGE whose source no server has by itself.
const MATCHED: [&str; 12] = [
    "MERGE INTO users u USING (VALUES (1, 1, 'one'), (2, 9, 'two'), (17, 9, NULL), (17, 10, 'x')) s (tenant_id, id, name) ON u.tenant_id = s.tenant_id AND u.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name, score = u.score + 1 WHEN NOT MATCHED THEN INSERT (tenant_id, id, name) VALUES (s.tenant_id, s.id, s.name)",
    "MERGE INTO users u USING (SELECT max(tenant_id) AS t, count(*) AS n, user_id FROM orders GROUP BY user_id) s ON s.t = u.tenant_id AND u.id = s.user_id WHEN MATCHED THEN UPDATE SET score = s.n WHEN NOT MATCHED THEN INSERT (tenant_id, id, score) VALUES (s.t, 20, s.n)",
    "MERGE INTO stamps m USING (SELECT tenant_id, row_number() OVER (ORDER BY total DESC, tenant_id) AS place FROM orders WHERE id = 1) s ON m.tenant_id = s.tenant_id AND m.id = s.place WHEN MATCHED AND s.place > 5 THEN DELETE WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED AND s.place < 9 THEN INSERT (tenant_id, id) VALUES (s.tenant_id, s.place)",
    "MERGE INTO stamps m USING generate_series(1::bigint, 40) AS s (t) ON m.tenant_id = s.t AND m.id = 1 WHEN MATCHED THEN UPDATE SET label = m.label || '!' WHEN NOT MATCHED THEN INSERT VALUES (s.t, 1, 'n' || s.t, '{1,2}', 'sad')",
    "WITH top AS (SELECT tenant_id FROM orders ORDER BY total DESC, tenant_id LIMIT 4) MERGE INTO users u USING top s ON s.tenant_id = u.tenant_id AND u.id = 1 WHEN MATCHED AND u.score > 10 THEN DELETE WHEN MATCHED THEN UPDATE SET score = (SELECT count(*) FROM orders o WHERE o.tenant_id = u.tenant_id)",
    "MERGE INTO stamps m USING (VALUES (1, 1), (1, 1)) s (t, n) ON m.tenant_id = s.t AND m.id = s.n WHEN MATCHED THEN UPDATE SET label = 'twice'",
    "MERGE INTO stamps m USING (VALUES (NULL::bigint, 1)) s (t, n) ON m.tenant_id = s.t AND m.id = s.n WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (tenant_id, id) VALUES (s.t, s.n)",
    "MERGE INTO stamps m USING (SELECT 1::bigint AS t WHERE false) s ON m.tenant_id = s.t WHEN MATCHED THEN DELETE",
    "MERGE INTO stamps m USING (SELECT max(tenant_id) AS t, '{3,4}'::int[] AS l FROM users) s ON m.tenant_id = s.t AND m.id = 1 WHEN MATCHED THEN UPDATE SET list = s.l, list[2] = 9 WHEN NOT MATCHED THEN INSERT (tenant_id, id, list) VALUES (s.t, 1, s.l)",
    "MERGE INTO stamps m USING (VALUES (3, 1, 0), (4, 1, 1)) s (t, n, by) ON m.tenant_id = s.t AND m.id = s.n WHEN MATCHED THEN UPDATE SET label = (10 / s.by)::text",
    "MERGE INTO stamps m USING (VALUES (3, 1)) s (t, n) ON m.tenant_id = s.t AND m.id = s.n WHEN MATCHED THEN UPDATE SET nothing = 1",
    "MERGE INTO stamps m USING (VALUES (1, 77), (2, 77)) s (t, n) ON m.tenant_id = s.t AND m.id = s.n WHEN NOT MATCHED THEN INSERT (tenant_id, id, mood) VALUES (s.t, s.n, DEFAULT)",
];

#[tokio::test]
async fn merge_of_a_source_that_no_server_has_is_that_of_one_server() {
    let mut pair = Pair::shop("matched").await;
    for answer in pair.ours.simple(STAMPS).await.unwrap() {
        assert!(answer.fault.is_none(), "{answer}");
    }
    pair.oracle.simple(STAMPS).await.unwrap();
    pair.all_same(&MATCHED, &["users", "stamps"]).await;
    let upsert = "MERGE INTO stamps m USING unnest($1::bigint[], $2::int[], $3::text[]) AS s (t, n, label) ON m.tenant_id = s.t AND m.id = s.n \
        WHEN MATCHED THEN UPDATE SET label = s.label || $4 WHEN NOT MATCHED THEN INSERT (tenant_id, id, label) VALUES (s.t, s.n, s.label)";
    let given = [Some("{1,2,3,50,51}"), Some("{1,1,2,2,1}"), Some("{a,b,c,NULL,e}"), Some("+")];
    pair.same_extended(upsert, &given).await;
    pair.same_extended(upsert, &given).await;
    pair.holds_the_same("stamps").await;
    let many = "MERGE INTO stamps m USING (SELECT n % 500 AS t, n AS n, 'many' AS label FROM generate_series(1000::bigint, 21000) n) s ON m.tenant_id = s.t AND m.id = s.n WHEN NOT MATCHED THEN INSERT (tenant_id, id, label) VALUES (s.t, s.n, s.label)";
    pair.same(many).await;
    pair.same("SELECT count(*), sum(id), max(tenant_id) FROM stamps").await;
    each_row_is_at_home("matched.stamps").await;
    each_row_is_at_home("matched.users").await;
    pair.ours.ask("SET app.tenant = '5'").await.unwrap();
    let mine = "MERGE INTO stamps m USING (VALUES (5, 1, 'mine')) s (t, n, label) ON m.tenant_id = s.t AND m.id = s.n WHEN MATCHED THEN UPDATE SET label = s.label WHEN NOT MATCHED THEN INSERT (tenant_id, id, label) VALUES (s.t, s.n, s.label)";
    assert_eq!(pair.ours.ask(mine).await.unwrap().tag, "MERGE 1");
    let other = mine.replace("(5, 1, 'mine')", "(6, 1, 'mine')");
    assert_eq!(pair.ours.ask(&other).await.unwrap().sqlstate(), "42501");
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn merge_stores_one_time_on_all_servers() {
    let mut pair = Pair::new(
        "merged_at",
        "CREATE TABLE logs (tenant_id bigint, id int, at timestamptz DEFAULT now(), PRIMARY KEY (tenant_id, id)); \
         CREATE TABLE sources (tenant_id bigint, id int, PRIMARY KEY (tenant_id, id))",
    )
    .await;
    pair.ours.ask("INSERT INTO sources SELECT n, 1 FROM generate_series(1, 20) n").await.unwrap();
    for source in ["generate_series(1::bigint, 20) AS s (tenant_id)", "sources s"] {
        let sql = format!(
            "MERGE INTO logs l USING {source} ON l.tenant_id = s.tenant_id AND l.id = 1 WHEN NOT MATCHED THEN INSERT (tenant_id, id) VALUES (s.tenant_id, 1)"
        );
        assert_eq!(pair.ours.ask(&sql).await.unwrap().tag, "MERGE 20");
        assert_eq!(pair.ours.ask("SELECT count(DISTINCT at) FROM logs").await.unwrap().value(), "1");
        pair.ours.ask("DELETE FROM logs").await.unwrap();
    }
}
