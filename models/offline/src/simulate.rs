//! Made-up stock for a shop that tells none: what would have been sold by an ordinary (s,S) policy.
//!
//! The demand is the real one. A shelf is reviewed every few days; when stock and open orders have fallen to `s` they are
//! filled up to `S`, and the order takes a random time to arrive. Both levels come from what could be seen on the day of
//! the review: sales on days with stock, never lost demand. What cannot be served is lost, and a day that begins with an
//! empty shelf is a stock-out day. Everything else reads the result; only evaluation reads the demand it was made from.
//!
//! Random numbers are a hash of seed, SKU and day: the same on every host, whatever is loaded beside the SKU. The policy
//! is the textbook one (Snyder and Shen 2019, Fundamentals of Supply Chain Theory, chapter 4) with levels by mean and
//! standard deviation over review period plus mean lead time; its parameters come from the shop file.

use features::demand::{DaySpan, DemandDay, DemandHistory, OnOrder, Stock};
use features::time::LocalDay;
use std::collections::VecDeque;

/// Raised when the same demand and parameters lead to another stock than before.
pub const VERSION: u32 = 1;

/// The policy, and how suppliers deliver.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulator {
    /// Another seed is another course of deliveries.
    pub seed: u64,
    /// Days after the first sale on which stock is never short; the policy starts then.
    pub launch_days: u32,
    /// Days from one review to the next.
    pub review_days: u32,
    /// Days of the past that a review looks at.
    pub window_days: u32,
    /// `S - s` in days of mean demand.
    pub cover_days: f64,
    /// Standard deviations of safety for SKUs that sell well.
    pub safety_factor: f64,
    /// The same for SKUs that sell slowly.
    pub slow_safety_factor: f64,
    /// A SKU sells slowly below this many units a day.
    pub slow_below_per_day: f64,
    /// How long deliveries take; shares add up to 1.
    pub lead_times: Vec<LeadTime>,
}

/// One possible lead time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeadTime {
    /// From the morning of the order to the morning on which it can be sold; at least 1.
    pub days: u32,
    /// Its probability.
    pub share: f64,
}

impl Simulator {
    /// What would have been seen of `truth`, and the stock at the opening of `until`, the first day that is not known.
    ///
    /// Days from `until` on stay as they are. Money goes down with the units.
    pub fn censored(&self, id: &str, truth: &DemandHistory, until: LocalDay) -> DemandHistory {
        let Some(first) = truth.first_sale() else {
            return truth.clone();
        };
        let launched = i64::from(first.0) + i64::from(self.launch_days);
        let start = LocalDay(i32::try_from(launched).unwrap_or(i32::MAX).min(until.0));
        let mut run = Run::new(self, id, first.min(until));
        let mut wanted = daily(truth, first..until);
        let launch = (first.0..start.0).zip(&mut wanted);
        launch.for_each(|(_, milli)| run.seen.push(Some(milli)));
        run.shelf.on_hand_milli = self.levels(run.seen.window()).1;
        for (day, milli) in (start.0..until.0).zip(wanted) {
            run.morning(self, LocalDay(day), day == start.0);
            run.sell(milli);
        }
        run.arrivals(until);
        run.history(truth, until)
    }

    /// Days a delivery takes that is ordered on `day`.
    fn lead_days(&self, seed: u64, day: LocalDay) -> u32 {
        let uniform = uniform(seed, day);
        let mut cumulated = 0.0;
        let drawn = self.lead_times.iter().find(|lead| {
            cumulated += lead.share;
            uniform < cumulated
        });
        drawn.or(self.lead_times.last()).map_or(1, |lead| lead.days)
    }

    /// `(s, S)` in thousandths of a unit, whole units, from mean and variance of the units a day seen so far.
    pub(crate) fn levels(&self, (mean, variance): (f64, f64)) -> (i64, i64) {
        let protected_days = f64::from(self.review_days) + self.mean_lead_days();
        let factor = if mean >= self.slow_below_per_day {
            self.safety_factor
        } else {
            self.slow_safety_factor
        };
        let safety = factor * (variance * protected_days).sqrt();
        let reorder_at = (mean * protected_days + safety + 0.5).floor();
        let fill_to = (reorder_at + (self.cover_days * mean).ceil()).max(1.0);
        (milli(reorder_at), milli(fill_to))
    }

    fn mean_lead_days(&self) -> f64 {
        let days = self.lead_times.iter();
        days.map(|lead| f64::from(lead.days) * lead.share).sum()
    }
}

/// One SKU on its way through the days.
struct Run {
    seed: u64,
    /// The day that [`Record`] begins with.
    first: LocalDay,
    seen: Record,
    shelf: Shelf,
}

#[derive(Default)]
struct Shelf {
    on_hand_milli: i64,
    /// By arrival.
    on_order: VecDeque<OnOrder>,
}

impl Run {
    fn new(simulator: &Simulator, id: &str, first: LocalDay) -> Self {
        Self {
            seed: mix(fnv1a(id) ^ simulator.seed),
            first,
            seen: Record::new(simulator.window_days as usize),
            shelf: Shelf::default(),
        }
    }

    fn morning(&mut self, simulator: &Simulator, day: LocalDay, is_first: bool) {
        self.arrivals(day);
        let review_days = i64::from(simulator.review_days.max(1));
        let phase = (self.seed % review_days.cast_unsigned()).cast_signed();
        if is_first || i64::from(day.0).rem_euclid(review_days) != phase {
            return;
        }
        let (reorder_at, fill_to) = simulator.levels(self.seen.window());
        let ordered = self.shelf.on_order.iter().map(|order| order.units_milli);
        let position = ordered.fold(self.shelf.on_hand_milli, i64::saturating_add);
        if position <= reorder_at && position < fill_to {
            let lead = simulator.lead_days(self.seed, day);
            let order = OnOrder {
                arrives: LocalDay(day.0.saturating_add_unsigned(lead.max(1))),
                units_milli: fill_to - position,
            };
            let place = &mut self.shelf.on_order;
            let at = place.partition_point(|other| other.arrives <= order.arrives);
            place.insert(at, order);
        }
    }

    fn arrivals(&mut self, day: LocalDay) {
        let Shelf {
            on_hand_milli,
            on_order,
        } = &mut self.shelf;
        while let Some(order) = on_order.pop_front_if(|order| order.arrives <= day) {
            *on_hand_milli = on_hand_milli.saturating_add(order.units_milli);
        }
    }

    /// Sells what is wanted and there; on a day that begins empty nothing is seen.
    fn sell(&mut self, wanted_milli: i64) {
        if self.shelf.on_hand_milli <= 0 {
            self.seen.push(None);
            return;
        }
        let sold = wanted_milli.min(self.shelf.on_hand_milli);
        self.shelf.on_hand_milli -= sold;
        self.seen.push(Some(sold));
    }

    fn history(self, truth: &DemandHistory, until: LocalDay) -> DemandHistory {
        let seen = |day: &DemandDay| {
            let since = i64::from(day.day.0) - i64::from(self.first.0);
            let index = usize::try_from(since).ok();
            match index.and_then(|index| self.seen.days.get(index)) {
                Some(sold) => part_of(day, (*sold)?),
                None => Some(*day),
            }
        };
        let closed = self.seen.days.iter().zip(self.first.0..);
        let closed = closed.filter(|(seen, _)| seen.is_none());
        DemandHistory {
            category: truth.category.clone(),
            days: truth.days.iter().filter_map(seen).collect(),
            stock_outs: closed
                .map(|(_, day)| DaySpan {
                    from: LocalDay(day),
                    until: LocalDay(day + 1),
                })
                .filter(|span| span.from < until)
                .collect(),
            promotions: truth.promotions.clone(),
            stock: Some(Stock {
                on_hand_milli: self.shelf.on_hand_milli,
                on_order: self.shelf.on_order.into(),
            }),
        }
        .sorted()
    }
}

/// Units sold on each day so far, `None` on a stock-out day, with exact sums over the last days.
struct Record {
    days: Vec<Option<i64>>,
    window: usize,
    exposed: i64,
    sum: i128,
    squares: i128,
}

impl Record {
    fn new(window: usize) -> Self {
        Self {
            days: Vec::new(),
            window,
            exposed: 0,
            sum: 0,
            squares: 0,
        }
    }

    fn push(&mut self, sold_milli: Option<i64>) {
        self.days.push(sold_milli);
        self.count(sold_milli, 1);
        if let Some(old) = self.days.len().checked_sub(self.window + 1) {
            self.count(self.days[old], -1);
        }
    }

    fn count(&mut self, sold_milli: Option<i64>, sign: i64) {
        if let Some(sold) = sold_milli.map(i128::from) {
            self.exposed += sign;
            self.sum += i128::from(sign) * sold;
            self.squares += i128::from(sign) * sold * sold;
        }
    }

    /// Mean and population variance of units a day, over the exposed days of the window; 0 without any.
    fn window(&self) -> (f64, f64) {
        if self.exposed == 0 {
            return (0.0, 0.0);
        }
        let days = self.exposed as f64;
        let mean = self.sum as f64 / 1e3 / days;
        let variance = self.squares as f64 / 1e6 / days - mean * mean;
        (mean, variance.max(0.0))
    }
}

/// Thousandths of a unit wanted on each of `days`.
fn daily(truth: &DemandHistory, days: std::ops::Range<LocalDay>) -> impl Iterator<Item = i64> {
    let mut sales = truth.days.iter().peekable();
    (days.start.0..days.end.0).map(move |day| {
        let sale = sales.next_if(|sale| sale.day.0 <= day);
        sale.map_or(0, |sale| sale.units_milli)
    })
}

/// Uniform in [0, 1): 53 random bits that depend on seed and day only.
pub(crate) fn uniform(seed: u64, day: LocalDay) -> f64 {
    let bits = mix(seed ^ mix(i64::from(day.0).cast_unsigned())) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

/// The part of a day's demand that was served; none when nothing was.
pub(crate) fn part_of(day: &DemandDay, sold_milli: i64) -> Option<DemandDay> {
    let part = |minor: i64| {
        let exact = i128::from(minor) * i128::from(sold_milli);
        i64::try_from(exact / i128::from(day.units_milli.max(1))).unwrap_or(minor)
    };
    (sold_milli > 0).then(|| DemandDay {
        day: day.day,
        units_milli: sold_milli,
        net_minor: part(day.net_minor),
        discount_minor: part(day.discount_minor),
    })
}

/// Whole units to thousandths, within what a shelf can hold.
fn milli(units: f64) -> i64 {
    (units * 1000.0).clamp(0.0, 1e15) as i64
}

/// FNV-1a of the id's UTF-8 bytes.
pub(crate) fn fnv1a(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// A step of `SplitMix64` (Steele, Lea and Flood 2014).
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
