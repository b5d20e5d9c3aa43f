//! UPDATE and DELETE that need rows of other servers.

use crate::stage::{Pair, each_row_is_at_home, nothing_is_left_prepared, stage};

/// Writes that need rows of other servers than the written row's, or give rows another tenant.
const CHOSEN: [&str; 27] = [
    "UPDATE users SET (name, score) = (SELECT max(name), max(total) + 1 FROM orders JOIN users u USING (id)) WHERE id = 1 RETURNING *",
    "UPDATE users SET (score, name) = (SELECT count(*), 'n' || users.id FROM orders o WHERE o.id = users.id), country = DEFAULT WHERE tenant_id > 20",
    "UPDATE orders SET (user_id, total) = ROW (DEFAULT, (SELECT max(score) FROM users)), tags[2] = (SELECT min(id) FROM users) WHERE id = 1 RETURNING tenant_id, user_id, total, tags",
    "UPDATE orders SET tags[id + 1] = (SELECT count(*) FROM users x WHERE x.id = orders.id), tags[1:2] = '{7,8}' WHERE tenant_id < 4 RETURNING *",
    "UPDATE users SET (name, score) = (SELECT name, score FROM users x WHERE x.id = users.id) WHERE tenant_id = 1",
    "UPDATE users SET (name, score) = (SELECT name, score FROM users x WHERE x.id = 77) WHERE tenant_id = 1 AND id = 1 RETURNING *",
    "UPDATE users SET score = (SELECT max(total) FROM orders) WHERE id = 1",
    "UPDATE users SET score = score + o.cnt FROM (SELECT user_id, count(*) AS cnt FROM orders GROUP BY user_id) o WHERE o.user_id = users.id",
    "DELETE FROM users WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM users ORDER BY score DESC, tenant_id, id LIMIT 10) RETURNING tenant_id, id, name",
    "UPDATE users u SET name = 'top' || u.name, score = DEFAULT WHERE score >= (SELECT avg(score) FROM users) RETURNING *",
    "DELETE FROM orders o USING users u WHERE u.id = o.user_id AND u.tenant_id = 2 AND o.tenant_id > 25",
    "WITH best AS (SELECT tenant_id FROM orders ORDER BY total DESC, tenant_id LIMIT 3) UPDATE users SET name = 'best' WHERE tenant_id IN (SELECT tenant_id FROM best)",
    "UPDATE users u SET score = score + most FROM (SELECT user_id, max(total) AS most FROM orders GROUP BY user_id) o WHERE o.user_id = u.id AND tenant_id < 4 RETURNING u.*, o.most, o.most + u.score AS sum, name || user_id",
    "UPDATE orders SET tenant_id = orders.tenant_id + 300 FROM (SELECT max(score) AS top FROM users) s WHERE orders.id = 2 AND top > 0 AND orders.tenant_id BETWEEN 6 AND 8 RETURNING orders.tenant_id, total, top",
    "UPDATE users SET score = 1 WHERE tenant_id = (SELECT max(tenant_id) FROM orders) RETURNING tenant_id, id",
    "DELETE FROM users WHERE score > (SELECT sum(total) FROM orders) RETURNING id, name",
    "UPDATE users SET tenant_id = 1000 + tenant_id WHERE id = 2 RETURNING tenant_id, id, name, score, made",
    "UPDATE users SET tenant_id = 77, name = 'moved', country = DEFAULT WHERE tenant_id = 4 AND id = 1 RETURNING *",
    "UPDATE users SET tenant_id = 9 WHERE tenant_id = 10 AND id = 1",
    "UPDATE users SET tenant_id = NULL WHERE tenant_id = 10 AND id = 1",
    "UPDATE users SET tenant_id = tenant_id WHERE id = 1",
    "UPDATE orders SET tenant_id = 500, tags = tags || 9 WHERE tenant_id IN (1, 2) AND id = tenant_id RETURNING tenant_id, id, total, tags",
    "UPDATE orders SET tenant_id = 501 WHERE id = 2 AND tenant_id < 4",
    "UPDATE users SET score = (SELECT count(*) FROM users x WHERE x.score < users.score)",
    "UPDATE users SET score = 'x' || (SELECT max(name) FROM users)",
    "DELETE FROM orders WHERE user_id IN (SELECT id FROM users WHERE score > 20) AND tenant_id > 20",
    "UPDATE users SET name = (SELECT string_agg(name, ',' ORDER BY name) FROM users) WHERE tenant_id = 12",
];

#[tokio::test]
async fn writes_that_need_rows_of_other_servers_are_those_of_one_server() {
    let mut pair = Pair::shop("chosen").await;
    for (number, sql) in CHOSEN.iter().enumerate() {
        if number % 3 == 0 {
            pair.same("BEGIN").await;
        }
        let failed = !pair.same(sql).await.sqlstate().is_empty();
        if number % 3 == 0 {
            pair.same(if failed { "ROLLBACK" } else { "COMMIT" }).await;
        }
        pair.holds_the_same("users").await;
        pair.holds_the_same("orders").await;
    }
    let some = |values: &[&'static str]| values.iter().map(|value| Some(*value)).collect::<Vec<_>>();
    for (sql, values) in [
        (
            "UPDATE users SET tenant_id = $1 WHERE tenant_id = $2 AND id = $3 RETURNING name, tenant_id",
            some(&["2000", "15", "1"]),
        ),
        (
            "UPDATE users SET score = $1 + (SELECT min(score) FROM users) WHERE score > $2 AND tenant_id = 16",
            some(&["5", "-1"]),
        ),
        (
            "DELETE FROM orders WHERE total < (SELECT max(score) FROM users WHERE score < $1) AND tenant_id = $2",
            some(&["1000", "17"]),
        ),
    ] {
        pair.same_extended(sql, &values).await;
    }
    pair.holds_the_same("users").await;
    pair.holds_the_same("orders").await;
    pair.refused("UPDATE users SET name = name WHERE id = (SELECT max(user_id) FROM orders) RETURNING (SELECT count(*) FROM orders)").await;
    each_row_is_at_home("chosen.users").await;
    each_row_is_at_home("chosen.orders").await;
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn a_row_does_not_change_its_tenant_where_others_would_see_it_deleted() {
    let mut pair = Pair::new(
        "watched",
        "CREATE TABLE owners (tenant_id bigint, id int, PRIMARY KEY (tenant_id, id)); \
         CREATE TABLE pets (tenant_id bigint, id int, owner int, PRIMARY KEY (tenant_id, id), \
           FOREIGN KEY (tenant_id, owner) REFERENCES owners (tenant_id, id) ON DELETE CASCADE)",
    )
    .await;
    pair.same("INSERT INTO owners VALUES (1, 1), (2, 2), (3, 3)").await;
    pair.same("INSERT INTO pets VALUES (1, 1, 1), (2, 1, 2), (3, 1, 3)").await;
    pair.refused("UPDATE owners SET tenant_id = 4 WHERE tenant_id = 1").await;
    pair.same("UPDATE pets SET tenant_id = 2, owner = 2, id = 5 WHERE tenant_id = 1 RETURNING *").await;
    pair.same("UPDATE pets SET tenant_id = 9 WHERE tenant_id = 3").await;
    pair.holds_the_same("owners").await;
    pair.holds_the_same("pets").await;
}

#[tokio::test]
async fn a_row_that_changes_meanwhile_is_not_overwritten_with_what_was_computed_before() {
    let (_, daemon, _) = stage().await;
    let mut pair = Pair::shop("race").await;
    pair.ours.ask("UPDATE users SET score = 0").await.unwrap();
    let add = "UPDATE users SET score = score + 1 + 0 * (SELECT count(*)::int FROM users x WHERE x.id = 1)";
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let mut session = daemon.session("app").await.unwrap();
        tasks.push(tokio::spawn(async move {
            session.ask("SET search_path = race").await.unwrap();
            for _ in 0..12 {
                let answer = session.ask(add).await.unwrap();
                assert!(answer.fault.is_none(), "{answer}");
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let scores = pair.ours.ask("SELECT min(score), max(score) FROM users").await.unwrap();
    assert_eq!(scores.rows, [[Some("72".to_owned()), Some("72".to_owned())]]);
}
