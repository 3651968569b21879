//! What became of customers: from files that say it, or from the shop's own orders.

use crate::histories::Histories;
use crate::ingest::LoadError;
use crate::replay::Names;
use crate::treated::instant;
use churn::churn_label;
use features::history::CustomerHistory;
use features::time::Timestamp;
use serde::Deserialize;
use serving::batch::limits::Limits;
use serving::batch::name::Text;
use serving::batch::ports::FileArchive;
use serving::batch::rows::{Row, Rows};
use serving::batch::shape::{Column, Field, RowShape};
use serving::error::{CallerError, Error};
use serving::ports::StoreError;
use serving::wire::{check_id, format_instant, parse_body};
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
    order_lines: None,
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
        let name = &file.place.key[PREFIX.len()..];
        // A folder's marker.
        if name.is_empty() || name.ends_with('/') {
            continue;
        }
        match files.read_all(&file.place, &file.head).await? {
            Some(bytes) => uploaded.add(name, &bytes, salt),
            None => uploaded.reject(name, "it changed while it was read"),
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
                Ok((told, day)) => {
                    let customer = Names::name(&told.customer_id, salt);
                    self.told.insert((customer, day), told.purchased == 1);
                }
                Err(reason) => self.reject(&format!("{name}, row {number}"), &reason),
            }
        }
    }
}

/// A row, and the day that it is about: in UTC, as predictions have it. No reason has a value that may be an id in the wrong column.
fn read_row(body: &[u8]) -> Result<(Told, String), String> {
    let told: Told = parse_body(body).map_err(|error| refused(&error))?;
    let id = check_id(&told.customer_id, "/customer_id");
    let at = instant(&told.as_of, "/as_of");
    let at = id.and(at).map_err(|error| refused(&error.into()))?;
    let mut day = format_instant(at);
    day.truncate(DAY);
    match told.purchased {
        0 | 1 => Ok((told, day)),
        other => Err(format!("purchased is {other}, 0 or 1 expected")),
    }
}

/// What is wrong with a row: the column and what belongs there.
fn refused(error: &Error) -> String {
    let Error::Caller(
        CallerError::Shape { pointer, reason } | CallerError::Value { pointer, reason },
    ) = error
    else {
        return error.to_string();
    };
    let expected = match pointer.as_str() {
        "/customer_id" => "a text of 1 to 256 bytes",
        "/as_of" => "an instant with an offset (RFC 3339) or a day",
        "/purchased" => "0 or 1",
        "/spend_minor" => "a whole number of minor units",
        // A field that is missing, or unknown: its name.
        _ => return reason.clone(),
    };
    format!("{}: {expected} expected", &pointer[1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serving::batch::MemoryFiles;
    use serving::batch::ports::{FilePlace, FileStore};

    async fn uploaded_of(files: &[(&str, &str)]) -> Uploaded {
        let store = MemoryFiles::default();
        for (name, text) in files {
            let place = FilePlace {
                bucket: "b".to_owned(),
                key: format!("{PREFIX}{name}"),
            };
            store
                .put_file(&place, text.to_string().into())
                .await
                .unwrap();
        }
        uploaded(&store, "b", None).await.unwrap()
    }

    fn told(uploaded: &Uploaded) -> Vec<(&str, &str, bool)> {
        let told = uploaded.told.iter();
        told.map(|((id, day), bought)| (id.as_str(), day.as_str(), *bought))
            .collect()
    }

    #[tokio::test]
    async fn sheets_and_lines_tell_who_bought() {
        let sheet = "\u{feff}purchased,customer_id,as_of,spend_minor\r\n1,\"K,1\",2026-01-31,250\r\n\r\n0,=K2,2026-01-31T23:59:59Z,\r\n";
        let lines = "{\"customer_id\":\"K3\",\"as_of\":\"2026-02-01T00:30:00+01:00\",\"purchased\":1,\"spend_minor\":null}\n\n\
             {\"customer_id\":\"K,1\",\"as_of\":\"2026-01-31\",\"purchased\":0}";
        let found = uploaded_of(&[
            ("", ""),
            ("june/", ""),
            ("a.csv", sheet),
            ("b.jsonl", lines),
        ])
        .await;
        assert_eq!(found.rejected, [""; 0]);
        let day = "2026-01-31";
        // Of two about the same, the later name counts; a day is one of UTC, as in the log.
        let expected = [("=K2", day, false), ("K,1", day, false), ("K3", day, true)];
        assert_eq!(told(&found), expected);
        let truth = Truth::Told(found.told);
        let fate = |id: &str, as_of: &str| truth.fate(id, as_of, Timestamp(0));
        assert_eq!(fate("K3", "2026-01-31T04:00:00Z"), Fate::Stayed);
        assert_eq!(fate("K,1", "2026-01-31T04:00:00Z"), Fate::Left);
        assert_eq!(fate("K,1", "2026-02-01T04:00:00Z"), Fate::Open);
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_by_file_row_and_column_without_ids() {
        let sheet = "customer_id,as_of,purchased,spend_minor\n\
            jane,2026-01-31,2,\njane,2026-01-31,jane,\njane,jane,1,\n,2026-01-31,1,\n\
            jane,2026-01-31,,\njane,2026-01-31,1,jane\njane,2026-01-31\njane,2026-01-31,300,\njane,2026-02-30,1,\nfine,2026-01-31,1,2\n";
        let lines = "{\"customer_id\":7,\"as_of\":\"2026-01-31\",\"purchased\":1}\n\
            {\"customer_id\":\"\",\"as_of\":\"2026-01-31\",\"purchased\":1}\n\
            {\"customer_id\":\"jane\",\"as_of\":\"2026-01-31\",\"purchased\":true}\n[\"jane\",\"2026-01-31\",1,null]\n\
            {\"customer_id\":\"jane\",\"as_of\":\"2026-01-31\",\"purchased\":1,\"colour\":1}\njane";
        let found = uploaded_of(&[
            ("a.csv", sheet),
            ("b.ndjson", lines),
            ("c.csv", "customer_id,bought\nK1,1\n"),
            ("d.csv", "customer_id,as_of,purchased\n"),
            ("e.csv", ""),
            ("f.xlsx", "PK"),
        ])
        .await;
        assert_eq!(told(&found), [("fine", "2026-01-31", true)]);
        let day = "as_of: an instant with an offset (RFC 3339) or a day expected";
        let id = "customer_id: a text of 1 to 256 bytes expected";
        let expected = [
            "a.csv, row 2: purchased is 2, 0 or 1 expected",
            "a.csv, row 3: purchased: 0 or 1 expected",
            &format!("a.csv, row 4: {day}"),
            "a.csv, row 5: missing field `customer_id`",
            "a.csv, row 6: missing field `purchased`",
            "a.csv, row 7: spend_minor: a whole number of minor units expected",
            "a.csv, row 8: 2 columns instead of 4",
            "a.csv, row 9: purchased: 0 or 1 expected",
            &format!("a.csv, row 10: {day}"),
            &format!("b.ndjson, row 1: {id}"),
            &format!("b.ndjson, row 2: {id}"),
            "b.ndjson, row 3: purchased: 0 or 1 expected",
            "b.ndjson, row 4: a row is a JSON object",
            "b.ndjson, row 5: unknown field `colour`, expected one of `customer_id`, `as_of`, `purchased`, `spend_minor`",
            "b.ndjson, row 6: expected value at line 1 column 1",
            "c.csv: wrong columns: \"bought\" is no column, allowed: customer_id, as_of, purchased, spend_minor",
            "d.csv: no rows: there is a header and no row",
            "e.csv: empty: there is nothing in the file",
            "f.xlsx: neither .csv nor .jsonl",
        ];
        assert_eq!(found.rejected, expected);
    }
}
