//! A bank whose books must balance at every moment: what moves, failovers and crashes are tried on.
//!
//! Each tenant has accounts whose balances sum to [`TENANT_TOTAL`], and a transfer writes its number into a ledger in the same
//! transaction: a lost, doubled or half transaction shows in one of the two.

use std::collections::HashSet;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use tokio_postgres::Client;

/// Accounts of a tenant.
const ACCOUNTS: i64 = 10;

/// What the balances of a tenant sum to, always.
pub const TENANT_TOTAL: i64 = ACCOUNTS * 1000;

/// The books as a client knows them: which transfers were answered.
#[derive(Debug)]
pub struct Bank {
    tenants: i64,
    answered: Mutex<HashSet<(i64, i64)>>,
}

impl Bank {
    /// Makes the tables and accounts of the tenants 1 to `tenants`, through `client`.
    pub async fn open(client: &Client, tenants: i64) -> Result<Bank> {
        let accounts = "CREATE TABLE accounts (tenant_id bigint, account_id bigint, balance bigint NOT NULL, PRIMARY KEY (tenant_id, account_id))";
        let ledger = "CREATE TABLE ledger (tenant_id bigint, transfer_id bigint, PRIMARY KEY (tenant_id, transfer_id))";
        client.batch_execute(accounts).await.context("create accounts")?;
        client.batch_execute(ledger).await.context("create ledger")?;
        for tenant in 1..=tenants {
            let rows: Vec<String> =
                (1..=ACCOUNTS).map(|account| format!("({tenant}, {account}, 1000)")).collect();
            client.batch_execute(&format!("INSERT INTO accounts VALUES {}", rows.join(", "))).await?;
        }
        Ok(Bank { tenants, answered: Mutex::default() })
    }

    /// The tenant that a worker's round is about.
    #[must_use]
    pub fn tenant(&self, worker: u64, round: u64) -> i64 {
        let number = worker.wrapping_mul(7919).wrapping_add(round.wrapping_mul(31));
        1 + (number % self.tenants.unsigned_abs()).cast_signed()
    }

    /// One transfer between two accounts of a tenant; `transfer` must be new.
    pub async fn transfer(&self, client: &Client, tenant: i64, transfer: i64) -> Result<()> {
        let (from, to) = (1 + transfer % ACCOUNTS, 1 + (transfer + 1) % ACCOUNTS);
        // In the order of the accounts, so that two transfers never wait for each other.
        let mut steps = [(from, -1_i64), (to, 1_i64)];
        steps.sort_unstable();
        client.batch_execute("BEGIN").await?;
        for (account, amount) in steps {
            let update =
                "UPDATE accounts SET balance = balance + $1 WHERE tenant_id = $2 AND account_id = $3";
            ensure!(
                client.execute(update, &[&amount, &tenant, &account]).await? == 1,
                "an account of {tenant} is gone"
            );
        }
        client.execute("INSERT INTO ledger VALUES ($1, $2)", &[&tenant, &transfer]).await?;
        client.batch_execute("COMMIT").await?;
        self.answered.lock().expect("nobody panics with the books open").insert((tenant, transfer));
        Ok(())
    }

    /// Whether the books balance now, for a tenant and for all of them together.
    pub async fn balances(&self, client: &Client, tenant: i64) -> Result<()> {
        let of_tenant = "SELECT sum(balance)::bigint, count(*) FROM accounts WHERE tenant_id = $1";
        let row = client.query_one(of_tenant, &[&tenant]).await?;
        let (sum, count): (Option<i64>, i64) = (row.get(0), row.get(1));
        ensure!(
            sum == Some(TENANT_TOTAL) && count == ACCOUNTS,
            "tenant {tenant} has {count} accounts with {sum:?}"
        );
        let row = client.query_one("SELECT sum(balance), count(*) FROM accounts", &[]).await?;
        let count: i64 = row.get(1);
        ensure!(count == self.tenants * ACCOUNTS, "{count} accounts instead of {}", self.tenants * ACCOUNTS);
        let all = client.simple_query("SELECT sum(balance) FROM accounts").await?;
        let sum = all.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        ensure!(sum == Some((self.tenants * TENANT_TOTAL).to_string()), "all together have {sum:?}");
        Ok(())
    }

    /// Whether every answered transfer is in the ledger, once, and every tenant's books balance.
    pub async fn audit(&self, client: &Client) -> Result<()> {
        for tenant in 1..=self.tenants {
            self.balances(client, tenant).await?;
        }
        let rows = client.query("SELECT tenant_id, transfer_id FROM ledger", &[]).await?;
        let written: HashSet<(i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        ensure!(written.len() == rows.len(), "{} transfers stand twice", rows.len() - written.len());
        let answered = self.answered.lock().expect("nobody panics with the books open");
        let lost = answered.difference(&written).count();
        ensure!(lost == 0, "{lost} of {} answered transfers are lost", answered.len());
        Ok(())
    }
}
