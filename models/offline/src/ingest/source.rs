//! Which files there are, and how their bytes are reached.

use super::{LoadError, Options};
use crate::shop::{Shop, Stock};
use flate2::read::MultiGzDecoder;
use serving::batch::limits::Limits;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What is needed of a remote store, in two methods.
pub trait Fetch {
    /// All files whose address starts with `prefix`; the reason when the store refuses.
    fn list(&self, prefix: &str) -> Result<Vec<RemoteFile>, String>;

    /// Writes the file at `url` to `path`.
    fn download(&self, url: &str, path: &Path) -> Result<(), String>;
}

/// One remote file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its whole address.
    pub url: String,
    /// Bytes.
    pub size: u64,
    /// Changes when its content does: an `ETag` or a version id.
    pub version: String,
}

/// Knows no remote store: every `s3://` address is refused.
#[derive(Debug, Clone, Copy)]
pub struct LocalFiles;

impl Fetch for LocalFiles {
    fn list(&self, _prefix: &str) -> Result<Vec<RemoteFile>, String> {
        Err("only local files can be read here".to_owned())
    }

    fn download(&self, _url: &str, _path: &Path) -> Result<(), String> {
        Err("only local files can be read here".to_owned())
    }
}

/// One input file, before it is opened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Input {
    /// Relative to the data root, with `/`: what sorts files and what people read.
    pub(crate) name: String,
    /// A path, or an address.
    place: Place,
    pub(crate) size: u64,
    /// Changes when the content does.
    pub(crate) version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Local(PathBuf),
    Remote(String),
}

impl Input {
    /// Where it lies on this machine; `None` for a remote one.
    pub(crate) fn path(&self) -> Option<&Path> {
        let Place::Local(path) = &self.place else {
            return None;
        };
        Some(path)
    }

    /// The file on this machine; fetched into `folder` when it is remote.
    pub(crate) fn local(&self, fetch: &dyn Fetch, folder: &Path) -> Result<PathBuf, LoadError> {
        let url = match &self.place {
            Place::Local(path) => return Ok(path.clone()),
            Place::Remote(url) => url,
        };
        let path = folder.join("fetched");
        fetch
            .download(url, &path)
            .map_err(|reason| LoadError::Remote {
                url: url.clone(),
                reason,
            })?;
        Ok(path)
    }
}

/// All files of a shop, each list sorted by name.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) orders: Vec<Input>,
    pub(crate) products: Vec<Input>,
    pub(crate) stock: Vec<Input>,
    pub(crate) on_order: Vec<Input>,
    pub(crate) promotions: Vec<Input>,
}

impl Inputs {
    /// Looks for them.
    pub(crate) fn of(shop: &Shop, options: &Options<'_>) -> Result<Self, LoadError> {
        let root = options.data_root.unwrap_or(&shop.data_root);
        let [orders, products, stock, on_order, promotions] =
            patterns(shop).map(|(_, patterns)| resolve(root, patterns, options));
        Ok(Self {
            orders: orders?,
            products: products?,
            stock: stock?,
            on_order: on_order?,
            promotions: promotions?,
        })
    }

    /// Of all files the one of this name.
    pub(crate) fn only(mut self, name: &str) -> Self {
        for inputs in [
            &mut self.orders,
            &mut self.products,
            &mut self.stock,
            &mut self.on_order,
            &mut self.promotions,
        ] {
            inputs.retain(|input| input.name == name);
        }
        self
    }
}

/// The patterns of every table that a shop has.
pub(crate) fn patterns(shop: &Shop) -> [(&'static str, &[String]); 5] {
    let stock = match &shop.stock {
        Some(Stock::Levels(table)) => &table.files[..],
        Some(Stock::Simulated(_)) | None => &[],
    };
    [
        ("orders", &shop.orders.files),
        (
            "products",
            shop.products.as_ref().map_or(&[], |table| &table.files),
        ),
        ("stock", stock),
        (
            "on_order",
            shop.on_order.as_ref().map_or(&[], |table| &table.files),
        ),
        (
            "promotions",
            shop.promotions.as_ref().map_or(&[], |table| &table.files),
        ),
    ]
}

/// The tables that a file of this name, relative to the data root, belongs to.
pub(crate) fn tables_of(shop: &Shop, name: &str) -> Vec<&'static str> {
    let fits = |pattern: &String| {
        let (wanted, parts) = (pattern.split('/'), name.split('/'));
        wanted.clone().count() == parts.clone().count()
            && wanted
                .zip(parts)
                .all(|(p, part)| matches(p.as_bytes(), part.as_bytes()))
    };
    let tables = patterns(shop).into_iter();
    let named = tables.filter(|(_, patterns)| patterns.iter().any(fits));
    named.map(|(table, _)| table).collect()
}

/// All files that the patterns name, sorted by name, each once.
fn resolve(
    root: &Path,
    patterns: &[String],
    options: &Options<'_>,
) -> Result<Vec<Input>, LoadError> {
    let mut inputs = Vec::new();
    for pattern in patterns {
        let before = inputs.len();
        let rooted = if pattern.starts_with("s3://") {
            PathBuf::from(pattern)
        } else {
            root.join(pattern)
        };
        match rooted.to_str().filter(|url| url.starts_with("s3://")) {
            Some(url) => remote(root, url, options.fetch, &mut inputs)?,
            None => local(root, pattern, &mut inputs)?,
        }
        if inputs.len() == before && !options.may_be_missing {
            return Err(LoadError::NoFile {
                pattern: pattern.clone(),
                root: root.to_owned(),
            });
        }
    }
    inputs.sort();
    inputs.dedup();
    Ok(inputs)
}

fn remote(
    root: &Path,
    pattern: &str,
    fetch: &dyn Fetch,
    inputs: &mut Vec<Input>,
) -> Result<(), LoadError> {
    let fixed = pattern
        .find(['*', '?'])
        .map_or(pattern, |at| &pattern[..at]);
    let files = fetch.list(fixed).map_err(|reason| LoadError::Remote {
        url: fixed.to_owned(),
        reason,
    })?;
    let root = root.to_str().unwrap_or("").trim_end_matches('/');
    for file in files {
        let same_depth = file.url.split('/').count() == pattern.split('/').count();
        if same_depth
            && file
                .url
                .split('/')
                .zip(pattern.split('/'))
                .all(|(part, p)| matches(p.as_bytes(), part.as_bytes()))
        {
            let name = file
                .url
                .strip_prefix(root)
                .map_or(file.url.as_str(), |rest| rest.trim_start_matches('/'));
            let name = name.to_owned();
            inputs.push(Input {
                name,
                place: Place::Remote(file.url),
                size: file.size,
                version: file.version,
            });
        }
    }
    Ok(())
}

fn local(root: &Path, pattern: &str, inputs: &mut Vec<Input>) -> Result<(), LoadError> {
    let absolute = Path::new(pattern).is_absolute();
    let start = if absolute {
        PathBuf::from("/")
    } else {
        root.to_owned()
    };
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let mut found = Vec::new();
    walk(&start, &parts, &mut found)?;
    for path in found {
        let place = || format!("look at {}", path.display());
        let metadata = std::fs::metadata(&path).map_err(LoadError::io(place()))?;
        let modified = metadata.modified().map_err(LoadError::io(place()))?;
        let since = modified
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let name = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .to_string_lossy()
            .into_owned();
        inputs.push(Input {
            name,
            place: Place::Local(path),
            size: metadata.len(),
            version: format!("{}", since.as_nanos()),
        });
    }
    Ok(())
}

fn walk(folder: &Path, parts: &[&str], found: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let Some((part, rest)) = parts.split_first() else {
        if folder.is_file() {
            found.push(folder.to_owned());
        }
        return Ok(());
    };
    if !part.contains(['*', '?']) {
        return walk(&folder.join(part), rest, found);
    }
    if !folder.is_dir() {
        return Ok(());
    }
    let place = || format!("list {}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(LoadError::io(place()))? {
        let entry = entry.map_err(LoadError::io(place()))?;
        if matches(part.as_bytes(), entry.file_name().as_encoded_bytes()) {
            walk(&entry.path(), rest, found)?;
        }
    }
    Ok(())
}

/// Whether a name fits a pattern of `*` (any run) and `?` (any byte).
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skip| matches(rest, &name[skip..])),
        Some((&wanted, rest)) => name
            .split_first()
            .is_some_and(|(&byte, tail)| (wanted == b'?' || wanted == byte) && matches(rest, tail)),
    }
}

/// Text, and how much of its file was read.
type Text = (Box<dyn BufRead>, Consumed);

/// Opens text: unpacks gzip, told by its first bytes, refuses UTF-16 and takes a byte-order mark off.
///
/// The second value counts the bytes of the file that were read so far.
pub(super) fn open_text(path: &Path, name: &str) -> Result<Text, LoadError> {
    let place = || format!("read {name}");
    let file = File::open(path).map_err(LoadError::io(place()))?;
    let consumed = Consumed::default();
    let mut raw = BufReader::with_capacity(
        BUFFER,
        Counting {
            inner: file,
            consumed: consumed.clone(),
        },
    );
    let empty = || LoadError::Empty {
        file: name.to_owned(),
    };
    let head = raw.fill_buf().map_err(LoadError::io(place()))?;
    if head.is_empty() {
        return Err(empty());
    }
    let mut text: Box<dyn BufRead> = if head.starts_with(&[0x1f, 0x8b]) {
        let unpacked = Unpacked {
            inner: MultiGzDecoder::new(raw),
            packed: consumed.clone(),
            bytes: 0,
        };
        Box::new(BufReader::with_capacity(BUFFER, unpacked))
    } else {
        Box::new(raw)
    };
    let head = text.fill_buf().map_err(LoadError::io(place()))?;
    if head.is_empty() {
        return Err(empty());
    }
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        let reason =
            "is UTF-16 (byte 0 is its mark); convert it: iconv -f UTF-16 -t UTF-8".to_owned();
        return Err(LoadError::Unreadable {
            file: name.to_owned(),
            reason,
        });
    }
    if head.starts_with(&[0xef, 0xbb, 0xbf]) {
        text.consume(3);
    }
    Ok((text, consumed))
}

const BUFFER: usize = 128 << 10;

/// How many bytes of a file were read, shared with whoever shows progress.
#[derive(Debug, Clone, Default)]
pub(super) struct Consumed(Rc<std::cell::Cell<u64>>);

impl Consumed {
    pub(super) fn get(&self) -> u64 {
        self.0.get()
    }

    pub(super) fn add(&self, bytes: u64) {
        self.0.set(self.0.get() + bytes);
    }
}

/// What was packed, as much as it may be.
struct Unpacked<R> {
    inner: R,
    packed: Consumed,
    bytes: u64,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Limits::default()
            .check_unpacked(self.bytes, self.packed.get())
            .map_err(|fault| io::Error::new(ErrorKind::InvalidData, fault.detail))?;
        Ok(read)
    }
}

struct Counting<R> {
    inner: R,
    consumed: Consumed,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.consumed.add(read as u64);
        Ok(read)
    }
}
