//! The corpus that fuzzing left, with any toolchain: no parser of outside bytes panics or breaks what it
//! promises (see `tests::parsers`).
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use tests::Seed;
use tests::parsers::PARSERS;

/// What fuzzing left for a parser.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let files = std::fs::read_dir(folder).unwrap_or_else(|_| panic!("a corpus for {name}"));
    let entries: Vec<Vec<u8>> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(!entries.is_empty(), "the corpus of {name} is not empty");
    entries
}

#[test]
fn every_parser_keeps_its_promises_for_all_that_fuzzing_found() {
    for (name, parser) in PARSERS {
        for bytes in corpus(name) {
            let outcome = std::panic::catch_unwind(|| parser(&bytes));
            assert!(outcome.is_ok(), "{name}: {}", bytes.escape_ascii());
        }
    }
}

/// Bytes that mean something to many parsers.
const MARKS: &[u8] = b"'\"\\$;,()\0\n\xff0-";

/// `FUZZ_SECONDS` is how long all parsers together are fed; without it, a moment.
#[test]
fn every_parser_keeps_its_promises_for_bytes_like_those() {
    let seconds = std::env::var("FUZZ_SECONDS").map_or(4.0, |seconds| seconds.parse().expect("a number"));
    let each = Duration::from_secs_f64(seconds / PARSERS.len() as f64);
    let mut random = Seed::draw().generator(0);
    for (name, parser) in PARSERS {
        let known = corpus(name);
        let (begun, mut count) = (Instant::now(), 0_u64);
        while begun.elapsed() < each {
            let bytes = mutated(&known, &mut random);
            let outcome = std::panic::catch_unwind(|| parser(&bytes));
            assert!(outcome.is_ok(), "{name}: {}", bytes.escape_ascii());
            count += 1;
        }
        println!("{name}: {count} in {} s", each.as_secs());
    }
}

/// The beginning of one entry and the end of another, with some bytes changed, doubled or left out.
fn mutated(known: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let (one, other) =
        (&known[random.random_range(0..known.len())], &known[random.random_range(0..known.len())]);
    let mut bytes = one[..random.random_range(0..=one.len())].to_vec();
    bytes.extend_from_slice(&other[random.random_range(0..=other.len())..]);
    for _ in 0..random.random_range(0..6) {
        if bytes.is_empty() {
            break;
        }
        let at = random.random_range(0..bytes.len());
        let end = (at + random.random_range(1..9)).min(bytes.len());
        match random.random_range(0..5) {
            0 => bytes[at] = random.random(),
            1 => bytes[at] ^= 1 << random.random_range(0..8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            _ => bytes.insert(at, MARKS[random.random_range(0..MARKS.len())]),
        }
    }
    bytes.truncate(4096);
    bytes
}
