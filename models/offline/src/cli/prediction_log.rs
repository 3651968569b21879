//! Where the commands that look back find the log of predictions.

use super::Failure;
use super::connection::block_on;
use crate::outcomes::truth::{Uploaded, uploaded};
use crate::predictions::{Days, Predictions, read};
use aws::clients::Clients;
use aws::config;
use aws::uploaded_files::UploadedFiles;
use clap::Args;

/// Which part of which log.
#[derive(Args)]
pub(super) struct PredictionLog {
    /// The bucket of the log
    #[arg(long)]
    bucket: String,
    /// Nothing that was answered before this day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    from: Option<String>,
    /// Nothing that was answered after this day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    to: Option<String>,
}

/// The salt of the hashes in lines that are written now; none where they hold ids as they are.
pub(super) fn salt() -> Option<String> {
    config::prediction_log_salt().filter(|_| !config::prediction_log_holds_ids())
}

impl PredictionLog {
    /// Reads it, and says what could not be read.
    pub(super) fn read(&self, function: &str) -> Result<Predictions, Failure> {
        let days = Days {
            from: self.from.clone(),
            to: self.to.clone(),
        };
        let found = block_on(async {
            let files = UploadedFiles::new(&Clients::from_environment().await);
            Ok(read(&files, &self.bucket, function, &days).await?)
        })?;
        if found.lines.is_empty() {
            let prefix = serving::prediction_log::prefix_of(function);
            return Err(format!(
                "no prediction is logged below {prefix} of {} for these days",
                self.bucket
            )
            .into());
        }
        if found.unreadable > 0 {
            eprintln!("note: {} lines are not of this log", found.unreadable);
        }
        Ok(found)
    }

    /// What files of the same bucket say became of customers.
    pub(super) fn outcomes(&self, salt: Option<&str>) -> Result<Uploaded, Failure> {
        block_on(async {
            let files = UploadedFiles::new(&Clients::from_environment().await);
            Ok(uploaded(&files, &self.bucket, salt).await?)
        })
    }
}

fn day(text: &str) -> Result<String, String> {
    let parsed = text.parse::<jiff::civil::Date>();
    parsed
        .map(|day| day.to_string())
        .map_err(|_| "a day such as 2026-01-31 is expected".to_owned())
}
