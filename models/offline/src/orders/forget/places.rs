//! Where a customer can be in the bucket. What is stored by customer somewhere else is a line more here.

use super::super::ORDERS;

/// A part of the bucket.
#[derive(Debug)]
pub(super) struct Place {
    /// What its keys begin with.
    pub(super) prefix: &'static str,
    /// What its files hold.
    pub(super) holds: Holds,
}

/// What tells whose a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Files of the shop, in its own format.
    Orders,
    /// Requests and answers, whose `customer_id` says it; rejects and reports beside them.
    Answers,
    /// Requests about SKUs, which name no customer, or lines of orders, of which each may.
    Skus,
    /// Answers about SKUs, which name nobody; rejects and reports beside them.
    Plans,
    /// Reports and rejects of the shop's files.
    Verdicts,
    /// Lines of the log of predictions, in which a hash may stand for the customer.
    Predictions,
    /// What is kept of files that are being scored: packed answers, so nobody can say whose. Without it they begin anew. And
    /// chunks of the whole base, which are written anew.
    Unfinished,
}

/// All of them.
pub(super) const PLACES: &[Place] = &[
    place(ORDERS, Holds::Orders),
    place(MERGED_ORDERS, Holds::Verdicts),
    place("quarantine/orders/", Holds::Verdicts),
    place("uploads/churn/", Holds::Answers),
    place("scored/churn/", Holds::Answers),
    place("quarantine/churn/", Holds::Answers),
    place("unfinished/churn/", Holds::Unfinished),
    place("outcomes/churn/", Holds::Answers),
    place("predictions/churn/", Holds::Predictions),
    place("uploads/recommendations/", Holds::Answers),
    place("scored/recommendations/", Holds::Answers),
    place("quarantine/recommendations/", Holds::Answers),
    place("unfinished/recommendations/", Holds::Unfinished),
    place("uploads/inventory/", Holds::Skus),
    place("scored/inventory/", Holds::Plans),
    place("quarantine/inventory/", Holds::Plans),
    place("unfinished/inventory/", Holds::Unfinished),
    place("whole/churn/", Holds::Unfinished),
    place("whole/recommendations/", Holds::Unfinished),
    place("predictions/recommendations/", Holds::Predictions),
];

const MERGED_ORDERS: &str = "merged/orders/";

const fn place(prefix: &'static str, holds: Holds) -> Place {
    Place { prefix, holds }
}
