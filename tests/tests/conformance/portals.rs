//! Portals.

use crate::judge::Where::Tenant;
use crate::judge::{EVERYWHERE, HERE, Judge, ROWS, ready};
use tests::frames::Say::*;

#[tokio::test]
async fn portals_are_answered_frame_for_frame() {
    let mut judge = Judge::default();
    let limited = vec![ready(vec![
        P("a", ROWS),
        B("p", "a", &[]),
        E("p", 2),
        E("p", 3),
        E("p", 0),
        E("p", 0),
        S,
        E("p", 1),
        S,
    ])];
    judge.same("row limits", EVERYWHERE, limited).await;
    let exact = vec![ready(vec![
        P("a", ROWS),
        B("p", "a", &[]),
        E("p", 9),
        E("p", 1),
        S,
        B("", "a", &[]),
        E("", 9),
        E("", 9),
        S,
    ])];
    judge.same("exactly all", HERE, exact).await;
    let kept = vec![
        ready(vec![Q("BEGIN"), P("a", ROWS), B("p", "a", &[]), B("q", "a", &[]), E("p", 2), E("q", 1), S]),
        ready(vec![E("p", 2), E("q", 1), Dp("p"), S, Cp("p"), E("p", 1), S]),
        ready(vec![Q("ROLLBACK"), E("q", 1), S]),
    ];
    judge.same("in a transaction", EVERYWHERE, kept).await;
    let double = vec![ready(vec![
        P("a", ROWS),
        B("p", "a", &[]),
        B("p", "a", &[]),
        S,
        B("p", "a", &[]),
        Cp("p"),
        B("p", "a", &[]),
        E("p", 1),
        S,
    ])];
    judge.same("named twice", HERE, double).await;
    let write = vec![ready(vec![
        P("", "INSERT INTO {t} VALUES (7, 700, 'x'), (7, 701, 'y') RETURNING id"),
        B("", "", &[]),
        E("", 1),
        E("", 1),
        E("", 1),
        S,
        P("", "DELETE FROM {t} WHERE {mine} AND id BETWEEN 700 AND 799 RETURNING id"),
        B("", "", &[]),
        E("", 0),
        E("", 0),
        S,
    ])];
    judge.same("writes with rows", &[Tenant], write).await;
    let twice = vec![ready(vec![
        P("", "INSERT INTO {t} VALUES (7, 702, 'x')"),
        B("", "", &[]),
        E("", 0),
        E("", 0),
        S,
        Q("DELETE FROM {t} WHERE {mine} AND id = 702"),
    ])];
    judge.same("a write executed twice", HERE, twice).await;
    let cursor = vec![ready(vec![
        Q("BEGIN"),
        Q("DECLARE c CURSOR FOR SELECT id FROM {t} WHERE {mine} AND id < 100 ORDER BY id"),
        Q("FETCH 2 FROM c"),
        Dp("c"),
        E("c", 2),
        S,
        P("", "FETCH 1 FROM c"),
        B("", "", &[]),
        Dp(""),
        E("", 0),
        S,
        Q("MOVE 1 IN c"),
        Q("CLOSE c"),
        Q("FETCH 1 FROM c"),
        Q("ROLLBACK"),
        Q("DECLARE c CURSOR FOR SELECT 1"),
    ])];
    judge.same("cursors", HERE, cursor).await;
    let execute = vec![ready(vec![
        Q("PREPARE q AS SELECT id FROM {t} WHERE {mine} AND id < 100 ORDER BY id"),
        P("", "EXECUTE q"),
        B("", "", &[]),
        E("", 2),
        E("", 3),
        S,
    ])];
    judge.same("row limits of EXECUTE", HERE, execute).await;
    let show = vec![ready(vec![P("", "SHOW work_mem"), Bb("", "", &[]), Dp(""), E("", 1), E("", 1), S])];
    judge.same("row limits of SHOW", HERE, show).await;
    judge.end();
}
