//! PostgreSQL's own regression files over two servers. `REGRESS` names PostgreSQL's folder `src/test/regress`; without
//! it nothing is asked. `FILES` names some of the files, `TENANT` the column whose tables are sharded.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::PathBuf;

use tests::regress::{Count, Run, Step, steps};
use tests::{APP_USER, Fleet, Session};

/// The files that need neither a superuser nor C functions, in PostgreSQL's own order.
const FILES: &str = "test_setup boolean char name varchar text int2 int4 int8 oid float4 float8 bit numeric uuid enum money rangetypes \
    strings numerology date time timetz timestamp timestamptz interval multirangetypes horology regex expressions unicode xid \
    copy copyselect insert insert_conflict create_misc create_index create_view select inherit hash_func \
    select_into select_distinct select_distinct_on select_implicit select_having subselect union case join aggregates transactions \
    portals arrays update delete namespace matview groupingsets identity generated join_hash merge tsrf incremental_sort \
    window functional_deps equivclass json jsonb jsonpath jsonb_jsonpath limit plancache copy2 temp domain rangefuncs prepare \
    truncate sequence polymorphism rowtypes returning with xml partition_join partition_aggregate tuplesort memoize";

/// The columns whose tables are sharded, one after the other.
const TENANTS: &str = "ten q1 f1 hundred";

fn words(name: &str, usual: &str) -> Vec<String> {
    let text = std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    text.split_whitespace().map(str::to_owned).collect()
}

async fn all_over(folder: &std::path::Path, tenant: &str) -> Count {
    let fleet = Fleet::builder().start().await.unwrap();
    let daemon =
        fleet.daemon().key("database", &format!("tenant_column = \"{tenant}\"")).start().await.unwrap();
    let oracle = fleet.oracle().await.unwrap();
    let mut all = Count::default();
    let mut files = words("FILES", FILES);
    if files.first().is_none_or(|first| first != "test_setup") {
        files.insert(0, "test_setup".to_owned());
    }
    for file in files {
        let ours = Session::open(daemon.port(), APP_USER, "app", &[]).await.unwrap();
        let mut run = Run::new(ours, oracle.session("app").await.unwrap(), tenant);
        let mut count = Count::default();
        for step in steps(folder, &file).unwrap() {
            if matches!(&step, Step::Ask(sql) if sql.to_lowercase().starts_with("vacuum")) {
                continue;
            }
            if let Err(error) = run.step(&step, &mut count).await {
                let sql = format!("{step:?}").chars().take(300).collect::<String>();
                count.different.push(format!("{file}: {sql}: the session broke: {error:#}"));
                break;
            }
        }
        println!(
            "{tenant} {file}: {} equal, {} with the same error, {} refused, {} excused, {} different",
            count.equal,
            count.failed,
            count.refusals(),
            count.excused.values().map(Vec::len).sum::<usize>(),
            count.different.len()
        );
        for one in &count.different {
            println!("--- {tenant} {file}: {one}");
        }
        for (reason, statements) in count.excused {
            all.excused.entry(reason).or_default().extend(statements);
        }
        all.equal += count.equal;
        all.failed += count.failed;
        all.different.extend(count.different);
        for (why, (number, example)) in count.refused {
            all.refused.entry(why).or_insert((0, example)).0 += number;
        }
    }
    all
}

/// A statement's beginning on one line.
fn line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(160).collect()
}

#[tokio::test]
async fn postgresqls_own_regression_files_are_answered_as_by_postgresql() {
    let Ok(folder) = std::env::var("REGRESS") else { return };
    let folder = PathBuf::from(folder);
    let mut different = 0;
    for tenant in words("TENANT", TENANTS) {
        let all = all_over(&folder, &tenant).await;
        let mut reasons = String::new();
        for (why, (number, example)) in &all.refused {
            writeln!(reasons, "  {number} x {why}: {}", line(example)).unwrap();
        }
        let mut excuses = String::new();
        for (reason, statements) in &all.excused {
            writeln!(excuses, "  {} x {reason}", statements.len()).unwrap();
            for statement in statements {
                writeln!(excuses, "      {}", line(statement)).unwrap();
            }
        }
        println!(
            "{tenant}: {} equal, {} with the same error, {} refused, {} different\n{reasons}excused:\n{excuses}",
            all.equal,
            all.failed,
            all.refusals(),
            all.different.len()
        );
        different += all.different.len();
    }
    assert_eq!(different, 0);
}
