//! Everything in files below one folder.

/// Placeholder.
#[derive(Debug, Default)]
pub struct DirectoryStore;
