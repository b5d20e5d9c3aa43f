//! Where the predicate of one table reference belongs.
//!
//! On the preserved side of all joins: in WHERE. On the nullable side of an outer join: in the ON of the
//! nearest one. Where neither place can name it (FULL JOIN, USING, an aliased join, a name that stands
//! twice): the reference becomes a subquery.

use pg_raw_parse::make::Unique;
use pg_raw_parse::nodes::{self, JoinExprMut, JoinType};
use pg_raw_parse::{Node, NodeMut};

use super::block::Restrict;
use super::filter::Reference;
use crate::catalog::RelationKind;
use crate::plan::Refusal;

/// Where a reference's predicate may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a condition further out, which sees the reference's name and its unextended rows.
    Condition,
    /// Nowhere outside.
    Inside,
}

/// What is to be done for one item of a FROM clause.
#[derive(Default)]
pub(super) struct Outcome<'mem> {
    /// Predicates for the condition further out.
    pub(super) predicates: Vec<Unique<'mem, Node<'mem>>>,
    /// What stands in the item's place.
    pub(super) replacement: Option<Unique<'mem, Node<'mem>>>,
}

impl<'mem> Restrict<'mem, '_> {
    /// Restricts the references of one item of a FROM clause, down to subqueries (which are blocks of
    /// their own).
    pub(super) fn restrict_item(
        &self,
        item: NodeMut<'mem, '_>,
        place: Place,
        names: &[String],
    ) -> Result<Outcome<'mem>, Refusal> {
        match item {
            NodeMut::RangeVar(range) => self.restrict_reference(&range, place, names),
            NodeMut::JoinExpr(join) => self.restrict_join(join, place, names),
            NodeMut::RangeTableSample(sample) => match sample.relation() {
                Node::RangeVar(range) => {
                    let outcome = self.restrict_reference(range, place, names)?;
                    match outcome.replacement {
                        None => Ok(outcome),
                        Some(_) => Err(cannot_replace("it is sampled")),
                    }
                }
                _ => Err(cannot_replace("it is sampled")),
            },
            NodeMut::RangeSubselect(_)
            | NodeMut::RangeFunction(_)
            | NodeMut::RangeTableFunc(_)
            | NodeMut::JsonTable(_) => Ok(Outcome::default()),
            _ => Err(super::block::unknown_node()),
        }
    }

    fn restrict_reference(
        &self,
        range: &nodes::RangeVar,
        place: Place,
        names: &[String],
    ) -> Result<Outcome<'mem>, Refusal> {
        let Some(reference) = self.sharded_reference(range)? else { return Ok(Outcome::default()) };
        let unique = names.iter().filter(|name| **name == reference.name).count() == 1;
        match place {
            Place::Condition if unique => Ok(Outcome {
                predicates: vec![reference.predicate(self.filter, self.mem)?],
                replacement: None,
            }),
            Place::Condition | Place::Inside => {
                self.check_replaceable(&reference.name)?;
                let replacement = Some(reference.subquery(self.filter, self.mem)?);
                Ok(Outcome { predicates: Vec::new(), replacement })
            }
        }
    }

    fn restrict_join(
        &self,
        mut join: JoinExprMut<'mem, '_>,
        place: Place,
        names: &[String],
    ) -> Result<Outcome<'mem>, Refusal> {
        let outside = if join.alias().is_some() { Place::Inside } else { place };
        let has_condition = !matches!(join.quals(), Node::None);
        let nullable = if has_condition { Place::Condition } else { Place::Inside };
        let (left, right) = match join.jointype {
            JoinType::JOIN_INNER => (outside, outside),
            JoinType::JOIN_LEFT => (outside, nullable),
            JoinType::JOIN_RIGHT => (nullable, outside),
            JoinType::JOIN_FULL => (Place::Inside, Place::Inside),
            _ => return Err(super::block::unknown_node()),
        };
        let left_outcome = self.restrict_item(join.larg_mut(), left, names)?;
        let right_outcome = self.restrict_item(join.rarg_mut(), right, names)?;
        if let Some(replacement) = left_outcome.replacement {
            join.set_larg(replacement);
        }
        if let Some(replacement) = right_outcome.replacement {
            join.set_rarg(replacement);
        }
        let mut outcome = Outcome::default();
        let mut condition = Vec::new();
        let left_is_nullable = join.jointype == JoinType::JOIN_RIGHT;
        let right_is_nullable = join.jointype == JoinType::JOIN_LEFT;
        let (target, other) = (&mut outcome.predicates, &mut condition);
        if left_is_nullable { &mut *other } else { &mut *target }.extend(left_outcome.predicates);
        if right_is_nullable { other } else { target }.extend(right_outcome.predicates);
        if !condition.is_empty() {
            let conjunction = self.conjunction(condition, join.quals());
            join.set_quals(conjunction);
        }
        Ok(outcome)
    }

    /// The reference to a sharded table that a RangeVar makes; `None` where it is something that holds no
    /// tenant's rows.
    pub(super) fn sharded_reference(&self, range: &nodes::RangeVar) -> Result<Option<Reference>, Refusal> {
        let name = range.relname().unwrap_or_default();
        if range.schemaname().is_none() && self.is_cte(name) {
            return Ok(None);
        }
        let Some(relation) = self.catalog.relation(range.schemaname(), name, self.path) else {
            return match is_system(range.schemaname(), name) {
                true => Ok(None),
                false => Err(Refusal::unsupported(
                    format!("relation \"{name}\" is not known, so its rows cannot be restricted"),
                    "name its schema, or run the statement without a tenant",
                )),
            };
        };
        match &relation.kind {
            RelationKind::Sharded { .. } => {
                Reference::new(range, relation).map(Some).ok_or_else(super::block::unknown_node)
            }
            RelationKind::Reference | RelationKind::ReferenceView | RelationKind::Sequence => Ok(None),
            RelationKind::ShardedView { .. } => Err(Refusal::unsupported(
                format!("view \"{name}\" reads sharded tables and cannot be restricted to some rows"),
                "read the tables that the view is made of",
            )),
            RelationKind::Unsafe { reason } => {
                Err(Refusal::unsupported(format!("table \"{name}\" cannot be sharded: {reason}"), ""))
            }
        }
    }
}

/// Names that no tenant's table can have: PostgreSQL reserves the prefix for schemas, and looks into
/// `pg_catalog` first.
fn is_system(schema: Option<&str>, name: &str) -> bool {
    match schema {
        Some(schema) => schema.starts_with("pg_") || schema == "information_schema",
        None => name.starts_with("pg_"),
    }
}

/// The names that the items of a FROM clause give their columns.
pub(super) fn collect_names(item: Node<'_>, names: &mut Vec<String>) {
    let alias = |alias: Option<&nodes::Alias>| alias.and_then(|alias| alias.aliasname()).map(str::to_owned);
    match item {
        Node::RangeVar(range) => {
            names.extend(alias(range.alias()).or_else(|| range.relname().map(str::to_owned)));
        }
        Node::JoinExpr(join) => {
            names.extend(alias(join.alias()));
            names.extend(alias(join.join_using_alias()));
            collect_names(join.larg(), names);
            collect_names(join.rarg(), names);
        }
        Node::RangeTableSample(sample) => collect_names(sample.relation(), names),
        Node::RangeSubselect(select) => names.extend(alias(select.alias())),
        Node::RangeFunction(function) => names.extend(alias(function.alias())),
        _ => {}
    }
}

pub(super) fn cannot_replace(reason: &str) -> Refusal {
    Refusal::unsupported(
        format!("a sharded table in this join cannot be restricted to some rows: {reason}"),
        "use an inner or left join with ON, and a name of its own for each table",
    )
}
