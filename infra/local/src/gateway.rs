//! What API Gateway does before a function is asked: it knows the routes, and lets nobody through without a token.
//!
//! Stands in front of `cargo lambda watch`, whose own gateway asks for nothing. Routes are those of the API's document.

mod tokens;

pub use tokens::{Authorizer, Refusal, Rules};

use crate::servers::{Server, ServerError, serve};
use crate::stack::Failure;
use hyper::body::{Body, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Source: quotas of API Gateway's HTTP APIs, payload size.
const BODY_LIMIT_BYTES: usize = 10 * 1024 * 1024;
/// Source: the same, integration timeout.
const PATIENCE: Duration = Duration::from_secs(30);

/// Routes, the authorizer in front of them, and where the functions answer.
#[derive(Clone)]
struct Gateway(Arc<Inner>);

struct Inner {
    /// Method, and the path split at its slashes; a segment in braces is any.
    routes: Vec<(Method, Vec<String>)>,
    authorizer: Authorizer,
    functions_url: String,
    agent: ureq::Agent,
}

/// What the gateway answers by itself.
type Refused = (StatusCode, &'static str);

/// A call on its way to a function.
struct Forwarded {
    method: Method,
    url: String,
    content_type: Option<String>,
    body: Vec<u8>,
}

/// Serves the routes of the document at `document` on 127.0.0.1, with the functions at `functions_url` behind. Port 0 takes
/// any free port.
///
/// Runs on the Tokio runtime it is called on, and panics without one.
pub fn start_gateway(
    port: u16,
    document: &Path,
    authorizer: Authorizer,
    functions_url: String,
) -> Result<Server, Failure> {
    let text = std::fs::read_to_string(document)
        .map_err(|error| format!("read {}: {error}", document.display()))?;
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false);
    let gateway = Gateway(Arc::new(Inner {
        routes: routes(&serde_json::from_str(&text)?),
        authorizer,
        functions_url,
        agent: config.build().into(),
    }));
    serve("gateway", port, gateway).map_err(|error: ServerError| error.into())
}

fn routes(document: &Value) -> Vec<(Method, Vec<String>)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, methods)| {
            let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
            let methods = methods.as_object().into_iter().flatten();
            let known = methods.filter_map(|(name, _)| name.to_uppercase().parse().ok());
            known.map(move |method| (method, segments.clone()))
        })
        .collect()
}

impl Inner {
    fn has_route(&self, method: &Method, path: &str) -> bool {
        let given: Vec<&str> = path.split('/').collect();
        let fits = |wanted: &[String]| {
            let pairs = wanted.iter().zip(&given);
            wanted.len() == given.len()
                && pairs
                    .into_iter()
                    .all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
        };
        let mut routes = self.routes.iter();
        routes.any(|(known, segments)| known == method && fits(segments))
    }

    /// Whether the call may pass: first its route, then its token, as the gateway looks at them.
    fn admits(&self, request: &Request<Incoming>) -> Result<(), Refused> {
        if !self.has_route(request.method(), request.uri().path()) {
            return Err((StatusCode::NOT_FOUND, "Not Found"));
        }
        let given = request.headers().get(AUTHORIZATION);
        let given = given.and_then(|value| value.to_str().ok());
        self.authorizer
            .check(given, since_1970_s())
            .map_err(|refusal| match refusal {
                Refusal::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized"),
                Refusal::Forbidden => (StatusCode::FORBIDDEN, "Forbidden"),
            })
    }

    /// Asks the function. It blocks: one thread per call is enough for one machine.
    fn forward(&self, call: Forwarded) -> Result<Response<String>, Failure> {
        let mut request = Request::builder().method(call.method).uri(call.url);
        if let Some(content_type) = call.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let answer = self.agent.run(request.body(call.body)?)?;
        let (parts, mut body) = answer.into_parts();
        let mut response = Response::builder().status(parts.status);
        for name in ["content-type", "allow", "retry-after"] {
            if let Some(value) = parts.headers.get(name) {
                response = response.header(name, value);
            }
        }
        Ok(response.body(body.read_to_string()?)?)
    }
}

impl Gateway {
    async fn answer(self, request: Request<Incoming>) -> Result<Response<String>, Refused> {
        self.0.admits(&request)?;
        let path = request.uri().path_and_query();
        let url = format!(
            "{}{}",
            self.0.functions_url,
            path.map_or("/", |path| path.as_str())
        );
        let content_type = request.headers().get(CONTENT_TYPE);
        let call = Forwarded {
            method: request.method().clone(),
            url,
            content_type: content_type.and_then(|v| Some(v.to_str().ok()?.to_owned())),
            body: read(request.into_body()).await?,
        };
        let inner = Arc::clone(&self.0);
        let answered = tokio::task::spawn_blocking(move || inner.forward(call)).await;
        let away = (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
        answered.map_err(|_| away)?.map_err(|_| away)
    }
}

impl Service<Request<Incoming>> for Gateway {
    type Response = Response<String>;
    type Error = hyper::http::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Self::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let gateway = self.clone();
        Box::pin(async move {
            match gateway.answer(request).await {
                Ok(response) => Ok(response),
                Err(refused) => refusal(refused),
            }
        })
    }
}

fn refusal((status, message): Refused) -> Result<Response<String>, hyper::http::Error> {
    let mut response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json");
    if status == StatusCode::UNAUTHORIZED {
        response = response.header(WWW_AUTHENTICATE, "Bearer");
    }
    response.body(json!({ "message": message }).to_string())
}

async fn read(body: Incoming) -> Result<Vec<u8>, Refused> {
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let frame = frame.map_err(|_| (StatusCode::BAD_REQUEST, "Bad Request"))?;
        if let Some(piece) = frame.data_ref() {
            bytes.extend_from_slice(piece);
        }
        if bytes.len() > BODY_LIMIT_BYTES {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "Request Too Long"));
        }
    }
    Ok(bytes)
}

#[expect(
    clippy::disallowed_methods,
    reason = "tokens have an end; the gateway on AWS looks at its clock as well"
)]
fn since_1970_s() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64()
}
