//! `storecast forget`.

use super::Failure;
use super::connection::block_on;
use super::merge::{BUSY, ShopBucket};
use crate::orders::Looked;
use aws::config;
use clap::Args;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Sets a tombstone, takes the customer's rows out of the shop's files, of uploads to score, of answers, rejects and reports, and
of older versions of them where the bucket keeps any, merges what is left, and looks again. Ends with 1 when anything is
found then: repeat it. A file that cannot be cut into rows goes as a whole where the id stands in it. Outcomes and kept
predictions go too; hashes among these need STORECAST_PREDICTION_LOG_SALT, once with each salt that there was; last predictions
are looked up in STORECAST_PREDICTIONS_TABLE, where the functions have one. The table and endpoints come from the environment, as for `load`. Not looked at: other copies of the files, backups of the table, logs (they hold no
ids), and what models learned.")]
pub(super) struct Forget {
    /// The customer's id, as order files have it
    #[arg(value_name = "CUSTOMER")]
    customer_id: String,
    #[command(flatten)]
    shop: ShopBucket,
}

impl Forget {
    #[expect(
        clippy::print_stdout,
        reason = "the answer of a command for people and pipes"
    )]
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let customer_id = self.customer_id.trim();
        if customer_id.is_empty() {
            return Err("the id of the customer is empty".into());
        }
        let bucket = &self.shop.bucket;
        if let Some(other) = config::prediction_log_bucket().filter(|log| log != bucket) {
            return Err(format!(
                "predictions are kept in the bucket {other}, and only {bucket} would be looked at"
            )
            .into());
        }
        let proof = block_on(async {
            let connected = self.shop.connect().await?;
            // Of hashes that were ever written, whatever is written now.
            let salt = config::prediction_log_salt();
            let last = connected.last.as_ref();
            if last.is_none() {
                println!(
                    "not looked for: last predictions, STORECAST_PREDICTIONS_TABLE is not set"
                );
            }
            let merge = connected.merge();
            Ok(merge.forget(customer_id, salt.as_deref(), last).await?)
        })?;
        print!("found and removed:\n{}", listed(&proof.first));
        let Some(again) = &proof.again else {
            return Err(BUSY.into());
        };
        print!("found afterwards:\n{}", listed(again));
        if proof.holds() {
            println!(
                "the customer is forgotten; no later load or merge into this table brings the orders back"
            );
            return Ok(ExitCode::SUCCESS);
        }
        println!("NOT forgotten: see above, and repeat it");
        Ok(ExitCode::FAILURE)
    }
}

fn listed(looked: &[Looked]) -> String {
    let lines = looked
        .iter()
        .map(|looked| format!("  {}\n", described(looked)));
    lines.collect()
}

fn described(looked: &Looked) -> String {
    let Looked {
        place,
        contents,
        rows,
        whole,
        unclear,
    } = looked;
    let mut text = format!("{place}: {contents} looked at, {rows} rows, {whole} as a whole");
    for reason in unclear {
        text.push_str("; ");
        text.push_str(reason);
    }
    text
}
