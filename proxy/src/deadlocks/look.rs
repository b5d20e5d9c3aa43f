//! Looking who waits for whom, while there is reason to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use router::ids::ServerId;
use tokio_postgres::Client;

use super::cycle::{Waiter, Waits, cycles};
use super::list::Entry;
use crate::execute::cancel::DEADLOCK;
use crate::fleet::{Database, Fleet};

/// How often the list is looked at, and how long a transaction lasts that nobody wonders at.
const TICK: Duration = Duration::from_millis(300);
/// Between the two looks at a cycle: who waits for a transaction at both has waited all the time.
const AGAIN: Duration = Duration::from_millis(50);
/// How long a server may take to be connected to.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who waits for whom on one server.
const WAITS: &str = "SELECT DISTINCT l.pid, b.pid FROM pg_catalog.pg_locks l, \
     LATERAL unnest(pg_catalog.pg_blocking_pids(l.pid)) b (pid) WHERE NOT l.granted AND b.pid <> 0";

/// Breaks the deadlocks of a database until the daemon stops.
pub async fn run(fleet: Arc<Fleet>, database: Arc<Database>) {
    let mut clients = HashMap::new();
    while fleet.shutdown.run_until_cancelled(tokio::time::sleep(TICK)).await.is_some() {
        let old = database.transactions.longer_than(TICK);
        if old.len() < 2 {
            continue;
        }
        let found = look(&fleet, &database, &mut clients, &old).await.cycles();
        if found.is_empty() {
            continue;
        }
        tokio::time::sleep(AGAIN).await;
        let old = database.transactions.longer_than(TICK);
        let seen = look(&fleet, &database, &mut clients, &old).await;
        for cycle in found.intersection(&seen.cycles()) {
            // What a server said of a process counts only while the transaction has it.
            if !database.transactions.has_all(cycle) {
                continue;
            }
            let Some(chosen) = choose(cycle, &old) else { continue };
            if chosen.gave_way.is_none() && seen.is_of_one_server(cycle) {
                continue;
            }
            tracing::info!(
                database = database.name,
                transactions = cycle.len(),
                "a deadlock over several servers is broken"
            );
            chosen.cancellable.time_out(DEADLOCK).await;
        }
    }
}

/// Whom a cycle is broken at: who can be run again and gave way least often, else the youngest.
fn choose<'a>(cycle: &BTreeSet<u64>, entries: &'a BTreeMap<u64, Entry>) -> Option<&'a Entry> {
    let members = || cycle.iter().rev().filter_map(|number| entries.get(number));
    let again = members().filter_map(|entry| Some((entry.gave_way?, entry)));
    again.min_by_key(|(gave_way, _)| *gave_way).map(|(_, entry)| entry).or_else(|| members().next())
}

/// Who waits for whom on each server.
struct Seen(Vec<Waits>);

impl Seen {
    /// The transactions of each cycle.
    fn cycles(&self) -> BTreeSet<BTreeSet<u64>> {
        let mut all = Waits::new();
        for (waiter, whom) in self.0.iter().flatten() {
            all.entry(*waiter).or_default().extend(whom);
        }
        cycles(&all)
    }

    /// True where a server sees a deadlock in this by itself: it breaks it, and says who waited for what.
    fn is_of_one_server(&self, cycle: &BTreeSet<u64>) -> bool {
        self.0.iter().flat_map(cycles).any(|own| own.is_subset(cycle))
    }
}

async fn look(
    fleet: &Fleet,
    database: &Database,
    clients: &mut HashMap<ServerId, Client>,
    transactions: &BTreeMap<u64, Entry>,
) -> Seen {
    let mut owners = HashMap::new();
    for (number, entry) in transactions {
        owners.extend(entry.processes.iter().map(|process| (*process, *number)));
    }
    let servers: BTreeSet<ServerId> = owners.keys().map(|(server, _)| *server).collect();
    let mut seen = Vec::new();
    for server in servers {
        let Some(pairs) = ask(fleet, database, clients, server).await else { continue };
        let waiter = |process: i32| match owners.get(&(server, process)) {
            Some(number) => Waiter::Transaction(*number),
            None => Waiter::Process(server.0, process),
        };
        let mut waits = Waits::new();
        for (who, whom) in pairs {
            waits.entry(waiter(who)).or_default().insert(waiter(whom));
        }
        seen.push(waits);
    }
    Seen(seen)
}

/// Who waits for whom on a server; `None` where it does not say.
async fn ask(
    fleet: &Fleet,
    database: &Database,
    clients: &mut HashMap<ServerId, Client>,
    server: ServerId,
) -> Option<Vec<(i32, i32)>> {
    if clients.get(&server).is_none_or(Client::is_closed) {
        let name = database.directory.load().server_name(server).to_owned();
        let client = fleet.servers.connect(&name, &database.name, PATIENCE).await;
        clients.insert(server, client.ok()?);
    }
    let asked = tokio::time::timeout(PATIENCE, clients.get(&server)?.query(WAITS, &[])).await;
    match asked {
        Ok(Ok(rows)) => Some(rows.iter().map(|row| (row.get(0), row.get(1))).collect()),
        Ok(Err(_)) | Err(_) => {
            clients.remove(&server);
            None
        }
    }
}
