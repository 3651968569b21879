//! Rows of a file, read by ranges: the footer, then a page of each column at a time.

use super::footer::{self, Chunk, Layout, TAIL_BYTES};
use super::page::{Header, PageKind};
use super::ranges::Ranges;
pub use super::ranges::Stopped;
use super::thrift::Broken;
use super::values::{Cell, Dictionary, Page};
use crate::batch::limits::{FileFault, Limits};
use crate::batch::ports::{FileHead, FilePlace, FileStore};
use crate::batch::rows::{Columns, Reject, Row, StoredHistory};
use crate::batch::shape::RowShape;
use crate::batch::whole::HISTORY;
use bytes::Bytes;

/// Bytes of a page's header at most; statistics of long values are in it.
pub(super) const HEADER_BYTES: u64 = 1024 * 1024;
/// Bytes of pages and dictionaries that are held at once, at most.
const HELD_BYTES: usize = 256 * 1024 * 1024;
/// Pages in a row without a value, at most: each may be a byte of the file, and none brings the reader on.
pub(super) const MOST_BARREN_PAGES: u64 = 1_000;
/// Rows that are read at once, at most.
const ROWS: usize = 512;

/// A column's part of a row group, as far as it was read.
#[derive(Default)]
struct Cursor {
    /// Where the next page begins.
    at: u64,
    end: u64,
    codec: i64,
    /// Bytes that were read, and where they begin.
    window: Bytes,
    window_at: u64,
    dictionary: Dictionary,
    page: Option<Page>,
}

/// Reads rows one after the other.
pub struct ParquetRows<'a, F> {
    ranges: Ranges<'a, F>,
    layout: Layout,
    columns: Columns,
    /// Where the id and the history stand, in a chunk of the whole base.
    history: Option<(usize, usize)>,
    limits: Limits,
    cursors: Vec<Cursor>,
    /// Row groups that were begun.
    groups: usize,
    /// Rows of the row group under way that are left.
    left: u64,
    /// Rows that were read or read over.
    rows: u64,
    /// Bytes of pages once unpacked.
    unpacked: u64,
}

/// A header that is none.
pub(super) fn damaged_header() -> FileFault {
    let detail = "no Parquet file: the header of a page cannot be read";
    FileFault::new("damaged", detail)
}

/// Where the columns of ids and of histories stand in a chunk.
fn places_of(layout: &Layout, shape: &RowShape) -> Result<(usize, usize), FileFault> {
    let at = |name: &str| {
        let found = layout.columns.iter().position(|column| column.name == name);
        found.ok_or_else(|| FileFault::new("wrong columns", format!("{name} is missing")))
    };
    Ok((at(shape.id)?, at(HISTORY)?))
}

impl<'a, F: FileStore> ParquetRows<'a, F> {
    /// Reads the footer and goes to the row behind the first `skip` ones.
    pub async fn open(
        files: &'a F,
        place: &'a FilePlace,
        head: &'a FileHead,
        shape: &'static RowShape,
        limits: Limits,
        skip: u64,
    ) -> Result<Self, Stopped> {
        Self::open_as(files, place, head, shape, limits, skip, false).await
    }

    /// The same for a chunk of the whole base, whose rows bring their histories in a column of their own.
    pub async fn open_chunk(
        files: &'a F,
        place: &'a FilePlace,
        head: &'a FileHead,
        shape: &'static RowShape,
        limits: Limits,
        skip: u64,
    ) -> Result<Self, Stopped> {
        Self::open_as(files, place, head, shape, limits, skip, true).await
    }

    async fn open_as(
        files: &'a F,
        place: &'a FilePlace,
        head: &'a FileHead,
        shape: &'static RowShape,
        limits: Limits,
        skip: u64,
        is_chunk: bool,
    ) -> Result<Self, Stopped> {
        let ranges = Ranges { files, place, head };
        if head.size == 0 {
            return Err(FileFault::new("empty", "there is nothing in the file").into());
        }
        let tail = ranges
            .read(head.size.saturating_sub(TAIL_BYTES), head.size)
            .await?;
        let footer_bytes = footer::footer_bytes(&tail, head.size)?;
        let end = head.size - TAIL_BYTES;
        let bytes = ranges.read(end - footer_bytes, end).await?;
        let layout = footer::read(&bytes, head.size, limits.columns)?;
        let names = layout.columns.iter().map(|column| column.name.as_str());
        let asked = names.filter(|name| !(is_chunk && *name == HISTORY));
        let columns = Columns::new(asked, shape)?;
        let history = is_chunk.then(|| places_of(&layout, shape)).transpose()?;
        if layout.groups.iter().all(|group| group.rows == 0) {
            return Err(FileFault::new("no rows", "there are columns and no row").into());
        }
        let mut rows = Self {
            ranges,
            layout,
            columns,
            history,
            limits,
            cursors: Vec::new(),
            groups: 0,
            left: 0,
            rows: 0,
            unpacked: 0,
        };
        rows.skip(skip).await?;
        Ok(rows)
    }

    /// The next rows; none at the end.
    pub async fn next(&mut self) -> Result<Vec<Row>, Stopped> {
        let mut rows = Vec::new();
        let mut bytes = 0;
        while rows.len() < ROWS && bytes < self.limits.chunk_bytes && self.is_inside() {
            let mut cells = self.next_cells().await?;
            let history = self.history(&mut cells)?;
            let body = self.body(cells);
            bytes += body.as_ref().map_or(0, Vec::len);
            bytes += history.as_ref().map_or(0, |history| history.bytes.len());
            rows.push(Row {
                number: self.rows,
                body,
                history,
                end: self.rows,
                is_line: self.columns.are_of_lines(),
            });
        }
        Ok(rows)
    }

    /// Goes to the next row group when the one under way is at its end; whether there is a row.
    fn is_inside(&mut self) -> bool {
        while self.left == 0 {
            let Some(group) = self.layout.groups.get(self.groups) else {
                return false;
            };
            self.left = group.rows;
            self.groups += 1;
            let cursor = |chunk: &Chunk| Cursor {
                at: chunk.start,
                end: chunk.end,
                codec: chunk.codec,
                ..Cursor::default()
            };
            self.cursors = group.chunks.iter().map(cursor).collect();
        }
        true
    }

    async fn next_cells(&mut self) -> Result<Vec<Cell>, Stopped> {
        let mut cells = Vec::with_capacity(self.cursors.len());
        for index in 0..self.cursors.len() {
            self.turn_to_page(index, 1).await?;
            let (cursor, kind) = (&mut self.cursors[index], self.layout.columns[index].kind);
            let page = cursor.page.as_mut();
            let page =
                page.ok_or_else(|| FileFault::new("damaged", "a column has too few values"))?;
            cells.push(page.next(&cursor.dictionary, kind)?);
        }
        self.left -= 1;
        self.rows += 1;
        Ok(cells)
    }

    /// Takes the history out of the cells, in a chunk.
    fn history(&self, cells: &mut Vec<Cell>) -> Result<Option<StoredHistory>, FileFault> {
        let Some((id_at, history_at)) = self.history else {
            return Ok(None);
        };
        let missing = || FileFault::new("damaged", "a row of the chunk has no id or no history");
        let id = cells[id_at].clone().and_then(Result::ok);
        let id = id.ok_or_else(missing)?;
        let bytes = cells.remove(history_at).ok_or_else(missing)?;
        let bytes = bytes.map_or_else(Bytes::from, Bytes::from);
        Ok(Some(StoredHistory { id, bytes }))
    }

    fn body(&self, cells: Vec<Cell>) -> Result<Vec<u8>, Reject> {
        let mut texts = Vec::with_capacity(cells.len());
        for cell in cells {
            let text = cell.transpose().map_err(|bytes| {
                let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]);
                Reject::row("not UTF-8", "text is UTF-8").showing(&shown)
            })?;
            texts.push(text.unwrap_or_default());
        }
        let bytes: usize = texts.iter().map(String::len).sum();
        let limit = self.limits.row_bytes;
        if bytes > limit {
            let reason = format!("more than {limit} bytes");
            return Err(Reject::row("too long", reason));
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        self.columns.body(&texts)
    }

    /// Reads over rows: whole row groups, whole pages, then values.
    async fn skip(&mut self, mut rows: u64) -> Result<(), Stopped> {
        while rows > 0 && self.is_inside() {
            if rows >= self.left {
                rows -= self.left;
                self.rows += std::mem::take(&mut self.left);
                continue;
            }
            for index in 0..self.cursors.len() {
                self.skip_values(index, rows).await?;
            }
            self.left -= rows;
            self.rows += rows;
            return Ok(());
        }
        Ok(())
    }

    async fn skip_values(&mut self, index: usize, mut values: u64) -> Result<(), Stopped> {
        while values > 0 {
            values -= self.turn_to_page(index, values).await?;
            let (cursor, kind) = (&mut self.cursors[index], self.layout.columns[index].kind);
            let Some(page) = &mut cursor.page else {
                continue;
            };
            for _ in 0..values.min(page.left()) {
                page.next(&cursor.dictionary, kind)?;
                values -= 1;
            }
        }
        Ok(())
    }

    /// Makes the column's page one that has values. Pages with less than `wanted` values are read over without being
    /// unpacked; returns how many values these had.
    async fn turn_to_page(&mut self, index: usize, wanted: u64) -> Result<u64, Stopped> {
        if self.cursors[index]
            .page
            .as_ref()
            .is_some_and(|page| page.left() > 0)
        {
            return Ok(0);
        }
        let mut over = 0;
        for _ in 0..MOST_BARREN_PAGES.saturating_add(wanted) {
            self.cursors[index].page = None;
            let (header, start) = self.header(index).await?;
            let cursor = &mut self.cursors[index];
            let bytes = header.checked_bytes(cursor.end - start)? as u64;
            cursor.at = start + bytes;
            match header.kind() {
                PageKind::Other => {}
                PageKind::Dictionary => {
                    let unpacked = self.unpacked(index, &header, start).await?;
                    let column = &self.layout.columns[index];
                    self.cursors[index].dictionary = Dictionary::new(unpacked, &header, column)?;
                }
                PageKind::Data | PageKind::Data2
                    if header.values() <= wanted - over && wanted > 1 =>
                {
                    over += header.values();
                    if over == wanted {
                        return Ok(over);
                    }
                }
                PageKind::Data | PageKind::Data2 => {
                    let unpacked = self.unpacked(index, &header, start).await?;
                    let page = Page::new(unpacked, &header, &self.layout.columns[index])?;
                    let is_empty = page.left() == 0;
                    self.cursors[index].page = Some(page);
                    self.check_held()?;
                    if !is_empty {
                        return Ok(over);
                    }
                }
            }
        }
        Err(FileFault::new("damaged", "a column has too many pages without a value").into())
    }

    /// The header of the column's next page, and where its bytes begin.
    async fn header(&mut self, index: usize) -> Result<(Header, u64), Stopped> {
        let cursor = &self.cursors[index];
        let (at, end) = (cursor.at, cursor.end);
        if at >= end {
            return Err(FileFault::new("damaged", "a column has too few values").into());
        }
        let mut length = end.min(at + 1024) - at;
        loop {
            let bytes = self.bytes(index, at, at + length).await?;
            match Header::read(&bytes) {
                Ok((header, size)) => return Ok((header, at + size as u64)),
                Err(Broken::Short) if length < (end - at).min(HEADER_BYTES) => {
                    length = (8 * length).min(end - at).min(HEADER_BYTES);
                }
                Err(_) => return Err(damaged_header().into()),
            }
        }
    }

    async fn unpacked(
        &mut self,
        index: usize,
        header: &Header,
        start: u64,
    ) -> Result<Bytes, Stopped> {
        self.unpacked += header.unpacked_bytes();
        self.limits.check_size(self.unpacked)?;
        let end = self.cursors[index].at;
        let packed = self.bytes(index, start, end).await?;
        Ok(header.unpack(packed, self.cursors[index].codec)?)
    }

    /// Bytes of the column, by reads of several pages where pages are small.
    async fn bytes(&mut self, index: usize, start: u64, end: u64) -> Result<Bytes, Stopped> {
        let cursor = &self.cursors[index];
        let window_end = cursor.window_at + cursor.window.len() as u64;
        if start < cursor.window_at || end > window_end {
            let wanted = end.max(cursor.end.min(start + self.limits.read_bytes));
            let window = self.ranges.read(start, wanted).await?;
            let cursor = &mut self.cursors[index];
            (cursor.window, cursor.window_at) = (window, start);
        }
        let cursor = &self.cursors[index];
        let from = (start - cursor.window_at) as usize;
        let to = (end - cursor.window_at) as usize;
        let damaged = || FileFault::new("damaged", "no Parquet file: a page ends early");
        if to > cursor.window.len() {
            return Err(damaged().into());
        }
        Ok(cursor.window.slice(from..to))
    }

    fn check_held(&self) -> Result<(), FileFault> {
        let held = |cursor: &Cursor| {
            let page = cursor.page.as_ref().map_or(0, Page::bytes);
            page + cursor.dictionary.bytes() + cursor.window.len()
        };
        let held: usize = self.cursors.iter().map(held).sum();
        if held > HELD_BYTES {
            let detail = format!("pages of {held} bytes at once, at most {HELD_BYTES} are held");
            return Err(FileFault::new("too large", detail));
        }
        Ok(())
    }
}
