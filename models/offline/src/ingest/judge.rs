//! One file by itself: whether it may be loaded.

use super::{Inputs, Line, LoadError, Options, Record, Take, read_all, tables_of};
use crate::shop::Shop;
use std::collections::BTreeMap;
use std::io::ErrorKind;

/// What a file is, whatever other files there are: its bytes and `shop.toml` alone decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The tables whose patterns name it.
    pub tables: Vec<&'static str>,
    /// Its rows, headers aside; of each table.
    pub rows: u64,
    /// Bad rows by reason; each is in `rejects.csv` of the work folder.
    pub rejected: BTreeMap<String, u64>,
    /// Why it may not be loaded.
    pub refused: Option<String>,
}

/// Reads a file below the data root by itself, as a load of many would, and writes its bad rows to `rejects.csv`.
///
/// Fails when the machine fails. A file that no load could read, or with more bad rows than the shop allows, is refused.
pub fn judge(shop: &Shop, options: &Options<'_>, name: &str) -> Result<Judged, LoadError> {
    let inputs = Inputs::of(shop, options)?.only(name);
    let place = || format!("create a temporary folder in {}", options.work.display());
    let temporary = tempfile::tempdir_in(options.work).map_err(LoadError::io(place()))?;
    let mut judged = Judged {
        tables: tables_of(shop, name),
        rows: 0,
        rejected: BTreeMap::new(),
        refused: None,
    };
    match read_all(shop, &inputs, temporary.path(), options, &mut Nothing) {
        Ok(tally) => {
            let of_tables = tally.tables.into_values();
            let parts = of_tables.map(|table| (table.rows, table.rejected)).chain([
                (tally.rows, tally.rejected),
                (tally.product_rows, tally.product_rejects),
            ]);
            for (rows, rejected) in parts {
                judged.rows += rows;
                for (reason, count) in rejected {
                    *judged.rejected.entry(reason).or_default() += count;
                }
            }
        }
        Err(error) if is_of_the_file(&error) => judged.refused = Some(reason(&error)),
        Err(error) => return Err(error),
    }
    Ok(judged)
}

/// Whether another attempt would end the same way.
fn is_of_the_file(error: &LoadError) -> bool {
    match error {
        // What an archive says that ends too early or was damaged.
        LoadError::Io { source, .. } => matches!(
            source.kind(),
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput
        ),
        LoadError::Empty { .. }
        | LoadError::Column { .. }
        | LoadError::Unreadable { .. }
        | LoadError::OpenQuote { .. }
        | LoadError::TooManyRejects { .. } => true,
        LoadError::NoFile { .. }
        | LoadError::NoRows { .. }
        | LoadError::NoOrders { .. }
        | LoadError::Remote { .. }
        | LoadError::Damaged { .. } => false,
    }
}

/// The error without the path of a work folder that nobody else sees.
fn reason(error: &LoadError) -> String {
    let text = error.to_string();
    match error {
        LoadError::TooManyRejects { .. } => text.split("; see ").next().unwrap_or("").to_owned(),
        _ => text,
    }
}

/// Takes nothing: the rows are read for what is wrong with them.
struct Nothing;

impl Take for Nothing {
    fn line(&mut self, _: &Line, _: u32) -> Result<(), LoadError> {
        Ok(())
    }

    fn record(&mut self, _: &Record<'_>) -> Result<(), LoadError> {
        Ok(())
    }
}
