//! `s3://` addresses in shop files.

use crate::ingest::{Fetch, RemoteFile};
use aws::clients::Clients;
use aws::files::S3Files;
use std::cell::OnceCell;
use std::path::Path;
use tokio::runtime::Runtime;

/// Connects when the first address is met, so that a shop of local files needs neither credentials nor a network.
#[derive(Default)]
pub(super) struct Remote(OnceCell<(Runtime, S3Files)>);

impl Remote {
    fn connected(&self) -> Result<&(Runtime, S3Files), String> {
        if self.0.get().is_none() {
            let built = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = built.map_err(|e| e.to_string())?;
            let files = S3Files::new(&runtime.block_on(Clients::from_environment()));
            let _ = self.0.set((runtime, files));
        }
        self.0.get().ok_or_else(|| "no connection".to_owned())
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
                version: f.etag,
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
