//! Streams groups on a real broker.
