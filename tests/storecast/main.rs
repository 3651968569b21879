//! The tests that see everything at once: real data sets, the committed model and policy, files, processes.
//!
//! They need what `make setup-train` installs and `make build` builds, and fail without it rather than pass unseen.

mod algebra;
mod api;
mod arms;
mod batch;
mod bgnbd;
mod contract;
mod cost;
mod decision;
mod demo;
mod end_to_end;
mod events;
mod golden;
mod inventory;
mod orders;
mod outcomes;
mod parity;
mod readme;
mod registry;
mod replays;
mod shapes;
mod shop;
mod store_failures;
mod tidy;
mod training;
mod workspace;
