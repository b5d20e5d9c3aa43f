//! TLS settings: a certificate towards clients, and what is demanded of servers.
//!
//! `require` encrypts without asking who answers, as libpq's does; `verify-full` wants a
//! certificate signed by the given authority that names the host.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::config::TlsMode;

/// The protocol's name in TLS's list of protocols, for clients that begin with TLS at once.
const ALPN: &[u8] = b"postgresql";

/// TLS settings that can not be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file that can not be read, or is not PEM.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// Certificate and key, or the authority, are refused.
    #[error("{0}")]
    Refused(#[from] rustls::Error),
    /// `verify-full` has nothing to verify with.
    #[error("tls = \"verify-full\" needs tls_ca")]
    NoAuthority,
}

/// TLS towards one server.
#[derive(Clone, Debug)]
pub enum ServerTls {
    /// Never.
    Disable,
    /// Where the node offers it.
    Prefer(Arc<ClientConfig>),
    /// Always; whom to trust is within.
    Require(Arc<ClientConfig>),
}

impl ServerTls {
    /// TLS as configured for a server; `authority` is a PEM file.
    pub fn new(mode: TlsMode, authority: Option<&Path>) -> Result<ServerTls, TlsFault> {
        Ok(match mode {
            TlsMode::Disable => ServerTls::Disable,
            TlsMode::Prefer => ServerTls::Prefer(trusting_all()?),
            TlsMode::Require => ServerTls::Require(trusting_all()?),
            TlsMode::VerifyFull => ServerTls::Require(trusting(authority.ok_or(TlsFault::NoAuthority)?)?),
        })
    }
}

/// The settings towards clients, from a certificate chain and its key in PEM.
pub fn towards_clients(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsFault> {
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|source| TlsFault::File { path: key.to_owned(), source })?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect())
        .map_err(|source| TlsFault::File { path: path.to_owned(), source })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn trusting(authority: &Path) -> Result<Arc<ClientConfig>, TlsFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority)? {
        roots.add(certificate)?;
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn trusting_all() -> Result<Arc<ClientConfig>, TlsFault> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let verifier = Arc::new(AnyServer(provider()));
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

/// Accepts any certificate, as `sslmode=require` does; signatures are still checked.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
