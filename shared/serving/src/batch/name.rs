//! From an upload's key to its format and the keys of its outputs.
//!
//! Outputs follow from the key alone, so a second run of a file overwrites the first one's. They lie under prefixes of
//! their own, so a function never triggers itself.

/// Where uploads lie, before the function's name.
pub const UPLOADS: &str = "uploads/";
/// Where answers, rejects and reports lie.
pub const SCORED: &str = "scored/";
/// Where reports of files that were not scored lie a second time, for whoever watches for them.
pub const QUARANTINE: &str = "quarantine/";

/// Where files lie that did not fit into one invocation: what is done of them, and the marker whose event continues them.
pub const UNFINISHED: &str = "unfinished/";
/// Ending of the markers; the bucket tells of them as it tells of uploads.
pub const MARKER: &str = ".continue";

/// Where chunks of the whole base lie, and below [`SCORED`] and the function's name their answers.
pub const WHOLE: &str = "whole/";

/// Endings of outputs; an upload may not have them, or one file's rejects could be another one's answers.
const REJECTS: &str = ".rejects.csv";
const REPORT: &str = ".report.json";

/// How rows stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One after the other, in a stream of bytes.
    Text(Text),
    /// In columns, by row groups. Source: the Apache Parquet format.
    Parquet,
}

/// How rows stand in a stream of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// A header, then one row per record. Source: RFC 4180.
    Csv,
    /// One JSON object per line.
    JsonLines,
}

/// How the file is packed; answers are packed the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// Source: RFC 1952.
    Gzip,
    /// Source: RFC 8878.
    Zstandard,
}

/// What a key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A file to score.
    Upload(UploadName),
    /// A file of this function whose name says that it cannot be scored, with the reason.
    Unreadable(UploadName, &'static str),
    /// The marker of an unfinished file, with the key of its upload.
    Unfinished(String),
    /// A marker that a console makes for an empty folder.
    Folder,
    /// One of our own outputs: never scored, or a function would feed itself.
    Output,
    /// Anything else.
    Foreign,
}

/// The key of an upload, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadName {
    function: &'static str,
    /// The key without `uploads/<function>/`.
    rest: String,
    /// How rows stand in it.
    pub format: Format,
    /// How it is packed.
    pub packing: Packing,
}

impl Key {
    /// Reads a decoded key, as the function of this name sees it.
    ///
    /// ```
    /// use serving::batch::name::Key;
    /// let Key::Upload(name) = Key::read("uploads/churn/june/all.csv.gz", "churn") else { panic!() };
    /// assert_eq!(name.scored(), "scored/churn/june/all.csv.gz");
    /// assert_eq!(name.rejects(), "scored/churn/june/all.csv.gz.rejects.csv");
    /// assert_eq!(Key::read("scored/churn/june/all.csv.gz", "churn"), Key::Output);
    /// assert_eq!(Key::read("uploads/churn/june/", "churn"), Key::Folder);
    /// ```
    pub fn read(key: &str, function: &'static str) -> Self {
        if key.starts_with(SCORED) || key.starts_with(QUARANTINE) {
            return Self::Output;
        }
        if let Some(rest) = key.strip_prefix(UNFINISHED) {
            let own = rest
                .strip_prefix(function)
                .filter(|own| own.starts_with('/'));
            return match own.and_then(|own| own.strip_suffix(MARKER)) {
                Some(own) => Self::Unfinished(format!("{UPLOADS}{function}{own}")),
                None => Self::Output,
            };
        }
        let rest = key.strip_prefix(UPLOADS);
        let rest = rest.and_then(|rest| rest.strip_prefix(function)?.strip_prefix('/'));
        let Some(rest) = rest else {
            return Self::Foreign;
        };
        // Its outputs would be those of a run over the whole base.
        if rest.starts_with(WHOLE) {
            return Self::Foreign;
        }
        if rest.is_empty() || rest.ends_with('/') {
            return Self::Folder;
        }
        let (packing, inner) = packing(rest);
        let format = format(inner);
        let name = UploadName {
            function,
            rest: rest.to_owned(),
            format: format.unwrap_or(Format::Text(Text::Csv)),
            packing,
        };
        if rest.ends_with(REJECTS) || rest.ends_with(REPORT) {
            return Self::Unreadable(name, "the name is kept for rejects and reports");
        }
        if format == Some(Format::Parquet) && packing != Packing::Plain {
            return Self::Unreadable(name, "Parquet is packed inside, not as a whole");
        }
        if format.is_none() {
            let reason = "the name must end in .parquet, or in .csv, .jsonl or .ndjson and then perhaps .gz or .zst";
            return Self::Unreadable(name, reason);
        }
        Self::Upload(name)
    }
}

fn packing(name: &str) -> (Packing, &str) {
    if let Some(inner) = name.strip_suffix(".gz") {
        (Packing::Gzip, inner)
    } else if let Some(inner) = name.strip_suffix(".zst") {
        (Packing::Zstandard, inner)
    } else {
        (Packing::Plain, name)
    }
}

fn format(name: &str) -> Option<Format> {
    let ending = name.rsplit('/').next()?.rsplit_once('.')?.1;
    match ending.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Text(Text::Csv)),
        "jsonl" | "ndjson" => Some(Format::Text(Text::JsonLines)),
        "parquet" => Some(Format::Parquet),
        _ => None,
    }
}

impl UploadName {
    /// A chunk of the whole base, by the run that scores it and its number there.
    ///
    /// ```
    /// use serving::batch::name::UploadName;
    /// let name = UploadName::of_chunk("churn", "20180101T020000Z-5d41", 7);
    /// assert_eq!(name.scored(), "scored/churn/whole/20180101T020000Z-5d41/00007.parquet");
    /// ```
    pub fn of_chunk(function: &'static str, run: &str, number: u32) -> Self {
        Self {
            function,
            rest: format!("{WHOLE}{run}/{number:05}.parquet"),
            format: Format::Parquet,
            packing: Packing::Plain,
        }
    }

    /// Key of the answers.
    pub fn scored(&self) -> String {
        format!("{SCORED}{}/{}", self.function, self.rest)
    }

    /// Key of the rows that were not scored.
    pub fn rejects(&self) -> String {
        format!("{}{REJECTS}", self.scored())
    }

    /// Key of the report.
    pub fn report(&self) -> String {
        format!("{}{REPORT}", self.scored())
    }

    /// Key of what is done of the file when it has to be continued, by its SHA-256.
    pub fn unfinished(&self, sha256: &str) -> String {
        format!("{UNFINISHED}{}/{}.{sha256}", self.function, self.rest)
    }

    /// Key of the marker whose event continues the file.
    pub fn marker(&self) -> String {
        format!("{UNFINISHED}{}/{}{MARKER}", self.function, self.rest)
    }

    /// Key of the report's copy when the file was not scored.
    pub fn quarantine(&self) -> String {
        format!("{QUARANTINE}{}/{}{REPORT}", self.function, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_it_is() {
        let kind = |key: &str| match Key::read(key, "churn") {
            Key::Upload(name) => match name.format {
                Format::Text(text) => format!("{text:?} {:?}", name.packing),
                Format::Parquet => "Parquet".to_owned(),
            },
            Key::Unreadable(_, reason) => reason.chars().take(8).collect(),
            other => format!("{other:?}"),
        };
        let told = [
            ("uploads/churn/a b+ü.csv", "Csv Plain"),
            ("uploads/churn/a.CSV", "Csv Plain"),
            ("uploads/churn/a.jsonl.zst", "JsonLines Zstandard"),
            ("uploads/churn/x/y.ndjson.gz", "JsonLines Gzip"),
            ("uploads/churn/a.parquet", "Parquet"),
            ("uploads/churn/a.parquet.gz", "Parquet "),
            ("uploads/churn/a.orc", "the name"),
            ("uploads/churn/a.csv.rejects.csv", "the name"),
            ("uploads/churn/a.gz", "the name"),
            ("uploads/churn/.csv/readme", "the name"),
            ("uploads/churn/", "Folder"),
            ("uploads/churn/2018/", "Folder"),
            ("uploads/inventory/a.csv", "Foreign"),
            ("uploads/churn/whole/a.csv", "Foreign"),
            ("uploads/churners/a.csv", "Foreign"),
            ("a.csv", "Foreign"),
            ("", "Foreign"),
            ("scored/churn/a.csv", "Output"),
            ("quarantine/churn/a.csv.report.json", "Output"),
        ];
        for (key, expected) in told {
            assert_eq!(kind(key), expected, "{key}");
        }
    }

    #[test]
    fn no_output_is_an_upload() {
        let Key::Upload(name) = Key::read("uploads/churn/uploads/churn/a.csv", "churn") else {
            panic!("an upload")
        };
        for output in [
            name.scored(),
            name.rejects(),
            name.report(),
            name.quarantine(),
            name.unfinished("5d41"),
        ] {
            assert_eq!(Key::read(&output, "churn"), Key::Output, "{output}");
        }
        let upload = "uploads/churn/uploads/churn/a.csv".to_owned();
        assert_eq!(Key::read(&name.marker(), "churn"), Key::Unfinished(upload));
        assert_eq!(Key::read(&name.marker(), "inventory"), Key::Output);
    }
}
