//! What the things are called that a move makes on the servers.

use router::ids::MoveId;

/// The names of one move's things. Slots and origins are shared by all databases of a server, so
/// their names hold a hash of the database's.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The logical slot on the source.
    pub slot: String,
    /// The publication on the source.
    pub publication: String,
    /// The replication origin on the target.
    pub origin: String,
    /// The fence's table in schema `pgherd` on the source.
    pub fence: String,
    /// The fence's name once it is closed.
    pub closed_fence: String,
    /// What the move's connections are called.
    pub application: String,
}

impl Names {
    /// The names of a move of a database.
    pub(super) fn of(database: &str, id: MoveId) -> Names {
        let hash = xxhash_rust::xxh3::xxh3_64(database.as_bytes()) as u32;
        let name = format!("pgherd_{hash:08x}_{id}");
        Names {
            slot: name.clone(),
            publication: name.clone(),
            origin: name.clone(),
            fence: format!("fence_{id}"),
            closed_fence: format!("fence_{id}_closed"),
            application: format!("pgherd/move {hash:08x} {id}"),
        }
    }
}
