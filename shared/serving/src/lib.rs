//! The request path without AWS: **gather -> features -> score -> respond**, written once for every function.
//!
//! | module | what it holds |
//! |---|---|
//! | [`predictor`] | the trait a function implements, and what training needs of it |
//! | [`route`] | routes and their parameters as facts |
//! | [`service`] | gather, features, score, respond over any predictor; routes and bodies |
//! | [`ports`] | what the outside must offer: histories, artifacts, pointers; memory and directory adapters |
//! | [`conformance`] | one suite that every adapter of a port runs |
//! | [`arms`] | a canary and a shadow beside the served model |
//! | [`drift`] | how far the rows that are scored are from those of training |
//! | [`canary`] | what is noted of a canary, and when that stops it |
//! | [`prediction_log`] | what is kept of answers, to be looked at again |
//! | [`status`] | `/v1/health` and `/v1/models` |
//! | [`manifest`] | what a model says of itself |
//! | [`registry`] | finding, verifying and loading the served model |
//! | [`model`] | scorers: native tree ensembles, ONNX Runtime, exact contributions |
//! | [`wire`] | histories and instants as they stand in requests and golden rows |
//! | [`batch`] | files of rows: scored exactly once in effect, over any predictor |
//! | [`calendar`] | dates as they stand in requests and answers |
//! | [`explanation`] | contributions, summed by groups of columns |
//! | [`error`] | what can go wrong, split by who must act |
//! | [`problem`] | RFC 9457; the only place that knows status codes |

pub mod arms;
pub mod batch;
pub mod calendar;
pub mod canary;
pub mod conformance;
pub mod drift;
pub mod error;
pub mod explanation;
pub mod manifest;
pub mod model;
pub mod ports;
pub mod prediction_log;
pub mod predictor;
pub mod problem;
pub mod registry;
pub mod route;
pub mod service;
pub mod status;
pub mod wire;
