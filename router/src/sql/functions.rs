//! What is known of PostgreSQL's own functions beyond their volatility.

/// Volatile functions that write nothing and hold nothing: a replica may run them.
const HARMLESS_VOLATILE: &[&str] = &[
    "clock_timestamp",
    "gen_random_uuid",
    "pg_backend_pid",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "random",
    "random_normal",
    "setseed",
    "statement_timestamp",
    "timeofday",
    "uuidv4",
    "uuidv7",
    "pg_stat_get_activity",
    "pg_lock_status",
    "pg_prepared_statement",
    "pg_cursor",
    "pg_show_all_settings",
    "pg_stat_get_wal_senders",
];

/// Functions that run SQL text, or read tables whose names they are given.
const RUNNING_SQL: &[&str] = &[
    "query_to_xml",
    "query_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "table_to_xml",
    "table_to_xmlschema",
    "table_to_xml_and_xmlschema",
    "schema_to_xml",
    "schema_to_xmlschema",
    "schema_to_xml_and_xmlschema",
    "database_to_xml",
    "database_to_xmlschema",
    "database_to_xml_and_xmlschema",
    "ts_stat",
    "ts_rewrite",
    "crosstab",
    "crosstab2",
    "crosstab3",
    "crosstab4",
    "crosstabn",
    "connectby",
    "xpath_table",
];

/// Functions that act on the server process or its files: through a proxy they would meet the wrong one.
const OF_ONE_SERVER: &[&str] = &[
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_promote",
    "pg_rotate_logfile",
    "pg_read_file",
    "pg_read_binary_file",
    "pg_switch_wal",
    "pg_backup_start",
    "pg_backup_stop",
    "pg_start_backup",
    "pg_stop_backup",
    "pg_create_restore_point",
    "pg_wal_replay_pause",
    "pg_wal_replay_resume",
    "pg_create_physical_replication_slot",
    "pg_create_logical_replication_slot",
    "pg_drop_replication_slot",
    "pg_export_snapshot",
];

/// What a function does that routing must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing beyond its volatility.
    Plain,
    /// Gives a sequence's next value, or sets it.
    Sequence,
    /// Reads what this session last took from a sequence.
    SequenceOfSession,
    /// Locks for the length of the session, or unlocks.
    SessionLock,
    /// Locks for the length of the transaction.
    TransactionLock,
    /// Sends a notification.
    Notify,
    /// `set_config`.
    Config,
    /// Runs SQL text that it is given.
    RunsSql,
    /// Acts on one server's processes or files.
    Server,
}

/// What a function of `pg_catalog` or of an extension does, by its name.
pub(crate) fn effect_of(name: &str) -> Effect {
    match name {
        "nextval" | "setval" => Effect::Sequence,
        "currval" | "lastval" => Effect::SequenceOfSession,
        "pg_notify" => Effect::Notify,
        "set_config" => Effect::Config,
        _ if name.starts_with("pg_advisory_xact_lock") || name.starts_with("pg_try_advisory_xact_lock") => {
            Effect::TransactionLock
        }
        _ if name.starts_with("pg_advisory_") || name.starts_with("pg_try_advisory_") => Effect::SessionLock,
        _ if name.starts_with("dblink") || RUNNING_SQL.contains(&name) => Effect::RunsSql,
        _ if OF_ONE_SERVER.contains(&name) => Effect::Server,
        _ => Effect::Plain,
    }
}

/// True for a volatile function that writes nothing.
pub(crate) fn is_harmless(name: &str) -> bool {
    HARMLESS_VOLATILE.contains(&name)
}
