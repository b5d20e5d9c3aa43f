//! The statement over what was collected: one statement of the extended protocol on one server, whose
//! answer is the client's.

use bytes::{Bytes, BytesMut};
use router::ids::ServerId;
use router::plan::{GatherPlan, Parameter};

use super::arrays::arrays;
use super::collect::Given;
use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::leg::reply;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::wire::{view, write};

/// The OID of `text`.
const TEXT: u32 = 25;

/// Appends the statement with the client's parameters and the parts as arrays after them.
pub(super) fn write_over_arrays(
    out: &mut BytesMut,
    text: &str,
    ask: Ask<'_>,
    plan: &GatherPlan,
    given: &[Given],
) {
    let arrays: Vec<BytesMut> = plan
        .parts
        .iter()
        .enumerate()
        .flat_map(|(number, part)| {
            let rows: Vec<_> = given.iter().filter_map(|given| given.parts.get(number)).collect();
            arrays(part, &rows)
        })
        .collect();
    write_rest(out, text, ask, plan, &arrays);
}

/// Appends the statement with the client's parameters, and these after them.
pub(super) fn write_rest(
    out: &mut BytesMut,
    text: &str,
    ask: Ask<'_>,
    plan: &GatherPlan,
    arrays: &[BytesMut],
) {
    let own: Vec<Parameter<'_>> = own_parameters(plan, ask.parameters);
    let types: Vec<u32> = own.iter().map(|parameter| parameter.type_oid).collect();
    let formats = own.iter().map(|parameter| i16::from(parameter.binary));
    let formats: Vec<i16> = formats.chain(arrays.iter().map(|_| 1)).collect();
    let values = own.iter().map(|parameter| parameter.value);
    let values: Vec<Option<&[u8]>> = values.chain(arrays.iter().map(|array| Some(array.as_ref()))).collect();
    write::parse(out, b"", text.as_bytes(), &types);
    write::bind(out, b"", b"", &formats, values, ask.formats);
    write::describe_portal(out, b"");
    write::execute(out, b"", 0);
}

/// A parameter that only the servers' parts have is a NULL of some type here, for nobody reads it.
fn own_parameters<'a>(plan: &GatherPlan, all: &[Parameter<'a>]) -> Vec<Parameter<'a>> {
    let own = |(index, parameter): (usize, &Parameter<'a>)| {
        let absent = plan.absent.iter().any(|number| usize::from(*number) == index + 1);
        match absent && parameter.type_oid == 0 {
            true => Parameter { type_oid: TEXT, binary: false, value: None },
            false => *parameter,
        }
    };
    all.iter().enumerate().map(own).collect()
}

/// Passes the answer on up to its end.
///
/// # Errors
/// The server's error; the server or the client is gone.
pub(super) async fn relay(
    executor: &mut Executor,
    peer: &mut Peer,
    server: ServerId,
    ask: Ask<'_>,
    rows: &mut Rows,
) -> Result<Option<Bytes>, Trouble> {
    let mut completion = None;
    loop {
        let frame = reply(executor.connection(server), peer).await?;
        match frame.tag() {
            b'D' => rows.push(peer, frame.into_bytes()).await?,
            b'T' if ask.describe => peer.out().extend_from_slice(frame.bytes()),
            b'T' => {
                let columns = view::columns(&frame);
                rows.describe(&columns.map_err(|fault| ClientError::internal(fault.to_string()))?);
            }
            b'C' => completion = Some(frame.into_bytes()),
            b'E' => return Err(view::error_fields(&frame).without_place().into()),
            b'N' => peer.out().extend_from_slice(frame.bytes()),
            b'Z' => return Ok(completion),
            _ => {}
        }
    }
}
