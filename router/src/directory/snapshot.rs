//! One version of the directory, and the form in which a store keeps it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::ids::{KeyType, Lsn, MoveId, ServerId, ShardId, TenantKey};

/// One version of one database's directory.
#[derive(Clone, Debug)]
pub struct Directory {
    pub(super) version: u64,
    pub(super) servers: Vec<Box<str>>,
    pub(super) shards: Box<[ServerId]>,
    pub(super) key_type: Option<KeyType>,
    pub(super) tenants: HashMap<TenantKey, ServerId>,
    pub(super) marks: Vec<MoveMark>,
    pub(super) floors: BTreeMap<ServerId, Lsn>,
}

/// Where a tenant's rows are, and the move that concerns them if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The server that holds the rows in this version.
    pub server: ServerId,
    /// The move under way whose scope holds the tenant.
    pub mark: Option<&'a MoveMark>,
}

/// What routing must know of a move that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveMark {
    /// The move.
    pub id: MoveId,
    /// What it moves.
    pub scope: Scope,
    /// The server that held the rows when the move began.
    pub from: ServerId,
    /// The server that will hold them.
    pub to: ServerId,
    /// How far the move is, as far as statements care.
    pub stage: MoveStage,
}

/// The stages of a move that statements can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MoveStage {
    /// Rows are copied and streamed; the target's copies are hidden from statements without a tenant.
    Copying,
    /// Each transaction on the source sends the fence token first, and reads stay on its primary.
    Armed,
    /// Statements that concern the scope wait.
    Frozen,
    /// The placements are the target's; the source's copies are hidden until they are deleted.
    Swapped,
}

/// What a move moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All tenants that hash to these shards and have no placement of their own.
    Shards(BTreeSet<ShardId>),
    /// These tenants, whatever shard they hash to; written as text.
    Tenants {
        /// The type of the keys.
        key_type: KeyType,
        /// The keys in PostgreSQL's text form.
        keys: BTreeSet<String>,
    },
}

impl MoveMark {
    /// The server whose copies of the scope's rows statements without a tenant must not see.
    pub fn hidden_on(&self) -> ServerId {
        match self.stage {
            MoveStage::Copying | MoveStage::Armed | MoveStage::Frozen => self.to,
            MoveStage::Swapped => self.from,
        }
    }

    /// The name of the token table in schema `pgherd` on the source, where transactions must touch
    /// it first; `None` in the stages without a fence.
    pub fn fence(&self) -> Option<String> {
        match self.stage {
            MoveStage::Armed | MoveStage::Frozen => Some(format!("fence_{}", self.id)),
            MoveStage::Copying | MoveStage::Swapped => None,
        }
    }
}

impl Directory {
    /// The number of this version; each published version is one more than the last.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The servers' names; a [`ServerId`] is an index here. The first is the home server.
    pub fn servers(&self) -> &[Box<str>] {
        &self.servers
    }

    /// A server's id by its name.
    pub fn server_named(&self, name: &str) -> Option<ServerId> {
        let index = self.servers.iter().position(|server| &**server == name)?;
        u16::try_from(index).ok().map(ServerId)
    }

    /// A server's name; empty for an id that is not of this directory.
    pub fn server_name(&self, server: ServerId) -> &str {
        self.servers.get(usize::from(server.0)).map_or("", |name| name)
    }

    /// The number of logical shards.
    pub fn shard_count(&self) -> u32 {
        self.shards.len() as u32
    }

    /// Every shard's server, in the order of the shards.
    pub fn shards(&self) -> impl Iterator<Item = (ShardId, ServerId)> + '_ {
        self.shards.iter().enumerate().map(|(index, server)| (ShardId(index as u32), *server))
    }

    /// The tenants with a placement of their own.
    pub fn tenants(&self) -> impl Iterator<Item = (&TenantKey, ServerId)> + '_ {
        self.tenants.iter().map(|(key, server)| (key, *server))
    }

    /// The type of the tenant keys; `None` until a tenant has been named.
    pub fn key_type(&self) -> Option<KeyType> {
        self.key_type
    }

    /// The moves under way.
    pub fn marks(&self) -> &[MoveMark] {
        &self.marks
    }

    /// Where a tenant's rows are: its own placement, else its shard's.
    pub fn locate(&self, key: &TenantKey) -> Place<'_> {
        let shard = key.shard(self.shard_count());
        let own = self.tenants.get(key).copied();
        let server =
            own.unwrap_or_else(|| self.shards.get(shard.0 as usize).copied().unwrap_or(ServerId::HOME));
        let mark = if self.marks.is_empty() {
            None
        } else {
            self.marks.iter().find(|mark| self.concerns(mark, key, shard, own.is_some()))
        };
        Place { server, mark }
    }

    fn concerns(&self, mark: &MoveMark, key: &TenantKey, shard: ShardId, has_own: bool) -> bool {
        match &mark.scope {
            // After a swap of shards a tenant with a placement of its own is still not concerned.
            Scope::Shards(shards) => !has_own && shards.contains(&shard),
            Scope::Tenants { key_type, keys } => {
                *key_type == key.key_type() && keys.contains(&key.to_string())
            }
        }
    }

    /// True where the move concerns this tenant.
    pub fn in_scope(&self, mark: &MoveMark, key: &TenantKey) -> bool {
        self.concerns(mark, key, key.shard(self.shard_count()), self.tenants.contains_key(key))
    }

    /// The servers that hold at least one placement, in order; a fan-out has one leg on each.
    pub fn holders(&self) -> Vec<ServerId> {
        let all: BTreeSet<ServerId> = self.shards.iter().chain(self.tenants.values()).copied().collect();
        all.into_iter().collect()
    }

    /// The moves whose copies statements without a tenant must not see on this server.
    pub fn hidden_on(&self, server: ServerId) -> Vec<MoveId> {
        self.marks.iter().filter(|mark| mark.hidden_on() == server).map(|mark| mark.id).collect()
    }

    /// The position that a replica of this server must have replayed before it may serve moved
    /// placements or statements without a tenant.
    pub fn floor(&self, server: ServerId) -> Lsn {
        self.floors.get(&server).copied().unwrap_or_default()
    }
}

/// The directory as a store keeps it: names instead of indexes, runs of shards instead of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// The version.
    pub version: u64,
    /// The servers' names, the home server first.
    pub servers: Vec<String>,
    /// The type of the tenant keys, once it is known.
    pub key_type: Option<KeyType>,
    /// Runs of consecutive shards with one server: (number of shards, server's index).
    pub shards: Vec<(u32, ServerId)>,
    /// Tenants with a placement of their own, keys as text.
    pub tenants: BTreeMap<String, ServerId>,
    /// The moves under way.
    pub marks: Vec<MoveMark>,
    /// Replicas' floors.
    pub floors: BTreeMap<ServerId, Lsn>,
}

/// A stored directory that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored directory is damaged: {0}")]
pub struct Damaged(pub String);

impl TryFrom<Stored> for Directory {
    type Error = Damaged;

    fn try_from(stored: Stored) -> Result<Self, Damaged> {
        let known = |server: &ServerId| usize::from(server.0) < stored.servers.len();
        let named = stored.shards.iter().map(|(_, server)| server).chain(stored.tenants.values());
        if let Some(unknown) = named.chain(stored.floors.keys()).find(|server| !known(server)) {
            return Err(Damaged(format!("it names server number {} of {}", unknown.0, stored.servers.len())));
        }
        let mut tenants = HashMap::new();
        for (text, server) in &stored.tenants {
            let key = stored.key_type.and_then(|key_type| key_type.parse(text));
            let key = key.ok_or_else(|| Damaged(format!("tenant \"{text}\" is no key of its type")))?;
            tenants.insert(key, *server);
        }
        let shards: Vec<ServerId> = stored
            .shards
            .iter()
            .flat_map(|(count, server)| std::iter::repeat_n(*server, *count as usize))
            .collect();
        if shards.is_empty() {
            return Err(Damaged("it has no shards".into()));
        }
        Ok(Directory {
            version: stored.version,
            servers: stored.servers.into_iter().map(Box::from).collect(),
            shards: shards.into(),
            key_type: stored.key_type,
            tenants,
            marks: stored.marks,
            floors: stored.floors,
        })
    }
}

impl From<&Directory> for Stored {
    fn from(directory: &Directory) -> Self {
        let mut shards: Vec<(u32, ServerId)> = Vec::new();
        for (_, server) in directory.shards() {
            match shards.last_mut() {
                Some((count, last)) if *last == server => *count += 1,
                _ => shards.push((1, server)),
            }
        }
        Stored {
            version: directory.version,
            servers: directory.servers.iter().map(|name| name.to_string()).collect(),
            key_type: directory.key_type,
            shards,
            tenants: directory.tenants.iter().map(|(key, server)| (key.to_string(), *server)).collect(),
            marks: directory.marks.clone(),
            floors: directory.floors.clone(),
        }
    }
}
