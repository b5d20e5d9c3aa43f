//! Buffers that wait for their next use, each thread's own: who waits for a peer holds none, so ten
//! thousand silent clients cost no buffers, and a statement costs no allocation.

use std::cell::RefCell;

use bytes::BytesMut;

/// The size of a buffer in bytes.
pub(super) const SIZE: usize = 16 << 10;
/// How many wait on a thread at most.
const MOST: usize = 64;

thread_local! {
    static SHELF: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for some messages.
pub(super) fn take() -> BytesMut {
    SHELF.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(SIZE))
}

/// Takes an empty buffer back. One that grew, or whose bytes others still look at, is let go.
pub(super) fn put(mut buffer: BytesMut) {
    buffer.clear();
    if buffer.try_reclaim(SIZE) && buffer.capacity() <= 2 * SIZE {
        SHELF.with_borrow_mut(|shelf| {
            if shelf.len() < MOST {
                shelf.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_unless_somebody_looks_at_it() {
        let mut buffer = take();
        buffer.extend_from_slice(b"hello");
        let message = buffer.split_to(5).freeze();
        put(buffer);
        assert_eq!(SHELF.with_borrow(Vec::len), 0, "the message is still looked at");
        let mut buffer = take();
        buffer.extend_from_slice(&message);
        drop(message);
        drop(buffer.split_to(5).freeze());
        put(buffer);
        assert_eq!(SHELF.with_borrow(Vec::len), 1);
        assert_eq!(take().capacity(), SIZE);
        put(BytesMut::with_capacity(1 << 20));
        assert_eq!(SHELF.with_borrow(Vec::len), 0, "one that grew is let go");
    }
}
