//! PostgreSQL's `numeric`: its binary format, its order, exact sums.

use std::cmp::Ordering;

use super::decimal::Decimal;
use super::error::MergeError;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const POSITIVE_INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;
/// What servers send as the scale of an infinity; it means nothing.
const INFINITY_SCALE: u16 = 32;

/// A `numeric` value. NaN is equal to itself and larger than all else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Numeric {
    NegativeInfinity,
    Finite(Decimal),
    PositiveInfinity,
    Nan,
}

impl Numeric {
    /// Reads the binary format (`numeric_send`).
    pub(super) fn decode(field: &[u8]) -> Result<Numeric, MergeError> {
        let malformed = MergeError::Malformed("a numeric is not in its binary format");
        let mut words = field.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        let mut word = || words.next().ok_or(malformed.clone());
        let (count, weight, sign, scale) = (word()?, word()?, word()?, word()?);
        let negative = match sign {
            0 => false,
            NEGATIVE => true,
            NAN => return Ok(Numeric::Nan),
            POSITIVE_INFINITY => return Ok(Numeric::PositiveInfinity),
            NEGATIVE_INFINITY => return Ok(Numeric::NegativeInfinity),
            _ => return Err(malformed),
        };
        let digits: Vec<u16> = words.collect();
        if !field.len().is_multiple_of(2)
            || digits.len() != usize::from(count)
            || digits.iter().any(|digit| *digit > 9999)
            || scale > 0x3FFF
        {
            return Err(malformed);
        }
        Ok(Numeric::Finite(Decimal::new(negative, i32::from(weight as i16), digits, scale)))
    }

    /// The whole number.
    pub(super) fn from_integer(value: i64) -> Numeric {
        Numeric::Finite(Decimal::from_integer(value))
    }

    /// The sum, as `sum(numeric)` makes it.
    pub(super) fn add(&self, other: &Numeric) -> Result<Numeric, MergeError> {
        Ok(match (self, other) {
            (Numeric::Nan, _) | (_, Numeric::Nan) => Numeric::Nan,
            (Numeric::PositiveInfinity, Numeric::NegativeInfinity)
            | (Numeric::NegativeInfinity, Numeric::PositiveInfinity) => Numeric::Nan,
            (Numeric::PositiveInfinity | Numeric::NegativeInfinity, _) => self.clone(),
            (_, Numeric::PositiveInfinity | Numeric::NegativeInfinity) => other.clone(),
            (Numeric::Finite(one), Numeric::Finite(other)) => {
                let sum = one.add(other);
                if !sum.fits() {
                    return Err(MergeError::OutOfRange("value overflows numeric format"));
                }
                Numeric::Finite(sum)
            }
        })
    }

    /// This sum divided by a count above zero, as `avg` makes it.
    pub(super) fn average(&self, count: u64) -> Numeric {
        match self {
            Numeric::Finite(sum) => Numeric::Finite(sum.average(count)),
            Numeric::NegativeInfinity | Numeric::PositiveInfinity | Numeric::Nan => self.clone(),
        }
    }

    /// The text that `numeric_out` gives.
    pub(super) fn text(&self) -> String {
        match self {
            Numeric::NegativeInfinity => "-Infinity".into(),
            Numeric::Finite(decimal) => decimal.text(),
            Numeric::PositiveInfinity => "Infinity".into(),
            Numeric::Nan => "NaN".into(),
        }
    }

    /// The bytes that `numeric_send` gives.
    pub(super) fn binary(&self) -> Vec<u8> {
        let words = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect();
        match self {
            Numeric::NegativeInfinity => words(&[0, 0, NEGATIVE_INFINITY, INFINITY_SCALE]),
            Numeric::PositiveInfinity => words(&[0, 0, POSITIVE_INFINITY, INFINITY_SCALE]),
            Numeric::Nan => words(&[0, 0, NAN, 0]),
            Numeric::Finite(decimal) => {
                let sign = if decimal.negative() { NEGATIVE } else { 0 };
                let digits = decimal.digits();
                let mut all =
                    vec![digits.len() as u16, decimal.weight() as i16 as u16, sign, decimal.scale()];
                all.extend_from_slice(digits);
                words(&all)
            }
        }
    }

    /// Appends bytes that are the same for two values just where those are equal: the display scale is no part
    /// of the value.
    pub(super) fn identify(&self, out: &mut Vec<u8>) {
        let (kind, decimal) = match self {
            Numeric::NegativeInfinity => (0, None),
            Numeric::Finite(decimal) => (1 + u8::from(decimal.negative()), Some(decimal)),
            Numeric::PositiveInfinity => (3, None),
            Numeric::Nan => (4, None),
        };
        out.push(kind);
        if let Some(decimal) = decimal {
            out.extend_from_slice(&decimal.weight().to_be_bytes());
            out.extend_from_slice(&(decimal.digits().len() as u64).to_be_bytes());
            out.extend(decimal.digits().iter().flat_map(|digit| digit.to_be_bytes()));
        }
    }

    /// About how much memory it takes besides its own size.
    pub(super) fn heap_size(&self) -> usize {
        match self {
            Numeric::Finite(decimal) => decimal.digits().len() * 2,
            Numeric::NegativeInfinity | Numeric::PositiveInfinity | Numeric::Nan => 0,
        }
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |decimal: &Decimal| match (decimal.digits().is_empty(), decimal.negative()) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let magnitude = || self.weight().cmp(&other.weight()).then_with(|| self.digits().cmp(other.digits()));
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            0 => Ordering::Equal,
            1 => magnitude(),
            _ => magnitude().reverse(),
        })
    }
}
