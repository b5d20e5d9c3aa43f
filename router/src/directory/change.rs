//! The next version of the directory: each lawful change, checked.

use std::collections::{BTreeMap, HashMap};

use super::snapshot::{Directory, MoveMark, MoveStage, Scope};
use crate::ids::{KeyType, Lsn, MoveId, ServerId, ShardId};

/// A change to the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A server joins; it holds nothing yet.
    AddServer(String),
    /// A move begins: its target's copies are hidden from now on.
    Begin(MoveMark),
    /// A move that is not swapped goes to another stage before the swap.
    Stage(MoveId, MoveStage),
    /// The move's placements become the target's. The log positions are the floors of the target
    /// (its copies) and of the source (its hidden list).
    Swap {
        /// The move.
        id: MoveId,
        /// What a replica of the target must have replayed.
        target_floor: Lsn,
        /// What a replica of the source must have replayed.
        source_floor: Lsn,
    },
    /// The move is over: nothing of it stands twice any more. The log positions are after the last
    /// deleted row: a replica that has not replayed them shows rows that nothing hides now.
    End {
        /// The move.
        id: MoveId,
        /// What a replica of the target must have replayed.
        target_floor: Lsn,
        /// What a replica of the source must have replayed.
        source_floor: Lsn,
    },
}

/// Why a change is not lawful.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// Two moves may not concern one tenant, nor one move a server twice.
    #[error("move {0} overlaps with move {1}, which is under way")]
    Overlap(MoveId, MoveId),
    /// The move is not in the directory, or not in a stage that allows the change.
    #[error("move {0} is not in a stage that allows this change")]
    WrongStage(MoveId),
    /// The rows that the move is to take are not on its source.
    #[error("{0} is not on the server that the move takes it from")]
    NotThere(String),
    /// One database has one type of tenant keys.
    #[error("tenant keys are not of type {0:?}")]
    KeyType(KeyType),
    /// The server is named twice, or there are too many.
    #[error("server \"{0}\" cannot be added")]
    Server(String),
}

/// How the shards are placed at the first start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// On empty servers: the shards are spread evenly, in runs.
    Spread,
    /// One server holds rows already: all shards are placed on it.
    Adopt(ServerId),
}

/// The first version of a directory. `servers` are names, the home server first; `shards` is at
/// least 1.
pub fn start(servers: &[String], shards: u32, start: Start) -> Directory {
    let count = servers.len().max(1) as u64;
    let place = |shard: u32| match start {
        Start::Spread => ServerId((u64::from(shard) * count / u64::from(shards.max(1))) as u16),
        Start::Adopt(server) => server,
    };
    Directory {
        version: 1,
        servers: servers.iter().map(|name| name.as_str().into()).collect(),
        shards: (0..shards.max(1)).map(place).collect(),
        key_type: None,
        tenants: HashMap::new(),
        marks: Vec::new(),
        floors: BTreeMap::new(),
    }
}

/// The next version of `directory`.
///
/// # Errors
/// [`ChangeRefused`] where the change is not lawful; nothing is changed then.
pub fn change(directory: &Directory, change: Change) -> Result<Directory, ChangeRefused> {
    let mut next = directory.clone();
    next.version += 1;
    match change {
        Change::AddServer(name) => {
            if next.server_named(&name).is_some() || next.servers.len() >= usize::from(u16::MAX) {
                return Err(ChangeRefused::Server(name));
            }
            next.servers.push(name.into());
        }
        Change::Begin(mark) => begin(&mut next, mark)?,
        Change::Stage(id, stage) => {
            let mark = mark_mut(&mut next, id)?;
            if mark.stage == MoveStage::Swapped || stage == MoveStage::Swapped {
                return Err(ChangeRefused::WrongStage(id));
            }
            mark.stage = stage;
        }
        Change::Swap { id, target_floor, source_floor } => {
            let mark = mark_mut(&mut next, id)?;
            if mark.stage != MoveStage::Frozen {
                return Err(ChangeRefused::WrongStage(id));
            }
            mark.stage = MoveStage::Swapped;
            let mark = mark.clone();
            place(&mut next, &mark);
            raise_floor(&mut next, mark.to, target_floor);
            raise_floor(&mut next, mark.from, source_floor);
        }
        Change::End { id, target_floor, source_floor } => {
            let mark = mark_mut(&mut next, id)?.clone();
            raise_floor(&mut next, mark.to, target_floor);
            raise_floor(&mut next, mark.from, source_floor);
            next.marks.retain(|mark| mark.id != id);
        }
    }
    Ok(next)
}

fn mark_mut(directory: &mut Directory, id: MoveId) -> Result<&mut MoveMark, ChangeRefused> {
    directory.marks.iter_mut().find(|mark| mark.id == id).ok_or(ChangeRefused::WrongStage(id))
}

fn raise_floor(directory: &mut Directory, server: ServerId, floor: Lsn) {
    let standing = directory.floors.entry(server).or_default();
    *standing = (*standing).max(floor);
}

fn begin(next: &mut Directory, mark: MoveMark) -> Result<(), ChangeRefused> {
    if mark.stage != MoveStage::Copying || mark.from == mark.to {
        return Err(ChangeRefused::WrongStage(mark.id));
    }
    if let Some(other) = next.marks.iter().find(|other| overlap(next, &other.scope, &mark.scope)) {
        return Err(ChangeRefused::Overlap(mark.id, other.id));
    }
    match &mark.scope {
        Scope::Shards(shards) => {
            let elsewhere = shards.iter().find(|shard| next.shards.get(shard.0 as usize) != Some(&mark.from));
            if let Some(ShardId(shard)) = elsewhere {
                return Err(ChangeRefused::NotThere(format!("shard {shard}")));
            }
        }
        Scope::Tenants { key_type, keys } => {
            if next.key_type.is_some_and(|standing| standing != *key_type) {
                return Err(ChangeRefused::KeyType(*key_type));
            }
            next.key_type = Some(*key_type);
            for text in keys {
                let key = key_type.parse(text);
                if key.is_none_or(|key| next.locate(&key).server != mark.from) {
                    return Err(ChangeRefused::NotThere(format!("tenant \"{text}\"")));
                }
            }
        }
    }
    next.marks.push(mark);
    Ok(())
}

/// Two moves overlap where a tenant may be in both scopes.
fn overlap(directory: &Directory, one: &Scope, other: &Scope) -> bool {
    match (one, other) {
        (Scope::Shards(one), Scope::Shards(other)) => !one.is_disjoint(other),
        (Scope::Tenants { keys: one, .. }, Scope::Tenants { keys: other, .. }) => !one.is_disjoint(other),
        (Scope::Shards(shards), Scope::Tenants { key_type, keys })
        | (Scope::Tenants { key_type, keys }, Scope::Shards(shards)) => keys.iter().any(|text| {
            key_type.parse(text).is_none_or(|key| shards.contains(&key.shard(directory.shard_count())))
        }),
    }
}

fn place(next: &mut Directory, mark: &MoveMark) {
    match &mark.scope {
        Scope::Shards(shards) => {
            for shard in shards {
                if let Some(server) = next.shards.get_mut(shard.0 as usize) {
                    *server = mark.to;
                }
            }
        }
        Scope::Tenants { key_type, keys } => {
            for key in keys.iter().filter_map(|text| key_type.parse(text)) {
                next.tenants.insert(key, mark.to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::directory::Stored;
    use crate::ids::TenantKey;

    fn spread() -> Directory {
        start(&["alpha".to_owned(), "beta".to_owned(), "gamma".to_owned()], 32, Start::Spread)
    }

    fn tenants(keys: &[i64]) -> Scope {
        let keys = keys.iter().map(ToString::to_string).collect();
        Scope::Tenants { key_type: KeyType::Integer, keys }
    }

    fn mark(id: u64, scope: Scope, from: u16, to: u16) -> MoveMark {
        let (from, to) = (ServerId(from), ServerId(to));
        MoveMark { id: MoveId(id), scope, from, to, stage: MoveStage::Copying }
    }

    #[test]
    fn two_moves_never_concern_one_tenant() {
        let directory = spread();
        let key = TenantKey::Integer(42);
        let (shard, from) = (key.shard(32), directory.locate(&key).server.0);
        let to = (from + 1) % 3;
        let first = Change::Begin(mark(1, Scope::Shards([shard].into()), from, to));
        let next = change(&directory, first).expect("it begins");
        let second = Change::Begin(mark(2, tenants(&[42]), from, to));
        assert_eq!(change(&next, second).err(), Some(ChangeRefused::Overlap(MoveId(2), MoveId(1))));
    }

    #[test]
    fn a_tenant_is_moved_from_where_it_is_only() {
        let directory = spread();
        let from = directory.locate(&TenantKey::Integer(7)).server.0;
        let wrong = Change::Begin(mark(1, tenants(&[7]), (from + 1) % 3, from));
        assert!(matches!(change(&directory, wrong), Err(ChangeRefused::NotThere(_))));
    }

    fn any_change() -> impl Strategy<Value = Change> {
        let scope = prop_oneof![
            prop::collection::btree_set((0u32..32).prop_map(ShardId), 1..4).prop_map(Scope::Shards),
            prop::collection::vec(0i64..20, 1..4).prop_map(|keys| tenants(&keys)),
        ];
        let id = 1u64..6;
        let stage = prop_oneof![
            Just(MoveStage::Copying),
            Just(MoveStage::Armed),
            Just(MoveStage::Frozen),
            Just(MoveStage::Swapped)
        ];
        prop_oneof![
            3 => (id.clone(), scope, 0u16..3, 0u16..3)
                .prop_map(|(id, scope, from, to)| Change::Begin(mark(id, scope, from, to))),
            3 => (id.clone(), stage).prop_map(|(id, stage)| Change::Stage(MoveId(id), stage)),
            2 => (id.clone(), any::<u64>(), any::<u64>()).prop_map(|(id, target, source)| Change::Swap {
                id: MoveId(id),
                target_floor: Lsn(target),
                source_floor: Lsn(source)
            }),
            1 => (id.clone(), 0..9_u64).prop_map(|(id, lsn)| Change::End {
                id: MoveId(id),
                target_floor: Lsn(lsn),
                source_floor: Lsn(lsn),
            }),
        ]
    }

    proptest! {
        #[test]
        fn each_change_keeps_the_directory_whole(changes in prop::collection::vec(any_change(), 0..60)) {
            let mut directory = spread();
            for step in changes {
                let Ok(next) = change(&directory, step.clone()) else { continue };
                prop_assert_eq!(next.version(), directory.version() + 1);
                for key in (0..20).map(TenantKey::Integer) {
                    let (before, after) = (directory.locate(&key), next.locate(&key));
                    // Only a swap of the tenant's own move changes where it is.
                    if before.server != after.server {
                        let is_swap = matches!(step, Change::Swap { .. });
                        prop_assert!(is_swap);
                        prop_assert_eq!(before.mark.map(|mark| mark.to), Some(after.server));
                    }
                    let concerning = next.marks().iter().filter(|mark| next.in_scope(mark, &key)).count();
                    prop_assert!(concerning <= 1);
                }
                let stored = Stored::from(&next);
                let again = Directory::try_from(stored.clone()).map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(Stored::from(&again), stored);
                directory = next;
            }
        }
    }
}
