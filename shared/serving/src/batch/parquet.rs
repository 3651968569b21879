//! Parquet, as far as rows of requests and answers need it: flat columns, read page by page and written by row groups.
//! Source: the Apache Parquet format, specification and `parquet.thrift`.
//!
//! It is read here, and not by the crates that `storecast` reads orders with, because what lands in a bucket may be broken
//! on purpose: nothing is allocated by what a file only claims, a page is unpacked up to the size that it states and no
//! further, and memory is bounded by a page of each column, not by a row group. A file may also be left between any two
//! rows, and so may its answers. In tests those crates are the oracle.
//!
//! | module | what it holds |
//! |---|---|
//! | [`thrift`] | the compact protocol that headers and footers are written in |
//! | `stated` | what a footer states |
//! | [`footer`] | columns and row groups, checked |
//! | [`page`] | headers of pages, and their bytes |
//! | `ranges` | bytes of a file, and why reading them stops |
//! | `runs` | runs and differences of levels, indices and whole numbers |
//! | [`values`] | pages and dictionaries, value by value |
//! | [`read`] | rows of a file, by ranges |
//! | [`claims`] | what a file claims, for readers that believe it |
//! | [`write`] | row groups and footers of answers |

pub mod claims;
pub mod footer;
pub mod page;
mod ranges;
pub mod read;
mod runs;
mod stated;
pub mod thrift;
pub mod values;
pub mod write;

/// First and last bytes of a file.
pub const MAGIC: &[u8; 4] = b"PAR1";
