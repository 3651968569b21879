//! The inventory function: demand as a distribution, and the order that follows from it.

pub mod policy;
