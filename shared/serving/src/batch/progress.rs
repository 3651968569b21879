//! What is done of a file that did not fit into one invocation.
//!
//! The claim names it by its SHA-256 and the bucket holds it: a line of JSON, then the bytes of both outputs that make no
//! part yet. All else is in the store already, as parts of outputs that nobody sees before they are complete.

use super::claim::Counts;
use super::parquet::write::Written;
use super::ports::Part;
use super::rows::Bookmark;
use crate::drift::Seen;
use crate::ports::PredictionCounts;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Rows by kind of reason.
pub type Reasons = BTreeMap<Cow<'static, str>, u64>;

/// How far a file is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Names of the answers' columns: another version of the code may have others, and nothing is then continued.
    pub columns: Vec<Cow<'static, str>>,
    /// Where the next row begins.
    pub place: Bookmark,
    /// Rows that are done.
    pub counts: Counts,
    /// Rejected ones among them.
    pub reasons: Reasons,
    /// Scored ones in the bins of training.
    #[serde(default)]
    pub seen: Seen,
    /// What became of them in the store of last predictions, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<PredictionCounts>,
    /// Answers.
    pub scored: Grown,
    /// Rejects.
    pub rejects: Grown,
}

/// How far an output is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grown {
    /// The upload in parts, once there is one.
    pub upload: Option<String>,
    /// Its parts.
    pub parts: Vec<Part>,
    /// Row groups that were packed, of a table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Written>,
    /// Bytes that are not packed yet.
    #[serde(skip)]
    pub held: Vec<u8>,
    /// Bytes that make no part yet.
    #[serde(skip)]
    pub ready: Vec<u8>,
}

impl Progress {
    /// As the bucket holds it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let pieces = [&self.scored, &self.rejects].map(|grown| [&grown.held, &grown.ready]);
        let lengths = pieces.map(|pieces| pieces.map(Vec::len));
        let mut bytes = serde_json::to_vec(&(lengths, self))?;
        bytes.push(b'\n');
        for piece in pieces.into_iter().flatten() {
            bytes.extend_from_slice(piece);
        }
        Ok(bytes)
    }

    /// Reads what [`Progress::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (head, mut rest) = (&bytes[..end], &bytes[end + 1..]);
        let (lengths, mut progress): ([[usize; 2]; 2], Self) = serde_json::from_slice(head).ok()?;
        let mut take = |length: usize| {
            let (piece, behind) = rest.split_at_checked(length)?;
            rest = behind;
            Some(piece.to_vec())
        };
        for (grown, [held, ready]) in [&mut progress.scored, &mut progress.rejects]
            .into_iter()
            .zip(lengths)
        {
            grown.held = take(held)?;
            grown.ready = take(ready)?;
        }
        rest.is_empty().then_some(progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_survives_its_bytes_and_nothing_else_is_read() {
        let grown = |text: &[u8]| Grown {
            upload: Some("u".to_owned()),
            parts: vec![Part {
                number: 1,
                tag: "t".to_owned(),
            }],
            groups: Vec::new(),
            held: text.to_vec(),
            ready: b"\n\0ready".to_vec(),
        };
        let progress = Progress {
            columns: vec!["state".into()],
            place: Bookmark {
                offset: 7,
                number: 2,
                header: vec!["sku_id".to_owned()],
                is_grouped: false,
            },
            counts: Counts::default(),
            reasons: Reasons::from([("failed".into(), 3)]),
            seen: Seen::default(),
            predictions: Some(PredictionCounts::default()),
            scored: grown(b"{}\n"),
            rejects: grown(b""),
        };
        let bytes = progress.to_bytes().unwrap();
        assert_eq!(Progress::from_bytes(&bytes), Some(progress));
        for end in 0..bytes.len() {
            assert_eq!(Progress::from_bytes(&bytes[..end]), None);
        }
        assert_eq!(Progress::from_bytes(&[&bytes[..], b"x"].concat()), None);
    }
}
