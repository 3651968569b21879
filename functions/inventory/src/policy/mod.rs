//! From a demand distribution to an order. Pure: the same input gives the same answer on every host, and nothing here
//! knows of forecasters, requests or clocks.

pub mod distribution;
pub mod error;
mod search;

pub use distribution::Demand;
pub use error::PolicyError;
