//! Placeholder.

pub mod evaluate;
