//! COPY ... TO STDOUT of rows of several servers: the query runs in whatever way it needs, and its rows are
//! written as COPY writes them, with one beginning and one end.

use bytes::{BufMut, Bytes, BytesMut};
use router::copy::{Layout, OutFormat, RowWriter};
use router::plan::CopyOut;

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::opening::Hindrance;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::wire::frame::{SERVER_LIMIT, cut};
use crate::wire::view::{Column, Row};
use crate::wire::write;

/// Runs the COPY.
///
/// # Errors
/// The query's.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    copy: &CopyOut,
) -> Result<Option<Bytes>, Hindrance> {
    let statement = executor.inner_statement(&copy.question.text)?;
    let formats = [i16::from(matches!(copy.format.layout, Layout::Binary))];
    let ask = Ask { statement: &statement, parameters: &[], formats: &formats, describe: false };
    let mut rows = Rows::copied(copy.format.clone());
    Box::pin(executor.run(peer, ask, &mut rows)).await?;
    let count = rows.count();
    if let Rows::Copied(copied) = &mut rows {
        copied.finish(peer.out());
    }
    let mut out = BytesMut::new();
    write::command_complete(&mut out, &format!("COPY {count}"));
    Ok(Some(out.freeze()))
}

/// Rows on their way into COPY data.
#[derive(Debug)]
pub struct CopiedRows {
    format: OutFormat,
    /// There once the columns are known.
    writer: Option<RowWriter>,
    /// What the client is told before the first row.
    head: BytesMut,
    line: Vec<u8>,
    count: u64,
}

impl CopiedRows {
    /// Rows to be written so.
    pub(super) fn new(format: OutFormat) -> CopiedRows {
        CopiedRows { format, writer: None, head: BytesMut::new(), line: Vec::new(), count: 0 }
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// They have these columns.
    pub(super) fn describe(&mut self, columns: &[Column<'_>]) {
        let name = |column: &Column<'_>| String::from_utf8_lossy(column.name).into_owned();
        let names: Vec<String> = columns.iter().map(name).collect();
        let writer = RowWriter::new(self.format.clone(), &names);
        let format = u8::from(writer.is_binary());
        let mut response = BytesMut::new();
        response.put_u8(format);
        response.put_u16(u16::try_from(names.len()).unwrap_or(u16::MAX));
        names.iter().for_each(|_| response.put_u16(u16::from(format)));
        write::raw(&mut self.head, b'H', &response);
        writer.begin(&names, &mut self.line);
        if !self.line.is_empty() {
            write::copy_data(&mut self.head, &self.line);
        }
        self.writer = Some(writer);
    }

    /// Writes one more DataRow.
    pub(super) fn push(&mut self, frame: &[u8], out: &mut BytesMut) -> Result<(), Trouble> {
        let malformed = || Trouble::from(ClientError::internal("a row of COPY cannot be read"));
        let mut buffer = BytesMut::from(frame);
        let frame = cut(&mut buffer, SERVER_LIMIT).ok().flatten().ok_or_else(malformed)?;
        let row = Row::read(&frame).map_err(|_| malformed())?;
        let values: Vec<Option<&[u8]>> = row.collect::<Result<_, _>>().map_err(|_| malformed())?;
        let writer = self.writer.as_ref().ok_or_else(malformed)?;
        self.line.clear();
        writer.row(values.into_iter(), &mut self.line);
        out.unsplit(self.head.split());
        write::copy_data(out, &self.line);
        self.count += 1;
        Ok(())
    }

    /// Ends the data.
    fn finish(&mut self, out: &mut BytesMut) {
        out.unsplit(self.head.split());
        self.line.clear();
        if let Some(writer) = &self.writer {
            writer.end(&mut self.line);
        }
        if !self.line.is_empty() {
            write::copy_data(out, &self.line);
        }
        write::copy_done(out);
    }
}
