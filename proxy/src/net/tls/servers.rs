//! TLS towards one server's nodes.
//!
//! `require` encrypts without asking who answers, as libpq's does; `verify-ca` wants a certificate
//! that the given authority has signed, and `verify-full` one that names the host as well.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::pem::{TlsFault, authorities, certificates, key, provider};
use super::trust::{AnyName, AnyServer};
use crate::config::{ServerConfig, TlsMode};

/// TLS towards one server. Clones are the same: what is renewed in one is renewed in all.
#[derive(Clone, Debug)]
pub struct ServerTls(Arc<ArcSwap<Terms>>);

/// What is demanded of a node.
#[derive(Clone, Debug)]
pub enum Terms {
    /// No TLS.
    Disable,
    /// TLS where the node offers it.
    Prefer(Arc<ClientConfig>),
    /// TLS always; whom to trust is within.
    Require(Arc<ClientConfig>),
}

impl ServerTls {
    /// True where the two are one.
    pub fn is(&self, other: &ServerTls) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// TLS as configured for a server.
    pub fn new(server: &ServerConfig) -> Result<ServerTls, TlsFault> {
        Ok(ServerTls(Arc::new(ArcSwap::from_pointee(Terms::new(server)?))))
    }

    /// No TLS at all.
    pub fn disabled() -> ServerTls {
        ServerTls(Arc::new(ArcSwap::from_pointee(Terms::Disable)))
    }

    /// Reads the files of the configuration again, for connections that are still to be made.
    ///
    /// # Errors
    /// [`TlsFault`]; then all stays as it was.
    pub fn renew(&self, server: &ServerConfig) -> Result<(), TlsFault> {
        self.0.store(Arc::new(Terms::new(server)?));
        Ok(())
    }

    /// What is demanded now.
    pub fn terms(&self) -> Arc<Terms> {
        self.0.load_full()
    }
}

impl Terms {
    fn new(server: &ServerConfig) -> Result<Terms, TlsFault> {
        Ok(match server.tls {
            TlsMode::Disable => Terms::Disable,
            TlsMode::Prefer => Terms::Prefer(settings(server)?),
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => Terms::Require(settings(server)?),
        })
    }
}

fn settings(server: &ServerConfig) -> Result<Arc<ClientConfig>, TlsFault> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let authority = || match &server.tls_ca {
        Some(file) => authorities(file),
        None => Err(TlsFault::NoAuthority),
    };
    let builder = match server.tls {
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => {
            builder.dangerous().with_custom_certificate_verifier(AnyServer::new(provider()))
        }
        TlsMode::VerifyCa => {
            builder.dangerous().with_custom_certificate_verifier(AnyName::new(authority()?, provider())?)
        }
        TlsMode::VerifyFull => builder.with_root_certificates(authority()?),
    };
    Ok(Arc::new(match own(server)? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    }))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Our own certificate for this server.
fn own(server: &ServerConfig) -> Result<Option<Identity>, TlsFault> {
    let (Some(certificate), Some(key_file)) = (&server.tls_certificate, &server.tls_key) else {
        return Ok(None);
    };
    Ok(Some((certificates(certificate)?, key(key_file)?)))
}
