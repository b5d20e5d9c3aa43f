//! Decimal arithmetic in base 10000, digit for digit as PostgreSQL's `numeric.c` does it.
//!
//! Sums keep the larger display scale; an average has the scale of `select_div_scale` and is
//! rounded half away from zero.

const BASE: i64 = 10_000;
/// `NUMERIC_MIN_SIG_DIGITS`.
const SIGNIFICANT_DIGITS: i32 = 16;
/// `NUMERIC_MAX_DISPLAY_SCALE`.
const MAX_SCALE: i32 = 1000;

/// A finite number: digits in base 10000, the first of them times 10000^weight. No zeros lead or
/// trail; zero has no digits, weight 0 and no sign.
#[derive(Debug, Clone)]
pub(super) struct Decimal {
    negative: bool,
    weight: i32,
    digits: Vec<u16>,
    scale: u16,
}

impl Decimal {
    /// A number from digits that may lead or trail with zeros. `scale` is how many decimals show.
    pub(super) fn new(negative: bool, weight: i32, mut digits: Vec<u16>, scale: u16) -> Decimal {
        digits.truncate(digits.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1));
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..zeros);
        if digits.is_empty() {
            return Decimal { negative: false, weight: 0, digits, scale };
        }
        Decimal { negative, weight: weight - zeros as i32, digits, scale }
    }

    pub(super) fn from_integer(value: i64) -> Decimal {
        let mut digits = Vec::new();
        let mut rest = value.unsigned_abs();
        while rest > 0 {
            digits.push((rest % BASE as u64) as u16);
            rest /= BASE as u64;
        }
        digits.reverse();
        Decimal::new(value < 0, digits.len() as i32 - 1, digits, 0)
    }

    pub(super) fn negative(&self) -> bool {
        self.negative
    }

    pub(super) fn weight(&self) -> i32 {
        self.weight
    }

    pub(super) fn digits(&self) -> &[u16] {
        &self.digits
    }

    pub(super) fn scale(&self) -> u16 {
        self.scale
    }

    /// True where PostgreSQL can store it.
    pub(super) fn fits(&self) -> bool {
        i16::try_from(self.weight).is_ok()
    }

    /// The digit at an exponent of 10000.
    fn digit(&self, exponent: i32) -> i64 {
        let index = usize::try_from(self.weight - exponent).ok();
        index.and_then(|index| self.digits.get(index)).map_or(0, |digit| i64::from(*digit))
    }

    /// The exponent of the last digit.
    fn lowest(&self) -> i32 {
        self.weight + 1 - self.digits.len() as i32
    }

    /// The exact sum.
    pub(super) fn add(&self, other: &Decimal) -> Decimal {
        let highest = self.weight.max(other.weight) + 1;
        let lowest = self.lowest().min(other.lowest());
        let signed = |decimal: &Decimal, exponent| {
            if decimal.negative { -decimal.digit(exponent) } else { decimal.digit(exponent) }
        };
        let mut sums: Vec<i64> =
            (lowest..=highest).map(|exponent| signed(self, exponent) + signed(other, exponent)).collect();
        let negative = sums.iter().rev().find(|sum| **sum != 0).is_some_and(|sum| *sum < 0);
        if negative {
            sums.iter_mut().for_each(|sum| *sum = -*sum);
        }
        let mut carry = 0;
        for sum in &mut sums {
            let total = *sum + carry;
            *sum = total.rem_euclid(BASE);
            carry = total.div_euclid(BASE);
        }
        let digits = sums.iter().rev().map(|sum| *sum as u16).collect();
        Decimal::new(negative, highest, digits, self.scale.max(other.scale))
    }

    /// This divided by a count above zero, with the scale and rounding of `numeric_div`.
    pub(super) fn average(&self, count: u64) -> Decimal {
        let scale = self.average_scale(count);
        let start = self.weight.max(0);
        let mut remainder: u128 = 0;
        let quotient = |exponent| {
            let total = remainder * BASE as u128 + self.digit(exponent) as u128;
            remainder = total % u128::from(count.max(1));
            (total / u128::from(count.max(1))) as u16
        };
        // One decimal more than the scale decides the rounding.
        let last = -((scale + 1 + 3) / 4);
        let mut digits: Vec<u16> = (last..=start).rev().map(quotient).collect();
        let carried = round(&mut digits, scale % 4);
        digits.insert(0, carried);
        Decimal::new(self.negative, start + 1, digits, scale as u16)
    }

    /// `select_div_scale`.
    fn average_scale(&self, count: u64) -> i32 {
        let count = Decimal::from_integer(i64::try_from(count).unwrap_or(i64::MAX));
        let first = |decimal: &Decimal| decimal.digits.first().copied().unwrap_or(0);
        let mut weight = self.weight - count.weight;
        if first(self) <= first(&count) {
            weight -= 1;
        }
        (SIGNIFICANT_DIGITS - weight * 4).max(i32::from(self.scale)).clamp(0, MAX_SCALE)
    }

    /// The text that `numeric_out` gives.
    pub(super) fn text(&self) -> String {
        let mut text = String::from(if self.negative { "-" } else { "" });
        if self.digits.is_empty() || self.weight < 0 {
            text.push('0');
        } else {
            text.push_str(&self.digit(self.weight).to_string());
            for exponent in (0..self.weight).rev() {
                text.push_str(&format!("{:04}", self.digit(exponent)));
            }
        }
        if self.scale > 0 {
            text.push('.');
            let end = text.len() + usize::from(self.scale);
            let mut exponent = -1;
            while text.len() < end {
                text.push_str(&format!("{:04}", self.digit(exponent)));
                exponent -= 1;
            }
            text.truncate(end);
        }
        text
    }
}

/// Rounds digits of which the last keeps its first `kept` decimals, half away from zero; what is
/// carried out at the front.
fn round(digits: &mut [u16], kept: i32) -> u16 {
    let unit = 10u16.pow((4 - kept).unsigned_abs());
    let mut carry = 0;
    if let Some(last) = digits.last_mut() {
        let dropped = *last % unit;
        *last -= dropped;
        carry = if dropped >= unit / 2 { unit } else { 0 };
    }
    for digit in digits.iter_mut().rev() {
        let total = *digit + carry;
        *digit = total % BASE as u16;
        carry = total / BASE as u16;
    }
    carry
}
