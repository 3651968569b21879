//! Problems and the gateway's refusals as responses.

use super::examples::{self, Example};
use super::schemas::Schemas;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};
use serving::problem::{CONTENT_TYPE, Calls, GATEWAY_REFUSALS, KINDS, Kind, Problem};
use serving::route::Route;
use std::collections::BTreeMap;

/// What the gateway answers by itself, before or instead of the function.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "written by the gateway; its schema is asked for")]
struct GatewayRefusal {
    /// In words.
    message: String,
}

/// Every response that is not an answer, by the name that [`of`] refers to.
pub(super) fn responses(schemas: &mut Schemas, examples: &[Example]) -> Map<String, Value> {
    let (problem, refusal) = (
        schemas.answer::<Problem>(),
        schemas.answer::<GatewayRefusal>(),
    );
    let mut responses = Map::new();
    for (status, kinds) in by_status(|_| true) {
        let mut media = json!({ "schema": problem });
        let examples = examples::problems(examples, status);
        if !examples.is_empty() {
            media["examples"] = examples.into();
        }
        let mut content = json!({ CONTENT_TYPE: media });
        // What the gateway also answers when the function could not: too slow, too large, failed.
        if kinds.iter().any(|kind| kind.of == Calls::All) && !is_refused_value(&kinds) {
            // Many clients that are made from the document look at one of the two content types only.
            content["application/json"] = json!({ "schema": { "anyOf": [problem, refusal] } });
        }
        let mut response = json!({ "description": titles(&kinds), "content": content });
        if Problem::is_worth_a_retry(status) {
            response["headers"] = json!({ "Retry-After": {
                "description": "Seconds after which the same request may succeed.",
                "schema": { "type": "integer" },
            } });
        }
        responses.insert(name(status), response);
    }
    for (status, text) in GATEWAY_REFUSALS {
        let content =
            json!({ "application/json": { "schema": refusal, "example": { "message": text } } });
        let description = format!("{text}; the gateway's own answer.");
        let response = json!({ "description": description, "content": content });
        responses.insert(name(status), response);
    }
    responses
}

/// The responses of a route beside its answer, by status.
pub(super) fn of<R>(route: &Route<R>) -> Map<String, Value> {
    let is_of_entity = route.path_parameters().next().is_some();
    let ours = by_status(|calls| match calls {
        Calls::All => true,
        Calls::WithBody => route.takes_body(),
        Calls::OfEntity => is_of_entity,
        Calls::Astray => false,
    });
    let gateways = GATEWAY_REFUSALS.iter().map(|(status, _)| *status);
    ours.into_keys()
        .chain(gateways)
        .map(|status| {
            let reference = format!("#/components/responses/{}", name(status));
            (status.to_string(), json!({ "$ref": reference }))
        })
        .collect()
}

fn by_status(may: impl Fn(Calls) -> bool) -> BTreeMap<u16, Vec<&'static Kind>> {
    let mut found: BTreeMap<u16, Vec<&Kind>> = BTreeMap::new();
    for kind in KINDS.into_iter().filter(|kind| may(kind.of)) {
        found.entry(kind.status).or_default().push(kind);
    }
    found
}

/// The gateway reads no values.
fn is_refused_value(kinds: &[&Kind]) -> bool {
    kinds.iter().any(|kind| kind.of == Calls::WithBody)
}

fn titles(kinds: &[&Kind]) -> String {
    let titles: Vec<&str> = kinds.iter().map(|kind| kind.title).collect();
    titles.join(", or ")
}

fn name(status: u16) -> String {
    format!("Refused{status}")
}
