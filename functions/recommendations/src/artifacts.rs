//! What is fitted before the matrix exists: a few numbers, and three tables.

use crate::tables::{Catalogue, Neighbours};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serving::manifest::Hashed;
use std::sync::Arc;

/// The files of the tables.
pub const TABLES: [&str; 3] = ["catalogue.bin", "likes.bin", "baskets.bin"];

/// `artifacts.json`, and the tables once they are attached.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifacts {
    /// ISO 4217 code of all amounts.
    pub currency: String,
    /// Minor units in one unit of the currency.
    pub minor_per_major: u32,
    /// Days ahead that the model learned to look.
    pub horizon_days: f64,
    /// RFC 3339; the fit used orders before it only.
    pub fitted_before: String,
    /// Orders of the shop: ever, in the last 28 days, in the last 7 days.
    pub orders: [u32; 3],
    /// Items of the catalogue.
    pub items: usize,
    /// Of each table, in the order of [`TABLES`].
    pub tables_sha256: [String; 3],
    /// Once the tables are attached.
    #[serde(skip)]
    pub(crate) tables: Option<Arc<Tables>>,
}

/// The opened tables, and the bytes they were opened from.
#[derive(Debug)]
pub struct Tables {
    /// All items.
    pub catalogue: Catalogue,
    /// What customers of an item also buy, some time (EASE).
    pub likes: Neighbours,
    /// What stands in one order with an item (cosine).
    pub baskets: Neighbours,
    /// For each item, the sum over its category of orders of the last 28 days.
    pub(crate) category_orders_28: Vec<u32>,
    files: [Bytes; 3],
}

impl Tables {
    /// Checks the files and looks into them.
    pub fn open(files: [Bytes; 3]) -> Result<Self, String> {
        use features::items::ItemIndex as _;
        let at = |place: usize| move |reason: String| format!("{}: {reason}", TABLES[place]);
        let catalogue = Catalogue::open(&files[0]).map_err(at(0))?;
        let items = catalogue.items();
        let mut category_orders_28 = vec![0u32; catalogue.categories()];
        for item in 0..items as u32 {
            let total = &mut category_orders_28[catalogue.category(item) as usize];
            *total = total.saturating_add(catalogue.orders(item)[1]);
        }
        Ok(Self {
            likes: Neighbours::open(&files[1], items).map_err(at(1))?,
            baskets: Neighbours::open(&files[2], items).map_err(at(2))?,
            catalogue,
            category_orders_28,
            files,
        })
    }
}

impl Artifacts {
    /// The tables; an error before they are attached.
    pub fn tables(&self) -> Result<&Arc<Tables>, String> {
        self.tables
            .as_ref()
            .ok_or_else(|| "the tables are not attached".to_owned())
    }

    /// Puts the tables in; refuses others than those that were fitted with these numbers.
    pub(crate) fn attach(&mut self, files: &[Hashed]) -> Result<(), String> {
        let files: &[Hashed; 3] = files
            .try_into()
            .map_err(|_| format!("{} tables, {} expected", files.len(), TABLES.len()))?;
        for ((file, expected), name) in files.iter().zip(&self.tables_sha256).zip(TABLES) {
            let found = file.sha256();
            if found != expected {
                return Err(format!("{name} has SHA-256 {found}, {expected} expected"));
            }
        }
        let tables = Tables::open(files.each_ref().map(|file| file.bytes().clone()))?;
        if tables.catalogue.items() != self.items {
            let found = tables.catalogue.items();
            return Err(format!("{found} items, {} expected", self.items));
        }
        self.tables = Some(Arc::new(tables));
        Ok(())
    }

    pub(crate) fn files(&self) -> Vec<Vec<u8>> {
        let tables = self.tables.iter();
        tables
            .flat_map(|tables| tables.files.iter().map(|file| file.to_vec()))
            .collect()
    }
}
