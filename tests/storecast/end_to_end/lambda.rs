//! Lambda's side of the runtime API, as far as one function needs it, and the function's process.
//!
//! Source: AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes".

use crate::workspace::program;
use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::future::poll_fn;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::pin::Pin;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};

/// Longer than any answer takes: what hangs fails instead of staying.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// Of every invocation, which is sampled.
pub(super) const TRACE: &str =
    "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

/// What the function sent back.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    /// An answer.
    Response(Value),
    /// A function error: its `errorType` and `errorMessage`.
    Error(Value),
}

/// Lambda for one function.
pub(super) struct Lambda {
    address: String,
    events: mpsc::UnboundedSender<(String, String)>,
    replies: mpsc::UnboundedReceiver<(String, Reply)>,
    invocations: usize,
}

struct Desk {
    events: Mutex<mpsc::UnboundedReceiver<(String, String)>>,
    replies: mpsc::UnboundedSender<(String, Reply)>,
    lasts: Option<Duration>,
}

impl Lambda {
    pub(super) async fn start() -> Self {
        Self::lasting(None).await
    }

    /// One whose invocations end after so long; without it, never.
    pub(super) async fn lasting(lasts: Option<Duration>) -> Self {
        let (events, waiting) = mpsc::unbounded_channel();
        let (sent, replies) = mpsc::unbounded_channel();
        let desk = Arc::new(Desk {
            events: Mutex::new(waiting),
            replies: sent,
            lasts,
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let desk = Arc::clone(&desk);
                let service = service_fn(move |request| serve(Arc::clone(&desk), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            address,
            events,
            replies,
            invocations: 0,
        }
    }

    /// Gives the function an event and waits for what it makes of it.
    pub(super) async fn invoke(&mut self, payload: &str) -> Reply {
        let id = self.send(payload);
        let (answered, reply) = self.any_reply().await;
        assert_eq!(answered, id);
        reply
    }

    /// Gives the function an event.
    pub(super) fn send(&mut self, payload: &str) -> String {
        self.invocations += 1;
        let id = format!("invocation-{}", self.invocations);
        self.events
            .send((id.clone(), payload.to_owned()))
            .expect("the API is up");
        id
    }

    /// The next answer, whichever event it is to.
    pub(super) async fn any_reply(&mut self) -> (String, Reply) {
        let reply = tokio::time::timeout(PATIENCE, self.replies.recv()).await;
        reply.expect("an answer in time").expect("the API is up")
    }

    /// What the function makes of an event, if it does so in this time; answers to earlier events are passed over.
    pub(super) async fn reply_within(&mut self, id: &str, time: Duration) -> Option<Reply> {
        let answered = async {
            loop {
                let (answered, reply) = self.replies.recv().await.expect("the API is up");
                if answered == id {
                    return reply;
                }
            }
        };
        tokio::time::timeout(time, answered).await.ok()
    }
}

/// Milliseconds since 1970; far in the future when invocations do not end.
fn deadline_ms(lasts: Option<Duration>) -> String {
    let lasts_ms = lasts.map(|lasts| super::clock().0 * 1000 + lasts.as_millis() as i64);
    lasts_ms.unwrap_or(4_102_444_800_000).to_string()
}

async fn serve(
    desk: Arc<Desk>,
    request: Request<Incoming>,
) -> Result<Response<String>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let path = path
        .strip_prefix("/2018-06-01/runtime/")
        .unwrap_or_default();
    if path == "invocation/next" {
        let (id, payload) = desk.events.lock().await.recv().await.unwrap_or_default();
        let response = Response::builder()
            .header("lambda-runtime-aws-request-id", id)
            .header("lambda-runtime-deadline-ms", deadline_ms(desk.lasts))
            .header("lambda-runtime-trace-id", TRACE)
            .header(
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:eu-central-1:123456789012:function:churn",
            );
        return Ok(response.body(payload).expect("a response"));
    }
    let mut body = request.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        bytes.extend_from_slice(frame?.data_ref().unwrap_or(&Bytes::new()));
    }
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let mut steps = path.split('/');
    let (_, id, end) = (steps.next(), steps.next().unwrap_or_default(), steps.next());
    let reply = if end == Some("response") {
        Reply::Response(body)
    } else {
        Reply::Error(body)
    };
    // Nobody waits any more when the test has ended.
    let _ = desk.replies.send((id.to_owned(), reply));
    Ok(Response::builder()
        .status(202)
        .body(String::new())
        .expect("a response"))
}

/// The function's process; ends with the value.
pub(super) struct Process {
    child: Child,
    output: Option<JoinHandle<Vec<String>>>,
}

impl Process {
    /// Starts the release binary of a function with these settings and no others.
    pub(super) fn start(function: &str, lambda: &Lambda, settings: &[(&str, String)]) -> Self {
        Self::start_program(function, &program(function), lambda, settings)
    }

    /// Starts another binary than the function's own.
    pub(super) fn start_program(
        function: &str,
        program: &Path,
        lambda: &Lambda,
        settings: &[(&str, String)],
    ) -> Self {
        let mut child = Command::new(program)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", &lambda.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", function)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the function starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let output =
            std::thread::spawn(move || output.lines().map(|line| line.expect("UTF-8")).collect());
        Self {
            child,
            output: Some(output),
        }
    }

    /// Whether it is still the process that was started.
    pub(super) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Ends the process, and returns every line it wrote, each a JSON object.
    pub(super) fn log(mut self) -> Vec<Value> {
        let _ = self.child.kill();
        self.lines()
    }

    /// Waits until the process ends by itself.
    pub(super) fn ended(mut self) -> (ExitStatus, Vec<Value>) {
        let status = self.child.wait().expect("a child");
        (status, self.lines())
    }

    fn lines(&mut self) -> Vec<Value> {
        let lines = self
            .output
            .take()
            .expect("read once")
            .join()
            .expect("the reader");
        let parse = |line: String| {
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e} in log line {line}"))
        };
        lines.into_iter().map(parse).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
