//! From a demand distribution to an order. Pure: the same input gives the same answer on every host, and nothing here
//! knows of forecasters, requests or clocks.
//!
//! [`plan()`] decides one SKU, [`share_budget`] and [`meet_supplier_minimum`] what several share. The textbook
//! policies stand beside it, each with its source: [`newsvendor`], [`lot_size`], [`wagner_whitin`],
//! [`reorder_point`] and [`reorder_normal`] for (r, Q), [`order_up_to`] for (s, S), [`service`] for targets.

pub mod constraints;
pub mod costs;
pub mod distribution;
pub mod error;
pub mod horizon;
mod levels;
pub mod lot_size;
pub mod newsvendor;
pub mod order_up_to;
mod outlook;
pub mod plan;
pub mod position;
pub mod reorder_normal;
pub mod reorder_point;
mod run_out;
mod search;
pub mod service;
pub mod sharing;
pub mod wagner_whitin;

pub use constraints::{Constraint, Constraints, Contradiction, ShelfLife};
pub use costs::{Costs, ExpectedCost, Target};
pub use distribution::Demand;
pub use error::PolicyError;
pub use horizon::{Forecast, LeadTime};
pub use outlook::Outcome;
pub use plan::{ConstraintEffect, Plan, Sku, plan};
pub use position::{Arrival, Stock};
pub use run_out::RunOut;
pub use sharing::{Shared, meet_supplier_minimum, share_budget};
