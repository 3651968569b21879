//! A line of an order that stands for itself: what a shop exports.

use super::{InlineLine, check_id, one, parse_body, parse_instant};
use crate::error::{CallerError, Error};
use features::demand::DemandDay;
use features::time::LocalDay;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use smol_str::{SmolStr, ToSmolStr};
use std::fmt;

/// Whose histories lines make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinesOf {
    /// What a customer ordered, of whatever products.
    Customers,
    /// What was sold of a product, to whomever.
    Products,
}

impl LinesOf {
    /// The column that says whose a line is.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Customers => "customer_id",
            Self::Products => "product_id",
        }
    }

    /// One of them, for people.
    pub(crate) const fn one(self) -> &'static str {
        match self {
            Self::Customers => "customer",
            Self::Products => "product",
        }
    }
}

/// One position of an order, with the order and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedLine {
    /// Whose it is.
    pub id: SmolStr,
    /// As [`super::InlineOrder`] has it.
    pub order_id: SmolStr,
    /// When the order was placed.
    pub placed_at: SmolStr,
    /// The date of that, at its own offset.
    pub local_day: LocalDay,
    /// The position alone.
    pub inline: InlineLine,
    /// What else stands in the line, `as_of` among it, not looked into.
    pub said: Said,
}

/// A line as it is written.
#[derive(Deserialize)]
struct Written {
    /// Of any kind: where products are asked about, it is nobody's business.
    #[serde(default)]
    customer_id: Value,
    order_id: SmolStr,
    placed_at: SmolStr,
    #[serde(default)]
    product_id: SmolStr,
    #[serde(default)]
    category: SmolStr,
    #[serde(default = "one")]
    quantity: f64,
    net_minor: i64,
    #[serde(default)]
    discount_minor: i64,
    /// Apart from all else that is said, because many lines have it, and to gather that takes time.
    as_of: Option<SmolStr>,
    #[serde(flatten)]
    said: Said,
}

impl PlacedLine {
    /// Reads a line as an inline history with nothing else in it is read; places of errors are told from the line on.
    pub fn parse(body: &[u8], of: LinesOf) -> Result<Self, Error> {
        let written: Written = parse_body(body)?;
        let id = match (of, written.customer_id) {
            (LinesOf::Products, _) => written.product_id.clone(),
            (LinesOf::Customers, Value::String(id)) => id.into(),
            (LinesOf::Customers, _) => return Err(no_text(of).into()),
        };
        check_id(&id, &format!("/{}", of.id()))?;
        check_id(&written.order_id, "/order_id")?;
        let (at, offset_seconds) = parse_instant(&written.placed_at, "/placed_at")?;
        let inline = InlineLine {
            product_id: written.product_id,
            category: written.category,
            quantity: written.quantity,
            net_minor: written.net_minor,
            discount_minor: written.discount_minor,
        };
        inline.check()?;
        let mut said = written.said;
        if let Some(as_of) = written.as_of {
            let as_of = Value::from(as_of.as_str()).to_smolstr();
            said.0.push((SmolStr::new_static("as_of"), as_of));
        }
        Ok(Self {
            id,
            order_id: written.order_id,
            placed_at: written.placed_at,
            local_day: LocalDay::at(at, offset_seconds),
            inline,
            said,
        })
    }

    /// The demand in it, which what came back is not.
    pub fn sold(&self) -> Option<DemandDay> {
        let units_milli = self.inline.quantity_milli();
        (units_milli > 0).then_some(DemandDay {
            day: self.local_day,
            units_milli,
            net_minor: self.inline.net_minor,
            discount_minor: self.inline.discount_minor,
        })
    }
}

fn no_text(of: LinesOf) -> CallerError {
    CallerError::Shape {
        pointer: format!("/{}", of.id()),
        reason: "expected a text".to_owned(),
    }
}

/// Values by name, as JSON; one that is null is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said(Vec<(SmolStr, SmolStr)>);

impl Said {
    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&SmolStr> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&name[..], &value[..]))
    }
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Said;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Said, A::Error> {
                let mut said = Said::default();
                while let Some((name, value)) = members.next_entry::<SmolStr, Value>()? {
                    if said.get(&name).is_some() {
                        return Err(A::Error::custom(format!("duplicate field `{name}`")));
                    }
                    if !value.is_null() {
                        said.0.push((name, value.to_smolstr()));
                    }
                }
                Ok(said)
            }
        }
        deserializer.deserialize_map(Members)
    }
}
