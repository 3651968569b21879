//! A file that grows in parts: written while the upload is read, seen when it is complete.

use super::limits::Limits;
use super::name::Packing;
use super::pack::{Form, Packer, Unwritten};
use super::ports::{FilePlace, FileStore, Part};
use super::progress::Grown;
use crate::ports::StoreError;
use bytes::Bytes;
use std::io;

/// An output under way. Less than a part is written as one file, without an upload in parts.
pub struct Growing<'a, F> {
    files: &'a F,
    place: FilePlace,
    packer: Packer,
    part_bytes: usize,
    most_parts: usize,
    upload: Option<String>,
    parts: Vec<Part>,
    is_kept: bool,
    is_lost: bool,
}

impl<'a, F: FileStore> Growing<'a, F> {
    /// An output as an earlier invocation left it, or an empty one; nothing is written yet.
    pub fn new(files: &'a F, place: FilePlace, form: Form, limits: &Limits, left: Grown) -> Self {
        let unwritten = Unwritten {
            held: left.held,
            ready: left.ready,
            groups: left.groups,
        };
        Self {
            files,
            place,
            packer: Packer::new(form, limits.member_bytes, unwritten),
            part_bytes: limits.part_bytes,
            most_parts: limits.parts,
            is_kept: left.upload.is_some(),
            upload: left.upload,
            parts: left.parts,
            is_lost: false,
        }
    }

    /// Adds bytes, and writes every part that is full, as long as the store takes another one behind it.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let packed = self.packer.write(bytes);
        packed.map_err(|e| cannot_pack(&self.place, &e))?;
        while self.packer.ready().len() >= self.part_bytes && !self.is_full() {
            let ready = self.packer.ready();
            let rest = ready.split_off(self.part_bytes);
            let part = std::mem::replace(ready, rest);
            self.put_part(part).await?;
        }
        Ok(())
    }

    /// Writes what is left, and makes the file be seen.
    pub async fn complete(&mut self) -> Result<(), StoreError> {
        let nothing = Packer::new(Form::Bytes(Packing::Plain), 0, Unwritten::default());
        let rest = std::mem::replace(&mut self.packer, nothing).finish();
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
        let completed = self.files.complete_upload(&self.place, upload, &self.parts);
        match completed.await {
            Ok(true) => {}
            Ok(false) => return Err(self.lost("complete", "no such upload")),
            Err(error) => return Err(self.refused("complete", error)),
        }
        self.upload = None;
        Ok(())
    }

    /// Whether the store takes no more than one part, in which the output has to end.
    pub fn is_full(&self) -> bool {
        self.parts.len() + 1 >= self.most_parts
    }

    /// Leaves the output for a later invocation to go on with.
    pub fn leave(self) -> Grown {
        let Unwritten {
            held,
            ready,
            groups,
        } = self.packer.leave();
        Grown {
            upload: self.upload,
            parts: self.parts,
            groups,
            held,
            ready,
        }
    }

    /// Whether the store has no upload any more that an earlier invocation left: it was completed just before its end was
    /// noted, or given up. The file has to begin anew.
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Gives up what was begun here: what was there before stays. A store that fails now forgets parts by its own rules later.
    pub async fn give_back(&mut self) {
        if !self.is_kept {
            self.abort().await;
        }
    }

    /// Gives the output up, whoever began it.
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
        let put = self.files.put_part(&self.place, upload, number, bytes);
        match put.await {
            Ok(Some(part)) => self.parts.push(part),
            Ok(None) => return Err(self.lost("put a part of", "no such upload")),
            Err(error) => return Err(self.refused("put a part of", error)),
        }
        Ok(())
    }

    /// An upload that an earlier invocation left and that is refused for good is as lost as one that is gone.
    fn refused(&mut self, operation: &'static str, error: StoreError) -> StoreError {
        match error {
            StoreError::Broken { reason, .. } if self.is_kept => self.lost(operation, &reason),
            other => other,
        }
    }

    fn lost(&mut self, operation: &'static str, reason: &str) -> StoreError {
        self.is_lost = true;
        let place = format!("file {}", self.place.token());
        StoreError::unavailable(operation, place, reason)
    }
}

fn cannot_pack(place: &FilePlace, error: &io::Error) -> StoreError {
    StoreError::broken("pack", format!("file {}", place.token()), error.to_string())
}
