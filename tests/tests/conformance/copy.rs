//! COPY.

use crate::judge::Where::{All, Tenant};
use crate::judge::{HERE, IN_SHARDS, Judge, ROWS, hear, readies, ready};
use tests::frames::Say::*;

#[tokio::test]
async fn copies_are_answered_frame_for_frame() {
    let mut judge = Judge::default();
    const IN: &str = "COPY {t} FROM STDIN";
    let count = || Q("SELECT count(*) FROM {t} WHERE {mine} AND id >= 800");
    let clean = || Q("DELETE FROM {t} WHERE {k} = 7 AND id >= 800");
    let rows = || Data("7\t800\tx\n7\t801\ty\n");
    let start = || hear(1, vec![Q(IN)]);
    judge
        .same(
            "in",
            IN_SHARDS,
            vec![
                start(),
                readies(1, vec![rows(), Data("7\t8"), Data("02\tz\n"), Done]),
                ready(vec![count(), Q("DELETE FROM {t} WHERE {k} = 7 AND id >= 800")]),
            ],
        )
        .await;
    judge
        .same(
            "fail",
            IN_SHARDS,
            vec![start(), readies(1, vec![rows(), Fail("no more")]), ready(vec![count()])],
        )
        .await;
    judge
        .same(
            "bad data",
            IN_SHARDS,
            vec![
                start(),
                readies(1, vec![rows(), Data("7\tnonsense\tx\n"), rows(), Done]),
                ready(vec![count()]),
            ],
        )
        .await;
    for bad in ["nonsense\t1\tx\n", "99999999999999999999\t1\tx\n", "7.5\t1\tx\n"] {
        let steps = vec![start(), readies(1, vec![rows(), Data(bad), Done]), ready(vec![Q("SELECT 1")])];
        judge.same("a bad key", &[All, Tenant], steps).await;
    }
    judge
        .same(
            "a key twice",
            IN_SHARDS,
            vec![start(), readies(1, vec![rows(), rows(), Done]), ready(vec![count()])],
        )
        .await;
    judge
        .same(
            "stray messages",
            IN_SHARDS,
            vec![ready(vec![rows(), Done, Fail("x"), Q("SELECT 1"), rows(), Done, S])],
        )
        .await;
    judge
        .same(
            "sync and flush within",
            IN_SHARDS,
            vec![start(), readies(1, vec![rows(), S, H, Done]), ready(vec![count(), clean()])],
        )
        .await;
    let extended = || hear(3, vec![P("", IN), B("", "", &[]), E("", 0), H]);
    judge
        .same(
            "extended",
            IN_SHARDS,
            vec![
                extended(),
                readies(1, vec![rows(), Done, S]),
                ready(vec![Q("DELETE FROM {t} WHERE {k} = 7 AND id >= 800")]),
            ],
        )
        .await;
    judge
        .same("extended, fail", IN_SHARDS, vec![extended(), readies(1, vec![rows(), Fail("no more"), S])])
        .await;
    judge
        .same(
            "extended, bad data",
            IN_SHARDS,
            vec![
                extended(),
                readies(1, vec![Data("7\tnonsense\tx\n"), rows(), Done, S]),
                ready(vec![count()]),
            ],
        )
        .await;
    judge
        .same(
            "extended, sync first",
            IN_SHARDS,
            vec![
                readies(1, vec![P("", IN), B("", "", &[]), E("", 0), S, rows(), Done, S]),
                ready(vec![count(), clean()]),
            ],
        )
        .await;
    judge
        .same(
            "extended, more after",
            IN_SHARDS,
            vec![
                extended(),
                readies(1, vec![rows(), Done, P("", ROWS), B("", "", &[]), E("", 1), S]),
                ready(vec![clean()]),
            ],
        )
        .await;
    judge
        .same(
            "in several",
            IN_SHARDS,
            vec![
                hear(3, vec![Q("SELECT 1; COPY {t} FROM STDIN; SELECT 2")]),
                hear(1, vec![]),
                readies(1, vec![rows(), Done]),
                ready(vec![clean()]),
            ],
        )
        .await;
    judge
        .same(
            "in a transaction",
            IN_SHARDS,
            vec![
                ready(vec![Q("BEGIN")]),
                start(),
                readies(1, vec![rows(), Done]),
                start(),
                readies(1, vec![Fail("x")]),
                ready(vec![Q("ROLLBACK"), count()]),
            ],
        )
        .await;
    judge
        .same(
            "out",
            HERE,
            vec![ready(vec![
                Q("COPY (SELECT id, body FROM {t} WHERE {mine} AND id < 100 ORDER BY id) TO STDOUT (FORMAT csv, HEADER)"),
                Q("COPY (SELECT 1 / (id - 47) FROM {t} WHERE {mine} AND id < 100 ORDER BY id) TO STDOUT"),
            ])],
        )
        .await;
    judge
        .same(
            "out, extended",
            HERE,
            vec![ready(vec![
                P("", "COPY (SELECT id FROM {t} WHERE {mine} AND id < 100 ORDER BY id) TO STDOUT (FORMAT binary)"),
                Ds(""),
                B("", "", &[]),
                Dp(""),
                E("", 0),
                S,
            ])],
        )
        .await;
    judge
        .same(
            "nowhere",
            HERE,
            vec![ready(vec![
                Q("COPY nowhere FROM STDIN"),
                P("", "COPY nowhere FROM STDIN"),
                B("", "", &[]),
                E("", 0),
                rows(),
                Done,
                S,
            ])],
        )
        .await;
    judge.end();
}
