//! Answers, rejects and the report, as bytes.

use super::claim::{Claim, Counts};
use super::limits::FileFault;
use super::name::{Format, Text};
use super::ports::{FileHead, FilePlace};
use super::progress::Reasons;
use super::rows::Reject;
use super::shape::RowShape;
use crate::drift::Drift;
use crate::ports::PredictionCounts;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The first line of the answers, where the format has one.
pub fn answer_header(format: Format, shape: &RowShape) -> Vec<u8> {
    let mut line = Vec::new();
    if format == Format::Text(Text::Csv) {
        let names = shape.columns.iter().map(|column| column.name);
        write_record(
            &mut line,
            ["row", shape.id].into_iter().chain(names).map(text_cell),
        );
    }
    line
}

/// Appends the line of one answer, given as the API would answer the row. `id` is that of the request.
pub fn write_answer(
    line: &mut Vec<u8>,
    format: Format,
    shape: &RowShape,
    row: u64,
    answer: &str,
) -> Result<(), serde_json::Error> {
    match format {
        Format::Text(Text::Csv) => {
            let answer: Value = serde_json::from_str(answer)?;
            let cell = |pointer: &str| answer.pointer(pointer).map_or_else(String::new, cell);
            let id = format!("{}/{}", shape.answer, shape.id);
            let columns = shape.columns.iter().map(|column| cell(column.pointer));
            write_record(
                line,
                [row.to_string(), cell(&id)].into_iter().chain(columns),
            );
        }
        Format::Parquet => {
            let answer: Value = serde_json::from_str(answer)?;
            let id = format!("{}/{}", shape.answer, shape.id);
            let pointers = shape.columns.iter().map(|column| column.pointer);
            let values = std::iter::once(&*id).chain(pointers);
            let values: Vec<_> = values.map(|at| answer.pointer(at)).collect();
            serde_json::to_writer(&mut *line, &(row, values))?;
            line.push(b'\n');
        }
        Format::Text(Text::JsonLines) => {
            let text = part_of(answer, shape.answer)?;
            let rest = text.strip_prefix('{').unwrap_or(text);
            let comma = if rest.starts_with('}') { "" } else { "," };
            line.extend_from_slice(format!("{{\"row\":{row}{comma}{rest}\n").as_bytes());
        }
    }
    Ok(())
}

/// The text of a part of a JSON text, byte for byte, by a pointer whose names need no escapes.
pub(super) fn part_of<'a>(json: &'a str, pointer: &str) -> Result<&'a str, serde_json::Error> {
    let mut part = json;
    for step in pointer.split('/').skip(1) {
        let found = if let Ok(index) = step.parse::<usize>() {
            let items: Vec<&RawValue> = serde_json::from_str(part)?;
            items.get(index).copied()
        } else {
            let mut members: BTreeMap<&str, &RawValue> = serde_json::from_str(part)?;
            members.remove(step)
        };
        part = found.map_or("null", RawValue::get);
    }
    Ok(part)
}

/// The first line of the rejects.
pub const REJECTS_HEADER: &[u8] = b"row,column,value,reason\n";

/// Appends the line of one reject.
pub fn write_reject(line: &mut Vec<u8>, row: u64, reject: &Reject) {
    let reason = if reject.reason.starts_with(reject.kind) {
        reject.reason.clone()
    } else {
        format!("{}: {}", reject.kind, reject.reason)
    };
    let texts = [&reject.column, &reject.value, &reason].map(|text| text_cell(text));
    write_record(line, std::iter::once(row.to_string()).chain(texts));
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text_cell(text),
        // Numbers and truth values as they stand in JSON; what is nested too, which begins with a bracket.
        other => other.to_string(),
    }
}

/// A text cell that no spreadsheet takes for a formula. Source: OWASP, CSV injection.
fn text_cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn write_record(line: &mut Vec<u8>, cells: impl IntoIterator<Item = String>) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            line.push(b',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            line.push(b'"');
            line.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            line.push(b'"');
        } else {
            line.extend_from_slice(cell.as_bytes());
        }
    }
    line.push(b'\n');
}

/// What became of a file.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// `scored`, or `quarantined`: the file as a whole could not be scored, and no row of it was.
    pub outcome: &'static str,
    /// Why it was not scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault<'a>>,
    /// The function.
    pub function: &'static str,
    /// The upload.
    pub input: Input<'a>,
    /// `rows` is the sum of the other two.
    #[serde(flatten)]
    pub counts: Counts,
    /// Lines that were grouped into the rows, of a file of order lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_lines: Option<u64>,
    /// Rejected rows by kind of reason.
    pub rejected_by_reason: &'a Reasons,
    /// The model that scored every row.
    pub model_version: &'a str,
    /// The policy that decided on every row.
    pub policy_sha256: &'a str,
    /// The model's columns.
    pub feature_fingerprint: &'a str,
    /// The instant asked about unless a row said otherwise.
    pub as_of: String,
    /// How often the file was begun.
    pub attempt: u32,
    /// How often it did not fit into an invocation and was continued by the next one.
    pub continued: u32,
    /// Milliseconds spent by the last attempt, and by the invocations that it continues.
    pub duration_ms: i64,
    /// The same in the unit that Lambda bills: seconds times memory, a gigabyte being 1024 megabytes. Attempts that failed,
    /// and the starts of environments, are not in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gb_seconds: Option<f64>,
    /// How far its rows are from those of training, where the model knows and there are enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<&'a Drift>,
    /// Of a chunk of the whole base: its rows in the bins of training, which the report of the run adds up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Box<RawValue>>,
    /// What became of the scored rows in the store of last predictions, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predictions: Option<PredictionCounts>,
    /// Keys of the outputs, in the bucket of the upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
}

/// Why a file was not scored.
#[derive(Debug, Serialize)]
pub struct Fault<'a> {
    /// Stable.
    pub kind: &'static str,
    /// In words.
    pub detail: &'a str,
}

/// The upload.
#[derive(Debug, Serialize)]
pub struct Input<'a> {
    bucket: &'a str,
    key: &'a str,
    etag: &'a str,
    /// Of a chunk of the whole base, whose content it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
    bytes: u64,
}

impl<'a> Input<'a> {
    /// Of a file; `sha256` where that is known.
    pub fn of(place: &'a FilePlace, head: &'a FileHead, sha256: Option<&'a str>) -> Self {
        Self {
            bucket: &place.bucket,
            key: &place.key,
            etag: &head.version.etag,
            sha256,
            version_id: head.version.version_id.as_deref(),
            bytes: head.size,
        }
    }
}

/// Keys of the outputs.
#[derive(Debug, Serialize)]
pub struct Outputs {
    /// Answers.
    pub scored: String,
    /// Rejected rows.
    pub rejects: String,
}

impl<'a> Report<'a> {
    /// Puts model, instant and attempt of a claim beside what came of it.
    pub fn of(
        claim: &'a Claim,
        function: &'static str,
        fingerprint: &'a str,
        input: Input<'a>,
    ) -> Self {
        static NO_REJECTS: Reasons = Reasons::new();
        Self {
            outcome: "scored",
            fault: None,
            function,
            input,
            counts: Counts::default(),
            order_lines: None,
            rejected_by_reason: &NO_REJECTS,
            model_version: &claim.pins.model.version,
            policy_sha256: &claim.pins.policy.sha256,
            feature_fingerprint: fingerprint,
            as_of: crate::wire::format_instant(features::time::Timestamp(claim.as_of_seconds)),
            attempt: claim.attempt,
            continued: 0,
            duration_ms: 0,
            gb_seconds: None,
            drift: None,
            seen: None,
            predictions: None,
            outputs: None,
        }
    }

    /// The same for a file that was not scored.
    #[must_use]
    pub fn refused(self, fault: &'a FileFault) -> Self {
        let FileFault { kind, detail } = fault;
        Self {
            outcome: "quarantined",
            fault: Some(Fault { kind, detail }),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::shape::Column;

    static SHAPE: RowShape = RowShape {
        list: Some("skus"),
        id: "sku_id",
        kind: "thing",
        whole: &[],
        fields: &[],
        around: &[],
        order_lines: None,
        answer: "/results/0",
        columns: &[
            Column::text("state", "/results/0/state"),
            Column::number("gain", "/results/0/plan/gain"),
            Column::text("version", "/version"),
        ],
        key: |_| None,
    };

    fn line(format: Format, answer: &str) -> String {
        let mut line = answer_header(format, &SHAPE);
        write_answer(&mut line, format, &SHAPE, 2, answer).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn cells_are_escaped_and_numbers_stay_numbers() {
        let answer = r#"{"version":"v,1","results":[{"sku_id":"=cmd|'/C calc'!A0","state":"say \"so\"","plan":{"gain":-0.10}}]}"#;
        assert_eq!(
            line(Format::Text(Text::Csv), answer),
            "row,sku_id,state,gain,version\n2,'=cmd|'/C calc'!A0,\"say \"\"so\"\"\",-0.1,\"v,1\"\n"
        );
        for start in ["=", "+", "-", "@", "\t", "\r"] {
            assert_eq!(text_cell(&format!("{start}1")), format!("'{start}1"));
        }
        assert_eq!(text_cell("1-1"), "1-1");
    }

    #[test]
    fn a_line_holds_the_answer_byte_for_byte() {
        let answer = r#"{"version":"v","results":[{"sku_id":"1","value":0.30000001192092896,"deep":{"a":[1e-7]}}]}"#;
        assert_eq!(
            line(Format::Text(Text::JsonLines), answer),
            "{\"row\":2,\"sku_id\":\"1\",\"value\":0.30000001192092896,\"deep\":{\"a\":[1e-7]}}\n"
        );
        assert_eq!(
            line(Format::Text(Text::JsonLines), r#"{"results":[{}]}"#),
            "{\"row\":2}\n"
        );
    }
}
