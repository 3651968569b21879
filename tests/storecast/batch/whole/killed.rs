//! A chunk whose invocations are killed, or end before it does.

use super::super::faults::{Fault, Faulty, Plan};
use super::super::kills::small_limits;
use super::*;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// A clock by which every look at the time that is left takes 300 ms, as scoring a few rows may.
struct SlowClock(SetClock);

impl Clock for SlowClock {
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }

    fn remaining_ms(&self) -> i64 {
        self.0.now_ms.fetch_add(300, Ordering::Relaxed);
        self.0.remaining_ms()
    }
}

/// An invocation for a chunk: calls of a store until it is killed, and how long it may last.
struct Child {
    polls: usize,
    lasts_ms: i64,
}

/// Scores the only chunk in these invocations, and then in as many more as it takes.
async fn scored_in(children: &[Child]) -> (Vec<(FilePlace, Bytes)>, usize) {
    let plan: Plan = Arc::new(Mutex::new(|| Fault::None));
    let rig = Rig::<Churn>::new().await;
    chunked::<Churn>(&rig.files, CUSTOMERS.len()).await;
    let base = Base { rig };
    let run = base.begin(Some(NOW)).await;
    let chunk = base.chunks(&run).remove(0);
    let (files, now_ms) = (Faulty::new(base.rig.files, &plan), base.rig.now_ms);
    let stores = Faulty::new(filled().await, &plan);
    let releases = Releases::<Churn, _>::new(|| stores.clone()).await;
    let mut continued = 0;
    let patient = || Child {
        polls: 1_000,
        lasts_ms: 60_000,
    };
    let more = std::iter::repeat_with(patient).take(3);
    let given = children.iter().map(|c| Child { ..*c }).chain(more);
    for (number, child) in given.enumerate() {
        let clock = SlowClock(SetClock {
            now_ms: Arc::clone(&now_ms),
            deadline_ms: now_ms.load(Ordering::Relaxed) + child.lasts_ms,
        });
        let batch = Batch {
            files: &files,
            claims: &files,
            services: &releases,
            clock: &clock,
            owner: &format!("child {number}"),
            limits: Limits {
                chunk_rows: 2,
                ..small_limits()
            },
        };
        let mut scoring = pin!(batch.score_chunk(&run, &chunk));
        let mut context = Context::from_waker(Waker::noop());
        let mut ended = None;
        for _ in 0..child.polls {
            if let Poll::Ready(result) = scoring.as_mut().poll(&mut context) {
                ended = Some(result);
                break;
            }
        }
        match ended {
            Some(Ok((Outcome::Continued(_), _))) => continued += 1,
            Some(Ok((outcome, _))) => {
                let is_done = matches!(outcome, Outcome::Scored(_) | Outcome::Duplicate(_));
                assert!(is_done, "{outcome:?}");
            }
            // Killed, or too short for a single row: the retry of the state machine comes after the lease.
            None | Some(Err(_)) => {
                now_ms.fetch_add(child.lasts_ms + 30_001, Ordering::Relaxed);
            }
        }
    }
    assert_eq!(
        files.continuations(),
        [],
        "the state machine continues, not the queue"
    );
    let outputs = files.inner.places().into_iter();
    let outputs = outputs
        .filter(|place| place.key.starts_with("scored/") && !place.key.ends_with(".report.json"));
    let found = outputs.map(|place| {
        let bytes = files.inner.file(&place).expect("listed");
        (place, bytes)
    });
    (found.collect(), continued)
}

#[tokio::test]
async fn killed_anywhere_and_continued_a_chunk_ends_as_if_nothing_had_happened() {
    let (expected, _) = scored_in(&[]).await;
    assert_eq!(expected.len(), 2);
    let (mut most, mut all) = (0, 0);
    for polls in 1..60 {
        let lasts_ms = 6_000 + 100 * i64::try_from(polls % 10).expect("few");
        let short = || Child {
            polls: 1_000,
            lasts_ms,
        };
        let killed = Child { polls, lasts_ms };
        let (found, continued) = scored_in(&[killed, short(), short()]).await;
        assert!(found == expected, "killed after {polls} calls");
        most = most.max(continued);
        all += continued;
    }
    assert!(
        most >= 2 && all > 30,
        "continued {all} times, {most} at most"
    );
}
