use proptest::prelude::*;

use super::*;
use crate::catalog::fixture::{catalog, path, text_catalog};
use crate::ids::TenantKey;
use crate::sql::{Learned, Statement, learn};

fn learned(text: &str) -> std::sync::Arc<Statement> {
    match learn(text, &catalog(), &path()) {
        Learned::Statements(statements) => statements[0].clone(),
        other => panic!("{text}: {other:?}"),
    }
}

fn printed(set: &KeySet) -> String {
    let KeySet::Set(terms) = set else { return "all".into() };
    let mut terms: Vec<String> = terms
        .iter()
        .map(|term| match term {
            KeyTerm::Const(key) => key.to_string(),
            KeyTerm::Parameter(number, _) => format!("${number}"),
            KeyTerm::ParameterArray(number, _) => format!("${number}[]"),
        })
        .collect();
    terms.sort();
    terms.dedup();
    format!("{{{}}}", terms.join(","))
}

/// `users:{5} orders:all`, sorted.
fn keys(text: &str) -> String {
    let statement = learned(text);
    assert!(statement.refusal().is_none(), "{text}: {:?}", statement.refusal());
    let one = |reference: &super::touched::Reference| {
        let used = match reference.used {
            Use::Read | Use::Change => "",
            Use::Insert => "+",
            Use::InsertUnknown => "?",
            Use::InsertMissing => "-",
        };
        format!("{used}{}:{}", reference.relation.name, printed(&reference.keys))
    };
    let mut all: Vec<String> = statement.touched().sharded.iter().map(one).collect();
    all.sort();
    all.join(" ")
}

fn check(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(keys(text), *expected, "{text}");
    }
}

#[test]
fn a_condition_on_the_tenant_column_restricts() {
    for (condition, expected) in [
        ("tenant_id = 5", "{5}"),
        ("5 = tenant_id", "{5}"),
        ("users.tenant_id = 5", "{5}"),
        ("tenant_id = '5'", "{5}"),
        ("tenant_id = '5'::bigint", "{5}"),
        ("tenant_id = 5::int", "{5}"),
        ("tenant_id = -5", "{-5}"),
        ("tenant_id = 3000000000", "{3000000000}"),
        ("tenant_id operator(pg_catalog.=) 5", "{5}"),
        ("tenant_id in (5, 6)", "{5,6}"),
        ("tenant_id in (5, null)", "{5}"),
        ("tenant_id = any('{5,6}')", "{5,6}"),
        ("tenant_id = any('{5,6}'::bigint[])", "{5,6}"),
        ("tenant_id = any(array[5, 6])", "{5,6}"),
        ("tenant_id = any($1)", "{$1[]}"),
        ("tenant_id = any($1::bigint[])", "{$1[]}"),
        ("tenant_id = $1", "{$1}"),
        ("tenant_id = $1::bigint", "{$1}"),
        ("(tenant_id, id) = (5, 1)", "{5}"),
        ("(tenant_id, id) in ((5, 1), (6, 2))", "{5,6}"),
        ("(id, tenant_id) in ((1, 5), (2, 6))", "{5,6}"),
        ("tenant_id is not distinct from 5", "{5}"),
        ("tenant_id = 5 and score > 3", "{5}"),
        ("tenant_id = 5 or tenant_id = 6", "{5,6}"),
        ("(tenant_id = 5 and score > 3) or (tenant_id = 6 and score < 1)", "{5,6}"),
        ("tenant_id in (5, 6) and tenant_id in (6, 7)", "{6}"),
        ("tenant_id = 5 and tenant_id = 6", "{}"),
        ("tenant_id = null", "{}"),
        ("tenant_id = 5 and (score = 1 or name = 'x')", "{5}"),
    ] {
        let text = format!("select * from users where {condition}");
        assert_eq!(keys(&text), format!("users:{expected}"), "{condition}");
    }
}

#[test]
fn a_key_that_stands_somewhere_is_not_a_filter() {
    check(&[
        ("select tenant_id, case when tenant_id = 5 then 1 end from users", "users:all"),
        ("select (tenant_id = 5) from users", "users:all"),
        ("select count(*) filter (where tenant_id = 5) from users", "users:all"),
        ("select 1 from users order by (tenant_id = 5) desc", "users:all"),
        ("select count(*) from users group by name having max(tenant_id) = 5", "users:all"),
    ]);
    for condition in [
        "(tenant_id = 5) is not true",
        "not (tenant_id = 5)",
        "tenant_id = 5 or score > 3",
        "tenant_id <> 5",
        "tenant_id not in (5)",
        "tenant_id <> all('{5}')",
        "tenant_id % 10 = 3",
        "tenant_id + 1 = 6",
        "tenant_id = 5 + 1",
        "tenant_id = -$1",
        "tenant_id in (1, 2 + 3)",
        "tenant_id = 5.0",
        "tenant_id::text = '5'",
        "tenant_id = '5'::numeric",
        "tenant_id = '5'::text",
        "tenant_id between 5 and 6",
        "tenant_id is not distinct from $1",
        "tenant_id in (select 5)",
        "tenant_id = (select 5)",
        "tenant_id = any(array[5, score])",
        "(tenant_id = 5) = true",
        "coalesce(tenant_id, 5) = 5",
        "tenant_id > 5",
        "score = 5",
        "tenant_id is null",
        "tenant_id like '5'",
        "nobody.tenant_id = 5",
        "public.users.tenant_id = 5",
    ] {
        assert_eq!(keys(&format!("select * from users where {condition}")), "users:all", "{condition}");
    }
}

#[test]
fn equalities_carry_over_inner_joins_and_into_the_nullable_side() {
    check(&[
        (
            "select 1 from users u, orders o where u.tenant_id = o.tenant_id and u.tenant_id = 5",
            "orders:{5} users:{5}",
        ),
        (
            "select 1 from users u join orders o on u.tenant_id = o.tenant_id where o.tenant_id = $1",
            "orders:{$1} users:{$1}",
        ),
        ("select 1 from users join orders using (tenant_id) where tenant_id = 5", "orders:{5} users:{5}"),
        (
            "select 1 from users u left join orders o on u.tenant_id = o.tenant_id where u.tenant_id = 5",
            "orders:{5} users:{5}",
        ),
        (
            "select 1 from users u left join orders o using (tenant_id) where tenant_id = 5",
            "orders:{5} users:{5}",
        ),
        (
            "select 1 from orders o right join users u on u.tenant_id = o.tenant_id where u.tenant_id = 5",
            "orders:{5} users:{5}",
        ),
        (
            "select 1 from users u left join orders o on o.user_id = u.id and o.tenant_id = 5",
            "orders:{5} users:all",
        ),
        (
            "select 1 from users u left join orders o on o.user_id = u.id and u.tenant_id = 5",
            "orders:all users:all",
        ),
        (
            "select 1 from users u left join orders o on o.user_id = u.id where o.tenant_id = 5",
            "orders:{5} users:all",
        ),
        (
            "select 1 from users u full join orders o on o.tenant_id = u.tenant_id and u.tenant_id = 5",
            "orders:all users:all",
        ),
        (
            "select 1 from users u full join orders o on o.tenant_id = u.tenant_id where u.tenant_id = 5",
            "orders:all users:{5}",
        ),
        ("select 1 from users u, orders o where u.tenant_id = 5", "orders:all users:{5}"),
        ("select 1 from users u, orders o where u.tenant_id = 5 and o.tenant_id = 6", "orders:{6} users:{5}"),
        (
            "select 1 from users u join orders o on u.tenant_id = o.tenant_id or u.tenant_id = 5",
            "orders:all users:all",
        ),
        ("select 1 from users u, orders o where tenant_id = 5", "orders:all users:all"),
        ("select 1 from users u, countries c where tenant_id = 5", "users:{5}"),
        ("select 1 from users u, generate_series(1, 2) g where tenant_id = 5", "users:{5}"),
        ("select 1 from users u(a, b) where a = 5", "users:{5}"),
        ("select 1 from users u(a, tenant_id) where tenant_id = 5", "users:all"),
        (
            "select 1 from (users u join orders o on u.tenant_id = o.tenant_id and o.tenant_id = 5) as j",
            "orders:{5} users:{5}",
        ),
        (
            "select 1 from (users u join orders o on u.id = o.user_id) as j where u.tenant_id = 5",
            "orders:all users:all",
        ),
        ("select 1 from users natural join audit.users a where users.tenant_id = 5", "users:{5} users:{5}"),
    ]);
}

#[test]
fn each_block_is_judged_by_itself() {
    check(&[
        ("select 1 where exists (select 1 from orders where tenant_id = 5)", "orders:{5}"),
        (
            "select * from users where exists (select 1 from orders where tenant_id = 5)",
            "orders:{5} users:all",
        ),
        (
            "select * from users u where tenant_id = 5 and exists (select 1 from orders o where o.tenant_id = u.tenant_id)",
            "orders:{5} users:{5}",
        ),
        (
            "select (select count(*) from orders o where o.tenant_id = u.tenant_id) from users u where u.tenant_id = $1",
            "orders:{$1} users:{$1}",
        ),
        ("select (select count(*) from orders where tenant_id = 5) from users", "orders:{5} users:all"),
        (
            "with c as (select * from users where tenant_id = 5) select * from c, orders",
            "orders:all users:{5}",
        ),
        (
            "with c as (select * from users where tenant_id = 5) select * from c join orders o on o.tenant_id = c.tenant_id",
            "orders:{5} users:{5}",
        ),
        ("with users as (select 1 as tenant_id) select * from users where tenant_id = 5", ""),
        (
            "select 1 from users where tenant_id = 1 union all select 1 from users where tenant_id = 2",
            "users:{1} users:{2}",
        ),
        ("select 1 from users where tenant_id = 1 union all select 1 from orders", "orders:all users:{1}"),
        ("select * from (select * from users) u where u.tenant_id = 5", "users:{5}"),
        ("select * from (select tenant_id as t from users) u where t = 5", "users:{5}"),
        ("select * from (select id as tenant_id from users) u where tenant_id = 5", "users:all"),
        ("select * from (select * from users limit 3) u where u.tenant_id = 5", "users:all"),
        ("select * from (select distinct tenant_id from users) u where u.tenant_id = 5", "users:all"),
        (
            "select * from (select tenant_id, count(*) from users group by 1) u where u.tenant_id = 5",
            "users:all",
        ),
        (
            "select * from (select tenant_id, rank() over (order by id) from users) u where u.tenant_id = 5",
            "users:all",
        ),
        ("select count(*) from (select 1 from users where tenant_id = 5 limit 3) x", "users:{5}"),
        (
            "select * from users u, lateral (select * from orders o where o.tenant_id = u.tenant_id limit 1) x where u.tenant_id = 5",
            "orders:{5} users:{5}",
        ),
        (
            "select * from users u where u.id in (select user_id from orders) and tenant_id = 5",
            "orders:all users:{5}",
        ),
        ("select exists (select 1 from users where email = 'x')", "users:all"),
        ("select * from active_users where tenant_id = 5", "active_users:all"),
        ("select array(select id from users where tenant_id = 5)", "users:{5}"),
        (
            "select 1 from countries where id = 5 group by title having (select count(*) from users) > 1",
            "users:all",
        ),
    ]);
}

#[test]
fn writes_say_whose_rows_they_write() {
    check(&[
        ("insert into users values (5, 1)", "+users:{5}"),
        ("insert into users (id, tenant_id) values (1, 5), (2, 6)", "+users:{5,6}"),
        ("insert into users (tenant_id, id) values ($1, $2)", "+users:{$1}"),
        ("insert into users (id) values (1)", "-users:all"),
        ("insert into users default values", "?users:all"),
        ("insert into users (tenant_id) values (default)", "?users:all"),
        ("insert into users (tenant_id) values (2 + 3)", "?users:all"),
        ("insert into users (tenant_id) values ((select 5))", "?users:all"),
        ("insert into users (tenant_id) values (null)", "+users:{}"),
        (
            "insert into orders (tenant_id, id) select tenant_id, id from users where tenant_id = 5",
            "+orders:{5} users:{5}",
        ),
        ("insert into orders (tenant_id, id) select 5, id from users", "+orders:{5} users:all"),
        ("insert into orders (tenant_id, id) select tenant_id, id from users", "+orders:all users:all"),
        (
            "insert into orders (tenant_id, id) select id, tenant_id from users where tenant_id = 5",
            "?orders:all users:{5}",
        ),
        (
            "insert into users values (5, 1) on conflict (tenant_id, id) do update set name = 'x'",
            "+users:{5}",
        ),
        ("update users set name = 'x' where tenant_id = 5", "users:{5}"),
        (
            "update users set score = case when tenant_id = 1 then 10 end where tenant_id in (1, 2)",
            "users:{1,2}",
        ),
        (
            "update users u set name = o.status from orders o where o.tenant_id = u.tenant_id and o.tenant_id = 5",
            "orders:{5} users:{5}",
        ),
        ("delete from users", "users:all"),
        (
            "delete from users u using orders o where o.tenant_id = u.tenant_id and u.tenant_id = 5",
            "orders:{5} users:{5}",
        ),
        (
            "delete from users where tenant_id = 5 and name = (select status from orders where tenant_id = 6 limit 1)",
            "orders:{6} users:{5}",
        ),
        (
            "with d as (delete from users where tenant_id = 5 returning *) insert into orders select 5, id from d",
            "+orders:{5} users:{5}",
        ),
        (
            "merge into users u using orders o on u.tenant_id = o.tenant_id and u.tenant_id = 5 when matched then delete",
            "orders:all users:{5}",
        ),
    ]);
}

#[test]
fn a_key_is_read_as_its_column_reads_it() {
    let keys = |text: &str| match learn(text, &text_catalog(), &path()) {
        Learned::Statements(statements) => printed(&statements[0].touched().sharded[0].keys),
        other => panic!("{other:?}"),
    };
    for (condition, expected) in [
        ("tenant_id = 'acme'", "{acme}"),
        ("tenant_id = '05'", "{05}"),
        ("tenant_id = 'acme'::text", "{acme}"),
        ("tenant_id = 'acme'::varchar(2)", "all"),
        ("tenant_id = 'acme'::char(9)", "all"),
        ("tenant_id = 'acme' collate \"x\"", "all"),
        ("tenant_id = 5", "all"),
    ] {
        assert_eq!(keys(&format!("select 1 from users where {condition}")), expected, "{condition}");
    }
}

/// A tree over the tenant column, and what it says of one key.
#[derive(Debug, Clone)]
enum Tree {
    Equal(i64),
    In(Vec<i64>),
    Other(bool),
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

impl Tree {
    fn text(&self) -> String {
        let joined = |trees: &[Tree], word: &str| {
            let parts: Vec<String> = trees.iter().map(|tree| format!("({})", tree.text())).collect();
            parts.join(word)
        };
        match self {
            Tree::Equal(key) => format!("tenant_id = {key}"),
            Tree::In(keys) => {
                let keys: Vec<String> = keys.iter().map(i64::to_string).collect();
                format!("tenant_id in ({})", keys.join(","))
            }
            Tree::Other(value) => format!("score {} 3", if *value { ">" } else { "<" }),
            Tree::Not(tree) => format!("not ({})", tree.text()),
            Tree::And(trees) => joined(trees, " and "),
            Tree::Or(trees) => joined(trees, " or "),
        }
    }

    fn holds(&self, key: i64) -> bool {
        match self {
            Tree::Equal(other) => *other == key,
            Tree::In(keys) => keys.contains(&key),
            Tree::Other(value) => *value,
            Tree::Not(tree) => !tree.holds(key),
            Tree::And(trees) => trees.iter().all(|tree| tree.holds(key)),
            Tree::Or(trees) => trees.iter().any(|tree| tree.holds(key)),
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        (0i64..6).prop_map(Tree::Equal),
        prop::collection::vec(0i64..6, 1..4).prop_map(Tree::In),
        any::<bool>().prop_map(Tree::Other),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|tree| Tree::Not(Box::new(tree))),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::And),
            prop::collection::vec(inner, 1..4).prop_map(Tree::Or),
        ]
    })
}

proptest! {
    #[test]
    fn no_key_that_a_condition_accepts_is_left_out(tree in tree()) {
        let statement = learned(&format!("select 1 from users where {}", tree.text()));
        let set = &statement.touched().sharded[0].keys;
        let keys = set.resolve(&[], |_| false);
        for key in 0..6 {
            if let (true, Some(keys)) = (tree.holds(key), &keys) {
                prop_assert!(keys.contains(&TenantKey::Integer(key)), "{} leaves out {key}", tree.text());
            }
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(select|from|users|where|tenant_id|=|5|\\(|\\)|,|with|as|'|\\$1|/\\*|--|\n| |insert into|union){0,30}") {
        let _ = learn(&text, &catalog(), &path());
    }
}

#[test]
fn hostile_texts_are_too_complex_or_read_but_never_crash() {
    let texts = [
        format!("select {}1", "1+".repeat(250_000)),
        format!("select {}1{}", "(".repeat(3_000), ")".repeat(3_000)),
        format!("select 1{}", " union all select 1".repeat(20_000)),
        format!("select {}", "f(".repeat(3_000) + "1" + &")".repeat(3_000)),
        format!("select {} true", "not ".repeat(5_000)),
        format!("explain select {}1", "1+".repeat(20_000)),
        format!("select 1 from users where {}", vec!["tenant_id = 5"; 5_000].join(" or ")),
        format!("select 1 from users where {}", "(".repeat(100) + "tenant_id = 5" + &")".repeat(100)),
        format!("select {}1{}", "(select ".repeat(400), ")".repeat(400)),
        format!("select {}1{}", "(select ".repeat(140), ")".repeat(140)),
        format!("select {}1", "1+".repeat(590)),
        format!("select {}1{}", "f(".repeat(290), ")".repeat(290)),
        format!("select * from {}users{}", "(select * from ".repeat(140), ") x".repeat(140)),
        format!("select 1{}", " union all select 1".repeat(580)),
        "select '\0'".to_owned(),
    ];
    for text in texts {
        let _ = learn(&text, &catalog(), &path());
    }
}

#[test]
fn numbers_beside_a_table_hide_none_of_its_columns() {
    check(&[
        ("SELECT n FROM users, generate_series(1, 5) n WHERE tenant_id = 5", "users:{5}"),
        (
            "SELECT 1 FROM users, generate_series(1, 5) WITH ORDINALITY n(a, b) WHERE tenant_id = 5",
            "users:{5}",
        ),
        ("SELECT 1 FROM users, generate_series(1, 5) tenant_id WHERE tenant_id = 5", "users:all"),
        ("SELECT 1 FROM users, generate_series(1, 5) n(tenant_id) WHERE users.tenant_id = 5", "users:{5}"),
        ("SELECT 1 FROM users, jsonb_to_recordset('[]') AS n(a int) WHERE tenant_id = 5", "users:all"),
    ]);
}
