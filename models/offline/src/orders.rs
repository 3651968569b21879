//! Orders keep coming: files under `uploads/orders/` are merged into the stored histories, exactly once in effect.
//!
//! The files in the bucket are the truth, and the table is a view of them. A merge is therefore no change of histories by
//! what a file says. It is the load of all files that are there, of which the table is given what differs. So it cannot
//! matter how often a file is told of, in which order files come, or which lines they share: equal files give equal
//! histories, those of a clean load.
//!
//! What happens, in this order; a merge that ends anywhere is done again, from the beginning, by the next one:
//!
//! | step | why it may be repeated |
//! |---|---|
//! | take the turn (compare-and-set on the pointer `orders`) | one merge at a time; it ends by the clock |
//! | list the bucket, fetch what is new, judge each new file by itself | a verdict follows from the file and `shop.toml` |
//! | load all accepted files | equal files, equal histories |
//! | write the ledger of what the table is to hold, name it in the pointer | from here on the table may hold either |
//! | write records that differ from what the table may hold; stamps last | the same records again |
//! | write rejects and reports | they replace themselves |
//! | name the new ledger alone, end the turn | compare-and-set |
//!
//! | module | what it holds |
//! |---|---|
//! | `turn` | who may write until when, and what the table may hold |
//! | `ledger` | every record of the table by its digest, and the verdicts on files |
//! | `mirror` | the files of the bucket on this machine |
//! | `accept` | verdicts, reports and rejects |
//! | `fate` | what became of one file |
//! | `change` | from what the table may hold to what it is to hold |
//! | `tombstones` | who is forgotten |
//! | `function` | the function that merges what arrives |
//! | `forget` | a customer goes from everything, and that is proved |

mod accept;
mod change;
mod fate;
mod forget;
mod function;
mod ledger;
mod mirror;
mod tombstones;
mod turn;

pub use change::Changed;
pub use fate::{OrderFate, fate};
pub use forget::{Looked, Proof};
pub use function::Merger;
pub use tombstones::forgotten;
pub use turn::Turn;

use crate::histories::{self, Histories};
use crate::ingest::{Forgotten, LoadError, Options};
use crate::shop::Shop;
use crate::store::{Views, WriteError};
use ledger::Ledger;
use mirror::Mirror;
use serving::batch::ports::{FilePlace, Listed};
use serving::batch::run::Clock;
use serving::batch::{FileArchive, FileStore};
use serving::manifest::sha256_hex;
use serving::ports::{HistoryStore, PointerStore, StoreError};

use std::path::Path;

/// Where the files of a shop's orders, products and stock lie.
pub const ORDERS: &str = "uploads/orders/";
/// Where reports, rejects and ledgers of merges lie.
pub const MERGED: &str = "merged/";
/// Time that must be left to begin another write: enough for the one that is under way to end.
const DEADLINE_MARGIN_MS: i64 = 5_000;

/// Why a merge ended early. The next one begins anew.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The bucket or the table.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This machine, or files that cannot be read together.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Records that cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A pattern of `shop.toml` that leaves the folder of uploads.
    #[error(
        "{table}.files has {pattern}: what is merged lies below {ORDERS}, so patterns must be relative"
    )]
    Pattern {
        /// The table.
        table: &'static str,
        /// The pattern.
        pattern: String,
    },
    /// A file was replaced or removed while it was read.
    #[error("a file was replaced while it was read; it is merged when its own event comes")]
    Replaced,
    /// The turn went to somebody else.
    #[error("another merge took over")]
    Overtaken,
    /// The invocation ends.
    #[error("no time is left to write what differs; the next merge goes on")]
    Late,
}

/// What became of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The table holds what the files say.
    Merged(Merged),
    /// It did so before.
    Unchanged,
    /// Another merge is under way; what it did not see has to come again.
    Busy,
    /// No accepted file holds an order, so there is nothing that the table could be a view of. It stays as it is.
    NoOrders(Files),
}

/// How many files there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Files {
    /// Loaded.
    pub accepted: usize,
    /// Not loaded; a report lies under `quarantine/` for each.
    pub refused: usize,
}

/// What a merge did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// The files that the table now is a view of.
    pub files: Files,
    /// What was written, by kind.
    pub changed: Vec<Changed>,
    /// The second after the last order, seconds since 1970.
    pub complete_through: i64,
}

/// Everything a merge needs of the outside.
#[derive(Debug, Clone, Copy)]
pub struct Merge<'a, F, S, K> {
    /// What the files look like; its data root does not matter.
    pub shop: &'a Shop,
    /// The bucket of uploads.
    pub bucket: &'a str,
    /// The files.
    pub files: &'a F,
    /// The table.
    pub store: &'a S,
    /// Time; the turn ends with the invocation.
    pub clock: &'a K,
    /// This merge, unlike any other.
    pub owner: &'a str,
    /// A folder on this machine; what an earlier merge left there is used again.
    pub work: &'a Path,
}

impl<F, S, K> Merge<'_, F, S, K>
where
    F: FileStore + FileArchive,
    S: HistoryStore + PointerStore,
    K: Clock,
{
    /// Makes the table a view of the files that are in the bucket now.
    pub async fn run(&self) -> Result<Outcome, MergeError> {
        self.patterns_are_relative()?;
        let done = self.merge().await;
        if done.is_err() {
            // Where that fails as well, the turn ends by the clock.
            let _ = Turn::give_up(self.store, self.owner).await;
        }
        done
    }

    async fn merge(&self) -> Result<Outcome, MergeError> {
        let Some(mut turn) = Turn::take(self.store, self.owner, self.clock).await? else {
            return Ok(Outcome::Busy);
        };
        let forgotten = forgotten(self.store).await?;
        let listed = self.files.list_files(self.bucket, ORDERS).await?;
        let inputs = self.inputs(&listed, &forgotten);
        if let Some(ledger) = turn.ledger_of(&inputs) {
            // The merge that wrote it may have ended before it tidied up.
            self.remove_ledgers_but(ledger).await?;
            turn.release().await?;
            return Ok(Outcome::Unchanged);
        }
        let before = self.ledgers(&turn).await?;
        let mut mirror = Mirror::open(self.work)?;
        let verdicts = self
            .accept(&mut mirror, &listed, &forgotten, before.first())
            .await?;
        let files = verdicts.files();
        let Some(histories) = self.load(&mirror, &forgotten)? else {
            self.report(&verdicts).await?;
            // They name who was in the table. Without one, the next merge writes everything.
            self.remove_ledgers_but("").await?;
            turn.release().await?;
            return Ok(Outcome::NoOrders(files));
        };
        let views = Views::of(&histories)?;
        let after = Ledger::of(&views, verdicts.by_name(), self.judged_by())?;
        let name = self.put_ledger(&after).await?;
        turn.may_hold(&before, &name).await?;
        let changed = self.change(&views, &before, &after).await?;
        self.report(&verdicts).await?;
        turn.settle(&name, inputs).await?;
        // Still in our turn: the next one puts a ledger of its own.
        self.remove_ledgers_but(&name).await?;
        turn.release().await?;
        Ok(Outcome::Merged(Merged {
            files,
            changed,
            complete_through: histories.complete_through().0,
        }))
    }

    /// All accepted files; none where no order is in them.
    fn load(
        &self,
        mirror: &Mirror,
        forgotten: &Forgotten,
    ) -> Result<Option<Histories>, MergeError> {
        let work = self.work.join("histories");
        let options = Options {
            data_root: Some(mirror.root()),
            forgotten,
            may_be_missing: true,
            ..Options::local(&work)
        };
        match Histories::load(self.shop, &options) {
            Ok(histories) => Ok(Some(histories)),
            Err(LoadError::NoRows { .. } | LoadError::NoOrders { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Names all that decides what the table is to hold.
    fn inputs(&self, listed: &[Listed], forgotten: &Forgotten) -> String {
        let files: Vec<(&str, &str)> = listed
            .iter()
            .map(|file| (file.place.key.as_str(), file.head.version.etag.as_str()))
            .collect();
        let text = format!("{}\n{forgotten:?}\n{files:?}", self.judged_by());
        sha256_hex(text.as_bytes())
    }

    /// Names what decides on a file, the file aside.
    fn judged_by(&self) -> String {
        sha256_hex(format!("{}\n{}", histories::code(), self.shop.text).as_bytes())
    }

    fn patterns_are_relative(&self) -> Result<(), MergeError> {
        let leaves = |pattern: &String| {
            pattern.starts_with("s3://")
                || pattern
                    .split('/')
                    .any(|part| matches!(part, "" | "." | ".."))
        };
        for (table, patterns) in crate::ingest::patterns(self.shop) {
            if let Some(pattern) = patterns.iter().find(|pattern| leaves(pattern)) {
                let pattern = pattern.clone();
                return Err(MergeError::Pattern { table, pattern });
            }
        }
        Ok(())
    }

    fn place(&self, key: String) -> FilePlace {
        FilePlace {
            bucket: self.bucket.to_owned(),
            key,
        }
    }
}
