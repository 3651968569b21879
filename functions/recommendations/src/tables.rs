//! The binary files of the artifacts: what is fitted per item, looked into where it was loaded.
//!
//! Layout of a file: the four letters `SCTB`, then u32 values, little endian: layout version, kind, number of sections,
//! the length of each section in bytes; then the sections, each padded with zeros to a multiple of four. A file is
//! checked once, when it is opened; after that a look-up is two reads of memory.

mod catalogue;
mod rows;

pub use catalogue::{Catalogue, CatalogueColumns};
pub use rows::{Neighbours, NeighboursBuilder};

use bytes::Bytes;

/// Items of one shop at most: positions in a file stay far below 4 GB.
pub const ITEMS_LIMIT: usize = 2_000_000;

const MAGIC: &[u8; 4] = b"SCTB";
const VERSION: u32 = 1;
const WORD: usize = 4;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Items and lists of them.
    Catalogue = 1,
    /// Items that go with an item.
    Neighbours = 2,
}

/// Writes a file of sections.
pub(crate) fn write(kind: Kind, sections: &[Vec<u8>]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    let lengths = sections.iter().map(|section| section.len() as u32);
    let header = [VERSION, kind as u32, sections.len() as u32];
    for word in header.into_iter().chain(lengths) {
        file.extend(word.to_le_bytes());
    }
    for section in sections {
        file.extend(section);
        file.resize(file.len().next_multiple_of(WORD), 0);
    }
    file
}

/// Reads a file of exactly `N` sections.
pub(crate) fn read<const N: usize>(kind: Kind, file: &Bytes) -> Result<[Bytes; N], String> {
    if file.get(..MAGIC.len()) != Some(MAGIC) {
        return Err("not a table: it does not begin with SCTB".to_owned());
    }
    let words = Words::new(file.slice(MAGIC.len()..file.len() / WORD * WORD))?;
    let header = [VERSION, kind as u32, N as u32];
    for (at, (expected, what)) in header
        .into_iter()
        .zip(["layout version", "kind", "number of sections"])
        .enumerate()
    {
        let found = words.u32(at).ok_or("the header is cut short")?;
        if found != expected {
            return Err(format!("{what} is {found}, {expected} expected"));
        }
    }
    let mut from = MAGIC.len() + WORD * (header.len() + N);
    let mut sections = Vec::with_capacity(N);
    for at in 0..N {
        let length = words
            .u32(header.len() + at)
            .ok_or("the header is cut short")? as usize;
        let until = from.saturating_add(length);
        if until > file.len() {
            return Err(format!(
                "section {at} ends at byte {until}, the file at {}",
                file.len()
            ));
        }
        sections.push(file.slice(from..until));
        from = until.next_multiple_of(WORD);
    }
    if from != file.len() {
        return Err(format!(
            "{} bytes, {from} expected: something stands after the last section",
            file.len()
        ));
    }
    <[Bytes; N]>::try_from(sections).map_err(|_| "not the expected sections".to_owned())
}

/// A section of four-byte values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words(Bytes);

impl Words {
    /// Refuses a section that does not consist of whole words.
    pub(crate) fn new(section: Bytes) -> Result<Self, String> {
        if section.len().is_multiple_of(WORD) {
            return Ok(Self(section));
        }
        Err(format!("{} bytes are no whole words", section.len()))
    }

    /// Refuses a section of another length.
    pub(crate) fn exactly(section: Bytes, words: usize, what: &str) -> Result<Self, String> {
        let found = section.len();
        if found == words * WORD {
            return Ok(Self(section));
        }
        Err(format!("{what}: {found} bytes, {} expected", words * WORD))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len() / WORD
    }

    pub(crate) fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.0.get(at * WORD..(at + 1) * WORD)?;
        bytes.try_into().ok().map(u32::from_le_bytes)
    }

    pub(crate) fn f32(&self, at: usize) -> Option<f32> {
        self.u32(at).map(f32::from_bits)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = u32> + '_ {
        let words = self.0.chunks_exact(WORD);
        words.map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    }

    /// The words `from..until`, those that there are.
    pub(crate) fn between(&self, from: u32, until: u32) -> &[u8] {
        let (from, until) = (from as usize * WORD, until as usize * WORD);
        self.0.get(from..until).unwrap_or_default()
    }
}

/// Four-byte values as a section holds them.
pub(crate) fn u32_section(values: impl IntoIterator<Item = u32>) -> Vec<u8> {
    values.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// Four-byte values as a section holds them; every NaN has the same bits.
pub(crate) fn f32_section(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    let one_nan = |value: f32| if value.is_nan() { f32::NAN } else { value };
    u32_section(values.into_iter().map(|value| one_nan(value).to_bits()))
}

/// Refuses positions that do not rise from 0 to `end`.
pub(crate) fn check_rising(positions: &Words, end: usize, what: &str) -> Result<(), String> {
    let mut last = 0;
    for (at, position) in positions.values().enumerate() {
        if position < last || (at == 0 && position != 0) {
            return Err(format!("{what}: position {at} is {position}, after {last}"));
        }
        last = position;
    }
    if last as usize == end {
        return Ok(());
    }
    Err(format!("{what}: ends at {last}, {end} expected"))
}

/// Refuses a number that is not below `limit`.
pub(crate) fn check_below(values: &Words, limit: usize, what: &str) -> Result<(), String> {
    let mut all = values.values().enumerate();
    match all.find(|(_, value)| *value as usize >= limit) {
        None => Ok(()),
        Some((at, value)) => Err(format!(
            "{what}: number {at} is {value}, below {limit} expected"
        )),
    }
}
