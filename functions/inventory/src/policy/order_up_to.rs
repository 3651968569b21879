//! (s, S): at each review, when the position is at `s` or below, order up to `S`.
//!
//! Exact for discrete demand by Zheng and Federgruen (1991), Finding Optimal (s, S) Policies Is About As Simple As
//! Evaluating a Single Policy, Operations Research 39(4); by formula from Ehrhardt and Mosier (1984), A Revision of
//! the Power Approximation for Computing (s, S) Policies, Management Science 30(5). Snyder and Shen, section 4.4.

use super::distribution::Demand;
use super::error::{PolicyError, check, positive};
use super::newsvendor::UnitCosts;
use libm::{pow, sqrt};
use serde::Serialize;

/// When to order, and up to where.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OrderUpTo {
    /// Position at or below which an order is placed, `s`.
    pub reorder_point: f64,
    /// Position after it, `S`.
    pub order_up_to_level: f64,
}

/// An (s, S) policy with its expected cost per period.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OrderUpToPolicy {
    /// The two levels.
    #[serde(flatten)]
    pub levels: OrderUpTo,
    /// Ordering, holding and shortage per period.
    pub cost: f64,
}

/// Largest mean per period for the exact search, whose work grows with the square of `S - s`.
const MOST_MEAN: f64 = 1e4;

/// Widest `S - s` that is tried.
const MOST_WIDTH: usize = 20_000;

/// Expected cost per period of a position that is kept, and how long an order lasts, by units above `s`.
struct Renewals<'a> {
    period: &'a Demand,
    protection: &'a Demand,
    unit_costs: UnitCosts,
    fixed_cost: f64,
    /// Expected periods spent exactly `j` units below `S` before the next order, `m(j)`.
    stays: Vec<f64>,
    /// P(D = j) of a period.
    pmf: Vec<f64>,
}

impl Renewals<'_> {
    /// `m(0) = 1 / (1 - p(0))`, `m(j) = m(0) Σ_{l=1}^{j} p(l) m(j - l)`: Zheng and Federgruen, (4).
    fn extend(&mut self, width: usize) {
        while self.stays.len() < width {
            let j = self.stays.len();
            self.pmf.push(self.period.pmf(j as f64));
            let again = 1.0 / (1.0 - self.pmf[0]);
            let stay = if j == 0 {
                again
            } else {
                let arrivals = self.pmf[1..].iter().zip(self.stays.iter().rev());
                again * arrivals.map(|(p, m)| p * m).sum::<f64>()
            };
            self.stays.push(stay);
        }
    }

    /// Cost of a period whose position after ordering is `y`.
    fn position_cost(&self, y: f64) -> f64 {
        self.unit_costs.expected(self.protection, y)
    }

    /// `c(s, S) = (K + Σ m(j) g(S - j)) / M(S - s)`.
    fn cost(&mut self, s: f64, up_to: f64) -> Result<f64, PolicyError> {
        let width = up_to - s;
        let limit = "20000 units or fewer between the two levels";
        check(
            width <= MOST_WIDTH as f64,
            "order_up_to_level - reorder_point",
            width,
            limit,
        )?;
        #[expect(clippy::cast_sign_loss, reason = "callers keep S above s")]
        let width = width as usize;
        self.extend(width);
        let stays = self.stays[..width].iter().enumerate();
        let (cost, periods) = stays.fold((self.fixed_cost, 0.0), |(cost, periods), (j, m)| {
            (cost + m * self.position_cost(up_to - j as f64), periods + m)
        });
        Ok(cost / periods)
    }
}

/// What an (s, S) policy is judged by; costs per period.
#[derive(Debug, Clone, Copy)]
pub struct OrderUpToTerms<'a> {
    /// Demand of one period.
    pub period: &'a Demand,
    /// Demand of lead time and one period; the period's own without a lead time.
    pub protection: &'a Demand,
    /// Per unit and period.
    pub unit_costs: UnitCosts,
    /// Per order.
    pub fixed_cost: f64,
}

impl<'a> OrderUpToTerms<'a> {
    fn renewals(&self) -> Result<Renewals<'a>, PolicyError> {
        let mean = self.period.mean();
        let discrete = self.period.is_discrete() && self.protection.is_discrete();
        check(discrete, "period demand", mean, "a discrete law")?;
        let limit = "above 0 and 10000 or less: the power approximation is for more";
        check(mean > 0.0 && mean <= MOST_MEAN, "demand_mean", mean, limit)?;
        Ok(Renewals {
            period: self.period,
            protection: self.protection,
            unit_costs: self.unit_costs.checked()?,
            fixed_cost: positive("fixed_cost", self.fixed_cost)?,
            stays: Vec::new(),
            pmf: Vec::new(),
        })
    }

    /// Expected cost per period of given levels.
    pub fn cost(&self, levels: OrderUpTo) -> Result<f64, PolicyError> {
        let OrderUpTo {
            reorder_point: s,
            order_up_to_level: up_to,
        } = levels;
        check(
            up_to > s,
            "order_up_to_level",
            up_to,
            "above the reorder point",
        )?;
        self.renewals()?.cost(s, up_to)
    }
}

/// The best levels for discrete demand: Zheng and Federgruen's algorithm (Snyder and Shen, algorithm 4.2).
pub fn order_up_to_discrete(terms: &OrderUpToTerms<'_>) -> Result<OrderUpToPolicy, PolicyError> {
    let mut renewals = terms.renewals()?;
    let start = terms.protection.quantile(terms.unit_costs.critical_ratio());
    let mut s = start - 1.0;
    let mut best = renewals.cost(s, start)?;
    // The best s for the first S: where keeping the position costs as much as the policy does.
    while best > renewals.position_cost(s) {
        s -= 1.0;
        best = renewals.cost(s, start)?;
    }
    let mut up_to = start;
    let mut candidate = start + 1.0;
    while renewals.position_cost(candidate) <= best {
        let cost = renewals.cost(s, candidate)?;
        if cost < best {
            up_to = candidate;
            while renewals.cost(s, up_to)? <= renewals.position_cost(s + 1.0) {
                s += 1.0;
            }
            best = renewals.cost(s, up_to)?;
        }
        candidate += 1.0;
    }
    Ok(OrderUpToPolicy {
        levels: OrderUpTo {
            reorder_point: s,
            order_up_to_level: up_to,
        },
        cost: best,
    })
}

/// Ehrhardt and Mosier's power approximation (Snyder and Shen, (4.77)-(4.80)).
///
/// `period_mean` is the mean of one period, `protection` the demand of lead time and one period.
pub fn power_approximation(
    period_mean: f64,
    protection: &Demand,
    unit_costs: UnitCosts,
    fixed_cost: f64,
) -> Result<OrderUpTo, PolicyError> {
    let UnitCosts { holding, stockout } = unit_costs.checked()?;
    positive("period_mean", period_mean)?;
    positive("fixed_cost", fixed_cost)?;
    let (mean, sd) = (protection.mean(), positive("demand_sd", protection.sd())?);
    let spread = 1.0 + sd * sd / (period_mean * period_mean);
    let lot =
        1.30 * pow(period_mean, 0.494) * pow(fixed_cost / holding, 0.506) * pow(spread, 0.116);
    let z = sqrt(lot / sd * holding / stockout);
    let reorder_point = 0.973 * mean + sd * (0.183 / z + 1.063 - 2.192 * z);
    Ok(OrderUpTo {
        reorder_point,
        order_up_to_level: reorder_point + lot,
    })
}
