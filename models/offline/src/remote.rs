//! `s3://` addresses in shop files.

use crate::ingest::{Fetch, RemoteFile};
use aws::clients::Clients;
use aws::files::S3Files;
use std::cell::OnceCell;
use std::path::Path;
use tokio::runtime::Runtime;

/// Files in S3, read on a thread of its own making: not to be called from asynchronous code.
///
/// Connects when the first address is met, so that a shop of local files needs neither credentials nor a network.
#[derive(Debug, Default)]
pub struct Remote {
    /// Named here, or taken from the environment when the first address is met.
    clients: Option<Clients>,
    connection: OnceCell<(Runtime, S3Files)>,
}

impl Remote {
    /// Reads through these clients and not those of the environment.
    pub fn through(clients: Clients) -> Self {
        Self {
            clients: Some(clients),
            connection: OnceCell::new(),
        }
    }

    fn connected(&self) -> Result<&(Runtime, S3Files), String> {
        if self.connection.get().is_none() {
            let built = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = built.map_err(|e| e.to_string())?;
            let clients = match &self.clients {
                Some(clients) => clients.clone(),
                None => runtime.block_on(Clients::from_environment()),
            };
            let _ = self.connection.set((runtime, S3Files::new(&clients)));
        }
        self.connection
            .get()
            .ok_or_else(|| "no connection".to_owned())
    }
}

impl Fetch for Remote {
    fn list(&self, prefix: &str) -> Result<Vec<RemoteFile>, String> {
        let (runtime, files) = self.connected()?;
        let found = runtime
            .block_on(files.list(prefix))
            .map_err(|e| e.to_string())?;
        Ok(found
            .into_iter()
            .map(|f| RemoteFile {
                url: f.url,
                size: f.size,
                version: f.version,
            })
            .collect())
    }

    fn download(&self, url: &str, path: &Path) -> Result<(), String> {
        let (runtime, files) = self.connected()?;
        runtime
            .block_on(files.download(url, path))
            .map_err(|e| e.to_string())
    }
}
