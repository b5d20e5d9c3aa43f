//! What kind of statement a tree is, and the relations that statements without a query name.

use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::list::CastNodeList;
use pg_raw_parse::nodes::{
    CopyStmt, CreateTableAsStmt, DeclareCursorStmt, DefElem, DropStmt, ExplainStmt, ObjectType, RangeVar,
    ReindexObjectType,
};

use super::calls::constant;
use super::keys::{Touched, Use, named};
use super::kind::{CopyKind, CopyOption, Hold, Kind};
use super::parse::{Learned, SqlStatement, learn};
use super::{Statement, in_turn, session};
use crate::catalog::{Catalog, SearchPath};
use crate::ids::{quote_identifier, quote_literal};
use crate::plan::Refusal;

/// Bits of `DeclareCursorStmt.options`, from PostgreSQL's `parsenodes.h`.
const CURSOR_OPTIONS: [(i32, &str); 6] =
    [(1, "BINARY "), (2, "SCROLL "), (4, "NO SCROLL "), (8, "INSENSITIVE "), (16, "ASENSITIVE "), (32, "")];
const CURSOR_HOLD: i32 = 32;
/// `RangeVar.relpersistence` of a temporary table.
const TEMPORARY: u8 = b't';

/// What a tree is.
pub(super) struct Classified {
    pub(super) kind: Kind,
    pub(super) hold: Option<Hold>,
    pub(super) touched: Touched,
    pub(super) refusal: Option<Refusal>,
}

impl From<Kind> for Classified {
    fn from(kind: Kind) -> Classified {
        Classified { kind, hold: None, touched: Touched::default(), refusal: None }
    }
}

/// What kind of statement it is; `None` where a statement inside it is nested too deeply.
pub(super) fn classify(sql: &SqlStatement, catalog: &Catalog, path: &SearchPath) -> Option<Classified> {
    let node = sql.raw().stmt();
    let over = |kind: Kind, relations: &[&RangeVar], used: Use| Classified {
        touched: named(relations, used, catalog, path),
        ..Classified::from(kind)
    };
    Some(match node {
        Node::SelectStmt(select) => match select.into_clause().and_then(|into| into.rel()) {
            Some(target) => create_as(target, catalog, path),
            None => Kind::Query.into(),
        },
        Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) | Node::MergeStmt(_) => {
            Kind::Write.into()
        }
        Node::CreateTableAsStmt(create) => create_table_as(create, catalog, path),
        Node::ExplainStmt(explain) => explained(explain, catalog, path)?,
        Node::DeclareCursorStmt(cursor) => declared(cursor, catalog, path)?,
        Node::CopyStmt(copy) => copied(copy, catalog, path)?,
        Node::TransactionStmt(statement) => session::transaction(statement, node).into(),
        Node::VariableSetStmt(statement) => session::set(statement, node).into(),
        Node::VariableShowStmt(show) => {
            Kind::Show(show.name().unwrap_or_default().to_ascii_lowercase()).into()
        }
        Node::PrepareStmt(prepare) => session::prepare(prepare, sql.text()).into(),
        Node::ExecuteStmt(execute) => session::execute(execute, sql.text()).into(),
        Node::DeallocateStmt(deallocate) => Kind::Deallocate(deallocate.name().map(str::to_owned)).into(),
        Node::DiscardStmt(discard) => session::discard(discard.target).into(),
        Node::FetchStmt(fetch) => {
            Kind::Fetch { name: fetch.portalname().unwrap_or_default().to_owned() }.into()
        }
        Node::ClosePortalStmt(close) => Kind::CloseCursor(close.portalname().map(str::to_owned)).into(),
        Node::ListenStmt(_) => Classified { hold: Some(Hold::Listen), ..Classified::from(Kind::Listen) },
        Node::UnlistenStmt(_) => Kind::Listen.into(),
        Node::NotifyStmt(_) => Kind::Notify.into(),
        Node::LockStmt(lock) => {
            over(Kind::Lock { of_tables: true }, &ranges(lock.relations().iter()), Use::Change)
        }
        Node::ConstraintsSetStmt(_) => Kind::Lock { of_tables: false }.into(),
        Node::TruncateStmt(truncate) => {
            over(Kind::Truncate, &ranges(truncate.relations().iter()), Use::Change)
        }
        Node::DoStmt(_) => Kind::Do.into(),
        Node::CallStmt(_) => Kind::Call.into(),
        Node::VacuumStmt(vacuum) if !vacuum.is_vacuumcmd => {
            let tables = vacuum.rels().iter().filter_map(|table| table.relation());
            let unknown: Vec<Option<String>> =
                tables.map(|table| unknown_table(table, catalog, path)).collect();
            let first = unknown.iter().all(Option::is_some).then(|| unknown.into_iter().flatten().next());
            of_unknown(Kind::Analyze.into(), first.flatten())
        }
        Node::VacuumStmt(vacuum) => {
            let tables: Vec<&RangeVar> = vacuum.rels().iter().filter_map(|table| table.relation()).collect();
            over(Kind::Upkeep, &tables, Use::Change)
        }
        Node::ClusterStmt(cluster) => {
            let unknown = cluster.relation().and_then(|table| unknown_table(table, catalog, path));
            of_unknown(Kind::Upkeep.into(), unknown)
        }
        Node::CheckPointStmt(_) => Kind::Upkeep.into(),
        _ => schema_change(node, catalog, path),
    })
}

fn ranges<'a>(nodes: impl Iterator<Item = Node<'a>>) -> Vec<&'a RangeVar> {
    nodes.filter_map(|node| if let Node::RangeVar(range) = node { Some(range) } else { None }).collect()
}

fn schema_change(node: Node<'_>, catalog: &Catalog, path: &SearchPath) -> Classified {
    let ddl = |transactional| Classified::from(Kind::Ddl { transactional, temporary: false });
    if makes_temporary_object(node) {
        let kind = Kind::Ddl { transactional: true, temporary: true };
        return Classified { hold: Some(Hold::TemporaryObject), ..Classified::from(kind) };
    }
    let table = |table: Option<&RangeVar>| table.and_then(|table| unknown_table(table, catalog, path));
    match node {
        Node::CreateStmt(create) => created(create.relation(), catalog, path),
        Node::CreateSeqStmt(create) => created(create.sequence(), catalog, path),
        Node::ViewStmt(create) => created(create.view(), catalog, path),
        Node::IndexStmt(create) => {
            let unknown = create.relation().and_then(|table| unknown_table(table, catalog, path));
            of_unknown(ddl(!create.concurrent), unknown)
        }
        Node::AlterTableStmt(alter) => {
            let unknown = alter.relation().and_then(|table| unknown_table(table, catalog, path));
            of_unknown(ddl(in_turn::detached(alter).is_none()), unknown)
        }
        Node::DropStmt(drop) => of_unknown(ddl(!drop.concurrent), dropped(drop, catalog, path)),
        Node::RuleStmt(rule) => of_unknown(ddl(true), table(rule.relation())),
        Node::CreateTrigStmt(create) => of_unknown(ddl(true), table(create.relation())),
        Node::RenameStmt(rename) => of_unknown(ddl(true), table(rename.relation())),
        Node::RefreshMatViewStmt(refresh) if refresh.concurrent => Kind::Upkeep.into(),
        Node::RefreshMatViewStmt(_) => ddl(true),
        Node::ReindexStmt(reindex) => {
            let of_table = reindex.kind == ReindexObjectType::REINDEX_OBJECT_TABLE;
            of_unknown(Kind::Upkeep.into(), table(reindex.relation().filter(|_| of_table)))
        }
        Node::CreatedbStmt(_)
        | Node::DropdbStmt(_)
        | Node::AlterDatabaseStmt(_)
        | Node::AlterDatabaseSetStmt(_)
        | Node::AlterSystemStmt(_)
        | Node::CreateTableSpaceStmt(_)
        | Node::DropTableSpaceStmt(_)
        | Node::CreateSubscriptionStmt(_)
        | Node::AlterSubscriptionStmt(_)
        | Node::DropSubscriptionStmt(_)
        | Node::CreatePublicationStmt(_)
        | Node::AlterPublicationStmt(_)
        | Node::AlterTableSpaceOptionsStmt(_)
        | Node::AlterTableMoveAllStmt(_)
        | Node::CreateAmStmt(_)
        | Node::CreateFdwStmt(_)
        | Node::AlterFdwStmt(_)
        | Node::CreateForeignServerStmt(_)
        | Node::AlterForeignServerStmt(_)
        | Node::CreateUserMappingStmt(_)
        | Node::AlterUserMappingStmt(_)
        | Node::DropUserMappingStmt(_)
        | Node::ImportForeignSchemaStmt(_)
        | Node::LoadStmt(_) => Kind::Maintenance.into(),
        Node::CreateSchemaStmt(_)
        | Node::AlterDomainStmt(_)
        | Node::GrantStmt(_)
        | Node::GrantRoleStmt(_)
        | Node::AlterDefaultPrivilegesStmt(_)
        | Node::CreateExtensionStmt(_)
        | Node::AlterExtensionStmt(_)
        | Node::AlterExtensionContentsStmt(_)
        | Node::CreatePolicyStmt(_)
        | Node::AlterPolicyStmt(_)
        | Node::CreateRoleStmt(_)
        | Node::AlterRoleStmt(_)
        | Node::AlterRoleSetStmt(_)
        | Node::DropRoleStmt(_)
        | Node::AlterSeqStmt(_)
        | Node::DefineStmt(_)
        | Node::CreateDomainStmt(_)
        | Node::CreateOpClassStmt(_)
        | Node::CreateOpFamilyStmt(_)
        | Node::AlterOpFamilyStmt(_)
        | Node::CommentStmt(_)
        | Node::SecLabelStmt(_)
        | Node::CreateStatsStmt(_)
        | Node::AlterStatsStmt(_)
        | Node::CreateFunctionStmt(_)
        | Node::AlterFunctionStmt(_)
        | Node::AlterObjectDependsStmt(_)
        | Node::AlterObjectSchemaStmt(_)
        | Node::AlterOwnerStmt(_)
        | Node::AlterOperatorStmt(_)
        | Node::AlterTypeStmt(_)
        | Node::CompositeTypeStmt(_)
        | Node::CreateEnumStmt(_)
        | Node::CreateRangeStmt(_)
        | Node::AlterEnumStmt(_)
        | Node::CreateConversionStmt(_)
        | Node::CreateCastStmt(_)
        | Node::CreateTransformStmt(_)
        | Node::CreatePLangStmt(_)
        | Node::CreateEventTrigStmt(_)
        | Node::AlterEventTrigStmt(_)
        | Node::DropOwnedStmt(_)
        | Node::ReassignOwnedStmt(_)
        | Node::AlterCollationStmt(_)
        | Node::AlterTSDictionaryStmt(_)
        | Node::AlterTSConfigurationStmt(_) => ddl(true),
        _ => Kind::Other.into(),
    }
}

/// DDL over a table that the catalog does not know may be about a temporary one.
fn of_unknown(classified: Classified, unknown: Option<String>) -> Classified {
    let touched = Touched { unknown: unknown.into_iter().collect(), ..Touched::default() };
    Classified { touched, ..classified }
}

fn unknown_table(range: &RangeVar, catalog: &Catalog, path: &SearchPath) -> Option<String> {
    let name = range.relname().unwrap_or_default();
    catalog.relation(range.schemaname(), name, path).is_none().then(|| name.to_owned())
}

/// The first of the tables, views or sequences that a DROP drops, where none of them is known.
fn dropped(drop: &DropStmt, catalog: &Catalog, path: &SearchPath) -> Option<String> {
    let of_relations = [ObjectType::OBJECT_TABLE, ObjectType::OBJECT_VIEW, ObjectType::OBJECT_SEQUENCE];
    if !of_relations.contains(&drop.remove_type) {
        return None;
    }
    let mut names = Vec::new();
    for object in drop.objects() {
        let Node::NodeList(parts) = object else { return None };
        let parts: Vec<&str> = parts.iter().filter_map(Node::as_str).collect();
        let (schema, name) = match parts.as_slice() {
            [name] => (None, *name),
            [schema, name] => (Some(*schema), *name),
            _ => return None,
        };
        if catalog.relation(schema, name, path).is_some() {
            return None;
        }
        names.push(name.to_owned());
    }
    names.into_iter().next()
}

fn is_temporary(range: &RangeVar) -> bool {
    range.relpersistence as u8 == TEMPORARY || range.schemaname().is_some_and(|schema| schema == "pg_temp")
}

/// True for a type or function that is made in `pg_temp`: it ends with its connection.
fn makes_temporary_object(node: Node<'_>) -> bool {
    let schema = match node {
        Node::CreateEnumStmt(create) => schema_of(create.type_name().iter().map(|name| name.sval())),
        Node::CreateRangeStmt(create) => schema_of(create.type_name().iter().map(|name| name.sval())),
        Node::CreateDomainStmt(create) => schema_of(create.domainname().iter().map(|name| name.sval())),
        Node::DefineStmt(create) => schema_of(create.defnames().iter().map(|name| name.sval())),
        Node::CreateFunctionStmt(create) => schema_of(create.funcname().iter().map(|name| name.as_str())),
        Node::CompositeTypeStmt(create) => create.typevar().and_then(|name| name.schemaname()),
        _ => None,
    };
    schema == Some("pg_temp")
}

/// The schema of a name of several parts.
fn schema_of<'a>(parts: impl Iterator<Item = Option<&'a str>>) -> Option<&'a str> {
    let parts: Vec<&str> = parts.flatten().collect();
    match parts.as_slice() {
        [schema, .., _] => Some(*schema),
        _ => None,
    }
}

/// A temporary table hides a table of the same name, which the planner would not see.
fn shadows(target: &RangeVar, catalog: &Catalog, path: &SearchPath) -> Option<Refusal> {
    let name = target.relname().unwrap_or_default();
    catalog.relation(None, name, path).map(|_| {
        Refusal::unsupported(
            format!("temporary table \"{name}\" would hide a table of the same name"),
            "Give the temporary table a name that no other table has.",
        )
    })
}

fn created(target: Option<&RangeVar>, catalog: &Catalog, path: &SearchPath) -> Classified {
    let target = target.filter(|target| is_temporary(target));
    let refusal = target.and_then(|target| shadows(target, catalog, path));
    let hold = target.map(|_| Hold::TemporaryTable);
    let kind = Kind::Ddl { transactional: true, temporary: target.is_some() };
    Classified { hold, refusal, ..Classified::from(kind) }
}

fn create_as(target: &RangeVar, catalog: &Catalog, path: &SearchPath) -> Classified {
    let temporary = is_temporary(target);
    let refusal = temporary.then(|| shadows(target, catalog, path)).flatten();
    let hold = temporary.then_some(Hold::TemporaryTable);
    Classified { hold, refusal, ..Classified::from(Kind::CreateAs { temporary }) }
}

fn create_table_as(create: &CreateTableAsStmt, catalog: &Catalog, path: &SearchPath) -> Classified {
    let into = create.into();
    let is_table = create.objtype == ObjectType::OBJECT_TABLE;
    match (create.query(), into.and_then(|into| into.rel())) {
        // No row is read.
        (Node::SelectStmt(_), Some(target)) if is_table && into.is_some_and(|into| into.skip_data) => {
            created(Some(target), catalog, path)
        }
        (Node::SelectStmt(_), Some(target)) => create_as(target, catalog, path),
        _ => Kind::Other.into(),
    }
}

/// A statement inside another, learned by itself. `Err(None)` where it is too deep.
fn inside(node: Node<'_>, catalog: &Catalog, path: &SearchPath) -> Result<Arc<Statement>, Option<Kind>> {
    super::walk::survey(node).ok_or(None)?;
    let text = session::printed(node).ok_or(Some(Kind::Other))?;
    match learn(&text, catalog, path) {
        Learned::Statements(statements) => match statements.as_slice() {
            [only] => Ok(Arc::clone(only)),
            _ => Err(Some(Kind::Other)),
        },
        Learned::TooComplex => Err(None),
        Learned::SyntaxError | Learned::Empty => Err(Some(Kind::Other)),
    }
}

fn is_query(node: Node<'_>) -> bool {
    matches!(
        node,
        Node::SelectStmt(_)
            | Node::InsertStmt(_)
            | Node::UpdateStmt(_)
            | Node::DeleteStmt(_)
            | Node::MergeStmt(_)
    )
}

fn explained(explain: &ExplainStmt, catalog: &Catalog, path: &SearchPath) -> Option<Classified> {
    let options = options_of(explain.options());
    let is_off = |value: &String| matches!(value.as_str(), "false" | "off" | "0");
    let analyze = options.iter().any(|option| option.name == "analyze" && !option.values.iter().any(is_off));
    // What opens a cursor over rows, or stores them, is planned as what gives them; ANALYZE makes the table.
    let query = match explain.query() {
        Node::DeclareCursorStmt(cursor) => cursor.query(),
        Node::CreateTableAsStmt(create) if !analyze => create.query(),
        query => query,
    };
    if !is_query(explain.query()) {
        let kind = explained_command(explain.query(), catalog, path);
        if matches!(kind, Kind::Maintenance) || !is_query(query) {
            return Some(kind.into());
        }
    }
    let inner = match inside(query, catalog, path) {
        Ok(inner) => inner,
        Err(kind) => return kind.map(Classified::from),
    };
    let words: Vec<String> = options
        .iter()
        .map(|option| match option.values.as_slice() {
            [value, ..] => format!("{} {}", option.name, quote_literal(value)),
            [] => option.name.clone(),
        })
        .collect();
    let prefix =
        if words.is_empty() { "EXPLAIN ".into() } else { format!("EXPLAIN ({}) ", words.join(", ")) };
    let is_text = |value: &String| value.eq_ignore_ascii_case("text");
    let as_text = options.iter().all(|option| option.name != "format" || option.values.iter().all(is_text));
    Some(Kind::Explain { inner, prefix, analyze, as_text }.into())
}

/// EXPLAIN of what stores a query's rows or opens a cursor over them: with ANALYZE it makes the table.
fn explained_command(command: Node<'_>, catalog: &Catalog, path: &SearchPath) -> Kind {
    let query = match command {
        Node::CreateTableAsStmt(create)
            if create.into().and_then(|into| into.rel()).is_none_or(is_temporary) =>
        {
            return Kind::Other;
        }
        Node::CreateTableAsStmt(create) => create.query(),
        Node::DeclareCursorStmt(cursor) => cursor.query(),
        _ => return Kind::Other,
    };
    // It runs as it is written: it may touch no tenant's rows, and leave nothing in its session.
    let leaves_nothing = |inner: &Statement| {
        inner.hold().is_none()
            && inner.sets_config().is_empty()
            && !inner.calls().unknown_config
            && inner.calls().opaque.is_none()
            && inner.touched().sharded.is_empty()
            && inner.touched().unknown.is_empty()
    };
    match is_query(query).then(|| inside(query, catalog, path)) {
        Some(Ok(inner)) if leaves_nothing(&inner) => Kind::Maintenance,
        Some(_) | None => Kind::Other,
    }
}

fn declared(cursor: &DeclareCursorStmt, catalog: &Catalog, path: &SearchPath) -> Option<Classified> {
    if !is_query(cursor.query()) {
        return Some(Kind::Other.into());
    }
    let inner = match inside(cursor.query(), catalog, path) {
        Ok(inner) => inner,
        Err(kind) => return kind.map(Classified::from),
    };
    let hold = cursor.options & CURSOR_HOLD != 0;
    let words = CURSOR_OPTIONS.iter().filter(|(bit, _)| cursor.options & bit != 0).map(|(_, word)| *word);
    let name = cursor.portalname().unwrap_or_default().to_owned();
    let prefix = format!(
        "DECLARE {} {}CURSOR {}FOR ",
        quote_identifier(&name),
        words.collect::<String>(),
        if hold { "WITH HOLD " } else { "" }
    );
    let kind = Kind::DeclareCursor { name, hold, inner, prefix };
    Some(Classified { hold: hold.then_some(Hold::Cursor), ..Classified::from(kind) })
}

fn copied(copy: &CopyStmt, catalog: &Catalog, path: &SearchPath) -> Option<Classified> {
    if copy.filename().is_some() || copy.is_program {
        return Some(Kind::Copy(CopyKind::Server).into());
    }
    let options = options_of(copy.options());
    let Some(relation) = copy.relation() else {
        if !is_query(copy.query()) {
            return Some(Kind::Other.into());
        }
        return match inside(copy.query(), catalog, path) {
            Ok(inner) => Some(Kind::Copy(CopyKind::OutQuery { inner, options }).into()),
            Err(kind) => kind.map(Classified::from),
        };
    };
    let columns = copy.attlist().iter().filter_map(Node::as_str).map(str::to_owned).collect();
    let (kind, used) = match copy.is_from {
        true => {
            let filtered = !matches!(copy.where_clause(), Node::None);
            (CopyKind::In { columns, options, filtered }, Use::Insert)
        }
        false => (CopyKind::Out { columns, options }, Use::Read),
    };
    Some(Classified {
        touched: named(&[relation], used, catalog, path),
        ..Classified::from(Kind::Copy(kind))
    })
}

fn options_of(options: &CastNodeList<DefElem>) -> Vec<CopyOption> {
    options
        .iter()
        .map(|option| CopyOption {
            name: option.defname().unwrap_or_default().to_ascii_lowercase(),
            values: match option.arg() {
                Node::NodeList(list) => list.iter().map(option_value).collect(),
                Node::None => Vec::new(),
                value => vec![option_value(value)],
            },
        })
        .collect()
}

fn option_value(node: Node<'_>) -> String {
    match node {
        Node::String(text) => text.sval().unwrap_or_default().to_owned(),
        Node::Integer(value) => value.ival.to_string(),
        Node::Float(value) => value.fval().unwrap_or_default().to_owned(),
        Node::Boolean(value) => value.boolval.to_string(),
        Node::A_Star(_) => "*".to_owned(),
        _ => constant(node).unwrap_or_default(),
    }
}
