//! From a demand distribution to an order. Pure: the same input gives the same answer on every host, and nothing here
//! knows of forecasters, requests or clocks.

pub mod distribution;
pub mod error;
pub mod horizon;
pub mod lot_size;
pub mod newsvendor;
pub mod order_up_to;
pub mod reorder_normal;
pub mod reorder_point;
mod search;
pub mod service;
pub mod wagner_whitin;

pub use distribution::Demand;
pub use error::PolicyError;
pub use horizon::{Forecast, LeadTime};
