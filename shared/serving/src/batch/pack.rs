//! Bytes of an output, packed as the upload was.
//!
//! Packed outputs are made of members (RFC 1952) or frames (RFC 8878) of a fixed number of bytes each, so what was packed is
//! a function of the bytes alone: it does not matter in how many pieces, or by how many invocations, they were written.

use super::name::Packing;
use super::parquet::write::{Written, answer_columns, write_footer, write_group};
use super::shape::RowShape;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};

/// Level of Zstandard: its own default.
pub(super) const ZSTANDARD_LEVEL: i32 = 3;

/// Row groups are as large as so many members of packed text.
pub(super) const MEMBERS_OF_GROUP: usize = 8;

/// What an output is made of.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// Bytes, packed.
    Bytes(Packing),
    /// Row groups of Parquet, of lines that [`super::output::write_answer`] makes.
    Table(&'static RowShape),
}

/// An output under way.
#[derive(Debug)]
pub struct Packer {
    form: Form,
    member_bytes: usize,
    /// Bytes of the member under way, not packed yet.
    held: Vec<u8>,
    /// Bytes that are ready to be written.
    ready: Vec<u8>,
    /// Row groups that were packed.
    groups: Vec<Written>,
}

/// What a packer has that is not written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unwritten {
    /// Bytes that are not packed yet.
    pub held: Vec<u8>,
    /// Bytes that are ready.
    pub ready: Vec<u8>,
    /// Row groups that were packed.
    pub groups: Vec<Written>,
}

impl Packer {
    /// An output that was left, with what [`Packer::leave`] gave; or a new one, with nothing.
    pub fn new(form: Form, member_bytes: usize, left: Unwritten) -> Self {
        let Unwritten {
            held,
            ready,
            groups,
        } = left;
        Self {
            form,
            member_bytes,
            held,
            ready,
            groups,
        }
    }

    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if matches!(self.form, Form::Bytes(Packing::Plain)) {
            self.ready.extend_from_slice(bytes);
            return Ok(());
        }
        self.held.extend_from_slice(bytes);
        while let Some(end) = self.member_end() {
            let rest = self.held.split_off(end);
            let member = std::mem::replace(&mut self.held, rest);
            self.pack(&member)?;
        }
        Ok(())
    }

    /// Where the member under way ends, once all of it is there; row groups end with a line.
    fn member_end(&self) -> Option<usize> {
        match self.form {
            Form::Bytes(_) => (self.held.len() >= self.member_bytes).then_some(self.member_bytes),
            Form::Table(_) => {
                let least = MEMBERS_OF_GROUP * self.member_bytes;
                let behind = self.held.get(least..)?;
                let line_end = behind.iter().position(|byte| *byte == b'\n')?;
                Some(least + line_end + 1)
            }
        }
    }

    fn pack(&mut self, member: &[u8]) -> io::Result<()> {
        match self.form {
            Form::Bytes(packing) => self.ready.extend(packed(packing, member)?),
            Form::Table(shape) => write_group(member, shape, &mut self.groups, &mut self.ready)?,
        }
        Ok(())
    }

    /// Packed bytes that are ready.
    pub fn ready(&mut self) -> &mut Vec<u8> {
        &mut self.ready
    }

    /// What is not written yet.
    pub fn leave(self) -> Unwritten {
        Unwritten {
            held: self.held,
            ready: self.ready,
            groups: self.groups,
        }
    }

    /// The last bytes. An empty output is an empty member, or a table without row groups.
    pub fn finish(mut self) -> io::Result<Vec<u8>> {
        let member = std::mem::take(&mut self.held);
        match self.form {
            Form::Bytes(Packing::Plain) => {}
            Form::Bytes(_) => self.pack(&member)?,
            Form::Table(shape) => {
                if !member.is_empty() {
                    self.pack(&member)?;
                }
                write_footer(&answer_columns(shape), &self.groups, &mut self.ready)?;
            }
        }
        Ok(self.ready)
    }
}

fn packed(packing: Packing, member: &[u8]) -> io::Result<Vec<u8>> {
    match packing {
        Packing::Plain => Ok(member.to_vec()),
        Packing::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(member)?;
            encoder.finish()
        }
        Packing::Zstandard => zstd::encode_all(member, ZSTANDARD_LEVEL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(packing: Packing, packed: &[u8]) -> Vec<u8> {
        let mut found = Vec::new();
        match packing {
            Packing::Gzip => {
                let mut reader = flate2::read::MultiGzDecoder::new(packed);
                io::Read::read_to_end(&mut reader, &mut found).unwrap();
            }
            _ => found = zstd::decode_all(packed).unwrap(),
        }
        found
    }

    #[test]
    fn a_packed_output_unpacks_and_does_not_depend_on_its_pieces() {
        let text: Vec<u8> = (0..300_000)
            .flat_map(|i| format!("{i},").into_bytes())
            .collect();
        for packing in [Packing::Gzip, Packing::Zstandard] {
            let pack = |piece: usize| {
                let new = |left| Packer::new(Form::Bytes(packing), 100_000, left);
                let mut packer = new(Unwritten::default());
                let mut all = Vec::new();
                for piece in text.chunks(piece) {
                    packer.write(piece).unwrap();
                    all.append(packer.ready());
                    packer = new(packer.leave());
                }
                all.extend(packer.finish().unwrap());
                all
            };
            let whole = pack(text.len());
            assert_eq!(unpacked(packing, &whole), text);
            assert!(whole.len() < text.len() / 2);
            assert_eq!(pack(4999), whole);
            let empty = Packer::new(Form::Bytes(packing), 1, Unwritten::default());
            let empty = empty.finish().unwrap();
            assert_eq!(unpacked(packing, &empty), b"");
        }
    }
}
