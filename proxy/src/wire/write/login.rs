//! What the proxy says to servers while it logs in.

use bytes::{BufMut, BytesMut};

use super::frontend::framed;

/// Protocol 3.0.
const VERSION: i32 = 3 << 16;

/// The StartupMessage of protocol 3.0, with these parameters.
pub fn startup<'a>(out: &mut BytesMut, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let start = out.len();
    out.put_i32(0);
    out.put_i32(VERSION);
    for (name, value) in parameters {
        for text in [name, value] {
            out.put_slice(text.as_bytes());
            out.put_u8(0);
        }
    }
    out.put_u8(0);
    let length = i32::try_from(out.len() - start).expect("a startup message is short");
    if let Some(word) = out.get_mut(start..start + 4) {
        word.copy_from_slice(&length.to_be_bytes());
    }
}

/// `p`: a password, or its md5.
pub fn password(out: &mut BytesMut, password: &str) {
    framed(out, b'p', |out| {
        out.put_slice(password.as_bytes());
        out.put_u8(0);
    });
}

/// `p`: begins SASL with this mechanism and message.
pub fn sasl_initial(out: &mut BytesMut, mechanism: &str, message: &str) {
    framed(out, b'p', |out| {
        out.put_slice(mechanism.as_bytes());
        out.put_u8(0);
        out.put_i32(i32::try_from(message.len()).expect("a SASL message is short"));
        out.put_slice(message.as_bytes());
    });
}
