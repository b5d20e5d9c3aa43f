//! What a client says and what it hears, to the byte: cases of the protocol for two servers to be compared.

use std::collections::BTreeMap;
use std::fmt::Write;

use bytes::{BufMut, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

/// A message of the client. Texts may name the stage's table as `{t}`, its key column as `{k}`.
#[derive(Debug, Clone)]
pub enum Say {
    /// Query.
    Q(&'static str),
    /// Parse: name, text.
    P(&'static str, &'static str),
    /// Parse with parameter types.
    Pt(&'static str, &'static str, &'static [u32]),
    /// Bind: portal, statement, text parameters.
    B(&'static str, &'static str, &'static [Option<&'static str>]),
    /// Bind that asks for binary results.
    Bb(&'static str, &'static str, &'static [Option<&'static str>]),
    /// Describe a statement.
    Ds(&'static str),
    /// Describe a portal.
    Dp(&'static str),
    /// Execute: portal, most rows.
    E(&'static str, i32),
    /// Close a statement.
    Cs(&'static str),
    /// Close a portal.
    Cp(&'static str),
    /// Sync.
    S,
    /// Flush.
    H,
    /// CopyData.
    Data(&'static str),
    /// CopyDone.
    Done,
    /// CopyFail.
    Fail(&'static str),
    /// FunctionCall of an OID with text arguments and a text result.
    F(u32, &'static [&'static str]),
    /// Any message: tag and body.
    Raw(u8, &'static [u8]),
}

impl Say {
    /// Appends the message, with the stage's names put in.
    pub fn write(&self, names: &[(&str, &str)], out: &mut BytesMut) {
        let named =
            |text: &str| names.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        let written = match self {
            Say::Q(text) => frontend::query(&named(text), out),
            Say::P(name, text) => frontend::parse(name, &named(text), [], out),
            Say::Pt(name, text, types) => frontend::parse(name, &named(text), types.iter().copied(), out),
            Say::B(portal, statement, values) => return bind(portal, statement, values, 0, out),
            Say::Bb(portal, statement, values) => return bind(portal, statement, values, 1, out),
            Say::Ds(name) => frontend::describe(b'S', name, out),
            Say::Dp(name) => frontend::describe(b'P', name, out),
            Say::E(portal, rows) => frontend::execute(portal, *rows, out),
            Say::Cs(name) => frontend::close(b'S', name, out),
            Say::Cp(name) => frontend::close(b'P', name, out),
            Say::S => return frontend::sync(out),
            Say::H => return frontend::flush(out),
            Say::Data(text) => return message(b'd', named(text).as_bytes(), out),
            Say::Done => return frontend::copy_done(out),
            Say::Fail(why) => frontend::copy_fail(why, out),
            Say::F(oid, arguments) => return function_call(*oid, arguments, out),
            Say::Raw(tag, body) => return message(*tag, body, out),
        };
        written.expect("the cases hold no NUL");
    }

    /// True where PostgreSQL answers it with a ReadyForQuery of its own, outside COPY.
    #[must_use]
    pub fn is_answered_by_ready(&self) -> bool {
        matches!(self, Say::Q(_) | Say::S | Say::F(..))
    }
}

fn message(tag: u8, body: &[u8], out: &mut BytesMut) {
    out.put_u8(tag);
    out.put_u32(u32::try_from(body.len() + 4).expect("a short message"));
    out.put_slice(body);
}

fn bind(portal: &str, statement: &str, values: &[Option<&str>], format: i16, out: &mut BytesMut) {
    let write = |value: &Option<&str>, out: &mut BytesMut| {
        out.put_slice(value.unwrap_or_default().as_bytes());
        Ok(if value.is_some() { IsNull::No } else { IsNull::Yes })
    };
    let bound = frontend::bind(portal, statement, [], values, write, [format], out);
    assert!(bound.is_ok(), "the cases hold no NUL");
}

fn function_call(oid: u32, arguments: &[&str], out: &mut BytesMut) {
    let mut body = BytesMut::new();
    body.put_u32(oid);
    body.put_u16(0);
    body.put_u16(u16::try_from(arguments.len()).expect("few arguments"));
    for argument in arguments {
        body.put_u32(u32::try_from(argument.len()).expect("short arguments"));
        body.put_slice(argument.as_bytes());
    }
    body.put_u16(0);
    message(b'F', &body, out);
}

/// A message of the server: its tag and its body. Tag 0 is the end of the connection.
pub type Heard = (u8, Vec<u8>);

/// What was heard, a line a message, without what differs from server to server: OIDs of tables, source
/// files and lines, process ids. What may come at any time stands at the end: notifications in their order,
/// and parameters as they were told last.
#[must_use]
pub fn transcript(heard: &[Heard]) -> String {
    let mut lines = String::new();
    let (at_any_time, answers): (Vec<_>, Vec<_>) =
        heard.iter().partition(|(tag, _)| matches!(tag, b'A' | b'S'));
    let name = |body: &[u8]| body.split(|byte| *byte == 0).next().map(<[u8]>::to_vec);
    let news: BTreeMap<_, _> =
        at_any_time.iter().filter(|(tag, _)| *tag == b'S').map(|heard| (name(&heard.1), *heard)).collect();
    let notifications = at_any_time.iter().filter(|(tag, _)| *tag == b'A').copied();
    for (tag, body) in answers.into_iter().chain(notifications).chain(news.into_values()) {
        let body = match tag {
            b'E' | b'N' => fields(body),
            b'T' => columns(body),
            b'A' => body.get(4..).unwrap_or_default().to_vec(),
            _ => body.clone(),
        };
        let tag = if *tag == 0 { "closed".to_owned() } else { char::from(*tag).to_string() };
        let _ = writeln!(lines, "{tag} {}", body.escape_ascii());
    }
    lines
}

fn fields(body: &[u8]) -> Vec<u8> {
    let fields = body.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    let kept = fields.filter(|field| !matches!(field[0], b'F' | b'L' | b'R' | b'W' | b'H'));
    kept.collect::<Vec<_>>().join(&b'|')
}

/// A RowDescription with every table's OID as 1.
fn columns(body: &[u8]) -> Vec<u8> {
    let mut kept = body.get(..2).unwrap_or_default().to_vec();
    let mut rest = body.get(2..).unwrap_or_default();
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        let (name, after) = rest.split_at(end + 1);
        let Some((facts, more)) = after.split_at_checked(18) else { break };
        kept.extend_from_slice(name);
        let table = u8::from(facts[..4] != [0; 4]);
        kept.extend_from_slice(&[0, 0, 0, table]);
        kept.extend_from_slice(&facts[4..]);
        rest = more;
    }
    kept.extend_from_slice(rest);
    kept
}
