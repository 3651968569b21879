//! Rows of every customer at every snapshot, from the same code that serves.

use crate::cutoffs::{Cutoffs, Split};
use features::history::CustomerHistory;
use features::matrix::Matrix;
use features::time::Timestamp;
use serving::predictor::TrainOnCustomers;
use serving::wire::format_instant;
use std::sync::Arc;

/// One row of one customer at one snapshot.
#[derive(Debug)]
pub struct SnapshotRow<'a> {
    /// The shop's id.
    pub customer_id: &'a str,
    /// The snapshot.
    pub cutoff: Timestamp,
    /// As RFC 3339.
    pub cutoff_text: &'a str,
    /// Its part.
    pub split: Split,
    /// What happened then.
    pub label: f32,
    /// The columns.
    pub features: &'a [f32],
}

/// Makes the rows of one customer after the other and keeps nothing.
pub struct Snapshots<'a, P: TrainOnCustomers> {
    artifacts: &'a P::Artifacts,
    cutoffs: Vec<(Timestamp, String, Split)>,
    rows: Matrix,
}

impl<'a, P: TrainOnCustomers> Snapshots<'a, P> {
    /// Rows at the snapshots that `keep` names.
    pub fn new(
        artifacts: &'a P::Artifacts,
        cutoffs: &Cutoffs,
        keep: impl Fn(Split) -> bool,
    ) -> Self {
        let kept = cutoffs.all().filter(|(_, split)| keep(*split));
        Self {
            artifacts,
            cutoffs: kept
                .map(|(at, split)| (at, format_instant(at), split))
                .collect(),
            rows: Matrix::new(P::schema().columns.len()),
        }
    }

    /// Calls `each` with every row of the customer; none at snapshots where the customer is outside the population.
    pub fn of_customer<E>(
        &mut self,
        customer_id: &str,
        history: &Arc<CustomerHistory>,
        mut each: impl FnMut(SnapshotRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for (cutoff, cutoff_text, split) in &self.cutoffs {
            let Some(case) = P::training_case(history, *cutoff, self.artifacts) else {
                continue;
            };
            self.rows.clear();
            P::features(&case, self.artifacts, &mut self.rows);
            for features in self.rows.rows() {
                let (cutoff, split) = (*cutoff, *split);
                let label = P::label(history, cutoff, self.artifacts);
                each(SnapshotRow {
                    customer_id,
                    cutoff,
                    cutoff_text,
                    split,
                    label,
                    features,
                })?;
            }
        }
        Ok(())
    }
}
