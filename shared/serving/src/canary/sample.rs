//! What is noted of both arms, in the words of a store.

use crate::ports::Sets;
use std::collections::BTreeSet;

/// Entities of an arm whose scores are kept, and as many for whom it failed: 1 000 tell whether a tenth of the customers moved,
/// and with both arms are 30 kB of an item; environments that answer at once each add a few more before they see that it is enough.
pub(super) const SAMPLE_LIMIT: usize = 1_000;

/// Cells of scores: 32, each half a log-odds (of a logarithm, for demand) wide, from -8 on, the outer ones open; the last cell holds
/// whom no model scored. A half moves a probability of 50 % to 62 %.
pub(super) const CELLS: u64 = 33;

const UNSCORED: u64 = CELLS - 1;
const LOWEST: f64 = -8.0;
const WIDTH: f64 = 0.5;

/// Room for a cell beside an entity's mark in one number.
const CELL_ROOM: u64 = 64;

/// The cell of a comparable score; `None`, and what is no number, is unscored.
pub fn cell_of(score: Option<f64>) -> u64 {
    let scored = score.filter(|score| score.is_finite());
    scored.map_or(UNSCORED, |score| {
        let reached = |cell: &u64| score >= LOWEST + WIDTH * *cell as f64;
        (1..UNSCORED).filter(reached).count() as u64
    })
}

/// What is noted of one arm.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArmSample {
    /// Marks of entities that were answered about, each with the cell of its score.
    answered: BTreeSet<u64>,
    /// Marks of entities that a request failed for.
    failed: BTreeSet<u64>,
}

impl ArmSample {
    /// Notes an answer about an entity.
    pub fn answer(&mut self, mark: u32, cell: u64) {
        self.answered.insert(u64::from(mark) * CELL_ROOM + cell);
    }

    /// Notes a failure.
    pub fn fail(&mut self, mark: u32) {
        self.failed.insert(u64::from(mark));
    }

    /// Whether an answer about the entity is noted, with whatever score.
    pub fn has_answered(&self, mark: u32) -> bool {
        let first = u64::from(mark) * CELL_ROOM;
        let mut of_mark = self.answered.range(first..first + CELL_ROOM);
        of_mark.next().is_some()
    }

    /// Whether a failure for the entity is noted.
    pub fn has_failed(&self, mark: u32) -> bool {
        self.failed.contains(&u64::from(mark))
    }

    /// Entries on answers.
    pub fn answers(&self) -> usize {
        self.answered.len()
    }

    /// Entities that a request failed for.
    pub fn failures(&self) -> usize {
        self.failed.len()
    }

    /// Entities by the cell of their score. Whose score moved while it was sampled stands in the lower cell only.
    pub(super) fn by_cell(&self) -> [u64; CELLS as usize] {
        let mut counts = [0; CELLS as usize];
        let mut last = None;
        for entry in &self.answered {
            let (mark, cell) = (entry / CELL_ROOM, entry % CELL_ROOM);
            if last != Some(mark) && cell < CELLS {
                counts[cell as usize] += 1;
            }
            last = Some(mark);
        }
        counts
    }

    fn drop_what_is_enough(&mut self, found: &Self, enough: usize) {
        for (set, found) in [
            (&mut self.answered, &found.answered),
            (&mut self.failed, &found.failed),
        ] {
            if found.len() >= enough {
                set.clear();
            }
        }
    }

    fn without(&mut self, other: &Self) {
        self.answered
            .retain(|entry| !other.answered.contains(entry));
        self.failed.retain(|mark| !other.failed.contains(mark));
    }
}

/// What is noted of both arms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sample {
    /// Of the version that is served.
    pub served: ArmSample,
    /// Of the canary.
    pub canary: ArmSample,
}

impl Sample {
    /// Whether nothing is noted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes out what `other` holds.
    pub fn subtract(&mut self, other: &Self) {
        self.served.without(&other.served);
        self.canary.without(&other.canary);
    }

    /// Drops what is noted of kinds that `found` has enough entries of.
    pub(super) fn drop_what_is_enough(&mut self, found: &Self, enough: usize) {
        self.served.drop_what_is_enough(&found.served, enough);
        self.canary.drop_what_is_enough(&found.canary, enough);
    }

    /// For a store; sets with nothing in them are left out.
    pub fn to_sets(&self) -> Sets {
        let named = [
            ("served", &self.served.answered),
            ("served_failed", &self.served.failed),
            ("canary", &self.canary.answered),
            ("canary_failed", &self.canary.failed),
        ];
        let filled = named.into_iter().filter(|(_, set)| !set.is_empty());
        filled
            .map(|(name, set)| (name.to_owned(), set.clone()))
            .collect()
    }

    /// From a store; other sets are not looked at.
    pub fn of_sets(mut sets: Sets) -> Self {
        let mut take = |name: &str| -> BTreeSet<u64> { sets.remove(name).unwrap_or_default() };
        Self {
            served: ArmSample {
                answered: take("served"),
                failed: take("served_failed"),
            },
            canary: ArmSample {
                answered: take("canary"),
                failed: take("canary_failed"),
            },
        }
    }
}
