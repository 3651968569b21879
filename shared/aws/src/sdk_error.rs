//! From the SDK's errors to the ports' two: may the same call succeed later, or not?

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use serving::ports::StoreError;
use std::error::Error;

/// Error codes of a table or an account that is asked too often.
/// Source: the retryable errors of the DynamoDB developer guide and of the SDK's standard retry mode.
const THROTTLED: [&str; 4] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
];
/// Others that ask for patience with a status below 500. Source: the same.
const PATIENCE: [&str; 6] = [
    "LimitExceededException",
    "TransactionInProgressException",
    "ConditionalRequestConflict",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
];

/// Whether a call was refused because too many are made.
pub(crate) fn is_throttled<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code);
    code.is_some_and(|code| THROTTLED.contains(&code))
}

/// What a failed call means to whoever made it.
pub(crate) fn store_error<E>(
    operation: &'static str,
    place: &str,
    error: &SdkError<E, HttpResponse>,
) -> StoreError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let SdkError::ServiceError(failure) = error else {
        let broken = matches!(error, SdkError::ConstructionFailure(_));
        let make = if broken {
            StoreError::broken
        } else {
            StoreError::unavailable
        };
        return make(operation, place, chain(error));
    };
    let status = failure.raw().status().as_u16();
    let code = failure.err().code();
    let said = match (code, failure.err().message()) {
        (Some(code), Some(message)) => {
            format!("{code}: {}", message.chars().take(300).collect::<String>())
        }
        (Some(code), None) => code.to_owned(),
        (None, _) => format!("status {status}"),
    };
    let asks = |code: &str| THROTTLED.contains(&code) || PATIENCE.contains(&code);
    let patience = status >= 500 || status == 429 || code.is_some_and(asks);
    let make = if patience {
        StoreError::unavailable
    } else {
        StoreError::broken
    };
    make(operation, place, said)
}

/// An error with its causes, the outermost first; the SDK tells the useful part last.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        next = cause.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::error::ErrorMetadata;
    use aws_sdk_s3::primitives::SdkBody;
    use std::io;

    type Failure = SdkError<ErrorMetadata, HttpResponse>;

    fn response(status: u16) -> HttpResponse {
        let status = status.try_into().expect("a status");
        HttpResponse::new(status, SdkBody::empty())
    }

    /// What a service answers.
    fn answered(status: u16, code: Option<&str>, message: Option<&str>) -> Failure {
        let mut said = ErrorMetadata::builder();
        if let Some(code) = code {
            said = said.code(code);
        }
        if let Some(message) = message {
            said = said.message(message);
        }
        SdkError::service_error(said.build(), response(status))
    }

    fn is_unavailable(error: &Failure) -> bool {
        let error = store_error("get", "a place", error);
        matches!(error, StoreError::Unavailable { .. })
    }

    #[test]
    fn a_store_that_asks_for_patience_may_answer_later() {
        for code in THROTTLED.into_iter().chain(PATIENCE) {
            assert!(is_unavailable(&answered(400, Some(code), None)), "{code}");
        }
        for status in [429, 500, 502, 503, 504] {
            assert!(is_unavailable(&answered(status, None, None)), "{status}");
            let unknown = answered(status, Some("Unheard"), None);
            assert!(is_unavailable(&unknown), "{status}");
        }
    }

    #[test]
    fn a_store_that_refuses_for_good_is_broken() {
        for (status, code) in [
            (400, "ValidationException"),
            (400, "ResourceNotFoundException"),
            (400, "UnrecognizedClientException"),
            (403, "AccessDenied"),
            (404, "NoSuchBucket"),
            (412, "PreconditionFailed"),
        ] {
            assert!(
                !is_unavailable(&answered(status, Some(code), None)),
                "{code}"
            );
        }
        assert!(!is_unavailable(&answered(404, None, None)));
    }

    #[test]
    fn what_no_service_answered_may_be_answered_later_unless_it_was_never_a_request() {
        let lost = || io::Error::other("connection reset");
        assert!(is_unavailable(&SdkError::timeout_error(lost())));
        let garbled = SdkError::response_error(lost(), response(200));
        assert!(is_unavailable(&garbled));
        assert!(!is_unavailable(&SdkError::construction_failure(lost())));
    }

    #[test]
    fn only_too_many_calls_are_throttling() {
        for code in THROTTLED {
            assert!(is_throttled(&answered(400, Some(code), None)), "{code}");
        }
        for code in PATIENCE {
            assert!(!is_throttled(&answered(400, Some(code), None)), "{code}");
        }
        assert!(!is_throttled(&answered(500, None, None)));
        let lost: Failure = SdkError::timeout_error(io::Error::other("slow"));
        assert!(!is_throttled(&lost));
    }

    #[test]
    fn an_error_says_what_the_store_said_and_not_more_than_is_read() {
        let told = |error: &Failure| store_error("get", "a place", error).to_string();
        let long = "x".repeat(1000);
        let busy = answered(503, Some("SlowDown"), Some(&long));
        let shown = format!("get a place: SlowDown: {}", &long[..300]);
        assert_eq!(told(&busy), shown);
        let coded = answered(400, Some("SlowDown"), None);
        assert_eq!(told(&coded), "get a place: SlowDown");
        assert_eq!(told(&answered(502, None, None)), "get a place: status 502");
        let lost = told(&SdkError::timeout_error(io::Error::other("3 s passed")));
        assert!(lost.ends_with(": 3 s passed"), "{lost}");
    }
}
