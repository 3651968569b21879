//! From packed bytes to rows of text.

use crate::batch::limits::{FileFault, Limits};
use crate::batch::name::{Format, Packing, UploadName};
use crate::batch::rows::{Bookmark, Row, Rows};
use crate::batch::shape::RowShape;
use crate::batch::unpack::Unpacker;

/// Unpacks bytes and splits them into rows.
pub(super) struct Splitter {
    unpacker: Unpacker,
    /// Unpacked bytes that earlier invocations are done with.
    skip: u64,
    rows: Rows,
}

impl Splitter {
    /// For a file from a place on, none for a table; a fault when the place cannot be found again.
    pub(super) fn new(
        name: &UploadName,
        shape: &'static RowShape,
        limits: &Limits,
        from: &Bookmark,
    ) -> Result<Option<Self>, FileFault> {
        let Format::Text(text) = name.format else {
            return Ok(None);
        };
        let is_plain = name.packing == Packing::Plain;
        let rows = match from.number {
            0 => Rows::new(text, shape, limits),
            _ => Rows::resume(text, shape, limits, from)?,
        };
        Ok(Some(Self {
            unpacker: Unpacker::new(name.packing, *limits)?,
            skip: if is_plain { 0 } else { from.offset },
            rows,
        }))
    }

    /// Takes some of the bytes, and says how many.
    pub(super) fn step(
        &mut self,
        bytes: &[u8],
        waiting: &mut Vec<Row>,
    ) -> Result<usize, FileFault> {
        let mut text = Vec::new();
        let taken = self.unpacker.step(bytes, &mut text)?;
        self.push(&text, waiting)?;
        Ok(taken)
    }

    pub(super) fn finish(&mut self, waiting: &mut Vec<Row>) -> Result<(), FileFault> {
        let mut text = Vec::new();
        self.unpacker.finish(&mut text)?;
        self.push(&text, waiting)?;
        self.rows.finish(waiting)
    }

    /// Names of the columns, as far as they were read.
    pub(super) fn header(self) -> Vec<String> {
        self.rows.header()
    }

    /// Splits unpacked bytes into rows, but for those that are done.
    fn push(&mut self, text: &[u8], waiting: &mut Vec<Row>) -> Result<(), FileFault> {
        let skipped = self.skip.min(text.len() as u64);
        self.skip -= skipped;
        self.rows.push(&text[skipped as usize..], waiting)
    }
}
