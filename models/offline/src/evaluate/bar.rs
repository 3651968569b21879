//! Bars: what a metric must show for a model to ship.

/// What a metric must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// The value is this or more.
    AtLeast(f64),
    /// The value is this or less.
    AtMost(f64),
    /// The value lies between both, inclusive.
    Between(f64, f64),
    /// The lower end of the interval is this or more.
    LowerEndAtLeast(f64),
}

/// A limit on one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// The metric's name.
    pub metric: &'static str,
    /// What it must reach.
    pub limit: Limit,
}

/// The bars of the churn model on the default shop. Figures without meaning on another shop's data are only reported
/// there: pass no bars.
pub const CHURN_BARS: [Bar; 5] = [
    Bar {
        metric: "auc",
        limit: Limit::AtLeast(0.86),
    },
    Bar {
        metric: "ece",
        limit: Limit::AtMost(0.03),
    },
    Bar {
        metric: "calibration_slope",
        limit: Limit::Between(0.9, 1.1),
    },
    Bar {
        metric: "lift_at_10pct",
        limit: Limit::AtLeast(3.5),
    },
    Bar {
        metric: "auc_minus_logistic",
        limit: Limit::LowerEndAtLeast(-0.01),
    },
];

impl Limit {
    /// Is it reached? A metric without a value reaches nothing.
    pub fn is_met(self, value: Option<f64>, interval: Option<[f64; 2]>) -> bool {
        match self {
            Self::AtLeast(least) => value.is_some_and(|v| v >= least),
            Self::AtMost(most) => value.is_some_and(|v| v <= most),
            Self::Between(least, most) => value.is_some_and(|v| (least..=most).contains(&v)),
            Self::LowerEndAtLeast(least) => interval.is_some_and(|[low, _]| low >= least),
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, ">= {least}"),
            Self::AtMost(most) => write!(f, "<= {most}"),
            Self::Between(least, most) => write!(f, "{least} to {most}"),
            Self::LowerEndAtLeast(least) => write!(f, "lower end >= {least}"),
        }
    }
}
