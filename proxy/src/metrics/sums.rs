//! The sums of a database's and user's sessions in `/metrics`.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use super::sessions::{Count, SessionBook};

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

/// Reads the book when `/metrics` is asked for.
#[derive(Debug)]
pub(super) struct SumsCollector(pub(super) SessionBook);

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
        Ok(())
    }
}
