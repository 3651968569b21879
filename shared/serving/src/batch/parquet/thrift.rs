//! Thrift's compact protocol, without anything that is allocated by what the bytes claim. Source: Apache Thrift, "Thrift
//! Compact protocol encoding".

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// They end early; more of them may help.
    Short,
    /// They are wrong.
    Wrong,
}

/// Types of fields and elements.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;
/// Structures inside of structures; Parquet's have less than ten.
const DEEPEST: u32 = 24;

/// A value that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A truth value.
    Truth(bool),
    /// A number of any width.
    Number(i64),
    /// Text or bytes.
    Bytes(&'a [u8]),
    /// A structure: read its fields next.
    Struct,
    /// A list of so many elements of this type: read them next, with [`Reader::value`].
    List(usize, u8),
}

/// Structures in all lists together, at most. An empty one takes a byte of the file and a hundred of memory, while none of a real
/// footer takes less than some sixty bytes of its 16 MiB.
const MOST_STRUCTURES: usize = 300_000;

/// Reads values one after the other.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    structures_left: usize,
}

impl<'a> Reader<'a> {
    /// From the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            structures_left: MOST_STRUCTURES,
        }
    }

    /// Bytes that were read.
    pub fn at(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Result<u8, Broken> {
        let byte = *self.bytes.get(self.at).ok_or(Broken::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let taken = self.bytes[self.at..].get(..length).ok_or(Broken::Short)?;
        self.at += length;
        Ok(taken)
    }

    fn unsigned(&mut self) -> Result<u64, Broken> {
        varint(self.bytes, &mut self.at)
    }

    fn signed(&mut self) -> Result<i64, Broken> {
        self.unsigned().map(zigzag)
    }

    /// The next field of a structure, by its id, and its type; `None` at its end. `last` is the id of the field before.
    pub fn field(&mut self, last: &mut i64) -> Result<Option<(i64, u8)>, Broken> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        let delta = i64::from(byte >> 4);
        *last = if delta == 0 {
            self.signed()?
        } else {
            *last + delta
        };
        if !(0..=i64::from(i16::MAX)).contains(last) {
            return Err(Broken::Wrong);
        }
        Ok(Some((*last, byte & 0x0f)))
    }

    /// A value of this type.
    pub fn value(&mut self, kind: u8) -> Result<Value<'a>, Broken> {
        Ok(match kind {
            TRUE => Value::Truth(true),
            FALSE => Value::Truth(false),
            BYTE => Value::Number(i64::from(self.byte()?.cast_signed())),
            4..=I64 => Value::Number(self.signed()?),
            BINARY => {
                let length = self.unsigned()?;
                let length = usize::try_from(length).map_err(|_| Broken::Wrong)?;
                Value::Bytes(self.take(length)?)
            }
            LIST | SET => {
                let byte = self.byte()?;
                let size = match byte >> 4 {
                    15 => usize::try_from(self.unsigned()?).map_err(|_| Broken::Wrong)?,
                    size => usize::from(size),
                };
                // Every element takes a byte at least.
                if size > self.bytes.len() - self.at {
                    return Err(Broken::Short);
                }
                Value::List(size, byte & 0x0f)
            }
            STRUCT => Value::Struct,
            _ => return Err(Broken::Wrong),
        })
    }

    /// Reads over a value.
    pub fn skip(&mut self, kind: u8) -> Result<(), Broken> {
        self.skip_within(kind, DEEPEST)
    }

    fn skip_within(&mut self, kind: u8, depth: u32) -> Result<(), Broken> {
        let depth = depth.checked_sub(1).ok_or(Broken::Wrong)?;
        match kind {
            DOUBLE => self.take(8).map(drop),
            UUID => self.take(16).map(drop),
            MAP => self.skip_map(depth),
            _ => match self.value(kind)? {
                Value::List(size, kind) => {
                    (0..size).try_for_each(|_| self.skip_element(kind, depth))
                }
                Value::Struct => {
                    let mut last = 0;
                    while let Some((_, kind)) = self.field(&mut last)? {
                        self.skip_within(kind, depth)?;
                    }
                    Ok(())
                }
                _ => Ok(()),
            },
        }
    }

    fn skip_map(&mut self, depth: u32) -> Result<(), Broken> {
        let size = self.unsigned()?;
        if size == 0 {
            return Ok(());
        }
        let kinds = self.byte()?;
        for _ in 0..size {
            self.skip_element(kinds >> 4, depth)?;
            self.skip_element(kinds & 0x0f, depth)?;
        }
        Ok(())
    }

    /// Truth values inside of lists and maps take a byte, unlike those of fields.
    fn skip_element(&mut self, kind: u8, depth: u32) -> Result<(), Broken> {
        match kind {
            TRUE | FALSE => self.byte().map(drop),
            _ => self.skip_within(kind, depth),
        }
    }

    /// Calls `read` with each field of a structure. It reads the value, or leaves it to be read over by returning `false`.
    pub fn fields(
        &mut self,
        mut read: impl FnMut(&mut Self, i64, u8) -> Result<bool, Broken>,
    ) -> Result<(), Broken> {
        let mut last = 0;
        while let Some((id, kind)) = self.field(&mut last)? {
            if !read(self, id, kind)? {
                self.skip(kind)?;
            }
        }
        Ok(())
    }

    /// A number of this type.
    pub fn number(&mut self, kind: u8) -> Result<i64, Broken> {
        match self.value(kind)? {
            Value::Number(number) => Ok(number),
            _ => Err(Broken::Wrong),
        }
    }

    /// Elements of a list of structures.
    pub fn structures(&mut self, kind: u8) -> Result<usize, Broken> {
        match self.value(kind)? {
            Value::List(size, STRUCT) => {
                let left = self.structures_left.checked_sub(size);
                self.structures_left = left.ok_or(Broken::Wrong)?;
                Ok(size)
            }
            Value::List(0, _) => Ok(0),
            _ => Err(Broken::Wrong),
        }
    }
}

/// Writes structures; fields in ascending order of their ids.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    /// The last id of each structure that is open.
    open: Vec<i16>,
}

impl Writer {
    /// Opens the outermost structure.
    pub fn new() -> Self {
        Self {
            bytes: Vec::new(),
            open: vec![0],
        }
    }

    fn signed(&mut self, value: i64) {
        put_varint(
            &mut self.bytes,
            ((value << 1) ^ (value >> 63)).cast_unsigned(),
        );
    }

    fn field(&mut self, id: i16, kind: u8) {
        let last = self.open.last_mut();
        let delta = last.map_or(id, |last| id - std::mem::replace(last, id));
        self.bytes.push((delta.cast_unsigned() as u8) << 4 | kind);
    }

    /// A number of 32 bits.
    pub fn i32(&mut self, id: i16, value: i32) {
        self.field(id, 5);
        self.signed(i64::from(value));
    }

    /// A number of 64 bits.
    pub fn i64(&mut self, id: i16, value: i64) {
        self.field(id, I64);
        self.signed(value);
    }

    /// Text.
    pub fn text(&mut self, id: i16, text: &str) {
        self.field(id, BINARY);
        self.bare_text(text);
    }

    /// Text that is an element of a list.
    pub fn bare_text(&mut self, text: &str) {
        put_varint(&mut self.bytes, text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Opens a structure.
    pub fn begin(&mut self, id: i16) {
        self.field(id, STRUCT);
        self.open.push(0);
    }

    /// Opens a structure that is an element of a list.
    pub fn begin_element(&mut self) {
        self.open.push(0);
    }

    /// Closes the structure that was opened last.
    pub fn end(&mut self) {
        self.open.pop();
        self.bytes.push(0);
    }

    /// A list; its elements come next.
    pub fn list_of_structures(&mut self, id: i16, size: usize) {
        self.list(id, size, STRUCT);
    }

    /// A list of texts; they come next.
    pub fn list_of_texts(&mut self, id: i16, size: usize) {
        self.list(id, size, BINARY);
    }

    /// A list of numbers of 32 bits.
    pub fn numbers(&mut self, id: i16, numbers: &[i32]) {
        self.list(id, numbers.len(), 5);
        for number in numbers {
            self.signed(i64::from(*number));
        }
    }

    fn list(&mut self, id: i16, size: usize, kind: u8) {
        self.field(id, LIST);
        if size < 15 {
            self.bytes.push((size as u8) << 4 | kind);
        } else {
            self.bytes.push(0xf0 | kind);
            put_varint(&mut self.bytes, size as u64);
        }
    }

    /// Closes the outermost structure.
    pub fn finish(mut self) -> Vec<u8> {
        self.end();
        self.bytes
    }
}

/// A whole number in groups of seven bits, the lowest first: the value at `at`, which moves behind it.
pub(super) fn varint(bytes: &[u8], at: &mut usize) -> Result<u64, Broken> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at).ok_or(Broken::Short)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Broken::Wrong)
}

/// Appends such a number.
pub(super) fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// The signed number that an unsigned one stands for: 0, -1, 1, -2, and so on.
pub(super) fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}
