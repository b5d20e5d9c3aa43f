//! The settings of a session at one moment, shared by all that look at them.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::setting::{Map, Setting};
use crate::server::Applied;

/// Settings that are shared and not changed: those of a session at one moment.
#[derive(Debug, Default)]
pub struct State {
    map: Map,
    applied: OnceLock<Applied>,
}

impl State {
    pub(super) fn of(map: Map) -> Arc<State> {
        Arc::new(State { map, applied: OnceLock::new() })
    }

    /// What a connection that has these settings and no others is known to have.
    pub fn applied(&self) -> &Applied {
        let statement = |(name, setting): (&String, &Setting)| (name.clone(), setting.statement.clone());
        self.applied.get_or_init(|| Applied::new(self.map.iter().map(statement).collect()))
    }
}

impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.map == other.map
    }
}

impl Deref for State {
    type Target = Map;

    fn deref(&self) -> &Map {
        &self.map
    }
}
