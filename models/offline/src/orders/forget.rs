//! `storecast forget`: a customer goes from everything that is stored, and does not come back.
//!
//! First of all a tombstone is set, so that no load and no merge brings the customer back. Then every content of every
//! place is looked at, those that were replaced or removed as well where the bucket keeps them, and the rows of the customer
//! are taken out; then a merge makes the table a view of what is left. At last everything is looked at again: what is still
//! there is the proof's failure.

mod content;
mod places;

use super::ledger::{Ledger, key as ledger_key};
use super::{Merge, MergeError, Outcome, forgotten, tombstones};
use crate::ingest::LoadError;
use churn::Churn;
use content::{Look, Reader};
use places::PLACES;
use recommendations::Recommendations;
use recommendations::api::{SURFACES, key_of};
use serving::batch::ports::Listed;
use serving::batch::run::Clock;
use serving::batch::{FileArchive, FileStore};
use serving::ports::{HistoryStore, PointerStore, PredictionStore};
use serving::predictor::Predictor;

/// What a bucket without versions calls the only one it has.
const NO_VERSION: &str = "null";

/// What was found at a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// Where: a prefix of the bucket, or what of the table.
    pub place: &'static str,
    /// Contents looked at.
    pub contents: u64,
    /// Rows of the customer.
    pub rows: u64,
    /// Contents with the customer in them that have no rows to take out, or were replaced before; they go as a whole.
    pub whole: u64,
    /// Files that could not be looked into, and why.
    pub unclear: Vec<String>,
}

impl Looked {
    /// Whether the customer may be there.
    pub fn found(&self) -> bool {
        self.rows > 0 || self.whole > 0 || !self.unclear.is_empty()
    }
}

/// What was looked at and removed, and what was found afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Before: all this was removed.
    pub first: Vec<Looked>,
    /// Afterwards; `None` while another merge is under way, which has to end first.
    pub again: Option<Vec<Looked>>,
}

impl Proof {
    /// Whether nothing was found any more.
    pub fn holds(&self) -> bool {
        self.again
            .as_ref()
            .is_some_and(|again| !again.iter().any(Looked::found))
    }
}

impl<F, S, K> Merge<'_, F, S, K>
where
    F: FileStore + FileArchive,
    S: HistoryStore + PointerStore,
    K: Clock,
{
    /// Removes a customer from everything, for good, and looks again.
    ///
    /// `salt` is the key of the hashes in the log of predictions, `last` holds the last predictions, where any are kept. May be
    /// repeated; whatever failed before is done then.
    pub async fn forget(
        &self,
        customer_id: &str,
        salt: Option<&str>,
        last: Option<&impl PredictionStore>,
    ) -> Result<Proof, MergeError> {
        // Before anything is removed: by a shop file that does not fit, every file would be one that nothing can be taken out of.
        self.patterns_are_relative()?;
        tombstones::bury(self.store, customer_id).await?;
        let mut first = self.look(customer_id, salt, true).await?;
        first.extend(look_up(last, customer_id).await?);
        if self.run().await? == Outcome::Busy {
            let again = None;
            return Ok(Proof { first, again });
        }
        // A table that no merge keeps, or of which no order is left, still holds the record.
        let ids = [customer_id];
        self.store.remove_histories(churn::CUSTOMER, &ids).await?;
        erase(last, customer_id).await?;
        let mut again = self.look(customer_id, salt, false).await?;
        again.extend(look_up(last, customer_id).await?);
        let again = Some(again);
        Ok(Proof { first, again })
    }

    /// Looks at every place, and takes the customer out when told to; what the table holds is left to the merge.
    async fn look(
        &self,
        customer_id: &str,
        salt: Option<&str>,
        removes: bool,
    ) -> Result<Vec<Looked>, MergeError> {
        let mut looked = Vec::new();
        let folder = self.work.join("forget");
        let place = || format!("create {}", folder.display());
        std::fs::create_dir_all(&folder).map_err(LoadError::io(place()))?;
        for place in PLACES {
            let reader = Reader::new(self.shop, place, customer_id, salt, &folder);
            looked.push(self.look_at(&reader, removes).await?);
        }
        looked.push(self.ledgers_of(customer_id).await?);
        looked.push(self.table_of(customer_id).await?);
        Ok(looked)
    }

    async fn look_at(&self, reader: &Reader<'_>, removes: bool) -> Result<Looked, MergeError> {
        let prefix = reader.place.prefix;
        let mut looked = Looked {
            place: prefix,
            ..Looked::default()
        };
        for file in self.files.list_contents(self.bucket, prefix).await? {
            looked.contents += 1;
            if file.head.size == 0 {
                continue;
            }
            let Some(bytes) = self.files.read_all(&file.place, &file.head).await? else {
                // It went away or was replaced since it was listed: what came instead is not known.
                looked.unclear.push("a file changed meanwhile".to_owned());
                continue;
            };
            match reader.look(&file.place.key, &bytes)? {
                Look::Nobody => {}
                Look::Unclear(reason) => {
                    let token = file.place.token();
                    looked.unclear.push(format!("file {token}: {reason}"));
                }
                Look::Rows(rows, rest) if file.is_current => {
                    looked.rows += rows;
                    if removes {
                        self.replace(&file, rest).await?;
                    }
                }
                Look::Rows(..) | Look::Whole => {
                    looked.whole += 1;
                    if removes {
                        let version = &file.head.version;
                        self.files.remove_file(&file.place, version).await?;
                    }
                }
            }
        }
        Ok(looked)
    }

    async fn replace(&self, file: &Listed, rest: Vec<u8>) -> Result<(), MergeError> {
        let version = &file.head.version;
        let replaced = self.files.replace_file(&file.place, version, rest.into());
        if !replaced.await? {
            return Err(MergeError::Replaced);
        }
        let is_kept = |id: &String| id != NO_VERSION;
        if version.version_id.as_ref().is_some_and(is_kept) {
            self.files.remove_file(&file.place, version).await?;
        }
        Ok(())
    }

    /// Ledgers name every record of the table.
    async fn ledgers_of(&self, customer_id: &str) -> Result<Looked, MergeError> {
        let mut looked = Looked {
            place: "ledgers",
            ..Looked::default()
        };
        let prefix = ledger_key("");
        for file in self.files.list_contents(self.bucket, &prefix).await? {
            looked.contents += 1;
            if file.head.size == 0 {
                continue;
            }
            let bytes = self
                .files
                .read_all(&file.place, &file.head)
                .await?
                .unwrap_or_default();
            let names = Ledger::read(&bytes).map_or_else(
                || content::holds(&bytes, customer_id),
                |ledger| ledger.names(churn::CUSTOMER, customer_id),
            );
            looked.whole += u64::from(names);
        }
        Ok(looked)
    }

    /// The record of the customer, and the tombstone, which must be there.
    async fn table_of(&self, customer_id: &str) -> Result<Looked, MergeError> {
        let mut looked = Looked {
            place: "histories",
            contents: 1,
            ..Looked::default()
        };
        let ids = [customer_id];
        let found = self.store.get_histories(churn::CUSTOMER, &ids).await?;
        looked.rows = found.records.iter().flatten().count() as u64;
        if !forgotten(self.store).await?.holds(customer_id) {
            looked.unclear.push("the tombstone is gone".to_owned());
        }
        Ok(looked)
    }
}

/// What the last predictions of a customer are looked up by, of each function that is asked about customers.
fn last_keys(customer_id: &str) -> [(&'static str, Vec<String>); 2] {
    let of_surfaces = SURFACES.map(|surface| key_of(surface, customer_id));
    [
        (Churn::NAME, vec![customer_id.to_owned()]),
        (Recommendations::NAME, of_surfaces.to_vec()),
    ]
}

/// Last predictions of the customer; nothing where none are kept.
async fn look_up(
    last: Option<&impl PredictionStore>,
    customer_id: &str,
) -> Result<Option<Looked>, MergeError> {
    let Some(last) = last else { return Ok(None) };
    let mut looked = Looked {
        place: "last predictions",
        ..Looked::default()
    };
    for (function, keys) in last_keys(customer_id) {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        looked.contents += keys.len() as u64;
        let found = last.get_predictions(function, &keys).await?;
        looked.rows += found.iter().flatten().count() as u64;
    }
    Ok(Some(looked))
}

async fn erase(last: Option<&impl PredictionStore>, customer_id: &str) -> Result<(), MergeError> {
    let Some(last) = last else { return Ok(()) };
    for (function, keys) in last_keys(customer_id) {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        last.remove_predictions(function, &keys).await?;
    }
    Ok(())
}
