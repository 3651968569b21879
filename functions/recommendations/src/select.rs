//! Which choices are shown: those that are there, no more of a category than the shop wants, mixed as the request asks, with
//! something to learn from at the exploration slot.

use crate::api::Request;
use crate::plan::Choice;
use crate::policy::{Explore, ShelfPolicy};
use crate::stock::{KnownStock, Shelf};
use std::collections::{HashMap, HashSet};

/// The best choices that mixing may put into another order.
const MIXED: usize = 100;

/// A choice that is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// Among the choices.
    pub at: usize,
    /// How likely it was to stand at the exploration slot, where it does.
    pub propensity: Option<f64>,
}

/// What the selection must know of a request and a shop.
#[derive(Clone, Copy)]
pub struct Selection<'a> {
    /// All that may be shown, best first.
    pub choices: &'a [Choice],
    /// What is asked.
    pub request: &'a Request,
    /// What the shop wants.
    pub policy: &'a ShelfPolicy,
    /// What is there.
    pub stock: &'a KnownStock,
    /// The category of an item; `None` for items without one.
    pub category_of: &'a dyn Fn(u32) -> Option<u32>,
    /// What the draw of the exploration slot depends on.
    pub draw: u64,
}

impl Selection<'_> {
    /// The choices that are shown, in order; at most as many as were asked for.
    pub fn shown(&self) -> Vec<Shown> {
        let offered: Vec<usize> = (0..self.choices.len())
            .filter(|at| self.is_offered(&self.choices[*at]))
            .collect();
        let mixed = self.mixed(offered);
        let capped = self.capped(&mixed);
        let chosen: Vec<usize> = capped.iter().copied().take(self.request.k).collect();
        let shown = at_their_places(self.choices, chosen);
        let rest: Vec<usize> = capped.into_iter().skip(self.request.k).collect();
        self.explored(shown, &rest)
    }

    fn is_offered(&self, choice: &Choice) -> bool {
        !self.request.in_stock_only
            || self.stock.shelf(&choice.product_id, self.policy) == Shelf::Offered
    }

    fn category(&self, at: usize) -> Option<u32> {
        self.choices[at].item.and_then(self.category_of)
    }

    /// Maximal marginal relevance: relevance, on a scale from 0 to 1, against whether the category is already there.
    ///
    /// Source: Carbonell and Goldstein (1998), The use of MMR, diversity-based reranking, SIGIR.
    fn mixed(&self, offered: Vec<usize>) -> Vec<usize> {
        let diversity = self.request.diversity;
        let is_ranked = |at: &usize| self.choices[*at].relevance.is_some();
        let (ranked, others): (Vec<usize>, Vec<usize>) =
            offered.iter().partition(|at| is_ranked(at));
        if diversity == 0.0 || ranked.len() < 2 {
            return offered;
        }
        let (best, rest) = ranked.split_at(ranked.len().min(MIXED));
        let value = |at: usize| self.choices[at].value();
        let (most, least) = (value(best[0]), value(best[best.len() - 1]));
        let scale = |at: usize| (value(at) - least) / (most - least).max(f64::MIN_POSITIVE);
        let mut left = best.to_vec();
        let mut mixed = Vec::with_capacity(offered.len());
        let mut seen = HashSet::new();
        while !left.is_empty() {
            let marginal = |at: usize| {
                let is_seen = self
                    .category(at)
                    .is_some_and(|category| seen.contains(&category));
                (1.0 - diversity) * scale(at) - diversity * f64::from(u8::from(is_seen))
            };
            // The first of equals: the order of the choices breaks ties.
            let next = (1..left.len()).fold(0, |best, place| {
                if marginal(left[place]) > marginal(left[best]) {
                    place
                } else {
                    best
                }
            });
            let at = left.remove(next);
            seen.extend(self.category(at));
            mixed.push(at);
        }
        let pinned = others
            .iter()
            .copied()
            .filter(|at| self.choices[*at].place.is_some());
        let fillers = others
            .iter()
            .copied()
            .filter(|at| self.choices[*at].place.is_none());
        pinned
            .chain(mixed)
            .chain(rest.iter().copied())
            .chain(fillers)
            .collect()
    }

    /// Without those that are too many of their category.
    fn capped(&self, offered: &[usize]) -> Vec<usize> {
        let most = self.policy.most_per_category;
        let Some(most) = most.filter(|_| self.request.include_categories.is_empty()) else {
            return offered.to_vec();
        };
        let mut of_category: HashMap<u32, usize> = HashMap::new();
        let mut fits = |at: &&usize| {
            let is_free = self.choices[**at].place.is_none();
            let Some(category) = self.category(**at).filter(|_| is_free) else {
                return true;
            };
            let count = of_category.entry(category).or_default();
            *count += 1;
            *count <= most
        };
        offered.iter().filter(|at| fits(at)).copied().collect()
    }

    /// Now and then one of the next best stands at the exploration slot, instead of what would have stood there.
    fn explored(&self, shown: Vec<usize>, rest: &[usize]) -> Vec<Shown> {
        let mut shown: Vec<Shown> = shown
            .into_iter()
            .map(|at| Shown {
                at,
                propensity: None,
            })
            .collect();
        let Some(explore) = &self.policy.explore else {
            return shown;
        };
        let slot = explore.place - 1;
        let pool: Vec<usize> = rest
            .iter()
            .copied()
            .filter(|at| self.choices[*at].place.is_none())
            .take(explore.pool)
            .collect();
        let is_free = shown
            .get(slot)
            .is_some_and(|shown| self.choices[shown.at].place.is_none());
        if is_free && !pool.is_empty() {
            shown[slot] = draw(explore, &pool, shown[slot].at, self.draw);
        }
        shown
    }
}

/// The item of the slot, with its probability to stand there.
fn draw(explore: &Explore, pool: &[usize], usual: usize, draw: u64) -> Shown {
    let share_of_u64 = |bits: u64| (bits >> 11) as f64 / (1u64 << 53) as f64;
    if share_of_u64(mixed_bits(draw)) >= explore.share {
        return Shown {
            at: usual,
            propensity: Some(1.0 - explore.share),
        };
    }
    let place = mixed_bits(draw ^ 0x9e37_79b9_7f4a_7c15) % pool.len() as u64;
    let place = usize::try_from(place).unwrap_or_default();
    Shown {
        at: pool[place],
        propensity: Some(explore.share / pool.len() as f64),
    }
}

/// The finalizer of `MurmurHash3`: every bit of a hash depends on every bit of its input.
fn mixed_bits(mut bits: u64) -> u64 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

/// A hash of some texts and the instant: the same question gets the same draw.
pub(crate) fn draw_of<'a>(texts: impl IntoIterator<Item = &'a str>, at_seconds: i64) -> u64 {
    let bytes = texts.into_iter().flat_map(|text| text.bytes().chain([0]));
    let bytes = bytes.chain(at_seconds.to_le_bytes());
    fnv1a(bytes)
}

/// The 64-bit hash FNV-1a.
pub(crate) fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn at_their_places(choices: &[Choice], chosen: Vec<usize>) -> Vec<usize> {
    let (mut pinned, mut shown): (Vec<_>, Vec<_>) = chosen
        .into_iter()
        .partition(|at| choices[*at].place.is_some());
    pinned.sort_by_key(|at| choices[*at].place);
    for at in pinned {
        let place = choices[at].place.map_or(0, |place| place.saturating_sub(1));
        shown.insert(place.min(shown.len()), at);
    }
    shown
}
