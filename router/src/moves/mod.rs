//! What a move does next.
