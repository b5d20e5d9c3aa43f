//! What a certificate says to the authentication: what SCRAM binds to, and whom it names.

use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_certificate::{SignatureAlgorithm, X509Certificate};

/// The `tls-server-end-point` of a server's certificate (RFC 5929): its digest by the algorithm
/// of its signature, SHA-256 in place of older ones. `None` where the signature has none, such as
/// Ed25519.
pub fn end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let parsed = X509Certificate::from_der(certificate).ok()?;
    match parsed.signature_signature_algorithm()? {
        SignatureAlgorithm::RsaSha1 | SignatureAlgorithm::RsaSha256 | SignatureAlgorithm::EcdsaSha256 => {
            Some(Sha256::digest(certificate).to_vec())
        }
        SignatureAlgorithm::RsaSha384 | SignatureAlgorithm::EcdsaSha384 => {
            Some(Sha384::digest(certificate).to_vec())
        }
        SignatureAlgorithm::RsaSha512 => Some(Sha512::digest(certificate).to_vec()),
        SignatureAlgorithm::Ed25519 | SignatureAlgorithm::NoSignature(_) => None,
    }
}

/// The common name of a certificate's subject.
pub fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    X509Certificate::from_der(certificate).ok()?.subject_common_name()
}
