//! Dialing a server's node: a TCP connection or a unix socket, then TLS as asked for.

use std::io;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, TlsStream};

use super::listen::tune;
use super::stream::Stream;
use super::tls::{ServerTls, Terms};
use crate::config::Keepalive;

/// SSLRequest: length 8 and the code 1234.5679.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Why a stream to a node could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DialFault {
    /// Nobody answered, or the network failed.
    #[error("{0}")]
    Network(#[from] io::Error),
    /// TLS is demanded and the node has none.
    #[error("the server does not support TLS, which is demanded")]
    NoTls,
    /// The TLS handshake failed, or the certificate is not to be trusted.
    #[error("TLS failed: {0}")]
    Tls(io::Error),
}

/// Dials a node. A host that begins with `/` is the directory of its unix socket. The caller
/// bounds the time.
pub async fn dial(host: &str, port: u16, tls: &ServerTls) -> Result<Stream, DialFault> {
    if host.starts_with('/') {
        return Ok(Stream::Unix(UnixStream::connect(format!("{host}/.s.PGSQL.{port}")).await?));
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut stream = TcpStream::connect((bare, port)).await?;
    tune(&stream, Keepalive::default())?;
    let (connector, demanded) = match &*tls.terms() {
        Terms::Disable => return Ok(Stream::Plain(stream)),
        Terms::Prefer(config) => (TlsConnector::from(Arc::clone(config)), false),
        Terms::Require(config) => (TlsConnector::from(Arc::clone(config)), true),
    };
    stream.write_all(&SSL_REQUEST).await?;
    match stream.read_u8().await? {
        b'S' => {}
        b'N' if !demanded => return Ok(Stream::Plain(stream)),
        _ => return Err(DialFault::NoTls),
    }
    let name =
        ServerName::try_from(bare.to_owned()).map_err(|fault| DialFault::Tls(io::Error::other(fault)))?;
    let secure = connector.connect(name, stream).await.map_err(DialFault::Tls)?;
    Ok(Stream::Tls(Box::new(TlsStream::Client(secure))))
}
