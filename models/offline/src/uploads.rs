//! What became of the files that were uploaded: read from the report beside the answers, and from the claim of a file that
//! has none yet.

use serde_json::Value;
use serving::batch::claim::{Claim, Counts, State, claim_key, reopen};
use serving::batch::name::{Key, UploadName};
use serving::batch::ports::{FileHead, FilePlace};
use serving::batch::run::{put_marker, read_whole};
use serving::batch::{Arrival, ClaimStore, FileStore};
use serving::ports::StoreError;

/// Reports hold counts by reason, of which there are few.
const MOST_REPORT_BYTES: u64 = 1024 * 1024;

/// What became of one upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Every row is in the answers or among the rejects, and all outputs are there.
    Scored(Counts),
    /// Not scored as a whole, and why; the report says so in two places.
    Quarantined(String),
    /// Somebody is at work until then, milliseconds since 1970.
    Working {
        /// When the lease ends.
        until_ms: i64,
        /// Which attempt it is.
        attempt: u32,
    },
    /// It did not fit into one invocation; the event of its marker brings the next one.
    Unfinished {
        /// Rows that are done.
        rows: u64,
        /// How often it was left.
        times: u32,
    },
    /// Somebody began and did not end: the next message of the queue begins again.
    Abandoned {
        /// Attempts so far.
        attempt: u32,
        /// What the last one failed on, where it said so.
        last_failure: Option<String>,
    },
    /// No attempt of this content is known, or it was asked for anew: the message has not come yet, or is in the dead-letter queue.
    Waiting,
    /// What should be there is not, or does not add up.
    Broken(String),
    /// No upload of this name.
    Gone,
}

impl Fate {
    /// Whether nothing more has to happen.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Scored(_) | Self::Quarantined(_))
    }
}

impl std::fmt::Display for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scored(Counts {
                rows,
                scored,
                rejected,
            }) => write!(f, "{rows} rows = {scored} scored + {rejected} rejected"),
            Self::Quarantined(reason) => write!(f, "quarantined: {reason}"),
            Self::Working { until_ms, attempt } => write!(
                f,
                "being scored, attempt {attempt}, at the latest until {}",
                instant(*until_ms)
            ),
            Self::Unfinished { rows, times } => write!(
                f,
                "{rows} rows are done in {times} invocations, the next one goes on with it"
            ),
            Self::Abandoned {
                attempt,
                last_failure,
            } => {
                write!(f, "begun {attempt} times and not ended")?;
                let reason = last_failure.as_deref();
                reason.map_or(Ok(()), |reason| write!(f, "; last failure: {reason}"))
            }
            Self::Waiting => write!(
                f,
                "not begun: its message has not come, or is in the dead-letter queue"
            ),
            Self::Broken(what) => write!(f, "broken: {what}"),
            Self::Gone => write!(f, "no such upload"),
        }
    }
}

/// The name of an upload of a function, where its key is one; keys that can never be scored have outputs as well.
pub fn name_of(key: &str, function: &'static str) -> Option<UploadName> {
    match Key::read(key, function) {
        Key::Upload(name) | Key::Unreadable(name, _) => Some(name),
        Key::Folder | Key::Output | Key::Unfinished(_) | Key::Foreign => None,
    }
}

/// Looks at an upload, its outputs and its claim; changes nothing.
pub async fn fate(
    files: &impl FileStore,
    claims: &impl ClaimStore,
    function: &'static str,
    place: &FilePlace,
    now_ms: i64,
) -> Result<Fate, StoreError> {
    let Some(name) = name_of(&place.key, function) else {
        return Ok(Fate::Broken(format!(
            "{} is no upload of {function}",
            place.key
        )));
    };
    let Some(head) = files.head_file(place, None).await? else {
        return Ok(Fate::Gone);
    };
    let report = read_json(files, &place.beside(name.report())).await?;
    let report = report.filter(|report| is_report_of(report, &head));
    let claim = claims.get_claim(&claim_key(function, place)).await?;
    let is_of_this =
        |claim: &Claim| claim.version == head.version.name() || claim.version == head.version.etag;
    match (report, claim.filter(is_of_this)) {
        (Some(report), claim) if !claim.as_ref().is_some_and(|claim| is_later(claim, &report)) => {
            reported(files, place, &name, &report).await
        }
        (_, Some(claim)) => Ok(claimed(claim, now_ms)),
        (_, None) => Ok(Fate::Waiting),
    }
}

fn is_report_of(report: &Value, head: &FileHead) -> bool {
    let of = |field: &str| report["input"][field].as_str();
    of("version_id").or(of("etag")) == Some(head.version.name())
        || of("etag") == Some(head.version.etag.as_str())
}

/// Whether the file was begun again, or is to be, since its report was written.
fn is_later(claim: &Claim, report: &Value) -> bool {
    match claim.state {
        State::InProgress { .. } => report["attempt"] != claim.attempt,
        State::Reopened => true,
        State::Completed { .. } | State::Failed { .. } => false,
    }
}

/// The version of the model that scored an upload, by its report; `None` where there is none.
pub async fn scored_with(
    files: &impl FileStore,
    function: &'static str,
    place: &FilePlace,
) -> Result<Option<String>, StoreError> {
    let Some(name) = name_of(&place.key, function) else {
        return Ok(None);
    };
    let report = read_json(files, &place.beside(name.report())).await?;
    let version = |report: Value| report["model_version"].as_str().map(str::to_owned);
    Ok(report.and_then(version))
}

/// What became of the wish to score an upload anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rescored {
    /// It was sent, and will be scored with what is served then.
    Sent,
    /// Somebody is at work until then, milliseconds since 1970.
    Working(i64),
    /// Somebody else changed its claim at the same moment.
    Raced,
    /// No such upload.
    Gone,
}

impl std::fmt::Display for Rescored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sent => write!(f, "sent, to be scored with what is served"),
            Self::Working(until_ms) => write!(
                f,
                "not sent: it is being scored, at the latest until {}; try again when that is done",
                instant(*until_ms)
            ),
            Self::Raced => write!(f, "not sent: somebody began it at this moment; try again"),
            Self::Gone => write!(f, "not sent: no such upload"),
        }
    }
}

/// Lets an upload that is done, or that nobody works on, be scored anew with what is served now: reopens its claim, then sends it as
/// [`redrive`] does. Stopped in between, it waits for `redrive`. Its outputs stay until the new ones take their place.
pub async fn rescore(
    files: &impl FileStore,
    claims: &impl ClaimStore,
    function: &'static str,
    place: &FilePlace,
    now_ms: i64,
) -> Result<Rescored, StoreError> {
    let (Some(name), Some(head)) = (
        name_of(&place.key, function),
        files.head_file(place, None).await?,
    ) else {
        return Ok(Rescored::Gone);
    };
    let key = claim_key(function, place);
    let found = claims.get_claim(&key).await?;
    match reopen(found.as_ref(), head.version.name(), now_ms) {
        Err(until_ms) => return Ok(Rescored::Working(until_ms)),
        Ok(None) => {}
        Ok(Some(claim)) => {
            if !claims.swap_claim(&key, found.as_ref(), &claim).await? {
                return Ok(Rescored::Raced);
            }
        }
    }
    send(files, &name, place, head).await?;
    Ok(Rescored::Sent)
}

/// Sends an upload again that nobody works on: by a marker, whose event the bucket sends to the queue of uploads as it sends
/// that of an upload. `false` when there is nothing to send: it is settled, being worked on, or gone.
pub async fn redrive(
    files: &impl FileStore,
    function: &'static str,
    place: &FilePlace,
    fate: &Fate,
) -> Result<bool, StoreError> {
    let is_idle = matches!(
        fate,
        Fate::Waiting | Fate::Abandoned { .. } | Fate::Unfinished { .. }
    );
    let Some(name) = name_of(&place.key, function).filter(|_| is_idle) else {
        return Ok(false);
    };
    let Some(head) = files.head_file(place, None).await? else {
        return Ok(false);
    };
    send(files, &name, place, head).await?;
    Ok(true)
}

async fn send(
    files: &impl FileStore,
    name: &UploadName,
    place: &FilePlace,
    head: FileHead,
) -> Result<(), StoreError> {
    let upload = Arrival {
        bucket: place.bucket.clone(),
        key: place.key.clone(),
        etag: Some(head.version.etag),
        version_id: head.version.version_id,
        sequencer: String::new(),
    };
    put_marker(files, name, &upload).await
}

/// Milliseconds since 1970, as people read them.
fn instant(ms: i64) -> String {
    serving::wire::format_instant(features::time::Timestamp(ms / 1000))
}

async fn reported(
    files: &impl FileStore,
    place: &FilePlace,
    name: &UploadName,
    report: &Value,
) -> Result<Fate, StoreError> {
    if report["outcome"] != "scored" {
        let detail = report["fault"]["detail"].as_str();
        return Ok(Fate::Quarantined(detail.unwrap_or("no reason").to_owned()));
    }
    let Ok(counts) = serde_json::from_value::<Counts>(report.clone()) else {
        return Ok(Fate::Broken("the report has no counts".to_owned()));
    };
    if counts.rows != counts.scored + counts.rejected {
        let Counts {
            rows,
            scored,
            rejected,
        } = counts;
        return Ok(Fate::Broken(format!(
            "{rows} rows are not {scored} scored and {rejected} rejected"
        )));
    }
    for output in [name.scored(), name.rejects()] {
        let found = files.head_file(&place.beside(output.clone()), None).await?;
        if found.is_none() {
            return Ok(Fate::Broken(format!("{output} is missing")));
        }
    }
    Ok(Fate::Scored(counts))
}

fn claimed(claim: Claim, now_ms: i64) -> Fate {
    let attempt = claim.attempt;
    match claim.state {
        State::InProgress { lease_until_ms, .. } if lease_until_ms > now_ms => Fate::Working {
            until_ms: lease_until_ms,
            attempt,
        },
        State::InProgress {
            lease_until_ms: 0,
            last_failure: None,
            left: Some(left),
            ..
        } => Fate::Unfinished {
            rows: left.rows,
            times: left.times,
        },
        State::InProgress { last_failure, .. } => Fate::Abandoned {
            attempt,
            last_failure,
        },
        State::Reopened => Fate::Waiting,
        State::Completed { .. } | State::Failed { .. } => {
            Fate::Broken("it was ended, but its report is missing".to_owned())
        }
    }
}

async fn read_json(files: &impl FileStore, place: &FilePlace) -> Result<Option<Value>, StoreError> {
    let bytes = read_whole(files, place, MOST_REPORT_BYTES).await?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}
