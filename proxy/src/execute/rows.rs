//! Where the rows of an answer go: to the client as they come, or kept for a portal to be fetched from.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::error::ClientError;
use crate::execute::copy_out::CopiedRows;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::wire::frame::{SERVER_LIMIT, front};
use crate::wire::view::Column;

/// Where rows go.
#[derive(Debug)]
pub enum Rows {
    /// To the client.
    Through {
        /// How many went.
        count: u64,
    },
    /// Kept, up to a bound.
    Kept {
        /// The frames.
        frames: VecDeque<Bytes>,
        /// Their bytes.
        bytes: u64,
        /// The bound, in bytes.
        limit: u64,
        /// The types of their columns, as OIDs, once they were described.
        types: Vec<u32>,
        /// The names of their columns.
        names: Vec<String>,
    },
    /// To the client as COPY data.
    Copied(CopiedRows),
}

impl Rows {
    /// To the client as they come.
    pub fn through() -> Rows {
        Rows::Through { count: 0 }
    }

    /// Kept, up to `limit` bytes.
    pub fn kept(limit: u64) -> Rows {
        Rows::Kept { frames: VecDeque::new(), bytes: 0, limit, types: Vec::new(), names: Vec::new() }
    }

    /// To the client as COPY data.
    pub fn copied(format: router::copy::OutFormat) -> Rows {
        Rows::Copied(CopiedRows::new(format))
    }

    /// They have these columns.
    pub fn describe(&mut self, columns: &[Column<'_>]) {
        match self {
            Rows::Through { .. } => {}
            Rows::Copied(copied) => copied.describe(columns),
            Rows::Kept { types, names, .. } => {
                *types = columns.iter().map(|column| column.type_oid).collect();
                *names =
                    columns.iter().map(|column| String::from_utf8_lossy(column.name).into_owned()).collect();
            }
        }
    }

    /// The types of the columns of what was kept, as OIDs.
    pub fn types(&self) -> &[u32] {
        match self {
            Rows::Through { .. } | Rows::Copied(_) => &[],
            Rows::Kept { types, .. } => types,
        }
    }

    /// The names of the columns of what was kept.
    pub fn names(&self) -> &[String] {
        match self {
            Rows::Through { .. } | Rows::Copied(_) => &[],
            Rows::Kept { names, .. } => names,
        }
    }

    /// True where they are not the client's rows as they come.
    pub fn is_kept(&self) -> bool {
        matches!(self, Rows::Kept { .. } | Rows::Copied(_))
    }

    /// How many rows there were.
    pub fn count(&self) -> u64 {
        match self {
            Rows::Through { count } => *count,
            Rows::Kept { frames, .. } => frames.len() as u64,
            Rows::Copied(copied) => copied.count(),
        }
    }

    /// What was kept.
    pub fn into_frames(self) -> VecDeque<Bytes> {
        match self {
            Rows::Through { .. } | Rows::Copied(_) => VecDeque::new(),
            Rows::Kept { frames, .. } => frames,
        }
    }

    /// So many more DataRow frames, in one piece.
    ///
    /// # Errors
    /// As [`Rows::push`].
    pub async fn push_all(&mut self, peer: &mut Peer, mut frames: Bytes, count: u64) -> Result<(), Trouble> {
        if let Rows::Through { count: gone } = self {
            *gone += count;
            peer.out().extend_from_slice(&frames);
            return Ok(peer.relieve().await?);
        }
        while let Some(size) = front(&frames, SERVER_LIMIT).ok().flatten().map(<[u8]>::len) {
            self.push(peer, frames.split_to(size)).await?;
        }
        Ok(())
    }

    /// One more DataRow frame.
    ///
    /// # Errors
    /// The client is gone; 53400 where too much would be kept.
    pub async fn push(&mut self, peer: &mut Peer, frame: Bytes) -> Result<(), Trouble> {
        match self {
            Rows::Through { count } => {
                *count += 1;
                peer.out().extend_from_slice(&frame);
                Ok(peer.relieve().await?)
            }
            Rows::Copied(copied) => {
                copied.push(&frame, peer.out())?;
                Ok(peer.relieve().await?)
            }
            Rows::Kept { frames, bytes, limit, .. } => {
                *bytes += frame.len() as u64;
                if *bytes > *limit {
                    return Err(ClientError::new(
                        "53400",
                        format!("the answer is larger than {limit} bytes"),
                    )
                    .hint("Fetch it in a simple query, narrow it down, or raise [merge] max_bytes.")
                    .into());
                }
                frames.push_back(frame);
                Ok(())
            }
        }
    }
}
