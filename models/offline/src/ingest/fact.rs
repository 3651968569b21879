//! What is known of a product: sold, in stock, on order or promoted.

use super::rejects::Reject;
use serde::{Deserialize, Serialize};

/// One thing known of a product at a location.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Record<'a> {
    pub(crate) product: &'a str,
    /// Empty where the shop tells no locations apart, and for a promotion, which runs everywhere.
    pub(crate) location: &'a str,
    /// Empty when unknown.
    pub(crate) category: &'a str,
    /// Whether the product is one: it was sold, or a product file names it.
    pub(crate) known: bool,
    pub(crate) fact: Fact,
}

/// The thing known; days as numbers, quantities in thousandths of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Fact {
    Sale {
        day: i32,
        units_milli: i64,
        net_minor: i64,
        discount_minor: i64,
    },
    /// What lay in the shelf when the day began.
    Level {
        day: i32,
        /// Of files that name one day, the one with the highest rank counts.
        rank: u32,
        units_milli: i64,
    },
    OnOrder {
        arrives: i32,
        units_milli: i64,
    },
    /// `until` is the first day after it.
    Promotion {
        from: i32,
        until: i32,
        known_since: i32,
    },
}

/// A location may be any text without `@`, which parts it from the product in the id of a SKU.
pub(super) fn location(text: &str) -> Result<(), Reject> {
    if text.contains('@') {
        return Err(Reject::of(
            "location with @",
            "it parts product and location in the id of a SKU",
        ));
    }
    Ok(())
}

/// The id of a SKU: the product, or `product@location` where the shop tells locations apart.
pub(crate) fn sku_id(product: &str, location: &str, has_locations: bool) -> String {
    if has_locations {
        format!("{product}@{location}")
    } else {
        product.to_owned()
    }
}
