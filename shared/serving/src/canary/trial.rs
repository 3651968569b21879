//! One environment's part of a sample.

use super::judge::{Stop, judge};
use super::sample::{ArmSample, SAMPLE_LIMIT, Sample, cell_of};
use crate::arms::Place;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Entries of a kind that an environment keeps until it may send them: environments that answer at once would otherwise add much
/// more than [`SAMPLE_LIMIT`] before they see each other's.
const PENDING_LIMIT: usize = 50;

/// What one environment noted of a canary, and what it knows that all have noted.
#[derive(Debug, Default)]
pub struct Trials {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the store had, when it was last asked.
    known: Sample,
    /// Which day that was of; none before it answered.
    day: Option<i64>,
    /// What it does not have yet.
    pending: Sample,
}

/// Which version answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arm {
    Served,
    Canary,
}

/// A request about one entity while a canary runs. Dropped before it is told what came of it, as by a panic, it failed.
#[derive(Debug)]
pub struct Trial<'a> {
    trials: &'a Trials,
    arm: Arm,
    mark: u32,
    is_told: bool,
}

impl Trials {
    /// A request about the entity at `place` begins; `None` where it is not noted. The canary has `percent` of the entities, and
    /// answers this one if `by_canary`.
    pub fn begin(&self, place: &Place, percent: u8, by_canary: bool) -> Option<Trial<'_>> {
        let share = f64::from(percent) / 100.0;
        let (own, other) = if by_canary {
            (share, 1.0 - share)
        } else {
            (1.0 - share, share)
        };
        // Of the larger arm as many as the smaller one has.
        // Not before it is asked for: one that is dropped untold has failed.
        (place.draw * own < other).then(|| Trial {
            trials: self,
            arm: if by_canary { Arm::Canary } else { Arm::Served },
            mark: place.mark,
            is_told: false,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the store is to be given and asked about this day, if it is to be asked: at first nothing, so that of many environments
    /// that begin each sees first whether enough is noted.
    pub fn pending(&self, day: i64) -> Option<Sample> {
        let mut state = self.state();
        if state.day != Some(day) {
            state.known = Sample::default();
            return Some(Sample::default());
        }
        (!state.pending.is_empty()).then(|| state.pending.clone())
    }

    /// The store has `sent`, and holds `found` of this day now. What it has enough of is not sent any more.
    pub fn learn(&self, day: i64, sent: &Sample, found: Sample) {
        let mut state = self.state();
        state.pending.subtract(sent);
        state.pending.drop_what_is_enough(&found, SAMPLE_LIMIT);
        state.known = found;
        state.day = Some(day);
    }

    /// Whether what is known of all environments stops the canary.
    pub fn judged(&self, shift: f64) -> Option<Stop> {
        judge(&self.state().known, shift)
    }

    fn note_answer(&self, arm: Arm, mark: u32, cell: u64) {
        let mut state = self.state();
        let (known, pending) = state.of(arm);
        let is_new = !known.has_answered(mark) && !pending.has_answered(mark);
        if is_new && known.answers() < SAMPLE_LIMIT && pending.answers() < PENDING_LIMIT {
            pending.answer(mark, cell);
        }
    }

    fn note_failure(&self, arm: Arm, mark: u32) {
        let mut state = self.state();
        let (known, pending) = state.of(arm);
        let is_new = !known.has_failed(mark);
        if is_new && known.failures() < SAMPLE_LIMIT && pending.failures() < PENDING_LIMIT {
            pending.fail(mark);
        }
    }
}

impl State {
    fn of(&mut self, arm: Arm) -> (&ArmSample, &mut ArmSample) {
        match arm {
            Arm::Served => (&self.known.served, &mut self.pending.served),
            Arm::Canary => (&self.known.canary, &mut self.pending.canary),
        }
    }
}

impl Trial<'_> {
    /// It was answered; `score` is the comparable score of the entity, if a model scored it.
    pub fn answered(mut self, score: Option<f64>) {
        self.is_told = true;
        self.trials.note_answer(self.arm, self.mark, cell_of(score));
    }

    /// The caller asked for what cannot be answered, or a store failed: that is no version's doing.
    pub fn refused(mut self) {
        self.is_told = true;
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if !self.is_told {
            self.trials.note_failure(self.arm, self.mark);
        }
    }
}
