use super::*;
use crate::catalog::fixture::{catalog, path};
use crate::plan::Refusal;
use crate::sql::rewrite::trees;

const NOW: &str = "2026-01-01 00:00:00+00";

fn cut_of(text: &str, types: &[u32], count: usize) -> Result<Cut, Refusal> {
    let trees = trees(text).expect("the test's statement parses");
    let statement = trees.first().expect("a statement");
    cut(statement, &catalog(), &path(), Given { types, count }, Effort::Select, NOW)
}

#[test]
fn a_table_becomes_the_rows_that_arrived_of_it() {
    let cut = cut_of("select u.name, count(*) over () from users u where u.id > 5 and random() < 1", &[], 0)
        .expect("accepted");
    let columns = "tenant_id, id, name, email, score, balance, price, ratio, active, born, created_at, lasted, \
                   extra, mood, country_id";
    assert_eq!(
        &*cut.leg,
        format!(
            "SELECT 1::int4 AS part, u.id AS c1, u.name AS c2 FROM public.users u({columns}) WHERE u.id > 5"
        )
    );
    let over = |source: &str| {
        format!(
            "SELECT u.name, count(*) OVER () FROM (SELECT p.c1 AS id, p.c2 AS name FROM {source} p(c1, c2)) u \
             WHERE random() < 1"
        )
    };
    assert_eq!(&*cut.over_arrays, over("unnest($1::bigint[], $2::text[])"));
    assert_eq!(&*cut.over_tables, over("pg_temp.\"?pgherd_part_1?\""));
}

#[test]
fn a_value_is_of_its_type_and_collation_where_it_arrives() {
    let cut = cut_of("select email, price, row_number() over () from users", &[], 2).expect("accepted");
    assert!(
        cut.over_arrays.contains(
            "(SELECT p.c1 COLLATE pg_catalog.\"C\" AS email, p.c2::numeric(10, 2) AS price \
             FROM unnest($3::text[], $4::numeric[]) p(c1, c2)) users"
        ),
        "{}",
        cut.over_arrays
    );
}

#[test]
fn parts_of_one_server_are_one_statement_and_share_columns_of_one_type() {
    let cut =
        cut_of("select u.name, o.id from users u, orders o where o.total > 1", &[], 0).expect("accepted");
    assert_eq!(cut.parts.len(), 2);
    assert!(
        cut.leg.starts_with("SELECT 1::int4 AS part, u.id AS c1, u.name AS c2, NULL::numeric AS c3 FROM")
    );
    assert!(
        cut.leg
            .contains("UNION ALL SELECT 2::int4 AS part, o.id AS c1, NULL::text AS c2, o.total AS c3 FROM")
    );
    assert!(cut.leg.ends_with("WHERE o.total > 1"), "{}", cut.leg);
}

#[test]
fn a_condition_is_applied_early_only_where_it_changes_nothing() {
    let early = |text: &str, types: &[u32]| {
        let cut = cut_of(text, types, types.len()).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
        let leg = cut.leg.to_string();
        leg.match_indices("WHERE ")
            .map(|(at, _)| leg[at + 6..].split(" UNION").next().unwrap_or("").to_owned())
            .collect::<Vec<_>>()
    };
    let join = |on: &str| format!("select count(*) from users u {on}");
    let none: [&str; 0] = [];
    assert_eq!(
        early(&join("left join orders o on o.total > 1 and u.id > 2 where o.id > 3 and u.id > 4"), &[]),
        ["u.id > 4", "o.total > 1"]
    );
    assert_eq!(early(&join("full join orders o on o.total > 1 where u.id > 4"), &[]), none);
    assert_eq!(early(&join("join orders o using (id) where id > 4 and total > 1"), &[]), ["total > 1"]);
    assert_eq!(early(&join("natural join orders o where total > 1 and o.total > 2"), &[]), ["o.total > 2"]);
    assert_eq!(early(&join("where u.id > 1 or u.id < (select count(*) from orders)"), &[]), none);
    assert_eq!(early(&join("where random() > 0.5 and lower(u.name) = 'x'"), &[]), ["lower(u.name) = 'x'"]);
    assert_eq!(early(&join("where u.id = $1 and u.score = $2"), &[0, 0]), ["u.id = $1 AND u.score = $2"]);
    assert_eq!(early(&join("where u.id = $1 and u.score = $1"), &[0]), none);
    assert_eq!(
        early(&join("where u.id = $2 and u.score = $2 + $1"), &[0, 20]),
        ["u.id = $2 AND u.score = ($2 + $1)"]
    );
}

#[test]
fn a_leg_has_only_the_parameters_that_it_needs() {
    let cut = cut_of("select u.name || $1 || $1 from users u, orders o where u.id = $2", &[0, 0], 2)
        .expect("accepted");
    assert_eq!(cut.parameters, [2]);
    assert!(cut.leg.contains("WHERE u.id = $1"), "{}", cut.leg);
    assert!(!cut.over_arrays.contains("$2") && cut.over_arrays.contains("$3::"), "{}", cut.over_arrays);
    assert_eq!(cut.absent, [2]);
}

#[test]
fn only_conditions_that_all_rows_meet_are_not_judged_again() {
    let rest = |from: &str| {
        let sql = format!("select count(*) over () from {from}");
        let rest = cut_of(&sql, &[], 0).expect("accepted").over_tables.to_string();
        rest.split_once(" WHERE ").map_or(String::new(), |(_, left)| left.to_owned())
    };
    assert_eq!(rest("users u, orders o where u.id = 1 and o.id = u.id"), "o.id = u.id");
    assert_eq!(rest("users u left join orders o on o.id = 1 where o.id = 1 and u.id = 2"), "o.id = 1");
    assert_eq!(rest("users u right join orders o on u.id = 1 where o.id = 1"), "");
    assert_eq!(rest("users u full join orders o on u.id = o.id where o.id = 1"), "o.id = 1");
}

#[test]
fn groups_that_a_subquery_looks_up_get_an_index() {
    let sql = "select o.id from orders o, countries c where o.total < (select avg(total) from orders where user_id = c.id)";
    let cut = reduced(sql, &[]);
    let indexes: Vec<_> = cut.parts.iter().filter_map(|part| part.index()).collect();
    assert_eq!(indexes, ["c1"]);
}

#[test]
fn rows_without_a_partner_in_a_copy_are_not_sent() {
    let leg = |join: &str, types: &[u32]| {
        reduced(&format!("select u.id, o.id from users u {join}"), types).leg.to_string()
    };
    let inner =
        leg("join countries c on u.country_id = c.id, orders o where c.code = $2 and o.id = $1", &[20, 25]);
    let partner = "country_id IN (SELECT c.id FROM public.countries c(id, code, title) WHERE c.code = $2)";
    assert!(inner.contains(partner), "{inner}");
    let either = leg(
        "join countries c on u.country_id = c.id, orders o where c.code = 'x' and (u.id = 1 or u.id = 2)",
        &[],
    );
    assert!(either.contains("(u.id = 1 OR u.id = 2) AND u.country_id IN (SELECT"), "{either}");
    for all_wanted in [
        "left join countries c on u.country_id = c.id and c.code = 'x', orders o",
        "left join countries c on u.country_id = c.id, orders o where c.code = 'x' or c.code is null",
        "join countries c on u.country_id = c.id, orders o",
        "join countries c on u.country_id <> c.id, orders o where c.code = 'x'",
        "join countries c on u.country_id = c.id, orders o where c.code = 'x' and random() < 2 or u.id = 1",
    ] {
        let leg = leg(all_wanted, &[]);
        assert!(!leg.contains(" IN "), "{leg}");
    }
}

#[test]
fn a_temporary_table_has_the_types_of_what_it_takes() {
    let cut = cut_of("select price, count(*) over () from users", &[], 0).expect("accepted");
    assert_eq!(cut.parts[0].definition(), "c1 numeric(10,2)");
    assert!(cut.over_tables.contains("(SELECT p.c1 AS price FROM pg_temp."), "{}", cut.over_tables);
}

#[test]
fn time_stands_still_in_all_of_it() {
    let cut = cut_of("select now(), count(*) over () from users where created_at < now()", &[], 0)
        .expect("accepted");
    assert!(!cut.leg.contains("now()") && cut.leg.contains(NOW), "{}", cut.leg);
    assert!(!cut.over_arrays.contains("now()") && cut.over_arrays.contains("AS now"), "{}", cut.over_arrays);
}

#[test]
fn what_is_of_one_server_is_refused() {
    for text in [
        "select ctid from users",
        "select pg_column_size(name) from users",
        "select * from users tablesample system (1)",
        "select * from broken",
        "select * from users for update",
    ] {
        assert_eq!(cut_of(text, &[], 0).expect_err(text).sqlstate, "0A000", "{text}");
    }
}

/// What each server runs and what becomes of it, where servers compute what they can.
fn reduced(text: &str, types: &[u32]) -> Cut {
    let trees = trees(text).expect("the test's statement parses");
    let given = Given { types, count: types.len() };
    let statement = trees.first().expect("a statement");
    cut(statement, &catalog(), &path(), given, Effort::Reduce, NOW)
        .unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"))
}

#[test]
fn tables_that_the_tenant_ties_are_joined_where_they_are() {
    let join = "users u JOIN orders o ON o.tenant_id = u.tenant_id AND o.user_id = u.id";
    let cut = reduced(
        &format!("select u.name, o.status from {join} where o.total > 5 order by u.name limit 10"),
        &[],
    );
    assert_eq!(
        &*cut.leg,
        format!(
            "SELECT 1::int4 AS part, u.name AS c1, o.status AS c2 FROM {join} WHERE o.total > 5 ORDER BY u.name \
             LIMIT 10::int8"
        )
    );
    assert_eq!(
        &*cut.over_arrays,
        "SELECT u.name, o.status FROM unnest($1::text[], $2::text[]) \"?pgherd_1?\"(\"?c1\", \"?c2\"), \
         LATERAL (SELECT \"?pgherd_1?\".\"?c1\" AS name) u, LATERAL (SELECT \"?pgherd_1?\".\"?c2\" AS status) o \
         ORDER BY u.name LIMIT 10"
    );
    assert!(!cut.many, "no more than ten rows");
    let across = reduced("select u.name from users u join orders o on o.user_id = u.id", &[]);
    assert_eq!(across.parts.len(), 2, "tenants meet on one server");
}

#[test]
fn groups_are_begun_where_their_rows_are() {
    let cut = reduced(
        "select name, avg(score), count(*) + 1 from users where score > (select 1) group by name having count(*) > 3",
        &[],
    );
    assert_eq!(
        &*cut.leg,
        "SELECT 1::int4 AS part, name AS c1, pg_catalog.sum(score) AS c2, pg_catalog.count(score) AS c3, \
         pg_catalog.count(*) AS c4 FROM users WHERE score > (SELECT 1) GROUP BY name"
    );
    assert!(
        cut.over_arrays.contains("HAVING COALESCE(pg_catalog.sum(\"?pgherd_1?\".\"?c4\")::bigint, 0) > 3")
    );
    let waiting = reduced("select count(*) from users where score > (select avg(score) from users)", &[]);
    assert!(waiting.leg.contains("score AS c3 FROM users GROUP BY score"), "{}", waiting.leg);
    for text in [
        "select name, count(distinct score) from users group by name",
        "select name, sum(ratio) from users group by name",
        "select name, count(*) from users where random() < 0.5 and score > (select avg(score) from users) group by name",
        "select name, array_agg(score) from users group by name",
        "select count(*) from users group by rollup (name)",
    ] {
        assert!(!reduced(text, &[]).leg.contains("GROUP BY"), "{text}");
    }
}

#[test]
fn first_rows_are_chosen_on_servers_only_where_nothing_else_decides() {
    let limited = |text: &str| reduced(text, &[0]).leg.contains("LIMIT");
    assert!(limited("select id from users order by name limit $1 offset 5"));
    for text in [
        "select count(*) over (), $1 from users order by name limit 3",
        "select id, $1 from users where score > (select avg(score) from users) order by name limit 3",
        "select (select sum(u.score)), $1 from users u limit 3",
        "select distinct name, $1 from users order by name limit 3",
        "select id from users order by random() limit $1",
    ] {
        assert!(!limited(text), "{text}");
    }
}

#[test]
fn a_parameter_that_only_servers_have_is_told() {
    let cut = reduced("select name from users u where u.id = $1 order by name limit 3", &[0]);
    assert_eq!((cut.parameters.as_slice(), cut.absent.as_slice()), ([1].as_slice(), [1].as_slice()));
}

#[test]
fn columns_that_depend_on_a_key_are_grouped_by() {
    let of = |text: &str| {
        let trees = trees(text).expect("parses");
        group_by_dependents(trees.first().expect("a statement"), &catalog(), &path()).expect("printed")
    };
    assert_eq!(
        of("select u.name, count(o.status) from users u, orders o group by u.tenant_id, u.id").as_deref(),
        Some("SELECT u.name, count(o.status) FROM users u, orders o GROUP BY u.tenant_id, u.id, u.name")
    );
    assert_eq!(of("select count(*) from users group by tenant_id, id"), None);
    assert_eq!(of("select name from users group by id, name"), None);
}

fn keys_of(text: &str) -> Option<Keys> {
    reduced(text, &[]).keys
}

/// The part of each limit, and the question that it is by.
fn limits_of(text: &str) -> Vec<(usize, usize)> {
    let limits = keys_of(text).expect(text).limits;
    limits.iter().map(|limit| (limit.part, limit.question)).collect()
}

#[test]
fn rows_of_a_join_need_the_keys_of_the_other_side_that_has_conditions() {
    let one = "select u.name from users u, orders o where o.user_id = u.id and u.score > 5";
    let Keys { questions, leg, .. } = keys_of(one).expect(one);
    assert_eq!(limits_of(one), [(1, 0)]);
    assert_eq!(questions[0].column, "u.id");
    let limit = "FROM public.orders o(tenant_id, id, user_id, total, status, created_at) \
                 WHERE $1::bigint[] IS NULL OR o.user_id OPERATOR(pg_catalog.=) ANY($1::bigint[])";
    assert!(leg.contains(limit), "{leg}");
    let both = "select 1 from users u join orders o on o.user_id = u.id and o.total > 1 where u.score > 5";
    assert_eq!(limits_of(both), [(0, 0), (1, 1)]);
    let third = "select 1 from users u, orders o, audit.users a \
                 where u.name = 'x' and o.user_id = u.id and a.id = o.id";
    assert_eq!(limits_of(third), [(1, 0), (2, 1)]);
}

#[test]
fn the_rows_of_a_subquery_need_the_keys_of_the_block_around() {
    for text in [
        "select id from users where score > 5 and exists (select 1 from orders where user_id = users.id)",
        "select id from users u where score > 5 and not exists (select from orders o where o.user_id = u.id)",
        "select (select max(total) from orders where user_id = score) from users where score > 5",
        "select (select count(distinct total) from orders where user_id = score) from users where score > 5",
        "select u.id from users u left join orders o on o.user_id = u.id where u.score > 5",
        "select u.name from users u join orders o using (id) where u.score > 5",
        "select 1 from orders o left join audit.users a using (id) where o.total > 1",
    ] {
        assert_eq!(limits_of(text).len(), 1, "{text}");
    }
}

#[test]
fn rows_are_left_out_only_where_no_statement_can_miss_them() {
    for text in [
        "select u.id from users u, orders o where o.user_id = u.id",
        "select u.id from users u full join orders o on o.user_id = u.id and u.score > 5",
        "select o.id from orders o left join users u on o.user_id = u.id and u.score > 5",
        "select o.id from orders o, users u where u.score > 5 and (o.user_id = u.id or o.id = 1)",
        "select o.id from orders o, users u where u.score > 5 and o.user_id < u.id",
        "select o.id from orders o, users u where u.score > 5 and o.total = u.ratio",
        "select o.id from orders o, users u where u.score > 5 and o.status = u.email",
        "select o.id from orders o, users u where u.score > 5 and o.user_id = u.id + 1",
        "select o.id from orders o natural join users u where u.score > 5 and o.user_id = id",
        "select o.id from orders o left join users u using (id) where o.total > (select 1) and u.score > 5",
        "select o.id from orders o full join users u on o.total > 5 and u.score > 5 join audit.users a using (id)",
        "select 1 from (orders o join audit.users a on a.id = o.id) join users u using (id) where u.score > 5",
        "select id from users where score > 5 and id not in (select user_id from orders)",
        "select id from users where score > 5 and exists (select 1 from orders, lateral (select 1 as score) x \
            where user_id = score)",
        "select id from users u where score > 5 order by (select count(*) from orders o where o.user_id = u.id)",
    ] {
        let keys = keys_of(text);
        assert!(keys.is_none(), "{text}: {keys:?}");
    }
    // Whoever reads the same rows without need of keys needs all of them.
    let twice = "select 1 from users u, orders o where o.user_id = u.id and u.score > 5 union all \
                 select 1 from orders o where total > (select count(*) from orders o)";
    let of_twice = keys_of(twice);
    assert!(of_twice.is_none(), "{of_twice:?}");
}
