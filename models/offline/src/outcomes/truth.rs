//! What became of customers: from files that say it, or from the shop's own orders.

use crate::histories::Histories;
use crate::ingest::LoadError;
use crate::replay::Names;
use churn::churn_label;
use features::history::CustomerHistory;
use features::time::Timestamp;
use serde::Deserialize;
use serving::batch::limits::Limits;
use serving::batch::name::Text;
use serving::batch::ports::{FileArchive, Piece};
use serving::batch::rows::{Row, Rows};
use serving::batch::shape::{Column, Field, RowShape};
use serving::ports::StoreError;
use std::collections::{BTreeMap, HashMap};

/// What keys of outcomes begin with.
pub const PREFIX: &str = "outcomes/churn/";

/// What a row of a file may hold.
static ROWS: RowShape = RowShape {
    list: None,
    id: "customer_id",
    kind: churn::CUSTOMER,
    whole: &[],
    fields: &[
        Field::text("customer_id"),
        Field::text("as_of"),
        Field::json("purchased"),
        Field::json("spend_minor"),
    ],
    around: &[],
    takes_order_lines: false,
    answer: "",
    columns: &[Column::text("as_of", "/as_of")],
    key: |_| None,
};

/// A row of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    customer_id: String,
    as_of: String,
    purchased: u8,
    #[serde(rename = "spend_minor")]
    _spend_minor: Option<i64>,
}

/// Days that an instant begins with.
const DAY: usize = "2026-01-31".len();

/// What became of a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing was bought within the horizon.
    Left,
    /// Something was.
    Stayed,
    /// Nobody knows yet.
    Open,
}

/// Where the truth comes from.
#[derive(Debug)]
pub enum Truth {
    /// Whether customers bought, by what stands for them in the log and the day that was asked about.
    Told(BTreeMap<(String, String), bool>),
    /// Orders up to an instant, by what stands for a customer.
    Orders {
        /// Of the customers of the log.
        histories: HashMap<String, CustomerHistory>,
        /// Orders before it are known.
        known: Timestamp,
        /// Days that a prediction is about.
        horizon_days: f64,
    },
}

impl Truth {
    /// What became of a customer from an instant on.
    pub fn fate(&self, name: &str, as_of: &str, at: Timestamp) -> Fate {
        let bought = match self {
            Self::Told(told) => {
                let day = as_of.get(..DAY).unwrap_or(as_of);
                told.get(&(name.to_owned(), day.to_owned())).copied()
            }
            Self::Orders {
                histories,
                known,
                horizon_days,
            } => {
                let is_over = at.plus_days(*horizon_days) <= *known;
                let history = histories.get(name).filter(|_| is_over);
                history.map(|history| churn_label(history, at, *horizon_days) == 0.0)
            }
        };
        match bought {
            Some(true) => Fate::Stayed,
            Some(false) => Fate::Left,
            None => Fate::Open,
        }
    }

    /// The shop's orders say it, by the very label that the model learns.
    pub fn of_orders(
        histories: &Histories,
        horizon_days: f64,
        salt: Option<&str>,
    ) -> Result<Self, LoadError> {
        let named = histories.customers().map(|customer| {
            let (id, history) = customer?;
            Ok((Names::name(&id, salt), history))
        });
        Ok(Self::Orders {
            histories: named.collect::<Result<_, LoadError>>()?,
            known: histories.complete_through(),
            horizon_days,
        })
    }
}

/// What files say, and what of them could not be taken.
#[derive(Debug, Default)]
pub struct Uploaded {
    /// Whether customers bought.
    pub told: BTreeMap<(String, String), bool>,
    /// Rows and files that were left out, and why; no value of a row.
    pub rejected: Vec<String>,
}

/// Reads every file below [`PREFIX`]: CSV with `customer_id`, `as_of` (an instant or a day), `purchased` (0 or 1) and perhaps
/// `spend_minor`, or lines of JSON with the same. Of two rows about the same, the one of the later name counts.
pub async fn uploaded(
    files: &impl FileArchive,
    bucket: &str,
    salt: Option<&str>,
) -> Result<Uploaded, StoreError> {
    let mut uploaded = Uploaded::default();
    for file in files.list_files(bucket, PREFIX).await? {
        if file.head.size == 0 {
            continue;
        }
        let read = files.read_file(&file.place, &file.head.version, 0..file.head.size);
        let name = &file.place.key[PREFIX.len()..];
        match read.await? {
            Piece::Bytes(bytes) => uploaded.add(name, &bytes, salt),
            Piece::Changed => uploaded.reject(name, "it changed while it was read"),
        }
    }
    Ok(uploaded)
}

impl Uploaded {
    fn reject(&mut self, place: &str, reason: &str) {
        self.rejected.push(format!("{place}: {reason}"));
    }

    fn add(&mut self, name: &str, bytes: &[u8], salt: Option<&str>) {
        let text = match name.rsplit_once('.') {
            Some((_, "csv")) => Text::Csv,
            Some((_, "jsonl" | "ndjson")) => Text::JsonLines,
            _ => return self.reject(name, "neither .csv nor .jsonl"),
        };
        let mut split = Rows::new(text, &ROWS, &Limits::default());
        let mut rows = Vec::new();
        let pushed = split.push(bytes, &mut rows);
        if let Err(fault) = pushed.and_then(|()| split.finish(&mut rows)) {
            return self.reject(name, &fault.to_string());
        }
        for Row { number, body, .. } in rows {
            let told = body.map_err(|reject| reject.reason);
            let told = told.and_then(|body| read_row(&body));
            match told {
                Ok(told) => {
                    let day = told.as_of.get(..DAY).unwrap_or(&told.as_of).to_owned();
                    let customer = Names::name(&told.customer_id, salt);
                    self.told.insert((customer, day), told.purchased == 1);
                }
                Err(reason) => self.reject(&format!("{name}, row {number}"), &reason),
            }
        }
    }
}

fn read_row(body: &[u8]) -> Result<Told, String> {
    // What serde says of a wrong value may quote it.
    let told: Told = serde_json::from_slice(body).map_err(|error| {
        let kind = error.classify();
        format!("not customer_id, as_of, purchased and perhaps spend_minor: {kind:?}")
    })?;
    match told.purchased {
        0 | 1 => Ok(told),
        other => Err(format!("purchased is {other}, 0 or 1 expected")),
    }
}
