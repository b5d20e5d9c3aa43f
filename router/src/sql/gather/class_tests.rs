use super::*;
use crate::catalog::fixture::{catalog, path};
use crate::sql::rewrite::trees;

fn joined(text: &str) -> Option<String> {
    let trees = trees(text).expect("the test's statement parses");
    let statement = trees.first().expect("a statement");
    let given = Given { types: &[], count: 2 };
    join_classes(statement, &catalog(), &path(), given).expect("accepted").map(|text| text.to_string())
}

#[test]
fn tables_that_the_tenant_ties_beside_others_are_one_part() {
    let tie = "o.tenant_id = u.tenant_id AND o.user_id = u.id";
    let tied = |rows: &str, comma: &str| {
        format!(
            "(SELECT u.name AS \"?t1\", o.status AS \"?t2\" FROM {rows}) \"?pgherd_tied_1?\"{comma} \
             LATERAL (SELECT \"?pgherd_tied_1?\".\"?t1\" AS name) u{comma} \
             LATERAL (SELECT \"?pgherd_tied_1?\".\"?t2\" AS status) o"
        )
    };
    let from = |from: &str| joined(&format!("SELECT u.name, o.status FROM {from}")).unwrap_or_default();
    let becomes = |from: &str| format!("SELECT u.name, o.status FROM {from}");
    assert_eq!(
        from(&format!("users u JOIN orders o ON {tie} JOIN audit.users a ON true WHERE o.total > 5")),
        becomes(&format!(
            "{}, audit.users a WHERE true",
            tied(&format!("users u, orders o WHERE {tie} AND o.total > 5"), ",")
        ))
    );
    assert_eq!(
        from(&format!(
            "users u JOIN orders o ON {tie} LEFT JOIN audit.users a ON a.status = u.name WHERE u.id > 2"
        )),
        becomes(&format!(
            "{} LEFT JOIN audit.users a ON a.status = u.name",
            tied(&format!("users u, orders o WHERE {tie} AND u.id > 2"), " CROSS JOIN")
        ))
    );
    let within =
        "users u JOIN orders o ON o.tenant_id = u.tenant_id AND o.user_id = u.id AND o.total = u.price";
    let outer = from(&format!(
        "({within} FULL JOIN audit.users b ON b.tenant_id = u.tenant_id) RIGHT JOIN audit.users a ON true"
    ));
    assert!(
        outer.contains("FROM users u JOIN orders o ON") && outer.matches("pgherd_tied_1").count() > 1,
        "{outer}"
    );
    assert!(!outer.contains("pgherd_tied_2"), "what is in one part stays as it is: {outer}");
    let nullable = from(&format!(
        "audit.users a LEFT JOIN (users u JOIN orders o ON {tie}) ON a.status = u.name WHERE u.score > 2"
    ));
    let tied = format!(
        "LEFT JOIN ((SELECT u.name AS \"?t1\", u.score AS \"?t2\", o.status AS \"?t3\" FROM users u, orders o WHERE {tie})"
    );
    assert!(nullable.contains(&tied) && nullable.ends_with("WHERE u.score > 2"), "{nullable}");
}

#[test]
fn tables_are_tied_only_where_that_changes_nothing_and_pays() {
    let tie = "o.tenant_id = u.tenant_id AND o.user_id = u.id";
    let star = joined(&format!("select * from countries c, audit.users a, users u, orders o where {tie}"));
    assert!(star.is_some_and(|text| text.starts_with("SELECT c.*, a.*, u.*, o.* FROM countries c, ")));
    for kept in [
        format!("users u JOIN orders o ON {tie}"),
        "users u JOIN orders o ON o.tenant_id = u.tenant_id, audit.users a".to_owned(),
        "users u JOIN orders o ON o.user_id = u.id, audit.users a".to_owned(),
        format!("users u LEFT JOIN (orders o CROSS JOIN audit.users a) ON {tie}"),
        format!("(users u JOIN orders o ON {tie}) AS j, audit.users a"),
        format!("users u JOIN orders o ON {tie} AND random() < 2 NATURAL JOIN audit.users a"),
        "users u JOIN orders o USING (tenant_id), audit.users a".to_owned(),
        format!("users u LEFT JOIN orders o ON {tie}, audit.users a, LATERAL (SELECT o) x"),
        "audit.users a, LATERAL (SELECT * FROM users u JOIN orders o USING (tenant_id)) x".to_owned(),
        format!("users u JOIN orders o ON {tie} AND u.id = $1 AND u.score = $1 AND o.id < $1"),
    ] {
        let text = format!("SELECT 1 FROM {kept} WHERE true");
        assert_eq!(joined(&text), None, "{kept}");
    }
    let cte =
        format!("WITH orders AS (SELECT 1) SELECT 1 FROM users u JOIN orders o ON {tie}, audit.users a");
    assert_eq!(joined(&cte), None);
    let bare =
        joined(&format!("SELECT 1 FROM users u JOIN orders o ON {tie}, LATERAL f(1) g WHERE score > 5"));
    assert!(
        bare.is_some_and(|text| text.ends_with("WHERE score > 5")),
        "it may be a column of the function's"
    );
}
