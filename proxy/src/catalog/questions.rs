//! The queries that read the facts. Each answers with one JSON text, so that a reading is a few
//! pipelined round trips and its fingerprint is a hash of what came.

use serde::de::DeserializeOwned;
use tokio_postgres::Client;

use super::facts::Facts;

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

const DATABASE: &str = "SELECT datcollate AS collate, to_jsonb(d) ->> 'datlocprovider' AS provider \
     FROM pg_database d WHERE datname = current_database()";

const RELATIONS: &str = "SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, \
       c.relpersistence = 'u' AS unlogged, \
       c.relrowsecurity OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) \
         OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN') \
         AS has_triggers, \
       CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS definition \
     FROM {relations} AND {schema} ORDER BY 2, 3";

const COLUMNS: &str = "SELECT a.attrelid::int8 AS relation, a.attnum AS number, a.attname AS name, \
       a.atttypid::int8 AS type_oid, a.atttypmod AS type_modifier, \
       format_type(a.atttypid, a.atttypmod) AS type_name, format_type(a.atttypid, -1) AS bare_type, \
       t.typcategory NOT IN ('A', 'C', 'P') AND t.typarray <> 0 AND t.typsend <> 0 AND t.typreceive <> 0 \
         AS binary_arrays, \
       CASE WHEN a.attcollation <> t.typcollation THEN quote_ident(ln.nspname) || '.' || quote_ident(l.collname) \
         END AS own_collation, \
       a.attnotnull AS not_null, CASE a.attidentity WHEN '' THEN pg_get_expr(f.adbin, f.adrelid) \
       ELSE format('nextval(%L::regclass)', pg_get_serial_sequence(a.attrelid::regclass::text, a.attname)) END AS default, \
       a.attidentity AS identity, a.attgenerated AS generated, \
       CASE WHEN l.oid IS NOT NULL THEN json_build_object('name', l.collname, \
         'provider', CASE WHEN l.oid = 100 THEN 'd' ELSE l.collprovider::text END, \
         'collate', l.collcollate, 'deterministic', l.collisdeterministic) END AS collation \
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
       bool_or(p.proretset) AS returns_set \
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
     LEFT JOIN pg_depend e ON e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e' \
     WHERE n.nspname <> 'pgherd' GROUP BY 1 ORDER BY 1";

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

/// The queries, each with one JSON text as its only value; for whoever reads the catalog inside a
/// transaction. [`understand`] takes the answers in this order.
pub fn questions() -> [String; 10] {
    [DATABASE, RELATIONS, COLUMNS, KEYS, FOREIGN_KEYS, PARENTS, DEPENDENCIES, FUNCTIONS, OPERATORS, TYPES]
        .map(|question| {
            let question = question.replace("{relations}", RELATIONS_FROM).replace("{schema}", USER_SCHEMA);
            format!("SELECT coalesce(json_agg(q), '[]')::text FROM ({question}) q")
        })
}

/// Reads the catalog of the database that `client` is connected to.
///
/// # Errors
/// [`ReadError`] where a query fails.
pub async fn read(client: &Client) -> Result<Facts, ReadError> {
    client.batch_execute("SET search_path TO pg_catalog").await?;
    let questions = questions();
    let answers = questions.iter().map(|question| async {
        let row = client.query_typed_one(question.as_str(), &[]).await?;
        row.try_get::<_, String>(0)
    });
    let answers = futures_util::future::try_join_all(answers).await?;
    Ok(understand(&answers)?)
}

/// What the answers to [`questions`] say, in their order.
///
/// # Errors
/// An answer is missing or has another shape.
pub fn understand(answers: &[String]) -> Result<Facts, serde_json::Error> {
    let fingerprint =
        answers.iter().fold(0, |hash, text| xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), hash));
    let answer = |index: usize| answers.get(index).map_or("", String::as_str);
    let operators: Vec<Named> = rows(answer(8))?;
    Ok(Facts {
        fingerprint,
        database: rows(answer(0))?.pop().unwrap_or_default(),
        relations: rows(answer(1))?,
        columns: rows(answer(2))?,
        keys: rows(answer(3))?,
        foreign_keys: rows(answer(4))?,
        parents: rows(answer(5))?,
        dependencies: rows(answer(6))?,
        functions: rows(answer(7))?,
        operators: operators.into_iter().map(|operator| operator.name).collect(),
        types: rows(answer(9))?,
    })
}

fn rows<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, serde_json::Error> {
    serde_json::from_str(text)
}
