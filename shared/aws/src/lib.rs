//! The only crate that names AWS.
//!
//! | module | what it holds |
//! |---|---|
//! | [`function`] | [`run`]: the whole `main` of a function; cold start and invocations |
//! | [`worker`] | the same for a function that takes up all that is there, whatever tells it to |
//! | [`dispatch`] | what an event is, by its shape: API Gateway, S3, direct invoke |
//! | [`dynamo`] | histories and pointers in one DynamoDB table |
//! | [`files`] | a shop's order files in any bucket |
//! | [`s3`] | artifacts in a bucket |
//! | [`uploads`] | notifications of S3, bare or in SQS messages |
//! | [`uploaded_files`], [`claims`] | files to score, and who scores them |
//! | [`clients`] | how both are reached: endpoints, time limits, retries |
//! | [`admin`] | makes the table and the bucket |
//! | [`config`] | settings from the environment, all faults named at once |
//! | [`telemetry`] | JSON logs and metrics, without payloads or customer ids |

pub mod admin;
pub mod claims;
pub mod clients;
pub mod config;
pub mod dispatch;
pub mod dynamo;
pub mod files;
pub mod function;
pub mod s3;
mod sdk_error;
pub mod telemetry;
pub mod uploaded_files;
pub mod uploads;
pub mod worker;

pub use function::run;
