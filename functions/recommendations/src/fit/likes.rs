//! EASE: which items an item's customers also buy, some time.
//!
//! B minimises |X - X B|^2 + lambda |B|^2 with a diagonal of zeros, X being customers x items. With
//! P = (X'X + lambda I)^-1, `B_ij` = -`P_ij` / `P_jj`; and where customers are fewer than items,
//! P = (I - X' (XX' + lambda I)^-1 X) / lambda needs the inverse of the smaller matrix only.
//! Source: Steck (2019), Embarrassingly shallow autoencoders for sparse data, WWW.

use super::best;
use super::linear::Square;
use super::seen::Seen;
use crate::tables::NeighboursBuilder;

/// Orders below which an item is not compared with others.
const LEAST_ORDERS: u32 = 30;
/// Items that are compared: those of most orders. More gain nothing and cost the square.
const MOST_ITEMS: usize = 6000;
/// Penalty; anything from 200 to 1,000 does as well.
const LAMBDA: f64 = 500.0;
/// Neighbours kept of each item.
const NEIGHBOURS: usize = 200;
/// Stands for an item that is not compared.
const NONE: u32 = u32::MAX;

/// Fits the rows of all items; items outside the comparison have none.
pub(super) fn fit(seen: &Seen, popularity: &[u32]) -> NeighboursBuilder {
    let bought = Bought::of(seen, popularity);
    let by_customer = bought.customers.len() < bought.items.len();
    rows_of(&bought, popularity, by_customer)
}

/// Inverts the matrix of customers or that of items: the same rows, at another cost.
fn rows_of(bought: &Bought, popularity: &[u32], by_customer: bool) -> NeighboursBuilder {
    let penalised = |square: &mut Square| (0..square.size).for_each(|i| square.add(i, i, LAMBDA));
    let mut square = if by_customer {
        co_counts(&bought.by_item, bought.customers.len())
    } else {
        co_counts(&bought.customers, bought.items.len())
    };
    penalised(&mut square);
    let Some(inverse) = square.inverse() else {
        // X'X + lambda I is positive definite whatever X is.
        return empty(popularity.len());
    };
    if by_customer {
        let share = |item: usize| summed(&inverse, &bought.by_item[item]);
        let own = |item: usize| 1.0 - total(&share(item), &bought.by_item[item]);
        let rest: Vec<f64> = (0..bought.items.len()).map(own).collect();
        bought.rows(popularity, |item, scores| {
            let shares = share(item);
            for (other, score) in scores.iter_mut().enumerate() {
                *score = total(&shares, &bought.by_item[other]) / rest[other];
            }
        })
    } else {
        bought.rows(popularity, |item, scores| {
            for (other, score) in scores.iter_mut().enumerate() {
                *score = -inverse.row(item)[other] / inverse.row(other)[other];
            }
        })
    }
}

fn empty(items: usize) -> NeighboursBuilder {
    let mut rows = NeighboursBuilder::default();
    (0..items).for_each(|_| rows.push([]));
    rows
}

/// How often two numbers stand in one list, the lower triangle.
fn co_counts(lists: &[Vec<u32>], size: usize) -> Square {
    let mut square = Square::zeros(size);
    for list in lists {
        for (place, row) in list.iter().enumerate() {
            for column in &list[..=place] {
                square.add(*row as usize, *column as usize, 1.0);
            }
        }
    }
    square
}

/// The sum of some rows.
fn summed(square: &Square, rows: &[u32]) -> Vec<f64> {
    let mut sum = vec![0.0; square.size];
    for row in rows {
        for (sum, value) in sum.iter_mut().zip(square.row(*row as usize)) {
            *sum += value;
        }
    }
    sum
}

fn total(values: &[f64], at: &[u32]) -> f64 {
    at.iter().map(|at| values[*at as usize]).sum()
}

/// Who ever bought what, of the items that are compared.
struct Bought {
    /// Numbers in the catalogue, rising.
    items: Vec<u32>,
    /// Of each customer with one, the places of items, rising.
    customers: Vec<Vec<u32>>,
    /// Of each item, the places of customers, rising.
    by_item: Vec<Vec<u32>>,
}

impl Bought {
    fn of(seen: &Seen, popularity: &[u32]) -> Self {
        let often = popularity.iter().enumerate();
        let often = often.filter(|(_, orders)| **orders >= LEAST_ORDERS);
        let mut scored: Vec<(u32, f64)> = often
            .map(|(item, orders)| (item as u32, f64::from(*orders)))
            .collect();
        best(&mut scored, |_| 0, MOST_ITEMS);
        let mut items: Vec<u32> = scored.into_iter().map(|(item, _)| item).collect();
        items.sort_unstable();
        let mut place = vec![NONE; popularity.len()];
        for (at, item) in items.iter().enumerate() {
            place[*item as usize] = at as u32;
        }
        let of_customer = |orders: std::ops::Range<usize>| {
            let lines = orders.flat_map(|order| seen.lines_of(order));
            let mut places: Vec<u32> = lines
                .map(|line| place[line.item as usize])
                .filter(|at| *at != NONE)
                .collect();
            places.sort_unstable();
            places.dedup();
            places
        };
        let customers = seen.customers().map(of_customer);
        let customers: Vec<_> = customers.filter(|places| !places.is_empty()).collect();
        let mut by_item = vec![Vec::new(); items.len()];
        for (customer, places) in customers.iter().enumerate() {
            for at in places {
                by_item[*at as usize].push(customer as u32);
            }
        }
        Self {
            items,
            customers,
            by_item,
        }
    }

    /// The best neighbours of every item of the catalogue; `score` fills in one item's scores for all.
    fn rows(&self, popularity: &[u32], score: impl Fn(usize, &mut [f64])) -> NeighboursBuilder {
        let mut rows = NeighboursBuilder::default();
        let mut scores = vec![0.0; self.items.len()];
        let mut next = 0;
        for item in 0..popularity.len() as u32 {
            if self.items.get(next) != Some(&item) {
                rows.push([]);
                continue;
            }
            score(next, &mut scores);
            let others = self.items.iter().zip(&scores);
            let mut kept: Vec<(u32, f64)> = others
                .filter(|(other, score)| **other != item && **score > 0.0)
                .map(|(other, score)| (*other, *score))
                .collect();
            best(&mut kept, |other| popularity[other as usize], NEIGHBOURS);
            rows.push(kept.into_iter().map(|(other, score)| (other, score as f32)));
            next += 1;
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::Neighbours;
    use bytes::Bytes;

    /// Forty customers with some of twelve items each, by a fixed rule.
    fn bought() -> Bought {
        let customers: Vec<Vec<u32>> = (0..40u32)
            .map(|customer| {
                let has = |item: &u32| (customer * 7 + item * item * 3 + customer * item) % 5 < 2;
                (0..12).filter(has).collect()
            })
            .collect();
        let of = |item: u32| {
            let buyers = customers.iter().enumerate();
            let buyers = buyers.filter(|(_, items)| items.contains(&item));
            buyers.map(|(customer, _)| customer as u32).collect()
        };
        Bought {
            items: (0..12).collect(),
            by_item: (0..12).map(of).collect(),
            customers,
        }
    }

    #[test]
    fn customers_and_items_lead_to_the_same_rows() {
        let bought = bought();
        let rows = |by_customer| {
            let file = Bytes::from(rows_of(&bought, &[30; 12], by_customer).to_bytes());
            Neighbours::open(&file, 12).expect("an own file")
        };
        let (by_customer, by_item) = (rows(true), rows(false));
        let mut compared = 0;
        for item in 0..12 {
            for (other, weight) in by_item.of(item) {
                let same = by_customer.weight(item, other);
                assert!(
                    (weight - same).abs() < 1e-7,
                    "{item}, {other}: {weight}, {same}"
                );
                compared += 1;
            }
            assert_eq!(by_customer.of(item).count(), by_item.of(item).count());
        }
        assert!(compared > 30, "{compared} weights");
    }
}
