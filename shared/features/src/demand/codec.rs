//! The compact bytes a demand history is stored in.
//!
//! Layout, version 1: one version byte, then a postcard message of columns in which days and spans are differences to
//! the entry before. About six bytes for a day with a sale. A version this code does not know is refused.

use super::{DaySpan, DemandDay, DemandHistory, OnOrder, Promotion, Stock};
use crate::codec::{CodecError, Fitted};
use crate::time::LocalDay;
use serde::{Deserialize, Serialize};

/// The layout this code writes and reads.
pub const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    category: String,
    days: Vec<StoredDay>,
    stock_outs: Vec<StoredSpan>,
    promotions: Vec<StoredPromotion>,
    stock: Option<StoredStock>,
}

#[derive(Serialize, Deserialize)]
struct StoredDay {
    days_after_previous: i32,
    units_milli: i64,
    net_minor: i64,
    discount_minor: i64,
}

#[derive(Serialize, Deserialize)]
struct StoredSpan {
    /// From the end of the span before, or from day 0.
    days_after_previous: i32,
    length_days: i32,
}

#[derive(Serialize, Deserialize)]
struct StoredPromotion {
    days_after_previous: i32,
    length_days: i32,
    known_days_ahead: i32,
}

#[derive(Serialize, Deserialize)]
struct StoredStock {
    on_hand_milli: i64,
    /// Days after the arrival before, and thousandths of a unit.
    on_order: Vec<(i32, i64)>,
}

/// Days as differences, there and back. They wrap, so that any day survives.
#[derive(Default)]
struct Previous(i32);

impl Previous {
    fn step_to(&mut self, day: LocalDay) -> i32 {
        let step = day.0.wrapping_sub(self.0);
        self.0 = day.0;
        step
    }

    fn after(&mut self, step: i32) -> LocalDay {
        self.0 = self.0.wrapping_add(step);
        LocalDay(self.0)
    }
}

/// Encodes a history in the order of [`DemandHistory::sorted`]; equal histories give equal bytes.
///
/// ```
/// use features::demand::{codec, DemandHistory};
/// let empty = DemandHistory::default();
/// assert_eq!(codec::decode(&codec::encode(&empty)), Ok(empty));
/// ```
pub fn encode(history: &DemandHistory) -> Vec<u8> {
    let history = history.clone().sorted();
    let stored = Stored {
        days: store_days(&history.days),
        stock_outs: store_spans(&history.stock_outs),
        promotions: store_promotions(&history.promotions),
        stock: history.stock.as_ref().map(store_stock),
        category: history.category,
    };
    postcard::to_extend(&stored, vec![VERSION]).expect("writing to memory cannot fail")
}

/// Encodes what fits into `limit` bytes: the oldest days are left out first, with the stock-outs and promotions that
/// were over by then. An empty history is returned where the category or the stock alone is too long.
///
/// ```
/// use features::demand::{codec, DemandDay, DemandHistory};
/// use features::time::LocalDay;
/// let day = |day| DemandDay { day: LocalDay(day), units_milli: 1000, net_minor: 99, discount_minor: 0 };
/// let year = DemandHistory { days: (0..365).map(day).collect(), ..DemandHistory::default() };
/// let fitted = codec::encode_within(&year, 1000);
/// assert!(fitted.bytes.len() <= 1000 && fitted.events_left_out > 0);
/// assert_eq!(codec::decode(&fitted.bytes).unwrap().days.last(), year.days.last());
/// ```
pub fn encode_within(history: &DemandHistory, limit: usize) -> Fitted {
    let whole = encode(history);
    if whole.len() <= limit {
        return Fitted {
            bytes: whole,
            events_left_out: 0,
        };
    }
    let history = history.clone().sorted();
    let days = history.days.len();
    // What is left only shrinks as more days go, so halving finds the fewest that must.
    let (mut fits_not, mut fits) = (0, days + 1);
    while fits - fits_not > 1 {
        let middle = usize::midpoint(fits_not, fits);
        if encode(&newest(&history, middle)).len() <= limit {
            fits = middle;
        } else {
            fits_not = middle;
        }
    }
    let kept = if fits > days {
        DemandHistory::default()
    } else {
        newest(&history, fits)
    };
    Fitted {
        bytes: encode(&kept),
        events_left_out: fits.min(days),
    }
}

/// Decodes what [`encode`] wrote. Whatever the bytes, the result is in the order of [`DemandHistory::sorted`].
pub fn decode(bytes: &[u8]) -> Result<DemandHistory, CodecError> {
    let (&found, body) = bytes.split_first().ok_or(CodecError::Empty)?;
    if found != VERSION {
        return Err(CodecError::UnknownVersion {
            found,
            reads: VERSION,
        });
    }
    let damaged = |reason: String| CodecError::Damaged { reason };
    let (stored, rest): (Stored, _) =
        postcard::take_from_bytes(body).map_err(|e| damaged(e.to_string()))?;
    if !rest.is_empty() {
        return Err(damaged(format!("{} bytes after the end", rest.len())));
    }
    let history = DemandHistory {
        category: stored.category,
        days: read_days(&stored.days),
        stock_outs: read_spans(&stored.stock_outs),
        promotions: read_promotions(&stored.promotions),
        stock: stored.stock.as_ref().map(read_stock),
    };
    Ok(history.sorted())
}

/// The history without its `skip` oldest days and what was over before the first that is left.
fn newest(history: &DemandHistory, skip: usize) -> DemandHistory {
    let Some(first) = history.days.get(skip).map(|day| day.day) else {
        return DemandHistory {
            category: history.category.clone(),
            stock: history.stock.clone(),
            ..DemandHistory::default()
        };
    };
    let later = |span: &DaySpan| DaySpan {
        from: span.from.max(first),
        ..*span
    };
    let running = |promotion: &&Promotion| promotion.span.until > first;
    DemandHistory {
        category: history.category.clone(),
        days: history.days[skip..].to_vec(),
        stock_outs: history.stock_outs.iter().map(later).collect(),
        promotions: history.promotions.iter().filter(running).copied().collect(),
        stock: history.stock.clone(),
    }
    .sorted()
}

fn store_days(days: &[DemandDay]) -> Vec<StoredDay> {
    let mut previous = Previous::default();
    let store = |day: &DemandDay| StoredDay {
        days_after_previous: previous.step_to(day.day),
        units_milli: day.units_milli,
        net_minor: day.net_minor,
        discount_minor: day.discount_minor,
    };
    days.iter().map(store).collect()
}

fn read_days(stored: &[StoredDay]) -> Vec<DemandDay> {
    let mut previous = Previous::default();
    let read = |day: &StoredDay| DemandDay {
        day: previous.after(day.days_after_previous),
        units_milli: day.units_milli,
        net_minor: day.net_minor,
        discount_minor: day.discount_minor,
    };
    stored.iter().map(read).collect()
}

fn store_spans(spans: &[DaySpan]) -> Vec<StoredSpan> {
    let mut previous = Previous::default();
    let store = |span: &DaySpan| StoredSpan {
        days_after_previous: previous.step_to(span.from),
        length_days: previous.step_to(span.until),
    };
    spans.iter().map(store).collect()
}

fn read_spans(stored: &[StoredSpan]) -> Vec<DaySpan> {
    let mut previous = Previous::default();
    let read = |span: &StoredSpan| DaySpan {
        from: previous.after(span.days_after_previous),
        until: previous.after(span.length_days),
    };
    stored.iter().map(read).collect()
}

fn store_promotions(promotions: &[Promotion]) -> Vec<StoredPromotion> {
    let mut previous = Previous::default();
    let store = |promotion: &Promotion| StoredPromotion {
        days_after_previous: previous.step_to(promotion.span.from),
        length_days: Previous(promotion.span.from.0).step_to(promotion.span.until),
        known_days_ahead: Previous(promotion.known_since.0).step_to(promotion.span.from),
    };
    promotions.iter().map(store).collect()
}

fn read_promotions(stored: &[StoredPromotion]) -> Vec<Promotion> {
    let mut previous = Previous::default();
    let read = |promotion: &StoredPromotion| {
        let from = previous.after(promotion.days_after_previous);
        Promotion {
            span: DaySpan {
                from,
                until: Previous(from.0).after(promotion.length_days),
            },
            known_since: LocalDay(from.0.wrapping_sub(promotion.known_days_ahead)),
        }
    };
    stored.iter().map(read).collect()
}

fn store_stock(stock: &Stock) -> StoredStock {
    let mut previous = Previous::default();
    let store = |order: &OnOrder| (previous.step_to(order.arrives), order.units_milli);
    StoredStock {
        on_hand_milli: stock.on_hand_milli,
        on_order: stock.on_order.iter().map(store).collect(),
    }
}

fn read_stock(stored: &StoredStock) -> Stock {
    let mut previous = Previous::default();
    let read = |&(step, units_milli): &(i32, i64)| OnOrder {
        arrives: previous.after(step),
        units_milli,
    };
    Stock {
        on_hand_milli: stored.on_hand_milli,
        on_order: stored.on_order.iter().map(read).collect(),
    }
}
