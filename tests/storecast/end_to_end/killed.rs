//! The real program, killed by the system in the middle of a file, again and again.

use super::lambda::PATIENCE;
use super::uploads::{notification, place, text};
use super::*;
use crate::batch::storm::Random;
use aws::claims::DynamoClaims;
use aws::clients::Clients;
use aws::uploaded_files::UploadedFiles;
use bytes::Bytes;
use serving::batch::claim::{State, claim_key};
use serving::batch::{ClaimStore, FileStore};
use std::time::Duration;

/// Rows of the file: more than an invocation of this length answers, which keeps five seconds for leaving a file.
const ROWS: usize = 80_000;
const LASTS: Duration = Duration::from_secs(7);
/// Processes that are killed.
const KILLS: usize = 16;
const KEY: &str = "uploads/churn/killed.csv";
const MARKER: &str = "unfinished/churn/killed.csv.continue";

fn file() -> String {
    let row = |row: usize| match row % 100 {
        7 => format!("{STEADY},soon\n"),
        odd if odd % 2 == 1 => format!("{FADING},\n"),
        _ => format!("{STEADY},2017-{:02}-01T00:00:00Z\n", 3 + row % 9),
    };
    let rows = (0..ROWS).map(row);
    std::iter::once("customer_id,as_of\n".to_owned())
        .chain(rows)
        .collect()
}

/// What waiting for it to end does, which takes half a minute and more each time.
pub(super) async fn end_lease(claims: &DynamoClaims, key: &str) {
    let key = claim_key(Churn::NAME, &place(key));
    let Some(claim) = claims.get_claim(&key).await.expect("DynamoDB") else {
        return;
    };
    let mut ended = claim.clone();
    if let State::InProgress { lease_until_ms, .. } = &mut ended.state {
        *lease_until_ms = 1;
        claims
            .swap_claim(&key, Some(&claim), &ended)
            .await
            .expect("DynamoDB");
    }
}

/// One of the two events that may come, the marker's once there is one.
async fn event(files: &UploadedFiles, wants_marker: bool) -> String {
    let marker = files.head_file(&place(MARKER), None).await.expect("S3");
    let key = if wants_marker && marker.is_some() {
        MARKER
    } else {
        KEY
    };
    notification(key).to_string()
}

#[tokio::test]
async fn killed_many_times_it_ends_in_the_file_of_one_run() {
    let stack = Stack::start().await;
    let files = stack.put_uploads().await;
    let clients = Clients::at(&stack.s3.url(), &stack.dynamo.url()).await;
    let claims = DynamoClaims::new(clients.dynamo, stack::TABLE);
    for key in ["uploads/churn/whole.csv", KEY] {
        files
            .put_file(&place(key), Bytes::from(file()))
            .await
            .expect("S3");
    }
    let mut settings = stack.settings();
    settings.retain(|(name, _)| *name != "STORECAST_LOG_LEVEL");
    let mut undisturbed = Lambda::start().await;
    let process = Process::start(Churn::NAME, &undisturbed, &settings);
    let whole = undisturbed
        .invoke(&notification("uploads/churn/whole.csv").to_string())
        .await;
    let Reply::Response(whole) = whole else {
        panic!("{whole:?}")
    };
    assert_eq!(whole["outcomes"][0]["outcome"]["counts"]["rows"], ROWS);
    drop(process);

    let mut lambda = Lambda::lasting(Some(LASTS)).await;
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut below = |limit: usize| random.below(limit);
    let (mut killed, mut continued) = (0, 0);
    while killed < KILLS {
        let process = Process::start(Churn::NAME, &lambda, &settings);
        let id = lambda.send(&event(&files, below(2) == 0).await);
        // On a fast machine most invocations would leave the file in time, and it would be done before many were killed.
        let longest = if continued > killed / 4 { 400 } else { 1_500 };
        let moment = Duration::from_millis(30 + below(longest) as u64);
        let reply = lambda.reply_within(&id, moment).await;
        // SIGKILL, whatever it does at this moment.
        drop(process);
        match reply {
            None => killed += 1,
            Some(Reply::Response(answer)) => {
                let kind = answer["outcomes"][0]["outcome"]["kind"].clone();
                continued += usize::from(kind == "continued");
                if kind == "duplicate" || kind == "scored" {
                    break;
                }
            }
            // It is held by a process of which nobody has waited for the end of the lease.
            Some(Reply::Error(error)) => {
                assert_eq!(error["errorType"], "urn:storecast:problem:unavailable");
            }
        }
        end_lease(&claims, KEY).await;
    }
    let process = Process::start(Churn::NAME, &lambda, &settings);
    for _ in 0..60 {
        let id = lambda.send(&event(&files, true).await);
        let reply = lambda
            .reply_within(&id, PATIENCE)
            .await
            .expect("an answer in time");
        let Reply::Response(answer) = reply else {
            // What a killed process had sent may arrive after it; or the machine was too busy for a single chunk.
            end_lease(&claims, KEY).await;
            continue;
        };
        let kind = answer["outcomes"][0]["outcome"]["kind"]
            .as_str()
            .expect("a kind")
            .to_owned();
        continued += usize::from(kind == "continued");
        if kind == "scored" || kind == "duplicate" {
            break;
        }
    }
    drop(process);
    println!("{killed} kills, {continued} times continued");
    assert!(killed >= 8, "{killed} kills only");
    assert!(continued > 0, "{killed} kills, never continued");
    for ending in ["", ".rejects.csv"] {
        let [found, expected] =
            ["killed", "whole"].map(|name| format!("scored/churn/{name}.csv{ending}"));
        let (found, expected) = (text(&files, &found).await, text(&files, &expected).await);
        assert!(
            found == expected,
            "{ending}: {} bytes, expected {}",
            found.len(),
            expected.len()
        );
    }
    let fate = offline::uploads::fate(&files, &claims, Churn::NAME, &place(KEY), i64::MAX).await;
    assert!(fate.expect("both stores").is_settled());
}
