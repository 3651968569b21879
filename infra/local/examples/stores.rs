//! S3 and DynamoDB on free ports, with an empty bucket and an empty table, until standard input ends:
//! `stores FOLDER BUCKET TABLE`. Prints the environment of whoever talks to them, as one line of JSON, and in it as `replay` the
//! address of [`Replay`], a DynamoDB whose reads take next to no time. `make bench` starts it.

#![expect(clippy::print_stdout, reason = "a tool for programs")]

use aws::admin::{ensure_bucket, ensure_table};
use aws::clients::{Clients, LOCAL_ACCESS_KEY, LOCAL_REGION, LOCAL_SECRET_KEY};
use local::servers::{start_dynamo, start_s3};
use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, bucket, table] = arguments.as_slice() else {
        return Err("usage: stores FOLDER BUCKET TABLE".into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let s3 = start_s3(0, Path::new(folder))?;
        let dynamo = start_dynamo(0, None)?;
        let clients = Clients::at(&s3.url(), &dynamo.url()).await;
        ensure_bucket(&clients, bucket).await?;
        ensure_table(&clients, table).await?;
        let replay = Replay::start(dynamo.address())?;
        println!(
            "{}",
            serde_json::json!({
                "STORECAST_TABLE": table,
                "STORECAST_MODEL_BUCKET": bucket,
                "AWS_ENDPOINT_URL_S3": s3.url(),
                "AWS_ENDPOINT_URL_DYNAMODB": dynamo.url(),
                "AWS_REGION": LOCAL_REGION,
                "AWS_ACCESS_KEY_ID": LOCAL_ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": LOCAL_SECRET_KEY,
                "AWS_EC2_METADATA_DISABLED": "true",
                "ORT_DISABLE_TELEMETRY": "1",
                "replay": format!("http://{replay}"),
            })
        );
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        ended.await??;
        Ok(())
    })
}

/// DynamoDB with its own time taken out: what is asked for the first time is asked of the store behind, and the bytes of that
/// answer, head and all, answer the same question ever after. Two questions are the same when `x-amz-target` and body are.
///
/// For reads of what does not change: other operations are refused, and answers other than 200 are not kept. `GET /` tells how
/// many questions are kept.
/// A thread per connection, on bare sockets, so that it costs less than what is measured through it.
struct Replay {
    behind: SocketAddr,
    answers: Mutex<HashMap<Vec<u8>, Arc<[u8]>>>,
}

/// Operations that change nothing.
const READS: [&str; 3] = ["GetItem", "BatchGetItem", "Query"];

/// A request, or an answer: its head with the blank line, and its body.
struct Message {
    bytes: Vec<u8>,
    head_bytes: usize,
}

impl Replay {
    /// Listens on a free port of this machine until the process ends.
    fn start(behind: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let replay = Arc::new(Self {
            behind,
            answers: Mutex::default(),
        });
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let replay = Arc::clone(&replay);
                // Whoever went away needs no answer.
                std::thread::spawn(move || replay.converse(stream));
            }
        });
        Ok(address)
    }

    fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut pending = Vec::new();
        while let Some(request) = Message::read(&mut stream, &mut pending)? {
            let answer = self.answer(&request)?;
            stream.write_all(&answer)?;
        }
        Ok(())
    }

    fn answer(&self, request: &Message) -> io::Result<Arc<[u8]>> {
        if request.bytes.starts_with(b"GET / ") {
            return Ok(plain("200 OK", &self.answers().len().to_string()));
        }
        let target = request.header("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        if !READS.contains(&operation) {
            let refusal = format!("{operation}: what is replayed can only be read");
            return Ok(plain("400 Bad Request", &refusal));
        }
        let mut question = target.into_bytes();
        question.extend_from_slice(&request.bytes[request.head_bytes..]);
        if let Some(known) = self.answers().get(&question) {
            return Ok(Arc::clone(known));
        }
        let mut behind = TcpStream::connect(self.behind)?;
        behind.write_all(&request.bytes)?;
        let found = Message::read(&mut behind, &mut Vec::new())?;
        let found: Arc<[u8]> = found.ok_or(io::ErrorKind::UnexpectedEof)?.bytes.into();
        if found.starts_with(b"HTTP/1.1 200 ") {
            self.answers().insert(question, Arc::clone(&found));
        }
        Ok(found)
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, Arc<[u8]>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Message {
    /// The next message of a stream, `None` where the stream ends between two. `pending` is what was read of the one after it.
    fn read(stream: &mut TcpStream, pending: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let mut piece = [0; 1 << 14];
        let mut wanted: Option<(usize, usize)> = None;
        loop {
            if wanted.is_none()
                && let Some(at) = pending.windows(4).position(|end| end == b"\r\n\r\n")
            {
                wanted = Some((at + 4, at + 4 + body_bytes(&pending[..at])?));
            }
            if let Some((head_bytes, all_bytes)) = wanted
                && pending.len() >= all_bytes
            {
                let rest = pending.split_off(all_bytes);
                let bytes = std::mem::replace(pending, rest);
                return Ok(Some(Self { bytes, head_bytes }));
            }
            match stream.read(&mut piece)? {
                0 if pending.is_empty() => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => pending.extend_from_slice(&piece[..read]),
            }
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        header(&self.bytes[..self.head_bytes], name)
    }
}

/// The value of a header, of a head that is text.
fn header(head: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(head).ok()?;
    let mut pairs = text.lines().skip(1).filter_map(|line| line.split_once(':'));
    let (_, value) = pairs.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    Some(value.trim().to_owned())
}

/// How long the body is. Nobody here sends one in chunks.
fn body_bytes(head: &[u8]) -> io::Result<usize> {
    let unknown = || io::Error::new(io::ErrorKind::InvalidData, "a body of unknown length");
    match header(head, "content-length") {
        Some(length) => length.parse().map_err(|_| unknown()),
        None if head.starts_with(b"GET ") => Ok(0),
        None => Err(unknown()),
    }
}

fn plain(status: &str, text: &str) -> Arc<[u8]> {
    let length = text.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{text}"
    )
    .into_bytes()
    .into()
}
