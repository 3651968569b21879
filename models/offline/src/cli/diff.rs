//! `storecast diff`.

use super::connection::{Connection, block_on};
use super::{Failure, Which};
use crate::for_predictor;
use clap::Args;
use serving::manifest::{FileEntry, Manifest};
use serving::predictor::Predictor;
use serving::registry::ModelVersion;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Metrics are those on all test rows. Policies are no part of a version. The bucket and its endpoint come from the environment, as
for `load`. Nothing is changed.")]
pub(super) struct Diff {
    #[command(flatten)]
    which: Which,
    /// A published version
    from: String,
    /// Another
    to: String,
}

impl Diff {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        for_predictor!(self.which.function.as_str(), diff::<P>(self))
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the answer of a command for people and pipes"
)]
fn diff<P: Predictor>(command: &Diff) -> Result<ExitCode, Failure> {
    let (from, to) = block_on(async {
        let connection = Connection::open().await?;
        let registry = connection.registry(None);
        let from = registry.manifest::<P>(&command.from).await?;
        Ok((from, registry.manifest::<P>(&command.to).await?))
    })?;
    for line in differences(&from, &to) {
        println!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}

/// One line for each thing that is not the same, or a line that says that all is.
fn differences(from: &Manifest, to: &Manifest) -> Vec<String> {
    let mut lines = vec![format!("{:<34}{:>36}{:>36}", "", from.version, to.version)];
    let mut compare = |what: String, from: String, to: String| {
        if from != to {
            lines.push(format!("{what:<34}{from:>36}{to:>36}"));
        }
    };
    compare(
        "trained".into(),
        from.created_at.clone(),
        to.created_at.clone(),
    );
    compare(
        "shop".into(),
        from.data_set.shop.clone(),
        to.data_set.shop.clone(),
    );
    let (a, b) = (&from.features, &to.features);
    compare(
        "columns".into(),
        a.names.len().to_string(),
        b.names.len().to_string(),
    );
    let short = |text: &str| text.chars().take(12).collect::<String>();
    compare(
        "fingerprint".into(),
        short(&a.fingerprint),
        short(&b.fingerprint),
    );
    for (name, [a, b]) in both(&columns(from), &columns(to)) {
        compare(format!("column {name}"), a, b);
    }
    for (name, [a, b]) in both(&files(from), &files(to)) {
        compare(name, a, b);
    }
    let metrics = |manifest| ModelVersion::of(manifest, String::new()).metrics;
    for (name, [a, b]) in both(&metrics(from), &metrics(to)) {
        compare(name, a, b);
    }
    for (name, [a, b]) in both(&from.runtime, &to.runtime) {
        compare(name, a, b);
    }
    if lines.len() == 1 {
        lines.push("no difference".to_owned());
    }
    lines
}

/// Columns by name, with their place.
fn columns(manifest: &Manifest) -> BTreeMap<String, usize> {
    let names = manifest.features.names.iter().cloned();
    names.zip(0..).collect()
}

/// Size and beginning of the hash, by name.
fn files(manifest: &Manifest) -> BTreeMap<String, String> {
    let entries = manifest.files.iter();
    let shown = |(name, entry): (&String, &FileEntry)| {
        let hash: String = entry.sha256.chars().take(8).collect();
        (name.clone(), format!("{} bytes, {hash}", entry.size))
    };
    entries.map(shown).collect()
}

/// Every name with its value on both sides, `-` where there is none.
fn both<T: ToString>(
    from: &BTreeMap<String, T>,
    to: &BTreeMap<String, T>,
) -> Vec<(String, [String; 2])> {
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let shown = |map: &BTreeMap<String, T>, name: &String| {
        map.get(name).map_or_else(|| "-".to_owned(), T::to_string)
    };
    let rows = names.into_iter();
    rows.map(|name| (name.clone(), [shown(from, name), shown(to, name)]))
        .collect()
}
