//! What an operator has switched off: databases that are paused or disabled.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which databases are paused, and which disabled.
#[derive(Debug, Default)]
pub(super) struct Switches {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What was said of all databases at once.
    all: Switched,
    /// What was said of one.
    databases: HashMap<String, Switched>,
}

/// What is switched off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Switched {
    /// Nothing is lent.
    pub(super) paused: bool,
    /// No client comes in.
    pub(super) disabled: bool,
}

impl Switches {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is switched off of a database.
    pub(super) fn of(&self, database: &str) -> Switched {
        let state = self.lock();
        let own = state.databases.get(database).copied().unwrap_or_default();
        Switched { paused: state.all.paused || own.paused, disabled: own.disabled }
    }

    /// Switches a database, or all; true where that changed something. What is said of all holds for
    /// each.
    pub(super) fn switch(&self, database: Option<&str>, how: impl Fn(&mut Switched)) -> bool {
        let mut state = self.lock();
        let changed = |switched: &mut Switched| {
            let before = *switched;
            how(switched);
            before != *switched
        };
        match database {
            Some(name) => changed(state.databases.entry(name.to_owned()).or_default()),
            None => {
                let each: Vec<bool> = state.databases.values_mut().map(changed).collect();
                changed(&mut state.all) || each.contains(&true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_all_holds_for_each() {
        let switches = Switches::default();
        assert!(switches.switch(Some("app"), |database| database.paused = true));
        assert!(!switches.switch(Some("app"), |database| database.paused = true));
        assert!(switches.of("app").paused && !switches.of("other").paused);
        assert!(switches.switch(None, |database| database.paused = true));
        assert!(switches.of("other").paused);
        assert!(switches.switch(None, |database| database.paused = false));
        assert!(!switches.of("app").paused && !switches.of("other").paused);
    }
}
