//! The loop over a console client's messages, in the simple and the extended protocol.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::BytesMut;
use tokio_util::sync::CancellationToken;

use crate::client::registry::ClientEntry;
use crate::console::table::{Formats, Table};
use crate::console::words::{self, Command, Patience};
use crate::console::{acting, moving, placement, schema, sequences, show};
use crate::error::ClientError;
use crate::execute::cancel::Cancellable;
use crate::fleet::{Database, Fleet};
use crate::net::peer::{Peer, PeerGone};
use crate::serve;
use crate::wire::frame::{Frame, WireFault};
use crate::wire::view::{Bind, Close, Describe, Execute, Kind, Parse, Query};
use crate::wire::write;

/// The most prepared statements and portals of one client.
const MOST_NAMES: usize = 1000;

/// What a command answers: rows where it has columns, and the command's tag.
type Answer = (Table, String);

/// A statement that waits to be executed.
#[derive(Debug, Clone, Default)]
struct Portal {
    text: String,
    formats: Vec<i16>,
    /// What it answers, where it was described before it is executed.
    answer: Option<Answer>,
}

/// What a console session remembers.
struct Console {
    fleet: Arc<Fleet>,
    database: Option<Arc<Database>>,
    /// False: it may only look.
    may_act: bool,
    /// What its cancel requests end, and what ends it.
    cancellable: Arc<Cancellable>,
    /// Notices of the command that runs.
    notices: BytesMut,
    statements: HashMap<Vec<u8>, String>,
    portals: HashMap<Vec<u8>, Portal>,
    skipping: bool,
}

/// Why a command was not answered.
enum Halt {
    /// The client is told this.
    Tell(ClientError),
    /// The client is not there any more.
    Gone(PeerGone),
}

/// What ends a console session from outside.
struct Ending {
    shutdown: CancellationToken,
    cancellable: Arc<Cancellable>,
}

impl Ending {
    fn of(console: &Console) -> Ending {
        let (shutdown, cancellable) = (console.fleet.shutdown.clone(), Arc::clone(&console.cancellable));
        Ending { shutdown, cancellable }
    }

    /// Resolves with the last words. Cancel-safe.
    async fn comes(&self) -> ClientError {
        tokio::select! {
            () = self.shutdown.cancelled() => ClientError::shutting_down(),
            () = self.cancellable.dismissed() => ClientError::dismissed(),
        }
    }
}

impl From<ClientError> for Halt {
    fn from(error: ClientError) -> Halt {
        Halt::Tell(error)
    }
}

/// Serves an authenticated console client until it leaves. One that may not act may use SHOW.
pub async fn serve(fleet: Arc<Fleet>, mut peer: Peer, client: ClientEntry, may_act: bool) {
    let cancellable = Arc::new(Cancellable::default());
    let (entry, secret) = fleet.registry.enter(client, Arc::clone(&cancellable));
    let mut console = Console {
        database: only(&fleet),
        fleet: Arc::clone(&fleet),
        may_act,
        cancellable,
        notices: BytesMut::new(),
        statements: HashMap::new(),
        portals: HashMap::new(),
        skipping: false,
    };
    for (name, value) in [
        ("server_version", concat!("15.0 (pgherd ", env!("CARGO_PKG_VERSION"), ")")),
        ("client_encoding", "UTF8"),
        ("server_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("TimeZone", "UTC"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
    ] {
        write::parameter_status(peer.out(), name, value);
    }
    write::backend_key(peer.out(), entry.id, &secret);
    write::ready(peer.out(), b'I');
    if let Err(gone) = console.listen(&mut peer).await {
        tracing::debug!(%gone, "a console client left");
    }
    peer.close().await;
    fleet.registry.leave(entry.id);
}

fn only(fleet: &Fleet) -> Option<Arc<Database>> {
    match fleet.databases_in_order().into_values().collect::<Vec<_>>().as_slice() {
        [only] => Some(Arc::clone(only)),
        _ => None,
    }
}

impl Console {
    async fn listen(&mut self, peer: &mut Peer) -> Result<(), PeerGone> {
        let ending = Ending::of(self);
        loop {
            peer.flush().await?;
            let frame = tokio::select! {
                frame = peer.frame() => frame?,
                last_words = ending.comes() => {
                    last_words.encode(peer.out());
                    return peer.flush().await;
                }
            };
            if !self.message(peer, frame).await? {
                return Ok(());
            }
        }
    }

    /// Answers one message; false where the client says that it leaves.
    async fn message(&mut self, peer: &mut Peer, frame: Frame) -> Result<bool, PeerGone> {
        let done = match frame.tag() {
            b'X' => return Ok(false),
            b'Q' => self.query(peer, &frame).await,
            b'S' => {
                self.skipping = false;
                self.portals.clear();
                write::ready(peer.out(), b'I');
                Ok(())
            }
            _ if self.skipping => Ok(()),
            tag => self.extended(peer, tag, &frame).await.inspect_err(|_| self.skipping = true),
        };
        match done {
            Ok(()) => {}
            Err(Halt::Tell(error)) => error.encode(peer.out()),
            Err(Halt::Gone(gone)) => return Err(gone),
        }
        if frame.tag() == b'Q' {
            write::ready(peer.out(), b'I');
        }
        Ok(true)
    }

    async fn query(&mut self, peer: &mut Peer, frame: &Frame) -> Result<(), Halt> {
        let text = Query::read(frame).map(|query| String::from_utf8_lossy(query.text).into_owned());
        let (table, tag) = self.ask(peer, &text.unwrap_or_default()).await?;
        if table.has_columns() {
            table.describe(Formats::default(), peer.out());
            table.rows(Formats::default(), peer.out());
        }
        match tag.as_str() {
            "" => write::empty_query(peer.out()),
            tag => write::command_complete(peer.out(), tag),
        }
        Ok(())
    }

    /// Runs a command. One that only waits ends early where the client cancels it or goes away, or the
    /// daemon ends; what acts is not left half done.
    async fn ask(&mut self, peer: &mut Peer, text: &str) -> Result<Answer, Halt> {
        let answer = if command(text)?.waits() {
            let (cancellable, ending) = (Arc::clone(&self.cancellable), Ending::of(self));
            tokio::select! {
                biased;
                answer = cancellable.unless_requested(self.run(text)) => answer?,
                gone = peer.departure() => return Err(Halt::Gone(gone)),
                _ = ending.comes() => Err(ClientError::query_canceled()),
            }
        } else {
            self.run(text).await
        };
        peer.out().extend_from_slice(&self.notices.split());
        Ok(answer?)
    }

    /// One message of the extended protocol.
    async fn extended(&mut self, peer: &mut Peer, tag: u8, frame: &Frame) -> Result<(), Halt> {
        match tag {
            b'P' => self.parse(peer, frame)?,
            b'B' => self.bind(peer, frame)?,
            b'D' => self.describe(peer, frame).await?,
            b'E' => self.execute(peer, frame).await?,
            b'C' => {
                let close = Close::read(frame).map_err(broken)?;
                match close.kind {
                    Kind::Statement => drop(self.statements.remove(close.name)),
                    Kind::Portal => drop(self.portals.remove(close.name)),
                }
                write::close_complete(peer.out());
            }
            b'H' => {}
            tag => return Err(ClientError::protocol(format!("invalid frontend message type {tag}")).into()),
        }
        Ok(())
    }

    fn parse(&mut self, peer: &mut Peer, frame: &Frame) -> Result<(), ClientError> {
        let parse = Parse::read(frame).map_err(broken)?;
        let text = String::from_utf8_lossy(parse.text).into_owned();
        command(&text)?;
        if self.statements.len() >= MOST_NAMES {
            return Err(ClientError::new("53400", format!("more than {MOST_NAMES} prepared statements")));
        }
        self.statements.insert(parse.name.to_vec(), text);
        write::parse_complete(peer.out());
        Ok(())
    }

    fn bind(&mut self, peer: &mut Peer, frame: &Frame) -> Result<(), ClientError> {
        let bind = Bind::read(frame).map_err(broken)?;
        if !bind.parameters.is_empty() {
            return Err(ClientError::unsupported(
                "the console takes no parameters",
                "Write the values into the command.",
            ));
        }
        let name = || String::from_utf8_lossy(bind.statement).into_owned();
        let text = self.statements.get(bind.statement).cloned();
        let text = text.ok_or_else(|| ClientError::no_such_statement(&name()))?;
        if self.portals.len() >= MOST_NAMES {
            return Err(ClientError::new("53400", format!("more than {MOST_NAMES} portals")));
        }
        let portal = Portal { text, formats: bind.result_formats.to_vec(), answer: None };
        self.portals.insert(bind.portal.to_vec(), portal);
        write::bind_complete(peer.out());
        Ok(())
    }

    /// What only looks is asked to say its columns; what acts says them without acting.
    async fn describe(&mut self, peer: &mut Peer, frame: &Frame) -> Result<(), Halt> {
        let describe = Describe::read(frame).map_err(broken)?;
        let name = || String::from_utf8_lossy(describe.name).into_owned();
        let (text, formats) = match describe.kind {
            Kind::Statement => {
                let text = self.statements.get(describe.name).cloned();
                write::parameter_description(peer.out(), &[]);
                (text.ok_or_else(|| ClientError::no_such_statement(&name()))?, Vec::new())
            }
            Kind::Portal => {
                let portal = self.portals.get(describe.name).cloned();
                let portal = portal.ok_or_else(|| ClientError::no_such_portal(&name()))?;
                (portal.text, portal.formats)
            }
        };
        let table = match command(&text)? {
            Command::MoveStart { dry_run: false, .. } | Command::MoveAbort(_) => moving::columns(),
            Command::MoveGc => Table::new(&["removed"]),
            Command::SpreadSequences => sequences::outcomes(),
            Command::ResumeSchema(_) => schema::outcomes(),
            looking
                if looking.only_looks() || matches!(looking, Command::Check | Command::MoveStart { .. }) =>
            {
                let answer = self.ask(peer, &text).await?;
                let table = answer.0.clone();
                if let (Kind::Portal, Some(portal)) = (describe.kind, self.portals.get_mut(describe.name)) {
                    portal.answer = Some(answer);
                }
                table
            }
            _ => Table::default(),
        };
        match table.has_columns() {
            true => table.describe(Formats(&formats), peer.out()),
            false => write::no_data(peer.out()),
        }
        Ok(())
    }

    async fn execute(&mut self, peer: &mut Peer, frame: &Frame) -> Result<(), Halt> {
        let execute = Execute::read(frame).map_err(broken)?;
        let name = || String::from_utf8_lossy(execute.portal).into_owned();
        let portal =
            self.portals.get_mut(execute.portal).ok_or_else(|| ClientError::no_such_portal(&name()))?;
        let formats = portal.formats.clone();
        let (table, tag) = match portal.answer.take() {
            Some(answer) => answer,
            None => {
                let text = portal.text.clone();
                self.ask(peer, &text).await?
            }
        };
        table.rows(Formats(&formats), peer.out());
        match tag.as_str() {
            "" => write::empty_query(peer.out()),
            tag => write::command_complete(peer.out(), tag),
        }
        Ok(())
    }

    async fn run(&mut self, text: &str) -> Result<Answer, ClientError> {
        let command = command(text)?;
        if !self.may_act && !command.only_looks() {
            return Err(ClientError::new("42501", "permission denied: only the admin user may do that")
                .hint("Users of stats_users may use SHOW."));
        }
        let fleet = Arc::clone(&self.fleet);
        let done = |tag: &str| Ok((Table::default(), tag.to_owned()));
        let table = match command {
            Command::Nothing => return done(""),
            Command::Courtesy(tag) => return done(tag),
            Command::Unknown(what, hint) => return Err(ClientError::unsupported(what, hint)),
            Command::Use(name) => {
                let database = self.fleet.databases.get(&name).cloned();
                self.database = Some(database.ok_or_else(|| unknown_database(&name))?);
                return done("USE");
            }
            Command::Reload => {
                let kept = self.reload().await?;
                if !kept.is_empty() {
                    let detail = format!("{} kept their values.", kept.join(", "));
                    write::own_notice(&mut self.notices, "some changes need a restart", &detail);
                }
                return done("RELOAD");
            }
            Command::Set(key, value) => {
                let set = fleet.orders.set(key.clone(), value.clone()).await;
                set.map_err(|error| ClientError::new("22023", error.to_string()))?;
                return done(&format!("SET {key}={value}"));
            }
            Command::Pause(name) => {
                acting::pause(&fleet, name.as_deref()).await?;
                return done("PAUSE");
            }
            Command::Resume(name) => {
                acting::resume(&fleet, name.as_deref())?;
                return done("RESUME");
            }
            Command::Reconnect(name) => {
                acting::reconnect(&fleet, name.as_deref())?;
                return done("RECONNECT");
            }
            Command::Kill(name) => {
                acting::kill(&fleet, name.as_deref()).await?;
                return done("KILL");
            }
            Command::KillClient(id) => {
                acting::kill_client(&fleet, id).await?;
                return done("KILL_CLIENT");
            }
            Command::Disable(name) => {
                acting::disable(&fleet, &name)?;
                return done("DISABLE");
            }
            Command::Enable(name) => {
                acting::enable(&fleet, &name)?;
                return done("ENABLE");
            }
            Command::WaitClose(name) => {
                acting::wait_close(&fleet, name.as_deref()).await?;
                return done("WAIT_CLOSE");
            }
            Command::Shutdown(patience) => {
                let ending = match patience {
                    Patience::Nobody => serve::Ending::Now,
                    Patience::Servers => serve::Ending::Transactions,
                    Patience::Clients => serve::Ending::Clients,
                };
                let ordered = fleet.orders.end(ending).await;
                ordered.map_err(|error| ClientError::new("57P03", error.to_string()))?;
                return done("SHUTDOWN");
            }
            Command::Show(subject) if subject == "HELP" => {
                write::own_notice(&mut self.notices, "Console usage", &show::help());
                return done("SHOW");
            }
            Command::Show(subject) => show::run(&fleet, self.database.as_deref(), &subject).await?,
            Command::Where(key) => placement::place(self.database()?, &key)?,
            Command::Check => show::check(&fleet).await?,
            Command::SpreadSequences => sequences::spread(&fleet, self.database()?).await?,
            Command::ResumeSchema(id) => schema::resume(&fleet, self.database()?, id).await?,
            Command::ForgetSchema(id) => {
                schema::forget(&fleet, self.database()?, id).await?;
                return done("SCHEMA FORGET");
            }
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

    async fn reload(&self) -> Result<Vec<String>, ClientError> {
        let reloaded = self.fleet.orders.reload().await;
        let kept = reloaded.map_err(|error| {
            ClientError::new("F0000", "the configuration was not reloaded").detail(error.to_string())
        })?;
        Ok(kept.into_iter().map(str::to_owned).collect())
    }

    fn database(&self) -> Result<&Arc<Database>, ClientError> {
        self.database.as_ref().ok_or_else(|| {
            ClientError::new("3D000", "there are several databases")
                .hint("Say which: USE name, or herdctl --database name.")
        })
    }
}

fn command(text: &str) -> Result<Command, ClientError> {
    words::read(text)
        .map_err(|error| ClientError::new("42601", error.to_string()).hint("SHOW HELP lists the commands."))
}

fn broken(fault: WireFault) -> ClientError {
    ClientError::protocol(fault.to_string())
}

fn unknown_database(name: &str) -> ClientError {
    ClientError::new("3D000", format!("database \"{name}\" is not in the configuration"))
}
