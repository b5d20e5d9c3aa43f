//! What many sessions have alike is kept once: what they were told at their logins, and the settings that
//! they began with.

use std::sync::{Arc, Mutex, PoisonError};

/// So many different ones are compared.
const MOST: usize = 8;

/// The different ones of late, the latest last.
#[derive(Debug)]
pub struct Alike<T>(Mutex<Vec<Arc<T>>>);

impl<T> Default for Alike<T> {
    fn default() -> Alike<T> {
        Alike(Mutex::default())
    }
}

impl<T: PartialEq> Alike<T> {
    /// One that is the same, if there is one of late; else this.
    pub fn share(&self, one: Arc<T>) -> Arc<T> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.iter().find(|known| **known == one) {
            return Arc::clone(same);
        }
        if known.len() == MOST {
            known.remove(0);
        }
        known.push(Arc::clone(&one));
        one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_kept_once() {
        let alike = Alike::default();
        let first = alike.share(Arc::new(1));
        let other = alike.share(Arc::new(2));
        assert!(Arc::ptr_eq(&first, &alike.share(Arc::new(1))) && !Arc::ptr_eq(&first, &other));
    }
}
