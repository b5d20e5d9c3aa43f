use super::split;
use super::split::Split;
use crate::catalog::fixture::{catalog, path};
use crate::merge::{Aggregate, AggregateKind, GroupPlan, Limit, MergePlan, Output, SortKey};
use crate::plan::Refusal;

const NOW: &str = "2026-11-21 05:00:00+00";

fn split_text(text: &str) -> Result<Split, Refusal> {
    let tree = pg_raw_parse::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    split(tree.first().expect("a statement"), &catalog(), &path(), NOW)
}

fn accepted(text: &str) -> (String, MergePlan) {
    let split = split_text(text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
    (split.text.to_string(), split.merge)
}

fn ascending(column: usize) -> SortKey {
    SortKey { column, output: None, descending: false, nulls_first: false }
}

fn aggregate(kind: AggregateKind, parts: &[usize]) -> Output {
    Output::Aggregate(Aggregate { kind, parts: parts.to_vec() })
}

#[test]
fn legs_have_the_statement_with_hidden_columns() {
    let table = [
        ("select id from users", "SELECT id FROM users"),
        (
            "select id from users where score > 3 or mood = 'x'",
            "SELECT id FROM users WHERE score > 3 OR mood = 'x'",
        ),
        (
            "select * from users order by id desc",
            "SELECT *, users.id AS \"?pgherd_1?\" FROM users ORDER BY id DESC",
        ),
        (
            "select *, u.* from users u order by 2, u.email",
            "SELECT *, u.*, u.id AS \"?pgherd_1?\", u.email AS \"?pgherd_2?\" FROM users u ORDER BY 2, u.email",
        ),
        (
            "select name as id from users order by users.id",
            "SELECT name AS id, users.id AS \"?pgherd_1?\" FROM users ORDER BY users.id",
        ),
        (
            "select -score s from users order by s, name collate \"C\" limit 5 + 5 offset 3",
            "SELECT - score AS s, - score AS \"?pgherd_1?\", name COLLATE \"C\" AS \"?pgherd_2?\" FROM users ORDER BY s, name COLLATE \"C\" LIMIT 13",
        ),
        ("select id from users limit $1 offset $2", "SELECT id FROM users LIMIT $1::int8 + $2::int8"),
        ("select id from users offset $1", "SELECT id FROM users LIMIT NULLIF($1::int8, $1::int8)"),
        ("select id from users limit all offset 2", "SELECT id FROM users"),
        ("select id from users limit null", "SELECT id FROM users LIMIT ALL"),
        ("select id from users fetch first 2 rows only", ""),
        (
            "select distinct name, score from users order by 2",
            "SELECT DISTINCT name, score, name AS \"?pgherd_1?\", score AS \"?pgherd_2?\" FROM users ORDER BY 2",
        ),
        ("select distinct tenant_id, extra from users", "SELECT DISTINCT tenant_id, extra FROM users"),
        (
            "select country_id, count(*), avg(score) from users group by 1 order by 2 desc, country_id limit 3",
            "SELECT country_id, count(*), avg(score), country_id AS \"?pgherd_1?\", count(*) AS \"?pgherd_2?\", \
             pg_catalog.sum(score)::numeric AS \"?pgherd_3?\", pg_catalog.count(score) AS \"?pgherd_4?\" FROM users GROUP BY 1",
        ),
        (
            "select count(*) from users limit $1",
            "SELECT count(*), count(*) AS \"?pgherd_1?\" FROM users LIMIT NULLIF($1::int8, $1::int8)",
        ),
        // Groups of one tenant: anything.
        (
            "select tenant_id, string_agg(name, ','), sum(ratio) / 2 from users group by tenant_id having count(*) > 1 order by count(*) limit 2",
            "SELECT tenant_id, string_agg(name, ','), sum(ratio) / 2, count(*) AS \"?pgherd_1?\" FROM users GROUP BY tenant_id HAVING count(*) > 1 ORDER BY count(*) LIMIT 2",
        ),
        // One time for all.
        (
            "select id, now(), now()::date, current_date from users where created_at > now() - interval '1 day'",
            "SELECT id, '2026-11-21 05:00:00+00'::timestamptz AS now, '2026-11-21 05:00:00+00'::timestamptz::date AS now, \
             '2026-11-21 05:00:00+00'::timestamptz::date AS \"current_date\" FROM users WHERE created_at > ('2026-11-21 05:00:00+00'::timestamptz - '1 day'::interval)",
        ),
    ];
    for (text, expected) in table {
        let (leg, merge) = accepted(text);
        if !expected.is_empty() {
            assert_eq!(leg, expected, "{text}");
        }
        assert_eq!(leg.matches("?pgherd_").count(), merge.hidden, "{leg}");
    }
}

#[test]
fn rows_merge_in_order_and_within_limits() {
    let (_, merge) =
        accepted("select id, score from users order by score desc nulls last, 1 limit 10 offset $1");
    let score = SortKey { column: 2, output: None, descending: true, nulls_first: false };
    assert_eq!(
        merge,
        MergePlan {
            visible: 2,
            hidden: 2,
            order: vec![score, ascending(3)],
            limit: Some(Limit::Rows(10)),
            offset: Some(Limit::Parameter(1)),
            ..MergePlan::default()
        }
    );
    let (_, merge) = accepted("select distinct score, name from users order by score desc");
    assert_eq!(merge.distinct, [2, 3]);
    assert_eq!(merge.order, [SortKey { column: 2, output: None, descending: true, nulls_first: true }]);
}

#[test]
fn groups_of_plain_keys_merge() {
    let (_, merge) = accepted(
        "select sum(score) s, min(born), bool_or(active) filter (where score > 1), country_id, max(email) \
         from users group by country_id, upper(name) order by s desc, country_id",
    );
    let s = SortKey { column: 7, output: Some(0), descending: true, nulls_first: true };
    assert_eq!(
        merge,
        MergePlan {
            visible: 5,
            hidden: 6,
            group: Some(GroupPlan {
                keys: vec![5, 6],
                outputs: vec![
                    aggregate(AggregateKind::Sum, &[7]),
                    aggregate(AggregateKind::Min, &[8]),
                    aggregate(AggregateKind::Or, &[9]),
                    Output::Key,
                    aggregate(AggregateKind::Max, &[10]),
                ],
            }),
            order: vec![s, ascending(5)],
            ..MergePlan::default()
        }
    );
}

#[test]
fn one_group_over_all_has_no_keys() {
    let (_, merge) = accepted("select count(*), avg(balance), count(distinct tenant_id) from users");
    assert_eq!(
        merge.group,
        Some(GroupPlan {
            keys: vec![],
            outputs: vec![
                aggregate(AggregateKind::Count, &[3]),
                aggregate(AggregateKind::Average, &[4, 5]),
                aggregate(AggregateKind::Count, &[6]),
            ],
        })
    );
}

#[test]
fn joins_by_the_tenant_split() {
    for text in [
        "select * from users u join orders o on o.tenant_id = u.tenant_id and o.user_id = u.id",
        "select * from users u, orders o where o.tenant_id = u.tenant_id",
        "select * from users u, orders o where (o.tenant_id, o.user_id) = (u.tenant_id, u.id)",
        "select * from users join orders using (tenant_id, id) order by tenant_id",
        "select * from users u left join orders o on o.tenant_id = u.tenant_id and o.user_id = u.id",
        "select count(*) from users u full join orders o on o.tenant_id = u.tenant_id",
        "select * from users u join countries c on c.id = u.country_id",
        "select * from users u left join countries c on c.id = u.country_id where c.code > 'a' order by c.code",
        "select * from countries c right join users u on c.id = u.country_id",
        "select * from countries c join users u on c.id = u.country_id join orders o on o.tenant_id = u.tenant_id",
        "select * from (countries c left join titles t on c.code = t.code) join users u on c.id = u.country_id",
        "select u.id, t from users u, generate_series(1, 3) t order by u.id",
        // Subqueries.
        "select id from users u where exists (select from orders o where o.tenant_id = u.tenant_id and o.user_id = u.id)",
        "select id from users u where not exists (select * from orders o where o.tenant_id = u.tenant_id and o.user_id = u.id)",
        "select id, (select count(*) from orders o where o.tenant_id = u.tenant_id) from users u",
        "select id, (select o.status from orders o where o.tenant_id = u.tenant_id order by o.id limit 1) from users u",
        "select id from users where country_id in (select id from countries where code = 'x')",
        "select u.id, x.total from users u left join lateral (select o.total from orders o where o.tenant_id = u.tenant_id order by 1 desc limit 3) x on true",
        "select count(*) from (select id from users where active) x",
        "select avg(n) from (select tenant_id, count(*) n from orders group by tenant_id) x",
        "select x.name, o.id from (select tenant_id, name from users) x join orders o on x.tenant_id = o.tenant_id",
        "with x as (select tenant_id t, id from users where active) select o.id from x join orders o on o.tenant_id = x.t",
        "with x as (select id from countries) select u.id from users u join x on x.id = u.country_id",
        "with x as (select distinct tenant_id from users) select count(*) from x",
        "select id from users union all select id from orders",
        "select id from (select id from users union all select id from orders) x order by id",
        "select distinct on (tenant_id) id, name from users order by tenant_id, id",
        "select id from (values (1), (2)) v(n) join users u on u.score = v.n",
        "select id, random() from users",
        "select id from users u where exists (select from orders o left join audit.users a on a.tenant_id = o.tenant_id where o.tenant_id = u.tenant_id)",
        "select id from users order by coalesce(score, 0), greatest(score, id), created_at - interval '1 day'",
        "select current_user, id from users",
    ] {
        accepted(text);
    }
}

#[test]
fn what_is_not_exactly_a_merge_is_refused() {
    for text in [
        // Joins across tenants.
        "select * from users u join orders o on o.user_id = u.id",
        "select * from users u, orders o",
        "select * from users u left join orders o on o.user_id = u.id and u.id = 5",
        "select * from users u left join orders o on o.user_id = u.id where o.tenant_id = u.tenant_id or true",
        "select * from users u join orders o on o.tenant_id = u.tenant_id or o.id = u.id",
        "select * from users u join orders o on o.tenant_id = u.id",
        "select * from users u join orders o on o.tenant_id <> u.tenant_id",
        "select * from users u join orders o on not (o.tenant_id = u.tenant_id)",
        // A row of a reference table kept by each server.
        "select * from countries c left join users u on c.id = u.country_id",
        "select * from users u right join countries c on c.id = u.country_id",
        "select * from users u full join countries c on c.id = u.country_id",
        "select * from users natural full join countries",
        // Subqueries over all tenants.
        "select exists (select 1 from users)",
        "select (select count(*) from users)",
        "select id from countries where id in (select country_id from users)",
        "select id from users where score > (select avg(score) from users)",
        "select id from users u where exists (select from orders o where o.user_id = u.id)",
        "select id from users u where exists (select from orders o where o.tenant_id = u.tenant_id or true)",
        "select id from users u where id in (select user_id from orders)",
        "select id from users u where exists (select from orders o left join audit.users a on a.tenant_id = u.tenant_id and a.tenant_id = o.tenant_id where o.user_id = u.id)",
        "select id from users u where exists (select from orders o left join (audit.users a join users b on a.tenant_id = b.tenant_id and a.tenant_id = u.tenant_id) on a.tenant_id = o.tenant_id where o.user_id = u.id)",
        "select count(*) filter (where random() < 0.5) from users",
        "select * from (select id from users limit 3) x",
        "select * from (select id from users order by id) x",
        "select * from (select distinct name from users) x",
        "select * from (select count(*) from users) x",
        "select * from users join (select id from countries limit 1) c on true",
        "select * from users join (select random() r) c on true",
        "select * from users u join (select string_agg(code, '') from countries) c on true",
        "with x as (select count(*) from users) select * from users, x",
        "with x as (delete from users returning *) select rank() over (order by id) from x",
        "with recursive x as (select 1 union all select 1 from x) select * from users, x",
        "select id from users union select id from orders",
        "select id from users union all select id from countries",
        "select id from users except all select id from orders",
        "select id from users union all select id from orders order by id",
        "select id from users union all (select id from orders limit 1)",
        // Order.
        "select id from users order by name",
        "select id from users order by lower(name)",
        "select id from users order by name || 'x'",
        "select id from users order by mood",
        "select id from users order by lasted",
        "select id from users order by extra",
        "select id from users order by id using <",
        "select id from users order by random()",
        "select u.id, o.id from users u join orders o on u.tenant_id = o.tenant_id order by id",
        "select id from users order by id fetch first 3 rows with ties",
        "select id from users limit (select 3)",
        "select id from users limit -1",
        "select id from users limit 1 for update",
        "select id from users for share skip locked limit 1",
        // Distinct.
        "select distinct balance from users",
        "select distinct ratio from users",
        "select distinct lasted from users",
        "select distinct extra from users",
        "select distinct name from users order by score",
        "select distinct on (score) id from users order by score",
        // Aggregates.
        "select sum(ratio) from users",
        "select avg(ratio) from users",
        "select sum(lasted) from users",
        "select stddev(score) from users",
        "select count(distinct score) from users",
        "select sum(distinct score) from users",
        "select array_agg(id) from users",
        "select string_agg(name, ',' order by id) from users",
        "select percentile_cont(0.5) within group (order by score) from users",
        "select min(name) from users",
        "select coalesce(sum(score), 0) from users",
        "select sum(score) / count(*) from users",
        "select count(*) > 0 from users",
        "select count(*)::int from users",
        "select round(avg(score), 2) from users",
        "select name, count(*) from users group by name having count(*) > 1",
        "select count(*) from users having count(*) > 1",
        "select balance, count(*) from users group by balance",
        "select ratio, count(*) from users group by ratio",
        "select count(*) from users group by rollup (score)",
        "select count(*) from users group by grouping sets ((score), ())",
        "select score, count(*) from users group by score order by max(id)",
        "select score, count(*) from users group by score order by score + 1",
        "select name, count(*) from users group by name order by name",
        "select distinct count(*) from users group by score",
        "select count(*) from users u left join orders o on u.tenant_id = o.tenant_id group by o.tenant_id, ratio",
        // Windows.
        "select row_number() over () from users",
        "select sum(score) over (order by id) from users",
        "select rank() over w from users window w as (order by id)",
        // Functions and values that differ from server to server.
        "select inet_server_addr(), id from users",
        "select pg_is_in_recovery() from users",
        "select nextval('s') from users",
        "select pg_sleep(1) from users",
        "select pg_advisory_lock(id) from users",
        "select my_function(id) from users",
        "select unknown_function(id) from users",
        "select other.lower(name) from users",
        "select age(created_at) from users",
        "select txid_current() from users",
        "select ctid from users",
        "select u.tableoid from users u",
        "select 'users'::regclass from users",
        "select id from users where created_at > 'yesterday'",
        "select query_to_xml('select 1', true, true, '') from users",
        // Relations.
        "select * from active_users",
        "select * from broken",
        "select * from unknown_table, users",
        "select * from pg_class, users",
        "select * from users tablesample system (1)",
        "select * from countries",
        "select 1",
        "select * into x from users",
        "update users set score = 1",
        "values (1)",
    ] {
        let refusal = split_text(text).expect_err(text);
        assert_eq!(refusal.sqlstate, "0A000", "{text}");
        assert!(!refusal.message.is_empty());
    }
}

#[test]
fn the_deepest_trees_fit_on_a_thread_of_tokio() {
    let sum = vec!["1"; 590].join(" + ");
    let nested = format!("{}id{}", "abs(".repeat(280), ")".repeat(280));
    let subqueries = format!("{}1{}", "select 1 from countries where id in (".repeat(90), ")".repeat(90));
    let text = format!(
        "select {sum}, count(*) from users where {nested} in ({subqueries}) group by {sum}, tenant_id order by {sum}"
    );
    let split = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || {
            let tree = pg_raw_parse::parse(&text).expect("parses");
            let statement = tree.first().expect("a statement");
            let filter =
                crate::sql::Filter { tenant: Some(crate::ids::TenantKey::Integer(5)), hidden: vec![] };
            crate::sql::restrict_statement(statement, &catalog(), &path(), &filter).expect("accepted");
            split(statement, &catalog(), &path(), NOW)
        })
        .expect("a thread")
        .join();
    split.expect("the thread ends").expect("accepted");
}
