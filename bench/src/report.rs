//! The table: medians over the rounds, and ratios that are taken within each round before their median.

use std::fmt::Write as _;

use crate::contest::{Contest, Lap};

/// A Markdown table of some contests.
#[must_use]
pub fn table(contests: &[Contest<'_>]) -> String {
    let mut table = String::from(
        "| load | way | TPS | of direct (lowest, highest round) | p50 ms | p99 ms | proxy CPU us a transaction |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for contest in contests {
        for (number, (entry, laps)) in contest.entries.iter().zip(&contest.laps).enumerate() {
            let load = if number == 0 { contest.load.name } else { "" };
            let _ = writeln!(
                table,
                "| {load} | {} | {:.0} | {} | {:.3} | {:.3} | {} |",
                entry.name,
                median(laps, |lap| lap.run.rate),
                contest.laps.first().filter(|_| number > 0).map_or(String::new(), |first| ratio(laps, first)),
                median(laps, |lap| lap.run.median as f64) / 1000.0,
                median(laps, |lap| lap.run.p99 as f64) / 1000.0,
                processor(laps),
            );
        }
    }
    table
}

fn ratio(laps: &[Lap], direct: &[Lap]) -> String {
    let ratios: Vec<f64> =
        laps.iter().zip(direct).map(|(lap, direct)| lap.run.rate / direct.run.rate).collect();
    let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = ratios.iter().copied().fold(0.0, f64::max);
    format!("{:.2} ({lowest:.2}, {highest:.2})", middle(ratios))
}

fn processor(laps: &[Lap]) -> String {
    match laps.iter().map(|lap| lap.processor).collect::<Option<Vec<f64>>>() {
        Some(times) => format!("{:.1}", middle(times)),
        None => String::new(),
    }
}

fn median(laps: &[Lap], of: impl Fn(&Lap) -> f64) -> f64 {
    middle(laps.iter().map(of).collect())
}

/// The median; of an even number of values the upper one of the middle.
pub(crate) fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::Entry;
    use crate::load::LOADS;
    use crate::pgbench::Run;

    #[test]
    fn a_ratio_is_taken_within_a_round() {
        let lap = |rate, processor| {
            let run = Run { transactions: 1, rate, median: 100, p99: 2000 };
            Lap { run, processor }
        };
        let entry = |name, process| Entry { name, url: String::new(), process };
        let contest = Contest {
            load: &LOADS[0],
            entries: vec![entry("direct", None), entry("pgherd", Some(1))],
            // The machine was busy in the second round, for both.
            laps: vec![
                vec![lap(1000.0, None), lap(100.0, None), lap(1000.0, None)],
                vec![lap(800.0, Some(9.0)), lap(80.0, Some(10.0)), lap(800.0, Some(11.0))],
            ],
        };
        let table = table(&[contest]);
        assert!(table.contains("| pgherd | 800 | 0.80 (0.80, 0.80) | 0.100 | 2.000 | 10.0 |"), "{table}");
    }
}
