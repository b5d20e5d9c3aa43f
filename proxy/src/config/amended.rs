//! Keys that an operator sets while the daemon runs: in force until the file is read again.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::fault::{Fault, Faults};
use super::settings::Config;

/// The tables whose keys can be set.
const TABLES: [&str; 6] = ["proxy", "pool", "replicas", "moves", "merge", "gather"];

/// PgBouncer's names of keys that mean the same here.
const PGBOUNCER: [(&str, &str); 20] = [
    ("max_client_conn", "proxy.max_client_connections"),
    ("client_idle_timeout", "proxy.client_idle_timeout"),
    ("client_login_timeout", "proxy.client_login_timeout"),
    ("log_connections", "proxy.log_connections"),
    ("log_disconnections", "proxy.log_disconnections"),
    ("pool_mode", "pool.mode"),
    ("default_pool_size", "pool.size"),
    ("min_pool_size", "pool.min_size"),
    ("reserve_pool_size", "pool.reserve_size"),
    ("reserve_pool_timeout", "pool.reserve_timeout"),
    ("query_wait_timeout", "pool.wait_timeout"),
    ("query_timeout", "pool.query_timeout"),
    ("transaction_timeout", "pool.transaction_timeout"),
    ("idle_transaction_timeout", "pool.idle_transaction_timeout"),
    ("server_idle_timeout", "pool.idle_timeout"),
    ("server_lifetime", "pool.lifetime"),
    ("server_connect_timeout", "pool.connect_timeout"),
    ("server_login_retry", "pool.login_retry"),
    ("server_check_delay", "pool.check_delay"),
    ("server_reset_query", "pool.reset_query"),
];

/// The keys that were set, by table and name.
#[derive(Clone, Debug, Default)]
pub struct Amendments(BTreeMap<(String, String), Value>);

impl Amendments {
    /// These and one more: the configuration that a file's text makes with them. A key is named as in the
    /// file, with its table (`pool.size`), or as PgBouncer names it.
    ///
    /// # Errors
    /// There is no such key, or it has no such value.
    pub fn and(&self, key: &str, value: &str, text: &str) -> Result<(Amendments, Config), Faults> {
        let named = PGBOUNCER.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        let path = named.map_or(key, |(_, path)| path).to_ascii_lowercase();
        let place = path.split_once('.').filter(|(table, _)| TABLES.contains(table));
        let Some((table, name)) = place else { return Err(unknown(key)) };
        let place = (table.to_owned(), name.to_owned());
        let mut faults = unknown(key);
        for value in readings(value) {
            let mut amendments = self.clone();
            amendments.0.insert(place.clone(), value);
            match Config::parse(&amendments.put_into(text), key) {
                Ok(config) => return Ok((amendments, config)),
                Err(more) => faults = more,
            }
        }
        Err(faults)
    }

    /// The text with the keys' values; as it is where it cannot be read.
    fn put_into(&self, text: &str) -> String {
        let Ok(mut root) = text.parse::<Table>() else { return text.to_owned() };
        for ((table, name), value) in &self.0 {
            let table = root.entry(table.as_str()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(table) = table {
                table.insert(name.clone(), value.clone());
            }
        }
        root.to_string()
    }
}

/// What a value may be meant as: PgBouncer's users write 0 and 1 for false and true, and numbers of seconds.
fn readings(value: &str) -> Vec<Value> {
    let truth = match value.to_ascii_lowercase().as_str() {
        "0" | "off" | "false" | "no" => Some(false),
        "1" | "on" | "true" | "yes" => Some(true),
        _ => None,
    };
    let number = value.parse().ok().map(Value::Integer);
    let text = Value::String(value.to_owned());
    [Some(text), truth.map(Value::Boolean), number].into_iter().flatten().collect()
}

fn unknown(key: &str) -> Faults {
    let what = format!("there is no key \"{key}\" to set");
    Faults { file: key.to_owned(), faults: vec![Fault { line: 0, column: 0, key: String::new(), what }] }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FILE: &str = "[proxy]\nlog_connections = true\n[[database]]\nname = \"app\"\n[[server]]\nname = \"a\"\n\
                        nodes = [\"h:5432\"]\n[[user]]\nname = \"u\"\n[pool]\nsize = 7\n";

    #[test]
    fn a_key_is_set_by_its_own_name_and_by_pgbouncers() {
        let (amendments, config) = Amendments::default().and("pool.size", "9", FILE).unwrap();
        assert_eq!(config.pool.size, 9);
        let (amendments, config) = amendments.and("query_wait_timeout", "3", FILE).unwrap();
        assert_eq!((config.pool.size, config.pool.wait_timeout), (9, Duration::from_secs(3)));
        let (amendments, config) = amendments.and("LOG_CONNECTIONS", "0", FILE).unwrap();
        assert!(!config.proxy.log_connections);
        let (_, config) = amendments.and("gather.max_bytes", "1MB", FILE).unwrap();
        assert_eq!((config.gather.max_bytes, config.pool.size), (1 << 20, 9));
    }

    #[test]
    fn a_key_that_is_none_and_a_value_that_is_none_are_refused() {
        for (key, value) in [
            ("pool.sizes", "9"),
            ("pool.size", "many"),
            ("nothing", "1"),
            ("database.name", "x"),
            ("admin.user", "x"),
        ] {
            assert!(Amendments::default().and(key, value, FILE).is_err(), "{key}");
        }
    }
}
