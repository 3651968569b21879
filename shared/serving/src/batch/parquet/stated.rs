//! What a footer states, as it stands there: nothing of it is believed yet.

use super::thrift::{Broken, Reader, Value};

/// What a footer says.
#[derive(Debug, Default)]
pub(super) struct Stated {
    pub(super) schema: Vec<Element>,
    pub(super) groups: Vec<StatedGroup>,
    pub(super) is_encrypted: bool,
}

/// A node of the schema.
#[derive(Debug, Default, Clone)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) physical: Option<i64>,
    pub(super) repetition: i64,
    pub(super) children: i64,
    pub(super) converted: Option<i64>,
    pub(super) scale: i64,
    pub(super) logical: Option<Logical>,
}

/// What values stand for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Logical {
    Decimal(i64),
    Date,
    Instant { per_second: i64, is_utc: bool },
    Integer { is_signed: bool },
    Other,
}

/// A row group.
#[derive(Debug, Default)]
pub(super) struct StatedGroup {
    pub(super) rows: i64,
    pub(super) chunks: Vec<StatedChunk>,
}

/// A column's part of it.
#[derive(Debug, Default)]
pub(super) struct StatedChunk {
    pub(super) is_elsewhere: bool,
    pub(super) is_encrypted: bool,
    pub(super) physical: i64,
    pub(super) codec: i64,
    pub(super) values: i64,
    pub(super) packed_bytes: i64,
    pub(super) data_at: i64,
    pub(super) dictionary_at: Option<i64>,
}

impl Stated {
    /// Reads a footer.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Broken> {
        let mut stated = Self::default();
        Reader::new(bytes).fields(|reader, id, kind| {
            match id {
                2 => {
                    for _ in 0..reader.structures(kind)? {
                        stated.schema.push(Element::read(reader)?);
                    }
                }
                4 => {
                    for _ in 0..reader.structures(kind)? {
                        stated.groups.push(StatedGroup::read(reader)?);
                    }
                }
                8 => {
                    stated.is_encrypted = true;
                    return Ok(false);
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        stated.is_encrypted |=
            (stated.groups.iter()).any(|g| g.chunks.iter().any(|c| c.is_encrypted));
        Ok(stated)
    }
}

impl Element {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Broken> {
        let mut element = Self::default();
        reader.fields(|reader, id, kind| {
            match id {
                1 => element.physical = Some(reader.number(kind)?),
                3 => element.repetition = reader.number(kind)?,
                4 => element.name = text(reader, kind)?,
                5 => element.children = reader.number(kind)?,
                6 => element.converted = Some(reader.number(kind)?),
                7 => element.scale = reader.number(kind)?,
                10 => element.logical = Some(Logical::read(reader, kind)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(element)
    }
}

impl Logical {
    /// A union: a structure with one field.
    fn read(reader: &mut Reader<'_>, kind: u8) -> Result<Self, Broken> {
        let mut found = Self::Other;
        if reader.value(kind)? != Value::Struct {
            return Err(Broken::Wrong);
        }
        reader.fields(|reader, id, kind| {
            found = match id {
                5 => Self::Decimal(Numbers::read(reader, kind)?.first),
                6 => {
                    found = Self::Date;
                    return Ok(false);
                }
                8 => {
                    let numbers = Numbers::read(reader, kind)?;
                    let per_second = match numbers.unit {
                        1 => 1_000,
                        2 => 1_000_000,
                        _ => 1_000_000_000,
                    };
                    let is_utc = numbers.truth_1;
                    Self::Instant { per_second, is_utc }
                }
                10 => Self::Integer {
                    is_signed: Numbers::read(reader, kind)?.truth_2,
                },
                _ => return Ok(false),
            };
            Ok(true)
        })?;
        Ok(found)
    }
}

/// What the parameters of logical types hold.
#[derive(Default)]
struct Numbers {
    first: i64,
    truth_1: bool,
    truth_2: bool,
    unit: i64,
}

impl Numbers {
    fn read(reader: &mut Reader<'_>, kind: u8) -> Result<Self, Broken> {
        let mut numbers = Self::default();
        if reader.value(kind)? != Value::Struct {
            return Err(Broken::Wrong);
        }
        reader.fields(|reader, id, kind| {
            match (id, reader.value(kind)?) {
                (1, Value::Number(number)) => numbers.first = number,
                (1, Value::Truth(truth)) => numbers.truth_1 = truth,
                (2, Value::Truth(truth)) => numbers.truth_2 = truth,
                (2, Value::Struct) => reader.fields(|_, id, _| {
                    numbers.unit = id;
                    Ok(false)
                })?,
                (_, Value::Number(_) | Value::Truth(_)) => {}
                _ => return Err(Broken::Wrong),
            }
            Ok(true)
        })?;
        Ok(numbers)
    }
}

impl StatedGroup {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Broken> {
        let mut group = Self::default();
        reader.fields(|reader, id, kind| {
            match id {
                1 => {
                    for _ in 0..reader.structures(kind)? {
                        group.chunks.push(StatedChunk::read(reader)?);
                    }
                }
                3 => group.rows = reader.number(kind)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(group)
    }
}

impl StatedChunk {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Broken> {
        let mut chunk = Self::default();
        reader.fields(|reader, id, kind| {
            match id {
                1 => chunk.is_elsewhere = true,
                3 => {
                    if reader.value(kind)? != Value::Struct {
                        return Err(Broken::Wrong);
                    }
                    chunk.read_metadata(reader)?;
                    return Ok(true);
                }
                8 | 9 => chunk.is_encrypted = true,
                _ => {}
            }
            Ok(false)
        })?;
        Ok(chunk)
    }

    fn read_metadata(&mut self, reader: &mut Reader<'_>) -> Result<(), Broken> {
        reader.fields(|reader, id, kind| {
            match id {
                1 => self.physical = reader.number(kind)?,
                4 => self.codec = reader.number(kind)?,
                5 => self.values = reader.number(kind)?,
                7 => self.packed_bytes = reader.number(kind)?,
                9 => self.data_at = reader.number(kind)?,
                11 => self.dictionary_at = Some(reader.number(kind)?),
                _ => return Ok(false),
            }
            Ok(true)
        })
    }
}

fn text(reader: &mut Reader<'_>, kind: u8) -> Result<String, Broken> {
    match reader.value(kind)? {
        Value::Bytes(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| Broken::Wrong)?;
            Ok(text.to_owned())
        }
        _ => Err(Broken::Wrong),
    }
}
