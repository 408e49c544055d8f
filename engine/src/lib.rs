//! Straum.
