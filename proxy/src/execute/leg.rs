//! One plan's leg asked in the extended protocol, whatever protocol the client spoke: so the formats of
//! hidden columns are the proxy's to choose.

use router::plan::Parameter;

use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::pool::Lent;
use crate::server::Connection;
use crate::wire::frame::Frame;
use crate::wire::write;

/// What a leg is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct LegAsk<'a> {
    /// The text.
    pub text: &'a str,
    /// The parameters.
    pub parameters: &'a [Parameter<'a>],
    /// The formats of the result's columns, as Bind has them.
    pub formats: &'a [i16],
}

impl LegAsk<'_> {
    /// The same with a Flush behind Describe: the description comes as soon as the snapshot is taken.
    pub(super) fn write_described(&self, connection: &mut Connection) {
        self.write_unexecuted(connection);
        execute(connection);
    }

    /// The same without Execute and Sync.
    pub(super) fn write_unexecuted(&self, connection: &mut Connection) {
        self.write_bound(connection);
        write::flush(connection.out());
    }

    /// Appends Parse, Bind, Describe, Execute and Sync for it, by the unnamed statement and portal.
    /// One ReadyForQuery is owed then.
    pub(super) fn write(&self, connection: &mut Connection) {
        self.write_bound(connection);
        execute(connection);
    }

    fn write_bound(&self, connection: &mut Connection) {
        let types: Vec<u32> = self.parameters.iter().map(|parameter| parameter.type_oid).collect();
        let formats: Vec<i16> = self.parameters.iter().map(|parameter| i16::from(parameter.binary)).collect();
        let values: Vec<Option<&[u8]>> = self.parameters.iter().map(|parameter| parameter.value).collect();
        connection.queue_parse("", self.text, &types);
        let out = connection.out();
        write::bind(out, b"", b"", &formats, values, self.formats);
        write::describe_portal(out, b"");
    }
}

/// Appends Execute and Sync for what was bound.
pub(super) fn execute(connection: &mut Connection) {
    let out = connection.out();
    write::execute(out, b"", 0);
    write::sync(out);
}

/// The next message of a leg; a client that goes away ends the waiting, and the leg with it.
///
/// # Errors
/// The server or the client is gone.
pub(super) async fn reply(connection: &mut Lent, peer: &mut Peer) -> Result<Frame, Trouble> {
    tokio::select! {
        biased;
        frame = connection.frame() => Ok(frame?),
        gone = peer.departure() => Err(gone.into()),
    }
}

/// The format of each of `visible` columns as Bind's codes say it, then binary for `hidden` more.
pub(super) fn formats(asked: &[i16], visible: usize, hidden: usize) -> Vec<i16> {
    each_format(asked, visible).chain(std::iter::repeat_n(1, hidden)).collect()
}

/// The same with these formats for what is hidden.
pub(super) fn formats_behind(
    asked: &[i16],
    visible: usize,
    hidden: impl IntoIterator<Item = i16>,
) -> Vec<i16> {
    each_format(asked, visible).chain(hidden).collect()
}

fn each_format(asked: &[i16], visible: usize) -> impl Iterator<Item = i16> {
    (0..visible).map(move |index| match asked {
        [] => 0,
        [all] => *all,
        each => each.get(index).copied().unwrap_or(0),
    })
}
