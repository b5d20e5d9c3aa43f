//! How a unit is put to both sides: what its sessions set before, and the way in which each statement is sent.

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::answers::Way;
use super::units::{Statement, Unit};

/// What has one answer and no portal that is read in parts.
const CONTROL: [&str; 17] = [
    "BEGIN",
    "START",
    "COMMIT",
    "END",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "DECLARE",
    "FETCH",
    "MOVE",
    "CLOSE",
    "PREPARE",
    "EXECUTE",
    "DEALLOCATE",
    "CREATE",
    "DROP",
    "DISCARD",
];

/// What changes how values are written or read; answers are the same all the same.
const SETTINGS: [&str; 14] = [
    "SET extra_float_digits TO 0",
    "SET extra_float_digits TO -7",
    "SET DateStyle TO 'SQL, DMY'",
    "SET DateStyle TO 'German'",
    "SET DateStyle TO 'Postgres, MDY'",
    "SET IntervalStyle TO sql_standard",
    "SET IntervalStyle TO iso_8601",
    "SET IntervalStyle TO postgres_verbose",
    "SET bytea_output TO escape",
    "SET TimeZone TO 'Asia/Kolkata'",
    "SET TimeZone TO 'America/New_York'",
    "SET array_nulls TO off",
    "SET transform_null_equals TO on",
    "SET search_path TO pg_temp, public, pg_catalog",
];

/// For most units none, for others some.
fn settings(dice: &mut StdRng) -> Vec<&'static str> {
    let count = if dice.random_bool(0.2) { dice.random_range(1..4) } else { 0 };
    (0..count).map(|_| SETTINGS[dice.random_range(0..SETTINGS.len())]).collect()
}

/// What the sessions of a unit set, and how its statements are sent.
pub(super) fn tactics(unit: &Unit, seed: u64, number: u64) -> (Vec<&'static str>, Vec<Way>) {
    let mut dice = StdRng::seed_from_u64(seed ^ number);
    let settings = settings(&mut dice);
    let ways = unit.statements.iter().map(|statement| way(&mut dice, statement)).collect();
    (settings, ways)
}

/// How a statement is sent. Transaction control is not asked for rows in parts: its portal runs once.
fn way(dice: &mut StdRng, statement: &Statement) -> Way {
    if statement.is_batch {
        return Way::Simple;
    }
    let is_control = CONTROL.iter().any(|word| statement.sql.starts_with(word));
    if is_control {
        return if dice.random_bool(0.5) { Way::Simple } else { Way::Text };
    }
    match dice.random_range(0..10) {
        0..=3 if statement.parameters.is_empty() => Way::Simple,
        0..=5 => Way::Text,
        6..=8 => Way::Binary,
        _ => Way::Portal(dice.random_range(1..8)),
    }
}
