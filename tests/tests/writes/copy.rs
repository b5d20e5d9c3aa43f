//! COPY of the rows of several servers, out and in.

use crate::stage::{Pair, stage};

const COPIES: [&str; 16] = [
    "COPY users TO STDOUT",
    "COPY users (name, tenant_id) TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE (name))",
    "COPY odd TO STDOUT",
    "COPY odd TO STDOUT (FORMAT csv)",
    "COPY odd TO STDOUT (FORMAT csv, NULL 'none', QUOTE '''', ESCAPE '\\', DELIMITER ';', FORCE_QUOTE *)",
    "COPY odd TO STDOUT (DELIMITER '|', NULL '')",
    "COPY odd (words) TO STDOUT CSV HEADER",
    "COPY (SELECT tenant_id, score FROM users WHERE score > 40 ORDER BY score DESC, tenant_id) TO STDOUT (HEADER)",
    "COPY (SELECT count(*), sum(score) FROM users) TO STDOUT",
    "COPY (SELECT u.name, o.total FROM users u JOIN orders o ON o.user_id = u.id ORDER BY 1, 2 LIMIT 20) TO STDOUT",
    "COPY (SELECT * FROM users WHERE false) TO STDOUT CSV HEADER",
    "COPY (DELETE FROM orders WHERE tenant_id > 28 RETURNING tenant_id, id) TO STDOUT",
    "COPY (SELECT 1 / (score - 40) FROM users) TO STDOUT",
    "COPY nothing TO STDOUT",
    "COPY users (nothing) TO STDOUT",
    "COPY countries TO STDOUT",
];

#[tokio::test]
async fn copy_to_gives_the_rows_of_all_servers_once() {
    let mut pair = Pair::shop("copied").await;
    pair.same("CREATE TABLE odd (tenant_id bigint PRIMARY KEY, words text, bits bytea, list text[])").await;
    pair.same(
        "INSERT INTO odd VALUES (1, 'a,b;c|d', '\\x00ff', '{a,\"b c\"}'), (2, E'tab\\tnew\\nline\\\\ \\r\\b\\f', NULL, NULL), \
           (3, '\\.', '', '{}'), (4, '', 'x', '{NULL}'), (5, NULL, NULL, NULL), (6, '\"quoted\" ''too''', 'y', NULL), (7, 'none', 'é', NULL)",
    )
    .await;
    for sql in COPIES {
        let (ours, theirs) = (pair.ours.ask(sql).await.unwrap(), pair.oracle.ask(sql).await.unwrap());
        let (mut one, mut other) = (ours.clone().sorted(), theirs.clone().sorted());
        if sql.contains("ORDER BY") || sql.contains("HEADER") {
            (one.copied, other.copied) = (ours.copied.clone(), theirs.copied.clone());
        }
        if sql.contains("HEADER") && !sql.contains("ORDER BY") {
            let head = |copied: &str| copied.lines().next().unwrap_or_default().to_owned();
            assert_eq!(head(&one.copied), head(&other.copied), "{sql}");
            (one, other) = (ours.sorted(), theirs.sorted());
        }
        assert_eq!(one.sqlstate(), other.sqlstate(), "{sql}: {one}");
        if one.fault.is_none() {
            assert_eq!(one.copied, other.copied, "{sql}");
            assert_eq!(one.tag, other.tag, "{sql}");
        }
    }
    pair.holds_the_same("orders").await;
}

#[tokio::test]
async fn binary_copy_of_all_servers_can_be_copied_back() {
    let (_, daemon, _) = stage().await;
    let mut pair = Pair::shop("bits").await;
    pair.ours.ask("CREATE TABLE again (LIKE users INCLUDING ALL)").await.unwrap();
    let client = daemon.connect().await.unwrap();
    let stream = client.copy_out("COPY bits.users TO STDOUT (FORMAT binary)").await.unwrap();
    let data: Vec<bytes::Bytes> = futures_util::TryStreamExt::try_collect(stream).await.unwrap();
    let data = data.concat();
    let answer = pair.ours.copy_in("COPY again FROM STDIN (FORMAT binary)", &data).await.unwrap();
    assert_eq!(answer.tag, "COPY 90", "{answer}");
    let differ =
        "SELECT count(*) FROM users u FULL JOIN again a USING (tenant_id, id) WHERE u.* IS DISTINCT FROM a.*";
    let differ = pair.ours.ask(differ).await.unwrap();
    assert_eq!(differ.value(), "0", "{differ}");
}

#[tokio::test]
async fn notices_of_all_servers_are_heard_while_rows_are_copied_in() {
    let mut pair = Pair::new(
        "noticed",
        "CREATE TABLE marks (tenant_id bigint, id int, PRIMARY KEY (tenant_id, id)); \
         CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'row % of %', NEW.id, NEW.tenant_id; \
           IF NEW.id = 999 THEN RAISE EXCEPTION 'enough'; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER say BEFORE INSERT ON marks FOR EACH ROW EXECUTE FUNCTION say()",
    )
    .await;
    let rows: String =
        (1..=40).flat_map(|tenant| (1..=50).map(move |id| format!("{tenant}\t{id}\n"))).collect();
    for session in [&mut pair.ours, &mut pair.oracle] {
        session.notices.clear();
        let answer = session.copy_in("COPY marks FROM STDIN", rows.as_bytes()).await.unwrap();
        assert_eq!(answer.tag, "COPY 2000");
        assert_eq!(session.notices.len(), 2000);
    }
    let bad: String = (1..=40).map(|tenant| format!("{tenant}\t999\n")).collect();
    let answer = pair.ours.copy_in("COPY marks FROM STDIN", bad.as_bytes()).await.unwrap();
    assert_eq!(answer.sqlstate(), "P0001", "{answer}");
    pair.holds_the_same("marks").await;
}
