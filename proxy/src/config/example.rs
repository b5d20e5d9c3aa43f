//! The example file is the reference of all keys: it must load, and say the defaults.

use super::settings::*;

const EXAMPLE: &str = include_str!("../../../config.example.toml");

fn load(text: &str) -> Config {
    Config::parse(text, "config.example.toml").unwrap_or_else(|faults| panic!("{faults}"))
}

/// The file with each key that stands behind a `#` in force; tables of tables and the other ways
/// to give a password stay behind it.
fn all_in_force() -> String {
    let is_key = |line: &str| {
        let name = line.strip_prefix('#').and_then(|rest| rest.split_once(" = ")).map(|(name, _)| name);
        name.is_some_and(|name| {
            !matches!(name, "password_file" | "password_env")
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        })
    };
    let mut apart = false;
    let line = |line: &'static str| {
        // The keys of a table of tables that is behind a # itself stay there.
        apart = line.starts_with("#[[") || (apart && !line.is_empty());
        if is_key(line) && !apart { &line[1..] } else { line }
    };
    EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn named() -> Config {
    let node = |host: &str| NodeAddress { host: host.into(), port: 5432 };
    let database = DatabaseConfig { name: "app".into(), ..DatabaseConfig::default() };
    let nodes = vec![node("10.0.0.1"), node("10.0.0.2")];
    let server = ServerConfig { name: "alpha".into(), nodes, ..ServerConfig::default() };
    let password = Password::new("change me");
    let user = UserConfig { name: "app".into(), password, ..UserConfig::default() };
    Config { databases: vec![database], servers: vec![server], users: vec![user], ..Config::default() }
}

#[test]
fn the_example_loads_and_means_the_defaults() {
    assert_eq!(load(EXAMPLE), named());
}

#[test]
fn the_values_behind_the_hashes_are_the_defaults() {
    let text = all_in_force();
    assert!(text.contains("\npin_scope = \"tenant\""), "keys came in force");
    assert_eq!(load(&text), named());
}

#[test]
fn the_example_has_every_key() {
    let text = format!("{EXAMPLE}\n[nonsense]\n").replace("[[database.", "[[");
    for section in [
        "proxy",
        "directory",
        "pool",
        "replicas",
        "moves",
        "merge",
        "gather",
        "admin",
        "auth",
        "server",
        "user",
    ] {
        let table = |open: &str, close: &str| format!("{open}{section}{close}\n");
        let (header, header_of_many) = (table("[", "]"), table("[[", "]]"));
        let header = if text.contains(&header_of_many) { header_of_many } else { header };
        let text = text.replace(&header, &format!("{header}nonsense = 1\n"));
        let faults = Config::parse(&text, "example").expect_err("an unknown key");
        let fault = faults.faults.iter().find(|fault| fault.key.ends_with(".nonsense")).expect("it is named");
        let (_, known) = fault.what.split_once("known here: ").expect("the known keys");
        for key in known.split(", ") {
            let stands =
                EXAMPLE.contains(&format!("\n{key} = ")) || EXAMPLE.contains(&format!("\n#{key} = "));
            assert!(stands, "{section}.{key} is not in the example");
        }
    }
}

#[test]
fn all_faults_of_a_file_are_found_at_once_with_their_places() {
    let text = r#"
[proxy]
listen = "here"
colour = "blue"
[[database]]
name = "app"
shards = 0
[[database]]
name = "app"
tenant_setting = "tenant"
[[server]]
name = "alpha"
nodes = ["a:5432", "b"]
[[user]]
password = 5
[moves]
freeze_budget = "soon"
"#;
    let faults = Config::parse(text, "f.toml").expect_err("faults");
    let lines: Vec<String> = faults.to_string().lines().map(str::to_owned).collect();
    let expected = [
        "f.toml:3:10: proxy.listen: `here` is not an address such as \"127.0.0.1:6432\"",
        "f.toml:4:1: proxy.colour: unknown key; known here: ",
        "f.toml:7:10: database[0].shards: 0 is not within 1 to 65536",
        "f.toml:9:8: database[1].name: there are two databases named `app`",
        "f.toml:10:18: database[1].tenant_setting: must be a custom setting such as \"app.tenant\"",
        "f.toml:13:9: server[0].nodes: `b` is not an address such as \"10.0.0.1:5432\"",
        "f.toml:14:1: user[0].name: is missing",
        "f.toml:15:12: user[0].password: expected a string, found integer",
        "f.toml:17:17: moves.freeze_budget: `soon` is not a duration such as \"200ms\" or \"5s\"",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\nis not\n{expected}");
    }
}

#[test]
fn a_file_that_is_not_toml_says_where() {
    let faults = Config::parse("[proxy\nlisten = ", "f.toml").expect_err("faults");
    assert!(faults.to_string().starts_with("f.toml:1:"), "{faults}");
    let faults = Config::parse("", "f.toml").expect_err("nothing is not enough");
    assert_eq!(faults.faults.len(), 3, "{faults}");
}

#[test]
fn a_password_is_never_shown() {
    let shown = format!("{:?}", named());
    assert!(!shown.contains("change me"), "{shown}");
}
