//! What is asked of each way: the tables, their rows, and the loads in pgbench's script language.

use ::tests::Server;
use anyhow::{Context, Result};

/// Tenants in the tables.
const TENANTS: u32 = 200;

/// Accounts of each tenant.
const ACCOUNTS: u32 = 500;

/// A row of one tenant by its key.
const READ: &str = "\
\\set tenant random(1, 200)
\\set account random(1, 500)
SELECT name, balance FROM accounts WHERE tenant_id = :tenant AND account_id = :account;
";

/// A transaction of one tenant with two writes.
const TRANSFER: &str = "\
\\set tenant random(1, 200)
\\set account random(1, 500)
\\set amount random(-500, 500)
BEGIN;
UPDATE accounts SET balance = balance + :amount WHERE tenant_id = :tenant AND account_id = :account;
SELECT balance FROM accounts WHERE tenant_id = :tenant AND account_id = :account;
INSERT INTO history (tenant_id, account_id, amount, at) VALUES (:tenant, :account, :amount, now());
COMMIT;
";

/// One load.
#[derive(Debug)]
pub struct Load {
    /// What the table calls it.
    pub name: &'static str,
    /// How statements are sent.
    pub protocol: Protocol,
    /// Scripts and their weights.
    pub scripts: &'static [(&'static str, u32)],
}

/// pgbench's `--protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// One Query message a statement.
    Simple,
    /// Parse, Bind, Execute each time.
    Extended,
    /// Parsed once a session; needs prepared statements that outlive a transaction.
    Prepared,
}

impl Protocol {
    /// pgbench's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Simple => "simple",
            Protocol::Extended => "extended",
            Protocol::Prepared => "prepared",
        }
    }
}

/// All loads, in the order of the table.
pub const LOADS: [Load; 4] = [
    Load { name: "read, simple protocol", protocol: Protocol::Simple, scripts: &[(READ, 1)] },
    Load { name: "read, extended protocol", protocol: Protocol::Extended, scripts: &[(READ, 1)] },
    Load { name: "read, prepared", protocol: Protocol::Prepared, scripts: &[(READ, 1)] },
    Load {
        name: "3 reads to 1 transfer, extended protocol",
        protocol: Protocol::Extended,
        scripts: &[(READ, 3), (TRANSFER, 1)],
    },
];

/// Makes and fills the tables on a server, before any proxy looks at it.
///
/// # Errors
/// PostgreSQL refused something.
pub async fn fill(server: &Server) -> Result<()> {
    let client = server.connect("app").await?;
    let statements = format!(
        "SET ROLE app;
         CREATE TABLE accounts (tenant_id bigint, account_id bigint, name text NOT NULL, balance bigint NOT NULL,
                                PRIMARY KEY (tenant_id, account_id));
         CREATE TABLE history (tenant_id bigint NOT NULL, account_id bigint NOT NULL, amount bigint NOT NULL,
                               at timestamptz NOT NULL);
         INSERT INTO accounts SELECT t, a, 'account ' || a, 0
             FROM generate_series(1, {TENANTS}) t, generate_series(1, {ACCOUNTS}) a;"
    );
    client.batch_execute(&statements).await.context("cannot fill the tables")?;
    client.batch_execute("RESET ROLE").await?;
    client.batch_execute("VACUUM ANALYZE").await.context("cannot vacuum the tables")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_ask_for_rows_that_are_there() {
        for script in [READ, TRANSFER] {
            assert!(script.contains(&format!("\\set tenant random(1, {TENANTS})")), "{script}");
            assert!(script.contains(&format!("\\set account random(1, {ACCOUNTS})")), "{script}");
        }
    }
}
