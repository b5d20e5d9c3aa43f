//! The statements that sharding proxies get wrong: read from `tests/corpus`, run, compared with the oracle.
