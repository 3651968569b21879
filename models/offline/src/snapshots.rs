//! Rows of every entity at every snapshot, from the same code that serves.

use crate::cutoffs::{Cutoffs, Split};
use features::matrix::Matrix;
use features::time::Timestamp;
use serving::predictor::{Outcome, Train};
use serving::wire::format_instant;
use std::sync::Arc;

/// One row of one entity at one snapshot.
pub struct SnapshotRow<'a, P: Train> {
    /// The shop's id of the entity.
    pub entity_id: &'a str,
    /// The snapshot.
    pub cutoff: Timestamp,
    /// As RFC 3339.
    pub cutoff_text: &'a str,
    /// Its part.
    pub split: Split,
    /// The case the row is of, and its place among the case's rows.
    pub case: (&'a P::Case, usize),
    /// What happened then.
    pub outcome: &'a Outcome,
    /// The columns.
    pub features: &'a [f32],
}

/// Makes the rows of one entity after the other and keeps nothing.
pub struct Snapshots<'a, P: Train> {
    artifacts: &'a P::Artifacts,
    cutoffs: Vec<(Timestamp, String, Split)>,
    rows: Matrix,
}

impl<'a, P: Train> Snapshots<'a, P> {
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

    /// Calls `each` with every row of the entity; none at snapshots where it is outside the trained population.
    pub fn of_entity<E>(
        &mut self,
        entity_id: &str,
        history: &Arc<P::History>,
        mut each: impl FnMut(SnapshotRow<'_, P>) -> Result<(), E>,
    ) -> Result<(), E> {
        for (cutoff, cutoff_text, split) in &self.cutoffs {
            let Some(example) = P::example(history, *cutoff, self.artifacts) else {
                continue;
            };
            self.rows.clear();
            P::features(&example.case, self.artifacts, &mut self.rows);
            let rows = self.rows.rows().zip(&example.outcomes).enumerate();
            for (index, (features, outcome)) in rows {
                each(SnapshotRow {
                    entity_id,
                    cutoff: *cutoff,
                    cutoff_text,
                    split: *split,
                    case: (&example.case, index),
                    outcome,
                    features,
                })?;
            }
        }
        Ok(())
    }
}
