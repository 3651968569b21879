//! The API's contract: an `OpenAPI` 3.1 document made of what the code itself goes by. Routes and parameters are the
//! predictors' own, schemas come from the types that requests are parsed into and answers are written from, problems from
//! the table of problems; examples are the events and the accepted answers of the tests.

mod examples;
mod operations;
mod problems;
mod schemas;
mod variants;

use crate::for_predictor;
use crate::functions::NAMES;
use operations::{operations, status_operations};
use schemas::Schemas;
use serde_json::{Map, Value, json};
use serving::status::ANSWERED_BY;
use std::path::Path;

/// Version of `OpenAPI`; its schemas are JSON Schema 2020-12.
const OPENAPI: &str = "3.1.0";

const DESCRIPTION: &str = "Predictions for an online shop. Amounts that end in `_minor` are whole minor units of the currency \
    that the answer names. Unknown fields of a request are refused; a client must accept fields of an answer that it does \
    not know. The limit of every id is 256 bytes of UTF-8, however many characters that is.";
const TOKEN: &str = "A token of the issuer and the audience that the stack was made with. Stacks that were made for signatures \
    instead take requests signed by AWS Signature Version 4.";

/// The document. `checkout` is where the examples lie.
///
/// # Errors
/// An example that cannot be read, or two types of one name; the text says which.
pub fn document(checkout: &Path) -> Result<Value, String> {
    let (mut schemas, mut paths) = (Schemas::new(), Map::new());
    let mut all_examples = Vec::new();
    for name in NAMES {
        let examples = examples::read(checkout, name)?;
        let described = for_predictor!(name, operations::<P>(&mut schemas, &examples));
        add(&mut paths, described);
        if name == ANSWERED_BY {
            add(&mut paths, status_operations(&mut schemas, &examples));
        }
        all_examples.extend(examples);
    }
    let responses = problems::responses(&mut schemas, &all_examples);
    Ok(json!({
        "openapi": OPENAPI,
        "info": {
            "title": "Storecast",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [server()],
        "security": [{ "token": [] }],
        "tags": tags(),
        "paths": paths,
        "components": {
            "schemas": schemas.into_components()?,
            "responses": responses,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": TOKEN },
            },
        },
    }))
}

/// The document as its file holds it.
pub fn text(document: &Value) -> String {
    // Without a number that is no number, nothing here can fail to be written.
    let text = serde_json::to_string_pretty(document).unwrap_or_default();
    format!("{text}\n")
}

fn add(paths: &mut Map<String, Value>, described: Vec<(String, String, Value)>) {
    for (path, method, operation) in described {
        let path = paths.entry(path).or_insert_with(|| json!({}));
        path[method] = operation;
    }
}

fn server() -> Value {
    json!({
        "url": "https://{api}.execute-api.{region}.amazonaws.com",
        "description": "The stack's HTTP API; a domain of the shop's own may stand before it.",
        "variables": {
            "api": { "default": "api", "description": "Id of the API, an output of the stack." },
            "region": { "default": "eu-central-1", "description": "Where the stack was made." },
        },
    })
}

fn tags() -> Vec<Value> {
    let tag = |name: &&str| json!({ "name": name });
    NAMES.iter().map(tag).collect()
}
