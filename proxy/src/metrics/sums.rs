//! The sums of a database's and user's sessions, and those of the busiest tenants, in `/metrics`.

use std::fmt;
use std::sync::PoisonError;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use super::registry::TenantBook;
use super::sessions::{Count, SessionBook};
use super::tenants::TenantTotals;

/// What is shown: its name, its help, and what a unit of it is in the count.
const SHOWN: [(&str, &str, Count, f64); 12] = [
    ("session_transactions", "Transactions that ran on servers", Count::Transactions, 1.0),
    ("session_statements", "Statements", Count::Statements, 1.0),
    ("session_rows", "Rows that servers returned or changed", Count::Rows, 1.0),
    ("session_received_bytes", "Bytes from clients", Count::Received, 1.0),
    ("session_sent_bytes", "Bytes to clients", Count::Sent, 1.0),
    ("session_errors", "Errors that clients were told", Count::Errors, 1.0),
    ("session_logins", "Logins", Count::Logins, 1.0),
    ("session_server_assignments", "Server connections lent", Count::Assignments, 1.0),
    ("session_transaction_seconds", "Time that transactions held connections", Count::TransactionTime, 1e-6),
    ("session_statement_seconds", "Time of statements", Count::StatementTime, 1e-6),
    ("session_wait_seconds", "Time that was waited for server connections", Count::WaitTime, 1e-6),
    ("session_server_parses", "Statements prepared on servers", Count::ServerParses, 1.0),
];

/// What is shown of the busiest tenants.
const SHOWN_OF_TENANTS: [(&str, &str, Count, f64); 7] = [
    ("tenant_transactions", "Transactions of the busiest tenants", Count::Transactions, 1.0),
    ("tenant_statements", "Statements of the busiest tenants", Count::Statements, 1.0),
    ("tenant_rows", "Rows of the busiest tenants", Count::Rows, 1.0),
    ("tenant_sent_bytes", "Bytes to clients for the busiest tenants", Count::Sent, 1.0),
    ("tenant_errors", "Errors told for the busiest tenants", Count::Errors, 1.0),
    ("tenant_statement_seconds", "Time of the busiest tenants' statements", Count::StatementTime, 1e-6),
    ("tenant_wait_seconds", "Time that the busiest tenants waited for connections", Count::WaitTime, 1e-6),
];

/// Reads the books when `/metrics` is asked for.
#[derive(Debug)]
pub(super) struct SumsCollector(pub(super) SessionBook, pub(super) TenantBook);

impl Collector for SumsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let sums = self.0.sums();
        for (name, help, count, unit) in SHOWN {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (whose, sums) in &sums {
                let labels = [("database", whose.database.as_str()), ("user", whose.user.as_str())];
                let value = sums.totals.of(count) as f64 * unit;
                ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
            }
        }

        let tenants: Vec<(String, Vec<TenantTotals>)> = {
            let book = self.1.lock().unwrap_or_else(PoisonError::into_inner);
            book.iter().map(|(database, tenants)| (database.clone(), tenants.busiest())).collect()
        };
        for (name, help, count, unit) in SHOWN_OF_TENANTS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (database, tenants) in &tenants {
                for tenant in tenants {
                    let labels = [("database", database.as_str()), ("tenant", tenant.tenant.as_str())];
                    let value = tenant.totals.of(count) as f64 * unit;
                    ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}
