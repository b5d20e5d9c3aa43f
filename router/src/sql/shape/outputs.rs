//! What a block gives, column by column, and what the names and numbers in ORDER BY and GROUP BY mean.

use pg_raw_parse::nodes::{ColumnRef, ResTarget, SelectStmt};
use pg_raw_parse::{ConstValue, Node};

use super::expression::unknown_expression;
use super::facts::Facts;
use super::from::Item;
use super::names::{fields_of, output_name};
use super::scope::{Fields, Resolved, Scope, TableColumn};
use super::types::infer;
use crate::plan::Refusal;

/// An expression of the statement, or a column that its `*` stands for.
#[derive(Debug, Clone)]
pub(super) enum Expression<'a> {
    Node(Node<'a>),
    Column(Fields),
}

/// One column that a block gives.
#[derive(Debug, Clone)]
pub(super) struct Output<'a> {
    pub(super) expression: Expression<'a>,
    /// Its name; `None` where it is not certain.
    pub(super) name: Option<String>,
}

impl Output<'_> {
    /// The column that it is to the block around; `None` where its name is not certain.
    pub(super) fn column(self, scope: &Scope<'_>) -> Option<TableColumn> {
        let resolved = self.expression.resolve(scope).filter(|resolved| !resolved.outer);
        Some(TableColumn {
            facts: self.expression.facts(scope),
            tenant: resolved.as_ref().is_some_and(|resolved| resolved.column.tenant),
            nullable: resolved.as_ref().is_none_or(|resolved| resolved.column.nullable),
            name: self.name?,
        })
    }
}

impl<'a> Expression<'a> {
    /// The column that it is, if it is one.
    pub(super) fn resolve(&self, scope: &Scope<'_>) -> Option<Resolved> {
        match self {
            Expression::Node(Node::ColumnRef(column)) => scope.resolve(&fields_of(column)?),
            Expression::Node(_) => None,
            Expression::Column(fields) => {
                scope.resolve(&fields.iter().map(String::as_str).collect::<Vec<_>>())
            }
        }
    }

    pub(super) fn facts(&self, scope: &Scope<'_>) -> Facts {
        match self {
            Expression::Node(node) => infer(*node, scope),
            Expression::Column(_) => {
                self.resolve(scope).map_or(Facts::UNKNOWN, |resolved| resolved.column.facts)
            }
        }
    }

    /// True where both are certainly the same expression.
    pub(super) fn is_same(&self, other: &Expression<'_>, scope: &Scope<'_>) -> bool {
        if let (Some(one), Some(other)) = (self.resolve(scope), other.resolve(scope)) {
            return one.outer == other.outer
                && one.reference == other.reference
                && one.column.name == other.column.name;
        }
        match (self, other) {
            (Expression::Node(one), Expression::Node(other)) => {
                without_places(*one) == without_places(*other)
            }
            (Expression::Node(_) | Expression::Column(_), Expression::Column(_))
            | (Expression::Column(_), Expression::Node(_)) => false,
        }
    }
}

/// A tree as text, without the places in the statement's text that it was read from.
pub(crate) fn without_places(node: Node<'_>) -> String {
    let text = format!("{node:?}");
    let mut parts = text.split("location: ");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        result.push_str(part.trim_start_matches(|c: char| c == '-' || c.is_ascii_digit()));
    }
    result
}

/// The block's outputs; `None` where a `*` cannot be counted.
pub(super) fn outputs<'a>(
    select: &'a SelectStmt,
    scope: &Scope<'_>,
    items: &[Item],
) -> Result<Option<Vec<Output<'a>>>, Refusal> {
    if let Some(Node::NodeList(row)) = select.values_lists().first() {
        let of_value = |(at, node): (usize, Node<'a>)| Output {
            expression: Expression::Node(node),
            name: Some(format!("column{}", at + 1)),
        };
        // Rows after the first may have another type: what is known of the first is not used.
        let hide = |output: Output<'a>| Output { expression: Expression::Column(Vec::new()), ..output };
        return Ok(Some(row.iter().enumerate().map(of_value).map(hide).collect()));
    }
    outputs_of(select.target_list().iter(), scope, items)
}

/// The outputs of a list of targets; `None` where a `*` cannot be counted.
pub(super) fn outputs_of<'a>(
    targets: impl Iterator<Item = &'a ResTarget>,
    scope: &Scope<'_>,
    items: &[Item],
) -> Result<Option<Vec<Output<'a>>>, Refusal> {
    let mut outputs = Vec::new();
    for target in targets {
        match target.val() {
            Node::ColumnRef(column) if is_star(column) => match star_of(column, scope, items)? {
                Some(columns) => outputs.extend(columns.into_iter().map(|fields| Output {
                    name: fields.last().cloned(),
                    expression: Expression::Column(fields),
                })),
                None => return Ok(None),
            },
            Node::A_Indirection(part)
                if part.indirection().iter().any(|node| matches!(node, Node::A_Star(_))) =>
            {
                return Ok(None);
            }
            node => outputs.push(Output {
                expression: Expression::Node(node),
                name: target.name().map(str::to_owned).or_else(|| output_name(node)),
            }),
        }
    }
    Ok(Some(outputs))
}

fn is_star(column: &ColumnRef) -> bool {
    column.fields().iter().any(|field| matches!(field, Node::A_Star(_)))
}

/// The columns that `*` or `table.*` stands for.
fn star_of(column: &ColumnRef, scope: &Scope<'_>, items: &[Item]) -> Result<Option<Vec<Fields>>, Refusal> {
    let names: Vec<&str> = column.fields().iter().filter_map(Node::as_str).collect();
    match names.as_slice() {
        [] => {
            Ok(items.iter().map(|item| item.star.clone()).collect::<Option<Vec<_>>>().map(|all| all.concat()))
        }
        [table] => {
            let reference = scope.references.iter().find(|reference| reference.name == *table);
            let columns = reference.ok_or_else(unknown_expression)?.columns.as_ref();
            let fields = |name: &String| vec![(*table).to_owned(), name.clone()];
            Ok(columns.map(|columns| columns.iter().map(|column| fields(&column.name)).collect()))
        }
        _ => Err(unknown_expression()),
    }
}

/// True where the expression is a tenant column of the block's own that no outer join made NULL.
pub(super) fn has_tenant(expression: &Expression<'_>, scope: &Scope<'_>) -> bool {
    expression
        .resolve(scope)
        .is_some_and(|resolved| !resolved.outer && resolved.column.tenant && !resolved.column.nullable)
}

/// What GROUP BY groups by. A bare name is a column of FROM first, an output second; a number is an
/// output (PostgreSQL manual, SELECT, "GROUP BY Clause").
pub(super) fn group_keys<'a>(
    select: &'a SelectStmt,
    scope: &Scope<'_>,
    outputs: &[Output<'a>],
) -> Result<Vec<Expression<'a>>, Refusal> {
    if select.group_distinct {
        return Err(grouping_sets());
    }
    let key = |node: Node<'a>| match node {
        Node::GroupingSet(_) => Err(grouping_sets()),
        Node::A_Const(constant) => {
            output_by_number(constant, outputs).map(|at| outputs[at].expression.clone())
        }
        Node::ColumnRef(column) => match fields_of(column).as_deref() {
            Some([name]) if !scope.has_own(name)? => {
                let output = output_by_name(name, outputs, scope)?.map(|at| outputs[at].expression.clone());
                Ok(output.unwrap_or(Expression::Node(node)))
            }
            Some(_) => Ok(Expression::Node(node)),
            None => Err(unknown_expression()),
        },
        _ => Ok(Expression::Node(node)),
    };
    select.group_clause().iter().map(key).collect()
}

/// What ORDER BY orders by, with the output that it is. A bare name is an output first, a column of
/// FROM second (PostgreSQL manual, SELECT, "ORDER BY Clause").
pub(super) fn sort_key<'a>(
    node: Node<'a>,
    scope: &Scope<'_>,
    outputs: &[Output<'a>],
) -> Result<(Expression<'a>, Option<usize>), Refusal> {
    let at = match node {
        Node::A_Const(constant) => Some(output_by_number(constant, outputs)?),
        Node::ColumnRef(column) => match fields_of(column).as_deref() {
            Some([name]) => output_by_name(name, outputs, scope)?,
            Some(_) | None => None,
        },
        _ => None,
    };
    if let Some(at) = at {
        return Ok((outputs[at].expression.clone(), Some(at)));
    }
    let expression = Expression::Node(node);
    let at = outputs.iter().position(|output| output.expression.is_same(&expression, scope));
    Ok((expression, at))
}

fn output_by_number(
    constant: &pg_raw_parse::nodes::A_Const,
    outputs: &[Output<'_>],
) -> Result<usize, Refusal> {
    match constant.val() {
        Some(ConstValue::Integer(number)) => usize::try_from(number)
            .ok()
            .and_then(|number| number.checked_sub(1))
            .filter(|at| *at < outputs.len())
            .ok_or_else(unknown_expression),
        Some(_) | None => Err(unknown_expression()),
    }
}

/// The output of this name; refused where it is not certain which.
fn output_by_name(name: &str, outputs: &[Output<'_>], scope: &Scope<'_>) -> Result<Option<usize>, Refusal> {
    if outputs.iter().any(|output| output.name.is_none()) {
        return Err(unknown_expression());
    }
    let mut found = outputs.iter().enumerate().filter(|(_, output)| output.name.as_deref() == Some(name));
    let Some((at, first)) = found.next() else { return Ok(None) };
    match found.all(|(_, other)| other.expression.is_same(&first.expression, scope)) {
        true => Ok(Some(at)),
        false => Err(unknown_expression()),
    }
}

fn grouping_sets() -> Refusal {
    Refusal::unsupported(
        "grouping sets are not merged",
        "use several statements with a plain GROUP BY, or restrict the statement to one tenant",
    )
}
