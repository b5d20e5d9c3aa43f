//! Rows of several servers, locked.

use crate::stage::{Pair, nothing_is_left_prepared, stage};

#[tokio::test]
async fn rows_of_all_tenants_are_locked() {
    let (_, daemon, _) = stage().await;
    let mut pair = Pair::shop("locked").await;
    pair.same("BEGIN").await;
    let locked = pair
        .same_in_order("SELECT tenant_id, id FROM users WHERE score > 20 ORDER BY tenant_id, id FOR UPDATE");
    assert!(locked.await.rows.len() > 10);
    let mut other = daemon.session("app").await.unwrap();
    other.ask("SET search_path = locked").await.unwrap();
    let free = other.ask("SELECT count(*) FROM users WHERE score <= 20").await.unwrap();
    let skipped =
        other.ask("SELECT tenant_id FROM users ORDER BY tenant_id FOR UPDATE SKIP LOCKED").await.unwrap();
    assert_eq!(skipped.rows.len().to_string(), free.value(), "the others are free");
    let waiting = other.ask("SELECT id FROM users FOR SHARE NOWAIT").await.unwrap();
    assert_eq!(waiting.sqlstate(), "55P03");
    pair.same("COMMIT").await;
}

#[tokio::test]
async fn a_cursor_with_hold_over_all_tenants_outlives_its_transaction() {
    let mut pair = Pair::shop("held").await;
    let declare = "DECLARE c CURSOR WITH HOLD FOR SELECT tenant_id, id, name FROM users WHERE score > 5 ORDER BY score DESC, tenant_id, id";
    for sql in [
        "BEGIN",
        declare,
        "FETCH 3 FROM c",
        "UPDATE users SET name = 'changed' WHERE tenant_id = 30",
        "FETCH 2 FROM c",
        "COMMIT",
        "FETCH 4 FROM c",
        "UPDATE users SET score = 0",
        "MOVE 10 FROM c",
        "FETCH ALL FROM c",
        "CLOSE c",
        "FETCH c",
        "UPDATE users SET score = id * 3",
        declare,
        "FETCH 2 FROM c",
        "BEGIN",
        "FETCH 2 FROM c",
        "ROLLBACK",
        "FETCH 2 FROM c",
        "CLOSE ALL",
        "BEGIN",
        declare,
        "ROLLBACK",
        "FETCH c",
        "DECLARE d CURSOR FOR SELECT id FROM users",
    ] {
        pair.same_in_order(sql).await;
    }
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn the_first_rows_of_all_servers_are_locked_and_no_others() {
    let (_, daemon, _) = stage().await;
    let mut pair = Pair::shop("queue").await;
    let first = "SELECT tenant_id, id, score AS s FROM users WHERE score > 3 ORDER BY s DESC, tenant_id, id LIMIT 5 FOR UPDATE SKIP LOCKED";
    pair.same("BEGIN").await;
    let mine = pair.same_in_order(first).await;
    assert_eq!(mine.rows.len(), 5);
    let mut other = daemon.session("app").await.unwrap();
    other.ask("SET search_path = queue").await.unwrap();
    other.ask("BEGIN").await.unwrap();
    let theirs = other.ask(first).await.unwrap();
    assert_eq!(theirs.rows.len(), 5, "{theirs}");
    let in_order = pair.ours.ask("SELECT tenant_id, id, score AS s FROM users WHERE score > 3 ORDER BY s DESC, tenant_id, id LIMIT 10").await.unwrap();
    assert_eq!(
        [mine.rows.clone(), theirs.rows.clone()].concat(),
        in_order.rows,
        "each has rows of its own, in order"
    );
    let mut third = daemon.session("app").await.unwrap();
    third.ask("SET search_path = queue").await.unwrap();
    let free = third.ask("SELECT id FROM users FOR UPDATE SKIP LOCKED").await.unwrap();
    assert_eq!(free.rows.len(), 80, "only what was asked for is locked");
    let nowait = third
        .ask("SELECT id FROM users ORDER BY score DESC, tenant_id, id LIMIT 1 FOR UPDATE NOWAIT")
        .await
        .unwrap();
    assert_eq!(nowait.sqlstate(), "55P03", "{nowait}");
    let all = third
        .ask("SELECT id FROM users ORDER BY score DESC LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED")
        .await
        .unwrap();
    assert_eq!(all.rows.len(), 80);
    pair.same("COMMIT").await;
    other.ask("COMMIT").await.unwrap();
    for sql in [
        "SELECT * FROM users ORDER BY name LIMIT 4 FOR SHARE",
        "SELECT name, (SELECT code FROM countries WHERE id = country) FROM users u WHERE score < 100 ORDER BY 1 LIMIT 3 FOR UPDATE OF u",
        "SELECT id FROM users WHERE false ORDER BY id LIMIT 3 FOR UPDATE",
        "SELECT id FROM users WHERE score > 3 ORDER BY id LIMIT 0 FOR UPDATE",
        "SELECT id FROM users LIMIT -1 FOR UPDATE",
    ] {
        if !sql.contains("score < 100") {
            pair.same_in_order(sql).await;
        } else {
            assert_eq!(pair.ours.ask(sql).await.unwrap().rows.len(), 3);
        }
    }
    let sql = "SELECT tenant_id, id, name FROM users WHERE country = $1 ORDER BY tenant_id DESC LIMIT $2 FOR UPDATE";
    pair.same_extended(sql, &[Some("2"), Some("3")]).await;
    assert_eq!(pair.ours.extended(sql, &[Some("2".into()), None]).await.unwrap().rows.len(), 30);
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn workers_take_each_job_of_all_servers_once() {
    let (_, daemon, _) = stage().await;
    let mut pair = Pair::new("jobs", "CREATE TABLE jobs (tenant_id bigint, id int, status text DEFAULT 'new', PRIMARY KEY (tenant_id, id))").await;
    pair.same("INSERT INTO jobs SELECT n % 30, n FROM generate_series(1, 120) n").await;
    let mut workers = Vec::new();
    for _ in 0..4 {
        let mut session = daemon.session("app").await.unwrap();
        workers.push(tokio::spawn(async move {
            session.ask("SET search_path = jobs").await.unwrap();
            let mut done = Vec::new();
            loop {
                session.ask("BEGIN").await.unwrap();
                let jobs = session.ask("SELECT tenant_id, id FROM jobs WHERE status = 'new' ORDER BY id LIMIT 7 FOR UPDATE SKIP LOCKED").await.unwrap();
                assert!(jobs.fault.is_none(), "{jobs}");
                for row in &jobs.rows {
                    let (tenant, id) = (row[0].clone().unwrap(), row[1].clone().unwrap());
                    let sql = format!("UPDATE jobs SET status = 'done' WHERE tenant_id = {tenant} AND id = {id}");
                    assert_eq!(session.ask(&sql).await.unwrap().tag, "UPDATE 1");
                    done.push(id);
                }
                session.ask("COMMIT").await.unwrap();
                let left = session.ask("SELECT count(*) FROM jobs WHERE status = 'new'").await.unwrap();
                if left.value() == "0" {
                    return done;
                }
            }
        }));
    }
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    all.sort_by_key(|id| id.parse::<u32>().unwrap());
    assert_eq!(all, (1..=120).map(|id| id.to_string()).collect::<Vec<_>>());
}
