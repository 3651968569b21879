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
