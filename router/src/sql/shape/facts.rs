//! What is known of a value before it exists: its type, and whether the proxy may compare it.

use crate::catalog::{Collation, Column};

/// OIDs of PostgreSQL's own types, from `pg_type.dat`.
pub(super) mod oid {
    pub(in crate::sql::shape) const BOOL: u32 = 16;
    pub(in crate::sql::shape) const BYTEA: u32 = 17;
    pub(in crate::sql::shape) const NAME: u32 = 19;
    pub(in crate::sql::shape) const INT8: u32 = 20;
    pub(in crate::sql::shape) const INT2: u32 = 21;
    pub(in crate::sql::shape) const INT4: u32 = 23;
    pub(in crate::sql::shape) const TEXT: u32 = 25;
    pub(in crate::sql::shape) const OID: u32 = 26;
    pub(in crate::sql::shape) const FLOAT4: u32 = 700;
    pub(in crate::sql::shape) const FLOAT8: u32 = 701;
    pub(in crate::sql::shape) const VARCHAR: u32 = 1043;
    pub(in crate::sql::shape) const DATE: u32 = 1082;
    pub(in crate::sql::shape) const TIME: u32 = 1083;
    pub(in crate::sql::shape) const TIMESTAMP: u32 = 1114;
    pub(in crate::sql::shape) const TIMESTAMPTZ: u32 = 1184;
    pub(in crate::sql::shape) const INTERVAL: u32 = 1186;
    pub(in crate::sql::shape) const NUMERIC: u32 = 1700;
    pub(in crate::sql::shape) const UUID: u32 = 2950;
}

/// What is known of an expression's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its type; `None`: not known.
    pub(super) type_oid: Option<u32>,
    /// How it compares, for text.
    pub(super) collation: Option<Collation>,
    /// True for a numeric whose scale is that of its column, so that equal values have equal bytes.
    pub(super) fixed_scale: bool,
}

impl Facts {
    /// Nothing is known.
    pub(super) const UNKNOWN: Facts = Facts { type_oid: None, collation: None, fixed_scale: false };

    /// A value of a type without collation.
    pub(super) fn of(type_oid: u32) -> Facts {
        Facts { type_oid: Some(type_oid), ..Facts::UNKNOWN }
    }

    /// A value of a column.
    pub(super) fn of_column(column: &Column) -> Facts {
        Facts {
            type_oid: Some(column.type_oid),
            collation: Some(column.collation).filter(|collation| *collation != Collation::None),
            fixed_scale: column.type_oid == oid::NUMERIC && column.type_modifier >= 0,
        }
    }

    /// True where the merge orders such values exactly as PostgreSQL does.
    pub(super) fn has_known_order(self) -> bool {
        match self.type_oid {
            Some(oid::TEXT | oid::VARCHAR | oid::NAME) => self.collation == Some(Collation::Bytes),
            Some(
                oid::BOOL
                | oid::BYTEA
                | oid::INT8
                | oid::INT2
                | oid::INT4
                | oid::OID
                | oid::FLOAT4
                | oid::FLOAT8
                | oid::DATE
                | oid::TIME
                | oid::TIMESTAMP
                | oid::TIMESTAMPTZ
                | oid::NUMERIC
                | oid::UUID,
            ) => true,
            Some(_) | None => false,
        }
    }

    /// True where two values are equal exactly if their binary forms are.
    pub(super) fn is_equal_by_bytes(self) -> bool {
        match self.type_oid {
            Some(oid::TEXT | oid::VARCHAR | oid::NAME) => {
                matches!(self.collation, Some(Collation::Bytes | Collation::Deterministic))
            }
            Some(oid::NUMERIC) => self.fixed_scale,
            Some(
                oid::BOOL
                | oid::BYTEA
                | oid::INT8
                | oid::INT2
                | oid::INT4
                | oid::OID
                | oid::DATE
                | oid::TIME
                | oid::TIMESTAMP
                | oid::TIMESTAMPTZ
                | oid::UUID,
            ) => true,
            Some(_) | None => false,
        }
    }

    /// True for types whose sums do not depend on the order of the rows.
    pub(super) fn has_exact_sum(self) -> bool {
        matches!(self.type_oid, Some(oid::INT2 | oid::INT4 | oid::INT8 | oid::NUMERIC))
    }
}
