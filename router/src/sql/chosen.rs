//! UPDATE and DELETE in three steps, for those that no server can do by itself: the rows that may be meant
//! are locked, the rows that are meant are chosen and their new values computed by a SELECT over all rows, and
//! each is written by its key.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use pg_raw_parse::list::NodeList;
use pg_raw_parse::make::{MemoryToken, Unique, try_owned};
use pg_raw_parse::nodes::{BoolExprType, RangeVar, RawStmt, ReturningClause, SelectStmt, WithClause};
use pg_raw_parse::transform::Transform;
use pg_raw_parse::walk::{Recurse, walk_manual};
use pg_raw_parse::{Node, NodeMut};

use super::assigned::{Assignment, New, Value, assignments, column_of, groups};
use super::insert::{Question, Renumber, default_of};
use super::returned::Foreign;
use super::rewrite::print;
use super::shape::{function_name, has_known_order, stop_clock};
use crate::catalog::{Catalog, Relation, Volatility};
use crate::ids::{KeyType, quote_identifier};
use crate::plan::Refusal;

/// A write in three steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Locks the rows that may be meant, and gives their keys.
    pub(crate) lock: Question,
    /// Gives the keys of the rows that are meant, then their new values.
    pub(crate) choose: Question,
    /// How many columns the key has.
    pub(crate) keys: usize,
    /// Where the tenant column stands in the key.
    pub(crate) tenant: usize,
    /// Writes one row. Parameters beyond the statement's are the columns of `choose`.
    pub(crate) write: Numbered,
    /// The columns of `choose` that RETURNING gives.
    pub(crate) returned: Range<usize>,
    /// Where the tenant column gets a new value.
    pub(crate) moving: Option<Moving>,
}

/// A row that gets another tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moving {
    /// The column of `choose` that is the new tenant.
    pub(crate) tenant: usize,
    /// Takes the row out and gives all its values.
    pub(crate) take: Numbered,
    /// Puts it in. Parameters beyond those of `choose` are the values that it had.
    pub(crate) put: Numbered,
}

/// A text, and which numbers its `$1`, `$2` ... stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) text: Arc<str>,
    pub(crate) numbers: Vec<u32>,
}

/// An UPDATE or DELETE, taken apart.
pub(super) struct Written<'a> {
    pub(super) target: &'a RangeVar,
    with: Option<&'a WithClause>,
    from: &'a NodeList,
    condition: Node<'a>,
    returning: Option<&'a ReturningClause>,
    /// What RETURNING names of other tables.
    pub(super) foreign: Foreign,
    /// The columns that are set.
    pub(super) set: Vec<Assignment<'a>>,
}

/// What a write is about.
pub(super) struct About<'a> {
    /// The table.
    pub(super) relation: &'a Relation,
    /// The columns by which its rows are found.
    pub(super) key: &'a [&'a str],
    /// What else there is.
    pub(super) catalog: &'a Catalog,
}

/// Takes an UPDATE or DELETE of `relation` apart; `own` is how many parameters it has.
pub(crate) fn chosen(
    statement: &RawStmt,
    relation: &Relation,
    own: u16,
    now: &str,
    catalog: &Catalog,
) -> Result<Chosen, Refusal> {
    let (tenant_column, _) = relation.tenant_column().ok_or_else(|| refuse("a write to a view"))?;
    let key = relation.row_key().ok_or_else(|| refuse("a write to a table without a primary key"))?;
    let tenant = key.iter().position(|name| *name == tenant_column.name);
    let tenant = tenant.ok_or_else(|| refuse("a write to a table whose key has no tenant"))?;
    let written = taken_apart(statement.stmt(), relation, key.len())?;
    let about = About { relation, key: &key, catalog };
    let lock = lock_question(&written, &about, None)?;
    let choose = choose_question(&written, &about, None)?;
    let write = numbered(statement, now, |copy, mem| by_key(copy, mem, &written, &key, own))?;
    check_subqueries(&written, catalog)?;
    let new_tenant = written.set.iter().find(|set| set.column == tenant_column.name);
    if new_tenant.is_some() && written.set.iter().any(|set| set.part) {
        return Err(refuse("a part of a column and the tenant column, set at once"));
    }
    let moving = match new_tenant.map(|set| set.from) {
        None => None,
        Some(Value::Own) => return Err(refuse("the tenant column set to its default or to nothing")),
        Some(Value::Computed(column)) => Some(Moving {
            tenant: column,
            take: take(relation, &key, own)?,
            put: put(statement, relation, &written, key.len(), own, now)?,
        }),
    };
    let returned = written.foreign.places();
    Ok(Chosen { lock, choose, keys: key.len(), tenant, write, returned, moving })
}

/// Refuses subqueries that are asked for one column after the other and may choose another row each time.
pub(super) fn check_subqueries(written: &Written<'_>, catalog: &Catalog) -> Result<(), Refusal> {
    let changes = |set: &Assignment<'_>| match set.value {
        New::OfSubquery(link, _) => {
            is_volatile(Node::SubLink(link), catalog) || groups(link, catalog).is_none()
        }
        New::Expression(_) => false,
    };
    match written.set.iter().any(changes) {
        true => Err(refuse("several columns set from a subquery that may choose another row each time")),
        false => Ok(()),
    }
}

pub(super) fn taken_apart<'a>(
    statement: Node<'a>,
    relation: &Relation,
    keys: usize,
) -> Result<Written<'a>, Refusal> {
    let unknown = || refuse("a write of this form");
    let written = match statement {
        Node::DeleteStmt(delete) => Written {
            target: delete.relation().ok_or_else(unknown)?,
            with: delete.with_clause(),
            from: delete.using_clause(),
            condition: delete.where_clause(),
            returning: delete.returning_clause(),
            foreign: Foreign::default(),
            set: Vec::new(),
        },
        Node::UpdateStmt(update) => Written {
            target: update.relation().ok_or_else(unknown)?,
            with: update.with_clause(),
            from: update.from_clause(),
            condition: update.where_clause(),
            returning: update.returning_clause(),
            foreign: Foreign::default(),
            set: assignments(update, relation, keys)?,
        },
        _ => return Err(unknown()),
    };
    let computed = written.set.iter().filter(|set| matches!(set.from, Value::Computed(_))).count();
    let target = (name_of(written.target), relation);
    let foreign = match written.from.is_empty() {
        true => Foreign::none(written.returning, keys + computed)?,
        false => Foreign::of(written.returning, target, keys + computed)?,
    };
    Ok(Written { foreign, ..written })
}

pub(super) fn name_of(target: &RangeVar) -> &str {
    target.alias().and_then(|alias| alias.aliasname()).or(target.relname()).unwrap_or_default()
}

/// True where all columns that stand here are those of the table that has this name in the statement, and nothing is
/// a subquery. A column without a table's name is one of it where it has such a column: else it would be ambiguous.
pub(super) fn names_only(node: Node<'_>, name: &str, relation: &Relation) -> bool {
    let foreign = |node: Node<'_>| match node {
        Node::SubLink(_) | Node::CurrentOfExpr(_) => true,
        Node::ColumnRef(column) => match column.fields().len() {
            1 => column
                .fields()
                .first()
                .and_then(Node::as_str)
                .is_none_or(|own| relation.column(own).is_none()),
            _ => column.fields().first().and_then(Node::as_str) != Some(name),
        },
        _ => false,
    };
    !foreign(node) && (matches!(node, Node::None) || !any(node, foreign))
}

pub(super) fn any(node: Node<'_>, wanted: impl Fn(Node<'_>) -> bool) -> bool {
    walk_manual(node, |node| if wanted(node) { ControlFlow::Break(()) } else { Recurse::yes() }).is_some()
}

/// True where a function here may give another value at each call.
fn is_volatile(node: Node<'_>, catalog: &Catalog) -> bool {
    let is_volatile = |node: Node<'_>| match node {
        Node::FuncCall(call) => function_name(call)
            .and_then(|name| catalog.functions.get(name))
            .is_none_or(|facts| facts.volatility == Volatility::Volatile),
        _ => false,
    };
    is_volatile(node) || any(node, is_volatile)
}

/// The parts of a condition that concern the written row alone.
fn local<'a>(written: &Written<'a>, relation: &Relation, catalog: &Catalog) -> Vec<Node<'a>> {
    let name = name_of(written.target);
    let parts: Vec<Node<'a>> = match written.condition {
        Node::None => Vec::new(),
        Node::BoolExpr(all) if all.boolop == BoolExprType::AND_EXPR => all.args().iter().collect(),
        condition => vec![condition],
    };
    let is_subquery = |node: Node<'_>| matches!(node, Node::SubLink(_));
    let is_local = |part: &Node<'a>| match written.from.is_empty() {
        true => !is_subquery(*part) && !any(*part, is_subquery),
        false => names_only(*part, name, relation),
    };
    // What is another value each time is asked once, where the rows are chosen.
    parts.into_iter().filter(|part| is_local(part) && !is_volatile(*part, catalog)).collect()
}

/// Locks rows in the order of their keys, so that two such writes do not wait for each other crosswise.
pub(super) fn lock_question(
    written: &Written<'_>,
    about: &About<'_>,
    now: Option<&str>,
) -> Result<Question, Refusal> {
    let About { relation, key, catalog } = about;
    let name = name_of(written.target);
    let conditions = local(written, relation, catalog);
    let is_ordered =
        |column: &str| relation.columns.iter().any(|known| known.name == column && has_known_order(known));
    let places = (1..).zip(*key).filter(|(_, column)| is_ordered(column)).map(|(place, _): (u32, _)| place);
    let places: Vec<String> = places.map(|place| place.to_string()).collect();
    let order = if places.is_empty() { String::new() } else { format!("ORDER BY {}", places.join(", ")) };
    let locking = parsed(&format!("SELECT FROM x {order} {}", strength(written, relation)))?;
    let Some(Node::SelectStmt(locking)) = locking.first().map(|statement| statement.stmt()) else {
        return Err(refuse("a write"));
    };
    asked(now, |mem| {
        let mut select = mem.make_node::<SelectStmt>();
        let mut fields = select.as_mut();
        fields.set_target_list(mem.make_list(&keys_of(name, key, mem)));
        fields.set_from_clause(mem.make_list(&[mem.make_unique(written.target).uncast()]));
        match conditions.as_slice() {
            [] => {}
            [only] => fields.set_where_clause(mem.make_unique(*only).uncast()),
            conditions => {
                let parts: Vec<Unique<'_, Node<'_>>> =
                    conditions.iter().map(|condition| mem.make_unique(*condition).uncast()).collect();
                let all = mem.make_bool_expr(BoolExprType::AND_EXPR, mem.make_list(&parts));
                fields.set_where_clause(all.uncast());
            }
        }
        fields.set_sort_clause(mem.make_unique(locking.sort_clause()));
        fields.set_locking_clause(mem.make_unique(locking.locking_clause()));
        Ok(select.uncast())
    })
}

/// The lock that PostgreSQL itself takes: what only refers to the rows waits where they go or get another key.
fn strength(written: &Written<'_>, relation: &Relation) -> &'static str {
    let sets = |at: &usize| {
        relation.columns.get(*at).is_some_and(|key| written.set.iter().any(|set| set.column == key.name))
    };
    match written.set.is_empty() || relation.unique_keys.iter().flatten().any(sets) {
        true => "FOR UPDATE",
        false => "FOR NO KEY UPDATE",
    }
}

/// A constant for the tenant column, which a SELECT would give another type.
fn as_key<'mem>(constant: Node<'_>, key_type: KeyType, mem: MemoryToken<'mem>) -> Unique<'mem, Node<'mem>> {
    let name = match key_type {
        KeyType::Integer => "int8",
        KeyType::Uuid => "uuid",
        KeyType::Text => "text",
    };
    let names = [mem.make_string(Some("pg_catalog")), mem.make_string(Some(name))];
    mem.make_type_cast(mem.make_unique(constant).uncast(), mem.make_list(&names)).uncast()
}

/// Gives the keys of the rows that are meant, then their new values.
pub(super) fn choose_question(
    written: &Written<'_>,
    about: &About<'_>,
    now: Option<&str>,
) -> Result<Question, Refusal> {
    let About { relation, key, catalog } = about;
    let name = name_of(written.target);
    let default = |column: &str| relation.columns.iter().find(|known| known.name == column);
    asked(now, |mem| {
        let mut select = mem.make_node::<SelectStmt>();
        let mut fields = select.as_mut();
        let mut targets = keys_of(name, key, mem);
        let place = |set: &'_ Assignment<'_>| match set.from {
            Value::Computed(place) => Some(place),
            Value::Own => None,
        };
        let mut computed: Vec<_> = written.set.iter().filter(|set| place(set).is_some()).collect();
        computed.sort_by_key(|set| place(set));
        for set in computed {
            let node = match set.value {
                New::Expression(node @ Node::A_Const(_)) => match relation.tenant_column() {
                    Some((_, key_type)) => as_key(node, key_type, mem),
                    None => mem.make_unique(node).uncast(),
                },
                New::Expression(Node::SetToDefault(_)) => {
                    default_of(default(set.column).ok_or_else(|| refuse("a write of this form"))?, mem)?
                }
                New::Expression(node) => mem.make_unique(node).uncast(),
                New::OfSubquery(link, place) => {
                    column_of(link, place, groups(link, catalog) == Some(true), mem)
                }
            };
            targets.push(mem.make_res_target(None, mem.empty(), node));
        }
        let foreign = written.foreign.nodes(mem).into_iter();
        targets.extend(foreign.map(|node| mem.make_res_target(None, mem.empty(), node)));
        fields.set_target_list(mem.make_list(&targets));
        let mut from = vec![mem.make_unique(written.target).uncast()];
        from.extend(written.from.iter().map(|item| mem.make_unique(item).uncast()));
        fields.set_from_clause(mem.make_list(&from));
        fields.set_where_clause(mem.make_unique(written.condition).uncast());
        fields.set_with_clause(mem.make_unique(written.with));
        Ok(select.uncast())
    })
}

pub(super) fn keys_of<'mem>(
    name: &str,
    key: &[&str],
    mem: MemoryToken<'mem>,
) -> Vec<Unique<'mem, &'mem pg_raw_parse::nodes::ResTarget>> {
    let target = |column: &&str| {
        let fields: [Unique<'mem, Node<'_>>; 2] =
            [mem.make_string(Some(name)).uncast(), mem.make_string(Some(column)).uncast()];
        mem.make_res_target(None, mem.empty(), mem.make_column_ref(mem.make_list(&fields)).uncast())
    };
    key.iter().map(target).collect()
}

/// A SELECT as a question, its parameters numbered anew; its clock stopped at `now`, where that is given.
fn asked(
    now: Option<&str>,
    select: impl for<'mem> FnOnce(MemoryToken<'mem>) -> Result<Unique<'mem, Node<'mem>>, Refusal>,
) -> Result<Question, Refusal> {
    let mut numbers = Renumber::default();
    let tree = try_owned(|mem| {
        let mut raw = mem.make_raw_stmt(select(mem)?);
        if now.is_some_and(|now| !stop_clock(&mut raw, mem, now)) {
            return Err(refuse("an expression that reads the clock"));
        }
        numbers.transform_raw_stmt(raw.as_mut());
        Ok::<_, Refusal>(raw)
    })?;
    let parameters = numbers.old.iter().map(|number| u16::try_from(*number)).collect::<Result<_, _>>();
    let parameters = parameters.map_err(|_| refuse("a write with so many parameters"))?;
    Ok(Question { text: print(&tree)?, parameters })
}

/// The statement changed in this way, its clock stopped and its parameters numbered anew.
pub(super) fn numbered(
    statement: &RawStmt,
    now: &str,
    change: impl for<'mem> FnOnce(&mut Unique<'mem, &'mem RawStmt>, MemoryToken<'mem>) -> Result<(), Refusal>,
) -> Result<Numbered, Refusal> {
    let mut numbers = Renumber::default();
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(statement);
        change(&mut copy, mem)?;
        if !stop_clock(&mut copy, mem, now) {
            return Err(refuse("an expression that reads the clock"));
        }
        numbers.transform_raw_stmt(copy.as_mut());
        Ok(copy)
    })?;
    Ok(Numbered { text: print(&tree)?, numbers: numbers.old })
}

/// The statement for one row: its values given, its key in WHERE.
pub(super) fn by_key<'mem>(
    copy: &mut Unique<'mem, &'mem RawStmt>,
    mem: MemoryToken<'mem>,
    written: &Written<'_>,
    key: &[&str],
    own: u16,
) -> Result<(), Refusal> {
    let name = name_of(written.target);
    let condition = mem.make_unique(condition_of(name, key, own)?.node()?).uncast();
    let mut root = copy.as_mut();
    match root.stmt_mut() {
        NodeMut::UpdateStmt(mut update) => {
            update.set_from_clause(mem.empty());
            update.set_with_clause(mem.make_unique(None::<&WithClause>));
            update.set_where_clause(condition);
            for (mut target, set) in update.target_list_mut().into_iter().zip(&written.set) {
                match (set.from, set.value) {
                    (Value::Computed(column), _) => target.set_val(slot(own, column, mem)),
                    (Value::Own, New::Expression(node)) => target.set_val(mem.make_unique(node).uncast()),
                    (Value::Own, New::OfSubquery(..)) => return Err(refuse("a write of this form")),
                }
            }
        }
        NodeMut::DeleteStmt(mut delete) => {
            delete.set_using_clause(mem.empty());
            delete.set_with_clause(mem.make_unique(None::<&WithClause>));
            delete.set_where_clause(condition);
        }
        _ => return Err(refuse("a write of this form")),
    }
    written.foreign.replace(copy, mem, own)
}

fn slot<'mem>(own: u16, column: usize, mem: MemoryToken<'mem>) -> Unique<'mem, Node<'mem>> {
    mem.make_param_ref(number_of(own, column)).uncast()
}

pub(super) fn number_of(own: u16, column: usize) -> i32 {
    i32::try_from(usize::from(own) + 1 + column).unwrap_or(i32::MAX)
}

/// A parsed condition, kept alive.
struct Condition(pg_raw_parse::Owned<pg_raw_parse::StmtList>);

impl Condition {
    fn node(&self) -> Result<Node<'_>, Refusal> {
        match self.0.first().map(|statement| statement.stmt()) {
            Some(Node::SelectStmt(select)) => Ok(select.where_clause()),
            Some(_) | None => Err(refuse("a write")),
        }
    }
}

/// The key equals the first columns of `choose`.
fn condition_of(name: &str, key: &[&str], own: u16) -> Result<Condition, Refusal> {
    parsed(&format!("SELECT WHERE {}", key_condition(name, key, own))).map(Condition)
}

fn key_condition(name: &str, key: &[&str], own: u16) -> String {
    let equal = |(index, column): (usize, &&str)| {
        format!("{}.{} = ${}", quote_identifier(name), quote_identifier(column), number_of(own, index))
    };
    key.iter().enumerate().map(equal).collect::<Vec<_>>().join(" AND ")
}

fn parsed(text: &str) -> Result<pg_raw_parse::Owned<pg_raw_parse::StmtList>, Refusal> {
    super::rewrite::trees(text)
}

fn stored(relation: &Relation) -> Vec<&str> {
    relation.columns.iter().filter(|column| !column.generated).map(|column| column.name.as_str()).collect()
}

/// Takes a row out by its key, with all that it stores.
fn take(relation: &Relation, key: &[&str], own: u16) -> Result<Numbered, Refusal> {
    let columns: Vec<String> = stored(relation).iter().map(|column| quote_identifier(column)).collect();
    let text = format!(
        "DELETE FROM {} WHERE {} RETURNING {}",
        relation.quoted_name(),
        key_condition(&relation.name, key, own),
        columns.join(", ")
    );
    let tree = parsed(&text)?;
    let statement = tree.first().ok_or_else(|| refuse("a write"))?;
    numbered(statement, "", |_, _| Ok(()))
}

/// Puts a row in with its new values, and returns what the statement returns.
fn put(
    statement: &RawStmt,
    relation: &Relation,
    written: &Written<'_>,
    keys: usize,
    own: u16,
    now: &str,
) -> Result<Numbered, Refusal> {
    let computed = written.set.iter().filter(|set| matches!(set.from, Value::Computed(_))).count();
    let computed = computed + written.foreign.len();
    let columns = stored(relation);
    let names: Vec<String> = columns.iter().map(|column| quote_identifier(column)).collect();
    let marks: Vec<String> =
        (0..columns.len()).map(|index| format!("${}", number_of(own, keys + computed + index))).collect();
    let text = format!(
        "INSERT INTO {} AS {} ({}) OVERRIDING SYSTEM VALUE VALUES ({}) RETURNING 1",
        relation.quoted_name(),
        quote_identifier(name_of(written.target)),
        names.join(", "),
        marks.join(", ")
    );
    let tree = parsed(&text)?;
    let insert = tree.first().ok_or_else(|| refuse("a write"))?;
    let Node::UpdateStmt(update) = statement.stmt() else { return Err(refuse("a write of this form")) };
    numbered(insert, now, |copy, mem| {
        let mut root = copy.as_mut();
        let NodeMut::InsertStmt(mut insert) = root.stmt_mut() else { return Err(refuse("a write")) };
        insert.set_returning_clause(mem.make_unique(update.returning_clause()));
        let mut cells = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let set = written.set.iter().find(|set| set.column == *column);
            cells.push(match set.map(|set| (set.from, set.value)) {
                None => slot(own, keys + computed + index, mem),
                Some((Value::Computed(at), _)) => slot(own, at, mem),
                Some((Value::Own, New::Expression(node))) => mem.make_unique(node).uncast(),
                Some((Value::Own, New::OfSubquery(..))) => return Err(refuse("a write of this form")),
            });
        }
        let mut select = mem.make_node::<SelectStmt>();
        select.as_mut().set_values_lists(mem.make_list(&[mem.make_list(&cells).uncast()]));
        insert.set_select_stmt(select.uncast());
        written.foreign.replace(copy, mem, own)
    })
}

pub(super) fn refuse(what: &str) -> Refusal {
    Refusal::unsupported(
        format!("{what}, where rows of several servers are concerned"),
        "Restrict the statement to one tenant, or read first and write by key.",
    )
}
