//! `storecast features`: everything training reads, written by the code that serves.

mod golden;

use crate::cutoffs::{CutoffError, Cutoffs, Split};
use crate::entity::Entity;
use crate::histories::Histories;
use crate::ingest::LoadError;
use crate::matrix_file::{MatrixError, MatrixWriter, RowHead};
use crate::shop::Shop;
use crate::snapshots::{SnapshotRow, Snapshots};
use crate::treated::Treated;
use features::history::History;
use features::time::{LocalDay, Timestamp};
use golden::GoldenPicker;
use serde::Serialize;
use serving::predictor::{Train, TrainingSettings};
use serving::wire::format_instant;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Why there is no matrix.
#[derive(Debug, thiserror::Error)]
pub enum FeaturesError {
    /// The data is too short, or the shop's cut-offs overlap.
    #[error(transparent)]
    Cutoffs(#[from] CutoffError),
    /// Histories could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The matrix could not be written.
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    /// Another file could not be written.
    #[error("write {path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The shop tells nothing of what the function learns from.
    #[error(
        "write features: the files of {shop} name no {kind}, and without one there is nothing to learn from; a sku needs \
         `orders.columns.product_id` in the shop file"
    )]
    Nothing {
        /// The shop's name.
        shop: String,
        /// What is missing.
        kind: &'static str,
    },
    /// What columns take as given could not be fitted.
    #[error("{0}")]
    Fit(String),
    /// Who got offers could not be read.
    #[error("{0}")]
    Treated(String),
}

/// What was written, for people.
#[derive(Debug)]
pub struct Written {
    /// Rows of the matrix.
    pub rows: usize,
    /// Entities read.
    pub entities: u64,
    /// Rows that were left out because an offer may have changed their label.
    pub touched: usize,
    /// Snapshots of all parts.
    pub snapshots: usize,
    /// Feature columns.
    pub columns: usize,
    /// Seconds from histories to matrix.
    pub seconds: f64,
    /// Order lines of the histories over those seconds; one core.
    pub lines_per_second: f64,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// `matrix.json`.
#[derive(Serialize)]
struct Description {
    model: &'static str,
    shop: String,
    currency: String,
    source: String,
    horizon_days: f64,
    fingerprint: String,
    extras: &'static [&'static str],
    features: Vec<Feature>,
    cutoffs: BTreeMap<&'static str, Vec<String>>,
    rows: BTreeMap<&'static str, PartCounts>,
}

/// What a part holds; training refuses too little without reading a row of the test part.
#[derive(Serialize, Default)]
struct PartCounts {
    rows: usize,
    entities: usize,
    positives: usize,
}

#[derive(Serialize)]
struct Feature {
    name: &'static str,
    group: &'static str,
    doc: &'static str,
}

/// The shop's cut-offs: its own, or derived from the end of its data.
pub fn cutoffs<P: Train<History: Entity>>(
    shop: &Shop,
    histories: &Histories,
) -> Result<Cutoffs, CutoffError> {
    let horizon_days = f64::from(shop.training.horizon_days);
    if let Some(own) = &shop.training.cutoffs {
        return Ok(own.map(|at| P::History::cutoff(shop, at)));
    }
    let spacing_days = f64::from(shop.training.spacing_days);
    let (first, complete_through) = P::History::known(histories);
    if P::REFIT_PER_SNAPSHOT {
        let derived = Cutoffs::derive_by_horizon(first, complete_through, horizon_days)?;
        // Whole local days apart: a horizon of hours would drift across a change of the clock.
        let test = derived.test.first().copied().unwrap_or(complete_through);
        let last = shop.time.local_day(test);
        let day_before = |days: f64| LocalDay(last.0.saturating_sub(days.round() as i32));
        return Ok(derived.map(|at| shop.time.day_begins(day_before(test.days_since(at)))));
    }
    Cutoffs::derive(first, complete_through, horizon_days, spacing_days)
}

/// Fits what the columns take as given, from what was known before `cutoff`.
pub fn fit<P: Train<History: Entity>>(
    shop: &Shop,
    histories: &Histories,
    cutoff: Timestamp,
) -> Result<P::Artifacts, FeaturesError> {
    let settings = TrainingSettings {
        horizon_days: f64::from(shop.training.horizon_days),
        currency: shop.currency.code.clone(),
        minor_per_major: shop.currency.minor_per_major(),
        products: histories.products()?,
    };
    let mut failure = None;
    let mut known = P::History::all(histories).map_while(|entity| match entity {
        Ok((id, history)) => Some((id, history.known_before(cutoff))),
        Err(error) => {
            failure = Some(error);
            None
        }
    });
    let fitted = P::fit(&mut known, cutoff, &settings);
    match failure {
        Some(error) => Err(error.into()),
        None => fitted.map_err(FeaturesError::Fit),
    }
}

/// Writes matrix, description, artifacts and golden histories into `out`; calls `progress` per entity and pass.
///
/// Artifacts are fitted before the snapshots they are used at, so no row of any part saw what comes after it. Those that
/// are written are the model's: fitted before the first training snapshot, or before the test where each snapshot has
/// its own. Rows whose label an offer may have changed are left out.
pub fn write<P: Train<History: Entity>>(
    shop: &Shop,
    histories: &Histories,
    out: &Path,
    progress: &dyn Fn(),
) -> Result<Written, FeaturesError> {
    if P::History::count(histories) == 0 {
        return Err(FeaturesError::Nothing {
            shop: shop.name.clone(),
            kind: P::History::KIND,
        });
    }
    let treated = Treated::of::<P>(shop).map_err(FeaturesError::Treated)?;
    let cutoffs = cutoffs::<P>(shop, histories)?;
    std::fs::create_dir_all(out).map_err(|source| file_error(out, source))?;
    let schema = P::schema();
    let names: Vec<_> = schema.columns.iter().map(|column| column.name).collect();
    let started = Instant::now();
    let mut pass = Pass {
        writer: MatrixWriter::create(&out.join("matrix.parquet"), P::EXTRAS, &names)?,
        parts: PartCounter::default(),
        picker: None,
        treated,
        touched: 0,
        progress,
    };
    let artifacts = if P::REFIT_PER_SNAPSHOT {
        pass.refitted::<P>(shop, histories, &cutoffs)?
    } else {
        let first = cutoffs.train.iter().min().copied();
        let first = first.unwrap_or_else(|| P::History::known(histories).0);
        let artifacts = fit::<P>(shop, histories, first)?;
        let golden = cutoffs.train.iter().max().copied().unwrap_or(first);
        pass.picker = Some(GoldenPicker::new(golden));
        pass.run::<P>(&artifacts, histories, &cutoffs)?;
        artifacts
    };
    let Pass {
        writer,
        parts,
        picker,
        touched,
        ..
    } = pass;
    let written = writer.finish()?;
    let seconds = started.elapsed().as_secs_f64();
    let description = describe::<P>(shop, &cutoffs, parts.finish());
    write_json(&out.join("matrix.json"), &description)?;
    write_json(&out.join("artifacts.json"), &artifacts)?;
    for (name, bytes) in P::TABLES.iter().zip(P::tables(&artifacts)) {
        let path = out.join(name);
        std::fs::write(&path, bytes).map_err(|source| file_error(&path, source))?;
    }
    let golden = picker.map(GoldenPicker::finish).unwrap_or_default();
    write_json(&out.join("golden_histories.json"), &golden)?;
    Ok(Written {
        rows: written,
        entities: P::History::count(histories),
        touched,
        snapshots: cutoffs.all().count(),
        columns: names.len(),
        seconds,
        lines_per_second: histories.counts().kept as f64 / seconds,
        warnings: P::warnings(&artifacts),
    })
}

/// Rows of all entities into the matrix.
struct Pass<'a> {
    writer: MatrixWriter,
    parts: PartCounter,
    picker: Option<GoldenPicker>,
    treated: Treated,
    touched: usize,
    progress: &'a dyn Fn(),
}

impl Pass<'_> {
    fn run<P: Train<History: Entity>>(
        &mut self,
        artifacts: &P::Artifacts,
        histories: &Histories,
        cutoffs: &Cutoffs,
    ) -> Result<(), FeaturesError> {
        let mut snapshots = Snapshots::<P>::new(artifacts, cutoffs, |_| true);
        for entity in P::History::all(histories) {
            let (entity_id, history) = entity?;
            let history = Arc::new(history);
            snapshots.of_entity(&entity_id, &history, |row| {
                if self.treated.touches(row.entity_id, row.cutoff) {
                    self.touched += 1;
                    return Ok(());
                }
                if let Some(picker) = &mut self.picker {
                    picker.offer(&row, &history);
                }
                self.parts.count(&row);
                let head = RowHead {
                    entity_id: row.entity_id,
                    cutoff: row.cutoff_text,
                    split: row.split.name(),
                    label: row.outcome.label,
                    extras: &row.outcome.extras,
                };
                self.writer.push(head, row.features)
            })?;
            (self.progress)();
        }
        Ok(())
    }

    /// A pass per snapshot, with artifacts of its own. The test is not written: what it comes to is for `evaluate` to say,
    /// with the artifacts that are returned.
    fn refitted<P: Train<History: Entity>>(
        &mut self,
        shop: &Shop,
        histories: &Histories,
        cutoffs: &Cutoffs,
    ) -> Result<P::Artifacts, FeaturesError> {
        for (at, split) in cutoffs.all().filter(|(_, split)| *split != Split::Test) {
            let artifacts = fit::<P>(shop, histories, at)?;
            self.run::<P>(&artifacts, histories, &Cutoffs::one(at, split))?;
        }
        self.parts.parts.entry(Split::Test.name()).or_default();
        let served = cutoffs.test.first().or(cutoffs.train.last()).copied();
        let served = served.unwrap_or_else(|| P::History::known(histories).1);
        let artifacts = fit::<P>(shop, histories, served)?;
        self.picker = Some(golden::pick_spread::<P>(&artifacts, histories, served)?);
        Ok(artifacts)
    }
}

/// Counts rows, positives (labels above one half) and distinct entities of each part.
#[derive(Default)]
struct PartCounter {
    parts: BTreeMap<&'static str, PartCounts>,
    seen: BTreeMap<&'static str, HashSet<String>>,
}

impl PartCounter {
    fn count<P: Train>(&mut self, row: &SnapshotRow<'_, P>) {
        let part = self.parts.entry(row.split.name()).or_default();
        part.rows += 1;
        part.positives += usize::from(row.outcome.label > 0.5);
        let seen = self.seen.entry(row.split.name()).or_default();
        if !seen.contains(row.entity_id) {
            seen.insert(row.entity_id.to_owned());
            part.entities += 1;
        }
    }

    fn finish(self) -> BTreeMap<&'static str, PartCounts> {
        self.parts
    }
}

fn describe<P: Train>(
    shop: &Shop,
    cutoffs: &Cutoffs,
    rows: BTreeMap<&'static str, PartCounts>,
) -> Description {
    let schema = P::schema();
    let texts = |times: &[Timestamp]| times.iter().map(|at| format_instant(*at)).collect();
    Description {
        model: P::NAME,
        shop: shop.name.clone(),
        currency: shop.currency.code.clone(),
        source: format!("{} Licence: {}", shop.source, shop.licence),
        horizon_days: f64::from(shop.training.horizon_days),
        fingerprint: schema.fingerprint,
        extras: P::EXTRAS,
        features: schema
            .columns
            .iter()
            .map(|c| Feature {
                name: c.name,
                group: c.group,
                doc: c.doc,
            })
            .collect(),
        cutoffs: BTreeMap::from([
            ("train", texts(&cutoffs.train)),
            ("calibration", texts(&cutoffs.calibration)),
            ("test", texts(&cutoffs.test)),
        ]),
        rows,
    }
}

fn write_json(path: &Path, content: &impl Serialize) -> Result<(), FeaturesError> {
    let text = serde_json::to_string_pretty(content).map_err(std::io::Error::from);
    text.and_then(|text| std::fs::write(path, text + "\n"))
        .map_err(|source| file_error(path, source))
}

fn file_error(path: &Path, source: std::io::Error) -> FeaturesError {
    FeaturesError::File {
        path: path.display().to_string(),
        source,
    }
}
