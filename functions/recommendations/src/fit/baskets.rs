//! Which items stand in one order with an item: shrunken cosine, n / (sqrt(a b) + shrinkage) of the orders with both.

use super::best;
use super::seen::Seen;
use crate::tables::NeighboursBuilder;

/// Orders below which an item is not compared with others.
const LEAST_ORDERS: u32 = 10;
/// Neighbours kept of each item.
const NEIGHBOURS: usize = 100;
/// Orders that an item is taken to have alone: keeps chance meetings of rare items low.
const SHRINKAGE: f64 = 5.0;

/// Fits the rows of all items; items outside the comparison have none.
pub(super) fn fit(seen: &Seen, popularity: &[u32]) -> NeighboursBuilder {
    cosine(seen, popularity, NEIGHBOURS, SHRINKAGE)
}

/// The rows with all neighbours and without shrinkage, against which the model's are judged.
pub(super) fn plain(seen: &Seen, popularity: &[u32]) -> NeighboursBuilder {
    cosine(seen, popularity, usize::MAX, 0.0)
}

fn cosine(seen: &Seen, popularity: &[u32], most: usize, shrinkage: f64) -> NeighboursBuilder {
    let is_compared = |item: u32| popularity[item as usize] >= LEAST_ORDERS;
    let mut orders_of: Vec<Vec<u32>> = vec![Vec::new(); popularity.len()];
    for place in 0..seen.orders.len() {
        for line in seen.lines_of(place).iter().filter(|l| is_compared(l.item)) {
            orders_of[line.item as usize].push(place as u32);
        }
    }
    let mut rows = NeighboursBuilder::default();
    let mut together = vec![0u32; popularity.len()];
    for (item, orders) in orders_of.iter().enumerate() {
        let mut met = Vec::new();
        for place in orders {
            for line in seen.lines_of(*place as usize) {
                let other = line.item;
                if other as usize != item && is_compared(other) {
                    if together[other as usize] == 0 {
                        met.push(other);
                    }
                    together[other as usize] += 1;
                }
            }
        }
        let mut scored: Vec<(u32, f64)> = met
            .iter()
            .map(|other| {
                let both = std::mem::take(&mut together[*other as usize]);
                let orders = f64::from(popularity[item]) * f64::from(popularity[*other as usize]);
                (*other, f64::from(both) / (libm::sqrt(orders) + shrinkage))
            })
            .collect();
        best(&mut scored, |other| popularity[other as usize], most);
        rows.push(
            scored
                .into_iter()
                .map(|(other, score)| (other, score as f32)),
        );
    }
    rows
}
