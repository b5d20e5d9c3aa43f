//! Which keys an expression without columns can be, where its meaning is certain.

use pg_raw_parse::nodes::{A_Const, ParamRef, TypeCast, TypeName};
use pg_raw_parse::{ConstValue, Node};

use super::array::literal_elements;
use super::set::{KeySet, KeyTerm};
use crate::ids::{KeyType, TenantKey};

/// Notes where parameters stand as keys.
pub(super) type Uses = Vec<(u16, i32)>;

/// The keys that a value is when compared with (or stored into) a tenant column; NULL is none.
/// `None` where it is not certain.
pub(super) fn of_value(node: Node<'_>, key_type: KeyType, uses: &mut Uses) -> Option<KeySet> {
    match node {
        Node::A_Const(constant) => of_constant(constant, key_type),
        Node::ParamRef(parameter) => {
            let number = noted(parameter, uses)?;
            Some(KeySet::Set(vec![KeyTerm::Parameter(number, key_type)]))
        }
        Node::TypeCast(cast) => of_cast(cast, key_type, uses),
        _ => None,
    }
}

/// The keys in an array that stands behind `= ANY`.
pub(super) fn of_array(node: Node<'_>, key_type: KeyType, uses: &mut Uses) -> Option<KeySet> {
    match node {
        Node::A_ArrayExpr(array) => of_values(array.elements().iter(), key_type, uses),
        Node::A_Const(constant) if constant.isnull => Some(KeySet::Set(Vec::new())),
        Node::A_Const(constant) => match constant.val()? {
            ConstValue::String(literal) => Some(of_keys(literal_elements(literal, key_type)?)),
            _ => None,
        },
        Node::ParamRef(parameter) => {
            let number = noted(parameter, uses)?;
            Some(KeySet::Set(vec![KeyTerm::ParameterArray(number, key_type)]))
        }
        Node::TypeCast(cast) => {
            let name = cast.type_name()?;
            let casts_to_key = !name.array_bounds().is_empty() && named_key_type(name) == Some(key_type);
            casts_to_key.then(|| of_array(cast.arg(), key_type, uses)).flatten()
        }
        _ => None,
    }
}

/// The union of several values.
pub(super) fn of_values<'a>(
    nodes: impl Iterator<Item = Node<'a>>,
    key_type: KeyType,
    uses: &mut Uses,
) -> Option<KeySet> {
    let mut all = KeySet::Set(Vec::new());
    for node in nodes {
        all = all.union(of_value(node, key_type, uses)?);
    }
    Some(all)
}

fn of_keys(keys: Vec<TenantKey>) -> KeySet {
    KeySet::Set(keys.into_iter().map(KeyTerm::Const).collect())
}

fn noted(parameter: &ParamRef, uses: &mut Uses) -> Option<u16> {
    let number = u16::try_from(parameter.number).ok().filter(|number| *number > 0)?;
    if !uses.contains(&(number, parameter.location)) {
        uses.push((number, parameter.location));
    }
    Some(number)
}

fn of_constant(constant: &A_Const, key_type: KeyType) -> Option<KeySet> {
    if constant.isnull {
        return Some(KeySet::Set(Vec::new()));
    }
    let key = match (constant.val()?, key_type) {
        (ConstValue::Integer(value), KeyType::Integer) => TenantKey::Integer(i64::from(value)),
        // An integer that is too long for int4 is lexed as a float.
        (ConstValue::Float(text), KeyType::Integer) => key_type.parse(text)?,
        (ConstValue::String(text), _) => key_type.parse(text)?,
        _ => return None,
    };
    Some(KeySet::of(key))
}

/// A cast to the key's own type changes nothing that the key's reader would not see.
fn of_cast(cast: &TypeCast, key_type: KeyType, uses: &mut Uses) -> Option<KeySet> {
    let name = cast.type_name()?;
    if !name.array_bounds().is_empty() || named_key_type(name) != Some(key_type) {
        return None;
    }
    match cast.arg() {
        Node::A_Const(constant) => match (constant.val(), key_type) {
            (Some(ConstValue::Integer(value)), KeyType::Text) => {
                Some(KeySet::of(TenantKey::Text(value.to_string().into())))
            }
            _ => of_constant(constant, key_type),
        },
        Node::ParamRef(_) => of_value(cast.arg(), key_type, uses),
        _ => None,
    }
}

/// The key type that a type's name means; none for lengths, which cut.
fn named_key_type(name: &TypeName) -> Option<KeyType> {
    if name.setof || name.pct_type || !name.typmods().is_empty() {
        return None;
    }
    let names: Vec<&str> = name.names().iter().filter_map(|part| part.sval()).collect();
    let (["pg_catalog", last] | [last]) = names.as_slice() else { return None };
    match *last {
        "int2" | "int4" | "int8" => Some(KeyType::Integer),
        "uuid" => Some(KeyType::Uuid),
        "text" | "varchar" => Some(KeyType::Text),
        _ => None,
    }
}
