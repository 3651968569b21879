//! `storecast status`.

use super::Failure;
use super::connection::block_on;
use super::uploads::{Stores, read_address};
use crate::functions::NAMES;
use crate::orders::{self, ORDERS, OrderFate};
use crate::uploads::Fate;
use aws::uploads::arrivals;
use clap::Args;
use serde::Deserialize;
use serving::batch::Arrival;
use serving::batch::name::Key;
use serving::batch::ports::FilePlace;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Of messages that a queue put aside, it says why each cannot be understood, or what became of the files that it is about:
  aws sqs receive-message --queue-url ... --max-number-of-messages 10 | storecast status --messages -
The table and endpoints come from the environment, as for `load`. Nothing is changed.")]
pub(super) struct Status {
    #[arg(
        value_name = "ADDRESS",
        required_unless_present = "messages",
        help = "The upload: s3://bucket/uploads/<function>/..., or s3://bucket/uploads/orders/..."
    )]
    address: Option<String>,
    /// Messages, as `aws sqs receive-message` prints them; - reads them from standard input
    #[arg(long, value_name = "FILE", conflicts_with = "address")]
    messages: Option<PathBuf>,
}

/// What `aws sqs receive-message` prints; nothing at all of an empty queue.
#[derive(Deserialize, Default)]
struct Received {
    #[serde(rename = "Messages", default)]
    messages: Vec<Letter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Letter {
    message_id: String,
    body: String,
}

impl Status {
    #[expect(
        clippy::print_stdout,
        reason = "the answer of a command for people and pipes"
    )]
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let (lines, is_failure) = match (&self.messages, &self.address) {
            (Some(messages), _) => (of_messages(&read(messages)?)?, false),
            (None, Some(address)) => of_address(address)?,
            (None, None) => return Err("an address, or --messages".into()),
        };
        for line in lines {
            println!("{line}");
        }
        Ok(if is_failure {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

fn of_address(address: &str) -> Result<(Vec<String>, bool), Failure> {
    let (function, place) = read_address(address)?;
    let (told, is_failure) =
        block_on(async { told(&Stores::open().await?, function, &place).await })?;
    Ok((vec![format!("{}: {told}", place.key)], is_failure))
}

/// What became of an upload or of an order file, and whether that is a failure.
async fn told(
    stores: &Stores,
    function: Option<&'static str>,
    place: &FilePlace,
) -> Result<(String, bool), Failure> {
    let Some(function) = function else {
        let fate = orders::fate(&stores.files, place).await?;
        return Ok((fate.to_string(), fate == OrderFate::Gone));
    };
    let fate = stores.fate(function, place).await?;
    let is_failure = matches!(fate, Fate::Gone | Fate::Broken(_));
    Ok((fate.to_string(), is_failure))
}

/// A line for each file of each message, or why a message is about none. They are read as the functions read them.
fn of_messages(text: &str) -> Result<Vec<String>, Failure> {
    let received = match text.trim() {
        "" => Received::default(),
        text => serde_json::from_str(text).map_err(|error| format!("read messages: {error}"))?,
    };
    block_on(async {
        let stores = Stores::open().await?;
        let mut lines = Vec::new();
        for letter in received.messages {
            let told = of_letter(&stores, &letter).await?.into_iter();
            lines.extend(told.map(|line| format!("{}: {line}", letter.message_id)));
        }
        Ok(lines)
    })
}

async fn of_letter(stores: &Stores, letter: &Letter) -> Result<Vec<String>, Failure> {
    let about = match arrivals(&letter.body) {
        Err(reason) => return Ok(vec![format!("not understood: {reason}")]),
        Ok(about) if about.is_empty() => return Ok(vec!["about no new file".to_owned()]),
        Ok(about) => about,
    };
    let mut lines = Vec::new();
    for arrival in about {
        lines.push(match upload_of(&arrival) {
            None => format!("{}: not where files of a function lie", arrival.key),
            Some((function, place)) => {
                let (told, _) = told(stores, function, &place).await?;
                format!("{}: {told}", place.key)
            }
        });
    }
    Ok(lines)
}

/// The upload that a notification is about, itself or by its marker, and the function that scores it; none for an order file.
fn upload_of(arrival: &Arrival) -> Option<(Option<&'static str>, FilePlace)> {
    let place = |key| FilePlace {
        bucket: arrival.bucket.clone(),
        key,
    };
    let key = &arrival.key;
    for name in NAMES {
        match Key::read(key, name) {
            Key::Upload(_) | Key::Unreadable(..) => return Some((Some(name), place(key.clone()))),
            Key::Unfinished(upload) => return Some((Some(name), place(upload))),
            Key::Folder | Key::Output | Key::Foreign => {}
        }
    }
    key.starts_with(ORDERS).then(|| (None, place(key.clone())))
}

fn read(messages: &Path) -> Result<String, Failure> {
    if messages != Path::new("-") {
        let text = std::fs::read_to_string(messages);
        return Ok(text.map_err(|error| format!("read {}: {error}", messages.display()))?);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_about_an_upload_by_its_key_or_by_its_marker() {
        let about = |key: &str| {
            let arrival = Arrival {
                bucket: "b".to_owned(),
                key: key.to_owned(),
                ..Arrival::default()
            };
            upload_of(&arrival).map(|(function, place)| (function, place.key))
        };
        let upload = || "uploads/churn/june/all.csv".to_owned();
        assert_eq!(about(&upload()), Some((Some("churn"), upload())));
        let marker = "unfinished/churn/june/all.csv.continue";
        assert_eq!(about(marker), Some((Some("churn"), upload())));
        let order = "uploads/orders/a.csv".to_owned();
        assert_eq!(about(&order), Some((None, order)));
        for foreign in [
            "uploads/shoes/a.csv",
            "uploads/churn/whole/a.csv",
            "scored/churn/a.csv",
        ] {
            assert_eq!(about(foreign), None, "{foreign}");
        }
    }
}
