//! The files of the bucket on this machine, by name and content.

use super::{Merge, MergeError};
use crate::ingest::LoadError;
use serving::batch::ports::{Listed, Piece};
use serving::batch::run::Clock;
use serving::batch::{FileArchive, FileStore};
use serving::ports::{HistoryStore, PointerStore};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bytes fetched at a time.
const PIECE_BYTES: u64 = 8 << 20;
/// Longest part of a name that file systems take.
const MOST_PART_BYTES: usize = 255;
/// Longest name: keys have 1024 bytes, and that of its report is longer.
const MOST_NAME_BYTES: usize = 960;

/// A folder with the files, and an index of which content each has.
pub(super) struct Mirror {
    root: PathBuf,
    index_path: PathBuf,
    /// `ETag` by name.
    index: BTreeMap<String, String>,
}

impl Mirror {
    /// What an earlier merge left in the work folder.
    pub(super) fn open(work: &Path) -> Result<Self, LoadError> {
        let root = work.join("files");
        let place = || format!("create {}", root.display());
        std::fs::create_dir_all(&root).map_err(LoadError::io(place()))?;
        let index_path = work.join("files.json");
        let index = std::fs::read(&index_path).ok();
        let index = index.and_then(|text| serde_json::from_slice(&text).ok());
        Ok(Self {
            root,
            index_path,
            index: index.unwrap_or_default(),
        })
    }

    /// The folder of the files.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it has this content.
    fn has(&self, name: &str, file: &Listed) -> bool {
        let found = std::fs::metadata(self.root.join(name));
        self.index.get(name) == Some(&file.head.version.etag)
            && found.is_ok_and(|found| found.len() == file.head.size)
    }

    /// Removes the files that are not among these; what the index does not know as well.
    pub(super) fn keep(&mut self, is_kept: impl Fn(&str) -> bool) -> Result<(), LoadError> {
        for name in names_below(&self.root, "")? {
            if !is_kept(&name) || !self.index.contains_key(&name) {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Removes a file.
    pub(super) fn remove(&mut self, name: &str) -> Result<(), LoadError> {
        let path = self.root.join(name);
        let place = || format!("remove {}", path.display());
        std::fs::remove_file(&path).map_err(LoadError::io(place()))?;
        self.index.remove(name);
        self.save()
    }

    fn save(&self) -> Result<(), LoadError> {
        let place = || format!("write {}", self.index_path.display());
        let text = serde_json::to_vec(&self.index);
        let text = text.map_err(|e| LoadError::io(place())(e.into()))?;
        let unfinished = self.index_path.with_extension("unfinished");
        std::fs::write(&unfinished, text).map_err(LoadError::io(place()))?;
        std::fs::rename(&unfinished, &self.index_path).map_err(LoadError::io(place()))
    }
}

/// Names of all files below a folder, with `/`.
fn names_below(folder: &Path, prefix: &str) -> Result<Vec<String>, LoadError> {
    let mut names = Vec::new();
    let place = || format!("list {}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(LoadError::io(place()))? {
        let entry = entry.map_err(LoadError::io(place()))?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            names.extend(names_below(&entry.path(), &format!("{name}/"))?);
        } else {
            names.push(name);
        }
    }
    Ok(names)
}

/// Whether a name can be that of a file below a folder.
pub(super) fn is_a_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..") && !part.contains('\0') && part.len() <= MOST_PART_BYTES
    };
    name.len() <= MOST_NAME_BYTES && name.split('/').all(is_part)
}

impl<F, S, K> Merge<'_, F, S, K>
where
    F: FileStore + FileArchive,
    S: HistoryStore + PointerStore,
    K: Clock,
{
    /// Fetches a file, unless its content is there.
    pub(super) async fn fetch(
        &self,
        mirror: &mut Mirror,
        name: &str,
        file: &Listed,
    ) -> Result<(), MergeError> {
        if mirror.has(name, file) {
            return Ok(());
        }
        let path = mirror.root.join(name);
        let place = || format!("write {}", path.display());
        let folder = path.parent().unwrap_or(&mirror.root);
        std::fs::create_dir_all(folder).map_err(LoadError::io(place()))?;
        // What is there is no content that anybody knows until all of the new one is written.
        if mirror.index.remove(name).is_some() {
            mirror.save()?;
        }
        let mut local = File::create(&path).map_err(LoadError::io(place()))?;
        let (size, version) = (file.head.size, &file.head.version);
        let mut from = 0;
        while from < size {
            let until = size.min(from + PIECE_BYTES);
            let piece = self.files.read_file(&file.place, version, from..until);
            let Piece::Bytes(bytes) = piece.await? else {
                return Err(MergeError::Replaced);
            };
            local.write_all(&bytes).map_err(LoadError::io(place()))?;
            from = until;
        }
        let etag = version.etag.clone();
        mirror.index.insert(name.to_owned(), etag);
        Ok(mirror.save()?)
    }
}
