//! Histories and instants as they stand in requests and golden rows: parsed once, at the door.

mod by_name;
mod placed;

use crate::error::{CallerError, Error};
use by_name::ByName;
use features::history::{CustomerHistory, Order, OrderLine};
use features::time::{LocalDay, Timestamp};
pub use placed::{LinesOf, PlacedLine, Said};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::HashSet;

/// A body larger than this is refused: Lambda itself ends at 6 MB, the gateway in front of it would let 10 MB through.
pub const BODY_LIMIT_BYTES: usize = 5 * 1024 * 1024;
/// Orders of one inline history.
pub const ORDERS_LIMIT: usize = 20_000;
/// Largest amount of one line in minor units, either way: ten billion in a currency with cents.
pub const AMOUNT_LIMIT_MINOR: i64 = 1_000_000_000_000;
/// Largest quantity of one line, either way.
pub const QUANTITY_LIMIT: f64 = 1e9;
/// Longest id of anything, in bytes.
pub const ID_LIMIT_BYTES: usize = 256;

/// A history given in the request instead of an id in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InlineHistory {
    /// In any order.
    #[schemars(length(max = ORDERS_LIMIT))]
    pub orders: Vec<InlineOrder>,
}

/// One order of an inline history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InlineOrder {
    /// The shop's id, unique within the history.
    #[schemars(with = "String", length(min = 1, max = ID_LIMIT_BYTES))]
    pub order_id: SmolStr,
    /// RFC 3339 with the shop's UTC offset: its date is the shop-local day.
    #[schemars(extend("format" = "date-time"))]
    pub placed_at: String,
    /// What was bought or returned.
    pub lines: Vec<InlineLine>,
}

/// One position of an inline order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InlineLine {
    /// The shop's product id; may be left out.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    #[schemars(with = "String", length(max = ID_LIMIT_BYTES))]
    pub product_id: SmolStr,
    /// The product's category; may be left out.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    #[schemars(with = "String", length(max = ID_LIMIT_BYTES))]
    pub category: SmolStr,
    /// Units, negative for a return; 1 when left out.
    #[serde(default = "one")]
    #[schemars(range(min = -QUANTITY_LIMIT, max = QUANTITY_LIMIT))]
    pub quantity: f64,
    /// Paid for the position after discounts, minor units; negative for a return.
    #[schemars(range(min = -AMOUNT_LIMIT_MINOR, max = AMOUNT_LIMIT_MINOR))]
    pub net_minor: i64,
    /// What discounts took off, minor units.
    #[serde(default)]
    #[schemars(range(min = 0, max = AMOUNT_LIMIT_MINOR))]
    pub discount_minor: i64,
}

fn one() -> f64 {
    1.0
}

impl InlineHistory {
    /// The history, or what is wrong with it; `pointer` is where it stands in the body.
    pub fn parse(self, pointer: &str) -> Result<CustomerHistory, CallerError> {
        let orders = self.parsed_orders();
        Ok(CustomerHistory::new(
            orders.map_err(|error| error.below(pointer))?,
        ))
    }

    fn parsed_orders(self) -> Result<Vec<Order>, CallerError> {
        let count = self.orders.len();
        if count > ORDERS_LIMIT {
            let reason = format!("{count} orders, at most {ORDERS_LIMIT} allowed");
            return Err(value_error("/orders".to_owned(), reason));
        }
        let mut seen = HashSet::with_capacity(count);
        each(self.orders, "orders", |order| {
            if !seen.insert(order.order_id.clone()) {
                let reason = format!("order id {} stands there twice", shown(&order.order_id));
                return Err(value_error("/order_id".to_owned(), reason));
            }
            order.parse()
        })
    }

    /// A history as a request would give it; `utc_offset_seconds` of an order follow from its local day.
    pub fn from_history(history: &CustomerHistory) -> Self {
        Self {
            orders: history
                .orders()
                .iter()
                .map(InlineOrder::from_order)
                .collect(),
        }
    }
}

impl InlineOrder {
    /// Places of errors are told from the order on.
    fn parse(self) -> Result<Order, CallerError> {
        check_id(&self.order_id, "/order_id")?;
        let (placed_at, offset) = parse_instant(&self.placed_at, "/placed_at")?;
        Ok(Order {
            order_id: self.order_id,
            placed_at,
            local_day: LocalDay::at(placed_at, offset),
            lines: each(self.lines, "lines", InlineLine::parse)?,
        })
    }

    fn from_order(order: &Order) -> Self {
        // Any offset that puts the instant on the local day gives the same features; the smallest is shown.
        let hours =
            (-14..=14).filter(|h| LocalDay::at(order.placed_at, h * 3600) == order.local_day);
        let offset = hours.min_by_key(|h: &i32| h.abs()).unwrap_or(0);
        Self {
            order_id: order.order_id.clone(),
            placed_at: format_instant_at(order.placed_at, offset * 3600),
            lines: order.lines.iter().map(InlineLine::from_line).collect(),
        }
    }
}

impl InlineLine {
    /// Places of errors are told from the line on.
    fn parse(self) -> Result<OrderLine, CallerError> {
        self.check()?;
        Ok(OrderLine {
            quantity_milli: self.quantity_milli(),
            product_id: self.product_id,
            category: self.category,
            net_minor: self.net_minor,
            discount_minor: self.discount_minor,
        })
    }

    fn check(&self) -> Result<(), CallerError> {
        let refuse = |field: &str, reason: String| Err(value_error(format!("/{field}"), reason));
        if !(self.quantity.abs() <= QUANTITY_LIMIT) {
            return refuse(
                "quantity",
                format!("{} is beyond {QUANTITY_LIMIT} units", self.quantity),
            );
        }
        if self.net_minor.saturating_abs() > AMOUNT_LIMIT_MINOR {
            return refuse(
                "net_minor",
                format!("{} is beyond {AMOUNT_LIMIT_MINOR}", self.net_minor),
            );
        }
        if !(0..=AMOUNT_LIMIT_MINOR).contains(&self.discount_minor) {
            return refuse(
                "discount_minor",
                format!(
                    "{} is not within 0 and {AMOUNT_LIMIT_MINOR}",
                    self.discount_minor
                ),
            );
        }
        if self.quantity > 0.0 && self.net_minor < 0 {
            return refuse(
                "net_minor",
                format!(
                    "{} is negative for a purchase; a return has negative quantity",
                    self.net_minor
                ),
            );
        }
        check_text(&self.product_id, "/product_id")?;
        check_text(&self.category, "/category")
    }

    /// Thousandths of a unit.
    fn quantity_milli(&self) -> i64 {
        (self.quantity * 1000.0).round() as i64
    }

    fn from_line(line: &OrderLine) -> Self {
        Self {
            product_id: line.product_id.clone(),
            category: line.category.clone(),
            quantity: line.quantity_milli as f64 / 1000.0,
            net_minor: line.net_minor,
            discount_minor: line.discount_minor,
        }
    }
}

/// Parses a body; errors name the position (not JSON) or the place (JSON of another shape, or with a value that no
/// number or text can hold). Objects are read by the names of their fields: a list in place of one is another shape.
///
/// ```
/// use serving::wire::parse_body;
/// let pointer = |body: &str| match parse_body::<Vec<f64>>(body.as_bytes()).unwrap_err() {
///     serving::error::Error::Caller(serving::error::CallerError::Value { pointer, .. }) => pointer,
///     other => panic!("{other:?}"),
/// };
/// assert_eq!(pointer("[1, 1e999]"), "/1");
/// ```
pub fn parse_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let parsed = T::deserialize(ByName(&mut reader)).and_then(|parsed| {
        reader.end()?;
        Ok(parsed)
    });
    // To know where one is costs as much as all the rest: only a body that is refused is read for that.
    parsed.or_else(|_| parse_with_places(body))
}

/// The same, and errors name the place.
fn parse_with_places<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(ByName(&mut reader)).map_err(|error| {
        let pointer = pointer_of(error.path());
        body_error(body, error.inner(), pointer)
    })?;
    reader
        .end()
        .map_err(|error| body_error(body, &error, String::new()))?;
    Ok(parsed)
}

/// Whether a body keeps JSON's grammar. Nothing is made of its values, so that none can be too large.
fn is_json(body: &[u8]) -> bool {
    std::str::from_utf8(body)
        .is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

fn body_error(body: &[u8], error: &serde_json::Error, pointer: String) -> Error {
    // serde_json ends its text with the position, which has fields of its own here.
    let text = error.to_string();
    let reason = text
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned();
    match error.classify() {
        serde_json::error::Category::Data => CallerError::Shape {
            pointer,
            reason: cut(&reason, 200),
        }
        .into(),
        // So it names a list where a choice is expected, which is a text or an object.
        _ if reason == "expected value" && is_json(body) => CallerError::Shape {
            pointer,
            reason: "expected a text or an object with one field".to_owned(),
        }
        .into(),
        // serde_json counts a number beyond every double (1e999) among faults of syntax, and tells no kinds apart.
        _ if is_json(body) => value_error(pointer, reason).into(),
        _ => CallerError::Malformed {
            reason,
            line: error.line(),
            column: error.column(),
        }
        .into(),
    }
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .fold(String::new(), |pointer, segment| match segment {
            Segment::Seq { index } => format!("{pointer}/{index}"),
            Segment::Map { key } => {
                format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Segment::Enum { .. } | Segment::Unknown => pointer,
        })
}

/// Parses RFC 3339 with an offset: the instant and the offset in seconds.
///
/// ```
/// use serving::wire::parse_instant;
/// let (at, offset) = parse_instant("1970-01-02T00:00:00+01:00", "/as_of").unwrap();
/// assert_eq!((at.0, offset), (82_800, 3_600));
/// assert!(parse_instant("1970-01-02", "/as_of").is_err());
/// ```
pub fn parse_instant(text: &str, pointer: &str) -> Result<(Timestamp, i32), CallerError> {
    let refuse = || {
        let reason = format!(
            "{} is not an RFC 3339 instant with an offset, such as 2026-01-31T12:00:00Z",
            shown(text)
        );
        value_error(pointer.to_owned(), reason)
    };
    let pieces = jiff::fmt::temporal::DateTimeParser::new()
        .parse_pieces(text)
        .map_err(|_| refuse())?;
    let at: jiff::Timestamp = text.parse().map_err(|_| refuse())?;
    let offset = pieces
        .to_numeric_offset()
        .map_or(0, jiff::tz::Offset::seconds);
    Ok((Timestamp(at.as_second()), offset))
}

/// An instant as RFC 3339 in UTC, whole seconds; years outside -9999..=9999 are held at the end of the range.
pub fn format_instant(instant: Timestamp) -> String {
    jiff::Timestamp::from_second(instant.0)
        .unwrap_or(jiff::Timestamp::MAX)
        .to_string()
}

fn format_instant_at(instant: Timestamp, offset_seconds: i32) -> String {
    let at = jiff::Timestamp::from_second(instant.0).unwrap_or(jiff::Timestamp::MAX);
    let offset = jiff::tz::Offset::from_seconds(offset_seconds).unwrap_or(jiff::tz::Offset::UTC);
    at.display_with_offset(offset).to_string()
}

/// Refuses empty and overlong ids.
pub fn check_id(id: &str, pointer: &str) -> Result<(), CallerError> {
    if id.is_empty() {
        return Err(value_error(
            pointer.to_owned(),
            "empty, an id has at least one character".to_owned(),
        ));
    }
    check_text(id, pointer)
}

/// Refuses overlong text.
pub fn check_text(text: &str, pointer: &str) -> Result<(), CallerError> {
    if text.len() > ID_LIMIT_BYTES {
        let reason = format!("{} bytes, at most {ID_LIMIT_BYTES} allowed", text.len());
        return Err(value_error(pointer.to_owned(), reason));
    }
    Ok(())
}

/// Refuses a number of a policy that is outside its limits, naming field, value and limits.
///
/// ```
/// use serving::wire::within;
/// assert!(within("share", 0.5, 0.0, 1.0).is_ok());
/// assert_eq!(within("share", f64::NAN, 0.0, 1.0), Err("share is NaN, allowed are 0 to 1".to_owned()));
/// ```
pub fn within(field: &str, value: f64, least: f64, most: f64) -> Result<(), String> {
    if value >= least && value <= most {
        return Ok(());
    }
    Err(format!("{field} is {value}, allowed are {least} to {most}"))
}

/// Parses what stands in a list called `name`; where it fails, the error names the list and the place in it.
///
/// ```
/// use serving::wire::{check_id, each};
/// let parsed = each(vec!["a", ""], "ids", |id| check_id(id, "/id"));
/// assert!(format!("{parsed:?}").contains("/ids/1/id"));
/// ```
pub fn each<T, R>(
    items: Vec<T>,
    name: &str,
    mut parse: impl FnMut(T) -> Result<R, CallerError>,
) -> Result<Vec<R>, CallerError> {
    let numbered = items.into_iter().enumerate();
    let parsed = numbered.map(|(index, item)| {
        // Made only for who is refused.
        parse(item).map_err(|error| error.below(&format!("/{name}/{index}")))
    });
    parsed.collect()
}

/// A value error at a place.
pub fn value_error(pointer: String, reason: String) -> CallerError {
    CallerError::Value { pointer, reason }
}

/// A value as an error may show it: quoted, cut short, control characters escaped.
pub fn shown(text: &str) -> String {
    format!("{:?}", cut(text, 40))
}

fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
