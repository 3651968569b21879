//! Who gets what under a budget. Pure.
//!
//! Everybody starts with nothing done. Then, one step at a time, the option is taken that adds most value per cost over
//! what its customer has so far, among all options of all customers that add value and still fit: the greedy method for
//! the multiple-choice knapsack (Sinha and Zoltners (1979), The multiple-choice knapsack problem). A customer whose best
//! option does not fit so ends with the best cheaper one that pays.
//!
//! Steps come in falling order of value per cost, and what does not fit once never fits again. Therefore more budget
//! never brings less: up to the first step that the smaller budget cannot pay both do the same, and all that the smaller
//! one has left is less than that step costs, at no better rate.
//!
//! Cheap options may use up what one good option needed. So the best options alone, by the same rule, are tried as well,
//! and whichever brings more is chosen.

use crate::api::Alternative;

/// For every customer the place of the option to take, `None` for nothing. `customers` holds each one's options, best
/// first; none for a customer who must be left alone. What is taken costs at most `budget_minor` together.
pub(crate) fn choose(customers: &[&[Alternative]], budget_minor: i64) -> Vec<Option<usize>> {
    let best_alone: Vec<_> = customers
        .iter()
        .map(|options| &options[..options.len().min(1)])
        .collect();
    let whole = greedy(&best_alone, budget_minor);
    let spread = greedy(customers, budget_minor);
    if value(customers, &whole) >= value(customers, &spread) {
        whole
    } else {
        spread
    }
}

fn value(customers: &[&[Alternative]], chosen: &[Option<usize>]) -> i64 {
    let values = customers.iter().zip(chosen);
    values
        .map(|(options, at)| at.map_or(0, |at| options[at].expected_value_minor))
        .sum()
}

fn greedy(customers: &[&[Alternative]], budget_minor: i64) -> Vec<Option<usize>> {
    let mut chosen = vec![None; customers.len()];
    let mut left_minor = budget_minor;
    while let Some(step) = best_step(customers, &chosen, left_minor) {
        left_minor -= step.cost_minor;
        chosen[step.customer] = Some(step.option);
    }
    chosen
}

/// From what a customer has to one of the options that bring more.
struct Step {
    customer: usize,
    option: usize,
    /// Added value, above 0.
    gain_minor: i64,
    /// Added cost.
    cost_minor: i64,
}

impl Step {
    /// Compared as products: ratios of doubles may be equal where these are not.
    fn pays_more_than(&self, other: &Self) -> bool {
        let product = |gain: i64, cost: i64| i128::from(gain) * i128::from(cost);
        product(self.gain_minor, other.cost_minor) > product(other.gain_minor, self.cost_minor)
    }
}

/// The step of most value per cost that `left_minor` pays; the first of equals.
fn best_step(
    customers: &[&[Alternative]],
    chosen: &[Option<usize>],
    left_minor: i64,
) -> Option<Step> {
    let steps = customers
        .iter()
        .zip(chosen)
        .enumerate()
        .flat_map(|(customer, (options, at))| {
            let money =
                |option: &Alternative| (option.expected_value_minor, option.expected_cost_minor);
            let (value, cost) = at.map_or((0, 0), |at| money(&options[at]));
            options.iter().enumerate().map(move |(option, to)| Step {
                customer,
                option,
                gain_minor: to.expected_value_minor - value,
                cost_minor: (to.expected_cost_minor - cost).max(0),
            })
        });
    steps
        .filter(|step| step.gain_minor > 0 && step.cost_minor <= left_minor)
        .reduce(|best, step| {
            if step.pays_more_than(&best) {
                step
            } else {
                best
            }
        })
}
