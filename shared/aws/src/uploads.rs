//! Notifications of S3, bare or in messages of SQS.
//!
//! Messages are parsed one by one: what one of them holds cannot cost the others. Shapes are read as far as they are
//! needed. Source: S3 user guide, "Event message structure"; SQS, "Reporting batch item failures for Lambda functions".

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serving::batch::Arrival;

/// A message of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// SQS's id of the message.
    pub id: String,
    /// What it is about, or why that cannot be told.
    pub arrivals: Result<Vec<Arrival>, String>,
}

/// Messages that must come again.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchFailures {
    batch_item_failures: Vec<ItemFailure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemFailure {
    item_identifier: String,
}

impl BatchFailures {
    /// Of the messages with these ids.
    pub fn of(ids: impl IntoIterator<Item = String>) -> Self {
        let failure = |item_identifier| ItemFailure { item_identifier };
        Self {
            batch_item_failures: ids.into_iter().map(failure).collect(),
        }
    }
}

#[derive(Deserialize)]
struct Queue {
    #[serde(rename = "Records")]
    records: Vec<QueueRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueueRecord {
    message_id: String,
    #[serde(default)]
    body: String,
}

#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
    #[serde(rename = "Event")]
    event: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    s3: Entity,
}

#[derive(Deserialize)]
struct Entity {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    key: String,
    e_tag: Option<String>,
    version_id: Option<String>,
    #[serde(default)]
    sequencer: String,
}

/// The messages of a queue's event.
pub fn messages(payload: &str) -> Result<Vec<Message>, String> {
    let queue: Queue = serde_json::from_str(payload).map_err(|error| error.to_string())?;
    let message = |record: QueueRecord| Message {
        arrivals: arrivals(&record.body),
        id: record.message_id,
    };
    Ok(queue.records.into_iter().map(message).collect())
}

/// The uploads that a notification is about: none for S3's test event, which it sends when notifications are set up,
/// and none for objects that went away.
///
/// ```
/// let test = r#"{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "shop"}"#;
/// assert_eq!(aws::uploads::arrivals(test), Ok(Vec::new()));
/// assert!(aws::uploads::arrivals("{}").is_err());
/// ```
pub fn arrivals(notification: &str) -> Result<Vec<Arrival>, String> {
    let notification: Notification = serde_json::from_str(notification)
        .map_err(|error| format!("not a notification of S3: {:?}", error.classify()))?;
    if notification.event.as_deref() == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }
    let records = notification.records;
    let records = records.ok_or("not a notification of S3: it has no records")?;
    let created = |record: &Record| {
        let name = record.event_name.trim_start_matches("s3:");
        name.starts_with("ObjectCreated:")
    };
    records.into_iter().filter(created).map(arrival).collect()
}

fn arrival(record: Record) -> Result<Arrival, String> {
    let Entity { bucket, object } = record.s3;
    Ok(Arrival {
        bucket: bucket.name,
        key: decoded(&object.key)?,
        etag: object.e_tag.map(|etag| etag.trim_matches('"').to_owned()),
        version_id: object.version_id.filter(|id| !id.is_empty()),
        sequencer: object.sequencer,
    })
}

/// Keys come encoded as forms are: a plus sign is a space.
fn decoded(key: &str) -> Result<String, String> {
    let spaced = key.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    Ok(decoded
        .map_err(|_| "the key is not UTF-8 once decoded".to_owned())?
        .into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn record(event: &str, key: &str) -> Value {
        json!({"eventSource": "aws:s3", "eventName": event, "s3": {
            "bucket": {"name": "shop"},
            "object": {"key": key, "eTag": "\"e\"", "versionId": "v", "sequencer": "0A"}
        }})
    }

    fn keys(notification: &Value) -> Vec<String> {
        let arrivals = arrivals(&notification.to_string()).unwrap();
        arrivals.into_iter().map(|arrival| arrival.key).collect()
    }

    #[test]
    fn keys_are_decoded_and_only_creations_count() {
        let records = json!({"Records": [
            record("ObjectCreated:Put", "uploads/churn/caf%C3%A9+%2B+1%2525.csv"),
            record("s3:ObjectCreated:CompleteMultipartUpload", "b"),
            record("ObjectRemoved:Delete", "c"),
        ]});
        assert_eq!(keys(&records), ["uploads/churn/café + 1%25.csv", "b"]);
        let arrival = arrivals(&records.to_string()).unwrap().remove(1);
        let expected = Arrival {
            bucket: "shop".to_owned(),
            key: "b".to_owned(),
            etag: Some("e".to_owned()),
            version_id: Some("v".to_owned()),
            sequencer: "0A".to_owned(),
        };
        assert_eq!(arrival, expected);
    }

    #[test]
    fn one_bad_message_costs_no_other() {
        let good = json!({"Records": [record("ObjectCreated:Put", "a")]}).to_string();
        let bad_key = json!({"Records": [record("ObjectCreated:Put", "%FF")]}).to_string();
        let body =
            |id: &str, body: &str| json!({"messageId": id, "eventSource": "aws:sqs", "body": body});
        let event = json!({"Records": [
            body("1", "not JSON"), body("2", &good), body("3", "{}"), body("4", &bad_key), {"messageId": "5"}
        ]});
        let messages = messages(&event.to_string()).unwrap();
        let told: Vec<_> = messages
            .iter()
            .map(|m| (m.id.as_str(), m.arrivals.as_ref().ok().map(Vec::len)))
            .collect();
        assert_eq!(
            told,
            [
                ("1", None),
                ("2", Some(1)),
                ("3", None),
                ("4", None),
                ("5", None)
            ]
        );
        let failures = BatchFailures::of(["1".to_owned()]);
        assert_eq!(
            serde_json::to_value(failures).unwrap(),
            json!({"batchItemFailures": [{"itemIdentifier": "1"}]})
        );
    }
}
