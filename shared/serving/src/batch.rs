//! Scoring files: what lands under `uploads/<function>/` comes back under `scored/<function>/`, exactly once in effect.
//!
//! One file is one run: claim it, read it piece by piece, unpack, split into rows, ask the predictor about each row as
//! the API would be asked, write answers and rejects while reading, report, and mark the claim as done. Everything that
//! touches the outside goes through two ports, [`FileStore`] and [`ClaimStore`], so a test can stop a run before and
//! after each touch.
//!
//! | module | what it holds |
//! |---|---|
//! | [`name`] | from an upload's key to its format and the keys of its outputs |
//! | [`limits`] | what a file may be, and why it is not scored otherwise |
//! | [`unpack`] | plain, gzip and Zstandard bytes, in bounded steps |
//! | [`rows`] | rows of CSV and of JSON Lines, each the body of a request; lines of orders, grouped into such rows |
//! | [`parquet`] | tables, read by pages and written by row groups |
//! | [`shape`] | which columns a predictor takes and gives, written beside its types |
//! | [`pack`] | packed bytes that do not depend on how they were written |
//! | [`output`] | answers, rejects and the report, as bytes |
//! | [`upload`] | a file that grows in parts |
//! | [`progress`] | how far a file is that has to be continued |
//! | [`claim`] | who may score a file, and what came of it |
//! | [`ports`] | files and claims, with adapters in memory |
//! | [`run`] | the story above |
//! | [`whole`] | every customer or SKU, in chunks that bring their histories |

pub mod claim;
pub mod limits;
mod memory;
pub mod name;
pub mod output;
pub mod pack;
pub mod parquet;
pub mod ports;
pub mod progress;
pub mod rows;
pub mod run;
pub mod shape;
pub mod unpack;
pub mod upload;
pub mod whole;

pub use claim::Claim;
pub use memory::MemoryFiles;
pub use ports::{ClaimStore, FileArchive, FileStore};
pub use run::{Arrival, Batch, Outcome};
