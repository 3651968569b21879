//! Who may score a file, and what came of it.
//!
//! There is one claim per file (function, bucket, key), because outputs are named by the key alone: two contents of one
//! key must not be scored beside each other. It says which content it is about, who works on it until when, which model
//! and instant it is scored with, and what came of it.
//!
//! | what stands there | what an event may do |
//! |---|---|
//! | nothing | begin |
//! | another content, done | begin, unless the event is older |
//! | the same content, done | nothing: the first result is the answer |
//! | reopened, because somebody asked for it ([`reopen`]) | begin, with what is served then |
//! | in progress, owner alive | nothing: come back later |
//! | in progress, owner gone | begin again; of the same content with the same model and instant |
//!
//! A file that does not fit into one invocation is left where it is and continued by the next one; the claim says how far it
//! came and where that is kept ([`Left`]). Nobody owns it in between.
//!
//! An owner is gone when its lease has ended. The lease is the deadline of its invocation and a margin for clocks that
//! differ, and Lambda ends what reaches its deadline: no owner outlives its lease, so nothing must be renewed.

use super::ports::FilePlace;
use crate::manifest::sha256_hex;
use crate::registry::Pins;
use serde::{Deserialize, Serialize};

/// How far clocks may differ, in milliseconds.
pub const LEASE_MARGIN_MS: i64 = 30_000;
/// Days after which a claim may be forgotten: longer than any queue keeps a message (14 days).
pub const KEPT_DAYS: i64 = 30;

/// A claim on a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Which content.
    pub version: String,
    /// Orders events of one key; the greatest seen.
    pub sequencer: String,
    /// What it is scored with, from the first attempt on.
    pub pins: Pins,
    /// The instant it is scored for unless a row says otherwise, seconds since 1970, from the first attempt on.
    pub as_of_seconds: i64,
    /// How often it was begun.
    pub attempt: u32,
    /// How often it was begun anew because what was left of it was lost.
    #[serde(default, skip_serializing_if = "is_never")]
    pub restarts: u32,
    /// How far it is.
    pub state: State,
    /// Milliseconds since 1970 of the last change.
    pub changed_ms: i64,
}

impl Claim {
    /// What earlier invocations left of a file that is not done.
    pub fn left(&self) -> Option<&Left> {
        match &self.state {
            State::InProgress { left, .. } => left.as_ref(),
            State::Completed { .. } | State::Failed { .. } | State::Reopened => None,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_never(times: &u32) -> bool {
    *times == 0
}

/// How far a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum State {
    /// Somebody works on it.
    InProgress {
        /// The invocation.
        owner: String,
        /// Milliseconds since 1970 after which the owner is gone.
        lease_until_ms: i64,
        /// Why the attempt before ended, if it said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_failure: Option<String>,
        /// What earlier invocations have done of it, if it did not fit into one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<Left>,
    },
    /// It was scored.
    Completed {
        /// The result.
        result: Counts,
    },
    /// It cannot be scored; its report says why.
    Failed {
        /// Kind of the fault.
        reason: String,
    },
    /// Somebody asked for it to be scored anew, and nobody has begun.
    Reopened,
}

/// How far a file came that did not fit into one invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Left {
    /// SHA-256 of what is kept of it, which also names the object that holds it.
    pub sha256: String,
    /// Rows that are done.
    pub rows: u64,
    /// How often it was left.
    pub times: u32,
    /// Milliseconds that were spent on these rows.
    pub spent_ms: i64,
}

/// What an earlier attempt at the same content was pinned to, and how far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// The model.
    pub pins: Pins,
    /// The instant, seconds since 1970.
    pub as_of_seconds: i64,
    /// What is kept of it.
    pub left: Option<Left>,
}

/// Where the rows of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Found in the file; the sum of the other two.
    pub rows: u64,
    /// Answered.
    pub scored: u64,
    /// In the rejects file.
    pub rejected: u64,
}

/// Key of a file's claim. It is a hash, so that the table holds no names.
pub fn claim_key(function: &str, place: &FilePlace) -> String {
    sha256_hex(format!("{function}\n{}\n{}", place.bucket, place.key).as_bytes())
}

/// What an event may do about a claim that stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Begin, or go on with what an earlier attempt at the same content left.
    Begin(Option<Earlier>),
    /// The same content was done before.
    Duplicate(State),
    /// A later content was claimed before.
    Older,
    /// Somebody works on it.
    Busy,
}

/// Judges a claim for an event about a content, as claims name it, with `sequencer`.
pub fn judge(found: Option<&Claim>, content: &str, sequencer: &str, now_ms: i64) -> Verdict {
    let Some(claim) = found else {
        return Verdict::Begin(None);
    };
    let same = claim.version == content;
    if !same && is_older(sequencer, &claim.sequencer) {
        return Verdict::Older;
    }
    match &claim.state {
        State::InProgress { lease_until_ms, .. } if *lease_until_ms > now_ms => Verdict::Busy,
        State::InProgress { left, .. } if same => Verdict::Begin(Some(Earlier {
            pins: claim.pins.clone(),
            as_of_seconds: claim.as_of_seconds,
            left: left.clone(),
        })),
        State::Completed { .. } | State::Failed { .. } if same => {
            Verdict::Duplicate(claim.state.clone())
        }
        _ => Verdict::Begin(None),
    }
}

/// The claim that lets the next event about this content score it anew, with what is served then; `None` when the one that stands there
/// does already. What an attempt left behind that nobody works on is given up: it is of the model that it was begun with. Fails while
/// somebody works on the file, with the end of the lease, milliseconds since 1970.
pub fn reopen(found: Option<&Claim>, content: &str, now_ms: i64) -> Result<Option<Claim>, i64> {
    let Some(claim) = found else {
        return Ok(None);
    };
    match &claim.state {
        State::InProgress { lease_until_ms, .. } if *lease_until_ms > now_ms => {
            Err(*lease_until_ms)
        }
        State::Reopened => Ok(None),
        _ if claim.version != content => Ok(None),
        _ => Ok(Some(Claim {
            state: State::Reopened,
            changed_ms: now_ms,
            ..claim.clone()
        })),
    }
}

/// Sequencers are hexadecimal numbers; the shorter one is filled with zeros on the right. An event without one is never
/// older. Source: S3 user guide, event message structure.
fn is_older(sequencer: &str, than: &str) -> bool {
    if sequencer.is_empty() || than.is_empty() {
        return false;
    }
    let width = sequencer.len().max(than.len());
    let filled = |text: &str| format!("{:0<width$}", text.to_ascii_uppercase());
    filled(sequencer) < filled(than)
}

/// The later of two sequencers.
pub(super) fn later<'a>(sequencer: &'a str, other: &'a str) -> &'a str {
    if sequencer.is_empty() || is_older(sequencer, other) {
        other
    } else {
        sequencer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins(version: &str) -> Pins {
        serde_json::from_value(serde_json::json!({
            "model": {"version": version, "manifest_sha256": "m"}, "policy": {"sha256": "p"}
        }))
        .unwrap()
    }

    fn claim(version: &str, state: State) -> Claim {
        Claim {
            version: version.to_owned(),
            sequencer: "0A".to_owned(),
            pins: pins("v1"),
            as_of_seconds: 7,
            attempt: 1,
            restarts: 0,
            state,
            changed_ms: 0,
        }
    }

    #[test]
    fn an_event_may_do_what_the_table_says() {
        let left = Left {
            sha256: "l".to_owned(),
            rows: 3,
            times: 1,
            spent_ms: 9,
        };
        let working = |lease_until_ms| State::InProgress {
            owner: "o".to_owned(),
            lease_until_ms,
            last_failure: None,
            left: Some(left.clone()),
        };
        let done = State::Completed {
            result: Counts::default(),
        };
        let verdict = |claim: Claim, sequencer| judge(Some(&claim), "a", sequencer, 100);
        assert_eq!(judge(None, "a", "", 100), Verdict::Begin(None));
        assert_eq!(verdict(claim("a", working(101)), "0B"), Verdict::Busy);
        assert_eq!(
            verdict(claim("a", working(100)), "0B"),
            Verdict::Begin(Some(Earlier {
                pins: pins("v1"),
                as_of_seconds: 7,
                left: Some(left.clone())
            }))
        );
        assert_eq!(
            verdict(claim("b", working(100)), "0B"),
            Verdict::Begin(None)
        );
        assert_eq!(verdict(claim("b", working(101)), "0B"), Verdict::Busy);
        assert_eq!(verdict(claim("b", working(101)), "09"), Verdict::Older);
        assert_eq!(verdict(claim("b", done.clone()), "09"), Verdict::Older);
        assert_eq!(
            verdict(claim("b", done.clone()), "0B"),
            Verdict::Begin(None)
        );
        assert_eq!(verdict(claim("b", done.clone()), ""), Verdict::Begin(None));
        assert_eq!(
            verdict(claim("a", done.clone()), "09"),
            Verdict::Duplicate(done)
        );
    }

    #[test]
    fn a_reopened_claim_begins_anew_unless_somebody_works_on_it() {
        let working = |lease_until_ms| State::InProgress {
            owner: "o".to_owned(),
            lease_until_ms,
            last_failure: None,
            left: None,
        };
        let failed = State::Failed {
            reason: "empty".to_owned(),
        };
        for state in [failed, working(100)] {
            let found = claim("a", state);
            let reopened = reopen(Some(&found), "a", 100).expect("nobody works on it");
            let reopened = reopened.expect("another claim");
            let begun = judge(Some(&reopened), "a", "", 100);
            assert_eq!(begun, Verdict::Begin(None), "not with the pins of before");
            // Twice is once, and an older content is not let in.
            assert_eq!(reopen(Some(&reopened), "a", 100), Ok(None));
            assert_eq!(judge(Some(&reopened), "b", "09", 100), Verdict::Older);
        }
        for version in ["a", "b"] {
            let found = claim(version, working(101));
            assert_eq!(reopen(Some(&found), "a", 100), Err(101));
        }
        let other = claim("b", working(100));
        for found in [None, Some(&other)] {
            assert_eq!(reopen(found, "a", 100), Ok(None));
        }
    }

    #[test]
    fn sequencers_of_different_length_compare_as_s3_says() {
        assert!(is_older("0055AED6DCD9", "0055AED6DCD90281E5"));
        assert!(!is_older("0055AED6DCD90281E5", "0055aed6dcd90281e5"));
        assert!(is_older("1", "1001") && !is_older("2", "1001"));
        assert_eq!(
            (later("", "1"), later("2", "1"), later("1", "2")),
            ("1", "2", "2")
        );
    }

    #[test]
    fn claims_survive_their_text() {
        let failed = claim(
            "a",
            State::Failed {
                reason: "empty".to_owned(),
            },
        );
        let text = serde_json::to_string(&failed).unwrap();
        assert_eq!(serde_json::from_str::<Claim>(&text).unwrap(), failed);
    }
}
