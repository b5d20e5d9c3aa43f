//! The command line.

use clap::{Args, Parser, Subcommand};

/// Asks and directs a running pgherd through its admin console.
#[derive(Debug, Parser)]
#[command(name = "herdctl", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    /// Where the daemon listens, as the admin user.
    #[arg(
        long,
        global = true,
        env = "PGHERD_URL",
        hide_env_values = true,
        default_value = "postgres://postgres@127.0.0.1:6432/pgherd"
    )]
    pub url: String,
    /// Which of the daemon's databases is meant, where it serves several.
    #[arg(long, global = true, env = "PGHERD_DATABASE")]
    pub database: Option<String>,
    /// Print JSON for programs instead of tables for people.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Servers, roles, lag, shards and tenants on each, moves under way.
    Status,
    /// Where a tenant lives and why: tenant -> shard -> server.
    Where {
        /// The tenant key.
        key: String,
    },
    /// Every run of shards and its server.
    Shards,
    /// The tenants with a placement of their own.
    Tenants,
    /// The servers and their nodes.
    Servers,
    /// All moves, the newest last.
    Moves,
    /// Is this fleet ready: settings, schemas, keys, versions, rights; each finding with what to do.
    Check,
    /// Sequences: do the servers count apart, and what each gives next.
    Sequences {
        /// Bring apart those that may give a number on two servers.
        #[arg(long)]
        spread: bool,
    },
    /// Changes of the schema that run on one server after the other, and are not done on all.
    Schema {
        /// Go on with this one.
        #[arg(long, value_name = "ID", conflicts_with = "forget")]
        resume: Option<u64>,
        /// Remove the record of this one; what the servers have of it stays.
        #[arg(long, value_name = "ID")]
        forget: Option<u64>,
    },
    /// Clients and server connections by database and user.
    Pools,
    /// Who is connected.
    Clients,
    /// The databases: connections, paused, disabled.
    Databases,
    /// Transactions, statements, bytes and times by database.
    Stats,
    /// Hold statements: no transaction is lent a connection; returns when all have come back.
    Pause(Databases),
    /// Let statements go on.
    Resume(Databases),
    /// Close server connections as soon as nobody uses them.
    Reconnect(Databases),
    /// Wait until the connections that a reconnect found are closed.
    WaitClose(Databases),
    /// Drop all clients and server connections of a database; it stays paused.
    Kill(OneDatabase),
    /// Drop one client.
    KillClient {
        /// Its number: column id of `herdctl clients`.
        id: i32,
    },
    /// Let no new clients into a database.
    Disable(OneDatabase),
    /// Let them in again.
    Enable(OneDatabase),
    /// Read the configuration file again.
    Reload,
    /// End the daemon.
    Shutdown {
        /// For whom it waits.
        #[arg(long, value_enum, default_value = "transactions")]
        wait_for: WaitFor,
    },
    /// Move tenants or shards to another server while the application runs.
    #[command(subcommand)]
    Move(MoveCommand),
}

/// Which databases.
#[derive(Debug, Args)]
pub(crate) struct Databases {
    /// One of them; all, where none is named.
    pub name: Option<String>,
}

/// Which database.
#[derive(Debug, Args)]
pub(crate) struct OneDatabase {
    /// Its name.
    pub name: String,
}

/// For whom a shutdown waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum WaitFor {
    /// For nobody.
    Nobody,
    /// For transactions, within `shutdown_timeout`.
    Transactions,
    /// Until the last client has left by itself.
    Clients,
}

/// What to do about a move.
#[derive(Debug, Subcommand)]
pub(crate) enum MoveCommand {
    /// Begin a move.
    #[command(group(clap::ArgGroup::new("what").required(true)))]
    Start {
        /// The tenant keys, separated by commas.
        #[arg(long, group = "what")]
        tenants: Option<String>,
        /// The shards: numbers and ranges, as in 0-99,200.
        #[arg(long, group = "what")]
        shards: Option<String>,
        /// The server that is to hold them.
        #[arg(long)]
        to: String,
        /// Only list what would refuse the move.
        #[arg(long)]
        dry_run: bool,
        /// Wait for the end, with a progress bar.
        #[arg(long)]
        wait: bool,
        /// Clean up the old rows without asking again.
        #[arg(long)]
        confirm: bool,
    },
    /// Show one move.
    Show(Id),
    /// Undo a move that has not been cut over.
    Abort(Id),
    /// Wait for the end of a move, with a progress bar.
    Wait(Id),
    /// Remove what a move that could not finish left behind.
    Gc,
}

/// One move.
#[derive(Debug, Args)]
pub(crate) struct Id {
    /// The move's number.
    pub id: u64,
}
