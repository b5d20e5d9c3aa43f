//! The kinds of node that a rewritten statement may hold. The parser has many more; each was looked
//! at before it was listed here.

use pg_raw_parse::NodeMut;

/// True for a node that the rewrite knows: either it holds no table reference, or its table references
/// are in places that the rewrite visits.
pub(super) fn is_known(node: &NodeMut<'_, '_>) -> bool {
    is_value(node) || is_expression(node) || is_clause(node) || is_json(node)
}

fn is_value(node: &NodeMut<'_, '_>) -> bool {
    matches!(
        node,
        NodeMut::None(..)
            | NodeMut::NodeList(_)
            | NodeMut::Integer(_)
            | NodeMut::Float(_)
            | NodeMut::Boolean(_)
            | NodeMut::String(_)
            | NodeMut::BitString(_)
            | NodeMut::A_Const(_)
            | NodeMut::ParamRef(_)
            | NodeMut::A_Star(_)
            | NodeMut::SetToDefault(_)
            | NodeMut::TypeName(_)
            | NodeMut::DefElem(_)
    )
}

fn is_expression(node: &NodeMut<'_, '_>) -> bool {
    matches!(
        node,
        NodeMut::ColumnRef(_)
            | NodeMut::A_Expr(_)
            | NodeMut::BoolExpr(_)
            | NodeMut::NullTest(_)
            | NodeMut::BooleanTest(_)
            | NodeMut::CaseExpr(_)
            | NodeMut::CaseWhen(_)
            | NodeMut::CoalesceExpr(_)
            | NodeMut::MinMaxExpr(_)
            | NodeMut::RowExpr(_)
            | NodeMut::A_ArrayExpr(_)
            | NodeMut::A_Indices(_)
            | NodeMut::A_Indirection(_)
            | NodeMut::TypeCast(_)
            | NodeMut::CollateClause(_)
            | NodeMut::FuncCall(_)
            | NodeMut::NamedArgExpr(_)
            | NodeMut::GroupingFunc(_)
            | NodeMut::SQLValueFunction(_)
            | NodeMut::SubLink(_)
            | NodeMut::MultiAssignRef(_)
            | NodeMut::XmlExpr(_)
            | NodeMut::XmlSerialize(_)
    )
}

fn is_clause(node: &NodeMut<'_, '_>) -> bool {
    matches!(
        node,
        NodeMut::SelectStmt(_)
            | NodeMut::InsertStmt(_)
            | NodeMut::UpdateStmt(_)
            | NodeMut::DeleteStmt(_)
            | NodeMut::MergeStmt(_)
            | NodeMut::MergeWhenClause(_)
            | NodeMut::ResTarget(_)
            | NodeMut::RangeVar(_)
            | NodeMut::RangeSubselect(_)
            | NodeMut::RangeFunction(_)
            | NodeMut::RangeTableSample(_)
            | NodeMut::RangeTableFunc(_)
            | NodeMut::RangeTableFuncCol(_)
            | NodeMut::JoinExpr(_)
            | NodeMut::Alias(_)
            | NodeMut::SortBy(_)
            | NodeMut::WindowDef(_)
            | NodeMut::GroupingSet(_)
            | NodeMut::LockingClause(_)
            | NodeMut::CommonTableExpr(_)
            | NodeMut::ColumnDef(_)
            | NodeMut::IndexElem(_)
            | NodeMut::InferClause(_)
            | NodeMut::OnConflictClause(_)
            | NodeMut::ReturningClause(_)
            | NodeMut::ReturningOption(_)
    )
}

fn is_json(node: &NodeMut<'_, '_>) -> bool {
    matches!(
        node,
        NodeMut::JsonFormat(_)
            | NodeMut::JsonReturning(_)
            | NodeMut::JsonValueExpr(_)
            | NodeMut::JsonParseExpr(_)
            | NodeMut::JsonScalarExpr(_)
            | NodeMut::JsonSerializeExpr(_)
            | NodeMut::JsonIsPredicate(_)
            | NodeMut::JsonArgument(_)
            | NodeMut::JsonFuncExpr(_)
            | NodeMut::JsonBehavior(_)
            | NodeMut::JsonTable(_)
            | NodeMut::JsonTableColumn(_)
            | NodeMut::JsonTablePathSpec(_)
            | NodeMut::JsonOutput(_)
            | NodeMut::JsonKeyValue(_)
            | NodeMut::JsonObjectConstructor(_)
            | NodeMut::JsonArrayConstructor(_)
            | NodeMut::JsonAggConstructor(_)
            | NodeMut::JsonObjectAgg(_)
            | NodeMut::JsonArrayAgg(_)
            | NodeMut::JsonArrayQueryConstructor(_)
    )
}
