//! Waiting for moves with a progress bar that survives the daemon's restart.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use crate::asking::{Answer, Console};
use crate::output::{self, Style};

/// How often the console is asked.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long a daemon may be away.
const PATIENCE: Duration = Duration::from_secs(300);

/// Waits until all these moves have ended; fails where one did not end as `done`.
///
/// # Errors
/// The daemon stayed away, or the console does not know a move.
pub(crate) async fn wait_for(console: &mut Console, ids: &[String], style: Style) -> Result<ExitCode> {
    let mut all_done = true;
    let mut ended = Answer::default();
    for id in ids {
        let answer = follow(console, id).await?;
        let row = answer.rows.first().context("the console does not know the move")?;
        let phase = answer.field(row, "phase").unwrap_or_default();
        all_done &= phase == "done";
        if style == Style::Table {
            println!("{}", summary(&answer, row));
        }
        ended.columns.clone_from(&answer.columns);
        ended.rows.extend(answer.rows);
    }
    if style == Style::Json {
        output::print(&ended, style);
    }
    Ok(if all_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn follow(console: &mut Console, id: &str) -> Result<Answer> {
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} {msg} ({elapsed})").context("the template is right")?,
    );
    bar.enable_steady_tick(INTERVAL);
    loop {
        match console.ask(&format!("MOVE SHOW {id}")).await {
            Ok(answer) => {
                if let Some(row) = answer.rows.first() {
                    bar.set_message(progress(&answer, row, bar.elapsed()));
                    if matches!(answer.field(row, "phase"), Some("done" | "aborted")) {
                        bar.finish_and_clear();
                        return Ok(answer);
                    }
                }
            }
            Err(_) if console.is_lost() => {
                bar.set_message(format!("move {id}: the daemon is away; waiting for it"));
                console.reopen(PATIENCE).await?;
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn number(answer: &Answer, row: &[Option<String>], column: &str) -> u64 {
    answer.field(row, column).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn progress(answer: &Answer, row: &[Option<String>], elapsed: Duration) -> String {
    let rows = number(answer, row, "rows");
    let rate = rows as f64 / elapsed.as_secs_f64().max(0.1);
    format!(
        "move {} to {}: {:<8} {} rows, {}, {}/s, lag {}",
        answer.field(row, "id").unwrap_or_default(),
        answer.field(row, "to").unwrap_or_default(),
        answer.field(row, "phase").unwrap_or_default(),
        HumanCount(rows),
        HumanBytes(number(answer, row, "bytes")),
        HumanCount(rate as u64),
        HumanBytes(number(answer, row, "lag_bytes")),
    )
}

fn summary(answer: &Answer, row: &[Option<String>]) -> String {
    let id = answer.field(row, "id").unwrap_or_default();
    let rows = HumanCount(number(answer, row, "rows"));
    let bytes = HumanBytes(number(answer, row, "bytes"));
    match (answer.field(row, "phase"), answer.field(row, "pause_ms"), answer.field(row, "error")) {
        (Some("done"), Some(pause), _) => {
            format!("move {id} done: {rows} rows, {bytes}; writers paused for {pause} ms")
        }
        (Some("done"), None, _) => format!("move {id} done: {rows} rows, {bytes}"),
        (_, _, Some(error)) => format!("move {id} aborted: {error}"),
        _ => format!("move {id} aborted"),
    }
}
