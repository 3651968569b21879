//! Releases, samples of canaries, the log of predictions, and what became of them.

use super::{Target, target};
use crate::batch::*;
use churn::Churn;
use inventory::Inventory;
use offline::evaluate::Bootstrap;
use offline::histories::Histories;
use offline::outcomes::demand::forecasts;
use offline::outcomes::join;
use offline::outcomes::lists::{Window, lists};
use offline::outcomes::truth::{self, Truth};
use offline::predictions::{Days, read};
use offline::treated::Treated;
use recommendations::Recommendations;
use serde_json::json;
use serving::canary::{Sample, Trials};
use serving::ports::Sets;
use serving::prediction_log::LoggedPrediction;
use serving::registry::ModelIndex;
use serving::registry::release::{ModelRelease, PolicyRelease};
use std::hint::black_box;

const NOW_SECONDS: i64 = NOW.0;

/// What is done with a release that was read.
fn use_model(release: &ModelRelease) {
    let served = release.served.clone();
    if let Some(canary) = &release.canary {
        let day = canary.day_of(NOW_SECONDS);
        black_box((canary.sample_of("churn", day), canary.stop_shift()));
        black_box(release.canary_of(&canary.model));
    }
    black_box((release.before(), release.stopped()));
    let next = release.promoted(served.clone(), NOW_SECONDS);
    let next = next.canary_stopped(String::new(), NOW_SECONDS);
    black_box(
        next.without_shadow(NOW_SECONDS)
            .rolled_back(served, NOW_SECONDS),
    );
}

fn releases() -> Target {
    let version = json!({"pointer": {"version": "v1", "manifest_sha256": "ab"}, "created_at": "2017-12-31T00:00:00Z",
        "shop": "s", "currency": "EUR", "metrics": {"auc": 0.8}});
    let past = json!({"target": {"version": "v0", "manifest_sha256": "cd"}, "role": "canary", "since_seconds": 3,
        "until_seconds": 5, "end": "stopped", "reason": "shift"});
    let canary = json!({"model": version, "percent": 10, "salt": "s", "since_seconds": 6, "stop_shift": 0.2});
    let model = json!({"served": version, "since_seconds": 5, "canary": canary,
        "shadow": {"model": version, "since_seconds": 7}, "history": [past]});
    let before = json!({"target": {"sha256": "01"}, "role": "served", "since_seconds": 1, "until_seconds": 2,
        "end": "replaced"});
    let policy = json!({"served": {"sha256": "02"}, "since_seconds": 2, "history": [before]});
    let index = json!({"models": {"churn": ["00ff"]}});
    let seeds = [model, policy, index].map(|record| record.to_string().into_bytes());
    target("releases", seeds.to_vec(), |bytes| {
        if let Ok(release) = serde_json::from_slice::<ModelRelease>(bytes) {
            use_model(&release);
        }
        if let Ok(release) = serde_json::from_slice::<PolicyRelease>(bytes) {
            black_box((release.before(), release.rolled_back(NOW_SECONDS)));
            black_box(release.promoted(release.served.clone(), NOW_SECONDS));
        }
        let _ = black_box(serde_json::from_slice::<ModelIndex>(bytes));
    })
}

/// Sets as they come from the store, whatever numbers they hold.
fn canaries() -> Target {
    let cells = (0..400_u64).map(|mark| mark * 64 + mark % 33).collect();
    let sets = |name: &str| (name.to_owned(), std::collections::BTreeSet::clone(&cells));
    let sets: Sets = ["served", "served_failed", "canary", "canary_failed"]
        .iter()
        .map(|name| sets(name))
        .collect();
    let seed = serde_json::to_vec(&sets).expect("JSON");
    target("canary-sample", vec![seed], |bytes| {
        let Ok(sets) = serde_json::from_slice::<Sets>(bytes) else {
            return;
        };
        let (sample, trials) = (Sample::of_sets(sets), Trials::default());
        black_box((trials.pending(3), sample.to_sets()));
        trials.learn(3, &Sample::default(), sample);
        black_box((trials.judged(0.2), trials.pending(3)));
    })
}

/// Lines of all three functions, by the day of the shop's last orders.
fn logged() -> Vec<Vec<u8>> {
    let line = |function: &str,
                entity: &str,
                as_of: &str,
                asked: serde_json::Value,
                answered: serde_json::Value| {
        let line = json!({"function": function, "entity": entity, "asked": asked, "as_of": as_of,
            "complete_through": "2024-06-01T00:00:00Z", "model_version": "a", "by_canary": false, "fingerprint": "f",
            "policy_version": "p", "rows": "AAAAAA==", "raw": "AAAAAAAA8D8=", "answered": answered});
        line.to_string()
    };
    let part = json!({"probability": 1.0, "days": 7.0, "mean": 2.0, "variance": 2.0});
    let quantiles =
        json!({"p10": 0.0, "p50": 1.0, "p80": 2.0, "p90": 3.0, "p95": 4.0, "p975": 5.0});
    let lines = [
        line(
            "churn",
            "K0001",
            "2024-03-01T00:00:00Z",
            json!({}),
            json!({"churn_probability": 0.5,
            "intervention": "offer", "best": "offer", "control_group": false, "is_budgeted": false}),
        ),
        line(
            "recommendations",
            "K0001",
            "2024-03-01T00:00:00Z",
            json!({"surface": "home", "cart": []}),
            json!({"items": [{"product_id": "p", "propensity": 0.5}]}),
        ),
        line(
            "inventory",
            "A-100",
            "2024-03-01",
            json!({}),
            json!({"forecaster": "model", "interval_days": 7.0,
            "mean": 2.0, "quantiles": quantiles, "parts": [part]}),
        ),
    ];
    let all = lines.join("\n");
    lines
        .into_iter()
        .chain([all])
        .map(String::into_bytes)
        .collect()
}

/// A log that holds the bytes as one file of each function.
async fn read_log(bytes: &[u8]) -> Vec<LoggedPrediction> {
    let (files, mut lines) = (MemoryFiles::default(), Vec::new());
    for function in [Churn::NAME, Inventory::NAME, Recommendations::NAME] {
        let key = format!("predictions/{function}/2024-03-01/r.jsonl");
        let bytes = Bytes::copy_from_slice(bytes);
        let put = files.put_file(&place(&key), bytes).await;
        put.expect("memory");
        let found = read(&files, BUCKET, function, &Days::default()).await;
        lines.extend(found.expect("memory").lines);
    }
    lines
}

/// The lines are asked again and held against a shop's orders.
fn use_lines(lines: &[LoggedPrediction], histories: &Histories) {
    for line in lines {
        let shape = Churn::rows().expect("a shape");
        let columns = Churn::schema().columns.len();
        black_box((
            line.scored(columns),
            line.scored(1),
            line.request(shape, "K"),
        ));
    }
    let bootstrap = Bootstrap {
        resamples: 2,
        ..Bootstrap::default()
    };
    let window = Window { days: 7.0, k: 3 };
    let truth = Truth::of_orders(histories, 28.0, None).expect("a shop");
    black_box(join(lines, &truth, 28.0));
    // Its error is of the shop's files, which are sound.
    lists(lines, histories, None, window, &bootstrap).expect("a shop");
    forecasts(lines, histories, None, &bootstrap).expect("a shop");
}

fn outcomes() -> Target {
    let csv = b"customer_id,as_of,purchased,spend_minor\nK1,2024-03-01,0,\n\"K\n2\",2024-03-01T10:00:00Z,1,250\n";
    let lines = b"{\"customer_id\":\"K1\",\"as_of\":\"2024-03-01\",\"purchased\":1}\n";
    target("outcomes", vec![csv.to_vec(), lines.to_vec()], |bytes| {
        let files = MemoryFiles::default();
        for name in ["a.csv", "b.jsonl"] {
            let key = format!("{}{name}", truth::PREFIX);
            let bytes = Bytes::copy_from_slice(bytes);
            tables::ready(files.put_file(&place(&key), bytes)).expect("memory");
        }
        let told = tables::ready(truth::uploaded(&files, BUCKET, Some("a salt")));
        black_box(told.expect("memory"));
    })
}

fn treated() -> Target {
    let csv = b"customer_id,at\nK1,2024-03-01\nK2,2024-03-01T10:00:00+02:00\n";
    target("treated", vec![csv.to_vec()], |bytes| {
        if let Ok(treated) = Treated::read(bytes, 28.0) {
            black_box(treated.touches("K1", NOW));
        }
    })
}

/// All of them.
pub(super) fn records() -> Vec<Target> {
    let folder = tempfile::tempdir().expect("a folder");
    let made_up = crate::orders::shop::MadeUp::new(2, 3);
    let histories = crate::orders::load(&made_up.shop, &made_up.clean(), folder.path());
    let log = target("prediction-log", logged(), move |bytes| {
        // Read as long as lines are held against them.
        black_box(&folder);
        use_lines(&tables::ready(read_log(bytes)), &histories);
    });
    vec![releases(), canaries(), log, outcomes(), treated()]
}
