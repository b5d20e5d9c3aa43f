//! What sessions did, in PgBouncer's words: SHOW STATS and its kin. Times are in microseconds; averages
//! are of the last whole minute: a second's for counts and bytes, one's for times of transactions and
//! statements.

use std::collections::BTreeMap;

use super::table::{Holds, Table, some};
use crate::fleet::Fleet;
use crate::metrics::{Count, Sums, Totals};

/// How an average is made.
#[derive(Clone, Copy)]
enum Average {
    /// A second's.
    Rate,
    /// That of one of these.
    Each(Count),
}

/// What is shown: the count, its name among totals, its name alone, its name among averages, and how
/// the average is made.
const SHOWN: [(Count, &str, &str, &str, Average); 11] = [
    (
        Count::Assignments,
        "total_server_assignment_count",
        "server_assignment_count",
        "avg_server_assignment_count",
        Average::Rate,
    ),
    (Count::Transactions, "total_xact_count", "xact_count", "avg_xact_count", Average::Rate),
    (Count::Statements, "total_query_count", "query_count", "avg_query_count", Average::Rate),
    (Count::Received, "total_received", "bytes_received", "avg_recv", Average::Rate),
    (Count::Sent, "total_sent", "bytes_sent", "avg_sent", Average::Rate),
    (
        Count::TransactionTime,
        "total_xact_time",
        "xact_time",
        "avg_xact_time",
        Average::Each(Count::Transactions),
    ),
    (
        Count::StatementTime,
        "total_query_time",
        "query_time",
        "avg_query_time",
        Average::Each(Count::Statements),
    ),
    (Count::WaitTime, "total_wait_time", "wait_time", "avg_wait_time", Average::Rate),
    (
        Count::ClientParses,
        "total_client_parse_count",
        "client_parse_count",
        "avg_client_parse_count",
        Average::Rate,
    ),
    (
        Count::ServerParses,
        "total_server_parse_count",
        "server_parse_count",
        "avg_server_parse_count",
        Average::Rate,
    ),
    (Count::Binds, "total_bind_count", "bind_count", "avg_bind_count", Average::Rate),
];

/// What PgBouncer does not count, behind its columns.
const MORE: [(Count, &str); 3] = [
    (Count::Rows, "total_rows"),
    (Count::Errors, "total_errors"),
    (Count::Logins, "total_client_login_count"),
];

/// SHOW STATS.
pub(super) fn all(fleet: &Fleet) -> Table {
    let totals = SHOWN.iter().map(|(_, name, ..)| *name);
    let averages = SHOWN.iter().map(|(_, _, _, name, _)| *name);
    let more = MORE.iter().map(|(_, name)| *name);
    let mut table = by(&["database"], totals.chain(averages).chain(more));
    for (database, sums) in by_database(fleet) {
        let totals = SHOWN.iter().map(|(count, ..)| some(sums.totals.of(*count)));
        let averages = SHOWN.iter().map(|(count, .., average)| some(averaged(&sums, *count, *average)));
        let more = MORE.iter().map(|(count, _)| some(sums.totals.of(*count)));
        table.row([some(database)].into_iter().chain(totals).chain(averages).chain(more));
    }
    table
}

/// SHOW STATS_TOTALS.
pub(super) fn totals(fleet: &Fleet) -> Table {
    let mut table = by(&["database"], SHOWN.iter().map(|(_, _, name, ..)| *name));
    for (database, sums) in by_database(fleet) {
        let totals = SHOWN.iter().map(|(count, ..)| some(sums.totals.of(*count)));
        table.row([some(database)].into_iter().chain(totals));
    }
    table
}

/// SHOW STATS_AVERAGES.
pub(super) fn averages(fleet: &Fleet) -> Table {
    // The last three bear the names of averages in PgBouncer, too.
    let name =
        |(count, _, total, average, _): &(Count, &'static str, &'static str, &'static str, Average)| match [
            Count::ClientParses,
            Count::ServerParses,
            Count::Binds,
        ]
        .contains(count)
        {
            true => *average,
            false => *total,
        };
    let mut table = by(&["database"], SHOWN.iter().map(name));
    for (database, sums) in by_database(fleet) {
        let averages = SHOWN.iter().map(|(count, .., average)| some(averaged(&sums, *count, *average)));
        table.row([some(database)].into_iter().chain(averages));
    }
    table
}

/// SHOW TOTALS.
pub(super) fn overall(fleet: &Fleet) -> Table {
    let mut table = Table::of(&[("name", Holds::Text), ("value", Holds::Number)]);
    let mut sums = Sums::default();
    for of in by_database(fleet).values() {
        sums = together(&sums, of);
    }
    for (count, name, ..) in &SHOWN {
        table.row([some(name), some(sums.totals.of(*count))]);
    }
    for (count, _, _, name, average) in &SHOWN {
        table.row([some(name), some(averaged(&sums, *count, *average))]);
    }
    table
}

/// SHOW USER_STATS.
pub(super) fn by_user(fleet: &Fleet) -> Table {
    let names = SHOWN.iter().map(|(_, name, ..)| *name).chain(MORE.iter().map(|(_, name)| *name));
    let mut table = by(&["database", "user"], names);
    for (whose, sums) in fleet.metrics.sessions.sums() {
        let counts = SHOWN.iter().map(|(count, ..)| *count).chain(MORE.iter().map(|(count, _)| *count));
        let totals = counts.map(|count| some(sums.totals.of(count)));
        table.row([some(&whose.database), some(&whose.user)].into_iter().chain(totals));
    }
    table
}

/// SHOW TENANT_STATS: of the busiest tenants, the busiest first.
pub(super) fn by_tenant(fleet: &Fleet) -> Table {
    let names = SHOWN.iter().map(|(_, name, ..)| *name).chain(MORE.iter().map(|(_, name)| *name));
    let mut table = by(&["database", "tenant"], names);
    for (database, _) in fleet.databases_in_order() {
        for tenant in fleet.metrics.tenants(database).busiest() {
            let counts = SHOWN.iter().map(|(count, ..)| *count).chain(MORE.iter().map(|(count, _)| *count));
            let totals = counts.map(|count| some(tenant.totals.of(count)));
            table.row([some(database), some(&tenant.tenant)].into_iter().chain(totals));
        }
    }
    table
}

/// SHOW PREPARED_STATEMENTS.
pub(super) fn prepared(fleet: &Fleet) -> Table {
    let mut table = by(&["database", "user"], ["client_parse_count", "server_parse_count", "bind_count"]);
    for (whose, sums) in fleet.metrics.sessions.sums() {
        let counts = [Count::ClientParses, Count::ServerParses, Count::Binds];
        let counts = counts.map(|count| some(sums.totals.of(count)));
        table.row([some(&whose.database), some(&whose.user)].into_iter().chain(counts));
    }
    table
}

fn by(texts: &[&'static str], numbers: impl IntoIterator<Item = &'static str>) -> Table {
    let texts = texts.iter().map(|name| (*name, Holds::Text));
    let columns: Vec<_> = texts.chain(numbers.into_iter().map(|name| (name, Holds::Number))).collect();
    Table::of(&columns)
}

/// The sums of each database of the configuration, also of those that nobody has entered.
fn by_database(fleet: &Fleet) -> BTreeMap<String, Sums> {
    let mut databases: BTreeMap<String, Sums> =
        fleet.databases.keys().map(|name| (name.clone(), Sums::default())).collect();
    for (whose, sums) in fleet.metrics.sessions.sums() {
        let of = databases.entry(whose.database).or_default();
        *of = together(of, &sums);
    }
    databases
}

fn together(one: &Sums, other: &Sums) -> Sums {
    Sums {
        totals: one.totals.plus(&other.totals),
        lately: one.lately.plus(&other.lately),
        period: one.period.max(other.period),
    }
}

fn averaged(sums: &Sums, count: Count, average: Average) -> u64 {
    let lately: &Totals = &sums.lately;
    match average {
        Average::Each(of) => lately.of(count).checked_div(lately.of(of)).unwrap_or_default(),
        Average::Rate => {
            let milliseconds = u64::try_from(sums.period.as_millis()).unwrap_or(u64::MAX);
            lately.of(count).saturating_mul(1000).checked_div(milliseconds).unwrap_or_default()
        }
    }
}
