//! A client that does not write UTF-8 gets the bytes that PostgreSQL would give it, and its keys lead where
//! others' do.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use tests::frames::{Heard, transcript};
use tests::{Daemon, Fleet, Oracle, Session};
use tokio::sync::OnceCell;

static STAGE: OnceCell<(Fleet, Daemon, Oracle)> = OnceCell::const_new();

async fn stage() -> &'static (Fleet, Daemon, Oracle) {
    let start = async || {
        let fleet = Fleet::builder().servers(2).start().await.unwrap();
        // One connection each, so that sessions of other encodings follow one another on it.
        let daemon = fleet.daemon().section("[pool]\nsize = 1").start().await.unwrap();
        let oracle = fleet.oracle().await.unwrap();
        (fleet, daemon, oracle)
    };
    STAGE.get_or_init(start).await
}

/// The bytes of a text in ISO 8859-1.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).unwrap();
    [&[tag], &length.to_be_bytes()[..], body].concat()
}

fn query(sql: &[u8]) -> Vec<u8> {
    message(b'Q', &[sql, b"\0"].concat())
}

/// Parse, Bind of text parameters, Describe, Execute and Sync.
fn extended(sql: &[u8], parameters: &[&[u8]]) -> Vec<u8> {
    let mut bind = b"\0\0\0\0".to_vec();
    bind.extend(i16::try_from(parameters.len()).unwrap().to_be_bytes());
    for parameter in parameters {
        bind.extend(i32::try_from(parameter.len()).unwrap().to_be_bytes());
        bind.extend(*parameter);
    }
    bind.extend(b"\0\0");
    let parse = message(b'P', &[b"\0", sql, b"\0\0\0"].concat());
    let rest = [message(b'D', b"P\0"), message(b'E', b"\0\0\0\0\0"), message(b'S', b"")];
    [parse, message(b'B', &bind), rest.concat()].concat()
}

/// What is heard in answer.
async fn heard(session: &mut Session, said: &[u8]) -> Vec<Heard> {
    session.queue(said).flush().await.unwrap();
    session.hear(b'Z', 1).await.unwrap()
}

/// The value of the only row.
fn value(heard: &[Heard]) -> Option<&[u8]> {
    let (_, row) = heard.iter().find(|(tag, _)| *tag == b'D')?;
    row.get(6..)
}

#[tokio::test]
async fn a_client_of_another_encoding_gets_postgresqls_bytes() {
    let (_, daemon, oracle) = stage().await;
    let settings = [("client_encoding", "LATIN1")];
    let mut ours = Session::open(daemon.port(), "app", "app", &settings).await.unwrap();
    let mut theirs = oracle.session_with("app", &settings).await.unwrap();
    let mut said = vec![query(&latin1(
        "CREATE TABLE people (tenant_id text COLLATE \"C\", name text COLLATE \"C\", \"größe\" int DEFAULT 1, \
         PRIMARY KEY (tenant_id, name))",
    ))];
    for tenant in ["café", "thé", "Ã©", "é", "plain", "ÿþ", "ø", "ß"] {
        said.push(query(&latin1(&format!("INSERT INTO people VALUES ('{tenant}', 'André')"))));
        said.push(extended(b"INSERT INTO people VALUES ($1, $2)", &[&latin1(tenant), b"Zo\xeb"]));
        let sql =
            format!("SELECT name, größe, 'ü' AS \"ä\" FROM people WHERE tenant_id = '{tenant}' ORDER BY 1");
        said.push(query(&latin1(&sql)));
        said.push(extended(b"SELECT name FROM people WHERE tenant_id = $1 ORDER BY 1", &[&latin1(tenant)]));
        said.push(query(&latin1(&format!("SET app.tenant = '{tenant}'"))));
        for sql in [
            "SELECT count(*), max(name) FROM people WHERE tenant_id = current_setting('app.tenant')",
            "UPDATE people SET größe = 2 WHERE name = 'Zoë' AND tenant_id = 'TENANT'",
            "COPY (SELECT name FROM people WHERE tenant_id = 'TENANT' ORDER BY name) TO STDOUT",
        ] {
            said.push(query(&latin1(&sql.replace("TENANT", tenant))));
        }
        said.push(query(b"RESET app.tenant"));
    }
    said.extend([
        query(b"SELECT count(*) FROM people"),
        query(b"SELECT tenant_id, name FROM people ORDER BY tenant_id, name"),
        query(&latin1("SELECT max(tenant_id) FROM people WHERE name <> 'ä'")),
        query(&latin1("SELECT nothing FROM people WHERE tenant_id = 'é'")),
        query(&latin1("INSERT INTO people VALUES ('é', 'André')")),
        query(&latin1("SELECT 'é' FROM nichts_für")),
        query(&latin1("SELEKT 'é'")),
        query(b"SELECT U&'\\20AC' WHERE 1 = 1"),
        query(b"SELECT U&'\\20AC' FROM people WHERE tenant_id = 'plain'"),
        query(b"SHOW client_encoding"),
        query(b"SET client_encoding = 'WIN1252'"),
        query(b"SELECT U&'\\20AC' FROM people WHERE tenant_id = 'plain'"),
        query(b"SELECT '\x80' FROM people WHERE tenant_id = '\xe9'"),
        query(b"SELECT '\x81'"),
        query(b"BEGIN"),
        query(b"SET LOCAL client_encoding = 'KOI8R'"),
        query(b"SELECT '\xc6' || tenant_id FROM people WHERE tenant_id = 'plain'"),
        query(b"ROLLBACK"),
        query(b"SELECT '\x80', tenant_id FROM people WHERE tenant_id = '\xe9'"),
        query(b"SET client_encoding = 'klingon'"),
        query(b"SHOW client_encoding"),
    ]);
    for said in said {
        let wrong = String::from_utf8_lossy(&said).into_owned();
        let (got, wanted) = (heard(&mut ours, &said).await, heard(&mut theirs, &said).await);
        assert_eq!(transcript(&got), transcript(&wanted), "{wrong}");
    }
}

#[tokio::test]
async fn a_key_leads_to_the_same_rows_in_every_encoding() {
    let (_, daemon, _) = stage().await;
    let client = daemon.connect().await.unwrap();
    client.batch_execute("CREATE TABLE keys (tenant_id text PRIMARY KEY)").await.unwrap();
    let mut session = Session::open(daemon.port(), "app", "app", &[]).await.unwrap();
    let written = [("LATIN1", &b"\xe9"[..], "é"), ("WIN1251", b"\xe9", "й"), ("KOI8R", b"\xca", "й")];
    for (number, (encoding, bytes, _)) in written.iter().enumerate() {
        session.ask(&format!("SET client_encoding = '{encoding}'")).await.unwrap();
        let key = [bytes, format!(" {number}").as_bytes()].concat();
        heard(&mut session, &extended(b"INSERT INTO keys VALUES ($1)", &[&key])).await;
    }
    for (number, (encoding, _, text)) in written.iter().enumerate() {
        let key = format!("{text} {number}");
        let found = client.query("SELECT FROM keys WHERE tenant_id = $1", &[&key]).await.unwrap();
        assert_eq!(found.len(), 1, "{key} as {encoding} wrote it");
    }
    // Where the session's own encoding is another, nothing of it is seen.
    assert_eq!(client.query_one("SHOW client_encoding", &[]).await.unwrap().get::<_, String>(0), "UTF8");
}

#[tokio::test]
async fn what_is_not_exact_in_an_encoding_is_refused() {
    let (_, daemon, _) = stage().await;
    let client = daemon.connect().await.unwrap();
    client
        .batch_execute("CREATE TABLE words (tenant_id text COLLATE \"C\" PRIMARY KEY, n int)")
        .await
        .unwrap();
    let mut session = daemon.session("app").await.unwrap();
    for encoding in ["SJIS", "EUC_JP", "GB18030"] {
        let answer = session.ask(&format!("SET client_encoding = '{encoding}'")).await.unwrap();
        assert_eq!(answer.sqlstate(), "0A000", "{encoding}");
    }
    session.ask("SET client_encoding = 'WIN1252'").await.unwrap();
    for sql in ["SELECT * FROM words ORDER BY tenant_id", "SELECT max(tenant_id) FROM words"] {
        assert_eq!(session.ask(sql).await.unwrap().sqlstate(), "0A000", "{sql}");
    }
    assert_eq!(session.copy_in("COPY words FROM STDIN", b"a\t1\n").await.unwrap().sqlstate(), "0A000");
    assert_eq!(session.ask("SELECT count(*) FROM words").await.unwrap().value(), "0");
}

#[tokio::test]
async fn a_statement_prepared_in_one_encoding_runs_in_another() {
    let (_, daemon, _) = stage().await;
    let mut session = daemon.session("app").await.unwrap();
    session.ask("CREATE TABLE things (tenant_id text PRIMARY KEY, name text)").await.unwrap();
    session.ask("INSERT INTO things VALUES ('1', 'é')").await.unwrap();
    let sql = "SELECT name FROM things WHERE tenant_id = '1' AND name = 'é'";
    session.queue_parse("named", sql).unwrap().sync().await.unwrap();
    session.until_ready().await.unwrap();
    for (encoding, bytes) in [("LATIN1", &b"\xe9"[..]), ("WIN866", b""), ("UTF8", "é".as_bytes())] {
        session.ask(&format!("SET client_encoding = '{encoding}'")).await.unwrap();
        let bind =
            [message(b'B', b"\0named\0\0\0\0\0\0\0"), message(b'E', b"\0\0\0\0\0"), message(b'S', b"")];
        let heard = heard(&mut session, &bind.concat()).await;
        match bytes {
            b"" => assert!(
                heard.iter().any(|(tag, body)| *tag == b'E' && body.windows(6).any(|at| at == b"C0A000"))
            ),
            bytes => assert_eq!(value(&heard), Some(bytes), "{encoding}: {}", transcript(&heard)),
        }
    }
}

#[tokio::test]
async fn the_tables_of_encodings_are_postgresqls() {
    let (_, _, oracle) = stage().await;
    let client = oracle.connect("app").await.unwrap();
    client
        .batch_execute(
            "CREATE FUNCTION meant(byte int, encoding text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN \
             RETURN ascii(convert_from(set_byte('\\x00', 0, byte), encoding)); \
             EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$",
        )
        .await
        .unwrap();
    let mut tables: HashMap<&str, Vec<Option<i32>>> = HashMap::new();
    tables.insert("LATIN1", (128..256).map(Some).collect());
    for line in include_str!("../../proxy/src/wire/encodings.txt").lines() {
        let mut words = line.split(' ');
        let (name, first) = (words.next().unwrap(), i32::from_str_radix(words.next().unwrap(), 16).unwrap());
        let listed = words.map(|word| i32::from_str_radix(word, 16).ok());
        tables.insert(name, (128..first).map(Some).chain(listed).collect());
    }
    assert_eq!(tables.len(), 27);
    for (name, table) in tables {
        let sql = "SELECT array_agg(meant(byte, $1) ORDER BY byte) FROM generate_series(128, 255) byte";
        let meant: Vec<Option<i32>> = client.query_one(sql, &[&name]).await.unwrap().get(0);
        assert_eq!(table, meant, "{name}");
    }
}
