//! What `now()` is in a statement that runs on several servers: one value for all.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use router::plan::Now;

/// A transaction's moment: that of its BEGIN, else the one at which it was first asked for. It is
/// written out only if somebody asks.
#[derive(Debug, Default)]
pub struct Moment {
    begun: Option<SystemTime>,
    text: OnceLock<Box<str>>,
}

impl Moment {
    /// The present.
    pub fn of_begin() -> Moment {
        Moment { begun: Some(SystemTime::now()), text: OnceLock::new() }
    }
}

impl Now for Moment {
    fn now(&self) -> &str {
        self.text.get_or_init(|| at(self.begun.unwrap_or_else(SystemTime::now)).into())
    }
}

/// A moment as a timestamptz in PostgreSQL's text form, UTC, to the microsecond.
pub fn at(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    text(since.as_secs(), since.subsec_micros())
}

fn text(seconds: u64, micros: u32) -> String {
    let (year, month, day) = civil((seconds / 86_400) as i64);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}+00")
}

/// The date of a day counted from 1970-01-01, in the proleptic Gregorian calendar. The year is
/// counted from March, so that the leap day is its last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_postgresql_writes_it() {
        assert_eq!(text(0, 0), "1970-01-01 00:00:00.000000+00");
        assert_eq!(text(951_782_400, 5), "2000-02-29 00:00:00.000005+00");
        assert_eq!(text(1_795_305_599, 999_999), "2026-11-21 23:59:59.999999+00");
    }
}
