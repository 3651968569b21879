//! Items that go with an item, strongest first, with their weights.

use super::catalogue::positions;
use super::{Kind, Words, check_below, check_rising, f32_section, read, u32_section, write};
use bytes::Bytes;

/// Collects the rows of all items, one after the other.
#[derive(Debug, Clone, Default)]
pub struct NeighboursBuilder {
    lengths: Vec<u32>,
    items: Vec<u32>,
    weights: Vec<f32>,
}

impl NeighboursBuilder {
    /// Appends the row of the next item.
    pub fn push(&mut self, row: impl IntoIterator<Item = (u32, f32)>) {
        let before = self.items.len();
        for (item, weight) in row {
            self.items.push(item);
            self.weights.push(weight);
        }
        self.lengths.push((self.items.len() - before) as u32);
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let sections = [
            u32_section(positions(self.lengths.iter().copied())),
            u32_section(self.items.iter().copied()),
            f32_section(self.weights.iter().copied()),
        ];
        write(Kind::Neighbours, &sections)
    }
}

/// Opened rows of neighbours.
#[derive(Debug, Clone)]
pub struct Neighbours {
    positions: Words,
    items: Words,
    weights: Words,
}

impl Neighbours {
    /// Checks a file for a catalogue of `items` and looks into it.
    pub fn open(file: &Bytes, items: usize) -> Result<Self, String> {
        let [row_positions, columns, weights] = read::<3>(Kind::Neighbours, file)?;
        let opened = Self {
            positions: Words::exactly(row_positions, items + 1, "positions of rows")?,
            items: Words::new(columns)?,
            weights: Words::new(weights)?,
        };
        check_rising(&opened.positions, opened.items.len(), "rows")?;
        check_below(&opened.items, items, "neighbours")?;
        if opened.weights.len() != opened.items.len() {
            return Err(format!(
                "{} weights, {} expected",
                opened.weights.len(),
                opened.items.len()
            ));
        }
        let is_wrong = |weight: &f32| !(weight.is_finite() && *weight >= 0.0);
        let wrong = opened.weights.values().map(f32::from_bits).find(is_wrong);
        match wrong {
            None => Ok(opened),
            Some(weight) => Err(format!("a weight is {weight}, from 0 on expected")),
        }
    }

    /// The neighbours of an item with their weights, strongest first.
    pub fn of(&self, item: u32) -> impl Iterator<Item = (u32, f64)> + '_ {
        let at = item as usize;
        let ends = self.positions.u32(at).zip(self.positions.u32(at + 1));
        let (from, until) = ends.unwrap_or((0, 0));
        let items = self.items.between(from, until).chunks_exact(4);
        let weights = self.weights.between(from, until).chunks_exact(4);
        let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        items
            .zip(weights)
            .map(move |(item, weight)| (word(item), f64::from(f32::from_bits(word(weight)))))
    }

    /// The weight of one item for another; 0 when they are no neighbours.
    pub fn weight(&self, of: u32, to: u32) -> f64 {
        let found = self.of(of).find(|(item, _)| *item == to);
        found.map_or(0.0, |(_, weight)| weight)
    }
}
