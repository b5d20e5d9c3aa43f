//! The rules of a file's text. What pgherd has not got is refused by name, with the line, so that a
//! rule never means something else than in PostgreSQL.

use std::net::IpAddr;

use super::rules::{Certificate, DatabaseName, Hba, Method, Network, Rule, UserName, Way};
use super::words::{Line, LineFault, Word, lines};

impl Hba {
    /// Reads `pg_hba.conf`.
    ///
    /// # Errors
    /// The first [`LineFault`].
    pub fn parse(text: &str) -> Result<Hba, LineFault> {
        let rules = lines(text)?
            .into_iter()
            .map(|line| rule(&line).map_err(|what| LineFault { line: line.number, what }));
        Ok(Hba { rules: rules.collect::<Result<_, _>>()? })
    }
}

fn rule(line: &Line) -> Result<Rule, String> {
    let mut fields = line.fields.iter();
    let mut next =
        |what: &str| fields.next().ok_or_else(|| format!("end-of-line before {what} specification"));
    let way = way(&one(next("connection type")?)?.text)?;
    let databases = next("database")?.iter().map(database).collect::<Result<_, _>>()?;
    let users = next("role")?.iter().map(user).collect::<Result<_, _>>()?;
    let network = match way {
        Way::Local => None,
        Way::Host | Way::HostSsl | Way::HostNoSsl => {
            let text = &one(next("IP address")?)?.text;
            Some(match network(text)? {
                Some(network) => network,
                None => masked(text, &one(next("IP mask")?)?.text)?,
            })
        }
    };
    let word = one(next("authentication method")?)?.text.clone();
    let options = fields.map(|field| option(one(field)?)).collect::<Result<Vec<_>, _>>()?;
    let (method, certificate) = method(&word, way, &options)?;
    Ok(Rule { line: line.number, way, databases, users, network, method, certificate })
}

fn one(field: &[Word]) -> Result<&Word, String> {
    match field {
        [word] => Ok(word),
        _ => Err("there must be one value here, not a list".into()),
    }
}

fn way(word: &str) -> Result<Way, String> {
    match word {
        "local" => Ok(Way::Local),
        "host" => Ok(Way::Host),
        "hostssl" => Ok(Way::HostSsl),
        "hostnossl" => Ok(Way::HostNoSsl),
        "hostgssenc" | "hostnogssenc" => Err(format!("{word} is not supported: there is no GSSAPI here")),
        "include" | "include_if_exists" | "include_dir" => {
            Err(format!("{word} is not supported: write the rules here"))
        }
        other => Err(format!("invalid connection type \"{other}\"")),
    }
}

fn database(word: &Word) -> Result<DatabaseName, String> {
    if word.is("all") {
        return Ok(DatabaseName::All);
    }
    if word.is("sameuser") {
        return Ok(DatabaseName::SameUser);
    }
    if word.is("replication") {
        return Ok(DatabaseName::Replication);
    }
    if word.is("samerole") || word.is("samegroup") {
        return Err(format!("{} is not supported: roles' memberships are not known here", word.text));
    }
    plain(word).map(DatabaseName::Named)
}

fn user(word: &Word) -> Result<UserName, String> {
    if word.is("all") {
        return Ok(UserName::All);
    }
    if !word.quoted && word.text.starts_with('+') {
        return Err(format!("{} is not supported: roles' memberships are not known here", word.text));
    }
    plain(word).map(UserName::Named)
}

fn plain(word: &Word) -> Result<String, String> {
    match word.text.chars().next() {
        Some('@') if !word.quoted => Err(format!("{} is not supported: write the names here", word.text)),
        Some('/') if !word.quoted => Err(format!("{} is not supported: write the names here", word.text)),
        _ => Ok(word.text.clone()),
    }
}

/// A network in one word; `None` where its mask stands in the next.
fn network(text: &str) -> Result<Option<Network>, String> {
    if matches!(text, "samehost" | "samenet") {
        return Err(format!("{text} is not supported: write the addresses"));
    }
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    match Network::parse(text) {
        Some(Network::Prefix(..)) if bits.is_none() => Ok(None),
        Some(network) => Ok(Some(network)),
        None if address.parse::<IpAddr>().is_ok() => Err(format!("invalid CIDR mask in address \"{text}\"")),
        None => Err(format!("\"{text}\" is no address; host names are not supported")),
    }
}

fn masked(address: &str, mask: &str) -> Result<Network, String> {
    let invalid = || format!("invalid IP mask \"{mask}\"");
    let address: IpAddr = address.parse().map_err(|_| format!("\"{address}\" is no address"))?;
    let (bits, whole) = match (address, mask.parse().map_err(|_| invalid())?) {
        (IpAddr::V4(_), IpAddr::V4(mask)) => (mask.to_bits().leading_ones(), mask.to_bits().count_ones()),
        (IpAddr::V6(_), IpAddr::V6(mask)) => (mask.to_bits().leading_ones(), mask.to_bits().count_ones()),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            return Err("IP address and mask do not match".into());
        }
    };
    match u8::try_from(bits) {
        Ok(bits) if u32::from(bits) == whole => Ok(Network::Prefix(address, bits)),
        _ => Err(invalid()),
    }
}

fn option(word: &Word) -> Result<(&str, &str), String> {
    let split = word.text.split_once('=');
    split.ok_or_else(|| format!("authentication option not in name=value format: {}", word.text))
}

fn method(word: &str, way: Way, options: &[(&str, &str)]) -> Result<(Method, Certificate), String> {
    let (mut map, mut certificate) = (None, Certificate::Any);
    for (name, value) in options {
        match (*name, *value) {
            ("map", value) => map = Some(value.to_owned()),
            ("clientcert", _) if way != Way::HostSsl => {
                return Err("clientcert can only be configured for \"hostssl\" rows".into());
            }
            ("clientcert", "verify-ca") => certificate = Certificate::Signed,
            ("clientcert", "verify-full") => certificate = Certificate::Names(None),
            ("clientcert", other) => return Err(format!("invalid value for clientcert: \"{other}\"")),
            ("clientname", "CN") => {}
            (name, value) => return Err(format!("the option {name}={value} is not supported")),
        }
    }
    let method = match word {
        "trust" => Method::Trust,
        "reject" => Method::Reject,
        "scram-sha-256" => Method::Scram,
        "md5" => Method::Md5,
        "cert" if way == Way::HostSsl => Method::Cert(map.take()),
        "cert" => return Err("cert authentication is only supported on hostssl connections".into()),
        "password" => return Err("password in clear is not supported: use scram-sha-256".into()),
        "gss" | "sspi" | "ident" | "peer" | "ldap" | "radius" | "pam" | "bsd" | "oauth" => {
            return Err(format!("the method {word} is not supported: use scram-sha-256 or cert"));
        }
        other => return Err(format!("invalid authentication method \"{other}\"")),
    };
    if let Certificate::Names(names) = &mut certificate {
        *names = map.take();
    }
    match map {
        Some(_) => Err("map is for cert and clientcert=verify-full".into()),
        None => Ok((method, certificate)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::hba::{Origin, Visitor};

    const FILE: &str = "
        # who          database   user        address
        local          all        postgres                          trust
        hostssl        \"all\"      all         all                   cert  map=ops
        host           app,logs   app         10.0.0.0/8            scram-sha-256
        host           sameuser   all         192.168.1.0 255.255.255.0  md5
        hostnossl      all        all         all                   reject
        hostssl        app        all         ::1/128               scram-sha-256 clientcert=verify-full
    ";

    fn line(database: &str, user: &str, from: &str, secure: bool) -> Option<usize> {
        let origin = match from {
            "local" => Origin::Local,
            address => Origin::Host { address: address.parse().expect("an address"), secure },
        };
        let hba = Hba::parse(FILE).expect("sound rules");
        hba.decide(&Visitor { origin, database, user }).map(|rule| rule.line)
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        assert_eq!(line("app", "postgres", "local", false), Some(3));
        assert_eq!(line("app", "app", "local", false), None);
        assert_eq!(line("all", "anybody", "1.2.3.4", true), Some(4), "a quoted name is a name");
        assert_eq!(line("app", "app", "10.1.2.3", true), Some(5));
        assert_eq!(line("logs", "app", "::ffff:10.1.2.3", false), Some(5));
        assert_eq!(line("app", "other", "10.1.2.3", true), None);
        assert_eq!(line("me", "me", "192.168.1.77", true), Some(6));
        assert_eq!(line("me", "me", "192.168.2.77", true), None);
        assert_eq!(line("app", "other", "10.1.2.3", false), Some(7));
        assert_eq!(line("app", "other", "::1", true), Some(8));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        for (text, part) in [
            ("host", "end-of-line before database"),
            ("socket all all trust", "invalid connection type"),
            ("local all all", "end-of-line before authentication method"),
            ("host all all example.com trust", "host names are not supported"),
            ("host all all 10.0.0.0/33 trust", "invalid CIDR mask"),
            ("host all all 10.0.0.0 255.0.255.0 trust", "invalid IP mask"),
            ("host all all 10.0.0.0 trust", "invalid IP mask"),
            ("host all +group all trust", "memberships"),
            ("host @names all all trust", "write the names here"),
            ("host all all all cert", "only supported on hostssl"),
            ("hostssl all all all cert clientname=DN", "not supported"),
            ("host all all all ldap ldapserver=x", "not supported"),
            ("host all all all password", "in clear"),
            ("host all all all trust map=x", "map is for cert"),
            ("host all all all trust clientcert=verify-ca", "only be configured for"),
        ] {
            let fault = Hba::parse(&format!("\n{text}\n")).expect_err(text);
            assert!(fault.line == 2 && fault.what.contains(part), "{text}: {fault}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9 ,\"\\\\#/.:=@+\n]{0,120}") {
            let _ = Hba::parse(&text);
        }
    }
}
