//! The question that reads the facts: one statement whose answer is one text, a JSON array for each
//! part, so that a reading is one round trip and its fingerprint is a hash of what came.
//!
//! PostgreSQL's own functions are nine tenths of what there is to read and never change while a server
//! runs: they are a question of their own, asked once a connection.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio_postgres::{Client, Statement};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::defaults;
use super::facts::{Facts, FunctionRow};

/// The catalog could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A query failed.
    #[error("the catalog could not be read: {0}")]
    Query(#[from] tokio_postgres::Error),
    /// An answer has another shape than the query says.
    #[error("the catalog's answer is not understood: {0}")]
    Shape(#[from] serde_json::Error),
}

/// The schemas whose relations are a user's; `n` is a row of `pg_namespace`.
const USER_SCHEMA: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'pgherd') \
     AND n.nspname !~ '^pg_(toast_)?temp_'";

/// A user's relations; views that come with an extension look into one server and are left out.
const RELATIONS_FROM: &str = "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't' AND \
     NOT (c.relkind = 'v' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass \
          AND d.objid = c.oid AND d.deptype = 'e'))";

/// What another session holds for itself alone: to ask for its definition would wait for that session's
/// end.
const LOCKED: &str = "ARRAY(SELECT relation FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
     AND relation IS NOT NULL AND pid <> pg_backend_pid())";

const RELATIONS: &str = "SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, \
       c.relpersistence = 'u' AS unlogged, \
       c.relrowsecurity OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) \
         OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN') \
         AS has_triggers, \
       c.relrowsecurity OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN') \
         OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal \
           AND t.tgqual::text ~ 'FUNCEXPR|SQLVALUEFUNCTION') AS has_rules, \
       ARRAY(SELECT DISTINCT p.proname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid \
         WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' ORDER BY 1) AS trigger_functions, \
       CASE WHEN c.relhasrules AND c.relkind IN ('r', 'p') AND c.oid <> ALL ({locked}) THEN \
         (SELECT string_agg(pg_get_ruledef(r.oid), ';' ORDER BY r.rulename) FROM pg_rewrite r \
          WHERE r.ev_class = c.oid) END AS rules, \
       EXISTS (SELECT FROM pg_constraint k WHERE k.confrelid = c.oid AND k.contype = 'f' \
         AND (k.confdeltype NOT IN ('a', 'r') OR k.confupdtype NOT IN ('a', 'r'))) AS has_acting_keys, \
       CASE WHEN c.relkind IN ('v', 'm') AND c.oid <> ALL ({locked}) THEN pg_get_viewdef(c.oid) END AS definition \
     FROM {relations} AND {schema} ORDER BY 2, 3";

const COLUMNS: &str = "SELECT a.attrelid::int8 AS relation, a.attnum AS number, a.attname AS name, \
       a.atttypid::int8 AS type_oid, a.atttypmod AS type_modifier, \
       format_type(a.atttypid, a.atttypmod) AS type_name, format_type(a.atttypid, -1) AS bare_type, \
       t.typcategory NOT IN ('A', 'C', 'P') AND t.typarray <> 0 AND t.typsend <> 0 AND t.typreceive <> 0 \
         AS binary_arrays, \
       CASE WHEN a.attcollation <> t.typcollation THEN quote_ident(ln.nspname) || '.' || quote_ident(l.collname) \
         END AS own_collation, \
       a.attnotnull AS not_null, f.oid IS NOT NULL AS has_default, \
       CASE WHEN a.attidentity <> '' \
         THEN format('nextval(%L::regclass)', pg_get_serial_sequence(a.attrelid::regclass::text, a.attname)) \
         WHEN c.oid <> ALL ({locked}) THEN pg_get_expr(f.adbin, f.adrelid) END AS default, \
       a.attidentity AS identity, a.attgenerated AS generated, \
       CASE WHEN l.oid IS NOT NULL THEN json_build_object('name', l.collname, \
         'provider', CASE WHEN l.oid = 100 THEN 'd' ELSE l.collprovider::text END, \
         'collate', l.collcollate, \
         'locale', coalesce(to_jsonb(l) ->> 'colllocale', to_jsonb(l) ->> 'colliculocale'), 'deterministic', l.collisdeterministic) END AS collation \
     FROM pg_attribute a JOIN (SELECT c.oid FROM {relations} AND {schema} AND c.relkind <> 'S') c \
       ON c.oid = a.attrelid \
     JOIN pg_type t ON t.oid = a.atttypid \
     LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum \
     LEFT JOIN pg_collation l ON l.oid = a.attcollation \
     LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace \
     WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 2";

const KEYS: &str = "SELECT i.indrelid::int8 AS relation, x.relname AS name, i.indisprimary AS primary, \
       i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AS plain, \
       (SELECT array_agg(k ORDER BY o) FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(k, o) \
        WHERE o <= i.indnkeyatts) AS columns, \
       (SELECT array_agg(p.oprname ORDER BY o) FROM pg_constraint s, \
         unnest(s.conexclop) WITH ORDINALITY u(op, o) JOIN pg_operator p ON p.oid = u.op \
        WHERE s.conindid = i.indexrelid AND s.contype = 'x') AS exclusion \
     FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid \
     WHERE (i.indisunique OR i.indisexclusion) \
       AND i.indrelid IN (SELECT c.oid FROM {relations} AND {schema}) ORDER BY 1, 3 DESC, 2";

const FOREIGN_KEYS: &str = "SELECT conrelid::int8 AS relation, conname AS name, confrelid::int8 AS target, \
       conkey AS columns, confkey AS target_columns \
     FROM pg_constraint WHERE contype = 'f' ORDER BY 1, 2";

const PARENTS: &str = "SELECT inhrelid::int8 AS child, inhparent::int8 AS parent FROM pg_inherits i \
     JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind IN ('r', 'p', 'f') ORDER BY 1, 2";

const DEPENDENCIES: &str = "SELECT DISTINCT r.ev_class::int8 AS view, \
       CASE WHEN d.refclassid = 'pg_class'::regclass THEN d.refobjid::int8 END AS relation, \
       CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid::regproc::text END AS function \
     FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid \
     WHERE r.rulename = '_RETURN' AND (d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class \
       OR d.refclassid = 'pg_proc'::regclass AND NOT EXISTS (SELECT FROM pg_depend e \
          WHERE e.classid = 'pg_proc'::regclass AND e.objid = d.refobjid AND e.deptype = 'e')) \
       AND r.oid >= 16384 ORDER BY 1, 2, 3";

const FUNCTIONS: &str = "SELECT p.proname AS name, max(p.provolatile) AS volatility, \
       bool_and(n.nspname = 'pg_catalog' OR e.objid IS NOT NULL) AS builtin, \
       bool_or(p.prokind = 'a') AS aggregate, bool_or(p.prokind = 'w') AS window, \
       bool_or(p.proretset) AS returns_set, \
       string_agg(s.source, ';' ORDER BY p.oid) AS source, bool_and(s.source IS NOT NULL) AS readable \
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
     LEFT JOIN pg_depend e ON e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e' \
     LEFT JOIN LATERAL (SELECT coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) AS source FROM pg_language l \
       WHERE l.oid = p.prolang AND l.lanname IN ('sql', 'plpgsql') AND p.oid >= 16384 AND e.objid IS NULL) s ON true \
     WHERE n.nspname <> 'pgherd' AND p.oid {which} 16384 GROUP BY 1 ORDER BY 1";

const OPERATORS: &str = "SELECT DISTINCT o.oprname AS name FROM pg_operator o \
     JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE n.nspname <> 'pg_catalog' \
     AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_operator'::regclass \
       AND e.objid = o.oid AND e.deptype = 'e') ORDER BY 1";

const TYPES: &str = "SELECT t.oid::int8 AS oid, t.typname AS name FROM pg_type t \
     JOIN pg_namespace n ON n.oid = t.typnamespace \
     WHERE t.oid >= 16384 AND {schema} ORDER BY 1";

#[derive(serde::Deserialize)]
struct Named {
    name: String,
}

/// Between the parts of an answer; JSON text never holds it.
const BETWEEN: char = '\u{1e}';

/// PostgreSQL's own functions, as one server has them.
#[derive(Clone, Debug, Default)]
pub(super) struct Builtin {
    pub(super) rows: Arc<[FunctionRow]>,
    fingerprint: u64,
}

/// The question, for whoever asks it inside a transaction; [`understand`] takes its answer.
pub fn question() -> String {
    let database = defaults::question();
    let parts = [
        &database,
        RELATIONS,
        COLUMNS,
        KEYS,
        FOREIGN_KEYS,
        PARENTS,
        DEPENDENCIES,
        FUNCTIONS,
        OPERATORS,
        TYPES,
    ];
    let parts = parts.map(|part| array(&part.replace("{which}", ">=")));
    format!("SELECT concat_ws(chr({}), {})", u32::from(BETWEEN), parts.join(", "))
}

fn array(part: &str) -> String {
    let part = part.replace("{relations}", RELATIONS_FROM).replace("{schema}", USER_SCHEMA);
    let part = part.replace("{locked}", LOCKED);
    format!("(SELECT coalesce(json_agg(q), '[]')::text FROM ({part}) q)")
}

/// A connection that reads the catalog of the database it is connected to, again and again.
#[derive(Debug)]
pub(super) struct Reader {
    client: Client,
    question: Statement,
    builtin: Builtin,
}

impl Reader {
    /// Makes a connection a reader.
    ///
    /// # Errors
    /// [`ReadError`] where a query fails.
    pub(super) async fn new(client: Client) -> Result<Reader, ReadError> {
        let builtin = prepare(&client).await?;
        let question = client.prepare(&question()).await?;
        Ok(Reader { client, question, builtin })
    }

    /// The catalog as it stands; [`understand`] says what it means.
    ///
    /// # Errors
    /// [`ReadError`] where the query fails.
    pub(super) async fn ask(&self) -> Result<String, ReadError> {
        Ok(self.client.query_one(&self.question, &[]).await?.try_get(0)?)
    }

    /// PostgreSQL's own functions.
    pub(super) fn builtin(&self) -> &Builtin {
        &self.builtin
    }
}

/// Reads the catalog of the database that `client` is connected to, once.
///
/// # Errors
/// [`ReadError`] where a query fails.
pub async fn read(client: &Client) -> Result<Facts, ReadError> {
    let builtin = prepare(client).await?;
    let answer = client.query_typed_one(&question(), &[]).await?;
    Ok(understand(answer.try_get(0)?, &builtin)?)
}

/// Readies a connection for [`question`].
async fn prepare(client: &Client) -> Result<Builtin, ReadError> {
    client.batch_execute("SET search_path TO pg_catalog; SET jit TO off; SET lock_timeout TO '1s'").await?;
    let question = format!("SELECT {}", array(&FUNCTIONS.replace("{which}", "<")));
    let answer = client.query_typed_one(&question, &[]).await?;
    let text: &str = answer.try_get(0)?;
    Ok(Builtin {
        rows: rows::<FunctionRow>(text)?.into(),
        fingerprint: xxh3_64_with_seed(text.as_bytes(), 0),
    })
}

/// A number that two answers share where they are the same.
pub(super) fn fingerprint(answer: &str, builtin: &Builtin) -> u64 {
    xxh3_64_with_seed(answer.as_bytes(), builtin.fingerprint)
}

/// What an answer to [`question`] says.
///
/// # Errors
/// A part is missing or has another shape.
pub(super) fn understand(answer: &str, builtin: &Builtin) -> Result<Facts, serde_json::Error> {
    let mut parts = answer.split(BETWEEN);
    let mut next = || parts.next().unwrap_or_default();
    Ok(Facts {
        fingerprint: fingerprint(answer, builtin),
        database: rows(next())?.pop().unwrap_or_default(),
        relations: rows(next())?,
        columns: rows(next())?,
        keys: rows(next())?,
        foreign_keys: rows(next())?,
        parents: rows(next())?,
        dependencies: rows(next())?,
        functions: rows(next())?,
        operators: rows::<Named>(next())?.into_iter().map(|operator| operator.name).collect(),
        types: rows(next())?,
        builtin: builtin.clone(),
    })
}

fn rows<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, serde_json::Error> {
    serde_json::from_str(text)
}
