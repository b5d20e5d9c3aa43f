//! What servers answer to the parts of a statement, kept until no other part can fail: a client is told no row
//! of a write that does not stand.

use bytes::{Bytes, BytesMut};
use router::ids::ServerId;

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::inner::values;
use crate::execute::leg::{LegAsk, reply};
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::execute::two_phase::shows_rows_written;
use crate::net::peer::Peer;
use crate::pool::Lent;
use crate::wire::frame::Frame;
use crate::wire::{view, write};

/// What a server answered to one statement.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// Its RowDescription.
    pub(super) description: Option<Frame>,
    /// Its rows.
    pub(super) rows: Vec<Bytes>,
    /// Its CommandComplete.
    pub(super) completion: Option<Frame>,
}

impl Answered {
    /// How many rows it touched.
    pub(super) fn count(&self) -> u64 {
        self.completion.as_ref().map_or(0, view::affected)
    }
}

/// How much may be kept for one statement of the client, and who hears what the servers say besides.
#[derive(Debug)]
pub(super) struct Keeping {
    limit: u64,
    bytes: u64,
    tells_notices: bool,
}

impl Keeping {
    /// Up to `limit` bytes of rows; notices go to the client.
    pub(super) fn up_to(limit: u64) -> Keeping {
        Keeping { limit, bytes: 0, tells_notices: true }
    }

    /// The same, of a server that repeats what another has said.
    pub(super) fn again(limit: u64) -> Keeping {
        Keeping { tells_notices: false, ..Keeping::up_to(limit) }
    }

    /// Room for so many bytes more; false where there is none.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        self.bytes += bytes as u64;
        self.bytes <= self.limit
    }

    /// Whether there was room for all.
    ///
    /// # Errors
    /// 53400 where there was not.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        if self.bytes <= self.limit {
            return Ok(());
        }
        let message = format!("the rows of the write are larger than {} bytes", self.limit);
        let hint = "Write fewer rows at a time, or raise [merge] max_bytes.";
        Err(ClientError::new("53400", message).hint(hint).into())
    }
}

impl Executor {
    /// A branch gave these CommandCompletes.
    pub(super) fn note_written<'a>(
        &mut self,
        server: ServerId,
        mut completions: impl Iterator<Item = &'a Frame>,
    ) {
        if let Some(branch) = self.transaction.branches.get_mut(server) {
            branch.wrote |= completions.any(|frame| shows_rows_written(frame.bytes()));
        }
    }

    /// Runs statements on the open branch of a server, one behind the other without waiting, and keeps what
    /// they answer.
    ///
    /// # Errors
    /// The first error of the server, which points nowhere; 53400 where the rows are too large. A branch whose
    /// connection broke is dropped.
    pub(super) async fn ask_kept(
        &mut self,
        peer: &mut Peer,
        server: ServerId,
        asks: &[LegAsk<'_>],
        keeping: &mut Keeping,
    ) -> Result<Vec<Answered>, Trouble> {
        self.executed(server);
        let outcome = exchange(self.connection(server), peer, asks, keeping).await;
        if let Ok(answers) = &outcome {
            self.note_written(server, answers.iter().filter_map(|answer| answer.completion.as_ref()));
        }
        outcome.inspect_err(|trouble| {
            if trouble.is_connection_failure() {
                self.drop_branch(server);
            }
        })
    }
}

async fn exchange(
    connection: &mut Lent,
    peer: &mut Peer,
    asks: &[LegAsk<'_>],
    keeping: &mut Keeping,
) -> Result<Vec<Answered>, Trouble> {
    for ask in asks {
        ask.write(connection);
        connection.owe_ready();
    }
    let (mut answers, mut error) = (Vec::new(), None);
    let mut answer = Answered::default();
    while connection.owed() > 0 {
        let frame = reply(connection, peer).await?;
        match frame.tag() {
            b'T' => answer.description = Some(frame),
            b'D' if keeping.take(frame.len()) => answer.rows.push(frame.into_bytes()),
            b'C' => answer.completion = Some(frame),
            b'E' => error = error.or(Some(view::error_fields(&frame).without_place())),
            b'N' if keeping.tells_notices => peer.out().extend_from_slice(frame.bytes()),
            b'Z' => answers.push(std::mem::take(&mut answer)),
            _ => {}
        }
    }
    if let Some(fields) = error {
        return Err(fields.into());
    }
    keeping.check()?;
    Ok(answers)
}

/// The client, or who keeps its rows, is told what the columns are.
pub(super) fn tell_columns(
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    description: &Frame,
) -> Result<(), Trouble> {
    if ask.describe {
        peer.out().extend_from_slice(description.bytes());
        return Ok(());
    }
    tell_first_columns(peer, ask, rows, description, usize::MAX)
}

/// The same of the first `visible` columns only.
pub(super) fn tell_first_columns(
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    description: &Frame,
    visible: usize,
) -> Result<(), Trouble> {
    let columns = view::columns(description);
    let mut columns = columns.map_err(|fault| ClientError::internal(fault.to_string()))?;
    columns.truncate(visible);
    match ask.describe {
        true => write::columns(peer.out(), &columns),
        false => rows.describe(&columns),
    }
    Ok(())
}

/// A row's first `visible` columns as a row of their own, and the values of the others.
pub(super) fn parted(row: Bytes, visible: usize) -> Result<(Bytes, Vec<Option<Bytes>>), Trouble> {
    let mut own = values(row)?;
    let others = own.split_off(visible.min(own.len()));
    let mut row = BytesMut::new();
    write::data_row(&mut row, own.iter().map(|value| value.as_deref()));
    Ok((row.freeze(), others))
}
