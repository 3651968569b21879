//! Histories in, feature rows out: pure and total.
//!
//! This crate knows no clock, network, environment, async runtime, ONNX or AWS. Time is the argument `as_of`, an
//! event at or after `as_of` changes nothing, and whatever cannot be computed is NaN, never a panic. Training rows
//! and serving rows come from the same functions, so they cannot differ.
//!
//! | module | what it holds |
//! |---|---|
//! | [`time`] | instants, shop-local days, durations in days |
//! | [`history`] | what a customer bought: orders and their lines |
//! | [`codec`] | the compact bytes a history is stored in |
//! | [`feature_set`] | columns with names, units and documentation, written once; their fingerprint |
//! | [`matrix`] | rows of float32, what every model reads |
//! | [`customer`] | the customer's view at an instant: occasions, gaps, windows |
//! | [`demand`] | what a product sold day by day, and when it could not be sold |
//! | [`items`] | the customer item by item: counts, memories, gaps, places among the orders |
//! | [`levels`] | stock levels of many products in a few records |
//! | [`bgnbd`] | BG/NBD purchase model: likelihood, fit, probability to buy within a horizon |

pub mod bgnbd;
pub mod codec;
pub mod customer;
pub mod demand;
pub mod feature_set;
pub mod history;
pub mod items;
pub mod levels;
pub mod matrix;
pub mod time;
