//! The data behind the plots of a demand model's card.

use super::{ForecastMethod, ForecastRows, Part};
use crate::evaluate::bootstrap::Bootstrap;
use crate::evaluate::line::round;
use serde::Serialize;

/// Of every method that gives distributions; the model comes first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForecastCurves {
    /// Share of demand within every quantile.
    pub coverage: Vec<CoverageCurve>,
    /// Mean loss of the quantiles.
    pub pinball: Vec<PinballBar>,
}

/// What should be a straight line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CoverageCurve {
    /// The method's name.
    pub name: String,
    /// At every twentieth, rising.
    pub points: Vec<CoveragePoint>,
}

/// One point of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CoveragePoint {
    /// Level of the quantile.
    pub level: f64,
    /// Share of demand within it.
    pub covered: f64,
}

/// Mean pinball loss with its 95 % interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PinballBar {
    /// The method's name.
    pub name: String,
    /// Units.
    pub value: f64,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// The curves of checked rows.
pub(super) fn curves(rows: &ForecastRows<'_>, bootstrap: &Bootstrap) -> ForecastCurves {
    let lawful = || rows.methods.iter().filter(|method| method.scores.is_some());
    ForecastCurves {
        coverage: lawful().map(coverage).collect(),
        pinball: lawful()
            .filter_map(|method| pinball(rows, method, bootstrap))
            .collect(),
    }
}

fn coverage(method: &ForecastMethod<'_>) -> CoverageCurve {
    let scores = method.scores.unwrap_or_default();
    let points = (1..20).map(|twentieth| {
        let level = f64::from(twentieth) / 20.0;
        let covered = scores.iter().map(|score| score.covered(level)).sum::<f64>();
        CoveragePoint {
            level,
            covered: round(covered / scores.len() as f64),
        }
    });
    CoverageCurve {
        name: method.name.to_owned(),
        points: points.collect(),
    }
}

fn pinball(
    rows: &ForecastRows<'_>,
    method: &ForecastMethod<'_>,
    bootstrap: &Bootstrap,
) -> Option<PinballBar> {
    let alone = ForecastRows {
        methods: std::slice::from_ref(method),
        ..*rows
    };
    let index = super::METRICS.iter().position(|name| *name == "pinball")?;
    let measured = Part::new(&alone, &rows.all()).measure(bootstrap)[index];
    Some(PinballBar {
        name: method.name.to_owned(),
        value: round(measured.value?),
        low: measured.interval.map(|[low, _]| round(low)),
        high: measured.interval.map(|[_, high]| round(high)),
    })
}
