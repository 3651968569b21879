//! One writer per S3 key.

use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Method, Request};
use s3s::service::S3Service;
use s3s::{HttpError, HttpResponse};
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::RwLock;

/// More than the requests under way at once on one machine, so that two keys rarely wait for each other.
const LOCKS: usize = 256;

/// An S3 service that lets one request change a key at a time, and none read it meanwhile.
///
/// The file system behind it checks `If-None-Match` before it writes, so of concurrent conditional writes several
/// would win, and a reader between the file and its checksum would see a damaged object. Requests are told apart by
/// their path, which with path-style addresses is bucket and key; a read holds its lock until its headers are ready,
/// when the file is open and a later rename no longer matters.
#[derive(Clone)]
pub(crate) struct KeyLocks {
    inner: S3Service,
    locks: Arc<[RwLock<()>]>,
}

impl KeyLocks {
    pub(crate) fn around(inner: S3Service) -> Self {
        Self {
            inner,
            locks: (0..LOCKS).map(|_| RwLock::new(())).collect(),
        }
    }
}

impl Service<Request<Incoming>> for KeyLocks {
    type Response = HttpResponse;
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let Self { inner, locks } = self.clone();
        let mut hasher = DefaultHasher::new();
        request.uri().path().hash(&mut hasher);
        let index = hasher.finish() as usize % LOCKS;
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        Box::pin(async move {
            if reads {
                let _held = locks[index].read().await;
                Service::call(&inner, request).await
            } else {
                let _held = locks[index].write().await;
                Service::call(&inner, request).await
            }
        })
    }
}
