//! Each file by itself: accepted or refused, and what is said about it.

use super::ledger::Ledger;
use super::mirror::{Mirror, is_a_name};
use super::{Files, MERGED, Merge, MergeError, ORDERS};
use crate::ingest::{Forgotten, LoadError, Options, judge, tables_of};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serving::batch::limits::Limits;
use serving::batch::name::{Packing, QUARANTINE};
use serving::batch::pack::Form;
use serving::batch::ports::Listed;
use serving::batch::progress::Grown;
use serving::batch::run::Clock;
use serving::batch::upload::Growing;
use serving::batch::{FileArchive, FileStore};
use serving::ports::{HistoryStore, PointerStore};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// A name that is too long to be loaded can be too long for a report beside it.
const MOST_KEY_BYTES: usize = 1024;

/// What was said of a content of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Verdict {
    pub(super) etag: String,
    pub(super) is_accepted: bool,
}

/// On all files, and the reports of those that were judged now.
#[derive(Default)]
pub(super) struct Verdicts {
    by_name: BTreeMap<String, Verdict>,
    reports: Vec<(String, String)>,
}

impl Verdicts {
    pub(super) fn files(&self) -> Files {
        let is_accepted = |verdict: &&Verdict| verdict.is_accepted;
        let accepted = self.by_name.values().filter(is_accepted).count();
        Files {
            accepted,
            refused: self.by_name.len() - accepted,
        }
    }

    pub(super) fn by_name(&self) -> BTreeMap<String, Verdict> {
        self.by_name.clone()
    }

    fn accepts(&self, name: &str) -> bool {
        self.by_name
            .get(name)
            .is_some_and(|verdict| verdict.is_accepted)
    }
}

/// What `….report.json` says: `rows` = `accepted` + `rejected`, unless the file was refused.
#[derive(Serialize)]
struct Report<'a> {
    outcome: &'static str,
    key: &'a str,
    etag: &'a str,
    bytes: u64,
    /// Whose patterns name the file.
    tables: Vec<&'static str>,
    rows: u64,
    accepted: u64,
    rejected: u64,
    rejected_by_reason: BTreeMap<String, u64>,
    /// Why no row of it is loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_because: Option<String>,
}

impl<'a> Report<'a> {
    fn of(file: &'a Listed) -> Self {
        Self {
            outcome: "accepted",
            key: &file.place.key,
            etag: &file.head.version.etag,
            bytes: file.head.size,
            tables: Vec::new(),
            rows: 0,
            accepted: 0,
            rejected: 0,
            rejected_by_reason: BTreeMap::new(),
            refused_because: None,
        }
    }

    fn refused(mut self, reason: String) -> Self {
        self.outcome = "quarantined";
        self.refused_because = Some(reason);
        self
    }
}

impl<F, S, K> Merge<'_, F, S, K>
where
    F: FileStore + FileArchive,
    S: HistoryStore + PointerStore,
    K: Clock,
{
    /// Judges what is new, and leaves exactly the accepted files in the mirror.
    pub(super) async fn accept(
        &self,
        mirror: &mut Mirror,
        listed: &[Listed],
        forgotten: &Forgotten,
        known: Option<&Ledger>,
    ) -> Result<Verdicts, MergeError> {
        let mut verdicts = Verdicts::default();
        let judged_by = self.judged_by();
        for file in listed {
            let name = &file.place.key[ORDERS.len()..];
            if name.is_empty() || name.ends_with('/') {
                continue;
            }
            let etag = &file.head.version.etag;
            let before = known.and_then(|ledger| ledger.verdict(&judged_by, name, etag));
            let is_accepted = match before {
                Some(verdict) => verdict.is_accepted,
                None => {
                    self.judge(mirror, (name, file), forgotten, &mut verdicts)
                        .await?
                }
            };
            if is_accepted {
                self.fetch(mirror, name, file).await?;
            }
            let etag = etag.clone();
            let verdict = Verdict { etag, is_accepted };
            verdicts.by_name.insert(name.to_owned(), verdict);
        }
        mirror.keep(|name| verdicts.accepts(name))?;
        Ok(verdicts)
    }

    /// Reads a file by itself; its rejects are written now, its report when the merge is done.
    async fn judge(
        &self,
        mirror: &mut Mirror,
        (name, file): (&str, &Listed),
        forgotten: &Forgotten,
        verdicts: &mut Verdicts,
    ) -> Result<bool, MergeError> {
        let report = Report::of(file);
        let report = if !is_a_name(name) || self.is_below_a_file(name) {
            report.refused("no file can have this name".to_owned())
        } else if tables_of(self.shop, name).is_empty() {
            report.refused("no pattern of shop.toml names it".to_owned())
        } else {
            self.fetch(mirror, name, file).await?;
            let work = self.work.join("judge");
            let place = || format!("create {}", work.display());
            std::fs::create_dir_all(&work).map_err(LoadError::io(place()))?;
            let options = Options {
                data_root: Some(mirror.root()),
                forgotten,
                may_be_missing: true,
                ..Options::local(&work)
            };
            let judged = judge(self.shop, &options, name)?;
            self.put_rejects(name, &options.rejects_path()).await?;
            let rejected = judged.rejected.values().sum();
            let report = Report {
                tables: judged.tables,
                rows: judged.rows,
                accepted: judged.rows - rejected,
                rejected,
                rejected_by_reason: judged.rejected,
                ..report
            };
            match judged.refused {
                Some(reason) => report.refused(reason),
                None => report,
            }
        };
        let mut text = serde_json::to_string_pretty(&report)
            .map_err(|e| LoadError::io("write a report")(e.into()))?;
        text.push('\n');
        let is_accepted = report.refused_because.is_none();
        if !is_accepted {
            let key = format!("{QUARANTINE}orders/{name}.report.json");
            verdicts.reports.push((key, text.clone()));
        }
        let key = format!("{MERGED}orders/{name}.report.json");
        verdicts.reports.push((key, text));
        Ok(is_accepted)
    }

    async fn put_rejects(&self, name: &str, path: &Path) -> Result<(), MergeError> {
        let place = self.place(format!("{MERGED}orders/{name}.rejects.csv"));
        let io = || LoadError::io(format!("read {}", path.display()));
        let mut local = std::fs::File::open(path).map_err(io())?;
        let (form, limits) = (Form::Bytes(Packing::Plain), Limits::default());
        let mut rejects = Growing::new(self.files, place, form, &limits, Grown::default());
        let mut buffer = vec![0; limits.part_bytes];
        loop {
            let read = local.read(&mut buffer).map_err(io())?;
            if read == 0 {
                break;
            }
            rejects.write(&buffer[..read]).await?;
        }
        Ok(rejects.complete().await?)
    }

    /// Whether one of its folders could itself be a file of the shop.
    fn is_below_a_file(&self, name: &str) -> bool {
        let folders = name.match_indices('/').map(|(end, _)| &name[..end]);
        folders
            .into_iter()
            .any(|folder| !tables_of(self.shop, folder).is_empty())
    }

    /// Says what became of the files that were judged now.
    pub(super) async fn report(&self, verdicts: &Verdicts) -> Result<(), MergeError> {
        let fits = |(key, _): &&(String, String)| key.len() <= MOST_KEY_BYTES;
        for (key, text) in verdicts.reports.iter().filter(fits) {
            let place = self.place(key.clone());
            let bytes = Bytes::copy_from_slice(text.as_bytes());
            self.files.put_file(&place, bytes).await?;
        }
        Ok(())
    }
}
