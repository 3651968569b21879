//! Everything that is done away from requests: loading a shop's orders, training features, evaluation, publishing.
//!
//! | module | what it holds |
//! |---|---|
//! | [`shop`] | `shop.toml`: what a shop's exports look like |
//! | [`ingest`] | files to checked lines, row by row; bad rows to `rejects.csv` |
//! | [`remote`] | `s3://` files for it |
//! | [`histories`] | lines to histories of customers and SKUs on disk, in bounded memory |
//! | [`entity`] | the kinds of entity: customers, SKUs |
//! | [`simulate`] | stock for shops that tell none: (s,S) over the real demand |
//! | [`store`] | histories into a feature store |
//! | [`orders`] | files that keep coming, merged into a feature store |
//! | [`cutoffs`], [`snapshots`] | when a model is trained, calibrated and tested; the rows it sees then |
//! | [`matrix`], [`matrix_file`] | what training reads |
//! | [`evaluate`], [`assess`] | metrics with intervals, baselines and bars; a model judged by them |
//! | [`gates`] | what a version must show before it is published |
//! | [`model_folder`] | a model's folder on disk |
//! | [`contract`] | the API's OpenAPI document |
//! | [`functions`] | the list of predictors |
//! | [`cli`] | the command line `storecast` |
//! | [`uploads`] | what became of the files that were uploaded |
//! | [`whole`] | every history of a kind as chunks, for runs over the whole base |
//! | [`predictions`], [`replay`] | the log of predictions, and each of them computed again |
//! | [`outcomes`] | predictions held against what happened, and what offers changed |
//! | [`treated`] | who got an offer, so that training leaves it out |
//! | [`simulation`] | what ordering rules would have done over weeks whose demand is known |
//! | [`messy`] | a generated European shop with every flaw the loader knows |

pub mod assess;
pub mod cli;
pub mod contract;
pub mod cost;
pub mod cutoffs;
pub mod entity;
pub mod evaluate;
pub mod functions;
pub mod gates;
pub mod histories;
pub mod ingest;
pub mod matrix;
pub mod matrix_file;
pub mod messy;
pub mod model_folder;
pub mod orders;
pub mod outcomes;
pub mod predictions;
pub mod remote;
pub mod replay;
pub mod shop;
pub mod simulate;
pub mod simulation;
pub mod snapshots;
pub mod store;
pub mod treated;
pub mod uploads;
pub mod whole;
