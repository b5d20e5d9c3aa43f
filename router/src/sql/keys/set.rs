//! Sets of tenant keys, as a template over constants and parameters.

use crate::ids::{KeyType, TenantKey};
use crate::plan::{Parameter, TenantKeys};

use super::array;

/// Which tenant keys a table reference may concern. Too large is safe, too small is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySet {
    /// Any key.
    All,
    /// The union of these; empty: no row at all.
    Set(Vec<KeyTerm>),
}

/// One part of a [`KeySet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyTerm {
    /// A constant.
    Const(TenantKey),
    /// The value of parameter `$n`, counted from 1.
    Parameter(u16, KeyType),
    /// The elements of parameter `$n`, an array.
    ParameterArray(u16, KeyType),
}

impl KeySet {
    /// One key.
    pub(crate) fn of(key: TenantKey) -> KeySet {
        KeySet::Set(vec![KeyTerm::Const(key)])
    }

    /// What is in both; at least that.
    pub(crate) fn intersect(self, other: KeySet) -> KeySet {
        match (self, other) {
            (KeySet::All, set) | (set, KeySet::All) => set,
            (KeySet::Set(one), KeySet::Set(other)) => match (constants(&one), constants(&other)) {
                (true, true) => KeySet::Set(one.into_iter().filter(|term| other.contains(term)).collect()),
                (true, false) => KeySet::Set(one),
                (false, true) => KeySet::Set(other),
                (false, false) => KeySet::Set(if one.len() <= other.len() { one } else { other }),
            },
        }
    }

    /// What is in either.
    pub(crate) fn union(self, other: KeySet) -> KeySet {
        match (self, other) {
            (KeySet::All, _) | (_, KeySet::All) => KeySet::All,
            (KeySet::Set(mut one), KeySet::Set(other)) => {
                one.extend(other);
                KeySet::Set(one)
            }
        }
    }

    /// The keys, with the parameters' values; `None` where they may be any. A parameter whose type
    /// nobody declared counts only if `inferred` says that the server infers the tenant column's.
    pub(crate) fn resolve(
        &self,
        parameters: &[Parameter<'_>],
        inferred: impl Fn(u16) -> bool,
    ) -> Option<TenantKeys> {
        let KeySet::Set(terms) = self else { return None };
        let mut keys = TenantKeys::with_capacity(terms.len());
        for term in terms {
            let parameter = |number: u16| {
                let parameter = parameters.get(usize::from(number).checked_sub(1)?)?;
                (parameter.type_oid != 0 || inferred(number)).then_some(parameter)
            };
            match term {
                KeyTerm::Const(key) => keys.push(key.clone()),
                KeyTerm::Parameter(number, key_type) => keys.extend(scalar(parameter(*number)?, *key_type)?),
                KeyTerm::ParameterArray(number, key_type) => {
                    keys.extend(array::elements(parameter(*number)?, *key_type)?);
                }
            }
        }
        keys.sort_unstable();
        keys.dedup();
        Some(keys)
    }
}

fn constants(terms: &[KeyTerm]) -> bool {
    terms.iter().all(|term| matches!(term, KeyTerm::Const(_)))
}

/// The key that a parameter is: `Some(None)` for NULL, which equals nothing; `None` where it is not
/// certain.
fn scalar(parameter: &Parameter<'_>, key_type: KeyType) -> Option<Option<TenantKey>> {
    if parameter.type_oid != 0 && KeyType::of_type_oid(parameter.type_oid) != Some(key_type) {
        return None;
    }
    match parameter.value {
        None => Some(None),
        Some(bytes) if parameter.binary => key_type.read_binary(bytes).map(Some),
        Some(bytes) => key_type.parse(std::str::from_utf8(bytes).ok()?).map(Some),
    }
}
