//! Certificates and keys from PEM files, and what may be wrong with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, ring};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

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
    /// A file without a certificate.
    #[error("{}: there is no certificate in it", .0.display())]
    Empty(PathBuf),
    /// Certificate and key, or the authority, are refused.
    #[error("{0}")]
    Refused(#[from] rustls::Error),
    /// The authority is of no use for verifying.
    #[error("{0}")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
    /// Verifying has nothing to verify with.
    #[error("tls = \"verify-ca\" and \"verify-full\" need tls_ca")]
    NoAuthority,
}

/// The certificates of a file, in their order; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let file = |source| TlsFault::File { path: path.to_owned(), source };
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(|certificates| certificates.collect()).map_err(file)?;
    if certificates.is_empty() {
        return Err(TlsFault::Empty(path.to_owned()));
    }
    Ok(certificates)
}

/// The first private key of a file.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsFault::File { path: path.to_owned(), source })
}

/// The authorities of a file.
pub(super) fn authorities(path: &Path) -> Result<Arc<RootCertStore>, TlsFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(Arc::new(roots))
}

/// What does the arithmetic.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
