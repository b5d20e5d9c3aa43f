//! Values that travel as PostgreSQL's text of them. By its own settings that text is all of a value; some
//! settings of a session make it less: then values travel in the binary format, or not at all.
//!
//! | setting | what its text loses |
//! | --- | --- |
//! | `extra_float_digits` below 1 | the last digits of floats |
//! | `DateStyle` other than ISO | which time zone an abbreviation means |
//! | `array_nulls` off | that an element is NULL |

use router::plan::Parameter;

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::pool::Lent;
use crate::wire::{view, write};

use super::leg::reply;

/// The first OID of types that are made by users.
const FIRST_OF_USERS: u32 = 16_384;
/// `unknown`, `aclitem` and arrays of it, `gtsvector`: they have no binary format, or need none.
const AS_TEXT: [u32; 4] = [705, 1033, 1034, 3642];

impl Executor {
    /// True where PostgreSQL's text of a value is all of the value.
    pub(super) fn writes_whole_values(&self) -> bool {
        let value = |name: &str| self.settings.value(name);
        let digits = value("extra_float_digits")
            .is_none_or(|digits| digits.trim().parse().is_ok_and(|digits: i32| digits > 0));
        let dates = value("datestyle").is_none_or(|style| style.to_ascii_lowercase().contains("iso"));
        let nulls = value("array_nulls")
            .is_none_or(|nulls| ["on", "true", "yes", "1"].contains(&&*nulls.to_ascii_lowercase()));
        digits && dates && nulls
    }
}

/// What is refused where values would not travel whole.
pub(super) fn not_whole() -> ClientError {
    ClientError::unsupported(
        "values of this statement would have to travel between servers as text, and the session's settings make their text less than the value",
        "SET extra_float_digits TO 1, DateStyle TO ISO and array_nulls TO on.",
    )
}

/// True where values of this type travel whole in the binary format, between any two servers.
pub(super) fn is_whole_in_binary(type_oid: u32) -> bool {
    type_oid < FIRST_OF_USERS && !AS_TEXT.contains(&type_oid)
}

/// The formats in which the columns of a query travel whole, as Bind has them.
///
/// # Errors
/// What the server says of the query; 0A000 where a column has no such format.
pub(super) async fn whole_formats(
    connection: &mut Lent,
    peer: &mut Peer,
    text: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<i16>, Trouble> {
    let declared: Vec<u32> = parameters.iter().map(|parameter| parameter.type_oid).collect();
    let out = connection.out();
    write::parse(out, b"", text.as_bytes(), &declared);
    write::describe_statement(out, b"");
    connection.queue_sync();
    let (mut formats, mut error) = (Ok(Vec::new()), None);
    while connection.owed() > 0 {
        let frame = reply(connection, peer).await?;
        match frame.tag() {
            b'T' => {
                let columns =
                    view::columns(&frame).map_err(|fault| ClientError::internal(fault.to_string()))?;
                let format = |type_oid: u32| match type_oid {
                    705 => Ok(0),
                    other if is_whole_in_binary(other) => Ok(1),
                    _ => Err(not_whole()),
                };
                formats = columns.iter().map(|column| format(column.type_oid)).collect();
            }
            b'E' => error = error.or(Some(view::error_fields(&frame).without_place())),
            _ => {}
        }
    }
    match error {
        Some(fields) => Err(fields.into()),
        None => Ok(formats?),
    }
}
