//! What a load left behind, and whether it can be used again.

use super::Counts;
use crate::ingest::{Forgotten, Inputs, LoadError};
use crate::shop::Shop;
use crate::simulate;
use features::time::{LocalDay, Timestamp};
use features::{codec, demand};
use serde::{Deserialize, Serialize};
use serving::manifest::sha256_hex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Raised when equal files lead to other histories than before.
const LAYOUT: u32 = 4;

/// `stamp.json`, written last: without it the other files of a work folder count for nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub(super) fingerprint: String,
    /// Bytes of each file of histories.
    pub(super) sizes: BTreeMap<String, u64>,
    pub(super) first_order: Timestamp,
    pub(super) last_order: Timestamp,
    /// Days of the first and the last order, those of guests among them.
    pub(super) first_day: LocalDay,
    pub(super) last_day: LocalDay,
    pub(super) counts: Counts,
    pub(super) notes: Vec<String>,
}

impl Stamp {
    /// The stamp of a work folder; none when it is missing or of other code.
    pub(super) fn read(work: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path(work)).ok()?).ok()
    }

    pub(super) fn fits(&self, fingerprint: &str, work: &Path) -> bool {
        let whole = |(name, size): (&String, &u64)| {
            std::fs::metadata(work.join(name)).is_ok_and(|found| found.len() == *size)
        };
        self.fingerprint == fingerprint && self.sizes.iter().all(whole)
    }

    pub(super) fn remove(work: &Path) -> Result<(), LoadError> {
        match std::fs::remove_file(path(work)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(LoadError::io(
                format!("remove {}", path(work).display()),
            )(error)),
            _ => Ok(()),
        }
    }

    pub(super) fn write(&self, work: &Path) -> Result<(), LoadError> {
        let place = || format!("write {}", path(work).display());
        let text = serde_json::to_vec_pretty(self).map_err(|e| LoadError::io(place())(e.into()))?;
        let unfinished = work.join("stamp.json.unfinished");
        std::fs::write(&unfinished, text).map_err(LoadError::io(place()))?;
        std::fs::rename(&unfinished, path(work)).map_err(LoadError::io(place()))
    }
}

fn path(work: &Path) -> PathBuf {
    work.join("stamp.json")
}

/// Names the code that makes histories: another name, and equal files may lead to others.
pub(crate) fn code() -> String {
    let layouts = [
        LAYOUT,
        codec::VERSION.into(),
        demand::codec::VERSION.into(),
        simulate::VERSION,
    ];
    format!("{layouts:?} {}", env!("CARGO_PKG_VERSION"))
}

/// A hash of all that decides the histories: this code, the shop, the files by name, size and time, and who is left out.
pub(super) fn fingerprint(shop: &Shop, inputs: &Inputs, forgotten: &Forgotten) -> String {
    let (code, shop) = (code(), &shop.text);
    let all = format!("{code}\n{shop}\n{inputs:?}\n{forgotten:?}");
    sha256_hex(all.as_bytes())
}
