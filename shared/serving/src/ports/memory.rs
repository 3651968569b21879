//! Everything in memory.

/// Placeholder.
#[derive(Debug, Default)]
pub struct MemoryStore;
