//! The BG/NBD purchase model: how likely is at least one purchase within a horizon?
//!
//! While "alive" a customer buys at random with a personal rate (gamma over customers, shape `r`, scale `alpha`) and
//! leaves for good after any purchase with a personal probability (beta over customers, `a` and `b`).
//!
//! Source: Fader, Hardie and Lee (2005), "Counting your customers" the easy way: an alternative to the Pareto/NBD
//! model, Marketing Science 24(2), equations (6) and (7).
//!
//! P(alive) alone is no churn score: a customer who bought once has P(alive) = 1. Use [`Parameters::p_buy`].

mod fit;

pub use fit::{Fit, FitError, fit};

use libm::{exp, lgamma, log, log1p, pow};
use serde::{Deserialize, Serialize};

/// What the model needs of one customer; all times in the same unit, from the first purchase on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Repeat purchases: purchase occasions after the first.
    pub repeats: f64,
    /// Time of the last purchase, 0 when there is only one.
    pub last_purchase: f64,
    /// Time observed.
    pub observed: f64,
}

/// The four parameters of the population.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Shape of the gamma of purchase rates.
    pub r: f64,
    /// Scale (inverse) of the gamma of purchase rates, in units of time.
    pub alpha: f64,
    /// First shape of the beta of drop-out probabilities.
    pub a: f64,
    /// Second shape of the beta of drop-out probabilities.
    pub b: f64,
}

impl Parameters {
    /// Log-likelihood of one customer.
    pub fn log_likelihood(&self, customer: Summary) -> f64 {
        let Self { r, alpha, a, b } = *self;
        let Summary {
            repeats: x,
            last_purchase,
            observed,
        } = customer;
        let rate = lgamma(r + x) - lgamma(r) + r * log(alpha);
        let stays = lgamma(a + b) + lgamma(b + x) - lgamma(b) - lgamma(a + b + x);
        let alive = -(r + x) * log(alpha + observed);
        if x <= 0.0 {
            return rate + stays + alive;
        }
        let left = log(a) - log(b + x - 1.0) - (r + x) * log(alpha + last_purchase);
        let (high, low) = if alive > left {
            (alive, left)
        } else {
            (left, alive)
        };
        rate + stays + high + log1p(exp(low - high))
    }

    /// Probability that the customer has not left for good.
    pub fn p_alive(&self, customer: Summary) -> f64 {
        let Self { r, alpha, a, b } = *self;
        let Summary {
            repeats: x,
            last_purchase,
            observed,
        } = customer;
        if x <= 0.0 {
            return 1.0;
        }
        let odds_left =
            a / (b + x - 1.0) * pow((alpha + observed) / (alpha + last_purchase), r + x);
        1.0 / (1.0 + odds_left)
    }

    /// Probability of at least one purchase within `horizon` from now.
    ///
    /// ```
    /// use features::bgnbd::{Parameters, Summary};
    /// let weeks = Parameters { r: 0.243, alpha: 4.414, a: 0.793, b: 2.426 };
    /// let once = Summary { repeats: 0.0, last_purchase: 0.0, observed: 30.0 };
    /// assert!(weeks.p_alive(once) == 1.0 && weeks.p_buy(once, 4.0) < 0.04);
    /// ```
    pub fn p_buy(&self, customer: Summary, horizon: f64) -> f64 {
        let scale = self.alpha + customer.observed;
        let none = pow(scale / (scale + horizon), self.r + customer.repeats);
        self.p_alive(customer) * (1.0 - none)
    }
}
