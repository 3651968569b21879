//! Answers of several states, one schema for each.
//!
//! An enum that is flattened into a struct comes as alternatives beside the fields that all of them share, which few
//! generators of clients understand: they lose the shared fields. Here each alternative becomes a schema of its own that
//! holds all its fields, and the whole says by which field they are told apart.

use super::schemas::PLACE;
use serde_json::{Map, Value, json};

type Fields = Map<String, Value>;

/// Writes every such schema anew, its alternatives beside it, each under its name and that of its state. What only the
/// alternatives referred to goes.
pub(super) fn spread(schemas: &mut Fields) {
    let names: Vec<String> = schemas.keys().cloned().collect();
    for name in names {
        if let Some((whole, parts)) = taken_apart(&name, schemas) {
            let before = schemas.insert(name, whole);
            schemas.extend(parts);
            for gone in before.iter().flat_map(referred_to) {
                let is_used = schemas
                    .values()
                    .any(|schema| names_of(schema).contains(&gone));
                if !is_used {
                    schemas.remove(&gone);
                }
            }
        }
    }
}

/// Names of what the alternatives of a schema refer to.
fn referred_to(schema: &Value) -> Vec<String> {
    let alternatives = schema["oneOf"].as_array().into_iter().flatten();
    alternatives
        .filter_map(|a| name_of(a.as_object()?))
        .collect()
}

/// The name that a reference ends with.
fn name_of(schema: &Fields) -> Option<String> {
    let reference = schema.get("$ref")?.as_str()?;
    Some(reference.rsplit('/').next()?.to_owned())
}

/// Names of all that a schema refers to.
fn names_of(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(fields) => {
            let below = fields.values().flat_map(names_of);
            below.chain(name_of(fields)).collect()
        }
        Value::Array(items) => items.iter().flat_map(names_of).collect(),
        _ => Vec::new(),
    }
}

/// The whole and its parts; nothing where fields do not stand beside alternatives.
fn taken_apart(name: &str, schemas: &Fields) -> Option<(Value, Fields)> {
    let shared = schemas.get(name)?.as_object()?;
    let (alternatives, _) = (shared.get("oneOf")?.as_array()?, shared.get("properties")?);
    let mut parts = Map::new();
    let (mut references, mut mapping) = (Vec::new(), Map::new());
    let mut tag = "";
    for alternative in alternatives {
        let (property, state) = tag_of(alternative)?;
        tag = property;
        let part = format!("{name}{}", in_words(state));
        let reference = format!("#{PLACE}/{part}");
        references.push(json!({ "$ref": reference }));
        mapping.insert(state.to_owned(), reference.into());
        parts.insert(part, whole_of(alternative, shared, schemas));
    }
    let whole = json!({
        "description": shared.get("description"),
        "oneOf": references,
        "discriminator": { "propertyName": tag, "mapping": mapping },
    });
    Some((whole, parts))
}

/// The field that is one word in this alternative, and the word.
fn tag_of(alternative: &Value) -> Option<(&str, &str)> {
    let mut fields = alternative.get("properties")?.as_object()?.iter();
    fields.find_map(|(name, schema)| Some((&name[..], schema.get("const")?.as_str()?)))
}

/// All fields of an alternative: its own, those of what it refers to, and the shared ones.
fn whole_of(alternative: &Value, shared: &Fields, schemas: &Fields) -> Value {
    let own = alternative.as_object();
    let referred = own.and_then(name_of);
    let referred = referred.and_then(|name| schemas.get(&name)?.as_object());
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for from in [Some(shared), own, referred].into_iter().flatten() {
        let fields = from.get("properties").and_then(Value::as_object);
        properties.extend(fields.cloned().into_iter().flatten());
        let names = from.get("required").and_then(Value::as_array);
        required.extend(names.into_iter().flatten().cloned());
    }
    json!({
        "type": "object",
        "description": alternative.get("description"),
        "properties": properties,
        "required": required,
    })
}

/// `no_purchases` becomes `NoPurchases`.
fn in_words(state: &str) -> String {
    let capitalised = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{}{rest}", first.to_uppercase())
    };
    state.split('_').map(capitalised).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_a_schema_with_all_its_fields() {
        let mut schemas: Fields = serde_json::from_value(json!({
            "Result": {
                "description": "One.",
                "properties": { "id": { "type": "string" } },
                "required": ["id"],
                "oneOf": [
                    { "$ref": "#/components/schemas/Score", "properties": { "state": { "const": "scored" } }, "required": ["state"] },
                    { "properties": { "state": { "const": "not_known" }, "note": {} }, "required": ["state", "note"] },
                ],
            },
            "Score": { "properties": { "score": {} }, "required": ["score"] },
            "Choice": { "oneOf": [{ "const": "a" }] },
        }))
        .unwrap();
        let choice = schemas["Choice"].clone();
        spread(&mut schemas);
        let mapping = json!({ "scored": "#/components/schemas/ResultScored", "not_known": "#/components/schemas/ResultNotKnown" });
        assert_eq!(
            schemas["Result"]["discriminator"],
            json!({ "propertyName": "state", "mapping": mapping })
        );
        assert_eq!(schemas["Result"]["oneOf"].as_array().unwrap().len(), 2);
        let names = |of: &Value| -> Vec<String> {
            of["properties"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect()
        };
        assert_eq!(names(&schemas["ResultScored"]), ["id", "score", "state"]);
        assert_eq!(names(&schemas["ResultNotKnown"]), ["id", "note", "state"]);
        assert_eq!(
            schemas["ResultScored"]["required"],
            json!(["id", "state", "score"])
        );
        assert_eq!(schemas["Choice"], choice);
        assert!(
            !schemas.contains_key("Score"),
            "nothing refers to it any more"
        );
    }
}
