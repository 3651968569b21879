//! Chunks of the whole base: every history that a function scores, as tables in the bucket.
//!
//! They hold the bytes that the table holds, in the order of the files, so a run over all of them asks the table for no
//! history. See [`serving::batch::whole`] for what lies where, and who reads it.

use crate::entity::Entity;
use crate::histories::Histories;
use crate::ingest::LoadError;
use crate::store::{Records, stored};
use bytes::Bytes;
use features::demand::DemandHistory;
use features::history::CustomerHistory;
use features::time::Timestamp;
use serving::batch::FileStore;
use serving::batch::parquet::write::{Named, Rows, Value, Written, write_footer};
use serving::batch::ports::FilePlace;
use serving::batch::shape::RowShape;
use serving::batch::whole::{Base, Chunk, chunk_columns};
use serving::manifest::sha256_hex;
use serving::ports::StoreError;
use std::io;

/// Bytes of histories in a row group, about: what the function holds of one at once.
const GROUP_BYTES: usize = 2 << 20;

/// How large chunks become. One ends with the row that reaches either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSize {
    /// Rows.
    pub rows: u64,
    /// Bytes of histories.
    pub bytes: u64,
}

/// Why chunks were not written. What was written of them does no harm: the manifest comes last.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// Histories could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The bucket refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A chunk could not be put together.
    #[error("write a chunk: {0}")]
    Table(#[from] io::Error),
    /// The shop's files name nobody and nothing to score.
    #[error("write chunks: the files hold no {kind}, so there is nothing to score")]
    Nothing {
        /// What was looked for.
        kind: &'static str,
    },
}

/// Writes the histories of a function's kind as chunks, then their list. Runs begin with them once they are [`publish`]ed.
///
/// `progress` is told how many rows are written. Equal histories and sizes give equal chunks under equal names.
pub async fn write_chunks(
    files: &impl FileStore,
    bucket: &str,
    function: &str,
    shape: &RowShape,
    (known, records): Known<'_>,
    size: ChunkSize,
    progress: &dyn Fn(u64),
) -> Result<Base, ChunkError> {
    let mut chunks = Chunks {
        files,
        bucket,
        function,
        done: Vec::new(),
    };
    let mut table = Table::new(shape);
    let mut rows = 0;
    for record in records {
        let (id, history) = record?;
        table.push(&id, &history)?;
        rows += 1;
        if table.rows >= size.rows || table.bytes >= size.bytes {
            let whole = std::mem::replace(&mut table, Table::new(shape));
            chunks.put(whole).await?;
            progress(rows);
        }
    }
    if table.rows > 0 {
        chunks.put(table).await?;
    }
    if rows == 0 {
        return Err(ChunkError::Nothing { kind: shape.kind });
    }
    chunks.finish(known).await
}

/// Writes the manifest: runs that begin from now on are over these chunks.
pub async fn publish(
    files: &impl FileStore,
    bucket: &str,
    function: &str,
    base: &Base,
) -> Result<(), ChunkError> {
    let place = FilePlace {
        bucket: bucket.to_owned(),
        key: Base::key(function),
    };
    Ok(files.put_file(&place, json(base)?.into()).await?)
}

/// Up to when a kind is known, and its records.
pub type Known<'a> = (Timestamp, Records<'a>);

/// What a shop's files say of a kind.
pub fn of_kind<'a>(kind: &str, histories: &'a Histories) -> Known<'a> {
    if kind == DemandHistory::KIND {
        let (_, known) = DemandHistory::known(histories);
        return (known, stored(DemandHistory::all(histories)));
    }
    let (_, known) = CustomerHistory::known(histories);
    (known, stored(CustomerHistory::all(histories)))
}

/// A chunk under way.
struct Table<'a> {
    shape: &'a RowShape,
    columns: Vec<Named>,
    group: Rows,
    group_bytes: usize,
    groups: Vec<Written>,
    file: Vec<u8>,
    rows: u64,
    bytes: u64,
}

impl<'a> Table<'a> {
    fn new(shape: &'a RowShape) -> Self {
        let columns = chunk_columns(shape);
        Self {
            shape,
            group: Rows::new(&columns),
            columns,
            group_bytes: 0,
            groups: Vec::new(),
            file: Vec::new(),
            rows: 0,
            bytes: 0,
        }
    }

    fn push(&mut self, id: &str, history: &[u8]) -> io::Result<()> {
        let asked = self.shape.whole.iter().map(|(_, value)| Value::Text(value));
        let values = std::iter::once(Value::Text(id)).chain(asked);
        self.group.push(values.chain([Value::Bytes(history)]))?;
        self.rows += 1;
        self.bytes += history.len() as u64;
        self.group_bytes += history.len() + id.len();
        if self.group_bytes >= GROUP_BYTES {
            self.end_group()?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> io::Result<()> {
        self.group_bytes = 0;
        let group = std::mem::replace(&mut self.group, Rows::new(&self.columns));
        group.write(&mut self.groups, &mut self.file)
    }

    fn finish(mut self) -> io::Result<(u64, Vec<u8>)> {
        if self.group_bytes > 0 {
            self.end_group()?;
        }
        write_footer(&self.columns, &self.groups, &mut self.file)?;
        Ok((self.rows, self.file))
    }
}

/// Chunks that were written.
struct Chunks<'a, F> {
    files: &'a F,
    bucket: &'a str,
    function: &'a str,
    done: Vec<Chunk>,
}

impl<F: FileStore> Chunks<'_, F> {
    async fn put(&mut self, table: Table<'_>) -> Result<(), ChunkError> {
        let (rows, file) = table.finish()?;
        let (bytes, sha256) = (file.len() as u64, sha256_hex(&file));
        let place = self.place(Chunk::key(self.function, &sha256));
        self.files.put_file(&place, Bytes::from(file)).await?;
        self.done.push(Chunk {
            number: self.done.len() as u32,
            key: place.key,
            sha256,
            rows,
            bytes,
        });
        Ok(())
    }

    async fn finish(self, known: Timestamp) -> Result<Base, ChunkError> {
        let contents = self.done.iter().map(|chunk| (&chunk.key, chunk.rows));
        let contents: Vec<_> = contents.collect();
        let content = sha256_hex(&json(&(known.0, contents))?);
        let base = Base {
            chunks: Base::chunks_key(self.function, &content),
            content,
            chunk_count: self.done.len() as u32,
            rows: self.done.iter().map(|chunk| chunk.rows).sum(),
            complete_through_seconds: known.0,
        };
        let list = self.place(base.chunks.clone());
        self.files.put_file(&list, json(&self.done)?.into()).await?;
        Ok(base)
    }

    fn place(&self, key: String) -> FilePlace {
        FilePlace {
            bucket: self.bucket.to_owned(),
            key,
        }
    }
}

fn json(value: &impl serde::Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::other)
}
