//! What a condition implies for the key columns that it names.

use std::collections::BTreeMap;

use pg_raw_parse::nodes::{A_Expr, A_Expr_Kind, BoolExprType};
use pg_raw_parse::{Node, list::NodeList};

use super::blocks::Analysis;
use super::region::Place;
use super::set::KeySet;
use super::values;

/// What holds in every row for which a condition is true.
#[derive(Debug, Default, Clone)]
pub(super) struct Facts {
    /// The key column's value is in this set, and not NULL.
    pub(super) member: BTreeMap<usize, KeySet>,
    /// These key columns are equal, and not NULL.
    pub(super) equal: Vec<(usize, usize)>,
}

impl Facts {
    /// Both hold.
    pub(super) fn and(&mut self, other: Facts) {
        for (node, set) in other.member {
            let standing = self.member.remove(&node).unwrap_or(KeySet::All);
            self.member.insert(node, standing.intersect(set));
        }
        self.equal.extend(other.equal);
    }

    /// One of the two holds; equalities are forgotten.
    fn or(self, other: Facts) -> Facts {
        let mut others = other.member;
        let both =
            self.member.into_iter().filter_map(|(node, set)| Some((node, set.union(others.remove(&node)?))));
        Facts { member: both.collect(), equal: Vec::new() }
    }
}

impl<'a> Analysis<'a> {
    /// What `condition` implies, with its names read in `place`.
    pub(super) fn implied(&mut self, condition: Node<'a>, place: &Place) -> Facts {
        match condition {
            Node::BoolExpr(expression) => {
                let args = expression.args();
                match expression.boolop {
                    BoolExprType::AND_EXPR => self.all_of(args, place),
                    BoolExprType::OR_EXPR => self.one_of(args, place),
                    _ => Facts::default(),
                }
            }
            Node::A_Expr(expression) => self.implied_by_operator(expression, place),
            _ => Facts::default(),
        }
    }

    fn all_of(&mut self, conditions: &'a NodeList, place: &Place) -> Facts {
        let mut all = Facts::default();
        for condition in conditions {
            let facts = self.implied(condition, place);
            all.and(facts);
        }
        all
    }

    fn one_of(&mut self, conditions: &'a NodeList, place: &Place) -> Facts {
        let mut either: Option<Facts> = None;
        for condition in conditions {
            let facts = self.implied(condition, place);
            either = Some(either.map_or(facts.clone(), |either| either.or(facts)));
        }
        let either = either.unwrap_or_default();
        Facts { equal: Vec::new(), ..either }
    }

    fn implied_by_operator(&mut self, expression: &'a A_Expr, place: &Place) -> Facts {
        let names: Vec<Option<&str>> = expression.name().iter().map(Node::as_str).collect();
        let is_equality = matches!(names.as_slice(), [Some("=")] | [Some("pg_catalog"), Some("=")]);
        let (left, right) = (expression.lexpr(), expression.rexpr());
        match expression.kind {
            A_Expr_Kind::AEXPR_OP if is_equality => self.equality(left, right, place),
            A_Expr_Kind::AEXPR_OP_ANY if is_equality => {
                self.compared(left, place, |key_type, uses| values::of_array(right, key_type, uses))
            }
            A_Expr_Kind::AEXPR_IN if is_equality => match right {
                Node::NodeList(list) => self.in_list(left, list, place),
                _ => Facts::default(),
            },
            // NULL IS NOT DISTINCT FROM NULL is true, so only constants restrict.
            A_Expr_Kind::AEXPR_NOT_DISTINCT => {
                let is_constant =
                    |node: Node<'_>| matches!(node, Node::A_Const(constant) if !constant.isnull);
                match (is_constant(left), is_constant(right)) {
                    (false, true) => self.equality(left, right, place),
                    (true, false) => self.equality(right, left, place),
                    (true, true) | (false, false) => Facts::default(),
                }
            }
            _ => Facts::default(),
        }
    }

    fn equality(&mut self, left: Node<'a>, right: Node<'a>, place: &Place) -> Facts {
        if let (Node::RowExpr(left), Node::RowExpr(right)) = (left, right) {
            let mut all = Facts::default();
            if left.args().len() == right.args().len() {
                for (left, right) in left.args().iter().zip(right.args()) {
                    let facts = self.equality(left, right, place);
                    all.and(facts);
                }
            }
            return all;
        }
        match (self.key_column(left, place), self.key_column(right, place)) {
            (Some(one), Some(other)) => Facts { equal: vec![(one, other)], ..Facts::default() },
            (Some(_), None) => {
                self.compared(left, place, |key_type, uses| values::of_value(right, key_type, uses))
            }
            (None, Some(_)) => {
                self.compared(right, place, |key_type, uses| values::of_value(left, key_type, uses))
            }
            (None, None) => Facts::default(),
        }
    }

    fn compared(
        &mut self,
        column: Node<'a>,
        place: &Place,
        read: impl FnOnce(crate::ids::KeyType, &mut values::Uses) -> Option<KeySet>,
    ) -> Facts {
        let Some(node) = self.key_column(column, place) else { return Facts::default() };
        let key_type = self.nodes[node].key_type;
        match read(key_type, &mut self.uses) {
            Some(set) => Facts { member: [(node, set)].into(), ..Facts::default() },
            None => Facts::default(),
        }
    }

    fn in_list(&mut self, left: Node<'a>, list: &'a NodeList, place: &Place) -> Facts {
        let Node::RowExpr(row) = left else {
            return self
                .compared(left, place, |key_type, uses| values::of_values(list.iter(), key_type, uses));
        };
        let mut all = Facts::default();
        for (index, column) in row.args().iter().enumerate() {
            let facts = self.compared(column, place, |key_type, uses| {
                let elements = list.iter().map(|element| match element {
                    Node::RowExpr(element) => element.args().get(index),
                    _ => None,
                });
                let elements: Option<Vec<Node<'_>>> = elements.collect();
                values::of_values(elements?.into_iter(), key_type, uses)
            });
            all.and(facts);
        }
        all
    }

    /// The key column that an expression is.
    pub(super) fn key_column(&self, node: Node<'_>, place: &Place) -> Option<usize> {
        let Node::ColumnRef(column) = node else { return None };
        let fields: Option<Vec<&str>> = column.fields().iter().map(Node::as_str).collect();
        super::scope::resolve(&self.scopes, place.scope, place.range.clone(), &fields?)
    }
}
