//! The loop over a console client's messages, in the simple and the extended protocol.

use std::sync::Arc;

use crate::console::table::Table;
use crate::console::words::{self, Command};
use crate::console::{moving, show};
use crate::error::ClientError;
use crate::fleet::{Database, Fleet};
use crate::net::peer::{Peer, PeerGone};
use crate::wire::frame::Frame;
use crate::wire::view::{Bind, Describe, Parse, Query};
use crate::wire::write;

/// What a console session remembers.
struct Console {
    fleet: Arc<Fleet>,
    database: Option<Arc<Database>>,
    text: String,
    answer: Option<(Table, String)>,
    skipping: bool,
}

/// Serves an authenticated console client until it leaves.
pub async fn serve(fleet: Arc<Fleet>, mut peer: Peer) {
    let mut console =
        Console { database: only(&fleet), fleet, text: String::new(), answer: None, skipping: false };
    for (name, value) in [
        ("server_version", concat!("15.0 (pgherd ", env!("CARGO_PKG_VERSION"), ")")),
        ("client_encoding", "UTF8"),
        ("server_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
    ] {
        write::parameter_status(peer.out(), name, value);
    }
    write::backend_key(peer.out(), 0, &[0; 4]);
    write::ready(peer.out(), b'I');
    if let Err(gone) = console.listen(&mut peer).await {
        tracing::debug!(%gone, "a console client left");
    }
    peer.close().await;
}

fn only(fleet: &Fleet) -> Option<Arc<Database>> {
    match fleet.databases_in_order().into_values().collect::<Vec<_>>().as_slice() {
        [only] => Some(Arc::clone(only)),
        _ => None,
    }
}

impl Console {
    async fn listen(&mut self, peer: &mut Peer) -> Result<(), PeerGone> {
        let shutdown = self.fleet.shutdown.clone();
        loop {
            peer.flush().await?;
            let frame = tokio::select! {
                frame = peer.frame() => frame?,
                () = shutdown.cancelled() => {
                    ClientError::shutting_down().encode(peer.out());
                    return peer.flush().await;
                }
            };
            match frame.tag() {
                b'X' => return Ok(()),
                b'Q' => self.query(peer, &frame).await,
                b'S' => {
                    self.skipping = false;
                    write::ready(peer.out(), b'I');
                }
                _ if self.skipping => {}
                tag => {
                    if let Err(error) = self.extended(peer, tag, &frame).await {
                        self.skipping = true;
                        error.encode(peer.out());
                    }
                }
            }
        }
    }

    async fn query(&mut self, peer: &mut Peer, frame: &Frame) {
        let text = Query::read(frame).map(|query| String::from_utf8_lossy(query.text).into_owned());
        match self.run(&text.unwrap_or_default()).await {
            Ok((table, tag)) => {
                if table.has_columns() {
                    table.describe(peer.out());
                    table.rows(peer.out());
                }
                match tag.as_str() {
                    "" => write::empty_query(peer.out()),
                    tag => write::command_complete(peer.out(), tag),
                }
            }
            Err(error) => error.encode(peer.out()),
        }
        write::ready(peer.out(), b'I');
    }

    /// One message of the extended protocol: one statement and one portal are enough here. A command
    /// runs once: when it is described or executed, whichever is first.
    async fn extended(&mut self, peer: &mut Peer, tag: u8, frame: &Frame) -> Result<(), ClientError> {
        let broken = |fault: crate::wire::WireFault| ClientError::protocol(fault.to_string());
        match tag {
            b'P' => {
                self.text = String::from_utf8_lossy(Parse::read(frame).map_err(broken)?.text).into_owned();
                self.answer = None;
                write::parse_complete(peer.out());
            }
            b'B' => {
                if !Bind::read(frame).map_err(broken)?.parameters.is_empty() {
                    return Err(ClientError::unsupported(
                        "the console takes no parameters",
                        "Write the values into the command.",
                    ));
                }
                write::bind_complete(peer.out());
            }
            b'D' => {
                let kind = Describe::read(frame).map_err(broken)?.kind;
                if self.answer.is_none() {
                    self.answer = Some(self.run(&self.text.clone()).await?);
                }
                if kind == crate::wire::view::Kind::Statement {
                    write::parameter_description(peer.out(), &[]);
                }
                match &self.answer {
                    Some((table, _)) if table.has_columns() => table.describe(peer.out()),
                    _ => write::no_data(peer.out()),
                }
            }
            b'E' => {
                let (table, tag) = match self.answer.take() {
                    Some(answer) => answer,
                    None => self.run(&self.text.clone()).await?,
                };
                table.rows(peer.out());
                write::command_complete(peer.out(), &tag);
            }
            b'C' => write::close_complete(peer.out()),
            b'H' => {}
            tag => return Err(ClientError::protocol(format!("invalid frontend message type {tag}"))),
        }
        Ok(())
    }

    async fn run(&mut self, text: &str) -> Result<(Table, String), ClientError> {
        let command = words::read(text).map_err(|error| {
            ClientError::new("42601", error.to_string()).hint("SHOW HELP lists the commands.")
        })?;
        let table = match command {
            Command::Nothing => return Ok((Table::default(), String::new())),
            Command::Use(name) => {
                let database = self.fleet.databases.get(&name).cloned();
                self.database = Some(database.ok_or_else(|| unknown_database(&name))?);
                return Ok((Table::default(), "USE".to_owned()));
            }
            Command::Reload => {
                let reloaded = self.fleet.reloader.reload().await;
                reloaded.map_err(|error| {
                    ClientError::new("F0000", "the configuration was not reloaded").detail(error.to_string())
                })?;
                return Ok((Table::default(), "RELOAD".to_owned()));
            }
            Command::Show(subject) => show::run(&self.fleet, self.database.as_deref(), &subject).await?,
            Command::Where(key) => show::place(self.database()?, &key)?,
            Command::Check => show::check(&self.fleet).await?,
            Command::MoveStart { tenants, shards, to, dry_run } => {
                moving::start(self.database()?, tenants.as_deref(), shards.as_deref(), &to, dry_run).await?
            }
            Command::MoveShow(id) => moving::show(self.database()?, id)?,
            Command::MoveAbort(id) => moving::abort(self.database()?, id)?,
            Command::MoveGc => moving::gc(self.database()?).await?,
        };
        let tag = format!("SHOW {}", table.len());
        Ok((table, tag))
    }

    fn database(&self) -> Result<&Arc<Database>, ClientError> {
        self.database.as_ref().ok_or_else(|| {
            ClientError::new("3D000", "there are several databases")
                .hint("Say which: USE name, or herdctl --database name.")
        })
    }
}

fn unknown_database(name: &str) -> ClientError {
    ClientError::new("3D000", format!("database \"{name}\" is not in the configuration"))
}
