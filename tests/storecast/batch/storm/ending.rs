//! What must be there when the storm is over: of each file what one undisturbed run makes of its last content.

use super::super::answered_tables::answers;
use super::*;
use serde_json::Value;
use serving::ports::{LastPrediction, PredictionStore};

/// How old the data is depends on when the file was begun.
fn without_age(line: &str) -> String {
    let mut parsed = serde_json::from_str::<Value>(line).unwrap_or_default();
    if parsed.is_object() {
        parsed["data_age_days"].take();
        return parsed.to_string();
    }
    line.to_owned()
}

/// Answers as lines, however they are packed.
fn lines(name: &str, bytes: Bytes) -> Vec<String> {
    if name.ends_with(".parquet") {
        let (_, rows) = answers(bytes);
        let line = |row: Vec<Value>| Value::from(row).to_string();
        return rows.into_iter().map(line).collect();
    }
    let unpacked = match name.rsplit('.').next() {
        Some("gz") => {
            let mut unpacked = Vec::new();
            let mut reader = flate2::read::MultiGzDecoder::new(&bytes[..]);
            std::io::Read::read_to_end(&mut reader, &mut unpacked).expect("gzip");
            unpacked
        }
        Some("zst") => zstd::decode_all(&bytes[..]).expect("Zstandard"),
        _ => bytes.to_vec(),
    };
    let text = String::from_utf8(unpacked).expect("UTF-8");
    text.lines().map(without_age).collect()
}

fn report(files: &MemoryFiles, rest: &str) -> Value {
    let report = files.file(&place(&format!("scored/{rest}.report.json")));
    let report = report.unwrap_or_else(|| panic!("no report of {rest}"));
    serde_json::from_slice(&report).expect("JSON")
}

/// What is there of a file is what one undisturbed run makes of its last content. Says how many of its rows were answered.
pub(super) async fn reconcile<P: Predictor>(
    rig: &Rig<P>,
    files: &MemoryFiles,
    key: &str,
    bytes: &[u8],
) -> u64 {
    let outcome = rig.scored(key, bytes.to_vec()).await;
    let rest = key.strip_prefix("uploads/").expect("an upload");
    let [report, expected] = [files, &rig.files].map(|files| report(files, rest));
    let fate = offline::uploads::fate(files, files, P::NAME, &place(key), i64::MAX).await;
    assert!(fate.expect("memory").is_settled(), "{key}");
    for field in [
        "outcome",
        "fault",
        "input",
        "rows",
        "scored",
        "rejected",
        "rejected_by_reason",
    ] {
        assert_eq!(report[field], expected[field], "{field} of {key}");
    }
    let Outcome::Scored(counts) = outcome else {
        return 0;
    };
    let output = |files: &MemoryFiles, ending: &str| {
        let bytes = files.file(&place(&format!("scored/{rest}{ending}")));
        bytes.unwrap_or_else(|| panic!("no {ending} of {key}"))
    };
    let rejects = [files, &rig.files].map(|files| output(files, ".rejects.csv"));
    assert_eq!(rejects[0], rejects[1], "{key}");
    // One model for the whole file, the one that the report names; the undisturbed run has the first.
    let version = report["model_version"].as_str().expect("a version");
    let as_served = |line: String| line.replace("first", version);
    let found = lines(key, output(files, ""));
    let expected = lines(key, output(&rig.files, "")).into_iter();
    assert!(
        found == expected.map(as_served).collect::<Vec<_>>(),
        "answers of {key}"
    );
    if let Some(last) = report["predictions"].as_object() {
        let told: u64 = last.values().filter_map(Value::as_u64).sum();
        assert_eq!(told, counts.scored, "last predictions of {key}");
    }
    counts.scored
}

/// Each entity's last prediction is there, and is what an undisturbed run leaves.
pub(super) async fn last_are_there<P: Predictor>(
    rig: &Rig<P>,
    found: &LastPredictions<Faulty<MemoryStore>>,
    keys: &[&str],
) {
    let expected = rig.releases.last.as_ref().expect("they are kept");
    let get = async |last: &LastPredictions<Faulty<MemoryStore>>| {
        let found = last.store.inner.get_predictions(P::NAME, keys).await;
        found.expect("memory")
    };
    let settled = |last: Option<LastPrediction>| {
        let last = last.expect("a last prediction");
        let answer = last.answer.replace(&last.model_version, "some version");
        (last.key, without_age(&answer), last.as_of)
    };
    let (found, expected) = (get(found).await, get(expected).await);
    for (found, expected) in found.into_iter().zip(expected) {
        assert_eq!(settled(found), settled(expected));
    }
}
