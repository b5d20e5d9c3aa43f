//! `herdctl`: the operator's hand. It asks the admin console of a running daemon and knows the
//! console's words and nothing else of the proxy.

mod asking;
mod cli;
mod output;
mod waiting;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::asking::Console;
use crate::cli::{Cli, Command, Id, MoveCommand, WaitFor};
use crate::output::Style;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("herdctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let style = if cli.json { Style::Json } else { Style::Table };
    let mut console = Console::open(&cli.url, cli.database).await?;
    match cli.command {
        Command::Status => {
            for (title, words) in [("servers", "SHOW NODES"), ("moves under way", "SHOW ACTIVE_MOVES")] {
                output::titled(title, &console.ask(words).await?, style);
            }
        }
        Command::Where { key } => {
            output::print(&console.ask(&format!("WHERE {}", quoted(&key))).await?, style)
        }
        Command::Shards => output::print(&console.ask("SHOW SHARDS").await?, style),
        Command::Tenants => output::print(&console.ask("SHOW TENANTS").await?, style),
        Command::Servers => output::print(&console.ask("SHOW NODES").await?, style),
        Command::Moves => output::print(&console.ask("SHOW MOVES").await?, style),
        Command::Check => {
            let findings = console.ask("CHECK").await?;
            match findings.rows.is_empty() && style == Style::Table {
                true => println!("ready: nothing is missing"),
                false => output::print(&findings, style),
            }
            if findings.rows.iter().any(|row| findings.field(row, "severity") == Some("error")) {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Sequences { spread: false } => output::print(&console.ask("SHOW SEQUENCES").await?, style),
        Command::Sequences { spread: true } => {
            let outcomes = console.ask("SEQUENCES SPREAD").await?;
            output::print(&outcomes, style);
            if outcomes.rows.iter().any(|row| outcomes.field(row, "outcome") == Some("unchanged")) {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Schema { resume: Some(id), .. } => {
            output::print(&console.ask(&format!("SCHEMA RESUME {id}")).await?, style)
        }
        Command::Schema { forget: Some(id), .. } => {
            output::print(&console.ask(&format!("SCHEMA FORGET {id}")).await?, style)
        }
        Command::Schema { resume: None, forget: None } => {
            output::print(&console.ask("SHOW SCHEMA").await?, style)
        }
        Command::Pools => output::print(&console.ask("SHOW POOLS").await?, style),
        Command::Clients => output::print(&console.ask("SHOW CLIENTS").await?, style),
        Command::Databases => output::print(&console.ask("SHOW DATABASES").await?, style),
        Command::Stats => output::print(&console.ask("SHOW STATS").await?, style),
        Command::Pause(of) => act(&mut console, "PAUSE", of.name.as_deref(), style).await?,
        Command::Resume(of) => act(&mut console, "RESUME", of.name.as_deref(), style).await?,
        Command::Reconnect(of) => act(&mut console, "RECONNECT", of.name.as_deref(), style).await?,
        Command::WaitClose(of) => act(&mut console, "WAIT_CLOSE", of.name.as_deref(), style).await?,
        Command::Kill(of) => act(&mut console, "KILL", Some(&of.name), style).await?,
        Command::Disable(of) => act(&mut console, "DISABLE", Some(&of.name), style).await?,
        Command::Enable(of) => act(&mut console, "ENABLE", Some(&of.name), style).await?,
        Command::KillClient { id } => output::print(&console.ask(&format!("KILL_CLIENT {id}")).await?, style),
        Command::Reload => output::print(&console.ask("RELOAD").await?, style),
        Command::Shutdown { wait_for } => {
            let words = match wait_for {
                WaitFor::Nobody => "SHUTDOWN",
                WaitFor::Transactions => "SHUTDOWN WAIT_FOR_SERVERS",
                WaitFor::Clients => "SHUTDOWN WAIT_FOR_CLIENTS",
            };
            output::print(&console.ask(words).await?, style);
        }
        Command::Move(command) => return moving(&mut console, command, style).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn moving(console: &mut Console, command: MoveCommand, style: Style) -> Result<ExitCode> {
    match command {
        MoveCommand::Start { tenants, shards, to, dry_run, wait, confirm } => {
            let what = match (tenants, shards) {
                (Some(tenants), None) => format!("TENANTS {}", quoted(&tenants)),
                (None, Some(shards)) => format!("SHARDS {}", quoted(&shards)),
                _ => anyhow::bail!("name either --tenants or --shards"),
            };
            let mut words = format!("MOVE START {what} TO {}", quoted(&to));
            if dry_run {
                words.push_str(" DRY RUN");
            }
            if confirm {
                words.push_str(" CONFIRM");
            }
            let started = console.ask(&words).await?;
            if dry_run || !wait {
                output::print(&started, style);
                let refused = started.rows.iter().any(|row| started.field(row, "severity") == Some("error"));
                return Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS });
            }
            let ids: Vec<String> =
                started.rows.iter().filter_map(|row| started.field(row, "id")).map(str::to_owned).collect();
            waiting::wait_for(console, &ids, style).await
        }
        MoveCommand::Show(Id { id }) => {
            output::print(&console.ask(&format!("MOVE SHOW {id}")).await?, style);
            Ok(ExitCode::SUCCESS)
        }
        MoveCommand::Abort(Id { id }) => {
            output::print(&console.ask(&format!("MOVE ABORT {id}")).await?, style);
            Ok(ExitCode::SUCCESS)
        }
        MoveCommand::Wait(Id { id }) => waiting::wait_for(console, &[id.to_string()], style).await,
        MoveCommand::Gc => {
            output::print(&console.ask("MOVE GC").await?, style);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Does something to a database, or to all.
async fn act(console: &mut Console, word: &str, database: Option<&str>, style: Style) -> Result<()> {
    let words = match database {
        Some(name) => format!("{word} {}", quoted(name)),
        None => word.to_owned(),
    };
    output::print(&console.ask(&words).await?, style);
    Ok(())
}

/// A value as the console reads it: in single quotes, which are doubled inside.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
