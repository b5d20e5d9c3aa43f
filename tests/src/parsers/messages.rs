//! Messages of clients and servers: frames cut at any byte, views of each kind, messages written again.

use bytes::BytesMut;
use proxy::wire::frame::{SERVER_LIMIT, next_tag};
use proxy::wire::view::{
    Bind, Close, Describe, Execute, Parse, Query, Row, affected, authentication, backend_key, columns,
    command_tag, copy_data, copy_format, error_fields, parameter_status, parameter_types, ready_status,
};
use proxy::wire::{Encoding, Frame, cut, cut_run, rewrite, write};

/// The limit that a client's messages are cut with here.
const LIMIT: usize = 4096;

/// A stream cut in two anywhere is the stream cut as a whole, and a run of rows is its frames.
pub(super) fn frames(bytes: &[u8]) {
    let Some((at, stream)) = bytes.split_first() else { return };
    let at = usize::from(*at) * stream.len() / 255;
    let whole = all(&mut BytesMut::from(stream));
    let mut buffer = BytesMut::from(&stream[..at]);
    let (mut pieces, mut fault) = all(&mut buffer);
    if fault.is_none() {
        buffer.extend_from_slice(&stream[at..]);
        let (more, later) = all(&mut buffer);
        pieces.extend(more);
        fault = later;
    }
    assert_eq!((pieces, fault), whole, "a cut at {at} changes the frames");
    let mut buffer = BytesMut::from(stream);
    while let Some(tag) = next_tag(&buffer) {
        let mut same = buffer.clone();
        let run = cut_run(&mut buffer, &[tag]);
        let Some(mut run) = run else { break };
        while !run.is_empty() {
            let from_run = cut(&mut run, SERVER_LIMIT).expect("a run is frames").expect("of whole ones");
            let from_stream = cut(&mut same, SERVER_LIMIT).expect("the same").expect("the same");
            assert_eq!(from_run, from_stream);
        }
        assert_eq!(same, buffer);
    }
}

fn all(buffer: &mut BytesMut) -> (Vec<Frame>, Option<String>) {
    let mut frames = Vec::new();
    loop {
        match cut(buffer, LIMIT) {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(fault) => return (frames, Some(fault.to_string())),
        }
    }
}

fn frame(tag: u8, body: &[u8]) -> Frame {
    let mut buffer = BytesMut::new();
    write::raw(&mut buffer, tag, body);
    cut(&mut buffer, SERVER_LIMIT).expect("written by us").expect("written whole")
}

fn reread(write: impl FnOnce(&mut BytesMut)) -> Frame {
    let mut buffer = BytesMut::new();
    write(&mut buffer);
    let frame = cut(&mut buffer, SERVER_LIMIT).expect("written by us").expect("written whole");
    assert!(buffer.is_empty(), "one message was written");
    frame
}

/// A client's message: what is read of it is what it says when it is written again.
pub(super) fn client(bytes: &[u8]) {
    let Some((tag, body)) = bytes.split_first() else { return };
    let frame = frame(*tag, body);
    if let Ok(query) = Query::read(&frame) {
        assert_eq!(reread(|out| write::query(out, query.text)), frame);
    }
    if let Ok(parse) = Parse::read(&frame) {
        assert_eq!(reread(|out| write::parse(out, parse.name, parse.text, &parse.types)), frame);
    }
    if let Ok(execute) = Execute::read(&frame) {
        assert_eq!(reread(|out| write::execute(out, execute.portal, execute.max_rows)), frame);
    }
    if let Ok(close) = Close::read(&frame) {
        assert_eq!(reread(|out| write::close(out, close.kind, close.name)), frame);
    }
    if let Ok(describe) = Describe::read(&frame) {
        assert_eq!(reread(|out| write::describe(out, describe.kind, describe.name)), frame);
    }
    if let Ok(bind) = Bind::read(&frame) {
        assert_eq!(reread(|out| rewrite::bind_with(out, &bind, bind.statement, None)), frame);
        let renamed = reread(|out| rewrite::bind_with(out, &bind, b"another", Some(&[1])));
        let read = Bind::read(&renamed).expect("a Bind under another name is a Bind");
        assert_eq!(read.portal, bind.portal);
        assert_eq!(read.parameters.as_slice(), bind.parameters.as_slice());
        assert_eq!((read.statement, read.result_format(7)), (&b"another"[..], 1));
    }
    let _ = copy_data(&frame);
}

/// A text in another encoding than UTF-8: what is read of it is written as the same bytes.
pub(super) fn encoding(bytes: &[u8]) {
    const NAMES: [&str; 24] = [
        "latin1",
        "latin2",
        "latin3",
        "latin4",
        "latin5",
        "latin6",
        "latin7",
        "latin8",
        "latin9",
        "latin10",
        "iso_8859_5",
        "iso_8859_6",
        "iso_8859_7",
        "iso_8859_8",
        "koi8r",
        "koi8u",
        "win866",
        "win874",
        "win1250",
        "win1251",
        "win1252",
        "win1253",
        "win1258",
        "utf8",
    ];
    let Some((name, bytes)) = bytes.split_first() else { return };
    let known = Encoding::named(NAMES[usize::from(*name) % NAMES.len()]).expect("PostgreSQL knows it");
    if let Ok(text) = known.read(bytes) {
        let written = known.write(&text).expect("all that was read can be written");
        assert!(!known.is_foreign() || written == bytes, "{}", known.name());
        assert_eq!(known.read(&written).expect("it was written so"), text);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(written) = known.write(text) {
        assert_eq!(known.read(&written).expect("it was written so"), text, "{}", known.name());
    }
    assert!(!(Encoding::named(text).is_some() && Encoding::is_wide(text)), "{text}");
}

/// A server's message.
pub(super) fn server(bytes: &[u8]) {
    let Some((tag, body)) = bytes.split_first() else { return };
    let frame = frame(*tag, body);
    let _ = (ready_status(&frame), command_tag(&frame), parameter_status(&frame), parameter_types(&frame));
    let _ = (copy_format(&frame), columns(&frame), affected(&frame));
    let _ = (authentication(&frame).is_ok(), backend_key(&frame).is_ok());
    if let Ok(row) = Row::read(&frame) {
        let left = row.left();
        assert!(row.count() <= left);
    }
    let fields = error_fields(&frame);
    let _ = (fields.sqlstate().len(), fields.is_fatal(), fields.position(), fields.to_string());
    let mut out = BytesMut::new();
    rewrite::error_with_position_shift(&mut out, &frame, -7, 20);
    let shifted = cut(&mut out, SERVER_LIMIT).expect("written by us").expect("written whole");
    assert_eq!(error_fields(&shifted).message(), fields.message());
}
