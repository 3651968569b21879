//! From exact contributions to groups of columns: what every function's reasons are made of.

use crate::model::Contributions;
use features::feature_set::ColumnInfo;
use std::collections::BTreeMap;

/// A row with the names and groups of its columns.
#[derive(Debug, Clone, Copy)]
pub struct NamedRow<'a> {
    columns: &'a [ColumnInfo],
    row: &'a [f32],
}

impl<'a> NamedRow<'a> {
    /// A row of these columns, in their order.
    pub fn new(columns: &'a [ColumnInfo], row: &'a [f32]) -> Self {
        Self { columns, row }
    }

    /// The value of a column; NaN where it is missing, or where no column is called so.
    pub fn get(&self, name: &str) -> f32 {
        let index = self.columns.iter().position(|info| info.name == name);
        index.map_or(f32::NAN, |index| self.row[index])
    }

    /// The columns of a group that have a value.
    pub fn of_group(&self, group: &str) -> BTreeMap<&'static str, f32> {
        let columns = self.columns.iter().zip(self.row);
        columns
            .filter(|(info, value)| info.group == group && value.is_finite())
            .map(|(info, value)| (info.name, *value))
            .collect()
    }
}

/// The sum of the contributions of each group.
///
/// ```
/// use features::feature_set::ColumnInfo;
/// use serving::explanation::by_group;
/// use serving::model::Contributions;
/// let column = |name, group| ColumnInfo { name, group, doc: "" };
/// let columns = [column("a", "x"), column("b", "y"), column("c", "x")];
/// let explained = Contributions { base: 0.0, values: vec![1.0, 2.0, 4.0] };
/// assert_eq!(by_group(&columns, &explained), [("x", 5.0), ("y", 2.0)].into());
/// ```
pub fn by_group(columns: &[ColumnInfo], explained: &Contributions) -> BTreeMap<&'static str, f64> {
    let mut groups = BTreeMap::new();
    for (info, contribution) in columns.iter().zip(&explained.values) {
        *groups.entry(info.group).or_default() += contribution;
    }
    groups
}

/// What a signed contribution does to the score: `raises`, `lowers` or `leaves` it.
pub fn effect(contribution: f64) -> &'static str {
    match contribution {
        raises if raises > 0.0 => "raises",
        lowers if lowers < 0.0 => "lowers",
        _ => "leaves",
    }
}
