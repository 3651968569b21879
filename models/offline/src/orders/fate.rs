//! What became of one order file, by its report.

use super::{MERGED, ORDERS};
use serde_json::Value;
use serving::batch::FileStore;
use serving::batch::ports::FilePlace;
use serving::batch::run::read_whole;
use serving::ports::StoreError;

/// Reports hold counts by reason, of which there are few.
const MOST_REPORT_BYTES: u64 = 1024 * 1024;

/// What became of an order file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderFate {
    /// The merge that read this content first has reported: rows = accepted + rejected.
    Merged {
        /// Rows of the file.
        rows: u64,
        /// Of them those that the histories are made of.
        accepted: u64,
        /// Of them those that are in the rejects.
        rejected: u64,
    },
    /// No row of it is in the histories, and why.
    Refused(String),
    /// No merge has reported on this content yet.
    Waiting,
    /// No such file.
    Gone,
}

impl std::fmt::Display for OrderFate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Merged {
                rows,
                accepted,
                rejected,
            } => write!(f, "{rows} rows = {accepted} accepted + {rejected} rejected"),
            Self::Refused(reason) => write!(f, "quarantined: {reason}"),
            Self::Waiting => write!(
                f,
                "not merged: its message has not come, or is in the dead-letter queue"
            ),
            Self::Gone => write!(f, "no such file"),
        }
    }
}

/// Looks at a file below [`ORDERS`] and its report; changes nothing.
pub async fn fate(files: &impl FileStore, place: &FilePlace) -> Result<OrderFate, StoreError> {
    let name = place.key.strip_prefix(ORDERS);
    let found = files.head_file(place, None).await?;
    let (Some(name), Some(head)) = (name, found) else {
        return Ok(OrderFate::Gone);
    };
    // Those of refused files lie there as well.
    let report = place.beside(format!("{MERGED}orders/{name}.report.json"));
    let report = read_whole(files, &report, MOST_REPORT_BYTES).await?;
    let report = report.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let of_this = report.filter(|report| report["etag"] == head.version.etag.as_str());
    Ok(of_this.map_or(OrderFate::Waiting, |report| told(&report)))
}

fn told(report: &Value) -> OrderFate {
    let count = |name: &str| report[name].as_u64().unwrap_or_default();
    match report["refused_because"].as_str() {
        Some(reason) => OrderFate::Refused(reason.to_owned()),
        None => OrderFate::Merged {
            rows: count("rows"),
            accepted: count("accepted"),
            rejected: count("rejected"),
        },
    }
}
