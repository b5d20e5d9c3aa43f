//! Keeps imports going one way: a room names only rooms to its right.
//!
//! ```text
//! client -> execute -> pool -> server -> net -> wire
//! ```
//!
//! Rooms that are not in the row (router, config, error, metrics and the others) are not judged here,
//! save that `wire` opens no socket.

use std::fs;
use std::path::{Path, PathBuf};

const ROW: [&str; 6] = ["client", "execute", "pool", "server", "net", "wire"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The files of a room, with their texts.
fn room(name: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name);
    let mut paths = Vec::new();
    if folder.is_dir() {
        sources(&folder, &mut paths);
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source file");
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// The rooms that a text names as `crate::room`, alone or in braces.
fn named(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for rest in text.split("crate::").skip(1) {
        let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(inside, _)| inside);
        let paths = inside.map_or_else(|| vec![rest], |inside| inside.split(',').collect());
        let first = |path: &str| {
            path.trim()
                .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .next()
                .map(str::to_owned)
        };
        rooms.extend(paths.into_iter().filter_map(first));
    }
    rooms
}

#[test]
fn imports_go_one_way() {
    let mut wrong = Vec::new();
    for (place, name) in ROW.iter().enumerate() {
        for (path, text) in room(name) {
            let left = named(&text).into_iter().filter(|room| ROW[..place].contains(&room.as_str()));
            wrong.extend(left.map(|left| format!("{} names {left}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn wire_opens_no_socket() {
    for (path, text) in room("wire") {
        assert!(!text.contains("tokio::net") && !text.contains("std::net"), "{}", path.display());
    }
}

#[test]
fn names_are_found_alone_and_in_braces() {
    assert_eq!(named("use crate::pool::Pools; use crate::{net::Stream, wire};"), ["pool", "net", "wire"]);
}
