//! COPY FROM STDIN of rows of several servers, with every option.

use crate::stage::{Pair, stage};

/// The options, and data for `loads (tenant_id, id, words, more, n)`.
const LOADS: [(&str, &[u8]); 66] = [
    ("COPY loads FROM STDIN", b"1\t1\ta\tb\t1.5\n2\t2\t\\N\t\t\\N\n3\t3\t\\x41\\102\\t\\\\\tz\t3\n"),
    ("COPY loads FROM STDIN", b""),
    ("COPY loads FROM STDIN", b"\\.\n"),
    ("COPY loads FROM STDIN", b"4\t1\ta\tb\t1\n\\.\n5\t1\ta\tb\t1\n"),
    ("COPY loads FROM STDIN", b"1\t1\ta\tb\t1"),
    ("COPY loads FROM STDIN", b"1\t1\ta\tb\t1\r\n2\t1\ta\tb\t1\r\n"),
    ("COPY loads FROM STDIN", b"1\t1\ta\tb\t1\r2\t1\ta\tb\t1\r"),
    ("COPY loads FROM STDIN", b"1\t1\ta\tb\t1\n2\t1\ta\tb\t1\r\n"),
    ("COPY loads FROM STDIN", b" 1 \t1\ta\tb\t1\n-7\t1\ta\tb\t1\n"),
    ("COPY loads FROM STDIN", b"\\x31\t1\ta\tb\t1\n\\062\t1\ta\tb\t1\n"),
    ("COPY loads FROM STDIN", b"1\t1\ta\n"),
    ("COPY loads FROM STDIN", b"1\t1\ta\tb\t1\t9\n"),
    ("COPY loads FROM STDIN", b"one\t1\ta\tb\t1\n"),
    ("COPY loads FROM STDIN", b"99999999999999999999\t1\ta\tb\t1\n"),
    ("COPY loads FROM STDIN", b"\\N\t1\ta\tb\t1\n"),
    ("COPY loads FROM STDIN", b"1\t1\ta\tb\t1\n2\t1\ta\tb\tnone\n"),
    ("COPY loads FROM STDIN", b"1\t1\ta\tb\t1\n2\t1\ta\tb\t1\n1\t1\ta\tb\t1\n"),
    ("COPY loads (words, tenant_id) FROM STDIN", b"x\t11\ny\t12\n"),
    ("COPY loads (words, words, tenant_id) FROM STDIN", b"x\ty\t1\n"),
    ("COPY loads (words) FROM STDIN", b"x\n"),
    ("COPY loads (tenant_id, nothing) FROM STDIN", b"1\tx\n"),
    ("COPY loads (tenant_id, words) FROM STDIN (DELIMITER '|', NULL 'none')", b"1|none\n2|a\\|b\n3|\n"),
    ("COPY loads (tenant_id, words) FROM STDIN (DELIMITER ',', NULL '')", b"1,\n2,\\,\n"),
    ("COPY loads (tenant_id, words) FROM STDIN (HEADER)", b"anything\n1\ta\n2\tb\n"),
    ("COPY loads (tenant_id, words) FROM STDIN (HEADER MATCH)", b"tenant_id\twords\n1\ta\n2\tb\n"),
    ("COPY loads (tenant_id, words) FROM STDIN (HEADER MATCH)", b"words\ttenant_id\n1\ta\n2\tb\n"),
    (
        "COPY loads (tenant_id, words) FROM STDIN (HEADER MATCH, FORMAT csv)",
        b"tenant_id,\"words\"\n1,a\n2,b\n",
    ),
    ("COPY loads (tenant_id, words) FROM STDIN (HEADER MATCH, FORMAT csv)", b"tenant_id\n1,a\n"),
    ("COPY loads (tenant_id, words) FROM STDIN (HEADER off)", b"1\ta\n2\tb\n"),
    ("COPY loads (tenant_id, words) FROM STDIN (HEADER maybe)", b""),
    ("COPY loads FROM STDIN (FORMAT csv)", b"1,1,a,,\n2,2,\"a,\"\"b\"\"\nc\",\"\",2\n\"3\",3,\\N,x,3\n"),
    ("COPY loads FROM STDIN (FORMAT csv)", b"1,1,\"a,b,1\n"),
    ("COPY loads FROM STDIN (FORMAT csv)", b"1,1,a\"b\"c,d,1\n2,1,\"a\"b\"\",d,1\n"),
    ("COPY loads FROM STDIN (FORMAT csv)", b"1,1,a,b,1\n\\.\n2,1,a,b,1\n"),
    ("COPY loads FROM STDIN (FORMAT csv)", b"1,1,a,b,1\r\n2,1,\"x\r\ny\",b,1\r\n"),
    ("COPY loads FROM STDIN (FORMAT csv)", b"1,1,a,b,1\n\n2,1,a,b,1\n"),
    ("COPY loads FROM STDIN CSV HEADER", b"a,b,c,d,e\n1,1,a,b,1\n2,1,a,b,1\n"),
    (
        "COPY loads FROM STDIN WITH CSV HEADER DELIMITER AS ';' NULL AS 'x' QUOTE AS '''' ESCAPE AS '!'",
        b"h\n1;1;'a!'';';x;1\n2;1;'x';b;1\n",
    ),
    (
        "COPY loads FROM STDIN (FORMAT csv, QUOTE '''', ESCAPE '\\', DELIMITER ';', NULL 'none')",
        b"1;1;'a\\'b;';none;1\n2;1;none;'none';none\n",
    ),
    (
        "COPY loads FROM STDIN (FORMAT csv, FORCE_NULL (words, more), NULL 'x')",
        b"1,1,\"x\",\"y\",1\n2,1,x,\"x\",\"1\"\n",
    ),
    ("COPY loads FROM STDIN (FORMAT csv, FORCE_NOT_NULL (words))", b"1,1,,,1\n2,1,a,,1\n"),
    (
        "COPY loads FROM STDIN (FORMAT csv, FORCE_NOT_NULL (words, more), FORCE_NULL (words))",
        b"1,1,,,1\n2,1,\"\",\"\",1\n",
    ),
    ("COPY loads FROM STDIN (FORMAT csv, FORCE_NOT_NULL (tenant_id))", b",1,a,b,1\n"),
    ("COPY loads FROM STDIN (FORMAT csv, FORCE_NULL (tenant_id))", b"\"\",1,a,b,1\n"),
    ("COPY loads FROM STDIN (FORMAT csv, FORCE_NULL (tenant_id), NULL '5')", b"\"5\",1,a,b,1\n"),
    ("COPY loads FROM STDIN (FORMAT csv, NULL '5')", b"\"5\",1,a,b,1\n6,5,a,b,1\n"),
    ("COPY loads FROM STDIN (FORMAT csv, FORCE_QUOTE (words))", b""),
    ("COPY loads FROM STDIN (FORCE_NULL (words))", b""),
    ("COPY loads FROM STDIN (QUOTE '''')", b""),
    ("COPY loads FROM STDIN (DELIMITER 'ab')", b""),
    ("COPY loads FROM STDIN (DELIMITER 'a')", b""),
    ("COPY loads FROM STDIN (FORMAT csv, DELIMITER '\"')", b""),
    ("COPY loads FROM STDIN (FORMAT parquet)", b""),
    ("COPY loads FROM STDIN (FORMAT csv, FORMAT text)", b""),
    ("COPY loads FROM STDIN (NO_SUCH_OPTION)", b""),
    ("COPY loads FROM STDIN (ON_ERROR ignore)", b""),
    ("COPY loads FROM STDIN (DEFAULT '\\D')", b""),
    ("COPY loads (tenant_id, words) FROM STDIN (ENCODING 'LATIN1')", b"1\t\xe9t\xe9\n2\tx\n"),
    ("COPY loads (tenant_id, words) FROM STDIN (ENCODING 'UTF8')", b"1\t\xe9\n"),
    ("COPY loads (tenant_id, words) FROM STDIN (ENCODING 'nothing')", b""),
    ("COPY loads (tenant_id, words) FROM STDIN (ENCODING 'SJIS')", b"1\t\x83\x5c\n"),
    (
        "COPY loads (tenant_id, words) FROM STDIN WHERE tenant_id > 1 AND words LIKE 'a%'",
        b"1\ta\n2\tab\n3\tb\n4\ta\n",
    ),
    ("COPY loads (tenant_id, words) FROM STDIN WHERE words IN (SELECT 'a')", b""),
    ("COPY loads (tenant_id, words) FROM STDIN WHERE nothing", b""),
    ("COPY loads (tenant_id, words) FROM STDIN (FREEZE)", b"1\ta\n2\tb\n"),
    ("COPY loads FROM '/nowhere'", b""),
];

/// What is refused: a tenant that is left to a default, which a trigger could give; what no version of PostgreSQL here
/// knows; an encoding of several bytes a character; a file of one server.
const REFUSED: [&str; 6] = [
    "COPY loads (words) FROM STDIN x\n: 0A000",
    "COPY loads FROM STDIN (NO_SUCH_OPTION) : 0A000",
    "COPY loads FROM STDIN (ON_ERROR ignore) : 0A000",
    "COPY loads (tenant_id, words) FROM STDIN (ENCODING 'nothing') : 0A000",
    "COPY loads (tenant_id, words) FROM STDIN (ENCODING 'SJIS') 1\t\u{fffd}\\\n: 0A000",
    "COPY loads FROM '/nowhere' : 0A000",
];

/// With a row that stays.
async fn pair(schema: &str) -> Pair {
    let mut pair = Pair::new(
        schema,
        "CREATE TABLE loads (tenant_id bigint, id int DEFAULT 7, words text, more text DEFAULT 'm', n numeric(9,2), \
           PRIMARY KEY (tenant_id, id))",
    )
    .await;
    pair.same("INSERT INTO loads VALUES (1000, 0)").await;
    pair
}

/// Copies the same on both sides; what differs, in words.
async fn differs(pair: &mut Pair, sql: &str, data: &[u8]) -> Option<String> {
    let ours = pair.ours.copy_in(sql, data).await.unwrap();
    let theirs = pair.oracle.copy_in(sql, data).await.unwrap();
    let same = ours.sqlstate() == theirs.sqlstate() && ours.tag == theirs.tag;
    if same {
        pair.holds_the_same("loads").await;
    }
    for session in [&mut pair.ours, &mut pair.oracle] {
        assert!(session.ask("DELETE FROM loads WHERE tenant_id < 1000").await.unwrap().fault.is_none());
    }
    (!same).then(|| {
        format!("{sql} {}: {} {ours} and not {theirs}", String::from_utf8_lossy(data), ours.sqlstate())
    })
}

#[tokio::test]
async fn copy_from_takes_every_option_over_all_servers() {
    let mut pair = pair("loaded").await;
    let mut different = Vec::new();
    for (sql, data) in LOADS {
        different.extend(differs(&mut pair, sql, data).await);
    }
    different.retain(|differs| !REFUSED.iter().any(|sql| differs.starts_with(sql)));
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[tokio::test]
async fn a_binary_copy_is_taken_apart_or_refused_as_on_one_server() {
    let (_, _, oracle) = stage().await;
    let mut pair = pair("loaded_bits").await;
    let rows = "INSERT INTO loads SELECT t, 1, repeat('x', t), E'\\\\', nullif(t, 2) / 3.0 FROM generate_series(1, 30) t";
    assert!(pair.oracle.ask(rows).await.unwrap().fault.is_none());
    let client = oracle.connect("app").await.unwrap();
    let base = "DELETE FROM loads WHERE tenant_id = 1000";
    assert!(pair.oracle.ask(base).await.unwrap().fault.is_none());
    let mut streams = Vec::new();
    for sql in [
        "COPY loaded_bits.loads TO STDOUT BINARY",
        "COPY loaded_bits.loads (words, tenant_id) TO STDOUT (FORMAT binary)",
    ] {
        let stream = client.copy_out(sql).await.unwrap();
        let data: Vec<bytes::Bytes> = futures_util::TryStreamExt::try_collect(stream).await.unwrap();
        streams.push(data.concat());
    }
    let again = "DELETE FROM loads; INSERT INTO loads VALUES (1000, 0)";
    assert!(pair.oracle.simple(again).await.unwrap().iter().all(|answer| answer.fault.is_none()));
    let whole = streams[0].clone();
    let (mut torn, mut headless, mut flagged) = (whole.clone(), whole.clone(), whole.clone());
    torn.truncate(whole.len() - 20);
    headless[3] = b'X';
    flagged[13] = 1;
    let unended = whole[..whole.len() - 2].to_vec();
    let behind = [whole.as_slice(), b"\0\x05"].concat();
    let frozen = "BEGIN; CREATE TABLE fresh (LIKE loads)";
    for session in [&mut pair.ours, &mut pair.oracle] {
        session.simple(frozen).await.unwrap();
        let answer = session.copy_in("COPY fresh FROM STDIN (FORMAT binary, FREEZE)", &whole).await.unwrap();
        assert_eq!(answer.tag, "COPY 30", "{answer}");
        assert_eq!(session.ask("COMMIT").await.unwrap().tag, "COMMIT");
    }
    pair.holds_the_same("fresh").await;
    let all = [
        ("COPY loads FROM STDIN BINARY", whole.clone()),
        ("COPY loads (words, tenant_id) FROM STDIN (FORMAT binary)", streams[1].clone()),
        ("COPY loads (tenant_id, words) FROM STDIN (FORMAT binary)", streams[1].clone()),
        ("COPY loads FROM STDIN (FORMAT binary) WHERE tenant_id < 9", whole.clone()),
        ("COPY loads FROM STDIN (FORMAT binary, DELIMITER ',')", Vec::new()),
        ("COPY loads FROM STDIN (FORMAT binary, HEADER)", Vec::new()),
        ("COPY loads FROM STDIN (FORMAT binary)", torn),
        ("COPY loads FROM STDIN (FORMAT binary)", headless),
        ("COPY loads FROM STDIN (FORMAT binary)", flagged),
        ("COPY loads FROM STDIN (FORMAT binary)", unended),
        ("COPY loads FROM STDIN (FORMAT binary)", behind),
        ("COPY loads FROM STDIN (FORMAT binary)", Vec::new()),
    ];
    let mut different = Vec::new();
    for (number, (sql, data)) in all.iter().enumerate() {
        let differs = differs(&mut pair, sql, data).await;
        different.extend(differs.map(|differs| format!("{number}: {differs}")));
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
