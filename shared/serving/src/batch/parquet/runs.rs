//! Runs and differences: how levels, indices and whole numbers are packed.

use super::page::PAGE_VALUES;
use super::thrift::{varint, zigzag};
use bytes::Bytes;

/// Runs of repeated values and of packed ones. Source: "Run Length Encoding / Bit-Packing Hybrid".
#[derive(Debug)]
pub(super) struct Hybrid {
    bytes: Bytes,
    at: usize,
    width: u32,
    left: u64,
    repeated: Option<u32>,
    /// Where the next packed value begins.
    bit: usize,
}

impl Hybrid {
    pub(super) fn new(bytes: Bytes, width: u32) -> Option<Self> {
        (width <= 32).then_some(Self {
            bytes,
            at: 0,
            width,
            left: 0,
            repeated: None,
            bit: 0,
        })
    }

    pub(super) fn next(&mut self) -> Option<u32> {
        while self.left == 0 {
            self.begin_run()?;
        }
        self.left -= 1;
        if let Some(value) = self.repeated {
            return Some(value);
        }
        let value = packed_bits(&self.bytes, self.bit, self.width)? as u32;
        self.bit += self.width as usize;
        Some(value)
    }

    fn begin_run(&mut self) -> Option<()> {
        let header = varint(&self.bytes, &mut self.at).ok()?;
        if header & 1 == 1 {
            let values = (header >> 1).checked_mul(8)?;
            let bytes = usize::try_from((header >> 1).checked_mul(u64::from(self.width))?).ok()?;
            self.bit = self.at.checked_mul(8)?;
            self.left = values;
            self.repeated = None;
            // The last group may be cut short, where its values are not needed.
            self.at = self.at.saturating_add(bytes).min(self.bytes.len());
        } else {
            let bytes = self.width.div_ceil(8) as usize;
            let value = self.bytes.get(self.at..self.at + bytes)?;
            let value = value
                .iter()
                .rev()
                .fold(0, |all, byte| all << 8 | u32::from(*byte));
            self.at += bytes;
            self.left = header >> 1;
            self.repeated = Some(value);
        }
        Some(())
    }
}

/// `width` bits from bit `at` on, the lowest first.
pub(super) fn packed_bits(bytes: &[u8], at: usize, width: u32) -> Option<u64> {
    let mut value = 0u64;
    for bit in 0..width as usize {
        let byte = bytes.get((at + bit) / 8)?;
        value |= u64::from(byte >> ((at + bit) % 8) & 1) << bit;
    }
    Some(value)
}

/// Differences in blocks of miniblocks. Source: "Delta Encoding".
#[derive(Debug)]
pub(super) struct Delta {
    bytes: Bytes,
    at: usize,
    block_values: u64,
    miniblocks: u64,
    pub(super) left: u64,
    value: i64,
    is_first: bool,
    least: i64,
    widths: Vec<u8>,
    /// Values of the block that were read.
    of_block: u64,
}

impl Delta {
    pub(super) fn new(bytes: Bytes) -> Option<Self> {
        let mut at = 0;
        let block_values = varint(&bytes, &mut at).ok()?;
        let miniblocks = varint(&bytes, &mut at).ok()?;
        let left = varint(&bytes, &mut at).ok()?;
        let value = zigzag(varint(&bytes, &mut at).ok()?);
        let is_sound = left <= PAGE_VALUES
            && (1..=1 << 20).contains(&block_values)
            && (1..=block_values).contains(&miniblocks)
            && block_values % miniblocks == 0
            && (block_values / miniblocks) % 8 == 0;
        is_sound.then_some(Self {
            bytes,
            at,
            block_values,
            miniblocks,
            left,
            value,
            is_first: true,
            least: 0,
            widths: Vec::new(),
            of_block: block_values,
        })
    }

    pub(super) fn next(&mut self) -> Option<i64> {
        self.left = self.left.checked_sub(1)?;
        if std::mem::take(&mut self.is_first) {
            return Some(self.value);
        }
        if self.of_block == self.block_values {
            self.begin_block()?;
        }
        let per_miniblock = self.block_values / self.miniblocks;
        let (miniblock, within) = (self.of_block / per_miniblock, self.of_block % per_miniblock);
        // Those of miniblocks behind the last value may be anything.
        let width = u32::from(*self.widths.get(miniblock as usize)?);
        if width > 64 {
            return None;
        }
        let bit = self.at * 8 + within as usize * width as usize;
        let difference = packed_bits(&self.bytes, bit, width)?.cast_signed();
        self.of_block += 1;
        if within + 1 == per_miniblock {
            self.at += per_miniblock as usize / 8 * width as usize;
        }
        self.value = self.value.wrapping_add(self.least).wrapping_add(difference);
        Some(self.value)
    }

    fn begin_block(&mut self) -> Option<()> {
        self.least = zigzag(varint(&self.bytes, &mut self.at).ok()?);
        let widths = self.bytes.get(self.at..)?.get(..self.miniblocks as usize)?;
        self.widths = widths.to_vec();
        self.at += self.widths.len();
        self.of_block = 0;
        Some(())
    }

    /// Where the stream ends, once its last value was read: behind the last miniblock that has values.
    pub(super) fn end(&self) -> usize {
        let per_miniblock = self.block_values / self.miniblocks;
        let (miniblock, within) = (self.of_block / per_miniblock, self.of_block % per_miniblock);
        let width = self.widths.get(miniblock as usize).copied().unwrap_or(0);
        let open = if within == 0 {
            0
        } else {
            per_miniblock as usize / 8 * usize::from(width)
        };
        self.at + open
    }
}
