//! Writes the stream's changes of the scope's rows on the target.
//!
//! Changes are sent one behind the other and their answers are read later: the target works while
//! the next ones are on their way. Each must meet exactly one row: anything else means that both
//! sides differ, and the copy is made anew.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use postgres_types::{Format, IsNull, ToSql, Type};
use router::ids::{KeyType, MoveId, quote_identifier};
use tokio_postgres::{Client, Statement};

use super::pgoutput::{Change, Field, RelationShape};
use crate::mover::bookkeeping::number;
use crate::mover::fault::{Fault, is_about_rows, said};
use crate::mover::tables::Table;
use crate::mover::tenants::ScopeFilter;

/// How many changes may be unanswered.
const UNANSWERED: usize = 512;
const HIDE: &str = "INSERT INTO pgherd.hidden (move, tenant) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// Applies changes in the transaction that its client has open.
pub(super) struct Applier {
    pub client: Arc<Client>,
    pub id: MoveId,
    pub filter: ScopeFilter,
    pub tables: Vec<Table>,
    /// Tenants that are hidden on the target for certain, as text.
    pub hidden: HashSet<String>,
    relations: HashMap<u32, Target>,
    statements: HashMap<String, Statement>,
    sent: VecDeque<Sent>,
}

/// A change whose answer is not read yet.
struct Sent {
    answer: BoxFuture<'static, Result<u64, tokio_postgres::Error>>,
    rows: Rows,
}

/// How many rows a statement must have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    One,
    Any,
}

/// A relation of the stream, with what the target's table says of it.
struct Target {
    shape: RelationShape,
    quoted: String,
    tenant: usize,
    key_type: KeyType,
    /// GENERATED ALWAYS AS IDENTITY, by column.
    always: Vec<bool>,
}

/// A value in PostgreSQL's text form.
#[derive(Debug)]
struct Text<'a>(&'a Field);

impl ToSql for Text<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            Field::Text(bytes) => {
                out.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
            Field::Null | Field::Unchanged => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    postgres_types::to_sql_checked!();
}

impl Applier {
    pub(super) fn new(
        client: Client,
        id: MoveId,
        filter: ScopeFilter,
        tables: Vec<Table>,
        hidden: HashSet<String>,
    ) -> Applier {
        Applier {
            client: Arc::new(client),
            id,
            filter,
            tables,
            hidden,
            relations: HashMap::new(),
            statements: HashMap::new(),
            sent: VecDeque::new(),
        }
    }

    /// Applies one change. After an error the transaction is void, and so is this.
    pub(super) async fn apply(&mut self, change: Change) -> Result<Effect, Fault> {
        match change {
            Change::Relation(shape) => {
                self.learn(shape);
                Ok(Effect::Nothing)
            }
            Change::Other => Ok(Effect::Nothing),
            Change::Truncate { relations } => {
                let name = relations.first().and_then(|id| self.relations.get(id));
                let name = name.map_or("a sharded table", |target| target.quoted.as_str());
                Err(Fault::Refused(format!("{name} was truncated on the source during the move")))
            }
            Change::Insert { relation, new } => {
                let tenant = self.tenant(relation, &new)?;
                if !self.holds(relation, &tenant) {
                    return Ok(Effect::Nothing);
                }
                self.hide(&tenant).await?;
                self.insert(relation, &new).await
            }
            Change::Update { relation, old, new } => self.update(relation, old.as_deref(), &new).await,
            Change::Delete { relation, old } => {
                let tenant = self.tenant(relation, &old)?;
                if self.holds(relation, &tenant) {
                    self.delete(relation, &old).await
                } else {
                    Ok(Effect::Nothing)
                }
            }
        }
    }

    fn learn(&mut self, shape: RelationShape) {
        let table = self.tables.iter().find(|table| table.schema == shape.schema && table.name == shape.name);
        let tenant = table
            .and_then(|table| shape.columns.iter().position(|(column, _)| *column == table.tenant_column));
        let (Some(table), Some(tenant)) = (table, tenant) else {
            // Partitions are described too, though their changes come as their root's. A change of
            // any other unknown table ends the stream.
            self.relations.remove(&shape.id);
            return;
        };
        let Some(key_type) = table.key_type else { return };
        let always = |(name, _): &(String, bool)| {
            table.columns.iter().any(|column| column.name == *name && column.identity_always)
        };
        let always = shape.columns.iter().map(always).collect();
        let quoted = table.quoted();
        self.statements.retain(|text, _| !text.contains(&quoted));
        self.relations.insert(shape.id, Target { quoted, tenant, key_type, always, shape });
    }

    fn target(&self, relation: u32) -> Result<&Target, Fault> {
        self.relations.get(&relation).ok_or_else(|| {
            Fault::Lost("the stream holds a change of a table that the target does not have".into())
        })
    }

    fn tenant(&self, relation: u32, row: &[Field]) -> Result<String, Fault> {
        let target = self.target(relation)?;
        match row.get(target.tenant) {
            Some(Field::Text(bytes)) => String::from_utf8(bytes.to_vec())
                .map_err(|_| Fault::Refused("a tenant key is not UTF-8".into())),
            Some(Field::Null | Field::Unchanged) | None => {
                Err(Fault::Refused(format!("a change of {} does not tell its tenant", target.quoted)))
            }
        }
    }

    fn holds(&self, relation: u32, tenant: &str) -> bool {
        self.relations.get(&relation).is_some_and(|target| self.filter.holds(target.key_type, tenant))
    }

    /// Hides a tenant in the transaction that first writes a row of it.
    async fn hide(&mut self, tenant: &str) -> Result<(), Fault> {
        if self.hidden.contains(tenant) {
            return Ok(());
        }
        let id = Field::Text(Bytes::from(number(self.id).to_string()));
        let key = Field::Text(Bytes::copy_from_slice(tenant.as_bytes()));
        self.send(HIDE.to_owned(), vec![id, key], Rows::Any).await?;
        self.hidden.insert(tenant.to_owned());
        Ok(())
    }

    async fn insert(&mut self, relation: u32, new: &[Field]) -> Result<Effect, Fault> {
        let target = self.target(relation)?;
        if new.contains(&Field::Unchanged) {
            return Err(Fault::Refused(format!(
                "a row of {} changed its tenant and was not sent whole",
                target.quoted
            )));
        }
        let names: Vec<String> =
            target.shape.columns.iter().map(|(name, _)| quote_identifier(name)).collect();
        let places: Vec<String> = (1..=names.len()).map(|place| format!("${place}")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})",
            target.quoted,
            names.join(", "),
            places.join(", ")
        );
        self.write(sql, new.iter().collect()).await
    }

    async fn update(&mut self, relation: u32, old: Option<&[Field]>, new: &[Field]) -> Result<Effect, Fault> {
        let after = self.tenant(relation, new)?;
        let before = match old {
            Some(old) => self.tenant(relation, old)?,
            None => after.clone(),
        };
        match (self.holds(relation, &before), self.holds(relation, &after)) {
            (false, false) => Ok(Effect::Nothing),
            (true, false) => self.delete(relation, old.unwrap_or(new)).await,
            (false, true) => {
                self.hide(&after).await?;
                self.insert(relation, new).await
            }
            (true, true) => {
                self.hide(&after).await?;
                self.replace(relation, old.unwrap_or(new), new).await
            }
        }
    }

    async fn replace(&mut self, relation: u32, old: &[Field], new: &[Field]) -> Result<Effect, Fault> {
        let target = self.target(relation)?;
        let mut values = Vec::new();
        let mut sets = Vec::new();
        for (index, field) in new.iter().enumerate() {
            let Some((name, _)) = target.shape.columns.get(index) else { continue };
            let is_sent = *field != Field::Unchanged;
            if is_sent && !target.always.get(index).copied().unwrap_or_default() {
                values.push(field);
                sets.push(format!("{} = ${}", quote_identifier(name), values.len()));
            }
        }
        let condition = target.condition(old, &mut values);
        let sql = format!("UPDATE {} SET {} WHERE {condition}", target.quoted, sets.join(", "));
        if sets.is_empty() {
            return Ok(Effect::Nothing);
        }
        self.write(sql, values).await
    }

    async fn delete(&mut self, relation: u32, old: &[Field]) -> Result<Effect, Fault> {
        let target = self.target(relation)?;
        let mut values = Vec::new();
        let condition = target.condition(old, &mut values);
        let sql = format!("DELETE FROM {} WHERE {condition}", target.quoted);
        self.write(sql, values).await
    }

    async fn write(&mut self, sql: String, values: Vec<&Field>) -> Result<Effect, Fault> {
        let values = values.into_iter().cloned().collect();
        self.send(sql, values, Rows::One).await.map(|()| Effect::Row)
    }

    /// Sends a statement behind those that were sent before. What it did is known by [`Applier::settle`].
    async fn send(&mut self, sql: String, values: Vec<Field>, rows: Rows) -> Result<(), Fault> {
        let statement = self.statement(sql).await?;
        let client = Arc::clone(&self.client);
        let execute = async move {
            let values: Vec<Text<'_>> = values.iter().map(Text).collect();
            client.execute_raw(&statement, &values).await
        };
        let mut answer = execute.boxed();
        // The first poll sends it, so the order of polls is the order on the wire.
        match futures_util::poll!(&mut answer) {
            Poll::Ready(answer) => rows.check(answer)?,
            Poll::Pending => self.sent.push_back(Sent { answer, rows }),
        }
        while self.sent.len() > UNANSWERED {
            self.settle_first().await?;
        }
        Ok(())
    }

    async fn statement(&mut self, sql: String) -> Result<Statement, Fault> {
        if let Some(statement) = self.statements.get(&sql) {
            return Ok(statement.clone());
        }
        match self.client.prepare(&sql).await {
            Ok(statement) => {
                self.statements.insert(sql, statement.clone());
                Ok(statement)
            }
            Err(error) => {
                // What failed before it says why.
                self.settle().await?;
                Err(judge(error))
            }
        }
    }

    /// Waits until all that was sent is done; what went wrong first.
    pub(super) async fn settle(&mut self) -> Result<(), Fault> {
        while !self.sent.is_empty() {
            self.settle_first().await?;
        }
        Ok(())
    }

    async fn settle_first(&mut self) -> Result<(), Fault> {
        match self.sent.pop_front() {
            Some(sent) => sent.rows.check(sent.answer.await),
            None => Ok(()),
        }
    }
}

impl Rows {
    fn check(self, answer: Result<u64, tokio_postgres::Error>) -> Result<(), Fault> {
        match (self, answer.map_err(judge)?) {
            (Rows::One, 1) | (Rows::Any, _) => Ok(()),
            (Rows::One, other) => {
                Err(Fault::Lost(format!("a change met {other} rows on the target instead of one")))
            }
        }
    }
}

/// What a change did on the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Nothing,
    /// A row was written.
    Row,
}

impl Target {
    /// The condition that finds the one row with this identity; its values are added to `values`.
    fn condition<'a>(&self, old: &'a [Field], values: &mut Vec<&'a Field>) -> String {
        let mut terms = Vec::new();
        for ((name, in_identity), field) in self.shape.columns.iter().zip(old) {
            let name = quote_identifier(name);
            let is_sent = *in_identity && *field != Field::Unchanged;
            if is_sent && !self.shape.full_identity {
                values.push(field);
                terms.push(format!("{name} = ${}", values.len()));
            } else if is_sent {
                // By text: not every type has an equality. The tenant's own term is for the index.
                values.push(field);
                terms.push(format!("{name}::text IS NOT DISTINCT FROM ${}", values.len()));
            }
        }
        if !self.shape.full_identity {
            return terms.join(" AND ");
        }
        if let (Some((name, _)), Some(field)) = (self.shape.columns.get(self.tenant), old.get(self.tenant)) {
            values.push(field);
            terms.push(format!("{} = ${}", quote_identifier(name), values.len()));
        }
        let same = terms.join(" AND ");
        format!("(tableoid, ctid) = (SELECT tableoid, ctid FROM {} WHERE {same} LIMIT 1)", self.quoted)
    }
}

fn judge(error: tokio_postgres::Error) -> Fault {
    if is_about_rows(&error) { Fault::Lost(said(&error)) } else { Fault::from(error) }
}
