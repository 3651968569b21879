//! Routes as operations.

use super::examples::{self, Example};
use super::problems;
use super::schemas::Schemas;
use serde_json::{Map, Value, json};
use serving::predictor::Predictor;
use serving::route::{ParameterKind, QueryParameter, Route};
use serving::status::{ANSWERED_BY, Asked, Health, Models, ROUTES};
use serving::wire::ID_LIMIT_BYTES;

/// Path, method and operation of every route of a predictor.
pub(super) fn operations<P: Predictor>(
    schemas: &mut Schemas,
    examples: &[Example],
) -> Vec<(String, String, Value)> {
    let answer = schemas.answer::<P::Response>();
    let mut described = Vec::new();
    for route in P::routes() {
        let own: Vec<&Example> = examples.iter().filter(|e| e.is_of(route)).collect();
        let mut operation = operation(route, P::NAME, &answer, &own);
        if route.takes_body() {
            let content = content(&schemas.request::<P::Body>(), examples::requests(&own));
            operation["requestBody"] = json!({ "required": true, "content": content });
        }
        described.push((
            route.path.to_owned(),
            route.method.to_lowercase(),
            operation,
        ));
    }
    described
}

/// The same of the routes that one function answers for all.
pub(super) fn status_operations(
    schemas: &mut Schemas,
    examples: &[Example],
) -> Vec<(String, String, Value)> {
    let described = |route: &'static Route<Asked>| {
        let own: Vec<&Example> = examples.iter().filter(|e| e.is_of(route)).collect();
        let answer = match route.operation {
            "health" => schemas.answer::<Health>(),
            _ => schemas.answer::<Models>(),
        };
        let operation = operation(route, ANSWERED_BY, &answer, &own);
        let method = route.method.to_lowercase();
        (route.path.to_owned(), method, operation)
    };
    ROUTES.iter().map(described).collect()
}

/// An operation without a body.
fn operation<R>(route: &Route<R>, function: &str, answer: &Value, own: &[&Example]) -> Value {
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.summary,
        "tags": [function],
        "responses": responses(route, answer, own),
    });
    let parameters: Vec<Value> = path_parameters(route).chain(query(route)).collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    operation
}

fn responses<R>(route: &Route<R>, answer: &Value, own: &[&Example]) -> Value {
    let mut responses = problems::of(route);
    let content = content(answer, examples::answer(own));
    let answered = json!({ "description": "The answer.", "content": content });
    responses.insert("200".to_owned(), answered);
    responses.into()
}

fn content(schema: &Value, examples: Map<String, Value>) -> Value {
    let mut media = json!({ "schema": schema });
    if !examples.is_empty() {
        media["examples"] = examples.into();
    }
    json!({ "application/json": media })
}

fn path_parameters<R>(route: &Route<R>) -> impl Iterator<Item = Value> {
    route.path_parameters().map(|name| {
        json!({
            "name": name,
            "in": "path",
            "required": true,
            "description": "The shop's id.",
            "schema": schema(ParameterKind::Id),
        })
    })
}

fn query<R>(route: &Route<R>) -> impl Iterator<Item = Value> {
    let described = |parameter: &QueryParameter| {
        json!({
            "name": parameter.name,
            "in": "query",
            "description": parameter.meaning,
            "schema": schema(parameter.kind),
        })
    };
    route.query.iter().map(described)
}

/// What the text of a parameter must be, as far as a schema can say it.
fn schema(kind: ParameterKind) -> Value {
    match kind {
        ParameterKind::Instant => json!({ "type": "string", "format": "date-time" }),
        ParameterKind::Date => json!({ "type": "string", "format": "date" }),
        ParameterKind::Id => {
            json!({ "type": "string", "minLength": 1, "maxLength": ID_LIMIT_BYTES })
        }
        ParameterKind::UpTo(most) => json!({ "type": "integer", "minimum": 0, "maximum": most }),
        ParameterKind::OneOf(names) => json!({ "type": "string", "enum": names }),
    }
}
