//! Pipelines.

use crate::judge::{EVERYWHERE, HERE, Judge, ONE, ROWS, hear, readies, ready};
use tests::frames::Say::*;

#[tokio::test]
async fn pipelines_are_answered_frame_for_frame() {
    let mut judge = Judge::default();
    let one = |id: &'static [Option<&'static str>]| vec![P("", ONE), B("", "", id), Dp(""), E("", 0), S];
    let steps =
        vec![ready([one(&[Some("17")]), one(&[Some("27")]), one(&[Some("x")]), one(&[None])].concat())];
    judge.same("several syncs", HERE, steps).await;
    let in_one = vec![P("", ONE), B("", "", &[Some("17")]), E("", 0), B("", "", &[Some("27")]), E("", 0), S];
    judge.same("one sync", EVERYWHERE, vec![ready(in_one)]).await;
    let flushed = vec![
        hear(1, vec![P("a", ONE), H]),
        hear(2, vec![Ds("a"), H]),
        hear(3, vec![B("p", "a", &[Some("17")]), E("p", 0), H]),
        ready(vec![S]),
    ];
    judge.same("flush", EVERYWHERE, flushed).await;
    let error = vec![
        P("", "INSERT INTO {t} VALUES (7, 600, 'x')"),
        B("", "", &[]),
        E("", 0),
        P("", "SELECT 1 / 0"),
        B("", "", &[]),
        E("", 0),
        P("", "INSERT INTO {t} VALUES (7, 601, 'x')"),
        B("", "", &[]),
        E("", 0),
        Q("SELECT 1"),
        S,
        P("", "SELECT count(*) FROM {t} WHERE {mine} AND id BETWEEN 600 AND 699"),
        B("", "", &[]),
        E("", 0),
        S,
    ];
    judge.same("an error in the middle", HERE, vec![readies(2, error)]).await;
    let query = vec![
        P("", "INSERT INTO {t} VALUES (7, 602, 'x')"),
        B("", "", &[]),
        E("", 0),
        Q("SELECT count(*) FROM {t} WHERE {mine} AND id BETWEEN 600 AND 699"),
        P("", "DELETE FROM {t} WHERE {mine} AND id BETWEEN 600 AND 699"),
        B("", "", &[]),
        E("", 0),
        S,
    ];
    judge.same("a query before sync", HERE, vec![ready(query)]).await;
    let failed = vec![
        P("", "INSERT INTO {t} VALUES (7, 603, 'x')"),
        B("", "", &[]),
        E("", 0),
        Q("SELECT 1 / 0"),
        Q("SELECT count(*) FROM {t} WHERE {mine} AND id BETWEEN 600 AND 699"),
    ];
    judge.same("a failing query before sync", HERE, vec![ready(failed)]).await;
    let transaction = vec![
        P("", "BEGIN"),
        B("", "", &[]),
        E("", 0),
        P("", ROWS),
        B("", "", &[]),
        E("", 2),
        S,
        E("", 2),
        S,
        P("", "SELECT 1 / 0"),
        B("", "", &[]),
        E("", 0),
        S,
        P("", "SELECT 1"),
        S,
        P("", "ROLLBACK"),
        B("", "", &[]),
        E("", 0),
        S,
    ];
    judge.same("a transaction", EVERYWHERE, vec![ready(transaction)]).await;
    let control = vec![
        P("", "BEGIN"),
        B("", "", &[]),
        E("", 0),
        P("", "INSERT INTO {t} VALUES (7, 604, 'x')"),
        B("", "", &[]),
        E("", 0),
        P("", "COMMIT"),
        B("", "", &[]),
        E("", 0),
        P("", "DELETE FROM {t} WHERE {mine} AND id = 604"),
        B("", "", &[]),
        E("", 0),
        S,
    ];
    judge.same("a transaction in one pipeline", HERE, vec![ready(control)]).await;
    judge.same("syncs alone", HERE, vec![ready(vec![S, S, S]), ready(vec![H, S])]).await;
    judge
        .same(
            "an empty text",
            HERE,
            vec![ready(vec![
                P("", ""),
                Ds(""),
                B("", "", &[]),
                Dp(""),
                E("", 0),
                S,
                P("", "-- x"),
                B("", "", &[]),
                E("", 0),
                S,
            ])],
        )
        .await;
    judge.end();
}
