//! The keys in an array: a literal, or a parameter in either format.

use crate::ids::{KeyType, TenantKey};
use crate::plan::Parameter;

/// The elements of an array parameter without NULLs; `None` where they are not certain.
pub(super) fn elements(parameter: &Parameter<'_>, key_type: KeyType) -> Option<Vec<TenantKey>> {
    let declared = match parameter.type_oid {
        0 => Some(key_type),
        1005 | 1007 | 1016 => Some(KeyType::Integer),
        2951 => Some(KeyType::Uuid),
        1009 | 1015 => Some(KeyType::Text),
        _ => None,
    };
    if declared != Some(key_type) {
        return None;
    }
    match parameter.value {
        None => Some(Vec::new()),
        Some(bytes) if parameter.binary => binary_elements(bytes, key_type),
        Some(bytes) => literal_elements(std::str::from_utf8(bytes).ok()?, key_type),
    }
}

/// The elements of a literal of the form `{1,2}`; quotes, bounds and further dimensions are left to
/// PostgreSQL.
pub(super) fn literal_elements(literal: &str, key_type: KeyType) -> Option<Vec<TenantKey>> {
    let inside = literal.trim_ascii().strip_prefix('{')?.strip_suffix('}')?;
    if inside.contains(['"', '\\', '{', '}']) {
        return None;
    }
    if inside.trim_ascii().is_empty() {
        return Some(Vec::new());
    }
    let elements = inside.split(',').map(str::trim_ascii);
    let mut keys = Vec::new();
    for element in elements {
        if element.is_empty() {
            return None;
        }
        if !element.eq_ignore_ascii_case("null") {
            keys.push(key_type.parse(element)?);
        }
    }
    Some(keys)
}

/// PostgreSQL's `array_send`: dimensions, flags, element type, (length, bound) a dimension, elements.
fn binary_elements(bytes: &[u8], key_type: KeyType) -> Option<Vec<TenantKey>> {
    let mut rest = bytes;
    let mut word = || {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        rest = tail;
        Some(i32::from_be_bytes(*head))
    };
    let (dimensions, _flags, element_type) = (word()?, word()?, word()?);
    if KeyType::of_type_oid(u32::try_from(element_type).ok()?) != Some(key_type) {
        return None;
    }
    let count = match dimensions {
        0 => return Some(Vec::new()),
        1 => word()?,
        _ => return None,
    };
    word()?;
    let mut keys = Vec::new();
    for _ in 0..count {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        rest = tail;
        let length = i32::from_be_bytes(*head);
        if let Ok(length) = usize::try_from(length) {
            let (element, tail) = rest.split_at_checked(length)?;
            rest = tail;
            keys.push(key_type.read_binary(element)?);
        }
    }
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integers(literal: &str) -> Option<Vec<i64>> {
        let keys = literal_elements(literal, KeyType::Integer)?;
        keys.into_iter()
            .map(|key| if let TenantKey::Integer(value) = key { Some(value) } else { None })
            .collect()
    }

    #[test]
    fn a_plain_literal_is_read_and_others_are_left_alone() {
        assert_eq!(integers("{1, 2 ,NULL}"), Some(vec![1, 2]));
        assert_eq!(integers("{}"), Some(vec![]));
        for literal in ["{\"1\"}", "{{1}}", "[0:1]={1,2}", "{1,}", "1,2", "{1.5}"] {
            assert_eq!(integers(literal), None, "{literal}");
        }
    }

    #[test]
    fn a_binary_array_is_read_within_its_bounds() {
        let mut bytes = Vec::new();
        for word in [1i32, 0, 20, 2, 1] {
            bytes.extend(word.to_be_bytes());
        }
        for value in [5i64, 6] {
            bytes.extend(8i32.to_be_bytes());
            bytes.extend(value.to_be_bytes());
        }
        let keys = binary_elements(&bytes, KeyType::Integer);
        assert_eq!(keys, Some(vec![TenantKey::Integer(5), TenantKey::Integer(6)]));
        for cut in 0..bytes.len() {
            assert_eq!(binary_elements(&bytes[..cut], KeyType::Integer), None, "{cut}");
        }
    }
}
