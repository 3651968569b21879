//! What an event is, by its shape alone: one binary answers every trigger.

use aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serving::error::CallerError;
use serving::service::{HttpRequest, HttpResponse};
use std::collections::BTreeMap;

/// An event, read as far as its shape tells.
#[derive(Debug)]
pub enum Event {
    /// API Gateway HTTP API, payload version 2, or a function URL.
    Http(HttpRequest),
    /// The gateway's event, with a body that cannot be decoded.
    Undecodable(CallerError),
    /// Records of S3, SQS or another source, named as AWS does: `aws:s3`.
    Records {
        /// Source of the first record, or `unknown`.
        source: String,
    },
    /// A step of a run over the whole base, which a state machine asks for.
    Whole,
    /// Everything else: the JSON that `POST` takes, invoked directly.
    Direct,
}

/// What tells events apart, and all that is needed of the gateway's, so that a payload is read once: most of it is a body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape<'a> {
    #[serde(borrow)]
    request_context: Option<&'a RawValue>,
    #[serde(rename = "Records")]
    records: Option<Vec<RecordShape>>,
    whole: Option<IgnoredAny>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordShape {
    event_source: Option<String>,
}

impl Event {
    /// Reads a payload. It never fails: what looks like no trigger's event is a direct invocation, whose own parser
    /// says what is wrong with it.
    ///
    /// ```
    /// use aws::dispatch::Event;
    /// assert!(matches!(Event::read(r#"{"customers": []}"#), Event::Direct));
    /// assert!(matches!(Event::read(r#"{"whole": {"begin": {"bucket": "shop"}}}"#), Event::Whole));
    /// assert!(matches!(Event::read(r#"{"Records": [{"eventSource": "aws:s3"}]}"#), Event::Records { .. }));
    /// ```
    pub fn read(payload: &str) -> Self {
        let Ok(shape) = serde_json::from_str::<Shape>(payload) else {
            return Self::Direct;
        };
        if let Some(records) = shape.records {
            let source = records.into_iter().find_map(|record| record.event_source);
            let source = source.unwrap_or_else(|| "unknown".to_owned());
            return Self::Records { source };
        }
        if shape.whole.is_some() {
            return Self::Whole;
        }
        let context = shape.request_context.map(RawValue::get);
        let context = context.and_then(|context| serde_json::from_str(context).ok());
        match context {
            Some(context) => http(shape, context).map_or_else(Self::Undecodable, Self::Http),
            None => Self::Direct,
        }
    }
}

impl Event {
    /// What brought it, in one word for metrics.
    pub(crate) fn trigger(&self) -> &'static str {
        match self {
            Self::Http(_) | Self::Undecodable(_) => "http",
            Self::Records { .. } => "records",
            Self::Whole => "whole",
            Self::Direct => "direct",
        }
    }
}

fn http(
    event: Shape<'_>,
    context: ApiGatewayV2httpRequestContext,
) -> Result<HttpRequest, CallerError> {
    let body = event.body.unwrap_or_default();
    Ok(HttpRequest {
        path: path(event.raw_path.unwrap_or_default(), &context),
        query: pairs(&event.raw_query_string.unwrap_or_default()),
        method: context.http.method.as_str().to_ascii_uppercase(),
        body: if event.is_base64_encoded == Some(true) {
            decoded(&body)?
        } else {
            body.into_bytes()
        },
    })
}

/// The path without the stage, which the gateway puts in front unless it is the default one.
fn path(raw: String, context: &ApiGatewayV2httpRequestContext) -> String {
    let stage = context.stage.as_deref().unwrap_or("$default");
    let rest = raw.strip_prefix('/').and_then(|p| p.strip_prefix(stage));
    match rest {
        Some(rest) if rest.starts_with('/') => rest.to_owned(),
        _ => raw,
    }
}

/// Source: `application/x-www-form-urlencoded` parsing, WHATWG URL standard, section 5.1.
fn pairs(query: &str) -> Vec<(String, String)> {
    let text = |encoded: &str| {
        let spaced = encoded.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

fn decoded(body: &str) -> Result<Vec<u8>, CallerError> {
    BASE64_STANDARD
        .decode(body)
        .map_err(|e| CallerError::Malformed {
            reason: format!("its base64 cannot be decoded ({e})"),
            line: 1,
            column: 1,
        })
}

/// An answer as the gateway wants it, payload version 2.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayResponse {
    status_code: u16,
    headers: BTreeMap<&'static str, String>,
    /// Both are always empty; the emulator of `cargo lambda watch` insists on the fields.
    multi_value_headers: BTreeMap<&'static str, Vec<String>>,
    cookies: [&'static str; 0],
    body: String,
    is_base64_encoded: bool,
}

impl From<HttpResponse> for GatewayResponse {
    fn from(response: HttpResponse) -> Self {
        Self {
            status_code: response.status,
            headers: response.headers.into_iter().collect(),
            multi_value_headers: BTreeMap::new(),
            cookies: [],
            body: response.body,
            is_base64_encoded: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
    use serde_json::{Value, json};
    use serving::service::Observed;

    fn gateway_event(changes: Value) -> Event {
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/v1/customers/a%2Fb/churn",
            "rawQueryString": "",
            "headers": {"content-type": "application/json"},
            "requestContext": {
                "stage": "$default",
                "http": {"method": "GET", "path": "/v1/customers/a%2Fb/churn", "protocol": "HTTP/1.1"}
            },
            "isBase64Encoded": false
        });
        let changes: serde_json::Map<String, Value> = serde_json::from_value(changes).unwrap();
        event.as_object_mut().unwrap().extend(changes);
        Event::read(&event.to_string())
    }

    fn request(event: Event) -> HttpRequest {
        match event {
            Event::Http(request) => request,
            other => panic!("expected an HTTP request, found {other:?}"),
        }
    }

    #[test]
    fn reads_gateway_events() {
        let get = request(gateway_event(
            json!({"rawQueryString": "as_of=2017-01-01T00%3A00%3A00%2B01%3A00&a+b=%FF&c&&d=1=2"}),
        ));
        assert_eq!(
            (get.method.as_str(), get.path.as_str()),
            ("GET", "/v1/customers/a%2Fb/churn")
        );
        let expected = [
            ("as_of", "2017-01-01T00:00:00+01:00"),
            ("a b", "\u{fffd}"),
            ("c", ""),
            ("d", "1=2"),
        ];
        assert_eq!(
            get.query,
            expected.map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
        assert!(get.body.is_empty());
        let text = request(gateway_event(json!({"body": "{\"ä\":\n1}"})));
        assert_eq!(text.body, "{\"ä\":\n1}".as_bytes());
        let binary = request(gateway_event(
            json!({"body": "eyJhIjoxfQ==", "isBase64Encoded": true}),
        ));
        assert_eq!(binary.body, b"{\"a\":1}");
        let broken = gateway_event(json!({"body": "%%%", "isBase64Encoded": true}));
        assert!(matches!(
            broken,
            Event::Undecodable(CallerError::Malformed { .. })
        ));
    }

    #[test]
    fn takes_a_named_stage_off_the_path() {
        let context = json!({"stage": "v1", "http": {"method": "POST"}});
        let path = |raw: &str| {
            request(gateway_event(
                json!({"requestContext": context, "rawPath": raw}),
            ))
            .path
        };
        assert_eq!(path("/v1/v1/churn"), "/v1/churn");
        assert_eq!(path("/v10/churn"), "/v10/churn");
    }

    #[test]
    fn tells_triggers_apart() {
        let source = |payload: &str| match Event::read(payload) {
            Event::Records { source } => source,
            other => panic!("expected records, found {other:?}"),
        };
        assert_eq!(
            source(r#"{"Records":[{"eventSource":"aws:sqs","body":"{}"}]}"#),
            "aws:sqs"
        );
        assert_eq!(source(r#"{"Records":[]}"#), "unknown");
        for direct in [
            "[1]",
            "null",
            "\"text\"",
            "{}",
            r#"{"customers":[{"requestContext":{"http":1}}]}"#,
            r#"{"requestContext":7}"#,
        ] {
            assert!(matches!(Event::read(direct), Event::Direct), "{direct}");
        }
    }

    #[test]
    fn answers_in_the_published_shape() {
        let response = HttpResponse {
            status: 405,
            headers: vec![("allow", "GET, POST".to_owned())],
            body: "{}".to_owned(),
            observed: Observed::default(),
        };
        let ours = serde_json::to_value(GatewayResponse::from(response)).unwrap();
        let theirs: ApiGatewayV2httpResponse = serde_json::from_value(ours).unwrap();
        assert_eq!(
            (
                theirs.status_code,
                theirs.headers["allow"].to_str().unwrap()
            ),
            (405, "GET, POST")
        );
    }
}
