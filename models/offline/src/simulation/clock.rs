//! Day after day under one rule.

use super::figures::Tally;
use super::rules::Rule;
use super::shelf::Shelf;
use super::world::{Product, World};
use crate::assess::Failure;
use features::time::LocalDay;

/// An order that a rule placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Index of the product.
    pub product: usize,
    /// The day of the review.
    pub on: LocalDay,
    /// The day from which it can be sold.
    pub arrives: LocalDay,
    /// More than 0.
    pub units: u64,
}

/// What became of the days.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// Of the counted days, one per product.
    pub tallies: Vec<Tally>,
    /// All orders, warm-up included, in the order they were placed.
    pub orders: Vec<Placed>,
}

/// Replays the days of a world under a rule.
pub fn replay(world: &World, rule: &dyn Rule) -> Result<Replayed, Failure> {
    let opened = |product: &Product| Shelf::new(product.before.clone(), product.opening_milli);
    let mut run = Run {
        world,
        shelves: world.products.iter().map(opened).collect(),
        replayed: Replayed {
            tallies: vec![Tally::default(); world.products.len()],
            orders: Vec::new(),
        },
    };
    for day in world.period.warm_up_from.0..world.period.until.0 {
        let today = LocalDay(day);
        run.receive(today);
        run.review(today, rule)?;
        // A lead time of 0 is here before the shop opens.
        run.receive(today);
        run.sell(today);
    }
    Ok(run.replayed)
}

struct Run<'w> {
    world: &'w World,
    shelves: Vec<Shelf>,
    replayed: Replayed,
}

impl Run<'_> {
    fn receive(&mut self, today: LocalDay) {
        for shelf in &mut self.shelves {
            shelf.receive(today);
        }
    }

    fn review(&mut self, today: LocalDay, rule: &dyn Rule) -> Result<(), Failure> {
        let products = &self.world.products;
        let due: Vec<usize> = (0..products.len())
            .filter(|&index| products[index].is_reviewed(today))
            .collect();
        let seen: Vec<&Shelf> = due.iter().map(|&index| &self.shelves[index]).collect();
        let wanted = rule.orders(today, &seen)?;
        for (&product, &units) in due.iter().zip(&wanted).filter(|(_, units)| **units > 0) {
            let arrives = products[product].arrival(today);
            self.shelves[product].expect(arrives, units);
            self.replayed.orders.push(Placed {
                product,
                on: today,
                arrives,
                units,
            });
            if today >= self.world.period.counted_from {
                self.replayed.tallies[product].order(&products[product]);
            }
        }
        Ok(())
    }

    fn sell(&mut self, today: LocalDay) {
        let counts = today >= self.world.period.counted_from;
        let places = self.shelves.iter_mut().zip(&self.world.products);
        for ((shelf, product), tally) in places.zip(&mut self.replayed.tallies) {
            let lived = shelf.sell(today, product.wanted(today));
            if counts {
                tally.live(&lived, product);
            }
        }
    }
}
