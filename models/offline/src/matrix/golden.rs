//! Raw histories for the model's golden rows.

use crate::cutoffs::{Cutoffs, Split};
use crate::entity::Entity;
use crate::histories::Histories;
use crate::ingest::LoadError;
use crate::snapshots::{SnapshotRow, Snapshots};
use features::history::History;
use features::time::Timestamp;
use serde::Serialize;
use serving::manifest::GoldenValue;
use serving::predictor::Train;
use serving::wire::format_instant;
use std::convert::Infallible;
use std::sync::Arc;

/// How many histories of which size: a few long ones, so that every window is exercised, and more short ones. The file
/// is read at every cold start, so it stays small.
const WANTED: [(usize, std::ops::RangeInclusive<usize>); 3] =
    [(6, 1..=25), (4, 26..=60), (2, 61..=200)];

/// Rows between one entity's golden row and the next one's.
const SPREAD: usize = 101;

/// `golden_histories.json`.
#[derive(Serialize, Default)]
pub(super) struct GoldenHistories {
    rows: Vec<GoldenHistory>,
}

#[derive(Serialize)]
struct GoldenHistory {
    name: String,
    entity: serde_json::Value,
    as_of: String,
    features: Vec<GoldenValue>,
}

/// Takes the first entities of each size at one snapshot; they come in an order that depends on ids only.
pub(super) struct GoldenPicker {
    at: Timestamp,
    taken: [usize; WANTED.len()],
    picked: GoldenHistories,
}

impl GoldenPicker {
    pub(super) fn new(at: Timestamp) -> Self {
        Self {
            at,
            taken: [0; WANTED.len()],
            picked: GoldenHistories::default(),
        }
    }

    /// Takes the row if its snapshot and size are wanted. Events after the snapshot stay in: they must not count.
    pub(super) fn offer<P: Train>(&mut self, row: &SnapshotRow<'_, P>, history: &P::History) {
        let events = history.event_count();
        let Some(class) = WANTED.iter().position(|(_, sizes)| sizes.contains(&events)) else {
            return;
        };
        if row.cutoff != self.at || self.taken[class] == WANTED[class].0 {
            return;
        }
        self.taken[class] += 1;
        // Numbered, not named by id: the file leaves the shop with the model.
        let name = format!("history {} of {events} lines", self.picked.rows.len() + 1);
        self.picked.rows.push(GoldenHistory {
            name,
            entity: P::golden_entity(history, row.case.0, row.case.1),
            as_of: format_instant(self.at),
            features: row
                .features
                .iter()
                .map(|value| golden_value(*value))
                .collect(),
        });
    }

    fn is_full(&self) -> bool {
        let wanted = WANTED.iter().map(|(count, _)| count);
        self.taken
            .iter()
            .zip(wanted)
            .all(|(taken, wanted)| taken == wanted)
    }

    pub(super) fn finish(self) -> GoldenHistories {
        self.picked
    }
}

/// One row of each entity picked, of varying place among its rows, made with the artifacts of the model.
pub(super) fn pick_spread<P: Train<History: Entity>>(
    artifacts: &P::Artifacts,
    histories: &Histories,
    at: Timestamp,
) -> Result<GoldenPicker, LoadError> {
    let mut picker = GoldenPicker::new(at);
    let cutoffs = Cutoffs::one(at, Split::Train);
    let mut snapshots = Snapshots::<P>::new(artifacts, &cutoffs, |_| true);
    for entity in P::History::all(histories) {
        if picker.is_full() {
            break;
        }
        let (entity_id, history) = entity?;
        let history = Arc::new(history);
        // A prime far from the number of candidates, so that every kind of row comes up.
        let wanted = picker.picked.rows.len() * SPREAD;
        let mut rows = 0;
        let counted = snapshots.of_entity(&entity_id, &history, |_| {
            rows += 1;
            Ok::<(), Infallible>(())
        });
        let Ok(()) = counted;
        let mut place = 0;
        let offered = snapshots.of_entity(&entity_id, &history, |row| {
            if place == wanted % rows {
                picker.offer(&row, &history);
            }
            place += 1;
            Ok::<(), Infallible>(())
        });
        let Ok(()) = offered;
    }
    Ok(picker)
}

fn golden_value(value: f32) -> GoldenValue {
    match value {
        _ if value.is_nan() => GoldenValue::Missing,
        f32::INFINITY => GoldenValue::Text("inf".to_owned()),
        f32::NEG_INFINITY => GoldenValue::Text("-inf".to_owned()),
        finite => GoldenValue::Number(finite),
    }
}
