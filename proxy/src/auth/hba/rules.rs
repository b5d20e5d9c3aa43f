//! The rules, and which of them a client meets first.

use std::net::IpAddr;

/// A list of rules; the first that fits a client decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hba {
    /// In the order of the file.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its line in the file, from 1.
    pub line: usize,
    pub(super) way: Way,
    pub(super) databases: Vec<DatabaseName>,
    pub(super) users: Vec<UserName>,
    /// `None` for local rules, which have none.
    pub(super) network: Option<Network>,
    /// How those prove who they are whom it fits.
    pub method: Method,
    /// What it wants of the client's certificate besides.
    pub certificate: Certificate,
}

/// The way by which clients come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Local,
    Host,
    HostSsl,
    HostNoSsl,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DatabaseName {
    All,
    SameUser,
    /// Physical replication, which pgherd does not serve: fits nobody.
    Replication,
    Named(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum UserName {
    All,
    Named(String),
}

/// Addresses with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// All of them.
    All,
    /// An address of it, and how many bits are the same.
    Prefix(IpAddr, u8),
}

/// How a client proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// Not at all.
    Trust,
    /// It may not come in.
    Reject,
    /// SCRAM-SHA-256, with channel binding or without.
    Scram,
    /// SCRAM where a SCRAM secret or the password is known, else md5.
    Md5,
    /// By its certificate's common name, which is the role's name or goes by this map.
    Cert(Option<String>),
}

/// What a rule wants of the client's certificate besides the method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Nothing.
    Any,
    /// That there is one, signed by the authority.
    Signed,
    /// That it names the role, or goes by this map.
    Names(Option<String>),
}

/// Where a client comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A unix socket.
    Local,
    /// An address, by TLS or in clear.
    Host {
        /// The address.
        address: IpAddr,
        /// By TLS.
        secure: bool,
    },
}

/// A client, as far as rules ask.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    /// Where it comes from.
    pub origin: Origin,
    /// The database it names.
    pub database: &'a str,
    /// The role it wants to be.
    pub user: &'a str,
}

impl Hba {
    /// The first rule that fits.
    pub fn decide(&self, visitor: &Visitor<'_>) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.fits(visitor))
    }

    /// True where a rule asks for certificates.
    pub fn asks_for_certificates(&self) -> bool {
        let asks = |rule: &Rule| {
            matches!(rule.method, Method::Cert(_)) || !matches!(rule.certificate, Certificate::Any)
        };
        self.rules.iter().any(asks)
    }

    /// The maps that rules name, with their lines.
    pub fn maps(&self) -> impl Iterator<Item = (usize, &str)> {
        self.rules.iter().filter_map(|rule| match (&rule.method, &rule.certificate) {
            (Method::Cert(Some(map)), _) | (_, Certificate::Names(Some(map))) => {
                Some((rule.line, map.as_str()))
            }
            (Method::Cert(None) | Method::Trust | Method::Reject | Method::Scram | Method::Md5, _) => None,
        })
    }
}

impl Rule {
    fn fits(&self, visitor: &Visitor<'_>) -> bool {
        let comes = match (self.way, visitor.origin) {
            (Way::Local, Origin::Local) | (Way::Host, Origin::Host { .. }) => true,
            (Way::HostSsl, Origin::Host { secure, .. }) => secure,
            (Way::HostNoSsl, Origin::Host { secure, .. }) => !secure,
            (Way::Local, Origin::Host { .. })
            | (Way::Host | Way::HostSsl | Way::HostNoSsl, Origin::Local) => false,
        };
        let from = match (&self.network, visitor.origin) {
            (Some(network), Origin::Host { address, .. }) => network.holds(address),
            (None, _) | (Some(_), Origin::Local) => true,
        };
        let database = self.databases.iter().any(|name| match name {
            DatabaseName::All => true,
            DatabaseName::SameUser => visitor.database == visitor.user,
            DatabaseName::Replication => false,
            DatabaseName::Named(name) => name == visitor.database,
        });
        let user = self.users.iter().any(|name| match name {
            UserName::All => true,
            UserName::Named(name) => name == visitor.user,
        });
        comes && from && database && user
    }
}

impl Network {
    /// Reads `all`, `address/bits`, or one address.
    pub fn parse(text: &str) -> Option<Network> {
        let most = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
        match text.split_once('/') {
            _ if text == "all" => Some(Network::All),
            Some((address, bits)) => {
                let address: IpAddr = address.parse().ok()?;
                Some(Network::Prefix(address, bits.parse().ok().filter(|bits| *bits <= most(address))?))
            }
            None => text.parse().ok().map(|address| Network::Prefix(address, most(address))),
        }
    }

    /// True where the address is within; one of version 4 is the same however it is written.
    pub fn holds(self, address: IpAddr) -> bool {
        match (self, address.to_canonical()) {
            (Network::All, _) => true,
            (Network::Prefix(IpAddr::V4(network), bits), IpAddr::V4(address)) => {
                same_prefix(u128::from(network.to_bits()) << 96, u128::from(address.to_bits()) << 96, bits)
            }
            (Network::Prefix(IpAddr::V6(network), bits), IpAddr::V6(address)) => {
                same_prefix(network.to_bits(), address.to_bits(), bits)
            }
            (Network::Prefix(IpAddr::V4(_), _), IpAddr::V6(_))
            | (Network::Prefix(IpAddr::V6(_), _), IpAddr::V4(_)) => false,
        }
    }
}

/// True where the first `bits` of both are the same.
fn same_prefix(one: u128, other: u128, bits: u8) -> bool {
    let differ = one ^ other;
    differ.leading_zeros() >= u32::from(bits)
}
