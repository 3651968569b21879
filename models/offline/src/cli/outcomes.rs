//! `storecast outcomes`.

mod from_orders;

use super::Failure;
use super::prediction_log::{PredictionLog, salt};
use super::shop_data::ShopData;
use crate::evaluate::{Bootstrap, MetricLine};
use crate::outcomes::truth::Truth;
use crate::outcomes::{OfferOutcome, by_version, join, offers, treated, with_measured};
use crate::replay::Names;
use crate::treated::written;
use churn::Churn;
use churn::policy::ChurnPolicy;
use clap::Args;
use features::history::CustomerHistory;
use inventory::Inventory;
use recommendations::Recommendations;
use serde_json::{Value, json};
use serving::predictor::Predictor;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
For churn, outcomes are files below outcomes/churn/ of the bucket (customer_id, as_of, purchased as 0 or 1, perhaps spend_minor) or, with
--from-orders, the shop's own orders, by the label that the model learns. Of a customer, predictions count whose windows do not
overlap. An offer's uplift is measured against the customers of the control group it would have been chosen for; decisions
that a budget took part in are left out of that.
For recommendations and inventory the shop's own orders are the outcomes. A list is held against what its customer bought within
--window-days, a forecast against what was sold in the interval that an order had to last for, days out of stock masked.
Both count once all of it is known, and once where windows overlap. STORECAST_PREDICTION_LOG_SALT tells which hash is of whom; endpoints come
from the environment, as for `load`.")]
pub(super) struct Outcomes {
    /// The function
    #[arg(value_parser = [Churn::NAME, Recommendations::NAME, Inventory::NAME])]
    function: String,
    #[command(flatten)]
    data: ShopData,
    #[command(flatten)]
    log: PredictionLog,
    /// Take what became of customers from the shop's orders (churn; the others always do)
    #[arg(long)]
    from_orders: bool,
    /// Days after a list within which a purchase counts (recommendations); `training.horizon_days` of the shop when left out
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    window_days: Option<u16>,
    /// Items at the front of a list that count (recommendations); 10 when left out
    #[arg(long, value_name = "ITEMS", value_parser = clap::value_parser!(u16).range(1..))]
    k: Option<u16>,
    /// The policy whose offers are measured
    #[arg(long, value_name = "FILE", default_value = "models/churn/policy.json")]
    policy: PathBuf,
    /// Write the policy with what was measured in the place of what was assumed
    #[arg(long, value_name = "FILE")]
    write_policy: Option<PathBuf>,
    /// Write who got an offer and when, for `training.treated` of the shop file
    #[arg(long, value_name = "FILE")]
    write_treated: Option<PathBuf>,
    /// Write everything as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Outcomes {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        self.check_options()?;
        match self.function.as_str() {
            Recommendations::NAME => self.of_lists(),
            Inventory::NAME => self.of_forecasts(),
            _ => self.of_churn(),
        }
    }

    /// Whether every option that is given has a meaning for the function.
    fn check_options(&self) -> Result<(), Failure> {
        let given = [
            ("--write-policy", Churn::NAME, self.write_policy.is_some()),
            ("--write-treated", Churn::NAME, self.write_treated.is_some()),
            (
                "--window-days",
                Recommendations::NAME,
                self.window_days.is_some(),
            ),
            ("--k", Recommendations::NAME, self.k.is_some()),
        ];
        let mut given = given.into_iter().filter(|(_, _, is_given)| *is_given);
        match given.find(|(_, function, _)| self.function != *function) {
            Some((option, function, _)) => Err(format!("{option} is for {function} only").into()),
            None => Ok(()),
        }
    }

    #[expect(
        clippy::print_stdout,
        reason = "the answer of a command for people and pipes"
    )]
    fn of_churn(&self) -> Result<ExitCode, Failure> {
        let policy: Value = serde_json::from_slice(&std::fs::read(&self.policy)?)?;
        let parsed: ChurnPolicy = serde_json::from_value(policy.clone())?;
        let lines = self.log.read(&self.function)?.lines;
        let (shop, histories) = self.data.load()?;
        let (salt, horizon_days) = (salt(), f64::from(shop.training.horizon_days));
        let truth = if self.from_orders {
            Truth::of_orders(&histories, horizon_days, salt.as_deref())?
        } else {
            let uploaded = self.log.outcomes(salt.as_deref())?;
            for reason in &uploaded.rejected {
                eprintln!("left out: {reason}");
            }
            Truth::Told(uploaded.told)
        };
        if let Some(path) = &self.write_treated {
            let names = Names::of::<CustomerHistory>(&histories, salt.as_deref())?;
            let got = treated(&lines, &names);
            std::fs::write(path, written(&got))?;
        }
        let found = join(&lines, &truth, horizon_days);
        println!(
            "{} predictions: {} with an outcome, {} about a window that counts already, {} still open, {} broken",
            lines.len(),
            found.joined.len(),
            found.repeated,
            found.open,
            found.broken
        );
        let versions = by_version(&found.joined, &Bootstrap::default())?;
        for (version, outcome) in &versions {
            println!(
                "\n{version}: {} predictions, {} left",
                outcome.predictions, outcome.left
            );
            for line in &outcome.metrics {
                println!("  {}", metric(line));
            }
        }
        let offers = offers(&found.joined, &parsed);
        println!();
        for offer in &offers {
            println!("{}", described(offer));
        }
        if let Some(path) = &self.report {
            let offers: Vec<Value> = offers.iter().map(OfferOutcome::report).collect();
            let counts = json!({ "joined": found.joined.len(), "repeated": found.repeated, "open": found.open, "broken": found.broken });
            let report = json!({ "predictions": counts, "versions": versions, "offers": offers });
            std::fs::write(path, serde_json::to_string_pretty(&report)? + "\n")?;
        }
        self.policy_of(&policy, &offers)
    }

    /// Writes what was measured, checked as the function would check it.
    fn policy_of(&self, policy: &Value, offers: &[OfferOutcome]) -> Result<ExitCode, Failure> {
        let Some(path) = &self.write_policy else {
            return Ok(ExitCode::SUCCESS);
        };
        let changed = with_measured(policy, offers);
        let changed = changed.ok_or("no offer could be measured, so no policy is written")?;
        let parsed: ChurnPolicy = serde_json::from_value(changed.clone())?;
        parsed.check(&parsed.currency)?;
        std::fs::write(path, serde_json::to_string_pretty(&changed)? + "\n")?;
        eprintln!(
            "{}: put it in force with `storecast policy churn`",
            path.display()
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn metric(line: &MetricLine) -> String {
    let value = line
        .value
        .map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let interval = line.interval;
    let interval = interval.map_or_else(String::new, |[low, high]| {
        format!("  {low:.4} to {high:.4}")
    });
    format!("{:<18} {value:>8}{interval}", line.metric)
}

fn described(outcome: &OfferOutcome) -> String {
    let OfferOutcome {
        offer,
        treated,
        control,
        measured,
        ..
    } = outcome;
    match measured {
        Ok(measured) => {
            let [low, high] = measured.difference_interval.map(|end| 100.0 * end);
            let [least, most] = measured.uplift_interval.map(|end| 100.0 * end);
            format!(
                "{offer}: {:.1} % of {} stayed with it, {:.1} % of {} without: {:+.1} points ({low:+.1} to {high:+.1}); of leavers \
                 {:.1} % stay because of it ({least:.1} to {most:.1} %)",
                100.0 * treated.retention(),
                treated.people,
                100.0 * control.retention(),
                control.people,
                100.0 * measured.difference,
                100.0 * measured.uplift
            )
        }
        Err(reason) => format!("{offer}: stays assumed, {reason}"),
    }
}
