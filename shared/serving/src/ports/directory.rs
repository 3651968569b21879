//! Everything in files below one folder.

use super::{
    ArtifactStore, Histories, HistoryStore, PointerChange, PointerStore, SetStore, Sets, StoreError,
};
use bytes::Bytes;
use features::time::Timestamp;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of an encoded name in one file name; file systems stop at 255.
const PIECE: usize = 200;

/// All ports in files: `histories/<kind>/<id>`, `complete_through/<kind>`, `artifacts/<key>`, `pointers/<name>`, `sets/<owner>`.
///
/// Ids and keys are percent-encoded, so that slashes, `..`, capitals on a file system that folds them and any other
/// text are safe. A write goes to a temporary file that is then renamed: readers see the old or the new content, never
/// a part. Write-once and compare-and-set hold between processes through one lock file. Writes are not forced to the
/// disk, so the last ones may be lost when the machine itself fails. Calls block the thread they run on: the adapter
/// is for one machine, not for serving.
#[derive(Debug)]
pub struct DirectoryStore {
    root: PathBuf,
}

/// Distinguishes the temporary files of one process.
static NEXT_TEMPORARY: AtomicU64 = AtomicU64::new(0);

impl DirectoryStore {
    /// Uses `root`, making it when it is not there.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        fs::create_dir_all(root.join("temporary")).map_err(|e| failed("open", &root, &e))?;
        Ok(Self { root })
    }

    fn path(&self, area: &str, name: &str) -> PathBuf {
        encode(name).fold(self.root.join(area), |path, piece| path.join(piece))
    }

    fn history_path(&self, kind: &str, id: &str) -> PathBuf {
        self.path(&format!("histories/{kind}"), id)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let number = NEXT_TEMPORARY.fetch_add(1, Ordering::Relaxed);
        let temporary = self
            .root
            .join("temporary")
            .join(format!("{}-{number}", std::process::id()));
        let written = fs::create_dir_all(path.parent().unwrap_or(&self.root))
            .and_then(|()| fs::write(&temporary, bytes))
            .and_then(|()| fs::rename(&temporary, path));
        written.map_err(|e| {
            // Best effort: the error that matters is the first one.
            let _ = fs::remove_file(&temporary);
            failed("put", path, &e)
        })
    }

    /// Runs `work` while no other process or thread does.
    fn alone<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let path = self.root.join("lock");
        let lock = fs::File::create(&path).and_then(|file| file.lock().map(|()| file));
        let _held_until_dropped = lock.map_err(|e| failed("lock", &path, &e))?;
        work()
    }
}

impl HistoryStore for DirectoryStore {
    async fn get_histories(
        &self,
        kind: &'static str,
        ids: &[&str],
    ) -> Result<Histories, StoreError> {
        // The stamp first: it is written after the records it speaks of.
        let complete_through = self.complete_through(kind)?;
        let records = ids
            .iter()
            .map(|id| Ok(read(&self.history_path(kind, id))?.map(Bytes::from)))
            .collect::<Result<_, StoreError>>()?;
        Ok(Histories {
            records,
            complete_through,
        })
    }

    async fn put_histories(
        &self,
        kind: &'static str,
        records: &[(String, Bytes)],
    ) -> Result<(), StoreError> {
        records
            .iter()
            .try_for_each(|(id, bytes)| self.write(&self.history_path(kind, id), bytes))
    }

    async fn retain_histories(
        &self,
        kind: &'static str,
        keep: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<usize, StoreError> {
        let mut removed = 0;
        let folder = self.root.join("histories").join(kind);
        for (encoded, path) in files_below(&folder, "")? {
            let id = decode(&encoded).ok_or_else(|| {
                StoreError::broken(
                    "retain",
                    path.display().to_string(),
                    "not a name of this store",
                )
            })?;
            if !keep(&id) {
                fs::remove_file(&path).map_err(|e| failed("retain", &path, &e))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn remove_histories(&self, kind: &'static str, ids: &[&str]) -> Result<(), StoreError> {
        let gone = |path: &Path| match fs::remove_file(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(failed("remove", path, &e)),
            _ => Ok(()),
        };
        ids.iter()
            .try_for_each(|id| gone(&self.history_path(kind, id)))
    }

    async fn set_complete_through(
        &self,
        kind: &'static str,
        instant: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(
            &self.path("complete_through", kind),
            instant.0.to_string().as_bytes(),
        )
    }
}

impl DirectoryStore {
    fn complete_through(&self, kind: &str) -> Result<Option<Timestamp>, StoreError> {
        let path = self.path("complete_through", kind);
        let Some(text) = read_text(&path)? else {
            return Ok(None);
        };
        let seconds = text.trim().parse();
        seconds.map(|s| Some(Timestamp(s))).map_err(|_| {
            StoreError::broken(
                "get",
                path.display().to_string(),
                "not a whole number of seconds since 1970",
            )
        })
    }
}

impl ArtifactStore for DirectoryStore {
    async fn get_artifact(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(read(&self.path("artifacts", key))?.map(Bytes::from))
    }

    async fn put_artifact(&self, key: &str, bytes: Bytes) -> Result<bool, StoreError> {
        let path = self.path("artifacts", key);
        self.alone(|| {
            let absent = !path.try_exists().map_err(|e| failed("put", &path, &e))?;
            if absent {
                self.write(&path, &bytes)?;
            }
            Ok(absent)
        })
    }
}

impl PointerStore for DirectoryStore {
    async fn get_pointers(&self, names: &[&str]) -> Result<Vec<Option<String>>, StoreError> {
        names
            .iter()
            .map(|name| read_text(&self.path("pointers", name)))
            .collect()
    }

    /// Readers without the lock may see a part of several changes while they are made, as may all after a crash in between.
    async fn set_pointers(&self, changes: &[PointerChange<'_>]) -> Result<bool, StoreError> {
        let path = |name| self.path("pointers", name);
        self.alone(|| {
            for change in changes {
                if read_text(&path(change.name))?.as_deref() != change.expected {
                    return Ok(false);
                }
            }
            for change in changes {
                if let Some(value) = change.value {
                    self.write(&path(change.name), value.as_bytes())?;
                }
            }
            Ok(true)
        })
    }
}

impl SetStore for DirectoryStore {
    /// Kept until somebody removes the file.
    async fn add_members(
        &self,
        owner: &str,
        members: &Sets,
        _kept_until: Timestamp,
    ) -> Result<Sets, StoreError> {
        let path = self.path("sets", owner);
        let broken = |e: serde_json::Error| {
            StoreError::broken("add", path.display().to_string(), e.to_string())
        };
        self.alone(|| {
            let text = read_text(&path)?;
            let found = text.map(|text| serde_json::from_str(&text)).transpose();
            let mut sets: Sets = found.map_err(broken)?.unwrap_or_default();
            super::add(&mut sets, members);
            self.write(&path, &serde_json::to_vec(&sets).map_err(broken)?)?;
            Ok(sets)
        })
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(failed("get", path, &e)),
    }
}

fn read_text(path: &Path) -> Result<Option<String>, StoreError> {
    let text = read(path)?.map(String::from_utf8).transpose();
    text.map_err(|_| StoreError::broken("get", path.display().to_string(), "not UTF-8"))
}

/// Every file below a folder with its encoded name, the pieces joined.
fn files_below(folder: &Path, name: &str) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed("list", folder, &e)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| failed("list", folder, &e))?.path();
        let piece = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match piece.strip_suffix('+') {
            Some(piece) => files.extend(files_below(&path, &format!("{name}{piece}"))?),
            None => files.push((format!("{name}{piece}"), path)),
        }
    }
    Ok(files)
}

/// The file name of a name, and before it, when it is long, the folders of its earlier pieces, each ending in `+`.
///
/// Lower-case letters, digits, `-`, `_` and dots that start no piece stand for themselves, every other byte is `%` and two digits.
/// Source of the idea: RFC 3986, section 2.1.
fn encode(name: &str) -> impl Iterator<Item = String> {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        let starts_piece = encoded.len().is_multiple_of(PIECE);
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => encoded.push(char::from(byte)),
            b'.' if !starts_piece => encoded.push('.'),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{byte:02x}");
            }
        }
    }
    if encoded.is_empty() {
        encoded.push('%');
    }
    let pieces = encoded.len().div_ceil(PIECE);
    (0..pieces).map(move |index| {
        let piece = &encoded[index * PIECE..encoded.len().min((index + 1) * PIECE)];
        if index + 1 < pieces {
            format!("{piece}+")
        } else {
            piece.to_owned()
        }
    })
}

/// What [`encode`] made a file name of; `None` when it was not made by it.
fn decode(encoded: &str) -> Option<String> {
    if encoded == "%" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// A file system gives no hint that waiting helps, so every failure is for a person to look at.
fn failed(operation: &'static str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::broken(operation, path.display().to_string(), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;
    use proptest::prelude::*;

    #[tokio::test]
    async fn conforms() {
        let folder = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(folder.path().join("new/store")).unwrap();
        conformance::histories(&store).await;
        conformance::artifacts(&store).await;
        conformance::pointers(&store).await;
        conformance::sets(&store).await;
        let left = fs::read_dir(folder.path().join("new/store/temporary"))
            .unwrap()
            .count();
        assert_eq!(left, 0, "no temporary file stays behind");
    }

    #[tokio::test]
    async fn two_handles_on_one_folder_have_one_winner() {
        let folder = tempfile::tempdir().unwrap();
        let race = |value: &'static str| {
            let path = folder.path().to_owned();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                let store = DirectoryStore::open(path).unwrap();
                (0..100)
                    .filter(|i| {
                        runtime
                            .block_on(store.set_pointer(&format!("p{i}"), None, value))
                            .unwrap()
                    })
                    .count()
            })
        };
        let (a, b) = (race("a"), race("b"));
        assert_eq!(a.join().unwrap() + b.join().unwrap(), 100);
    }

    #[tokio::test]
    async fn a_damaged_stamp_is_broken_not_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(folder.path()).unwrap();
        fs::create_dir(folder.path().join("complete_through")).unwrap();
        fs::write(folder.path().join("complete_through/customer"), "soon").unwrap();
        let error = store.get_histories("customer", &["a"]).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("complete_through/customer: not a whole number"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn names_survive_and_stay_below_the_folder(name in "(\\PC|/|\\.|[A-Z]){0,150}") {
            let pieces: Vec<String> = encode(&name).collect();
            for piece in &pieces {
                prop_assert!(piece.len() <= PIECE + 1 && !piece.contains('/') && !piece.starts_with('.'), "{}", piece);
            }
            let joined: String = pieces.iter().map(|p| p.trim_end_matches('+')).collect();
            prop_assert_eq!(decode(&joined), Some(name));
        }
    }
}
