//! Which rows remain, and how to say so in SQL.

use pg_raw_parse::Node;
use pg_raw_parse::make::{MemoryToken, Unique};

use super::print::{quoted_relation, trees};
use crate::catalog::Relation;
use crate::ids::{KeyType, MoveId, TenantKey, quote_identifier};
use crate::plan::Refusal;

/// Which rows of sharded tables a rewritten statement sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Rows of this tenant only; `None`: of all tenants.
    pub tenant: Option<TenantKey>,
    /// Not the rows that these moves hide on the server where the statement will run.
    pub hidden: Vec<MoveId>,
}

impl Filter {
    /// True where the filter leaves all rows.
    pub fn is_empty(&self) -> bool {
        self.tenant.is_none() && self.hidden.is_empty()
    }

    /// The condition on `name.column`, the tenant column of one table reference.
    fn condition(&self, name: &str, column: &str, key_type: KeyType) -> String {
        let place = format!("{}.{}", quote_identifier(name), quote_identifier(column));
        let tenant = self.tenant.as_ref().map(|key| format!("{place} = {}", key.literal()));
        let hidden = (!self.hidden.is_empty()).then(|| self.hidden_condition(&place, key_type));
        let conditions: Vec<String> = tenant.into_iter().chain(hidden).collect();
        conditions.join(" AND ")
    }

    /// The collation is named because that of the column may differ from that of the list.
    fn hidden_condition(&self, place: &str, key_type: KeyType) -> String {
        let moves: Vec<String> = self.hidden.iter().map(MoveId::to_string).collect();
        let collate = match key_type {
            KeyType::Text => " COLLATE \"C\"",
            KeyType::Integer | KeyType::Uuid => "",
        };
        let hidden = quote_identifier("?pgherd_hidden?");
        format!(
            "NOT EXISTS (SELECT FROM pgherd.hidden {hidden} WHERE {hidden}.move = ANY ('{{{}}}') \
             AND {hidden}.tenant = {place}::text{collate})",
            moves.join(",")
        )
    }
}

/// One reference to a sharded table in a FROM clause or as the target of a write.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    /// The name that its columns are qualified with.
    pub(super) name: String,
    /// The tenant column, as the reference names it.
    column: String,
    /// The tenant column, as the table names it.
    own_column: String,
    key_type: KeyType,
    /// `"schema"."table"` as the statement wrote it, with ONLY where it stands.
    table: String,
    own_name: String,
    /// ` AS "name" ("a", "b")`.
    alias: String,
}

impl Reference {
    /// The reference that a RangeVar makes to a sharded relation.
    pub(super) fn new(range: &pg_raw_parse::nodes::RangeVar, relation: &Relation) -> Option<Reference> {
        let (column, key_type) = relation.tenant_column()?;
        let own_name = range.relname()?.to_owned();
        let names: Vec<&str> = range
            .alias()
            .map(|alias| alias.colnames().iter().filter_map(Node::as_str).collect())
            .unwrap_or_default();
        let name = range.alias().and_then(|alias| alias.aliasname()).unwrap_or(&own_name).to_owned();
        let position = relation.column(&column.name)?;
        let only = if range.inh { "" } else { "ONLY " };
        let quoted: Vec<String> = names.iter().map(|name| quote_identifier(name)).collect();
        let columns = if quoted.is_empty() { String::new() } else { format!(" ({})", quoted.join(", ")) };
        Some(Reference {
            column: names.get(position).copied().unwrap_or(&column.name).to_owned(),
            own_column: column.name.clone(),
            key_type,
            table: format!("{only}{}", quoted_relation(range)?),
            alias: format!(" AS {}{columns}", quote_identifier(&name)),
            own_name,
            name,
        })
    }

    /// The condition on this reference, as a tree.
    pub(super) fn predicate<'mem>(
        &self,
        filter: &Filter,
        mem: MemoryToken<'mem>,
    ) -> Result<Unique<'mem, Node<'mem>>, Refusal> {
        let condition = filter.condition(&self.name, &self.column, self.key_type);
        let tree = trees(&format!("SELECT WHERE {condition}"))?;
        match tree.iter().next().map(|statement| statement.stmt()) {
            Some(Node::SelectStmt(select)) => Ok(mem.make_unique(select.where_clause()).uncast()),
            Some(_) | None => Err(unprintable()),
        }
    }

    /// The table without the filtered rows, as a subquery of the same name.
    pub(super) fn subquery<'mem>(
        &self,
        filter: &Filter,
        mem: MemoryToken<'mem>,
    ) -> Result<Unique<'mem, Node<'mem>>, Refusal> {
        let condition = filter.condition(&self.own_name, &self.own_column, self.key_type);
        let Reference { table, alias, .. } = self;
        let tree = trees(&format!("SELECT FROM (SELECT * FROM {table} WHERE {condition}){alias}"))?;
        let from = tree.iter().next().map(|statement| statement.stmt());
        match from {
            Some(Node::SelectStmt(select)) => match select.from_clause().first() {
                Some(item) => Ok(mem.make_unique(item).uncast()),
                None => Err(unprintable()),
            },
            Some(_) | None => Err(unprintable()),
        }
    }
}

/// A tree could not be made or printed.
pub(super) fn unprintable() -> Refusal {
    Refusal::unsupported(
        "the statement cannot be rewritten",
        "restrict each sharded table to one tenant in the statement itself",
    )
}
