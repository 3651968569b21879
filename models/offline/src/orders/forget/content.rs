//! One content of one file: whether a customer is in it, and what it is without.

use super::places::{Holds, Place};
use crate::ingest::{Cut, LoadError, tables_of};
use crate::shop::{Layout, Shop};
use inventory::Inventory;
use serde_json::Value;
use serving::batch::limits::Limits;
use serving::batch::name::Packing;
use serving::batch::pack::{Form, Packer, Unwritten};
use serving::batch::unpack::Unpacker;
use serving::prediction_log::hashed;
use serving::predictor::Predictor;
use std::path::Path;

/// A file that unpacks to more is not looked into.
const MOST_BYTES: u64 = 2 << 30;
/// A row of a file to score may be longer than one of orders.
const MOST_ROW_BYTES: usize = 8 << 20;
/// Digits of a hash in the log of predictions.
const HASH_DIGITS: usize = 64;
/// Fewer characters of a value that was cut short tell nobody from others.
const LEAST_OF_A_CUT_VALUE: usize = 20;

/// What is in a content.
pub(super) enum Look {
    Nobody,
    /// So many rows of the customer, and the content without them.
    Rows(u64, Vec<u8>),
    /// The customer, but no rows to take out.
    Whole,
    /// It could not be looked into.
    Unclear(String),
}

/// Looks for one customer in the files of one place.
pub(super) struct Reader<'a> {
    shop: &'a Shop,
    pub(super) place: &'a Place,
    customer_id: &'a str,
    /// The key of the hashes in the log of predictions.
    salt: Option<&'a str>,
    /// Where files lie while they are read.
    folder: &'a Path,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        shop: &'a Shop,
        place: &'a Place,
        customer_id: &'a str,
        salt: Option<&'a str>,
        folder: &'a Path,
    ) -> Self {
        Self {
            shop,
            place,
            customer_id,
            salt,
            folder,
        }
    }

    /// Looks at the content of a key.
    pub(super) fn look(&self, key: &str, bytes: &[u8]) -> Result<Look, LoadError> {
        let packing = packing_of(bytes);
        let (text, is_whole) = match unpacked(packing, bytes) {
            Ok(unpacked) => unpacked,
            Err(reason) => return Ok(Look::Unclear(reason)),
        };
        let full_name = &key[self.place.prefix.len()..];
        let name = full_name.trim_end_matches(".gz").trim_end_matches(".zst");
        let found = match self.kind(full_name, name) {
            _ if !is_whole => self.opaque(&text),
            Kind::Unfinished => Look::Whole,
            Kind::Others => Look::Nobody,
            Kind::Opaque => self.opaque(&text),
            Kind::Json => self.json(&text),
            Kind::JsonLines => self.json_lines(&text, |value| self.is_named(value)),
            Kind::Predictions => self.predictions(&text),
            Kind::Orders => {
                let column = &self.shop.orders.columns.customer_id;
                self.rows(&self.shop.orders.layout, &[column], name, &text)?
            }
            Kind::Answers => self.rows(&of_answers(), &["customer_id"], name, &text)?,
            Kind::Rejects => self.rows(&of_answers(), &["column", "value"], name, &text)?,
        };
        Ok(match found {
            Look::Rows(0, _) => Look::Nobody,
            Look::Rows(rows, rest) => match packed(packing, &rest) {
                Ok(rest) => Look::Rows(rows, rest),
                Err(error) => Look::Unclear(error.to_string()),
            },
            other => other,
        })
    }

    /// Patterns of the shop are about the whole name, endings of our own files about the name without its packing.
    fn kind(&self, full_name: &str, name: &str) -> Kind {
        let ends = |ending: &str| name.to_ascii_lowercase().ends_with(ending);
        match self.place.holds {
            Holds::Unfinished => Kind::Unfinished,
            Holds::Predictions => Kind::Predictions,
            Holds::Orders => match &tables_of(self.shop, full_name)[..] {
                [] => Kind::Opaque,
                tables if tables.contains(&"orders") => Kind::Orders,
                _ => Kind::Others,
            },
            _ if ends(".rejects.csv") => Kind::Rejects,
            _ if ends(".json") => Kind::Json,
            _ if ends(".jsonl") || ends(".ndjson") => Kind::JsonLines,
            Holds::Plans => Kind::Others,
            Holds::Answers | Holds::Skus if ends(".csv") || ends(".parquet") => Kind::Answers,
            Holds::Answers | Holds::Skus | Holds::Verdicts => Kind::Opaque,
        }
    }

    /// Rows whose columns say it; without such columns the file is one piece.
    fn rows(
        &self,
        layout: &Layout,
        columns: &[&str],
        name: &str,
        text: &[u8],
    ) -> Result<Look, LoadError> {
        let path = self.folder.join("content");
        let place = || format!("write {}", path.display());
        std::fs::write(&path, text).map_err(LoadError::io(place()))?;
        let customer_column = &self.shop.orders.columns.customer_id;
        let goes = |cells: &[String]| match cells {
            // Without a column, the value is the row as it stood in the file.
            [column, value] if column.is_empty() => {
                holds_word(value.as_bytes(), self.customer_id) || self.ends_in_cut_id(value)
            }
            [column, value] => {
                (column == "customer_id" || column == customer_column) && self.is_cut_id(value)
            }
            cells => cells.iter().any(|cell| self.is_id(cell)),
        };
        let cut = Cut {
            layout,
            columns,
            goes: &goes,
            goes_whole: &|bytes| holds_word(bytes, self.customer_id),
        };
        let cut = cut.file(&path, name);
        std::fs::remove_file(&path).map_err(LoadError::io(place()))?;
        match cut {
            Ok(rest) => Ok(Look::Rows(rest.rows, rest.bytes)),
            Err(error @ LoadError::Io { .. }) => Err(error),
            Err(LoadError::Column { times, found, .. })
                if self.place.holds == Holds::Skus && times == 0 && are_of_skus(&found) =>
            {
                Ok(Look::Nobody)
            }
            Err(_) => Ok(self.opaque(text)),
        }
    }

    fn json_lines(&self, text: &[u8], is_theirs: impl Fn(&Value) -> bool) -> Look {
        let (mut rows, mut rest) = (0, Vec::with_capacity(text.len()));
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            let goes = match serde_json::from_slice::<Value>(line) {
                Ok(value) => is_theirs(&value),
                Err(_) => holds_word(line, self.customer_id),
            };
            if goes {
                rows += 1;
            } else {
                rest.extend_from_slice(line);
            }
        }
        Look::Rows(rows, rest)
    }

    /// Lines of the customer, by id or by hash; without the salt, nobody can say whose a hash is.
    fn predictions(&self, text: &[u8]) -> Look {
        let hash = self.salt.map(|salt| hashed(salt, self.customer_id));
        let entity = |value: &Value| value["entity"].as_str().map(str::to_owned);
        let values = text.split(|&byte| byte == b'\n');
        let mut entities = values.filter_map(|line| entity(&serde_json::from_slice(line).ok()?));
        let is_hash = |entity: String| {
            entity.len() == HASH_DIGITS && entity.bytes().all(|digit| digit.is_ascii_hexdigit())
        };
        if hash.is_none() && entities.any(is_hash) {
            let reason = "it holds hashes, and STORECAST_PREDICTION_LOG_SALT does not say of whom";
            return Look::Unclear(reason.to_owned());
        }
        self.json_lines(text, |value| {
            let found = entity(value);
            found.as_deref() == Some(self.customer_id) || (found.is_some() && found == hash)
        })
    }

    /// Whether a `customer_id` anywhere in it is the customer's.
    fn is_named(&self, value: &Value) -> bool {
        match value {
            Value::Object(fields) => fields.iter().any(|(name, value)| match value {
                Value::String(text) if name == "customer_id" => self.is_id(text),
                Value::Number(number) if name == "customer_id" => self.is_id(&number.to_string()),
                value => self.is_named(value),
            }),
            Value::Array(values) => values.iter().any(|value| self.is_named(value)),
            _ => false,
        }
    }

    /// A report holds no rows: a text of it that is the customer's id, and nothing else, gives it away.
    fn json(&self, text: &[u8]) -> Look {
        fn texts(value: &Value, is_it: &dyn Fn(&str) -> bool) -> bool {
            match value {
                Value::String(text) => is_it(text),
                Value::Array(values) => values.iter().any(|value| texts(value, is_it)),
                Value::Object(fields) => fields.values().any(|value| texts(value, is_it)),
                _ => false,
            }
        }
        match serde_json::from_slice::<Value>(text) {
            Ok(value) if texts(&value, &|text| self.is_id(text)) => Look::Whole,
            Ok(_) => Look::Nobody,
            Err(_) => self.opaque(text),
        }
    }

    /// Of what cannot be cut into rows: whether the id stands in it as a word.
    fn opaque(&self, bytes: &[u8]) -> Look {
        if bytes.starts_with(b"PAR1") {
            let reason = "Parquet that cannot be read row by row; look yourself, and remove it";
            return Look::Unclear(reason.to_owned());
        }
        let wide = |encode: fn(u16) -> [u8; 2]| {
            let id: Vec<u8> = self.customer_id.encode_utf16().flat_map(encode).collect();
            bytes.windows(id.len().max(1)).any(|some| some == id)
        };
        let found =
            holds_word(bytes, self.customer_id) || wide(u16::to_le_bytes) || wide(u16::to_be_bytes);
        if found { Look::Whole } else { Look::Nobody }
    }

    /// An id as it is, or behind the mark that keeps it from being a formula.
    fn is_id(&self, text: &str) -> bool {
        let text = text.trim();
        text == self.customer_id || text.strip_prefix('\'') == Some(self.customer_id)
    }

    /// A value of a reject, which may have been cut short.
    fn is_cut_id(&self, text: &str) -> bool {
        let text = text.trim();
        let text = text.strip_prefix('\'').unwrap_or(text);
        let is_long = |cut: &&str| cut.chars().count() >= LEAST_OF_A_CUT_VALUE;
        let cut = before_the_cut(text).filter(is_long);
        self.is_id(text) || cut.is_some_and(|cut| self.customer_id.starts_with(cut))
    }

    /// A row of a reject that was cut short in the middle of the id.
    fn ends_in_cut_id(&self, text: &str) -> bool {
        let Some(cut) = before_the_cut(text.trim()) else {
            return false;
        };
        let ends = self.customer_id.char_indices().map(|(end, _)| end);
        ends.skip(LEAST_OF_A_CUT_VALUE)
            .any(|end| cut.ends_with(&self.customer_id[..end]))
    }
}

enum Kind {
    Orders,
    Answers,
    Rejects,
    Json,
    JsonLines,
    Predictions,
    /// Rows that name no customer.
    Others,
    /// Packed, whosever it is.
    Unfinished,
    Opaque,
}

/// Whether all of these are columns that inventory takes: then a file without the customer's names nobody.
fn are_of_skus(names: &str) -> bool {
    let shape = Inventory::rows();
    let lines = shape.and_then(|shape| shape.order_lines);
    let shapes = [shape, lines.map(|lines| &lines.line)];
    let is_taken = |name: &str| {
        let mut shapes = shapes.iter().flatten();
        shapes.any(|shape| shape.field(name).is_some())
    };
    names.split(", ").all(|name| is_taken(name.trim()))
}

fn of_answers() -> Layout {
    Layout {
        max_record_bytes: MOST_ROW_BYTES,
        ..Layout::default()
    }
}

/// What is left of a value that was cut short.
fn before_the_cut(text: &str) -> Option<&str> {
    text.strip_suffix("...").or_else(|| text.strip_suffix('…'))
}

/// Where a text begins in bytes.
fn places_of<'a>(text: &'a [u8], bytes: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let starts = bytes.windows(text.len().max(1)).enumerate();
    starts
        .filter(move |(_, some)| *some == text)
        .map(|(at, _)| at)
}

/// Whether an id stands anywhere in bytes.
pub(super) fn holds(bytes: &[u8], id: &str) -> bool {
    places_of(id.as_bytes(), bytes).next().is_some()
}

/// Whether an id stands in bytes with nothing of a word before and after it.
fn holds_word(bytes: &[u8], id: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
    places_of(id.as_bytes(), bytes).any(|at| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at + id.len());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn packing_of(bytes: &[u8]) -> Packing {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        Packing::Gzip
    } else if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Packing::Zstandard
    } else {
        Packing::Plain
    }
}

/// The bytes, and whether they are all there: of a damaged archive they are those before the damage.
fn unpacked(packing: Packing, bytes: &[u8]) -> Result<(Vec<u8>, bool), String> {
    let limits = Limits {
        unpacked_bytes: MOST_BYTES,
        ..Limits::default()
    };
    let mut unpacker = Unpacker::new(packing, limits).map_err(|fault| fault.to_string())?;
    let (mut rest, mut text) = (bytes, Vec::new());
    while !rest.is_empty() {
        match unpacker.step(rest, &mut text) {
            Ok(taken) => rest = &rest[taken..],
            Err(fault) if fault.kind == "damaged" => return Ok((text, false)),
            Err(fault) => return Err(fault.to_string()),
        }
    }
    let is_whole = unpacker.finish(&mut text).is_ok();
    Ok((text, is_whole))
}

fn packed(packing: Packing, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let member_bytes = Limits::default().member_bytes;
    let mut packer = Packer::new(Form::Bytes(packing), member_bytes, Unwritten::default());
    packer.write(bytes)?;
    packer.finish()
}
