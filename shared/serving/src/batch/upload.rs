//! A file that grows in parts: written while the upload is read, seen when it is complete.

use super::name::Packing;
use super::output::Packer;
use super::ports::{FilePlace, FileStore, Part};
use crate::ports::StoreError;
use bytes::Bytes;
use std::io;

/// An output under way. Less than a part is written as one file, without an upload in parts.
pub struct Growing<'a, F> {
    files: &'a F,
    place: FilePlace,
    packer: Packer,
    part_bytes: usize,
    upload: Option<String>,
    parts: Vec<Part>,
}

impl<'a, F: FileStore> Growing<'a, F> {
    /// An empty output; nothing is written yet.
    pub fn new(
        files: &'a F,
        place: FilePlace,
        packing: Packing,
        part_bytes: usize,
    ) -> Result<Self, StoreError> {
        let packer = Packer::new(packing).map_err(|e| cannot_pack(&place, &e))?;
        Ok(Self {
            files,
            place,
            packer,
            part_bytes,
            upload: None,
            parts: Vec::new(),
        })
    }

    /// Adds bytes, and writes every part that is full.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let packed = self.packer.write(bytes);
        packed.map_err(|e| cannot_pack(&self.place, &e))?;
        while self.packer.ready().len() >= self.part_bytes {
            let ready = self.packer.ready();
            let rest = ready.split_off(self.part_bytes);
            let part = std::mem::replace(ready, rest);
            self.put_part(part).await?;
        }
        Ok(())
    }

    /// Writes what is left, and makes the file be seen.
    pub async fn complete(&mut self) -> Result<(), StoreError> {
        let plain = Packer::Plain(Vec::new());
        let rest = std::mem::replace(&mut self.packer, plain).finish();
        let rest = rest.map_err(|e| cannot_pack(&self.place, &e))?;
        if self.upload.is_none() {
            return self.files.put_file(&self.place, Bytes::from(rest)).await;
        }
        if !rest.is_empty() {
            self.put_part(rest).await?;
        }
        let Some(upload) = &self.upload else {
            return Ok(());
        };
        let completed = self
            .files
            .complete_upload(&self.place, upload, &self.parts)
            .await;
        if completed.is_ok() {
            self.upload = None;
        }
        completed
    }

    /// Gives the output up: what was there before stays. A store that fails now forgets parts by its own rules later.
    pub async fn abort(&mut self) {
        if let Some(upload) = self.upload.take() {
            let _ = self.files.abort_upload(&self.place, &upload).await;
        }
    }

    async fn put_part(&mut self, bytes: Vec<u8>) -> Result<(), StoreError> {
        if self.upload.is_none() {
            self.upload = Some(self.files.begin_upload(&self.place).await?);
        }
        let upload = self.upload.as_deref().unwrap_or_default();
        let number = self.parts.len() as u32 + 1;
        let bytes = Bytes::from(bytes);
        let part = self.files.put_part(&self.place, upload, number, bytes);
        self.parts.push(part.await?);
        Ok(())
    }
}

fn cannot_pack(place: &FilePlace, error: &io::Error) -> StoreError {
    StoreError::broken("pack", format!("file {}", place.token()), error.to_string())
}
