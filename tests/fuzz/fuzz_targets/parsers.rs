//! One of the parsers, named by the environment variable `PARSER`, fed by libFuzzer.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static PARSER: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("PARSER").expect("PARSER names a parser");
    tests::parsers::named(&name).expect("a parser of tests/src/parsers")
});

fuzz_target!(|bytes: &[u8]| PARSER(bytes));
