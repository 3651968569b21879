//! What training needs of churn: the population, the label, and what is fitted first.

use crate::features::{Artifacts, in_trained_population};
use crate::{Case, Churn};
use features::bgnbd;
use features::customer::CustomerView;
use features::history::CustomerHistory;
use features::time::Timestamp;
use serving::predictor::{Example, Outcome, Train, TrainingSettings};
use serving::wire::{InlineHistory, format_instant};
use std::sync::Arc;

impl Train for Churn {
    type History = CustomerHistory;
    const EXTRAS: &'static [&'static str] = &[];

    fn fit(
        histories: &mut dyn Iterator<Item = (String, CustomerHistory)>,
        cutoff: Timestamp,
        settings: &TrainingSettings,
    ) -> Result<Artifacts, String> {
        let view =
            |history: CustomerHistory| CustomerView::new(&history, cutoff, settings.horizon_days);
        let summaries: Vec<_> = histories
            .filter_map(|(_, history)| view(history).bgnbd_summary())
            .collect();
        Ok(Artifacts {
            horizon_days: settings.horizon_days,
            currency: settings.currency.clone(),
            minor_per_major: settings.minor_per_major,
            fitted_before: format_instant(cutoff),
            bgnbd: bgnbd::fit(&summaries).map_err(|error| error.to_string())?,
        })
    }

    fn example(
        history: &Arc<CustomerHistory>,
        as_of: Timestamp,
        artifacts: &Artifacts,
    ) -> Option<Example<Case>> {
        let known = in_trained_population(history, as_of, artifacts);
        known.then(|| Example {
            case: Case::with_history("", Arc::clone(history), as_of),
            outcomes: vec![Outcome {
                label: churn_label(history, as_of, artifacts.horizon_days),
                extras: Vec::new(),
            }],
        })
    }

    fn golden_entity(history: &CustomerHistory, _: &Case, _: usize) -> serde_json::Value {
        serde_json::to_value(InlineHistory::from_history(history)).unwrap_or_default()
    }

    fn warnings(artifacts: &Artifacts) -> Vec<String> {
        let bounded = &artifacts.bgnbd.bounded;
        let text = format!(
            "BG/NBD is degenerate here: {} ended on the bound; hardly anybody leaves for good after a purchase, or the \
             data is too short to see it",
            bounded.join(", ")
        );
        if bounded.is_empty() {
            Vec::new()
        } else {
            vec![text]
        }
    }
}

/// What the model learns: 1 when nothing is bought within the horizon from `as_of` on.
pub fn churn_label(history: &CustomerHistory, as_of: Timestamp, horizon_days: f64) -> f32 {
    let until = as_of.plus_days(horizon_days);
    if history.purchased_within(as_of, until) {
        0.0
    } else {
        1.0
    }
}
