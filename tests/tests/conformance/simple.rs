//! Simple queries, and what is reported of settings.

use crate::judge::Where::{Reference, Tenant};
use crate::judge::{EVERYWHERE, HERE, Judge, ROWS, ready};
use tests::frames::Say::*;

#[tokio::test]
async fn simple_queries_are_answered_frame_for_frame() {
    let mut judge = Judge::default();
    judge.same("rows", EVERYWHERE, vec![ready(vec![Q(ROWS)])]).await;
    judge
        .same(
            "nothing to run",
            HERE,
            vec![ready(vec![Q("")]), ready(vec![Q(";;")]), ready(vec![Q("-- only a comment")])],
        )
        .await;
    let several = "INSERT INTO {t} VALUES (7, 500, 'a'); SELECT count(*) FROM {t} WHERE {mine} AND id = 500; DELETE FROM {t} WHERE {mine} AND id = 500";
    judge.same("several", HERE, vec![ready(vec![Q(several)])]).await;
    let failing = "INSERT INTO {t} VALUES (7, 501, 'a'); SELECT 1 / 0; SELECT 2";
    let left = Q("SELECT count(*) FROM {t} WHERE {mine} AND id BETWEEN 500 AND 599");
    judge.same("several, one fails", HERE, vec![ready(vec![Q(failing), left.clone()])]).await;
    let split =
        "INSERT INTO {t} VALUES (7, 502, 'a'); COMMIT; INSERT INTO {t} VALUES (7, 503, 'b'); SELECT 1 / 0";
    let clean = Q("DELETE FROM {t} WHERE {mine} AND id BETWEEN 500 AND 599");
    judge
        .same("several, committed between", HERE, vec![ready(vec![Q(split), left.clone(), clean.clone()])])
        .await;
    let begun = "BEGIN; INSERT INTO {t} VALUES (7, 504, 'a')";
    judge
        .same("several, begun", HERE, vec![ready(vec![Q(begun), Q("SELECT 1"), Q("ROLLBACK"), left.clone()])])
        .await;
    let joined = "INSERT INTO {t} VALUES (7, 505, 'a'); BEGIN; INSERT INTO {t} VALUES (7, 506, 'a'); ROLLBACK; SELECT 1";
    judge.same("several, a begin joins", HERE, vec![ready(vec![Q(joined), left, clean])]).await;
    judge
        .same(
            "syntax error",
            &[Reference],
            vec![ready(vec![
                Q("SELECT 1; SELEC 2"),
                Q("SELECT * FROM {t} WHERE nothing = 1"),
                Q("SELECT * FROM nowhere"),
            ])],
        )
        .await;
    judge
        .same(
            "warnings",
            HERE,
            vec![ready(vec![
                Q("COMMIT"),
                Q("ROLLBACK"),
                Q("BEGIN"),
                Q("BEGIN"),
                Q("COMMIT"),
                Q("SET LOCAL work_mem = '5MB'"),
            ])],
        )
        .await;
    judge
        .same(
            "failed transaction",
            EVERYWHERE,
            vec![ready(vec![
                Q("BEGIN"),
                Q(ROWS),
                Q("SELECT 1 / 0 FROM {t} WHERE {k} = 7"),
                Q("SELECT 1"),
                Q("COMMIT"),
                Q("SELECT 1"),
            ])],
        )
        .await;
    judge
        .same(
            "savepoints",
            HERE,
            vec![ready(vec![
                Q("SAVEPOINT a"),
                Q("BEGIN"),
                Q("SAVEPOINT a"),
                Q("SELECT 1 / 0"),
                Q("ROLLBACK TO b"),
                Q("ROLLBACK TO a"),
                Q("SELECT 1"),
                Q("RELEASE a"),
                Q("RELEASE a"),
                Q("ROLLBACK"),
            ])],
        )
        .await;
    judge.same("notices", &[Tenant], vec![ready(vec![Q("DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two' USING ERRCODE = '01234', DETAIL = 'd'; END $$"), Q("SELECT 1; DROP TABLE IF EXISTS nowhere; SELECT 2")])]).await;
    judge.end();
}

#[tokio::test]
async fn settings_are_reported_frame_for_frame() {
    let mut judge = Judge::default();
    let steps = vec![ready(vec![
        Q("SET timezone = 'Asia/Tokyo'"),
        Q("SET timezone = 'Asia/Tokyo'"),
        Q("BEGIN"),
        Q("SET LOCAL timezone = 'UTC'"),
        Q("SET datestyle = 'SQL, DMY'"),
        Q("ROLLBACK"),
        Q("RESET timezone"),
        Q("SET TIME ZONE 'Europe/Berlin'"),
        Q("RESET ALL"),
        Q("SET intervalstyle = nonsense"),
        Q("SET IntervalStyle = sql_standard"),
        Q("DISCARD ALL"),
        Q("SHOW timezone"),
    ])];
    judge.same("set", HERE, steps).await;
    let steps = vec![ready(vec![
        Q("SELECT set_config('timezone', 'Asia/Tokyo', false)"),
        Q("BEGIN"),
        Q("SELECT set_config('timezone', 'UTC', true)"),
        Q("COMMIT"),
        Q("SHOW timezone"),
        Q("BEGIN; SELECT set_config('timezone', 'UTC', false); ROLLBACK"),
        Q("SHOW timezone"),
    ])];
    judge.same("set_config", HERE, steps).await;
    let steps = vec![ready(vec![
        P("", "SET timezone = 'Asia/Tokyo'"),
        B("", "", &[]),
        Dp(""),
        E("", 0),
        S,
        P("", "BEGIN"),
        B("", "", &[]),
        Dp(""),
        E("", 0),
        S,
        P("", "SET LOCAL timezone = 'UTC'"),
        B("", "", &[]),
        E("", 0),
        S,
        P("", ROWS),
        B("", "", &[]),
        E("", 0),
        S,
        P("", "COMMIT"),
        B("", "", &[]),
        E("", 0),
        S,
        P("", "SHOW timezone"),
        Ds(""),
        B("", "", &[]),
        Dp(""),
        E("", 0),
        S,
    ])];
    judge.same("extended", HERE, steps).await;
    judge.end();
}
