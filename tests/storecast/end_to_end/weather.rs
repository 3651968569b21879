//! What stands between a program and its stores, and answers in their place now and then: too busy, broken, or not at all.

use crate::batch::storm::Random;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use local::servers::Server;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::net::{TcpListener, TcpStream};

/// Of so many requests about [`KINDS`] fail.
const OF: usize = 20;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happens {
    /// The store is asked too often.
    Throttled,
    /// The store fails by itself.
    Broken,
    /// The connection ends before the store is asked.
    Unsent,
    /// The store does it, and the connection ends before it can say so.
    Unanswered,
    /// The store does it, and the connection ends in the middle of the answer.
    Cut,
}

pub(super) const KINDS: [Happens; 5] = [
    Happens::Throttled,
    Happens::Broken,
    Happens::Unsent,
    Happens::Unanswered,
    Happens::Cut,
];

/// The same weather in front of any number of stores.
pub(super) struct Weather {
    random: Random,
    is_fair: bool,
    /// Requests that came through, and those that did not.
    pub(super) passed: usize,
    pub(super) met: BTreeMap<Happens, usize>,
}

pub(super) type Shared = Arc<Mutex<Weather>>;

impl Weather {
    pub(super) fn fair(seed: u64) -> Shared {
        Arc::new(Mutex::new(Self {
            random: Random(seed),
            is_fair: true,
            passed: 0,
            met: BTreeMap::new(),
        }))
    }

    pub(super) fn turns(&mut self, is_fair: bool) {
        self.is_fair = is_fair;
    }

    fn next(&mut self) -> Option<Happens> {
        let drawn = KINDS.get(self.random.below(OF)).copied();
        let happens = drawn.filter(|_| !self.is_fair);
        match happens {
            Some(kind) => *self.met.entry(kind).or_default() += 1,
            None => self.passed += 1,
        }
        happens
    }
}

/// A store behind the weather; returns where it is asked from now on.
pub(super) async fn expose(weather: &Shared, store: &Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (weather, store) = (Arc::clone(weather), store.address());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let weather = Arc::clone(&weather);
            let service = service_fn(move |request| {
                let happens = weather.lock().expect("no panic").next();
                pass(store, request, happens)
            });
            // It ends with an error where the connection does.
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    url
}

async fn pass(
    store: SocketAddr,
    request: Request<Incoming>,
    happens: Option<Happens>,
) -> io::Result<Response<Answer>> {
    match happens {
        Some(kind @ (Happens::Throttled | Happens::Broken)) => return Ok(refusal(&request, kind)),
        Some(Happens::Unsent) => return Err(io::Error::other("nobody is asked")),
        _ => {}
    }
    let answered = forward(store, request).await.map_err(io::Error::other)?;
    match happens {
        Some(Happens::Unanswered) => Err(io::Error::other("the answer is lost")),
        Some(Happens::Cut) => Ok(answered.map(|bytes| Answer::cut(&bytes))),
        _ => Ok(answered.map(Answer::whole)),
    }
}

/// As it came, on a connection of its own.
async fn forward(
    store: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(store).await?;
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (head, mut body) = sender.send_request(request).await?.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        bytes.extend_from_slice(frame?.data_ref().unwrap_or(&Bytes::new()));
    }
    Ok(Response::from_parts(head, Bytes::from(bytes)))
}

/// What the stores say when they do not do it. Sources: the error responses of the S3 API reference, and error handling in the
/// DynamoDB developer guide.
fn refusal(request: &Request<Incoming>, kind: Happens) -> Response<Answer> {
    let is_table = request.headers().contains_key("x-amz-target");
    let is_throttled = kind == Happens::Throttled;
    let (status, said) = match (is_table, is_throttled) {
        (true, true) => (400, table_says("ProvisionedThroughputExceededException")),
        (true, false) => (500, table_says("InternalServerError")),
        (false, true) => (503, bucket_says("SlowDown")),
        (false, false) => (500, bucket_says("InternalError")),
    };
    // An answer to HEAD has no body.
    let body = if request.method() == "HEAD" {
        String::new()
    } else {
        said
    };
    let response = Response::builder().status(status);
    response
        .body(Answer::whole(Bytes::from(body)))
        .expect("a response")
}

fn table_says(code: &str) -> String {
    format!("{{\"__type\": \"com.amazonaws.dynamodb.v20120810#{code}\", \"message\": \"not now\"}}")
}

fn bucket_says(code: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>not now</Message></Error>"
    )
}

/// The body of an answer, or the first half of one.
pub(super) struct Answer {
    rest: Option<Bytes>,
    is_cut: bool,
}

impl Answer {
    fn whole(bytes: Bytes) -> Self {
        Self {
            rest: Some(bytes),
            is_cut: false,
        }
    }

    fn cut(bytes: &Bytes) -> Self {
        Self {
            rest: Some(bytes.slice(..bytes.len() / 2)),
            is_cut: true,
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let ended = self
            .is_cut
            .then(|| Err(io::Error::other("the connection ends")));
        let next = self.rest.take().filter(|bytes| !bytes.is_empty());
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))).or(ended))
    }
}
