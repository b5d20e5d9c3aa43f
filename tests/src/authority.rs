//! A certificate authority of a test's own, made by the openssl program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::run;

/// A certificate authority, in a directory of its own.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The private key's file.
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority in `directory`, which is created.
    pub fn new(directory: &Path) -> Result<Authority> {
        fs::create_dir_all(directory)?;
        let authority = Authority { directory: directory.to_owned() };
        openssl(
            directory,
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt",
        )?;
        Ok(authority)
    }

    /// The authority's own certificate, for those who shall believe it.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    /// A certificate for this common name, which also names localhost and 127.0.0.1.
    pub fn issue(&self, common_name: &str) -> Result<Identity> {
        let name = common_name.replace(' ', "_");
        fs::write(self.directory.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n")?;
        openssl(
            &self.directory,
            &format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
            ),
        )?;
        openssl(
            &self.directory,
            &format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -sha256 -extfile names -out {name}.crt"
            ),
        )?;
        let file = |end: &str| self.directory.join(format!("{name}.{end}"));
        Ok(Identity { certificate: file("crt"), key: file("key") })
    }
}

fn openssl(directory: &Path, arguments: &str) -> Result<()> {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(directory);
    run(&mut command).context("openssl is needed for tests of TLS")
}
