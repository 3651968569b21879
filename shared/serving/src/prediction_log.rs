//! Predictions kept for later: what was asked, the columns and scores bit for bit, and what was decided.
//!
//! A share of the entities is kept, drawn by a hash of the id with a salt of its own, so that an entity is in or out as a
//! whole. A line holds no id unless the shop wants it: a keyed hash stands for it, which only who has the salt can make
//! again. Kept are predictions that can be looked at again: about one known entity, by a history of the store, scored by the
//! model.

use crate::arms::position;
use crate::batch::ports::FilePlace;
use crate::batch::shape::RowShape;
use crate::predictor::{Predictor, Scored, Served};
use crate::wire::format_instant;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use features::feature_set::hex;
use features::matrix::Matrix;
use features::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::Sha256;

/// What all keys begin with.
pub const PREFIX: &str = "predictions/";
/// Fewest bytes of a salt: shorter ones can be tried out.
pub const LEAST_SALT_BYTES: usize = 16;

/// Which predictions are kept, where, and how their entities are named.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionLog {
    /// The bucket.
    pub bucket: String,
    /// Share of the entities, 0 to 1.
    pub share: f64,
    /// The key of the hashes, at least [`LEAST_SALT_BYTES`] long; who has it can tell whose lines they are.
    pub salt: String,
    /// Whether lines hold ids as they are.
    pub with_ids: bool,
}

impl PredictionLog {
    /// Whether an entity is one of those that are kept.
    pub fn takes(&self, entity_id: &str) -> bool {
        position(&format!("prediction log\n{}", self.salt), entity_id) < self.share
    }

    /// What stands for an entity in a line.
    pub fn name(&self, entity_id: &str) -> String {
        if self.with_ids {
            entity_id.to_owned()
        } else {
            hashed(&self.salt, entity_id)
        }
    }

    /// Where lines of a day go; `name` tells one request, or one chunk of a file, from all others.
    pub fn place(&self, function: &str, now: Timestamp, name: &str) -> FilePlace {
        let day = format_instant(now);
        let day = day.get(..10).unwrap_or("unknown");
        FilePlace {
            bucket: self.bucket.clone(),
            key: format!("{}{day}/{name}.jsonl", prefix_of(function)),
        }
    }
}

/// What the keys of a function begin with.
pub fn prefix_of(function: &str) -> String {
    format!("{PREFIX}{function}/")
}

/// HMAC-SHA-256 of an id, in hexadecimal digits. Source: RFC 2104.
///
/// ```
/// use serving::prediction_log::hashed;
/// assert_eq!(hashed("a secret of a shop", "42"), hashed("a secret of a shop", "42"));
/// assert_ne!(hashed("a secret of a shop", "42"), hashed("another of that shop", "42"));
/// ```
pub fn hashed(salt: &str, entity_id: &str) -> String {
    // A key may have any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(salt.as_bytes()) else {
        return String::new();
    };
    mac.update(entity_id.as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// What a predictor says of its answer to one case.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// As a request names it.
    pub entity_id: String,
    /// What else of the request its columns depend on: fields of a request, and their values.
    pub asked: Map<String, Value>,
    /// The instant or day answered for, as a request may name it.
    pub as_of: String,
    /// Up to when events were known.
    pub complete_through: Option<String>,
    /// Version of the policy that decided.
    pub policy_version: String,
    /// What outcomes are held against.
    pub answered: Value,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedPrediction {
    /// The predictor's name.
    pub function: String,
    /// What stands for the entity, see [`PredictionLog::name`].
    pub entity: String,
    /// What else of the request the columns depend on.
    pub asked: Map<String, Value>,
    /// The instant or day answered for.
    pub as_of: String,
    /// Up to when events were known.
    pub complete_through: Option<String>,
    /// Version of the model that answered.
    pub model_version: String,
    /// Whether that was a canary.
    pub by_canary: bool,
    /// Fingerprint of its columns.
    pub fingerprint: String,
    /// Version of the policy that decided.
    pub policy_version: String,
    /// Base64 of the float32 values of all rows, one row after the other, least byte first.
    pub rows: String,
    /// Base64 of the float64 raw scores, one per row, least byte first.
    pub raw: String,
    /// What was answered and decided, as far as outcomes are held against it.
    pub answered: Value,
}

impl LoggedPrediction {
    /// Columns and raw scores as they were; `None` when they are not of so many columns.
    pub fn scored(&self, columns: usize) -> Option<Scored> {
        let values = BASE64_STANDARD.decode(&self.rows).ok()?;
        let raw = BASE64_STANDARD.decode(&self.raw).ok()?;
        let (values, odd) = values.as_chunks();
        let (raw, odd_raw) = raw.as_chunks();
        let rows = Matrix::from_values(
            columns,
            values.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        )?;
        let raw: Vec<f64> = raw.iter().map(|b| f64::from_le_bytes(*b)).collect();
        let fits = odd.is_empty() && odd_raw.is_empty() && rows.row_count() == raw.len();
        fits.then_some(Scored { raw, rows })
    }

    /// The request that asks the same about an entity, as JSON.
    pub fn request(&self, shape: &RowShape, entity_id: &str) -> Vec<u8> {
        let mut entity = self.asked.clone();
        entity.insert(shape.id.to_owned(), entity_id.into());
        let as_of = Value::from(self.as_of.as_str());
        let body = if let Some(list) = shape.list {
            json!({ list: [entity], "as_of": as_of })
        } else {
            entity.insert("as_of".to_owned(), as_of);
            Value::from(entity)
        };
        body.to_string().into_bytes()
    }
}

/// The lines of an answer.
pub(crate) fn lines<P: Predictor>(
    log: &PredictionLog,
    kept: Vec<Option<Kept>>,
    scored: &[Scored],
    served: &Served<P>,
    by_canary: bool,
) -> Vec<LoggedPrediction> {
    let kept = kept.into_iter().zip(scored);
    let line = |(kept, scored): (Option<Kept>, &Scored)| {
        let kept = kept.filter(|kept| !scored.raw.is_empty() && log.takes(&kept.entity_id))?;
        let values = scored.rows.rows().flatten();
        let values: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
        let raw: Vec<u8> = scored
            .raw
            .iter()
            .flat_map(|raw| raw.to_le_bytes())
            .collect();
        let manifest = &served.model.manifest;
        Some(LoggedPrediction {
            function: P::NAME.to_owned(),
            entity: log.name(&kept.entity_id),
            asked: kept.asked,
            as_of: kept.as_of,
            complete_through: kept.complete_through,
            model_version: manifest.version.clone(),
            by_canary,
            fingerprint: manifest.features.fingerprint.clone(),
            policy_version: kept.policy_version,
            rows: BASE64_STANDARD.encode(values),
            raw: BASE64_STANDARD.encode(raw),
            answered: kept.answered,
        })
    };
    kept.filter_map(line).collect()
}

/// Lines as a file holds them.
pub fn as_file(lines: &[LoggedPrediction]) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    Ok(text)
}
