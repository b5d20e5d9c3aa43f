//! What writes return: its tags, its bound.

use crate::stage::{Pair, stage};

#[tokio::test]
async fn the_tag_of_returning_counts_the_rows_of_each_execute() {
    let mut pair = Pair::shop("parts").await;
    for rows in [50, 90] {
        let sql = "UPDATE users SET score = score + 1 RETURNING tenant_id, id";
        let mut heard = Vec::new();
        for session in [&mut pair.ours, &mut pair.oracle] {
            session.queue_parse("", sql).unwrap().queue_bind("", &[]).unwrap();
            for _ in 0..3 {
                session.queue_execute(rows).unwrap();
            }
            session.sync().await.unwrap();
            let messages = session.until_ready().await.unwrap();
            let ends: Vec<String> = messages
                .iter()
                .filter(|message| {
                    matches!(
                        message,
                        tests::Message::Complete(_) | tests::Message::Suspended | tests::Message::Error(_)
                    )
                })
                .map(|message| format!("{message:?}"))
                .collect();
            heard.push(ends);
        }
        assert_eq!(heard[0], heard[1], "{rows} rows at a time");
    }
}

#[tokio::test]
async fn rows_that_a_write_returns_are_kept_up_to_a_bound() {
    let (fleet, ..) = stage().await;
    let narrow =
        fleet.daemon().name("narrow").section("[merge]\nmax_bytes = \"64kB\"").start().await.unwrap();
    let mut session = narrow.session("app").await.unwrap();
    let setup = "CREATE SCHEMA bounded; CREATE TABLE bounded.notes (tenant_id bigint, id int, text text, PRIMARY KEY (tenant_id, id)); \
         CREATE TABLE bounded.sorts (id int PRIMARY KEY, text text DEFAULT repeat(md5(random()::text), 4000))";
    for answer in session.simple(setup).await.unwrap() {
        assert!(answer.fault.is_none(), "{answer}");
    }
    for sql in [
        "INSERT INTO bounded.notes SELECT n, 1, repeat('x', 9000) FROM generate_series(1, 20) n",
        "INSERT INTO bounded.notes VALUES (1, 2, 'x'), (2, 2, 'x'), (3, 2, 'x') RETURNING repeat(text, 40000)",
        "INSERT INTO bounded.sorts (id) VALUES (1), (2) RETURNING text",
    ] {
        let answer = session.ask(sql).await.unwrap();
        assert_eq!(answer.sqlstate(), "53400", "{sql}: {answer}");
        assert!(answer.rows.is_empty(), "{sql}: {answer}");
    }
    session.ask("INSERT INTO bounded.notes VALUES (1, 1, 'x'), (2, 1, 'y'), (3, 1, 'z')").await.unwrap();
    let chosen = "UPDATE bounded.notes SET text = text || (SELECT count(*) FROM bounded.notes) RETURNING repeat(text, 30000)";
    assert_eq!(session.ask(chosen).await.unwrap().sqlstate(), "53400");
    let left = session.ask("SELECT string_agg(text, '' ORDER BY text) FROM bounded.notes").await.unwrap();
    assert_eq!(left.value(), "xyz", "nothing of what was too large stands");
    let left = session.ask("SELECT count(*) FROM bounded.sorts").await.unwrap();
    assert_eq!(left.value(), "0");
}

#[tokio::test]
async fn nothing_that_a_write_returns_is_told_where_a_later_server_fails() {
    let (fleet, ..) = stage().await;
    let mut pair = Pair::shop("told_late").await;
    let last = fleet.servers().last().unwrap().connect("app").await.unwrap();
    let hold = "BEGIN; LOCK TABLE told_late.users, told_late.countries IN EXCLUSIVE MODE";
    pair.ours.ask("SET lock_timeout = '300ms'").await.unwrap();
    for sql in [
        "INSERT INTO countries VALUES (7, 'x', 1) RETURNING id, repeat('x', 100000)",
        "UPDATE countries SET code = 'y' WHERE id = 1 RETURNING *, repeat('x', 100000)",
        "UPDATE countries SET code = 'y' RETURNING *, repeat('x', 100000)",
        "UPDATE countries SET rate = random() RETURNING *, repeat('x', 100000)",
        "DELETE FROM countries WHERE id IN (SELECT country FROM users) RETURNING *, repeat('x', 100000)",
        "INSERT INTO countries SELECT 10 + country, 'n' FROM users WHERE id = 1 AND tenant_id = 1 RETURNING *, repeat('x', 100000)",
        "INSERT INTO users (tenant_id, id) SELECT n, 90 FROM generate_series(1, 30) n RETURNING *, repeat('x', 100000)",
        "UPDATE users SET score = 1 RETURNING *, repeat('x', 100000)",
        "UPDATE users SET score = (SELECT count(*) FROM orders) RETURNING *, repeat('x', 100000)",
    ] {
        last.batch_execute(hold).await.unwrap();
        let answer = pair.ours.ask(sql).await.unwrap();
        assert_eq!(answer.sqlstate(), "55P03", "{sql}: {answer}");
        assert!(answer.rows.is_empty(), "{sql}: {answer}");
        last.batch_execute("ROLLBACK").await.unwrap();
        pair.holds_the_same("users").await;
        pair.holds_the_same("countries").await;
    }
}
