//! Which instants a model is trained, calibrated and tested at.
//!
//! Time splits only. Each label window closes before the next part's first feature date:
//!
//! ```text
//! |<- 4 horizons ->| train, every half horizon ...  | calibration | test | test | test |  end of data
//! ```

use features::time::Timestamp;
use serde::Serialize;

/// Snapshots looked at once, at the end.
const TEST_SNAPSHOTS: u32 = 3;
/// Horizons of history before the first snapshot, so that the longest window is full.
const WARM_UP_HORIZONS: f64 = 4.0;
/// Training snapshots below which a model cannot be validated in time.
const LEAST_TRAIN: usize = 2;
/// More add little and cost memory.
const MOST_TRAIN: usize = 12;

/// The part a snapshot belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Parameters and hyper-parameters.
    Train,
    /// Platt scaling.
    Calibration,
    /// Looked at once.
    Test,
}

impl Split {
    /// As the matrix names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Calibration => "calibration",
            Self::Test => "test",
        }
    }
}

/// Snapshots of each part, each rising; every label window closes before the next part begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cutoffs {
    /// At least two.
    pub train: Vec<Timestamp>,
    /// One, or as the shop file says.
    pub calibration: Vec<Timestamp>,
    /// Three, or as the shop file says.
    pub test: Vec<Timestamp>,
}

/// Why there are no cut-offs.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CutoffError {
    /// The data covers too short a time.
    #[error(
        "derive cut-offs: the orders cover {have_days:.0} days, at least {need_days:.0} are needed for a horizon of \
         {horizon_days} days (4 horizons before the first snapshot, 2 training snapshots, 1 to calibrate, 3 to test)"
    )]
    TooShort {
        /// Days between the first order and the last.
        have_days: f64,
        /// Days needed.
        need_days: f64,
        /// The shop's horizon.
        horizon_days: f64,
    },
}

impl Cutoffs {
    /// Derives them backwards from the end of the data; training snapshots are `spacing_days` apart: their label windows
    /// may overlap each other, never another part.
    pub fn derive(
        first_order: Timestamp,
        complete_through: Timestamp,
        horizon_days: f64,
        spacing_days: f64,
    ) -> Result<Self, CutoffError> {
        let back = |horizons: f64| complete_through.minus_days(horizons * horizon_days);
        let test = (1..=TEST_SNAPSHOTS)
            .rev()
            .map(|k| back(f64::from(k)))
            .collect::<Vec<_>>();
        let calibration = back(f64::from(TEST_SNAPSHOTS + 1));
        let earliest = first_order.plus_days(WARM_UP_HORIZONS * horizon_days);
        let mut train: Vec<_> = (0..MOST_TRAIN)
            .map(|k| back(f64::from(TEST_SNAPSHOTS + 2)).minus_days(k as f64 * spacing_days))
            .take_while(|at| *at >= earliest)
            .collect();
        train.reverse();
        if train.len() < LEAST_TRAIN {
            let parts = WARM_UP_HORIZONS + f64::from(TEST_SNAPSHOTS + 2);
            return Err(CutoffError::TooShort {
                have_days: complete_through.days_since(first_order),
                need_days: parts * horizon_days + spacing_days,
                horizon_days,
            });
        }
        Ok(Self {
            train,
            calibration: vec![calibration],
            test,
        })
    }

    /// Derives them backwards from the end of the data, one horizon apart: one to test, one to calibrate, three to train.
    pub fn derive_by_horizon(
        first_order: Timestamp,
        complete_through: Timestamp,
        horizon_days: f64,
    ) -> Result<Self, CutoffError> {
        let back = |horizons: f64| complete_through.minus_days(horizons * horizon_days);
        let earliest = first_order.plus_days(WARM_UP_HORIZONS * horizon_days);
        let train: Vec<_> = [5.0, 4.0, 3.0]
            .map(back)
            .into_iter()
            .filter(|at| *at >= earliest)
            .collect();
        if train.is_empty() {
            return Err(CutoffError::TooShort {
                have_days: complete_through.days_since(first_order),
                need_days: (WARM_UP_HORIZONS + 3.0) * horizon_days,
                horizon_days,
            });
        }
        Ok(Self {
            train,
            calibration: vec![back(2.0)],
            test: vec![back(1.0)],
        })
    }

    /// One snapshot.
    pub fn one(at: Timestamp, split: Split) -> Self {
        let of = |part| if part == split { vec![at] } else { Vec::new() };
        Self {
            train: of(Split::Train),
            calibration: of(Split::Calibration),
            test: of(Split::Test),
        }
    }

    /// The same parts at other instants.
    #[must_use]
    pub fn map(&self, at: impl Fn(Timestamp) -> Timestamp) -> Self {
        let part = |times: &[Timestamp]| times.iter().map(|&time| at(time)).collect();
        Self {
            train: part(&self.train),
            calibration: part(&self.calibration),
            test: part(&self.test),
        }
    }

    /// Every snapshot with its part, rising.
    pub fn all(&self) -> impl Iterator<Item = (Timestamp, Split)> + '_ {
        let part = |times: &'_ [Timestamp], split| {
            times.iter().map(move |at| (*at, split)).collect::<Vec<_>>()
        };
        [
            part(&self.train, Split::Train),
            part(&self.calibration, Split::Calibration),
            part(&self.test, Split::Test),
        ]
        .into_iter()
        .flatten()
    }
}
