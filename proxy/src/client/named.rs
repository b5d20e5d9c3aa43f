//! What a client gave names to. The unnamed one, which drivers use most, has a place of its own.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Things by the client's names; the empty name is the unnamed one's.
#[derive(Debug)]
pub(super) struct Named<T> {
    unnamed: Option<T>,
    named: HashMap<Box<str>, T, RandomState>,
}

impl<T> Default for Named<T> {
    fn default() -> Named<T> {
        Named { unnamed: None, named: HashMap::default() }
    }
}

impl<T> Named<T> {
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        if name.is_empty() { self.unnamed.as_ref() } else { self.named.get(name) }
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        if name.is_empty() { self.unnamed.as_mut() } else { self.named.get_mut(name) }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Gives the name to this; what had it is gone.
    pub(super) fn insert(&mut self, name: &str, thing: T) {
        if name.is_empty() {
            self.unnamed = Some(thing);
        } else {
            self.named.insert(name.into(), thing);
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<T> {
        if name.is_empty() { self.unnamed.take() } else { self.named.remove(name) }
    }

    pub(super) fn clear(&mut self) {
        self.unnamed = None;
        self.named.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.named.len() + usize::from(self.unnamed.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unnamed_one_is_one_of_them() {
        let mut things = Named::default();
        things.insert("", 1);
        things.insert("a", 2);
        things.insert("", 3);
        assert_eq!(
            (things.len(), things.get(""), things.get("a"), things.get("b")),
            (2, Some(&3), Some(&2), None)
        );
        assert_eq!((things.remove(""), things.remove(""), things.contains("")), (Some(3), None, false));
        things.clear();
        assert_eq!(things.len(), 0);
    }
}
