//! What may be ordered, whatever is wanted: applied last, in one order, each change kept.
//!
//! The order: minimum order quantity, pack size, shelf cap, maximum cover, shelf life; then, over many SKUs, the
//! budget and the supplier's minimum order value. Minimum and packs round up, to keep the service; the three caps cut
//! to whole packs. A cap below the smallest possible order is a contradiction: nothing is ordered, and both numbers
//! are reported.

use super::error::{MOST_DAYS, MOST_UNITS, PolicyError, check, days, positive, target, units};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits on one order; what is absent does not limit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "InventoryConstraints")]
pub struct Constraints {
    /// Smallest order in units, unless nothing is ordered.
    #[schemars(range(max = MOST_UNITS))]
    pub minimum_order_quantity: Option<u64>,
    /// Orders are multiples of it.
    #[schemars(range(min = 1.0, max = MOST_UNITS))]
    pub pack_size: Option<u64>,
    /// Most units on the shelf, expected at the moment the order arrives.
    #[schemars(range(max = MOST_UNITS))]
    pub shelf_cap: Option<u64>,
    /// Most stock at the moment the order arrives, as weeks of the demand that follows.
    #[schemars(range(min = 0.0, max = MOST_DAYS / 7.0))]
    pub maximum_cover_weeks: Option<f64>,
    /// Units that spoil.
    pub shelf_life: Option<ShelfLife>,
}

/// When units spoil, and how sure their sale must be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "InventoryShelfLife")]
pub struct ShelfLife {
    /// Days from arrival to the end.
    #[schemars(range(max = MOST_DAYS), extend("exclusiveMinimum" = 0))]
    pub days: f64,
    /// A unit is ordered only when it sells in time with at least this probability.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1))]
    pub least_sale_probability: f64,
}

impl Constraints {
    pub(crate) fn checked(&self) -> Result<&Self, PolicyError> {
        let minimum = self.minimum_order_quantity.unwrap_or(0) as f64;
        units("minimum_order_quantity", minimum)?;
        let pack = self.pack_size.unwrap_or(1) as f64;
        check(pack >= 1.0, "pack_size", pack, "1 or more")?;
        units("pack_size", pack)?;
        units("shelf_cap", self.shelf_cap.unwrap_or(0) as f64)?;
        if let Some(weeks) = self.maximum_cover_weeks {
            days("maximum_cover_weeks * 7", weeks * 7.0)?;
        }
        if let Some(life) = self.shelf_life {
            positive("shelf_life.days", days("shelf_life.days", life.days)?)?;
            target(
                "shelf_life.least_sale_probability",
                life.least_sale_probability,
            )?;
        }
        Ok(self)
    }

    fn pack(&self) -> u64 {
        self.pack_size.unwrap_or(1).max(1)
    }

    /// The smallest order that is possible at all: the minimum, in whole packs.
    pub fn smallest_order(&self) -> u64 {
        self.minimum_order_quantity
            .unwrap_or(0)
            .max(1)
            .next_multiple_of(self.pack())
    }
}

/// Something that changed an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "InventoryConstraint")]
pub enum Constraint {
    /// [`Constraints::minimum_order_quantity`].
    MinimumOrderQuantity,
    /// [`Constraints::pack_size`].
    PackSize,
    /// [`Constraints::shelf_cap`].
    ShelfCap,
    /// [`Constraints::maximum_cover_weeks`].
    MaximumCover,
    /// [`Constraints::shelf_life`].
    ShelfLife,
    /// The budget that several SKUs share.
    Budget,
    /// The supplier's minimum order value.
    SupplierMinimum,
}

/// A constraint that leaves no order possible, with the two numbers that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "InventoryContradiction")]
pub struct Contradiction {
    /// The one that cannot be met together with the smallest order.
    pub constraint: Constraint,
    /// Smallest possible order, from minimum and pack size: units, or minor units of money for the supplier's minimum.
    pub smallest: u64,
    /// Most that the constraint allows, in the same unit.
    pub largest: u64,
}

/// How much each cap still allows to be ordered, in units.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Room {
    pub(super) shelf_cap: Option<u64>,
    pub(super) maximum_cover: Option<u64>,
    pub(super) shelf_life: Option<u64>,
}

impl Room {
    fn caps(&self) -> impl Iterator<Item = (Constraint, u64)> {
        let caps = [
            (Constraint::ShelfCap, self.shelf_cap),
            (Constraint::MaximumCover, self.maximum_cover),
            (Constraint::ShelfLife, self.shelf_life),
        ];
        caps.into_iter()
            .filter_map(|(constraint, room)| Some((constraint, room?)))
    }
}

/// The orders that the constraints of one SKU leave: nothing, or whole packs from the smallest to the largest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Orderable {
    pub(super) smallest: u64,
    pub(super) largest: u64,
    pub(super) pack: u64,
}

impl Orderable {
    pub(super) fn new(constraints: &Constraints, room: &Room) -> Self {
        let pack = constraints.pack();
        let most = room.caps().map(|(_, room)| room).min().unwrap_or(u64::MAX);
        Self {
            smallest: constraints.smallest_order(),
            largest: most / pack * pack,
            pack,
        }
    }
}

/// One change of the order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Change {
    pub(super) constraint: Constraint,
    pub(super) before: u64,
    pub(super) after: u64,
}

/// Every change that turns the wanted order into a possible one, and the contradiction if there is none.
pub(super) fn apply(
    wanted: u64,
    constraints: &Constraints,
    room: &Room,
) -> (Vec<Change>, Option<Contradiction>) {
    let mut changes = Vec::new();
    if wanted == 0 {
        return (changes, None);
    }
    let mut quantity = wanted;
    let mut change = |constraint, after: u64, quantity: &mut u64| {
        if after != *quantity {
            let before = std::mem::replace(quantity, after);
            changes.push(Change {
                constraint,
                before,
                after,
            });
        }
    };
    let pack = constraints.pack();
    let raised = quantity.max(constraints.minimum_order_quantity.unwrap_or(0));
    change(Constraint::MinimumOrderQuantity, raised, &mut quantity);
    let packed = quantity.next_multiple_of(pack);
    change(Constraint::PackSize, packed, &mut quantity);
    let smallest = constraints.smallest_order();
    let mut contradiction = None;
    for (constraint, largest) in room.caps() {
        if quantity > largest {
            let cut = largest / pack * pack;
            if cut < smallest {
                // A single unit that does not fit is a full shelf, not a contradiction.
                contradiction =
                    (smallest > 1 && contradiction.is_none()).then_some(Contradiction {
                        constraint,
                        smallest,
                        largest,
                    });
            }
            change(
                constraint,
                if cut < smallest { 0 } else { cut },
                &mut quantity,
            );
        }
    }
    (changes, contradiction)
}
