//! The function itself: the served model, its fallbacks and its planning, as an answer would have them.

use super::{Rule, Shelf};
use crate::assess::Failure;
use features::time::LocalDay;
use inventory::forecast::Said;
use inventory::policy::{PolicyError, Stock};
use inventory::{Case, Inventory, plan_by_rules};
use serving::predictor::{Scored, Served};
use std::sync::Arc;

/// Name of the rule.
pub const STORECAST: &str = "storecast";

/// Orders as the inventory function plans them.
pub struct Storecast<'s> {
    served: &'s Served<Inventory>,
}

impl<'s> Storecast<'s> {
    /// With a verified model and its policy.
    pub fn new(served: &'s Served<Inventory>) -> Self {
        Self { served }
    }

    fn order(&self, case: &Case, scored: &Scored, stock: Stock) -> Result<u64, PolicyError> {
        let Some(said) = Said::of(case, scored, &self.served.model) else {
            return Ok(0);
        };
        let plan = plan_by_rules(case, said.demand()?, stock, &self.served.policy)?;
        Ok(plan.map_or(0, |plan| plan.order_quantity))
    }
}

impl Rule for Storecast<'_> {
    fn name(&self) -> &'static str {
        STORECAST
    }

    fn orders(&self, today: LocalDay, shelves: &[&Shelf]) -> Result<Vec<u64>, Failure> {
        let case = |shelf: &&Shelf| Case::with_history(Arc::clone(shelf.history()), today);
        let cases: Vec<Case> = shelves.iter().map(case).collect();
        let scored = self.served.model.score(&cases)?;
        let of_each = cases.iter().zip(&scored).zip(shelves);
        let orders =
            of_each.map(|((case, scored), seen)| self.order(case, scored, seen.stock(today)));
        Ok(orders.collect::<Result<_, _>>()?)
    }
}
