//! Starts and stops the servers that stand in for S3 and DynamoDB.

use crate::key_locks::KeyLocks;
use aws::clients::{LOCAL_ACCESS_KEY, LOCAL_SECRET_KEY};
use dynoxide::Database;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How long requests under way may take to end when a server stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// What hyper takes as the error of a service.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Something listens on the port already.
    #[error(
        "start {server}: port {port} on 127.0.0.1 is in use; end what listens there (`ss -ltnp 'sport = :{port}'` names \
         it) or choose another port"
    )]
    PortBusy {
        /// `S3`, `DynamoDB` or `gateway`.
        server: &'static str,
        /// The port asked for.
        port: u16,
    },
    /// The port cannot be had, or the place for the files cannot be used.
    #[error("start {server}: {place}: {reason}")]
    Unusable {
        /// `S3`, `DynamoDB` or `gateway`.
        server: &'static str,
        /// The address, folder or file.
        place: String,
        /// What the system said.
        reason: String,
    },
}

/// A running server. Dropping it asks it to stop; [`Server::stop`] also waits.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Where it listens; the port is the one bound when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint, as `AWS_ENDPOINT_URL_S3` and its like want it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops listening, lets requests under way end, and returns when the server is gone, after 2 s at most.
    pub async fn stop(mut self) {
        // Nobody listens to the channel when the server has ended by itself.
        let _ = self.stop.send(true);
        if tokio::time::timeout(FAREWELL, &mut self.task)
            .await
            .is_err()
        {
            self.task.abort();
        }
    }
}

/// Serves `folder` (made when it is not there) as S3 on 127.0.0.1; every folder in it is a bucket. Port 0 takes any
/// free port.
///
/// The only key pair it knows is [`LOCAL_ACCESS_KEY`] and [`LOCAL_SECRET_KEY`]. Runs on the Tokio runtime it is
/// called on, and panics without one.
pub fn start_s3(port: u16, folder: &Path) -> Result<Server, ServerError> {
    let unusable = |reason: String| ServerError::Unusable {
        server: "S3",
        place: folder.display().to_string(),
        reason,
    };
    std::fs::create_dir_all(folder).map_err(|e| unusable(e.to_string()))?;
    let files = FileSystem::new(folder).map_err(|e| unusable(format!("{e:?}")))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(LOCAL_ACCESS_KEY, LOCAL_SECRET_KEY));
    serve("S3", port, KeyLocks::around(builder.build()))
}

/// Serves a service on 127.0.0.1. Port 0 takes any free port. `server` names it in errors.
///
/// Runs on the Tokio runtime it is called on, and panics without one.
pub(crate) fn serve<S, B>(
    server: &'static str,
    port: u16,
    service: S,
) -> Result<Server, ServerError>
where
    S: Service<Request<Incoming>, Response = Response<B>, Future: Send, Error: Into<Cause>>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<Cause>> + Send + 'static,
{
    let (listener, address) = listen(server, port)?;
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(accept(listener, service, stopped));
    Ok(Server {
        address,
        stop,
        task,
    })
}

/// Serves DynamoDB on 127.0.0.1, from `file` or, without one, from memory. Port 0 takes any free port.
///
/// It takes any key pair. Runs on the Tokio runtime it is called on, and panics without one.
pub fn start_dynamo(port: u16, file: Option<&Path>) -> Result<Server, ServerError> {
    let opened = match file {
        Some(file) => Database::new(&file.to_string_lossy()),
        None => Database::memory(),
    };
    let database = opened.map_err(|e| ServerError::Unusable {
        server: "DynamoDB",
        place: file.map_or_else(|| "memory".to_owned(), |f| f.display().to_string()),
        reason: e.to_string(),
    })?;
    let (listener, address) = listen("DynamoDB", port)?;
    let (stop, mut stopped) = watch::channel(false);
    let until_stopped = async move { told(&mut stopped).await };
    let task = tokio::spawn(async move {
        // It ends by being stopped; a failed accept is retried inside.
        let _ = dynoxide::server::serve_with_shutdown(listener, database, until_stopped).await;
    });
    Ok(Server {
        address,
        stop,
        task,
    })
}

fn listen(server: &'static str, port: u16) -> Result<(TcpListener, SocketAddr), ServerError> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    bind(wanted).map_err(|e| match e.kind() {
        ErrorKind::AddrInUse => ServerError::PortBusy { server, port },
        _ => ServerError::Unusable {
            server,
            place: wanted.to_string(),
            reason: e.to_string(),
        },
    })
}

fn bind(wanted: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it on Linux. Without it an answer in two packets waits 40 ms for an acknowledgement.
    socket.set_nodelay(true)?;
    socket.bind(wanted)?;
    let listener = socket.listen(1024)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Ends when the server is to stop, or its handle is gone.
async fn told(stopped: &mut watch::Receiver<bool>) {
    // The guard inside the answer may not live across a pause of the caller.
    let _ = stopped.wait_for(|stop| *stop).await.map(|_| ());
}

/// Serves connections until told to stop, then lets each end its request.
async fn accept<S, B>(listener: TcpListener, service: S, mut stopped: watch::Receiver<bool>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Future: Send, Error: Into<Cause>>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<Cause>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let until_stopped = stopped.clone();
    let mut stop = pin!(told(&mut stopped));
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, service.clone(), until_stopped.clone()));
                }
                // Out of file descriptors, or the peer is gone already: the next one may fare better.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn converse<S, B>(stream: TcpStream, service: S, mut stopped: watch::Receiver<bool>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<Cause>>,
    B: Body<Error: Into<Cause>> + 'static,
{
    // Linux inherits it from the listener, other systems may not; a failure costs speed only.
    let _ = stream.set_nodelay(true);
    let mut connection =
        pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = told(&mut stopped) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
