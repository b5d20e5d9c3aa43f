//! A peer's message again, with one thing changed and every other byte kept.

use bytes::{BufMut, BytesMut};

use super::frame::Frame;
use super::read::Reader;
use super::view::Bind;
use super::write;

/// Appends a client's Bind with another statement name and, where given, other result formats.
pub fn bind_with(out: &mut BytesMut, bind: &Bind<'_>, statement: &[u8], result_formats: Option<&[i16]>) {
    let result_formats = result_formats.unwrap_or(&bind.result_formats);
    let names = bind.portal.len() + statement.len() + 2;
    let length = 4 + names + bind.middle.len() + 2 + 2 * result_formats.len();
    out.reserve(1 + length);
    out.put_u8(b'B');
    out.put_u32(length as u32);
    out.put_slice(bind.portal);
    out.put_u8(0);
    out.put_slice(statement);
    out.put_u8(0);
    out.put_slice(bind.middle);
    out.put_u16(result_formats.len() as u16);
    result_formats.iter().for_each(|format| out.put_i16(*format));
}

/// Appends a server's ErrorResponse or NoticeResponse with its position moved by `shift`
/// characters: the server saw other text before the client's. A position that would leave the
/// client's text (`1..=length` characters) is left out.
pub fn error_with_position_shift(out: &mut BytesMut, frame: &Frame, shift: isize, length: usize) {
    let mut body = BytesMut::with_capacity(frame.body().len() + 8);
    if let Ok(mut reader) = Reader::of(frame, frame.tag()) {
        while let Ok(letter @ 1..) = reader.byte() {
            let Ok(value) = reader.text() else { break };
            let moved = if letter == b'P' { moved(value, shift, length) } else { Some(value.to_vec()) };
            if let Some(value) = moved {
                body.put_u8(letter);
                body.put_slice(&value);
                body.put_u8(0);
            }
        }
    }
    body.put_u8(0);
    write::raw(out, frame.tag(), &body);
}

fn moved(position: &[u8], shift: isize, length: usize) -> Option<Vec<u8>> {
    let position: usize = std::str::from_utf8(position).ok()?.parse().ok()?;
    let moved = position.checked_add_signed(shift)?;
    (1..=length.saturating_add(1)).contains(&moved).then(|| moved.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cut;
    use crate::wire::view::{Fields, error_fields};

    #[test]
    fn a_bind_keeps_its_parameters_under_another_name() {
        let (mut buffer, mut out) = (BytesMut::new(), BytesMut::new());
        write::bind(&mut buffer, b"", b"mine", &[1], [Some(&b"\0\xff"[..]), None], &[0, 1]);
        let frame = cut(&mut buffer, 1000).unwrap().unwrap();
        bind_with(&mut out, &Bind::read(&frame).unwrap(), b"theirs", None);
        let frame = cut(&mut out, 1000).unwrap().unwrap();
        let bind = Bind::read(&frame).unwrap();
        assert_eq!(bind.statement, b"theirs");
        assert_eq!(bind.parameters.as_slice(), [Some(&b"\0\xff"[..]), None]);
        assert_eq!(bind.result_formats.as_slice(), [0, 1]);
    }

    #[test]
    fn an_error_points_into_the_clients_own_text() {
        let fields = |position: &str| Fields::new(vec![(b'C', "42601".into()), (b'P', position.into())]);
        for (position, shift, seen) in [("12", -10, Some(2)), ("5", -10, None), ("90", -10, None)] {
            let (mut buffer, mut out) = (BytesMut::new(), BytesMut::new());
            write::error(&mut buffer, &fields(position));
            let frame = cut(&mut buffer, 1000).unwrap().unwrap();
            error_with_position_shift(&mut out, &frame, shift, 20);
            let frame = cut(&mut out, 1000).unwrap().unwrap();
            assert_eq!(error_fields(&frame).position(), seen);
            assert_eq!(error_fields(&frame).sqlstate(), "42601");
        }
    }
}
