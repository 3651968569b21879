//! The tests that see everything at once: real data sets, files, processes.
//!
//! They need what `make setup-train` installs and `make build` builds, and fail without it rather than pass unseen.

mod bgnbd;
mod parity;
mod readme;
mod training;
mod workspace;
