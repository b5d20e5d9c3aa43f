//! The legs' rows: all servers send at the same time, and all are read at the same time.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::try_join_all;
use router::ids::ServerId;
use router::plan::{GatherPlan, Leg, Part, PartColumn};
use tokio::time::Instant;

use super::arrays::{Fields, Rows};
use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::together::Together;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::pool::Lent;
use crate::wire::frame::Frame;
use crate::wire::view;

/// What a server gave.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) server: ServerId,
    /// One a part.
    pub(super) parts: Vec<Rows>,
    /// Bytes of rows.
    pub(super) bytes: u64,
    /// True where it has more, and waits to be asked for them.
    pub(super) has_more: bool,
    /// When it had given all.
    pub(super) ended: Instant,
}

/// What all legs together may give.
pub(super) struct Bound {
    most: u64,
    taken: AtomicU64,
    together: Option<Together>,
}

impl Bound {
    pub(super) fn new(most: u64) -> Bound {
        Bound { most, taken: AtomicU64::new(0), together: None }
    }

    /// The same for legs that take their snapshots together.
    pub(super) fn with(self, together: Together) -> Bound {
        Bound { together: Some(together), ..self }
    }

    /// True where a commit showed itself while the legs took their snapshots.
    pub(super) fn is_torn(&self) -> bool {
        self.together.as_ref().is_some_and(Together::is_torn)
    }

    /// What was taken is not kept.
    pub(super) fn give_back(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn described(&self) {
        if let Some(together) = &self.together {
            together.described();
        }
    }

    pub(super) fn take(&self, bytes: u64) -> Result<(), ClientError> {
        if self.taken.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.most {
            return Ok(());
        }
        Err(ClientError::new(
            "53400",
            format!("the statement would gather more than {} bytes from the servers", self.most),
        )
        .hint("Restrict it, group or filter closer to the tables, or raise [gather] max_bytes."))
    }
}

/// Reads what the legs owe to its end.
///
/// # Errors
/// The first leg's error; 53400 where they give too much; the client is gone.
pub(super) async fn collect(
    executor: &mut Executor,
    peer: &mut Peer,
    legs: &[Leg],
    plan: &GatherPlan,
    bound: &Bound,
) -> Result<Vec<Given>, Trouble> {
    let branches = executor.transaction.branches.iter_mut();
    let concerned = branches.filter(|(server, _)| legs.iter().any(|leg| leg.server == *server));
    let reading = concerned.map(|(server, branch)| read(server, &mut branch.connection, &plan.parts, bound));
    tokio::select! {
        biased;
        given = try_join_all(reading) => given,
        gone = peer.departure() => Err(gone.into()),
    }
}

async fn read(
    server: ServerId,
    connection: &mut Lent,
    parts: &[Part],
    bound: &Bound,
) -> Result<Given, Trouble> {
    let mut given = Given {
        server,
        parts: parts.iter().map(|_| Rows::default()).collect(),
        bytes: 0,
        has_more: false,
        ended: Instant::now(),
    };
    while connection.owed() > 0 {
        let frame = connection.frame().await?;
        match frame.tag() {
            b'D' => {
                let bytes = given.take(parts, frame.body()).ok_or_else(broken)?;
                bound.take(bytes)?;
            }
            b's' => given.has_more = true,
            b'T' => {
                bound.described();
                check_types(parts, &frame)?;
            }
            b'E' => return Err(view::error_fields(&frame).without_place().into()),
            _ => {}
        }
    }
    given.ended = Instant::now();
    Ok(given)
}

impl Given {
    /// True where it has more rows than this.
    pub(super) fn exceeds(&self, most: i32) -> bool {
        let count: usize = self.parts.iter().map(|rows| rows.count).sum();
        i32::try_from(count).map_or(true, |count| count > most)
    }

    /// Forgets its rows.
    pub(super) fn clear(&mut self) {
        self.parts.iter_mut().for_each(|rows| *rows = Rows::default());
    }

    /// The rows that came after its own.
    pub(super) fn join(&mut self, more: Given) {
        self.parts.iter_mut().zip(more.parts).for_each(|(rows, more)| rows.join(more));
        self.bytes += more.bytes;
        self.has_more = more.has_more;
        self.ended = more.ended;
    }

    /// One more row; its bytes.
    pub(super) fn take(&mut self, parts: &[Part], body: &[u8]) -> Option<u64> {
        let fields = Fields::read(body)?;
        let number = fields.part()?;
        let bytes = self.parts.get_mut(number)?.push(parts.get(number)?, &fields)? as u64;
        self.bytes += bytes;
        Some(bytes)
    }
}

/// What the planner took a value to be is what the server says that it is.
fn check_types(parts: &[Part], frame: &Frame) -> Result<(), ClientError> {
    let described = view::columns(frame).map_err(|fault| ClientError::internal(fault.to_string()))?;
    let as_planned = |column: &PartColumn| {
        let there = described.get(column.place).map(|column| column.type_oid);
        column.element_oid == 0 || there == Some(column.element_oid)
    };
    match parts.iter().flat_map(|part| &part.columns).all(as_planned) {
        true => Ok(()),
        false => Err(ClientError::unsupported(
            "a value of this statement has another type than pgherd takes it to have",
            "Cast the expressions that are grouped by or aggregated to their types.",
        )),
    }
}

pub(super) fn broken() -> ClientError {
    ClientError::internal("a row of a gathered part has another shape than was asked for")
}
