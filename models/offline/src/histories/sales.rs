//! What was sold, on its way to the partition of its product.

use super::spill::{Spill, id_hash, partition_of};
use crate::ingest::{Fact, LoadError, Record};
use features::time::LocalDay;

/// Records as bytes for each partition of a [`Spill`], gathered where the spill itself cannot be written to.
#[derive(Debug)]
pub(super) struct Sales {
    partitions: Vec<Vec<u8>>,
    /// The first and the last day on which anything was ordered.
    days: Option<(LocalDay, LocalDay)>,
}

impl Sales {
    pub(super) fn new(partitions: usize) -> Self {
        Self {
            partitions: vec![Vec::new(); partitions],
            days: None,
        }
    }

    /// An order was placed on this day, whatever is in it.
    pub(super) fn saw(&mut self, day: LocalDay) {
        let (first, last) = self.days.unwrap_or((day, day));
        self.days = Some((first.min(day), last.max(day)));
    }

    /// The range of days seen here and there.
    pub(super) fn days_with(
        &self,
        other: Option<(LocalDay, LocalDay)>,
    ) -> Option<(LocalDay, LocalDay)> {
        match (self.days, other) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        }
    }

    /// Adds a purchase. A return is no negative demand, and what names no product is nobody's demand.
    pub(super) fn add(&mut self, record: &Record<'_>) {
        let bought = matches!(record.fact, Fact::Sale { units_milli, .. } if units_milli > 0);
        if !bought || record.product.is_empty() {
            return;
        }
        let partition = partition_of(id_hash(record.product), self.partitions.len());
        let bytes = std::mem::take(&mut self.partitions[partition]);
        self.partitions[partition] =
            postcard::to_extend(record, bytes).expect("writing to memory cannot fail");
    }

    /// Hands everything over to the spill with as many partitions.
    pub(super) fn append_to(self, spill: &mut Spill) -> Result<(), LoadError> {
        for (partition, bytes) in self.partitions.iter().enumerate() {
            spill.append(partition, bytes)?;
        }
        Ok(())
    }
}
