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
    /// The lower end of the interval is more than this.
    LowerEndAbove(f64),
    /// The value is less than this.
    Below(f64),
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

/// The bars of the recommendation model on the default shop.
pub const RECOMMENDATION_BARS: [Bar; 6] = [
    Bar {
        metric: "ndcg_minus_decayed_frequency",
        limit: Limit::LowerEndAbove(0.0),
    },
    Bar {
        metric: "discover_recall_ratio",
        limit: Limit::AtLeast(1.25),
    },
    Bar {
        metric: "cart_recall_minus_cosine",
        limit: Limit::LowerEndAbove(0.0),
    },
    Bar {
        metric: "coverage",
        limit: Limit::AtLeast(0.2),
    },
    Bar {
        metric: "discover_coverage",
        limit: Limit::AtLeast(0.03),
    },
    Bar {
        metric: "rule_violations",
        limit: Limit::AtMost(0.0),
    },
];

const fn bar(metric: &'static str, limit: Limit) -> Bar {
    Bar { metric, limit }
}

/// The bars of the demand model on the default shop: trained on censored sales, scored on the true demand of all test
/// origins. The last two are those of the simulated policy.
pub const INVENTORY_BARS: [Bar; 8] = [
    bar("coverage_80", Limit::Between(0.77, 0.83)),
    bar("coverage_90", Limit::Between(0.87, 0.93)),
    bar("coverage_95", Limit::Between(0.92, 0.98)),
    bar("pinball_vs_poisson", Limit::AtLeast(0.1)),
    bar("pinball_vs_negbin_ses", Limit::LowerEndAbove(0.0)),
    bar("bias", Limit::Between(-0.02, 0.02)),
    bar("fill_rate_gap", Limit::Between(-0.01, 0.01)),
    bar("cost_vs_ses_normal", Limit::Below(0.0)),
];

/// Those of them that must hold at every origin by itself.
pub const INVENTORY_ORIGIN_BARS: [Bar; 3] =
    [INVENTORY_BARS[0], INVENTORY_BARS[1], INVENTORY_BARS[2]];

impl Limit {
    /// Is it reached? A metric without a value reaches nothing.
    pub fn is_met(self, value: Option<f64>, interval: Option<[f64; 2]>) -> bool {
        match self {
            Self::AtLeast(least) => value.is_some_and(|v| v >= least),
            Self::AtMost(most) => value.is_some_and(|v| v <= most),
            Self::Between(least, most) => value.is_some_and(|v| (least..=most).contains(&v)),
            Self::LowerEndAtLeast(least) => interval.is_some_and(|[low, _]| low >= least),
            Self::LowerEndAbove(limit) => interval.is_some_and(|[low, _]| low > limit),
            Self::Below(limit) => value.is_some_and(|v| v < limit),
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
            Self::LowerEndAbove(limit) => write!(f, "lower end > {limit}"),
            Self::Below(limit) => write!(f, "< {limit}"),
        }
    }
}
