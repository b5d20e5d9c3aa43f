//! One server: its version, its settings and what the admin role may do there.

use tokio_postgres::Client;

use super::finding::{Finding, Weight};

/// Libraries whose collations order texts, in the order of [`Standing::versions`].
pub(super) const LIBRARIES: [&str; 2] = ["libc", "ICU"];

/// One database of one server, as far as it matters.
#[derive(Debug)]
pub(super) struct Standing {
    version: i32,
    wal_level: String,
    slots: i32,
    senders: i32,
    prepared: i32,
    superuser: bool,
    replication: bool,
    may_create: bool,
    may_see: bool,
    encoding: String,
    /// The versions of the collations of [`LIBRARIES`]; empty where there are none.
    pub(super) versions: Vec<String>,
    /// The server's clock, in seconds since 1970.
    pub(super) clock: f64,
    /// Tables that the admin role neither owns nor is a member of the owner of.
    foreign: Vec<String>,
}

const QUESTION: &str = "
SELECT current_setting('server_version_num')::int4, current_setting('wal_level'),
       current_setting('max_replication_slots')::int4, current_setting('max_wal_senders')::int4,
       current_setting('max_prepared_transactions')::int4, r.rolsuper, r.rolreplication,
       has_database_privilege(current_database(), 'CREATE'), pg_has_role('pg_read_all_stats', 'MEMBER'),
       pg_encoding_to_char(d.encoding)::text,
       ARRAY[coalesce((SELECT max(pg_collation_actual_version(oid)) FROM pg_collation WHERE collprovider = 'c'), ''),
             coalesce((SELECT max(pg_collation_actual_version(oid)) FROM pg_collation
                       WHERE collname = 'und-x-icu'), '')],
       extract(epoch FROM clock_timestamp())::float8,
       ARRAY(SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgherd')
               AND n.nspname !~ '^pg_' AND NOT pg_has_role(c.relowner, 'MEMBER') ORDER BY 1)
FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()";

/// Asks one server about the database that `client` is connected to.
pub(super) async fn ask(client: &Client) -> Result<Standing, tokio_postgres::Error> {
    // The admin role's own settings must not hide the servers'.
    let row = client.query_typed_one(QUESTION, &[]).await?;
    Ok(Standing {
        version: row.try_get(0)?,
        wal_level: row.try_get(1)?,
        slots: row.try_get(2)?,
        senders: row.try_get(3)?,
        prepared: row.try_get(4)?,
        superuser: row.try_get(5)?,
        replication: row.try_get(6)?,
        may_create: row.try_get(7)?,
        may_see: row.try_get(8)?,
        encoding: row.try_get(9)?,
        versions: row.try_get(10)?,
        clock: row.try_get(11)?,
        foreign: row.try_get(12)?,
    })
}

impl Standing {
    /// What this server lacks. `database` and `role` are quoted for SQL.
    pub(super) fn findings(&self, server: &str, database: &str, role: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut note = |wrong: bool, weight: Weight, what: String, fix: String| {
            if wrong {
                found.push(Finding { weight, server: server.to_owned(), what, fix });
            }
        };
        let setting = |text: &str| format!("ALTER SYSTEM SET {text}; then restart the server");
        note(
            self.version < 140_000,
            Weight::Error,
            format!("PostgreSQL {} is older than 14", self.version / 10_000),
            "upgrade the server".to_owned(),
        );
        note(
            self.wal_level != "logical",
            Weight::Error,
            format!("wal_level is {}, so nothing can be moved from here", self.wal_level),
            setting("wal_level = logical"),
        );
        note(
            self.slots < 4,
            Weight::Warning,
            format!("max_replication_slots is {}; a move needs two besides the replicas'", self.slots),
            setting("max_replication_slots = 10"),
        );
        note(
            self.senders < 4,
            Weight::Warning,
            format!("max_wal_senders is {}; a move needs two besides the replicas'", self.senders),
            setting("max_wal_senders = 10"),
        );
        note(
            self.prepared == 0,
            Weight::Error,
            "max_prepared_transactions is 0, so no transaction can write on several servers".to_owned(),
            setting("max_prepared_transactions = 100"),
        );
        note(
            self.encoding != "UTF8",
            Weight::Error,
            format!("database {database} is not in UTF8"),
            "create it anew with ENCODING 'UTF8'".to_owned(),
        );
        if !self.superuser {
            let grant = |wrong: bool, what: &str, fix: String| (wrong, what.to_owned(), fix);
            let rights = [
                grant(
                    !self.replication,
                    "may not replicate, so it can not move",
                    format!("ALTER ROLE {role} REPLICATION"),
                ),
                grant(
                    !self.may_create,
                    "may not create schema pgherd and publications",
                    format!("GRANT CREATE ON DATABASE {database} TO {role}"),
                ),
                grant(
                    !self.may_see,
                    "may not see how replicas stream, so they are not used",
                    format!("GRANT pg_read_all_stats TO {role}"),
                ),
            ];
            for (wrong, what, fix) in rights {
                note(wrong, Weight::Error, format!("the admin role {what}"), fix);
            }
            for table in &self.foreign {
                let what = format!("the admin role does not own table {table}, so it can not move its rows");
                let fix = format!("GRANT the role that owns {table} TO {role}");
                note(true, Weight::Error, what, fix);
            }
        }
        found
    }
}
