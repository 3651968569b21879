//! Stock levels of many products in a few records, for whoever asks about hundreds of them at once.
//!
//! Every product belongs to one of [`SHARDS`] records by a hash of its id, so that the levels of a whole catalogue are read
//! in one round trip and can be kept for a few seconds.
//!
//! Layout of a record, little endian: u32 version, u32 number of products, that many u32 ends of ids, i64 thousandths of a
//! unit on hand, f32 units sold a day (NaN where not known), and the ids one after the other, rising.

use crate::codec::CodecError;

/// Records of a shop; as many keys are read in one round trip.
pub const SHARDS: u32 = 64;
/// Of the layout.
pub const VERSION: u8 = 1;

const HEADER: usize = 8;
const PER_PRODUCT: usize = 4 + 8 + 4;

/// What is known of a product's stock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Thousandths of a unit.
    pub on_hand_milli: i64,
    /// Units that sell a day, as last estimated; NaN where not known.
    pub units_per_day: f32,
}

impl Level {
    /// Days until the stock is sold at the estimated rate; `None` where the rate is not known or 0.
    ///
    /// ```
    /// use features::levels::Level;
    /// assert_eq!(Level { on_hand_milli: 6_000, units_per_day: 1.5 }.cover_days(), Some(4.0));
    /// assert_eq!(Level { on_hand_milli: 6_000, units_per_day: 0.0 }.cover_days(), None);
    /// ```
    pub fn cover_days(&self) -> Option<f64> {
        let units = self.on_hand_milli.max(0) as f64 / 1000.0;
        let rate = f64::from(self.units_per_day);
        (rate > 0.0).then(|| units / rate)
    }
}

/// The record of a product: FNV-1a of its id, modulo [`SHARDS`].
pub fn shard_of(product_id: &str) -> u32 {
    hash_of(product_id.as_bytes()) % SHARDS
}

/// FNV-1a.
fn hash_of(id: &[u8]) -> u32 {
    id.iter().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// The record of these products; they are distinct and rise by id.
///
/// ```
/// use features::levels::{Level, Shard, encode};
/// let level = Level { on_hand_milli: 2_000, units_per_day: 0.5 };
/// let shard = Shard::open(encode(&[("tea".to_owned(), level)]))?;
/// assert_eq!(shard.get("tea"), Some(level));
/// assert_eq!(shard.get("milk"), None);
/// # Ok::<(), features::codec::CodecError>(())
/// ```
pub fn encode(levels: &[(String, Level)]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEADER + levels.len() * (PER_PRODUCT + 8));
    record.extend(u32::from(VERSION).to_le_bytes());
    record.extend((levels.len() as u32).to_le_bytes());
    let mut end = 0u32;
    for (id, _) in levels {
        end += id.len() as u32;
        record.extend(end.to_le_bytes());
    }
    for (_, level) in levels {
        record.extend(level.on_hand_milli.to_le_bytes());
    }
    for (_, level) in levels {
        record.extend(level.units_per_day.to_le_bytes());
    }
    for (id, _) in levels {
        record.extend(id.as_bytes());
    }
    record
}

/// A record, looked into where it lies.
#[derive(Debug, Clone)]
pub struct Shard<B> {
    record: B,
    products: usize,
    /// One more than a product's place, at its hash or at the next free slot behind; 0 is free, as half of them are at least. A
    /// record is asked for hundreds of products, and kept for many requests.
    slots: Vec<u32>,
}

impl<B: AsRef<[u8]>> Shard<B> {
    /// Checks a record once, so that nothing can go wrong later.
    pub fn open(record: B) -> Result<Self, CodecError> {
        let bytes = record.as_ref();
        let version = u32_at(bytes, 0).ok_or_else(|| damaged("cut short"))?;
        if version != u32::from(VERSION) {
            let found = version.try_into().unwrap_or(u8::MAX);
            return Err(CodecError::UnknownVersion {
                found,
                reads: VERSION,
            });
        }
        let products = u32_at(bytes, 4).ok_or_else(|| damaged("cut short"))? as usize;
        let fixed = products.checked_mul(PER_PRODUCT);
        let text_at = fixed.and_then(|fixed| fixed.checked_add(HEADER));
        let text_at = text_at.filter(|at| *at <= bytes.len());
        let text_at = text_at.ok_or_else(|| damaged("cut short"))?;
        let mut end = 0;
        for place in 0..products {
            let next = u32_at(bytes, HEADER + 4 * place).unwrap_or(0) as usize;
            if next < end {
                return Err(damaged("ends of ids do not rise"));
            }
            end = next;
        }
        if text_at + end != bytes.len() {
            return Err(damaged("ids do not end with the record"));
        }
        let mut shard = Self {
            record,
            products,
            slots: vec![0; (2 * products).next_power_of_two()],
        };
        let rises = |place: usize| shard.id(place - 1) < shard.id(place);
        if !(1..products).all(rises) {
            return Err(damaged("ids do not rise"));
        }
        for place in 0..products {
            let slot = shard.slot_of(shard.id(place));
            shard.slots[slot] = place as u32 + 1;
        }
        Ok(shard)
    }

    /// Where this id stands, or could stand.
    fn slot_of(&self, id: &[u8]) -> usize {
        let last = self.slots.len() - 1;
        // All ids of a record share what is left of the hash modulo the records.
        let mut slot = (hash_of(id) / SHARDS) as usize & last;
        while let Some(place) = self.place_at(slot) {
            if self.id(place) == id {
                break;
            }
            slot = (slot + 1) & last;
        }
        slot
    }

    fn place_at(&self, slot: usize) -> Option<usize> {
        (self.slots[slot] as usize).checked_sub(1)
    }

    /// The level of a product; `None` where nobody tells.
    pub fn get(&self, product_id: &str) -> Option<Level> {
        let slot = self.slot_of(product_id.as_bytes());
        self.level(self.place_at(slot)?)
    }

    fn id(&self, place: usize) -> &[u8] {
        let bytes = self.record.as_ref();
        let end = |place: usize| u32_at(bytes, HEADER + 4 * place).unwrap_or(0) as usize;
        let from = place.checked_sub(1).map_or(0, end);
        let text_at = HEADER + self.products * PER_PRODUCT;
        let id = bytes.get(text_at + from..text_at + end(place));
        id.unwrap_or_default()
    }

    fn level(&self, place: usize) -> Option<Level> {
        let bytes = self.record.as_ref();
        let on_hand_at = HEADER + 4 * self.products + 8 * place;
        let on_hand = bytes.get(on_hand_at..on_hand_at + 8)?;
        let rate = u32_at(bytes, HEADER + 12 * self.products + 4 * place)?;
        Some(Level {
            on_hand_milli: i64::from_le_bytes(on_hand.try_into().ok()?),
            units_per_day: f32::from_bits(rate),
        })
    }
}

fn damaged(reason: &str) -> CodecError {
    CodecError::Damaged {
        reason: format!("stock levels: {reason}"),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    word.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn levels() -> impl Strategy<Value = BTreeMap<String, (i64, f32)>> {
        proptest::collection::btree_map("[a-z@é]{0,12}", (any::<i64>(), 0f32..1e6), 0..40)
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_found_and_nothing_else(levels in levels(), other in "[a-z]{0,13}") {
            let listed: Vec<(String, Level)> = levels
                .iter()
                .map(|(id, (on_hand_milli, units_per_day))| {
                    (id.clone(), Level { on_hand_milli: *on_hand_milli, units_per_day: *units_per_day })
                })
                .collect();
            let shard = Shard::open(encode(&listed)).expect("an own record");
            for (id, level) in &listed {
                prop_assert_eq!(shard.get(id), Some(*level));
            }
            prop_assert_eq!(shard.get(&other).is_some(), levels.contains_key(&other));
        }

        #[test]
        fn damaged_records_are_refused_or_read_but_never_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), count in 0u32..12) {
            if bytes.len() >= 8 {
                bytes[..4].copy_from_slice(&1u32.to_le_bytes());
                bytes[4..8].copy_from_slice(&count.to_le_bytes());
            }
            if let Ok(shard) = Shard::open(bytes) {
                let _ = shard.get("tea");
            }
        }
    }
}
