//! Values that the merge compares: decoded from PostgreSQL's binary format, ordered as PostgreSQL
//! orders them.
//!
//! Only types that compare exactly alike here are known; text is compared by bytes, so the planner
//! lets only columns in the C collation come here.

use std::cmp::Ordering;

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
    pub(super) fn decode(self, field: &[u8]) -> Result<Value, MergeError> {
        Ok(match self {
            ValueType::Bool => Value::Integer(i64::from(u8::from_be_bytes(fixed(field)?) != 0)),
            ValueType::Int2 => Value::Integer(i16::from_be_bytes(fixed(field)?).into()),
            ValueType::Int4 | ValueType::Date => Value::Integer(i32::from_be_bytes(fixed(field)?).into()),
            ValueType::Int8 | ValueType::Microseconds => Value::Integer(i64::from_be_bytes(fixed(field)?)),
            ValueType::Oid => Value::Integer(u32::from_be_bytes(fixed(field)?).into()),
            ValueType::Float4 => Value::Float(f32::from_be_bytes(fixed(field)?).into()),
            ValueType::Float8 => Value::Float(f64::from_be_bytes(fixed(field)?)),
            ValueType::Numeric => Value::Numeric(Numeric::decode(field)?),
            ValueType::Bytes | ValueType::Padded | ValueType::Uuid => {
                Value::Bytes(self.compared_bytes(field)?.to_vec())
            }
        })
    }

    /// Decodes a field, `None` for NULL, in the place of the value before it, whose memory is used again.
    pub(super) fn decode_over(
        self,
        field: Option<&[u8]>,
        value: &mut Option<Value>,
    ) -> Result<(), MergeError> {
        match (field, &mut *value) {
            (None, _) => *value = None,
            (Some(field), Some(Value::Bytes(bytes))) => {
                bytes.clear();
                bytes.extend_from_slice(self.compared_bytes(field)?);
            }
            (Some(field), _) => *value = Some(self.decode(field)?),
        }
        Ok(())
    }

    /// Of a type that is compared by bytes, those that count.
    fn compared_bytes(self, field: &[u8]) -> Result<&[u8], MergeError> {
        Ok(match self {
            ValueType::Padded => {
                let kept = field.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
                field.get(..kept).unwrap_or_default()
            }
            ValueType::Uuid => {
                fixed::<16>(field)?;
                field
            }
            ValueType::Bool
            | ValueType::Int2
            | ValueType::Int4
            | ValueType::Int8
            | ValueType::Oid
            | ValueType::Float4
            | ValueType::Float8
            | ValueType::Numeric
            | ValueType::Date
            | ValueType::Microseconds
            | ValueType::Bytes => field,
        })
    }

    /// Appends bytes that are the same for two fields, `None` for NULL, just where their values are equal.
    pub(super) fn identify(self, field: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), MergeError> {
        let Some(field) = field else {
            out.push(0);
            return Ok(());
        };
        out.push(1);
        match self {
            ValueType::Bool => out.extend_from_slice(&fixed::<1>(field)?),
            ValueType::Int2 => out.extend_from_slice(&fixed::<2>(field)?),
            ValueType::Int4 | ValueType::Date | ValueType::Oid => out.extend_from_slice(&fixed::<4>(field)?),
            ValueType::Int8 | ValueType::Microseconds => out.extend_from_slice(&fixed::<8>(field)?),
            ValueType::Float4 | ValueType::Float8 | ValueType::Numeric => self.decode(field)?.identify(out),
            ValueType::Bytes | ValueType::Padded | ValueType::Uuid => {
                write_bytes(self.compared_bytes(field)?, out);
            }
        }
        Ok(())
    }
}

fn fixed<const LENGTH: usize>(field: &[u8]) -> Result<[u8; LENGTH], MergeError> {
    field.try_into().map_err(|_| MergeError::Malformed("a field has another length than its type"))
}

/// Bytes behind their length, so that what follows them cannot be taken for theirs.
fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A value that is not NULL. Values are compared within one type only.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Integer(i64),
    Float(f64),
    Numeric(Numeric),
    Bytes(Vec<u8>),
}

impl Value {
    fn identify(&self, out: &mut Vec<u8>) {
        match self {
            Value::Integer(value) => out.extend_from_slice(&value.to_be_bytes()),
            Value::Float(value) if value.is_nan() => out.extend_from_slice(&u64::MAX.to_be_bytes()),
            Value::Float(value) => out.extend_from_slice(&(value + 0.0).to_bits().to_be_bytes()),
            Value::Numeric(numeric) => numeric.identify(out),
            Value::Bytes(bytes) => write_bytes(bytes, out),
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
