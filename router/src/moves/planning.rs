//! From a request to moves: who is moved, from where, and what forbids it.

use std::collections::{BTreeMap, BTreeSet};

use super::shard_move::ShardMove;
use crate::directory::{Change, ChangeRefused, Directory, Scope, change};
use crate::ids::{KeyType, MoveId, ServerId, ShardId};

/// What somebody asks to move, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to move.
    pub scope: Scope,
    /// The name of the server that shall hold it.
    pub to: String,
}

/// Why a request makes no move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefused {
    /// No server of this name.
    #[error("there is no server \"{0}\"")]
    NoServer(String),
    /// Not a list as it should be.
    #[error("\"{0}\" is no list of shards such as 0-99,200")]
    NotShards(String),
    /// A shard that the directory does not have.
    #[error("there is no shard {0}: the last is {1}")]
    NoShard(u32, u32),
    /// A key that is not of the tenant column's type.
    #[error("\"{0}\" is no tenant key: the tenant column is of another type")]
    NotAKey(String),
    /// Nothing is named.
    #[error("nothing to move is named")]
    Nothing,
    /// All of it is there already.
    #[error("all of it is on server \"{0}\" already")]
    AlreadyThere(String),
    /// The directory does not allow it.
    #[error(transparent)]
    Change(#[from] ChangeRefused),
}

/// Reads `0-99,200`.
///
/// # Errors
/// [`PlanRefused::NotShards`], [`PlanRefused::NoShard`], [`PlanRefused::Nothing`].
pub fn parse_shards(text: &str, shard_count: u32) -> Result<Scope, PlanRefused> {
    let mut shards = BTreeSet::new();
    let wrong = || PlanRefused::NotShards(text.to_owned());
    let number = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong());
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        if first > last {
            return Err(wrong());
        }
        if last >= shard_count {
            return Err(PlanRefused::NoShard(last, shard_count.saturating_sub(1)));
        }
        shards.extend((first..=last).map(ShardId));
    }
    if shards.is_empty() { Err(PlanRefused::Nothing) } else { Ok(Scope::Shards(shards)) }
}

/// Reads `7,9`: keys parted by commas, in the canonical spelling of their type.
///
/// # Errors
/// [`PlanRefused::NotAKey`], [`PlanRefused::Nothing`].
pub fn parse_tenants(text: &str, key_type: KeyType) -> Result<Scope, PlanRefused> {
    let mut keys = BTreeSet::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let key = key_type.parse(part).ok_or_else(|| PlanRefused::NotAKey(part.to_owned()))?;
        keys.insert(key.to_string());
    }
    if keys.is_empty() { Err(PlanRefused::Nothing) } else { Ok(Scope::Tenants { key_type, keys }) }
}

/// The moves that fulfil a request, one for each server that holds a part of it, numbered from
/// `first`. What is at the target already is left out. Each would be lawful in `directory`.
///
/// # Errors
/// [`PlanRefused`].
pub fn plan(directory: &Directory, request: &Request, first: MoveId) -> Result<Vec<ShardMove>, PlanRefused> {
    let to = directory.server_named(&request.to).ok_or_else(|| PlanRefused::NoServer(request.to.clone()))?;
    let mut sources = by_source(directory, &request.scope)?;
    sources.remove(&to);
    if sources.is_empty() {
        return Err(PlanRefused::AlreadyThere(request.to.clone()));
    }
    let number = |(index, (from, scope))| ShardMove::new(MoveId(first.0 + index as u64), scope, from, to);
    let moves: Vec<ShardMove> = sources.into_iter().enumerate().map(number).collect();
    let mut tried = directory.clone();
    for shard_move in &moves {
        tried = change(&tried, Change::Begin(shard_move.mark()))?;
    }
    Ok(moves)
}

/// What a request names and its server has already, for people; `None` where it has nothing of it.
pub fn already_there(directory: &Directory, request: &Request) -> Option<String> {
    let to = directory.server_named(&request.to)?;
    let scope = by_source(directory, &request.scope).ok()?.remove(&to)?;
    Some(ShardMove::new(MoveId(0), scope, to, to).what())
}

fn by_source(directory: &Directory, scope: &Scope) -> Result<BTreeMap<ServerId, Scope>, PlanRefused> {
    match scope {
        Scope::Shards(wanted) => {
            let mut parts: BTreeMap<ServerId, BTreeSet<ShardId>> = BTreeMap::new();
            for (shard, server) in directory.shards().filter(|(shard, _)| wanted.contains(shard)) {
                parts.entry(server).or_default().insert(shard);
            }
            Ok(parts.into_iter().map(|(server, shards)| (server, Scope::Shards(shards))).collect())
        }
        Scope::Tenants { key_type, keys } => {
            let mut parts: BTreeMap<ServerId, BTreeSet<String>> = BTreeMap::new();
            for text in keys {
                let key = key_type.parse(text).ok_or_else(|| PlanRefused::NotAKey(text.clone()))?;
                parts.entry(directory.locate(&key).server).or_default().insert(key.to_string());
            }
            let scope = |keys| Scope::Tenants { key_type: *key_type, keys };
            Ok(parts.into_iter().map(|(server, keys)| (server, scope(keys))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Start, start};

    fn two_servers() -> Directory {
        start(&["alpha".to_owned(), "beta".to_owned()], 16, Start::Spread)
    }

    #[test]
    fn a_list_of_shards_is_read_or_refused() {
        let shards = |text| match parse_shards(text, 16) {
            Ok(Scope::Shards(shards)) => Ok(shards.into_iter().map(|shard| shard.0).collect::<Vec<_>>()),
            Ok(Scope::Tenants { .. }) => unreachable!("shards were asked for"),
            Err(refused) => Err(refused),
        };
        assert_eq!(shards("0-2,5, 7"), Ok(vec![0, 1, 2, 5, 7]));
        assert_eq!(shards("16"), Err(PlanRefused::NoShard(16, 15)));
        assert_eq!(shards(""), Err(PlanRefused::Nothing));
        for text in ["3-1", "a", "1-", "-1", "1--2"] {
            assert_eq!(shards(text), Err(PlanRefused::NotShards(text.into())), "{text}");
        }
    }

    #[test]
    fn a_request_over_several_sources_is_a_move_each() {
        let scope = parse_shards("6-9", 16).expect("shards");
        let moves = plan(&two_servers(), &Request { scope: scope.clone(), to: "beta".into() }, MoveId(5));
        let moves = moves.expect("a plan");
        assert_eq!(moves.len(), 1);
        assert_eq!((moves[0].id, moves[0].from, moves[0].to), (MoveId(5), ServerId(0), ServerId(1)));
        assert_eq!(moves[0].what(), "shards 6-7");
        let request = Request { scope: scope.clone(), to: "beta".into() };
        assert_eq!(already_there(&two_servers(), &request).as_deref(), Some("shards 8-9"));
        let refused = plan(&two_servers(), &Request { scope, to: "gamma".into() }, MoveId(5));
        assert_eq!(refused, Err(PlanRefused::NoServer("gamma".into())));
    }

    #[test]
    fn what_is_there_already_is_not_moved() {
        let scope = parse_shards("0-3", 16).expect("shards");
        let refused = plan(&two_servers(), &Request { scope, to: "alpha".into() }, MoveId(1));
        assert_eq!(refused, Err(PlanRefused::AlreadyThere("alpha".into())));
    }

    #[test]
    fn a_tenant_has_one_key_in_each_spelling() {
        let scope = parse_tenants("007, 7,+7", KeyType::Integer).expect("keys");
        assert_eq!(scope, Scope::Tenants { key_type: KeyType::Integer, keys: ["7".to_owned()].into() });
        assert_eq!(parse_tenants("acme", KeyType::Integer), Err(PlanRefused::NotAKey("acme".into())));
    }
}
