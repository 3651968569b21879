//! What one row means to the shop.

use super::cell::Cell;
use super::dates::Dates;
use super::fact;
use super::forgotten::Forgotten;
use super::number::Decimal;
use super::products::{ProductTable, no_product};
use super::rejects::Reject;
use crate::shop::{AmountIs, Discounts, Guests, Returns, Shop};
use serde::Serialize;
use std::fmt::Write as _;

/// Ten thousand million units of most currencies: more is no order line.
const MAX_MINOR: i128 = 1_000_000_000_000;
/// A million units.
const MAX_MILLI: i128 = 1_000_000_000;
/// Decimals kept of a unit price that comes as a double.
const PRICE_DIGITS: u32 = 6;

/// A checked line, ready to be grouped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    pub(crate) customer: String,
    pub(crate) order: String,
    pub(crate) placed_at: i64,
    pub(crate) local_day: i32,
    pub(crate) product: String,
    /// Empty where the shop tells no locations apart.
    pub(crate) location: String,
    pub(crate) category: String,
    pub(crate) quantity_milli: i64,
    pub(crate) net_minor: i64,
    pub(crate) discount_minor: i64,
    /// When the row was changed, where the shop says so; 0 elsewhere.
    pub(crate) updated_at: i64,
    /// Equal for rows of a file that equal each other in every column.
    pub(crate) hash: u64,
    /// Whether a rule leaves the line out.
    pub(crate) dropped: bool,
    /// Whether its order is a guest's and guests are no customers: it counts for demand only.
    pub(crate) guest: bool,
}

/// Why a guest's line is left out of the customers' histories.
const GUEST: &str = "no customer (guest)";
/// Why a line of somebody who was forgotten is left out of everything.
const FORGOTTEN: &str = "customer is forgotten";

/// What becomes of a row that is not bad.
pub(super) enum Verdict<'l> {
    Kept(&'l Line),
    /// Left out by a rule; the line when its order is known.
    Dropped(&'static str, Option<&'l Line>),
}

/// Reads rows of one file into lines.
pub(super) struct LineReader<'s> {
    shop: &'s Shop,
    table: &'s ProductTable,
    forgotten: &'s Forgotten,
    placed: Dates<'s>,
    updated: Dates<'s>,
    columns: Vec<&'s str>,
    roles: Roles,
    line: Line,
    /// Smallest and largest quantity kept, in thousandths.
    quantities: (i128, i128),
}

/// The places of the columns among those asked for.
struct Roles {
    order_id: Option<usize>,
    customer_id: usize,
    placed_at: usize,
    product_id: Option<usize>,
    location: Option<usize>,
    category: Option<usize>,
    quantity: Option<usize>,
    amount: usize,
    updated_at: Option<usize>,
    discounts: std::ops::Range<usize>,
}

impl<'s> LineReader<'s> {
    pub(super) fn new(
        shop: &'s Shop,
        table: &'s ProductTable,
        forgotten: &'s Forgotten,
        (placed, updated): (Dates<'s>, Dates<'s>),
    ) -> Self {
        let names = &shop.orders.columns;
        let mut columns = Vec::new();
        let mut role = |name: &'s str| {
            columns.push(name);
            columns.len() - 1
        };
        let roles = Roles {
            customer_id: role(&names.customer_id),
            placed_at: role(&names.placed_at),
            amount: role(&names.amount),
            order_id: names.order_id.as_deref().map(&mut role),
            product_id: names.product_id.as_deref().map(&mut role),
            location: names.location.as_deref().map(&mut role),
            category: names.category.as_deref().map(&mut role),
            quantity: names.quantity.as_deref().map(&mut role),
            updated_at: names.updated_at.as_deref().map(&mut role),
            discounts: 0..0,
        };
        let first = columns.len();
        columns.extend(names.discounts.iter().map(String::as_str));
        let roles = Roles {
            discounts: first..columns.len(),
            ..roles
        };
        let milli = |limit: Option<f64>, default: i128| {
            limit.map_or(default, |units| (units * 1000.0).round() as i128)
        };
        let quantities = (
            milli(shop.drop.quantity_below, 1).max(1),
            milli(shop.drop.quantity_above, MAX_MILLI),
        );
        Self {
            shop,
            table,
            forgotten,
            placed,
            updated,
            columns,
            roles,
            line: Line::default(),
            quantities,
        }
    }

    /// The columns whose cells [`read`](Self::read) takes, in order.
    pub(super) fn columns(&self) -> Vec<&'s str> {
        self.columns.clone()
    }

    /// The line of a row.
    pub(super) fn read(&mut self, cells: &[Cell<'_>], hash: u64) -> Result<Verdict<'_>, Reject> {
        self.line.hash = hash;
        // First of all, so that nothing of the row is written anywhere, not even as a reject.
        if !self.forgotten.is_empty() && self.is_forgotten(cells[self.roles.customer_id]) {
            return Ok(Verdict::Dropped(FORGOTTEN, None));
        }
        if !self.identify(cells)? {
            return Ok(Verdict::Dropped(GUEST, None));
        }
        let reason = self.judge(cells)?;
        self.line.dropped = reason.is_some();
        // A guest is counted as one, whatever was bought.
        let reason = if self.line.guest { Some(GUEST) } else { reason };
        let line = &self.line;
        Ok(reason.map_or(Verdict::Kept(line), |reason| {
            Verdict::Dropped(reason, Some(line))
        }))
    }

    fn is_forgotten(&self, customer: Cell<'_>) -> bool {
        let mut id = String::new();
        customer.id(&mut id).is_ok() && self.forgotten.holds(&id)
    }

    /// Fills in what was bought; the reason when a rule leaves it out.
    fn judge(&mut self, cells: &[Cell<'_>]) -> Result<Option<&'static str>, Reject> {
        if let Some(reason) = self.product(cells)? {
            return Ok(Some(reason));
        }
        let quantity = self.quantity(cells)?;
        let milli = quantity.map_or(1000, |quantity| quantity.to_units(3));
        if milli.abs() < self.quantities.0 || milli.abs() > self.quantities.1 {
            return Ok(Some("quantity outside the shop's limits"));
        }
        self.money(cells, quantity, milli)?;
        Ok(None)
    }

    fn at(&self, index: usize, cells: &[Cell<'_>], reject: Reject) -> Reject {
        reject.at(self.columns[index], cells[index])
    }

    fn fill(&self, index: usize, cells: &[Cell<'_>], into: &mut String) -> Result<(), Reject> {
        cells[index]
            .id(into)
            .map_err(|reject| self.at(index, cells, reject))
    }

    /// Customer, order and instant; `false` for a guest whose rows nobody needs: no customer and no product.
    fn identify(&mut self, cells: &[Cell<'_>]) -> Result<bool, Reject> {
        let Roles {
            order_id,
            customer_id,
            placed_at,
            updated_at,
            ..
        } = self.roles;
        let guest = cells[customer_id].is_missing();
        let dropped = guest && self.shop.orders.guests == Guests::Drop;
        if dropped && self.roles.product_id.is_none() {
            return Ok(false);
        }
        let mut line = std::mem::take(&mut self.line);
        line.guest = dropped;
        let moment = self
            .placed
            .moment(cells[placed_at])
            .map_err(|reject| self.at(placed_at, cells, reject))?;
        (line.placed_at, line.local_day) = (moment.at.0, moment.day.0);
        if let Some(index) = updated_at {
            line.updated_at = self
                .updated
                .moment(cells[index])
                .map_err(|reject| self.at(index, cells, reject))?
                .at
                .0;
        }
        if let Some(index) = order_id {
            self.fill(index, cells, &mut line.order)?;
        }
        if guest {
            line.customer.clear();
            let _ = match order_id {
                Some(_) => write!(line.customer, "guest:{}", line.order),
                None => write!(line.customer, "guest:{}", line.placed_at),
            };
        } else {
            self.fill(customer_id, cells, &mut line.customer)?;
        }
        if order_id.is_none() {
            line.order.clear();
            let _ = write!(line.order, "{}@{}", line.customer, line.placed_at);
        }
        self.line = line;
        Ok(true)
    }

    /// Product, location and category; the reason when the product is none.
    fn product(&mut self, cells: &[Cell<'_>]) -> Result<Option<&'static str>, Reject> {
        let mut line = std::mem::take(&mut self.line);
        line.category.clear();
        if let Some(index) = self
            .roles
            .category
            .filter(|&index| !cells[index].is_missing())
        {
            self.fill(index, cells, &mut line.category)?;
        }
        line.location.clear();
        if let Some(index) = self
            .roles
            .location
            .filter(|&index| !cells[index].is_missing())
        {
            self.fill(index, cells, &mut line.location)?;
            fact::location(&line.location).map_err(|reject| self.at(index, cells, reject))?;
        }
        let mut known = None;
        if let Some(index) = self.roles.product_id {
            self.fill(index, cells, &mut line.product)?;
            known = self.table.get(&line.product);
        }
        if let Some(product) = known.filter(|_| line.category.is_empty()) {
            line.category.push_str(&product.category);
        }
        let reason = no_product(&self.shop.drop, &line.product, known, &line.category);
        self.line = line;
        Ok(reason)
    }

    fn quantity(&self, cells: &[Cell<'_>]) -> Result<Option<Decimal>, Reject> {
        let Some(index) = self.roles.quantity else {
            return Ok(None);
        };
        let quantity = cells[index].number(self.shop.orders.layout.decimal, 3);
        let quantity = quantity.map_err(|reject| self.at(index, cells, reject))?;
        if quantity.to_units(3).abs() > MAX_MILLI {
            return Err(self.at(
                index,
                cells,
                Reject::of("quantity out of range", "at most 1000000 units"),
            ));
        }
        let cancelled = self.is_cancellation();
        if quantity.unscaled < 0 && !cancelled && self.shop.orders.returns == Returns::Reject {
            return Err(self.at(
                index,
                cells,
                Reject::of("negative quantity", "shop.toml allows no returns"),
            ));
        }
        Ok(Some(quantity))
    }

    fn is_cancellation(&self) -> bool {
        self.shop
            .orders
            .cancellation_prefixes
            .iter()
            .any(|prefix| self.line.order.starts_with(prefix))
    }

    /// Amounts and their sign: that of the quantity, or of the amount where the shop has no quantities.
    fn money(
        &mut self,
        cells: &[Cell<'_>],
        quantity: Option<Decimal>,
        milli: i128,
    ) -> Result<(), Reject> {
        let orders = &self.shop.orders;
        let digits = self.shop.currency.digits;
        let index = self.roles.amount;
        let reject = |kind, detail: String| self.at(index, cells, Reject::of(kind, detail));
        let unit_price = orders.amount_is == AmountIs::UnitPrice;
        let amount = cells[index].number(
            orders.layout.decimal,
            if unit_price { PRICE_DIGITS } else { digits },
        );
        let amount = amount.map_err(|reject| self.at(index, cells, reject))?;
        let sign = self.sign(amount, quantity.map(|_| milli));
        let sign = sign.map_err(|reject| self.at(index, cells, reject))?;
        let total = quantity
            .filter(|_| unit_price)
            .map_or(amount, |quantity| amount.times(quantity));
        let total = total.to_units(digits).abs();
        let discount = self.discount(cells)?;
        let net = if orders.discounts == Discounts::StillIn {
            total - discount
        } else {
            total
        };
        if net < 0 {
            return Err(reject(
                "discount larger than amount",
                format!("{discount} minor units are taken off {total}"),
            ));
        }
        if total > MAX_MINOR {
            return Err(reject(
                "amount out of range",
                format!("at most {MAX_MINOR} minor units"),
            ));
        }
        self.line.quantity_milli = (sign * milli.abs()) as i64;
        self.line.net_minor = (sign * net) as i64;
        self.line.discount_minor = discount as i64;
        Ok(())
    }

    /// 1 for a purchase, -1 for a return or a cancellation.
    fn sign(&self, amount: Decimal, milli: Option<i128>) -> Result<i128, Reject> {
        let negative = milli.map_or(amount.unscaled < 0, |milli| milli < 0);
        if self.is_cancellation() {
            Ok(-1)
        } else if negative && self.shop.orders.returns == Returns::Reject {
            Err(Reject::of("negative amount", "shop.toml allows no returns"))
        } else if negative {
            Ok(-1)
        } else if amount.unscaled < 0 {
            Err(Reject::of("negative amount", "the quantity is positive"))
        } else {
            Ok(1)
        }
    }

    fn discount(&self, cells: &[Cell<'_>]) -> Result<i128, Reject> {
        let mut sum = 0;
        for index in self
            .roles
            .discounts
            .clone()
            .filter(|&index| !cells[index].is_missing())
        {
            let discount =
                cells[index].number(self.shop.orders.layout.decimal, self.shop.currency.digits);
            let minor = discount
                .map_err(|reject| self.at(index, cells, reject))?
                .to_units(self.shop.currency.digits)
                .abs();
            if minor > MAX_MINOR {
                let limit = format!("at most {MAX_MINOR} minor units");
                return Err(self.at(index, cells, Reject::of("amount out of range", limit)));
            }
            sum += minor;
        }
        Ok(sum)
    }
}
