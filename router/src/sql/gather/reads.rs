//! Which sharded tables a statement reads, each with the conditions that its rows must meet anyway.

use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{
    Alias, FuncCall, JoinExpr, JoinType, RangeVar, SelectStmt, SetOperation, SubLink, SubLinkType, WithClause,
};

use super::conditions::{conjuncts, is_about};
use super::names::Names;
use super::partners::Partners;
use super::reduce::{Around, BlockKey, Reduction, key_of, reduce};
use super::ties::{Tie, ties};
use super::typing::{Item, Typing};
use crate::catalog::{Catalog, Relation, RelationKind, SearchPath};
use crate::plan::Refusal;
use crate::sql::shape::{self, Outlook};
use crate::sql::walk::children;

/// What a statement reads.
pub(super) struct Reads<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) path: &'a SearchPath,
    /// Names of the CTEs in scope.
    ctes: Vec<String>,
    /// References to sharded tables.
    pub(super) tables: Vec<Table<'a>>,
    /// Those of the block that is read, and of the blocks around it, to tables of which every server has a copy.
    copies: Vec<Table<'a>>,
    pub(super) names: Names,
    /// True where it reads what the home server answers for all: system catalogs, sequences.
    pub(super) home: bool,
    /// True where it names a relation that the catalog does not know: one of the session's connection.
    pub(super) held: bool,
    /// Blocks of which the servers compute more than their tables' rows.
    pub(super) reductions: Vec<Reduction<'a>>,
    /// All blocks, as they were read.
    pub(super) blocks: Vec<Block>,
    /// The block whose columns a subquery may name that is read now.
    around: Option<usize>,
    /// The parameters that servers understand as the statement does.
    parameters: &'a [i32],
    /// Whether blocks are reduced.
    pub(super) reduces: bool,
}

/// A reference to a sharded table.
pub(super) struct Table<'a> {
    pub(super) range: &'a RangeVar,
    pub(super) relation: Arc<Relation>,
    /// The name that its columns are qualified with.
    pub(super) alias: String,
    /// Its columns as the statement names them.
    pub(super) columns: Vec<String>,
    /// What its rows must meet, whatever else is computed.
    pub(super) conditions: Vec<Node<'a>>,
    /// The block whose WHERE all its rows must meet: those that no outer join brings back.
    pub(super) filtered: Option<BlockKey>,
    /// True where a `*` or a natural join needs all columns.
    pub(super) whole: bool,
    /// What its rows must find on their own server, whatever else is computed.
    pub(super) partners: Partners,
    /// The block that it stands in.
    pub(super) block: usize,
    /// What its columns must be equal to, whatever else is computed.
    pub(super) ties: Vec<Tie>,
}

/// What the rows of an item of FROM must meet.
#[derive(Clone, Copy)]
struct Holding<'s, 'a> {
    conditions: &'s [Node<'a>],
    /// The block whose WHERE is among that.
    of: Option<BlockKey>,
}

/// A query block with what its FROM clause says of names.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// Whether it may name columns of blocks around it.
    outlook: Outlook,
    /// The names of its items.
    pub(super) aliases: Vec<String>,
    /// Columns that USING makes one of two.
    pub(super) merged: Vec<String>,
    /// True where a natural join may merge any.
    pub(super) natural: bool,
    /// The block around whose columns it may name; `None` also where that is not certain.
    pub(super) around: Option<usize>,
    /// The columns of its items; `None` where they are not all known.
    pub(super) columns: Option<Vec<String>>,
}

impl Block {
    /// The same where its items are these.
    fn of_items(self, items: &[Item]) -> Block {
        let columns = items.iter().flat_map(|item| item.columns.iter().map(|(name, _)| name.clone()));
        Block {
            aliases: items.iter().map(|item| item.name.clone()).collect(),
            columns: Some(columns.collect()),
            ..self
        }
    }
}

impl Table<'_> {
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|own| own == column)
    }
}

impl<'a> Reads<'a> {
    /// Reads a SELECT.
    pub(super) fn of(
        select: &'a SelectStmt,
        catalog: &'a Catalog,
        path: &'a SearchPath,
        parameters: &'a [i32],
        reduces: bool,
    ) -> Result<Reads<'a>, Refusal> {
        let mut reads = Reads {
            catalog,
            path,
            ctes: Vec::new(),
            tables: Vec::new(),
            copies: Vec::new(),
            names: Names::default(),
            home: false,
            held: false,
            reductions: Vec::new(),
            blocks: Vec::new(),
            around: None,
            parameters,
            reduces,
        };
        reads.select(select, Stars::Count, Outlook::Closed)?;
        Ok(reads)
    }

    fn select(&mut self, select: &'a SelectStmt, stars: Stars, outlook: Outlook) -> Result<(), Refusal> {
        if select.into_clause().is_some() || !select.locking_clause().is_empty() {
            return Err(Refusal::unsupported(
                "rows of several servers are neither locked nor stored by one SELECT",
                "Restrict the statement to one tenant.",
            ));
        }
        let scope = self.ctes.len();
        if let Some(with) = select.with_clause() {
            self.with(with, outlook)?;
        }
        match (select.op, select.larg(), select.rarg()) {
            (SetOperation::SETOP_NONE, _, _) => self.block(select, stars, outlook)?,
            (_, Some(left), Some(right)) => {
                self.select(left, stars, outlook)?;
                self.select(right, stars, outlook)?;
            }
            (_, _, _) => return Err(unknown()),
        }
        let around = self.around.take();
        for sort in select.sort_clause() {
            self.expression(Node::SortBy(sort))?;
        }
        self.expression(select.limit_count())?;
        self.expression(select.limit_offset())?;
        self.around = around;
        self.ctes.truncate(scope);
        Ok(())
    }

    /// Reads a query of which it is not certain what around it it may name.
    fn apart(&mut self, select: &'a SelectStmt, outlook: Outlook) -> Result<(), Refusal> {
        let around = self.around.take();
        let read = self.select(select, Stars::Count, outlook);
        self.around = around;
        read
    }

    fn with(&mut self, with: &'a WithClause, outlook: Outlook) -> Result<(), Refusal> {
        let names: Vec<String> =
            with.ctes().iter().filter_map(|cte| cte.ctename()).map(str::to_owned).collect();
        let scope = self.ctes.len();
        if with.recursive {
            self.ctes.extend(names.iter().cloned());
        }
        for (cte, name) in with.ctes().iter().zip(&names) {
            let Node::SelectStmt(query) = cte.ctequery() else {
                return Err(Refusal::unsupported(
                    "a CTE that writes runs for one tenant only",
                    "Restrict the statement to one tenant.",
                ));
            };
            self.apart(query, outlook)?;
            if self.ctes.len() < scope + names.len() {
                self.ctes.push(name.clone());
            }
        }
        Ok(())
    }

    fn block(&mut self, select: &'a SelectStmt, stars: Stars, outlook: Outlook) -> Result<(), Refusal> {
        let mut block = Block {
            outlook,
            aliases: Vec::new(),
            merged: Vec::new(),
            natural: false,
            around: self.around,
            columns: Some(Vec::new()),
        };
        // What is written of it now is not certain before all of it is read.
        let outside = self.around;
        let number = self.blocks.len();
        self.blocks.push(Block { columns: None, natural: true, ..block.clone() });
        self.around = Some(number);
        let holding = conjuncts(select.where_clause());
        let mut own = Vec::new();
        let first_copy = self.copies.len();
        let reduction = self.reduction(select, &holding, outlook);
        if reduction.is_none() {
            let holding = Holding { conditions: &holding, of: key_of(select) };
            for item in select.from_clause() {
                self.item(item, holding, &mut block, &mut own)?;
            }
        }
        let mut star = block.natural;
        for target in select.target_list() {
            if let Node::ColumnRef(column) = target.val() {
                star |= self.names.note(column)? && stars == Stars::Count;
            } else {
                self.expression(target.val())?;
            }
        }
        for index in own {
            if self.reduces {
                let around = (self.catalog, self.path, self.parameters);
                self.tables[index].partners =
                    Partners::of(&self.tables[index], &self.copies[first_copy..], &block, around);
            }
            self.tables[index].block = number;
            let more = ties(&self.tables[index], &block, (self.catalog, self.path));
            self.tables[index].ties.extend(more);
            self.keep_own_conditions(index, &block, star);
        }
        self.copies.truncate(first_copy);
        self.blocks[number] = match &reduction {
            Some(reduction) => block.of_items(&reduction.items),
            None => block,
        };
        match reduction {
            Some(reduction) => {
                reduction.left.iter().try_for_each(|condition| self.expression(*condition))?;
                self.reductions.push(Reduction { whole: star, block: number, ..reduction });
            }
            None => self.expression(select.where_clause())?,
        }
        self.expression(select.having_clause())?;
        let lists =
            [select.group_clause(), select.window_clause(), select.values_lists(), select.distinct_clause()];
        lists.into_iter().try_for_each(|list| self.list(list))?;
        self.around = outside;
        Ok(())
    }

    fn reduction(
        &self,
        select: &'a SelectStmt,
        conditions: &[Node<'a>],
        outlook: Outlook,
    ) -> Option<Reduction<'a>> {
        let typing = Typing { catalog: self.catalog, path: self.path };
        let around = Around { typing, outlook, ctes: &self.ctes, parameters: self.parameters };
        if self.reduces { reduce(select, conditions, &around) } else { None }
    }

    /// Of the conditions that hold around a table, those about itself that any server can judge.
    fn keep_own_conditions(&mut self, index: usize, block: &Block, whole: bool) {
        let mut conditions = std::mem::take(&mut self.tables[index].conditions);
        let table = &self.tables[index];
        conditions.retain(|condition| {
            is_about(*condition, table, block) && shape::is_plain(*condition, self.catalog, self.path)
        });
        self.tables[index].conditions = conditions;
        self.tables[index].whole = whole;
    }

    /// One item of FROM. `holding`: what all rows must meet that have not lost their partner.
    fn item(
        &mut self,
        node: Node<'a>,
        holding: Holding<'_, 'a>,
        block: &mut Block,
        own: &mut Vec<usize>,
    ) -> Result<(), Refusal> {
        match node {
            Node::RangeVar(range) => self.table(range, holding, block, own),
            Node::JoinExpr(join) => self.join(join, holding, block, own),
            Node::RangeSubselect(subselect) => {
                block.columns = None;
                block.aliases.extend(alias_of(subselect.alias()));
                match subselect.subquery() {
                    Node::SelectStmt(select) => {
                        let outlook = if subselect.lateral { Outlook::Open } else { block.outlook };
                        self.apart(select, outlook)
                    }
                    _ => Err(unknown()),
                }
            }
            Node::RangeFunction(function) => {
                block.columns = None;
                block.aliases.extend(alias_of(function.alias()));
                self.below(node)
            }
            Node::RangeTableFunc(_) | Node::JsonTable(_) => {
                block.columns = None;
                self.below(node)
            }
            Node::RangeTableSample(_) => Err(Refusal::unsupported(
                "a sample of rows of several servers is not supported",
                "Restrict the statement to one tenant.",
            )),
            _ => Err(unknown()),
        }
    }

    fn join(
        &mut self,
        join: &'a JoinExpr,
        holding: Holding<'_, 'a>,
        block: &mut Block,
        own: &mut Vec<usize>,
    ) -> Result<(), Refusal> {
        let condition = conjuncts(join.quals());
        let both = [holding.conditions, &condition].concat();
        let both = Holding { conditions: &both, ..holding };
        let partner = Holding { conditions: &condition, of: None };
        let nothing = Holding { conditions: &[], of: None };
        let (left, right) = match join.jointype {
            JoinType::JOIN_INNER => (both, both),
            JoinType::JOIN_LEFT => (holding, partner),
            JoinType::JOIN_RIGHT => (partner, holding),
            JoinType::JOIN_FULL => (nothing, nothing),
            _ => return Err(unknown()),
        };
        block.natural |= join.is_natural;
        // It hides the names of what it joins.
        if join.alias().is_some() {
            block.columns = None;
            block.natural = true;
        }
        for name in join.using_clause().iter().filter_map(|name| name.sval()) {
            self.names.note_word(name);
            block.merged.push(name.to_owned());
        }
        block.aliases.extend(alias_of(join.alias()));
        block.aliases.extend(alias_of(join.join_using_alias()));
        let begin = Side::here(block, own);
        self.item(join.larg(), left, block, own)?;
        let middle = Side::here(block, own);
        self.item(join.rarg(), right, block, own)?;
        for name in join.using_clause().iter().filter_map(|name| name.sval()) {
            let end = Side::here(block, own);
            let sides =
                [(begin, middle), (middle, end)].map(|side| self.only_one_with(name, side, block, own));
            if let [Some(left), Some(right)] = sides {
                self.tie(join, name, left, right);
            }
        }
        self.expression(join.quals())
    }

    /// The table that alone has this column among the items that were read in between.
    fn only_one_with(
        &self,
        name: &str,
        (begin, end): (Side, Side),
        block: &Block,
        own: &[usize],
    ) -> Option<usize> {
        let columns = block.columns.as_ref()?.get(begin.columns..end.columns)?;
        let mut tables = own.get(begin.tables..end.tables)?.iter().copied();
        let only = columns.iter().filter(|column| *column == name).count() == 1;
        tables.find(|table| only && self.tables[*table].has(name))
    }

    /// A row that USING finds no partner for is dropped, but on a side that an outer join keeps.
    fn tie(&mut self, join: &JoinExpr, name: &str, left: usize, right: usize) {
        let kind = join.jointype;
        let of_left = matches!(kind, JoinType::JOIN_INNER | JoinType::JOIN_RIGHT);
        let of_right = matches!(kind, JoinType::JOIN_INNER | JoinType::JOIN_LEFT);
        for (tied, one, other) in [(of_left, left, right), (of_right, right, left)] {
            if tied {
                let other = vec![self.tables[other].alias.clone(), name.to_owned()];
                self.tables[one].ties.push(Tie { own: name.to_owned(), other });
            }
        }
    }

    fn table(
        &mut self,
        range: &'a RangeVar,
        holding: Holding<'_, 'a>,
        block: &mut Block,
        own: &mut Vec<usize>,
    ) -> Result<(), Refusal> {
        let name = range.relname().unwrap_or_default();
        let alias = alias_of(range.alias()).unwrap_or_else(|| name.to_owned());
        block.aliases.push(alias.clone());
        if range.schemaname().is_none() && self.ctes.iter().any(|cte| cte == name) {
            block.columns = None;
            return Ok(());
        }
        let Some(relation) = self.catalog.relation(range.schemaname(), name, self.path) else {
            match is_system(range.schemaname(), name) {
                true => self.home = true,
                false => self.held = true,
            }
            block.columns = None;
            return Ok(());
        };
        match &relation.kind {
            RelationKind::Sharded { .. } | RelationKind::Reference => {}
            RelationKind::ReferenceView => {
                block.columns = None;
                return Ok(());
            }
            RelationKind::Sequence => {
                self.home = true;
                block.columns = None;
                return Ok(());
            }
            RelationKind::ShardedView { .. } | RelationKind::Unsafe { .. } => {
                return Err(Refusal::unsupported(
                    format!("\"{name}\" cannot be read over all tenants"),
                    "Read the sharded tables themselves, or restrict the statement to one tenant.",
                ));
            }
        }
        let renamed: Vec<&str> = range
            .alias()
            .map(|alias| alias.colnames().iter().filter_map(Node::as_str).collect())
            .unwrap_or_default();
        let named = |(index, column): (usize, &crate::catalog::Column)| {
            renamed.get(index).map_or_else(|| column.name.clone(), |name| (*name).to_owned())
        };
        let is_copy = matches!(relation.kind, RelationKind::Reference);
        let table = Table {
            range,
            alias,
            columns: relation.columns.iter().enumerate().map(named).collect(),
            relation: Arc::clone(relation),
            conditions: holding.conditions.to_vec(),
            filtered: holding.of,
            whole: false,
            partners: Partners::default(),
            block: 0,
            ties: Vec::new(),
        };
        if let Some(columns) = &mut block.columns {
            columns.extend(table.columns.iter().cloned());
        }
        match is_copy {
            true => self.copies.push(table),
            false => {
                own.push(self.tables.len());
                self.tables.push(table);
            }
        }
        Ok(())
    }

    fn list(&mut self, list: &'a NodeList) -> Result<(), Refusal> {
        list.iter().try_for_each(|node| self.expression(node))
    }

    /// Notes the names in an expression, and reads the subqueries in it.
    fn expression(&mut self, node: Node<'a>) -> Result<(), Refusal> {
        match node {
            Node::None => Ok(()),
            Node::ColumnRef(column) => self.names.note(column).map(|_| ()),
            Node::SelectStmt(select) => self.select(select, Stars::Count, Outlook::Open),
            Node::SubLink(link) => self.link(link),
            Node::FuncCall(call) => {
                check_call(call)?;
                self.below(node)
            }
            Node::RangeVar(_) | Node::RangeTableSample(_) => Err(unknown()),
            _ => self.below(node),
        }
    }

    fn below(&mut self, node: Node<'a>) -> Result<(), Refusal> {
        let below = children(node).ok_or_else(unknown)?;
        below.into_iter().try_for_each(|child| self.expression(child))
    }

    /// EXISTS needs no columns of what its `*` stands for.
    fn link(&mut self, link: &'a SubLink) -> Result<(), Refusal> {
        self.expression(link.testexpr())?;
        let stars = match link.sub_link_type {
            SubLinkType::EXISTS_SUBLINK => Stars::Ignore,
            _ => Stars::Count,
        };
        match link.subselect() {
            Node::SelectStmt(select) => self.select(select, stars, Outlook::Open),
            _ => Err(unknown()),
        }
    }
}

/// How much of a block was read at some moment.
#[derive(Debug, Clone, Copy)]
struct Side {
    columns: usize,
    tables: usize,
}

impl Side {
    fn here(block: &Block, own: &[usize]) -> Side {
        Side { columns: block.columns.as_ref().map_or(0, Vec::len), tables: own.len() }
    }
}

/// Whether a bare `*` needs the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stars {
    Count,
    Ignore,
}

fn alias_of(alias: Option<&Alias>) -> Option<String> {
    alias.and_then(Alias::aliasname).map(str::to_owned)
}

fn is_system(schema: Option<&str>, name: &str) -> bool {
    match schema {
        Some(schema) => schema.starts_with("pg_") && schema != "pg_temp" || schema == "information_schema",
        None => name.starts_with("pg_"),
    }
}

/// Functions that tell of the server that runs them, or of how it stores a row.
fn check_call(call: &FuncCall) -> Result<(), Refusal> {
    const HARMLESS: &[&str] = &[
        "pg_typeof",
        "pg_sleep",
        "pg_sleep_for",
        "pg_sleep_until",
        "pg_size_pretty",
        "pg_size_bytes",
        "pg_input_is_valid",
        "pg_collation_for",
    ];
    let name = call.funcname().iter().filter_map(Node::as_str).next_back().unwrap_or_default();
    let of_server = ["pg_", "inet_", "txid_"].iter().any(|prefix| name.starts_with(prefix))
        || name == "row_security_active";
    if of_server && !HARMLESS.contains(&name) {
        return Err(Refusal::unsupported(
            format!("function {name}() tells of one server, and the rows are on several"),
            "Call it in a statement of its own.",
        ));
    }
    Ok(())
}

pub(super) fn unknown() -> Refusal {
    Refusal::unsupported(
        "this statement uses a form that cannot be gathered from several servers",
        "Restrict the statement to one tenant.",
    )
}
