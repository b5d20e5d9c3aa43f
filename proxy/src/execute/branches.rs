//! A transaction's branches by their servers: few, so they lie in a row, and the row is kept from one
//! transaction to the next.

use router::ids::ServerId;

use crate::execute::transaction::Branch;

/// Branches in the order of their servers.
#[derive(Debug, Default)]
pub struct Branches(Vec<(ServerId, Branch)>);

impl Branches {
    /// True where no server has a branch.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The branch on this server.
    pub fn get(&self, server: ServerId) -> Option<&Branch> {
        self.0.iter().find(|(known, _)| *known == server).map(|(_, branch)| branch)
    }

    /// The branch on this server.
    pub fn get_mut(&mut self, server: ServerId) -> Option<&mut Branch> {
        self.0.iter_mut().find(|(known, _)| *known == server).map(|(_, branch)| branch)
    }

    /// True where this server has a branch.
    pub fn contains(&self, server: ServerId) -> bool {
        self.get(server).is_some()
    }

    /// Adds the branch of a server that has none.
    pub fn insert(&mut self, server: ServerId, branch: Branch) {
        let place = self.0.partition_point(|(known, _)| *known < server);
        if self.0.capacity() == 0 {
            self.0.reserve_exact(1);
        }
        self.0.insert(place, (server, branch));
    }

    /// Takes a server's branch out.
    pub fn remove(&mut self, server: ServerId) -> Option<Branch> {
        let place = self.0.iter().position(|(known, _)| *known == server)?;
        Some(self.0.remove(place).1)
    }

    /// Drops all of them: their connections are closed.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The servers.
    pub fn servers(&self) -> impl Iterator<Item = ServerId> {
        self.0.iter().map(|(server, _)| *server)
    }

    /// All of them with their servers.
    pub fn iter(&self) -> impl Iterator<Item = (ServerId, &Branch)> {
        self.0.iter().map(|(server, branch)| (*server, branch))
    }

    /// All of them with their servers.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ServerId, &mut Branch)> {
        self.0.iter_mut().map(|(server, branch)| (*server, branch))
    }

    /// All of them.
    pub fn values(&self) -> impl Iterator<Item = &Branch> {
        self.0.iter().map(|(_, branch)| branch)
    }

    /// All of them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Branch> {
        self.0.iter_mut().map(|(_, branch)| branch)
    }

    /// Takes the last one out.
    pub fn pop(&mut self) -> Option<(ServerId, Branch)> {
        self.0.pop()
    }
}
