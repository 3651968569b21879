//! Ordering rules. A rule knows shelves, and no demand but what they sold.

mod current;
mod served;
mod ses_normal;

pub use current::{CURRENT_RULE, CurrentRule};
pub use served::{STORECAST, Storecast};
pub use ses_normal::{SES_NORMAL, SesNormal};

use super::shelf::Shelf;
use crate::assess::Failure;
use features::time::LocalDay;

/// Decides orders at reviews.
pub trait Rule {
    /// In reports.
    fn name(&self) -> &'static str;

    /// Units to order today, one figure per shelf under review.
    fn orders(&self, today: LocalDay, shelves: &[&Shelf]) -> Result<Vec<u64>, Failure>;
}
