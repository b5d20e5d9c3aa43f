//! The daemon `pgherd`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use proxy::config::{Config, LogFormat};
use proxy::demo::{self, DemoOptions};
use proxy::fleet;
use proxy::serve::log_to_stderr;
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Many PostgreSQL servers as one database for multi-tenant applications.
#[derive(Parser)]
#[command(name = "pgherd", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve clients until a signal ends it.
    Serve {
        /// The configuration file.
        #[arg(long, env = "PGHERD_CONFIG")]
        config: PathBuf,
    },
    /// Start PostgreSQL servers with replicas in a folder, fill them, and serve them until Ctrl-C.
    Demo {
        /// The folder of the servers' data.
        #[arg(long, default_value = ".pgherd-demo")]
        dir: PathBuf,
        /// Begin anew: what the folder holds is deleted.
        #[arg(long)]
        fresh: bool,
        /// How many servers.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=8))]
        servers: u16,
        /// How many replicas each server has.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=4))]
        replicas: u16,
    },
    /// Say what is wrong with a configuration file, or that nothing is.
    CheckConfig {
        /// The configuration file.
        #[arg(long, env = "PGHERD_CONFIG")]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::CheckConfig { config } => check_config(&config),
        Command::Serve { config } => serve(config),
        Command::Demo { dir, fresh, servers, replicas } => {
            log_to_stderr("warn", LogFormat::Text);
            run(demo::run(DemoOptions { dir, fresh, servers, replicas }))
        }
    }
}

fn serve(file: PathBuf) -> ExitCode {
    let config = match Config::load(&file) {
        Ok(config) => config,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::FAILURE;
        }
    };
    log_to_stderr("info", config.proxy.log_format);
    run(fleet::serve(config, file))
}

/// Runs the daemon. Clients have threads of their own; the rest, which mostly waits, shares these.
fn run<E: std::fmt::Display>(daemon: impl Future<Output = Result<(), E>>) -> ExitCode {
    const THREADS: usize = 2;
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(daemon).map_err(|error| format!("{error:#}")),
        Err(error) => Err(format!("no threads could be started: {error}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pgherd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check_config(file: &std::path::Path) -> ExitCode {
    match Config::load(file) {
        Ok(_) => {
            println!("ok");
            ExitCode::SUCCESS
        }
        Err(faults) => {
            eprintln!("{faults}");
            ExitCode::FAILURE
        }
    }
}
