//! What the table holds, by digest, and the verdicts on files; one file in the bucket.

use super::accept::Verdict;
use super::turn::Turn;
use super::{MERGED, Merge, MergeError};
use crate::ingest::LoadError;
use crate::store::Views;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serving::batch::run::Clock;
use serving::batch::{FileArchive, FileStore};
use serving::manifest::sha256_hex;
use serving::ports::{HistoryStore, PointerStore, StoreError};
use std::collections::BTreeMap;

/// The first 128 bits of a record's SHA-256.
type Digest = u128;

/// Every record that the table is to hold, and what is known of the files that it comes from.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    /// What decided on the files, themselves aside.
    judged_by: String,
    verdicts: BTreeMap<String, Verdict>,
    kinds: BTreeMap<String, BTreeMap<String, Digest>>,
}

impl Ledger {
    pub(super) fn of(
        views: &Views<'_>,
        verdicts: BTreeMap<String, Verdict>,
        judged_by: String,
    ) -> Result<Self, LoadError> {
        let mut kinds = BTreeMap::new();
        for view in views.kinds() {
            let digest = |record: Result<(String, Bytes), LoadError>| {
                record.map(|(id, bytes)| (id, digest(&bytes)))
            };
            let records: Result<BTreeMap<_, _>, _> = view.records.map(digest).collect();
            kinds.insert(view.kind.to_owned(), records?);
        }
        Ok(Self {
            judged_by,
            verdicts,
            kinds,
        })
    }

    /// None where the bytes are of another layout.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    /// The verdict on this content of a file, where the same shop gave it.
    pub(super) fn verdict(&self, judged_by: &str, name: &str, etag: &str) -> Option<&Verdict> {
        let same = self.judged_by == judged_by;
        let verdict = self.verdicts.get(name).filter(|_| same);
        verdict.filter(|verdict| verdict.etag == etag)
    }

    pub(super) fn holds(&self, kind: &str, id: &str, record: Digest) -> bool {
        self.kinds.get(kind).and_then(|records| records.get(id)) == Some(&record)
    }

    pub(super) fn names(&self, kind: &str, id: &str) -> bool {
        self.kinds
            .get(kind)
            .is_some_and(|records| records.contains_key(id))
    }

    pub(super) fn ids(&self, kind: &str) -> impl Iterator<Item = &String> {
        self.kinds.get(kind).into_iter().flat_map(BTreeMap::keys)
    }
}

pub(super) fn digest(record: &[u8]) -> Digest {
    let hash = sha256_hex(record);
    u128::from_str_radix(&hash[..32], 16).unwrap_or_default()
}

pub(super) fn key(name: &str) -> String {
    format!("{MERGED}ledgers/{name}")
}

fn unreadable(reason: impl Into<String>) -> StoreError {
    StoreError::broken("read", "a ledger of orders", reason)
}

impl<F, S, K> Merge<'_, F, S, K>
where
    F: FileStore + FileArchive,
    S: HistoryStore + PointerStore,
    K: Clock,
{
    /// Writes a ledger under the hash of its content, and gives that.
    pub(super) async fn put_ledger(&self, ledger: &Ledger) -> Result<String, MergeError> {
        let bytes = postcard::to_extend(ledger, Vec::new());
        let bytes = bytes.map_err(|e| unreadable(e.to_string()))?;
        let name = sha256_hex(&bytes);
        let place = self.place(key(&name));
        self.files.put_file(&place, Bytes::from(bytes)).await?;
        Ok(name)
    }

    /// All that the table may hold; none where nobody knows, or a ledger is gone.
    pub(super) async fn ledgers(&self, turn: &Turn<'_, S>) -> Result<Vec<Ledger>, MergeError> {
        let mut ledgers = Vec::new();
        for name in turn.ledgers() {
            match self.get_ledger(name).await? {
                Some(ledger) => ledgers.push(ledger),
                None => return Ok(Vec::new()),
            }
        }
        Ok(ledgers)
    }

    async fn get_ledger(&self, name: &str) -> Result<Option<Ledger>, MergeError> {
        let place = self.place(key(name));
        let Some(head) = self.files.head_file(&place, None).await? else {
            return Ok(None);
        };
        let Some(bytes) = self.files.read_all(&place, &head).await? else {
            return Ok(None);
        };
        // Of another layout after an update: as good as none.
        let ledger = (sha256_hex(&bytes) == name).then(|| Ledger::read(&bytes));
        Ok(ledger.flatten())
    }

    /// Ledgers hold ids, so those that nothing names any more must go.
    pub(super) async fn remove_ledgers_but(&self, name: &str) -> Result<(), MergeError> {
        let kept = key(name);
        let found = self.files.list_contents(self.bucket, &key("")).await?;
        for ledger in found {
            if ledger.place.key != kept || !ledger.is_current {
                let version = &ledger.head.version;
                self.files.remove_file(&ledger.place, version).await?;
            }
        }
        Ok(())
    }
}
