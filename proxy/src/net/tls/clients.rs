//! TLS towards clients: our certificate, and whose certificates of theirs are believed.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::binding;
use super::pem::{TlsFault, authorities, certificates, key, provider};

/// The protocol's name in TLS's list of protocols, for clients that begin with TLS at once.
const ALPN: &[u8] = b"postgresql";

/// TLS for clients.
#[derive(Clone)]
pub struct ClientTls {
    /// Speaks TLS.
    pub acceptor: TlsAcceptor,
    /// What SCRAM binds to (`tls-server-end-point`); `None` where the certificate's signature
    /// defines nothing.
    pub end_point: Option<Arc<[u8]>>,
}

/// The settings towards clients, from a certificate chain and its key in PEM. With `authority`
/// (PEM), clients are asked for a certificate; one that it has not signed ends the handshake, and
/// none at all is for the caller to judge.
pub fn towards_clients(
    certificate: &Path,
    key_file: &Path,
    authority: Option<&Path>,
) -> Result<ClientTls, TlsFault> {
    let chain = certificates(certificate)?;
    let end_point = chain.first().and_then(binding::end_point).map(Arc::from);
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match authority {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities(authority)?, provider());
            builder.with_client_cert_verifier(verifier.allow_unauthenticated().build()?)
        }
    };
    let mut config = builder.with_single_cert(chain, key(key_file)?)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(ClientTls { acceptor: TlsAcceptor::from(Arc::new(config)), end_point })
}
