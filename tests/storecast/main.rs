//! The tests that see everything at once: real data sets, files and processes.
//!
//! They need what `make setup-train` installs, and fail without it rather than pass unseen.

mod bgnbd;
mod parity;
mod workspace;
