//! Everything that is done away from requests: loading a shop's orders, training features, evaluation, publishing.
//!
//! | module | what it holds |
//! |---|---|
//! | [`shop`] | `shop.toml`: what a shop's exports look like |
//! | [`ingest`] | files to checked lines, row by row; bad rows to `rejects.csv` |
//! | [`histories`] | lines to customer histories on disk, in bounded memory |
//! | [`messy`] | a generated European shop with every flaw the loader knows |

pub mod histories;
pub mod ingest;
pub mod messy;
pub mod shop;
