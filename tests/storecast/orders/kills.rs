//! A merge that ends between any two calls of a store, and what the next one makes of it.

use super::shop::MadeUp;
use super::*;
use crate::batch::INVOCATION_MS;
use crate::batch::storm::Random;
use std::fmt::Debug;

/// Longer than any lease of the tests.
const LEASE_ENDS_MS: i64 = INVOCATION_MS + 31_000;

/// The call that fails, from 0, and how; none while nothing is armed.
type Armed = Arc<Mutex<Option<(usize, Fault)>>>;

fn plan_of(armed: &Armed) -> Plan {
    let armed = Arc::clone(armed);
    Arc::new(Mutex::new(move || {
        let mut armed = armed.lock().expect("no panic");
        match armed.as_mut() {
            None => Fault::None,
            Some((0, _)) => armed.take().map_or(Fault::None, |(_, fault)| fault),
            Some((calls, _)) => {
                *calls -= 1;
                Fault::None
            }
        }
    }))
}

/// What comes of it within so many calls of a store; `None` when it did not end by then and was killed.
fn within<T>(polls: usize, attempt: impl Future<Output = T>) -> Option<T> {
    let mut attempt = pin!(attempt);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if let Poll::Ready(ended) = attempt.as_mut().poll(&mut context) {
            return Some(ended);
        }
    }
    None
}

/// Ends attempts early at every single call of a store, killed there or with a fault of every kind; how many. `again` repeats what was
/// ended, once the lease is over, and looks at what is there then.
pub(super) async fn at_every_call<T: Debug>(
    begin: impl AsyncFn(&Plan) -> Rig,
    attempt: impl AsyncFn(&Rig) -> Result<T, MergeError>,
    again: impl AsyncFn(&Rig, usize, Option<Fault>),
) -> usize {
    let armed = Armed::default();
    let plan = plan_of(&armed);
    let mut ends = 0;
    for fault in [
        None,
        Some(Fault::Before),
        Some(Fault::After),
        Some(Fault::Partly),
    ] {
        for call in 0.. {
            let rig = begin(&plan).await;
            *armed.lock().expect("no panic") = fault.map(|fault| (call, fault));
            let polls = if fault.is_none() { call + 1 } else { 1_000_000 };
            let ended = within(polls, attempt(&rig));
            let was_done = matches!(ended, Some(Ok(_)));
            let unmet = armed.lock().expect("no panic").take();
            assert!(was_done || unmet.is_none(), "{ended:?}");
            rig.pass(LEASE_ENDS_MS);
            again(&rig, call, fault).await;
            rig.has_one_ledger();
            // A fault that changes nothing is no end of the calls.
            if was_done && (fault.is_none() || unmet.is_some()) {
                break;
            }
            ends += 1;
        }
    }
    ends
}

/// Half of the files were merged; the others have come, and one of the first went away.
async fn half_merged(made_up: &MadeUp, files: &[Delivered], plan: &Plan) -> Rig {
    let rig = Rig::new(&made_up.shop, plan);
    for file in files.iter().step_by(2) {
        rig.put(&file.name, &file.bytes).await;
    }
    let is_outdated = |file: &&Delivered| file.name.starts_with("bestellungen-01");
    let outdated = files.iter().find(is_outdated).expect("a file");
    rig.put("bestellungen-08.csv", &outdated.bytes).await;
    let merged = to_end(rig.merge("first", 0));
    assert!(matches!(merged, Ok(Outcome::Merged(_))), "{merged:?}");
    for file in files.iter().skip(1).step_by(2) {
        rig.put(&file.name, &file.bytes).await;
    }
    rig.remove("bestellungen-08.csv").await;
    rig
}

#[tokio::test]
async fn killed_or_failed_at_any_call_the_next_merge_ends_like_a_clean_load() {
    let made_up = MadeUp::new(12, 3);
    let files = made_up.deliveries(3, &mut Random(5));
    let folder = tempfile::tempdir().expect("a folder");
    let clean = load(&made_up.shop, &made_up.clean(), folder.path());
    let ends = at_every_call(
        async |plan| half_merged(&made_up, &files, plan).await,
        async |rig| rig.merge("second", 1).await,
        async |rig, call, fault| {
            let ended = to_end(rig.merge("third", call % 2));
            let ended = ended.expect("no fault is left");
            let is_end = matches!(ended, Outcome::Merged(_) | Outcome::Unchanged);
            assert!(is_end, "call {call}, {fault:?}: {ended:?}");
            rig.is_like(&clean).await;
        },
    )
    .await;
    println!("{ends} merges ended early");
    assert!(ends > 100, "{ends}");
}
