//! A binary heap of legs by their numbers: the one whose row comes first is on top. What decides stands elsewhere, so
//! a leg whose row has changed moves down from the top instead of leaving and coming back.

/// Numbers of legs.
#[derive(Debug, Default)]
pub(super) struct Heap(Vec<usize>);

impl Heap {
    /// The leg whose row comes first.
    pub(super) fn first(&self) -> Option<usize> {
        self.0.first().copied()
    }

    /// A leg has a row again.
    pub(super) fn push(&mut self, leg: usize, is_before: impl Fn(usize, usize) -> bool) {
        let mut place = self.0.len();
        self.0.push(leg);
        while let Some(parent) = place.checked_sub(1).map(|place| place / 2) {
            if !is_before(self.0[place], self.0[parent]) {
                break;
            }
            self.0.swap(place, parent);
            place = parent;
        }
    }

    /// The first leg has its next row.
    pub(super) fn first_has_changed(&mut self, is_before: impl Fn(usize, usize) -> bool) {
        let mut place = 0;
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let Some(mut child) = self.0.get(left).map(|_| left) else { return };
            if right < self.0.len() && is_before(self.0[right], self.0[left]) {
                child = right;
            }
            if !is_before(self.0[child], self.0[place]) {
                return;
            }
            self.0.swap(place, child);
            place = child;
        }
    }

    /// The first leg has no further row.
    pub(super) fn pop(&mut self, is_before: impl Fn(usize, usize) -> bool) {
        if !self.0.is_empty() {
            self.0.swap_remove(0);
            self.first_has_changed(is_before);
        }
    }
}
