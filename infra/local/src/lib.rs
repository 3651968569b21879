//! The stack on one machine, without containers: servers that speak the protocols of S3 and DynamoDB.
//!
//! They listen on 127.0.0.1 only and are reached through endpoints, so another server or AWS itself can take their
//! place without a change of code.

pub mod api;
pub mod demo;
pub mod gateway;
mod key_locks;
pub mod orders;
pub mod servers;
pub mod stack;
pub mod uploads;
pub mod watch;
