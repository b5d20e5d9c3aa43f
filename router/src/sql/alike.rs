//! Writes of a table of which every server has a copy that do the same to each copy, whatever rows others insert and
//! delete while the servers run them one after the other.

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{A_Expr_Kind, BoolExprType};

use super::chosen::any;
use crate::catalog::Relation;

/// True for an UPDATE or DELETE that concerns one row at most, by its key, and reads nothing else.
pub(super) fn names_one_row(statement: Node<'_>, relation: &Relation) -> bool {
    let (alone, condition) = match statement {
        Node::UpdateStmt(update) => {
            (update.from_clause().is_empty() && update.with_clause().is_none(), update.where_clause())
        }
        Node::DeleteStmt(delete) => {
            (delete.using_clause().is_empty() && delete.with_clause().is_none(), delete.where_clause())
        }
        _ => return false,
    };
    let mut columns = Vec::new();
    equal_columns(condition, &mut columns);
    let is_equal =
        |at: &usize| relation.columns.get(*at).is_some_and(|key| columns.contains(&key.name.as_str()));
    alone
        && relation.unique_keys.iter().any(|key| key.iter().all(is_equal))
        && !any(statement, |node| matches!(node, Node::SubLink(_)))
}

/// The columns that a condition says to be equal to a value.
fn equal_columns<'a>(condition: Node<'a>, columns: &mut Vec<&'a str>) {
    match condition {
        Node::BoolExpr(all) if all.boolop == BoolExprType::AND_EXPR => {
            all.args().iter().for_each(|part| equal_columns(part, columns));
        }
        Node::A_Expr(equal) if equal.kind == A_Expr_Kind::AEXPR_OP && is_equality(equal.name()) => {
            match (equal.lexpr(), equal.rexpr()) {
                (Node::ColumnRef(column), value) | (value, Node::ColumnRef(column)) if is_value(value) => {
                    columns.extend(column.fields().iter().next_back().and_then(Node::as_str));
                }
                _ => {}
            }
        }
        _ => {}
    }
}

fn is_equality(name: &NodeList) -> bool {
    name.iter().map(Node::as_str).eq([Some("=")])
}

fn is_value(node: Node<'_>) -> bool {
    match node {
        Node::A_Const(_) | Node::ParamRef(_) => true,
        Node::TypeCast(cast) => is_value(cast.arg()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::fixture::{catalog, path};

    #[test]
    fn one_row_is_named_by_all_columns_of_a_key() {
        let catalog = catalog();
        let countries = catalog.relation(None, "countries", &path()).expect("a table");
        let users = catalog.relation(None, "users", &path()).expect("a table");
        for (text, relation, expected) in [
            ("update countries set code = code || 'x' where id = 5", countries, true),
            ("delete from countries c where title <> '' and $1::int = c.id returning *", countries, true),
            ("update users set name = 'x' where (id = 5 and tenant_id = 7) and active", users, true),
            ("update users set name = 'x' where tenant_id = 7", users, false),
            ("update countries set code = 'x'", countries, false),
            ("update countries set code = 'x' where id = 5 or id = 6", countries, false),
            ("update countries set code = 'x' where id in (5, 6)", countries, false),
            ("update countries set code = 'x' where id > 5", countries, false),
            ("update countries set code = 'x' where id = length(title)", countries, false),
            ("update countries set code = (select 1) where id = 5", countries, false),
            ("update countries set code = 'x' from titles t where id = 5", countries, false),
            ("with a as (select 1) delete from countries where id = 5", countries, false),
            ("insert into countries values (5)", countries, false),
        ] {
            let trees = pg_raw_parse::parse(text).expect("parses");
            let statement = trees.first().expect("a statement").stmt();
            assert_eq!(names_one_row(statement, relation), expected, "{text}");
        }
    }
}
