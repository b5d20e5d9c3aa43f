//! The corpus that fuzzing left, with any toolchain: no parser of outside bytes panics or breaks what it
//! promises (see `tests::parsers`).
#![allow(clippy::unwrap_used)]

use std::path::Path;

use tests::parsers::PARSERS;

#[test]
fn every_parser_keeps_its_promises_for_all_that_fuzzing_found() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, parser) in PARSERS {
        let files = std::fs::read_dir(corpus.join(name)).unwrap_or_else(|_| panic!("a corpus for {name}"));
        let mut count = 0;
        for file in files {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let outcome = std::panic::catch_unwind(|| parser(&bytes));
            assert!(outcome.is_ok(), "{}", path.display());
            count += 1;
        }
        assert!(count > 0, "the corpus of {name} is not empty");
    }
}
