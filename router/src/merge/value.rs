//! Values that the merge compares: decoded from PostgreSQL's binary format, ordered as PostgreSQL
//! orders them.
//!
//! Only types that compare exactly alike here are known; text is compared by bytes, so the planner
//! lets only columns in the C collation come here.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use bytes::Bytes;

use super::error::MergeError;
use super::numeric::Numeric;

/// The types that the merge compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueType {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Date,
    /// `time`, `timestamp`, `timestamptz`: microseconds.
    Microseconds,
    /// Compared by bytes.
    Bytes,
    /// `bpchar`: by bytes without trailing spaces.
    Padded,
    Uuid,
}

impl ValueType {
    /// The type with this OID.
    pub(super) fn of_oid(type_oid: u32) -> Result<ValueType, MergeError> {
        Ok(match type_oid {
            16 => ValueType::Bool,
            21 => ValueType::Int2,
            23 => ValueType::Int4,
            20 => ValueType::Int8,
            26 => ValueType::Oid,
            700 => ValueType::Float4,
            701 => ValueType::Float8,
            1700 => ValueType::Numeric,
            1082 => ValueType::Date,
            1083 | 1114 | 1184 => ValueType::Microseconds,
            17 | 18 | 19 | 25 | 1043 => ValueType::Bytes,
            1042 => ValueType::Padded,
            2950 => ValueType::Uuid,
            _ => return Err(MergeError::Unsupported { act: "compare", type_oid }),
        })
    }

    /// Decodes a field in binary format.
    pub(super) fn decode(self, field: Bytes) -> Result<Value, MergeError> {
        Ok(match self {
            ValueType::Bool => Value::Integer(i64::from(u8::from_be_bytes(fixed(&field)?) != 0)),
            ValueType::Int2 => Value::Integer(i16::from_be_bytes(fixed(&field)?).into()),
            ValueType::Int4 | ValueType::Date => Value::Integer(i32::from_be_bytes(fixed(&field)?).into()),
            ValueType::Int8 | ValueType::Microseconds => Value::Integer(i64::from_be_bytes(fixed(&field)?)),
            ValueType::Oid => Value::Integer(u32::from_be_bytes(fixed(&field)?).into()),
            ValueType::Float4 => Value::Float(f32::from_be_bytes(fixed(&field)?).into()),
            ValueType::Float8 => Value::Float(f64::from_be_bytes(fixed(&field)?)),
            ValueType::Numeric => Value::Numeric(Numeric::decode(&field)?),
            ValueType::Bytes => Value::Bytes(field),
            ValueType::Padded => {
                let kept = field.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
                Value::Bytes(field.slice(..kept))
            }
            ValueType::Uuid => {
                fixed::<16>(&field)?;
                Value::Bytes(field)
            }
        })
    }
}

fn fixed<const LENGTH: usize>(field: &[u8]) -> Result<[u8; LENGTH], MergeError> {
    field.try_into().map_err(|_| MergeError::Malformed("a field has another length than its type"))
}

/// A value that is not NULL. Values are compared within one type only.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Integer(i64),
    Float(f64),
    Numeric(Numeric),
    Bytes(Bytes),
}

impl Value {
    /// The same value, holding no part of the row it came from.
    pub(super) fn detached(&self) -> Value {
        match self {
            Value::Bytes(bytes) => Value::Bytes(Bytes::copy_from_slice(bytes)),
            Value::Integer(_) | Value::Float(_) | Value::Numeric(_) => self.clone(),
        }
    }

    /// About how much memory it takes besides its own size.
    pub(super) fn heap_size(&self) -> usize {
        match self {
            Value::Integer(_) | Value::Float(_) => 0,
            Value::Numeric(numeric) => numeric.heap_size(),
            Value::Bytes(bytes) => bytes.len(),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Value::Integer(_) => 0,
            Value::Float(_) => 1,
            Value::Numeric(_) => 2,
            Value::Bytes(_) => 3,
        }
    }
}

/// NaN is equal to itself and larger than all else, and the two zeros are equal.
fn compare_floats(one: f64, other: f64) -> Ordering {
    one.partial_cmp(&other).unwrap_or_else(|| one.is_nan().cmp(&other.is_nan()))
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Integer(one), Value::Integer(other)) => one.cmp(other),
            (Value::Float(one), Value::Float(other)) => compare_floats(*one, *other),
            (Value::Numeric(one), Value::Numeric(other)) => one.cmp(other),
            (Value::Bytes(one), Value::Bytes(other)) => one.cmp(other),
            (Value::Integer(_) | Value::Float(_) | Value::Numeric(_) | Value::Bytes(_), _) => {
                self.rank().cmp(&other.rank())
            }
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Value::Integer(value) => value.hash(state),
            Value::Float(value) if value.is_nan() => u64::MAX.hash(state),
            Value::Float(value) => (value + 0.0).to_bits().hash(state),
            Value::Numeric(value) => value.hash(state),
            Value::Bytes(bytes) => bytes.hash(state),
        }
    }
}
