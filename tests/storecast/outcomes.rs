//! Predictions held against what happened: metrics, measured offers, and rows that offers touched.

mod from_orders;

use crate::batch::storm::Random;
use crate::replays::{SHOP, Sold, histories, year};
use crate::shop::policy_file_of;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use churn::Churn;
use churn::kept::Told;
use churn::policy::{ChurnPolicy, DO_NOTHING};
use features::history::CustomerHistory;
use features::time::Timestamp;
use inventory::Inventory;
use offline::evaluate::Bootstrap;
use offline::matrix::{self, Written};
use offline::outcomes::truth::Truth;
use offline::outcomes::{by_version, join, offers, treated, with_measured};
use offline::replay::Names;
use offline::shop::Shop;
use offline::treated::Treated;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::{Map, Value};
use serving::prediction_log::LoggedPrediction;
use serving::predictor::Predictor;
use serving::wire::format_instant;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const OFFER: &str = "voucher_5";
const AS_OF: &str = "2026-03-01T00:00:00Z";
const HORIZON_DAYS: f64 = 28.0;

fn policy() -> (Value, ChurnPolicy) {
    let text = policy_file_of::<Churn>();
    let value = serde_json::from_slice(&text).expect("JSON");
    (value, serde_json::from_slice(&text).expect("the policy"))
}

/// A line about a customer who leaves with a probability.
fn line(policy: &ChurnPolicy, id: &str, as_of: &str, p: f64) -> LoggedPrediction {
    let columns = Churn::schema().columns.len();
    let control_group = policy.in_control_group(id);
    let told = Told {
        churn_probability: p,
        intervention: if control_group { DO_NOTHING } else { OFFER }.to_owned(),
        best: OFFER.to_owned(),
        control_group,
        is_budgeted: false,
    };
    LoggedPrediction {
        function: Churn::NAME.to_owned(),
        entity: id.to_owned(),
        asked: Map::new(),
        as_of: as_of.to_owned(),
        complete_through: None,
        model_version: if id.len().is_multiple_of(2) { "a" } else { "b" }.to_owned(),
        by_canary: false,
        fingerprint: Churn::schema().fingerprint,
        policy_version: policy.version.clone(),
        rows: BASE64_STANDARD.encode(vec![0; 4 * columns]),
        raw: BASE64_STANDARD.encode((p / (1.0 - p)).ln().to_le_bytes()),
        answered: serde_json::to_value(told).expect("JSON"),
    }
}

/// A share of 1.
fn share(random: &mut Random) -> f64 {
    random.below(1_000_000) as f64 / 1e6
}

/// A shop whose customers leave as they are predicted to, but for those whom the offer keeps.
fn simulated(people: usize, uplift: f64) -> (Vec<LoggedPrediction>, Truth) {
    let (_, policy) = policy();
    let mut random = Random(11);
    let mut told = BTreeMap::new();
    let ids = (0..people).map(|id| id.to_string());
    let lines = ids.map(|id| {
        let p = 0.1 + 0.8 * share(&mut random);
        let line = line(&policy, &id, AS_OF, p);
        let is_kept = !policy.in_control_group(&id) && share(&mut random) < uplift;
        let leaves = share(&mut random) < p && !is_kept;
        told.insert((id, AS_OF[..10].to_owned()), !leaves);
        line
    });
    (lines.collect(), Truth::Told(told))
}

#[test]
fn a_known_uplift_is_measured_and_replaces_what_was_assumed() {
    let (value, parsed) = policy();
    let (lines, truth) = simulated(8_000, 0.3);
    let found = join(&lines, &truth, HORIZON_DAYS);
    assert_eq!(
        (found.joined.len(), found.open, found.broken),
        (8_000, 0, 0)
    );
    let measured = offers(&found.joined, &parsed);
    let of_offer = measured.iter().find(|one| one.offer == OFFER);
    let numbers = of_offer
        .and_then(|one| one.measured.ok())
        .expect("measured");
    let [low, high] = numbers.uplift_interval;
    assert!(low < 0.3 && 0.3 < high && high - low < 0.3, "{numbers:?}");
    let changed = with_measured(&value, &measured).expect("a policy");
    let checked: ChurnPolicy = serde_json::from_value(changed).expect("a policy");
    checked.check("USD").expect("one that makes sense");
    assert_eq!(checked.version, "grocery-2026-11, measured 2026-03-01");
    for offer in &checked.offers {
        if offer.id == OFFER {
            assert!(
                (offer.uplift.mean() - 0.3).abs() < 0.1,
                "{:?}",
                offer.uplift
            );
            let source = &offer.uplift.source;
            assert!(
                source.starts_with("measured 2026-03-01..2026-03-01, 7"),
                "{source}"
            );
        } else {
            assert_eq!(offer.uplift.source, "assumed");
        }
    }
    let versions = by_version(&found.joined, &Bootstrap::default()).expect("metrics");
    assert_eq!(versions.len(), 2);
    let auc = versions["a"].metrics[0].value.expect("an AUC");
    assert!((0.6..0.9).contains(&auc), "{auc}");
}

#[test]
fn without_a_control_group_nothing_is_measured_and_it_is_said_why() {
    let (value, parsed) = policy();
    let (mut lines, truth) = simulated(2_000, 0.3);
    lines.retain(|line| !parsed.in_control_group(&line.entity));
    let measured = offers(&join(&lines, &truth, HORIZON_DAYS).joined, &parsed);
    let reasons: Vec<_> = measured
        .iter()
        .map(|one| one.measured.unwrap_err())
        .collect();
    assert!(
        reasons[1].to_string().contains("control_group.share"),
        "{reasons:?}"
    );
    assert_eq!(with_measured(&value, &measured), None);
}

#[test]
fn windows_that_overlap_count_once_and_open_ones_wait() {
    let (_, policy) = policy();
    let shop = histories(&year());
    let truth = Truth::of_orders(&shop, HORIZON_DAYS, None).expect("histories");
    let days = [
        "2025-08-01",
        "2025-08-01",
        "2025-08-15",
        "2025-08-29",
        "2025-12-20",
    ];
    let lines = days.map(|day| line(&policy, "K1", &format!("{day}T00:00:00Z"), 0.2));
    let found = join(&lines, &truth, HORIZON_DAYS);
    let counted: Vec<_> = found.joined.iter().map(|one| &one.as_of[..10]).collect();
    assert_eq!(counted, ["2025-08-01", "2025-08-29"]);
    assert_eq!((found.repeated, found.open), (2, 1));
    let of_offers = offers(&found.joined, &policy);
    let people = of_offers
        .iter()
        .map(|one| one.treated.people + one.control.people);
    assert_eq!(people.sum::<u64>(), 1, "in the first window alone");
    assert!(
        found.joined.iter().all(|one| !one.left),
        "K1 comes every three days"
    );
    let names = Names::of::<CustomerHistory>(&shop, None).expect("histories");
    let got = treated(&lines, &names);
    assert_eq!(got.len(), 4, "each instant once");
}

/// The matrix of the till; offers are those of `treated.csv`, where there are any.
fn features(treated: Option<&str>, spoiled: bool, folder: &Path) -> Written {
    // As many as a fit of rhythms needs.
    let mut sold = Vec::new();
    for more in 0..3 {
        let lines = year().into_iter();
        sold.extend(lines.map(|line| Sold {
            customer: line.customer + 12 * more,
            ..line
        }));
    }
    if spoiled {
        // What the offer did: K4, who comes every six days, is not seen again in the window.
        sold.retain(|line| line.customer != 4 || !(300..340).contains(&line.day));
    }
    let mut text = SHOP.to_owned();
    if let Some(rows) = treated {
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(folder.join("treated.csv"), rows).expect("a file");
        text += "[training]\ntreated = \"treated.csv\"\n";
    }
    let shop = Shop::parse(&text, &folder.join("shop.toml")).expect("a shop");
    matrix::write::<Churn>(&shop, &histories(&sold), folder, &|| ()).expect("a matrix")
}

#[test]
fn rows_that_an_offer_touched_teach_nothing() {
    let at = format_instant(Timestamp(1_735_689_600).plus_days(310.0));
    let somebody = format!("customer_id,at\nK4,{at}\n");
    let somebody = Some(somebody.as_str());
    let folder = tempfile::tempdir().expect("a folder");
    let [all, without, flipped] =
        ["all", "without", "flipped"].map(|name| folder.path().join(name));
    let every = features(None, false, &all);
    let less = features(somebody, false, &without);
    assert!(
        less.touched > 0 && less.touched < every.rows / 10,
        "{less:?}"
    );
    assert_eq!((every.touched, every.rows), (0, less.rows + less.touched));
    features(somebody, true, &flipped);
    let [all, without, flipped] = [&all, &without, &flipped].map(|folder| rows_of(folder));
    let missing: Vec<_> = all.difference(&without).collect();
    assert_eq!(missing.len(), less.touched);
    assert!(
        missing.iter().all(|row| row.starts_with("K4 ")),
        "{missing:?}"
    );
    assert!(without.is_subset(&all), "nothing else is another");
    let others = |rows: BTreeSet<String>| {
        let others = rows.into_iter().filter(|row| !row.starts_with("K4 "));
        others.collect::<Vec<_>>()
    };
    assert_eq!(
        others(all),
        others(flipped),
        "rows of others are as they were"
    );
}

#[test]
fn offers_that_cannot_be_read_stop_the_training_of_churn_alone() {
    let text = format!("{SHOP}[training]\ntreated = \"gone.csv\"\n");
    let shop = Shop::parse(&text, Path::new("shop.toml")).expect("a shop");
    let error = Treated::of::<Churn>(&shop).expect_err("there is no file");
    assert!(error.starts_with("training.treated, gone.csv: "), "{error}");
    assert!(Treated::of::<Inventory>(&shop).is_ok());
}

/// Who and when, and every value of each row.
fn rows_of(folder: &Path) -> BTreeSet<String> {
    let file = std::fs::File::open(folder.join("matrix.parquet")).expect("a matrix");
    let reader = SerializedFileReader::new(file).expect("Parquet");
    let rows = reader.get_row_iter(None).expect("rows");
    let shown = rows.map(|row| {
        let row = row.expect("a row");
        let text = |at: usize| row.get_string(at).expect("text").clone();
        format!("{} {} {row}", text(0), text(1))
    });
    shown.collect()
}
