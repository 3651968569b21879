//! What would be begun again and again, each time by a message of its own that no queue puts aside: it ends with a reason.

use super::continued::{Invocation, UNDISTURBED, World};
use super::*;
use serde_json::Value;

const SHORT: Invocation = Invocation {
    lasts_ms: 6_500,
    call_ms: 20,
    ..UNDISTURBED
};

fn world(ending: &str) -> World {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(World::new(ending, 120))
}

/// Delivers until no message is left, and loses what is kept of the file each time; how often that was.
fn lose_all(world: &mut World) -> usize {
    for number in 0..100 {
        let ended = world.deliver(&SHORT, number).expect("nothing is killed");
        match ended.expect("no fault") {
            Outcome::Continued(_) => {}
            Outcome::Quarantined(fault) => {
                assert_eq!(fault.kind, "cannot be continued", "{fault}");
                return number;
            }
            other => panic!("{other:?}"),
        }
        for place in world.files.inner.places() {
            if place.key.starts_with("unfinished/") && !place.key.ends_with(".continue") {
                world.files.inner.remove(&place);
            }
        }
    }
    panic!("it never ends");
}

#[test]
fn a_file_that_is_lost_again_and_again_is_quarantined() {
    let mut world = world("csv");
    world.limits.restarts = 3;
    assert_eq!(lose_all(&mut world), 4);
    let files = &world.files.inner;
    let report = files.file(&place("scored/churn/a b+ü.csv.report.json"));
    let report: Value = serde_json::from_slice(&report.expect("a report")).expect("JSON");
    let detail = "what was left of it was lost 4 times, at most 3";
    assert_eq!(report["fault"]["detail"], detail, "{report}");
}

#[test]
fn answers_that_the_store_cannot_hold_in_one_file_are_told_and_given_up() {
    for ending in ["csv", "jsonl.zst", "parquet"] {
        let mut world = world(ending);
        world.limits.parts = 3;
        let ended = world.deliver(&UNDISTURBED, 0).expect("nothing is killed");
        match ended.expect("no fault") {
            Outcome::Quarantined(fault) => assert_eq!(
                fault.to_string(),
                "output too large: an output has over 3 parts of 300 bytes"
            ),
            other => panic!("{ending}: {other:?}"),
        }
        assert_eq!(world.files.inner.open_uploads(), 0);
    }
}
