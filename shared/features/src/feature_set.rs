//! Columns, written once: name, unit, group, documentation and the function that computes them.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// What is known of a column apart from how it is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Name, unique in its set; the unit stands in it where there is one.
    pub name: &'static str,
    /// The business reason that contributions of this column are added to.
    pub group: &'static str,
    /// What it is, for people.
    pub doc: &'static str,
}

/// One column: what it is, and its value for a view `V`.
#[derive(Debug)]
pub struct Column<V> {
    /// Name, group and documentation.
    pub info: ColumnInfo,
    /// Computes the value; NaN when there is none.
    pub compute: fn(&V) -> f64,
}

/// The columns of a model in their order. Build one with [`feature_set!`](crate::feature_set!).
#[derive(Debug)]
pub struct FeatureSet<V: 'static> {
    /// Name of the set, for example `churn`.
    pub name: &'static str,
    /// Raised when a column keeps its name and changes its meaning; part of the fingerprint.
    pub revision: u32,
    /// The columns, in the order the model reads them.
    pub columns: &'static [Column<V>],
}

impl<V> FeatureSet<V> {
    /// The values of one row, in column order.
    pub fn row<'a>(&'a self, view: &'a V) -> impl Iterator<Item = f64> + 'a {
        self.columns
            .iter()
            .map(move |column| (column.compute)(view))
    }

    /// What is known of each column, in order.
    pub fn infos(&self) -> impl ExactSizeIterator<Item = ColumnInfo> + '_ {
        self.columns.iter().map(|column| column.info)
    }

    /// Column names, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.infos().map(|info| info.name).collect()
    }

    /// SHA-256, in hex, of the set's name, revision and column names in order.
    ///
    /// A model carries the fingerprint of the columns it was trained on; another one is refused at load.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{}/{}", self.name, self.revision));
        for info in self.infos() {
            hash.update([0]);
            hash.update(info.name);
        }
        hex(&hash.finalize())
    }
}

/// Bytes in lower-case hexadecimal digits, as hashes are written everywhere.
pub fn hex(bytes: &[u8]) -> String {
    let digits = String::with_capacity(2 * bytes.len());
    bytes.iter().fold(digits, |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Declares a [`FeatureSet`]: each column's name, group, documentation and formula in one place.
///
/// ```
/// struct View { days: f64 }
/// features::feature_set! {
///     /// A set of one column.
///     pub static EXAMPLE: View = "example", revision 1;
///     /// Days since something.
///     recency_days: "rhythm" => |v| v.days;
/// }
/// assert_eq!(EXAMPLE.names(), ["recency_days"]);
/// assert_eq!(EXAMPLE.row(&View { days: 2.0 }).collect::<Vec<_>>(), [2.0]);
/// ```
#[macro_export]
macro_rules! feature_set {
    (
        $(#[$meta:meta])*
        $vis:vis static $set:ident: $view:ty = $name:literal, revision $revision:literal;
        $( $(#[doc = $doc:literal])+ $column:ident: $group:literal => $compute:expr; )+
    ) => {
        $(#[$meta])*
        $vis static $set: $crate::feature_set::FeatureSet<$view> = $crate::feature_set::FeatureSet {
            name: $name,
            revision: $revision,
            columns: &[$( $crate::feature_set::Column {
                info: $crate::feature_set::ColumnInfo {
                    name: stringify!($column),
                    group: $group,
                    doc: concat!($($doc),+).trim_ascii(),
                },
                compute: $compute,
            } ),+],
        };
    };
}
