//! Examples: the gateway's events under `events/`, and the answers to them that the tests accept.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use serving::route::Route;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the tests keep the accepted answers.
const ANSWERS: &str = "tests/storecast/snapshots";
/// Between the head of an accepted answer and the answer.
const HEAD_END: &str = "\n---\n";
const OK: u16 = 200;

/// A call over HTTP with its answer.
pub(super) struct Example {
    /// Of the event's file.
    name: String,
    method: String,
    path: String,
    /// JSON, where the call brought some.
    body: Option<Value>,
    answer: Answer,
}

#[derive(Deserialize)]
struct Answer {
    status: u16,
    body: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: String,
    request_context: Context,
    body: Option<String>,
}

#[derive(Deserialize)]
struct Context {
    http: Http,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

impl Example {
    /// Whether a route answers it.
    pub(super) fn is_of<R>(&self, route: &Route<R>) -> bool {
        let (wanted, given) = (route.path.split('/'), self.path.split('/'));
        let fits = |(wanted, given): (&str, &str)| wanted.starts_with('{') || wanted == given;
        route.method == self.method
            && wanted.clone().count() == given.clone().count()
            && wanted.zip(given).all(fits)
    }

    fn is_answered(&self) -> bool {
        self.answer.status == OK
    }
}

/// The calls over HTTP among the events of a function, by name.
pub(super) fn read(checkout: &Path, function: &str) -> Result<Vec<Example>, String> {
    let folder = checkout.join("events").join(function);
    let entries = fs::read_dir(&folder).map_err(|error| at(&folder, error))?;
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(|error| at(&folder, error))?;
    files.sort();
    let mut examples = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| at(&file, error))?;
        // Other triggers' events are no calls over HTTP.
        if let Ok(event) = serde_json::from_str(&text) {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            examples.push(example(event, &name, checkout, function)?);
        }
    }
    Ok(examples)
}

fn example(event: Event, name: &str, checkout: &Path, function: &str) -> Result<Example, String> {
    let file = checkout
        .join(ANSWERS)
        .join(format!("{function}-{name}.snap"));
    let text = fs::read_to_string(&file).map_err(|error| at(&file, error))?;
    let (_, answer) = text
        .split_once(HEAD_END)
        .ok_or_else(|| at(&file, "has no head"))?;
    let body = event.body.as_deref();
    Ok(Example {
        name: name.to_owned(),
        method: event.request_context.http.method,
        path: event.raw_path,
        body: body.and_then(|body| serde_json::from_str(body).ok()),
        answer: serde_json::from_str(answer).map_err(|error| at(&file, error))?,
    })
}

fn at(path: &Path, problem: impl std::fmt::Display) -> String {
    format!("{}: {problem}", path.display())
}

/// The accepted bodies of a route.
pub(super) fn requests(own: &[&Example]) -> Map<String, Value> {
    let accepted = own.iter().filter(|example| example.is_answered());
    accepted
        .filter_map(|example| {
            Some((
                example.name.clone(),
                json!({ "value": example.body.as_ref()? }),
            ))
        })
        .collect()
}

/// One answer of a route: the shortest, because an answer is long and one shows its shape.
pub(super) fn answer(own: &[&Example]) -> Map<String, Value> {
    let answered = own.iter().filter(|example| example.is_answered());
    let shortest = answered.min_by_key(|example| example.answer.body.to_string().len());
    shortest.into_iter().map(|example| shown(example)).collect()
}

/// One problem of a status.
pub(super) fn problems(examples: &[Example], status: u16) -> Map<String, Value> {
    let mut refused = examples.iter().filter(|e| e.answer.status == status);
    refused.next().into_iter().map(shown).collect()
}

fn shown(example: &Example) -> (String, Value) {
    (
        example.name.clone(),
        json!({ "value": example.answer.body }),
    )
}
