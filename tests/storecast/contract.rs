//! The committed `OpenAPI` document is what the code says. Whether it is one, and whether bodies and answers keep it, is
//! tested in `infra/tests/test_contract.py`, where a validator of schemas is at hand.

use crate::workspace::root;
use churn::Churn;
use inventory::Inventory;
use offline::contract;
use recommendations::Recommendations;
use serde_json::Value;
use serving::predictor::Predictor;
use serving::route::{ParameterKind, Parameters, Route};
use std::collections::BTreeSet;
use std::fmt::Debug;

fn committed() -> String {
    std::fs::read_to_string(root().join("infra/openapi.json")).expect("the committed document")
}

#[test]
fn the_committed_document_is_what_the_code_says() {
    let made = contract::document(root()).expect("a document");
    let (made, committed) = (contract::text(&made), committed());
    let mut lines = made.lines().zip(committed.lines()).enumerate();
    let first = lines.find(|(_, (made, committed))| made != committed);
    assert!(
        made == committed,
        "infra/openapi.json is not what the code says, first at {first:?}; run `make openapi` and read the difference"
    );
}

#[test]
fn the_document_has_every_route_and_no_other() {
    let document: Value = serde_json::from_str(&committed()).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let described: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("operations");
            methods.keys().map(move |method| format!("{method} {path}"))
        })
        .collect();
    let mut routes = routes_of::<Churn>();
    routes.extend(routes_of::<Inventory>());
    routes.extend(routes_of::<Recommendations>());
    routes.extend(named(serving::status::ROUTES));
    assert_eq!(described, routes);
}

fn routes_of<P: Predictor>() -> BTreeSet<String> {
    named(P::routes())
}

fn named<R>(routes: &[Route<R>]) -> BTreeSet<String> {
    let named = |route: &Route<R>| format!("{} {}", route.method.to_lowercase(), route.path);
    routes.iter().map(named).collect()
}

#[test]
fn every_parameter_that_a_route_names_is_read() {
    each_changes_the_request::<Churn>();
    each_changes_the_request::<Inventory>();
    each_changes_the_request::<Recommendations>();
}

/// A parameter that is described but not read would change nothing.
fn each_changes_the_request<P: Predictor<Request: Debug>>() {
    for route in P::routes().iter().filter(|route| !route.takes_body()) {
        let request = |query: Vec<(String, String)>| {
            let path = route.path_parameters().map(|name| (name, "1".to_owned()));
            let parameters = Parameters {
                path: path.collect(),
                query,
            };
            format!(
                "{:?}",
                (route.request)(&parameters, b"").expect("a request")
            )
        };
        let without = request(Vec::new());
        for parameter in route.query {
            let given = (parameter.name.to_owned(), sample(parameter.kind));
            assert_ne!(request(vec![given]), without, "{}", parameter.name);
        }
    }
}

/// A text that is allowed and is not the default.
fn sample(kind: ParameterKind) -> String {
    match kind {
        ParameterKind::Instant => "2018-01-01T00:00:00Z".to_owned(),
        ParameterKind::Date => "2018-01-01".to_owned(),
        ParameterKind::Id => "7".to_owned(),
        ParameterKind::UpTo(most) => most.to_string(),
        ParameterKind::OneOf(names) => names.last().expect("a name").to_string(),
    }
}
