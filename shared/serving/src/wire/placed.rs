//! A line of an order that stands for itself: what a shop exports.

use super::{InlineLine, check_id, one, parse_body, parse_instant};
use crate::error::Error;
use serde::Deserialize;
use smol_str::SmolStr;

/// One position of an order, with the order and the customer that it is of.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedLine {
    /// Whose it is.
    pub customer_id: SmolStr,
    /// The instant to answer for, RFC 3339 with an offset.
    pub as_of: Option<SmolStr>,
    /// As [`super::InlineOrder`] has it, as all below.
    pub order_id: SmolStr,
    /// When the order was placed.
    pub placed_at: SmolStr,
    #[serde(default)]
    product_id: SmolStr,
    #[serde(default)]
    category: SmolStr,
    #[serde(default = "one")]
    quantity: f64,
    net_minor: i64,
    #[serde(default)]
    discount_minor: i64,
}

impl PlacedLine {
    /// Reads a line as an inline history with nothing else in it is read; places of errors are told from the line on.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let line: Self = parse_body(body)?;
        check_id(&line.customer_id, "/customer_id")?;
        check_id(&line.order_id, "/order_id")?;
        parse_instant(&line.placed_at, "/placed_at")?;
        line.inline().parse()?;
        Ok(line)
    }

    /// The position alone.
    pub fn inline(&self) -> InlineLine {
        InlineLine {
            product_id: self.product_id.clone(),
            category: self.category.clone(),
            quantity: self.quantity,
            net_minor: self.net_minor,
            discount_minor: self.discount_minor,
        }
    }
}
