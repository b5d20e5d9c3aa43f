use super::*;
use crate::catalog::fixture::{catalog, path, text_catalog};
use crate::ids::{MoveId, TenantKey};
use crate::plan::Refusal;

fn rewritten(text: &str, filter: &Filter) -> Result<String, Refusal> {
    let tree = pg_raw_parse::parse(text).expect("the test's statement parses");
    let statement = tree.first().expect("a statement");
    restrict_statement(statement, &catalog(), &path(), filter).map(|text| text.to_string())
}

fn of_tenant(text: &str) -> Result<String, Refusal> {
    rewritten(text, &Filter { tenant: Some(TenantKey::Integer(5)), hidden: Vec::new() })
}

#[test]
fn the_predicate_stands_where_it_filters_the_table_alone() {
    let table = [
        // WHERE.
        ("select * from users", "SELECT * FROM users WHERE users.tenant_id = 5"),
        ("select 1 from users u where a or b", "SELECT 1 FROM users u WHERE u.tenant_id = 5 AND (a OR b)"),
        ("select 1 from users u where a and b", "SELECT 1 FROM users u WHERE u.tenant_id = 5 AND (a AND b)"),
        ("select 1 from users u(t, i)", "SELECT 1 FROM users u(t, i) WHERE u.t = 5"),
        ("select 1 from only users tablesample system (1)", ""),
        (
            "select 1 from users u, orders o where u.id = o.user_id",
            "SELECT 1 FROM users u, orders o WHERE u.tenant_id = 5 AND o.tenant_id = 5 AND u.id = o.user_id",
        ),
        (
            "select 1 from users u join countries c on c.id = u.country_id",
            "SELECT 1 FROM users u JOIN countries c ON c.id = u.country_id WHERE u.tenant_id = 5",
        ),
        (
            "select 1 from users join orders using (tenant_id)",
            "SELECT 1 FROM users JOIN orders USING (tenant_id) WHERE users.tenant_id = 5 AND orders.tenant_id = 5",
        ),
        // ON of the nearest outer join.
        (
            "select 1 from users u left join orders o on u.id = o.user_id or x",
            "SELECT 1 FROM users u LEFT JOIN orders o ON o.tenant_id = 5 AND (u.id = o.user_id OR x) WHERE u.tenant_id = 5",
        ),
        (
            "select 1 from users u right join orders o on u.id = o.user_id",
            "SELECT 1 FROM users u RIGHT JOIN orders o ON u.tenant_id = 5 AND u.id = o.user_id WHERE o.tenant_id = 5",
        ),
        (
            "select 1 from countries c left join (users u join orders o on u.id = o.user_id) on c.id = u.country_id",
            "SELECT 1 FROM countries c LEFT JOIN (users u JOIN orders o ON u.id = o.user_id) ON u.tenant_id = 5 AND o.tenant_id = 5 AND c.id = u.country_id",
        ),
        // A subquery, where no condition can name the table.
        (
            "select u.id from users u full join orders o on u.id = o.user_id",
            "SELECT u.id FROM (SELECT * FROM users WHERE users.tenant_id = 5) u FULL JOIN (SELECT * FROM orders WHERE orders.tenant_id = 5) o ON u.id = o.user_id",
        ),
        (
            "select u.id from countries c left join users u using (id)",
            "SELECT u.id FROM countries c LEFT JOIN (SELECT * FROM users WHERE users.tenant_id = 5) u USING (id)",
        ),
        (
            "select * from (users u join orders o on u.id = o.user_id) as j",
            "SELECT * FROM ((SELECT * FROM users WHERE users.tenant_id = 5) u JOIN (SELECT * FROM orders WHERE orders.tenant_id = 5) o ON u.id = o.user_id ) j",
        ),
        (
            "select * from users, audit.users",
            "SELECT * FROM (SELECT * FROM users WHERE users.tenant_id = 5) users, (SELECT * FROM audit.users WHERE users.tenant_id = 5) users",
        ),
        // Every block.
        (
            "select (select count(*) from orders) from countries where exists (select from users)",
            "SELECT (SELECT count(*) FROM orders WHERE orders.tenant_id = 5) FROM countries WHERE EXISTS (SELECT FROM users WHERE users.tenant_id = 5)",
        ),
        (
            "select 1 from users union all select 2 from orders",
            "SELECT 1 FROM users WHERE users.tenant_id = 5 UNION ALL SELECT 2 FROM orders WHERE orders.tenant_id = 5",
        ),
        (
            "select 1 from countries c, lateral (select 1 from users u where u.country_id = c.id) x",
            "SELECT 1 FROM countries c, LATERAL (SELECT 1 FROM users u WHERE u.tenant_id = 5 AND u.country_id = c.id) x",
        ),
        // Names of CTEs.
        (
            "with users as (select * from users) select * from users",
            "WITH users AS (SELECT * FROM users WHERE users.tenant_id = 5) SELECT * FROM users",
        ),
        (
            "with recursive orders as (select 1 union all select 1 from orders, public.orders o2) select 1 from orders",
            "WITH RECURSIVE orders AS (SELECT 1 UNION ALL SELECT 1 FROM orders, public.orders o2 WHERE o2.tenant_id = 5) SELECT 1 FROM orders",
        ),
        (
            "with x as (with orders as (select 1) select * from orders) select * from orders",
            "WITH x AS (WITH orders AS (SELECT 1) SELECT * FROM orders) SELECT * FROM orders WHERE orders.tenant_id = 5",
        ),
        // Writes.
        (
            "update users set name = 'x' where id = 1 or id = 2 returning *",
            "UPDATE users SET name = 'x' WHERE users.tenant_id = 5 AND (id = 1 OR id = 2) RETURNING *",
        ),
        (
            "update users u set name = o.status from orders o where o.user_id = u.id",
            "UPDATE users u SET name = o.status FROM orders o WHERE o.tenant_id = 5 AND u.tenant_id = 5 AND o.user_id = u.id",
        ),
        ("delete from users", "DELETE FROM users WHERE users.tenant_id = 5"),
        (
            "delete from users u using orders o where o.user_id = u.id",
            "DELETE FROM users u USING orders o WHERE o.tenant_id = 5 AND u.tenant_id = 5 AND o.user_id = u.id",
        ),
        (
            "with d as (delete from users returning *) select * from d",
            "WITH d AS (DELETE FROM users WHERE users.tenant_id = 5 RETURNING *) SELECT * FROM d",
        ),
        (
            "insert into users (tenant_id, id) select 5, id from orders on conflict (tenant_id, id) do update set name = excluded.name",
            "INSERT INTO users (tenant_id, id) SELECT 5, id FROM orders WHERE orders.tenant_id = 5 ON CONFLICT (tenant_id, id) DO UPDATE SET name = excluded.name",
        ),
        (
            "merge into users u using orders o on u.id = o.user_id when matched then delete when not matched then do nothing",
            "MERGE INTO users u USING (SELECT * FROM orders WHERE orders.tenant_id = 5) o ON u.tenant_id = 5 AND u.id = o.user_id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN DO NOTHING",
        ),
        ("select relname from pg_class", "SELECT relname FROM pg_class"),
        (
            "explain analyze delete from users",
            "EXPLAIN (ANALYZE) DELETE FROM users WHERE users.tenant_id = 5",
        ),
        (
            "copy (select id from users) to stdout",
            "COPY (SELECT id FROM users WHERE users.tenant_id = 5) TO STDOUT",
        ),
        (
            "declare c cursor for select id from users",
            "DECLARE c CURSOR FOR SELECT id FROM users WHERE users.tenant_id = 5",
        ),
        ("select title from titles", "SELECT title FROM titles"),
        ("select id from users for update of users", ""),
    ];
    for (text, expected) in table {
        let result = of_tenant(text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
        if !expected.is_empty() {
            assert_eq!(result, expected, "{text}");
        }
        assert!(result.contains("= 5") || text.contains("pg_class") || text.contains("titles"), "{result}");
    }
}

#[test]
fn what_cannot_be_restricted_is_refused() {
    for text in [
        "select * from active_users",
        "select * from broken",
        "select * from elsewhere, users",
        "select u from users u full join orders o on true",
        "select u.ctid from users u full join orders o on true",
        "select u.id, count(*) from users u full join orders o on true group by 1",
        "select public.users.id from users, audit.users",
        "select 1 from countries c left join users u tablesample system (1) using (id)",
        "delete from users where current of c",
        "update users set name = 'x' from audit.users where true",
        "merge into users u using orders o on u.id = o.user_id when not matched by source then delete",
        "truncate users",
        "copy users to stdout",
        "explain create table t as select * from users",
        "create table t as select * from users",
        "select * into t from users",
        "merge into users u using (users o join orders p using (id)) on u.id = p.ctid when matched then delete",
    ] {
        let refusal = of_tenant(text).expect_err(text);
        assert_eq!(refusal.sqlstate, "0A000", "{text}");
    }
}

#[test]
fn hidden_rows_are_left_out_by_an_anti_join() {
    let filter = Filter { tenant: None, hidden: vec![MoveId(1), MoveId(2)] };
    assert_eq!(
        rewritten("select count(*) from users h", &filter).expect("accepted"),
        "SELECT count(*) FROM users h WHERE NOT EXISTS (SELECT FROM pgherd.hidden \"?pgherd_hidden?\" WHERE \
         \"?pgherd_hidden?\".move = ANY('{1,2}') AND \"?pgherd_hidden?\".tenant = h.tenant_id::text)"
    );
    let tree = pg_raw_parse::parse("delete from users").expect("parses");
    let statement = tree.first().expect("a statement");
    let text = restrict_statement(statement, &text_catalog(), &path(), &filter).expect("accepted");
    assert!(text.ends_with("= users.tenant_id::text COLLATE \"C\")"), "{text}");
}

#[test]
fn a_key_cannot_break_out_of_its_literal() {
    let filter = Filter { tenant: Some(TenantKey::Text("o'x\\' or true --".into())), hidden: Vec::new() };
    let tree = pg_raw_parse::parse("select 1 from users where a").expect("parses");
    let statement = tree.first().expect("a statement");
    let text = restrict_statement(statement, &text_catalog(), &path(), &filter).expect("accepted");
    assert_eq!(&*text, "SELECT 1 FROM users WHERE users.tenant_id = E'o''x\\\\'' or true --' AND a");
}

#[test]
fn an_empty_filter_leaves_the_statement_as_it_is() {
    assert_eq!(
        rewritten("select id from users", &Filter::default()).expect("accepted"),
        "SELECT id FROM users"
    );
}

#[test]
fn printing_loses_nothing() {
    let without_places = |text: &str| {
        let tree = pg_raw_parse::parse(text).expect("parses");
        let debug = format!("{:?}", tree.first().expect("a statement").stmt());
        let mut plain = String::new();
        let mut words = debug.split_inclusive([' ', ',', '}']).peekable();
        while let Some(word) = words.next() {
            plain.push_str(word);
            if ["location:", "_start:", "_end:"].iter().any(|place| word.trim_end().ends_with(place)) {
                words.next();
            }
        }
        plain
    };
    for text in [
        r"select 'a''b', E'a\nb\\', U&'\00e5', $$x$$, B'101', X'1F', 1.50, 1e10, -1, - -1, '1'::int[], .5",
        "select (a).b, a[1], a[1:2], (f(x)).y, \"Weird Name\".\"select\", (a.b).*, f(variadic x), f(a => 1)",
        "select a + b * c - (d - e), (a or b) and not c, a is not distinct from b, a between symmetric 1 and 2",
        "select a not in (1, 2), a = any($1), a <> all(array[1, 2]), a like 'x' escape '!', a ilike b, a similar to b",
        "select a is not true, a is unknown, a is null, (a, b) = (1, 2), row(1), row(), a collate \"C\" desc",
        "select case a when 1 then 2 else 3 end, coalesce(a, b), nullif(a, b), greatest(a, b), least(a, b)",
        "select extract(year from a), overlay(a placing b from 1), position(a in b), substring(a from 1 for 2), trim(both 'x' from a)",
        "select a at time zone 'utc', interval '1' year, interval(3) '1 s', cast(a as numeric(10, 2)), timestamp with time zone 'x', current_time(2)",
        "select count(*) filter (where a), sum(distinct a order by b), percentile_cont(0.5) within group (order by a desc nulls last)",
        "select sum(a) over (partition by b order by c rows between 1 preceding and unbounded following exclude ties), rank() over w from t window w as (order by a)",
        "select distinct on (a, b) a from t order by a using <, b desc nulls first",
        "select a from only t as x (c, d) tablesample bernoulli (10) repeatable (1), lateral (select 1) y, rows from (f(1), g(2)) with ordinality as z",
        "select a from t group by grouping sets ((a, b), rollup (c), cube (d), ()) having count(*) > 1",
        "select a from t natural left join u cross join v full join w using (a, b) as m inner join (x join y on true) on z",
        "with recursive a as materialized (select 1 union select 2), b (c) as not materialized (values (1, default)) select * from a except all (select 1 intersect select 2 limit 1) order by 1",
        "select a from t for no key update of t skip locked for share nowait",
        "select a from t order by a fetch first 3 rows with ties",
        "insert into t as x (a, b[1], c.d) overriding system value values (1, default, 2) on conflict (a, lower(b) collate \"C\") where d do update set (a, b) = (excluded.a, 1), c = default where x.a > 1 returning *, a as \"A\"",
        "insert into t default values on conflict on constraint k do nothing",
        "update only t as x set (a, b) = (select 1, 2), c = 3 from u where x.a = u.a returning x.*",
        "delete from t using u, v where t.a = u.a returning old.a",
        "select xmlelement(name a, xmlattributes(b as c), d), xmlserialize(content a as text), a is document",
        "select json_object('a': 1), json_array(1, 2), a is json, json_value(a, '$.b' returning int), json_query(a, '$'), json_arrayagg(a order by b)",
        "select * from json_table(a, '$[*]' columns (b int path '$.c', d for ordinality)) x, xmltable('/a' passing b columns c int path 'd') y",
        "select a operator(pg_catalog.+) b, @ a, a !~~* b, !!a, a -> 'b' ->> 'c', a #>> '{b}', a ? 'b', a || b",
    ] {
        let tree = pg_raw_parse::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let printed =
            print(tree.first().expect("a statement")).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
        assert_eq!(without_places(text), without_places(&printed), "{text}\n{printed}");
    }
}
