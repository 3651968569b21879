//! placeholder
/// placeholder
pub fn run() {}
