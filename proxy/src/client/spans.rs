//! The spans of the clients that a thread's log lines may be about. A span is dear to hold and cheap to make
//! again, and most clients are silent: so a thread holds a bounded number, those of late.

use std::cell::RefCell;

use tracing::Span;

/// So many are held by a thread, each client's in a place that its number gives.
const PLACES: usize = 256;

thread_local! {
    static SPANS: RefCell<Vec<Option<(i32, Span)>>> = const { RefCell::new(Vec::new()) };
}

/// The span of the client of this number, made where the thread does not hold it any more.
pub(super) fn of(id: i32, make: impl FnOnce() -> Span) -> Span {
    let place = id.unsigned_abs() as usize % PLACES;
    let held = SPANS.with_borrow(|spans| match spans.get(place) {
        Some(Some((known, span))) if *known == id => Some(span.clone()),
        Some(_) | None => None,
    });
    held.unwrap_or_else(|| {
        let span = make();
        put(place, Some((id, span.clone())));
        span
    })
}

/// The client of this number leaves.
pub(super) fn forget(id: i32) {
    let place = id.unsigned_abs() as usize % PLACES;
    let is_held =
        SPANS.with_borrow(|spans| matches!(spans.get(place), Some(Some((known, _))) if *known == id));
    if is_held {
        put(place, None);
    }
}

/// What had the place is dropped outside: its end may be a line of the log.
fn put(place: usize, span: Option<(i32, Span)>) {
    let before = SPANS.with_borrow_mut(|spans| {
        if spans.is_empty() {
            spans.resize_with(PLACES, || None);
        }
        spans.get_mut(place).and_then(|held| std::mem::replace(held, span))
    });
    drop(before);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_span_is_made_once_for_a_busy_client_and_again_for_one_that_was_silent() {
        let made = Cell::new(0);
        let of = |id| {
            of(id, || {
                made.set(made.get() + 1);
                Span::none()
            })
        };
        of(7);
        of(7);
        of(8);
        assert_eq!(made.get(), 2);
        of(7 + PLACES as i32);
        of(7);
        assert_eq!(made.get(), 4);
        forget(8);
        of(8);
        assert_eq!(made.get(), 5);
    }
}
