//! Schemas of requests and answers, by name.

use super::variants;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

/// Where the document keeps them.
pub(super) const PLACE: &str = "/components/schemas";
/// What is added to the name of a type that stands in requests too, and looks otherwise there: fields that a request may
/// leave out stand in every answer.
const IN_ANSWERS: &str = "InAnswer";

/// Collects the types of both directions.
pub(super) struct Schemas {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = PLACE.into();
            settings.meta_schema = None;
        });
        Self {
            requests: settings.clone().for_deserialize().into_generator(),
            answers: settings.for_serialize().into_generator(),
        }
    }

    /// A reference to what a request holds.
    pub(super) fn request<T: JsonSchema>(&mut self) -> Value {
        self.requests.subschema_for::<T>().to_value()
    }

    /// A reference to what an answer holds.
    pub(super) fn answer<T: JsonSchema>(&mut self) -> Value {
        self.answers.subschema_for::<T>().to_value()
    }

    /// All of them by name, or the name that two types share.
    pub(super) fn into_components(mut self) -> Result<Map<String, Value>, String> {
        let mut requests = self.requests.take_definitions(true);
        let mut answers = self.answers.take_definitions(true);
        let mut names = requests.keys().chain(answers.keys());
        if let Some(name) = names.find(|name| name.ends_with(|end: char| end.is_ascii_digit())) {
            return Err(format!(
                "{name}: two types have this name without its number; rename one for clients"
            ));
        }
        requests.values_mut().for_each(plain);
        for answer in answers.values_mut() {
            plain(answer);
            never_null(answer);
        }
        let of_both: Vec<String> = answers
            .iter()
            .filter(|(name, answer)| {
                requests
                    .get(*name)
                    .is_some_and(|request| request != *answer)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for (name, mut answer) in answers {
            point_elsewhere(&mut answer, &of_both);
            let is_of_both = of_both.contains(&name);
            let suffix = if is_of_both { IN_ANSWERS } else { "" };
            requests.insert(format!("{name}{suffix}"), answer);
        }
        variants::spread(&mut requests);
        Ok(requests)
    }
}

/// Calls `change` for a schema and for everything inside it that is an object.
fn walk(value: &mut Value, change: &impl Fn(&mut Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            change(fields);
            fields.values_mut().for_each(|field| walk(field, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
        _ => {}
    }
}

/// Takes off what only Rust knows: links of comments, formats of numbers that no other language has, and what is left out
/// being nothing.
fn plain(schema: &mut Value) {
    walk(schema, &|fields| {
        if let Some(Value::String(text)) = fields.get_mut("description") {
            *text = without_links(text);
        }
        let format = fields.get("format").and_then(Value::as_str);
        if format.is_some_and(|format| format.starts_with("uint")) {
            fields.remove("format");
        }
        if fields.get("default").is_some_and(Value::is_null) {
            fields.remove("default");
        }
        describe_fields(fields);
        enumerate_words(fields);
    });
}

/// The field that names or holds a variant has no comment of its own: it means what the variant means.
fn describe_fields(variant: &mut Map<String, Value>) {
    let Some(meaning) = variant.get("description").cloned() else {
        return;
    };
    let fields = variant.get_mut("properties").and_then(Value::as_object_mut);
    for field in fields.into_iter().flat_map(Map::values_mut) {
        let known = ["description", "$ref"].map(|key| field.get(key).is_some());
        if let (Value::Object(field), [false, false]) = (field, known) {
            field.insert("description".to_owned(), meaning.clone());
        }
    }
}

/// A choice among words as an enumeration, which more generators of clients understand than alternatives of one word each.
fn enumerate_words(fields: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = fields.get("oneOf") else {
        return;
    };
    let word = |choice: &Value| {
        let meaning = choice["description"].as_str().unwrap_or_default();
        Some((choice["const"].as_str()?.to_owned(), meaning.to_owned()))
    };
    let Some(words) = choices.iter().map(word).collect::<Option<Vec<_>>>() else {
        return;
    };
    let own = fields.get("description").and_then(Value::as_str);
    let mut text = own.unwrap_or_default().to_owned();
    for (word, meaning) in &words {
        text.extend([" `", word, "`: ", &without_links(meaning)]);
    }
    let words: Vec<String> = words.into_iter().map(|(word, _)| word).collect();
    fields.remove("oneOf");
    fields.insert("type".to_owned(), "string".into());
    fields.insert("enum".to_owned(), words.into());
    fields.insert("description".to_owned(), text.trim().into());
}

/// ``[`Constraints::pack_size`]`` becomes `` `pack_size` ``.
fn without_links(text: &str) -> String {
    let mut parts = text.split("[`");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (path, rest) = part.split_once("`]").unwrap_or((part, ""));
        let name = path.rsplit("::").next().unwrap_or(path);
        plain.extend(["`", name, "`", rest]);
    }
    plain.replace('\n', " ")
}

/// In an answer, what may be absent is left out and never null.
fn never_null(schema: &mut Value) {
    walk(schema, &|fields| {
        let required = fields.get("required").cloned().unwrap_or_default();
        let is_required = |name: &str| {
            let mut names = required.as_array().into_iter().flatten();
            names.any(|required| required == name)
        };
        if let Some(Value::Object(properties)) = fields.get_mut("properties") {
            let optional = properties.iter_mut().filter(|(name, _)| !is_required(name));
            optional.for_each(|(_, property)| without_null(property));
        }
    });
}

fn without_null(property: &mut Value) {
    if let Some(Value::Array(kinds)) = property.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = &kinds[..] {
            property["type"] = kind.clone();
        }
    }
    let Some(Value::Array(choices)) = property.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| choice["type"] != "null");
    if let ([choice], Some(reference)) = (&choices[..], choices[0].get("$ref")) {
        let reference = (choice.as_object().map_or(0, Map::len) == 1).then(|| reference.clone());
        if let (Some(reference), Some(fields)) = (reference, property.as_object_mut()) {
            fields.remove("anyOf");
            fields.insert("$ref".to_owned(), reference);
        }
    }
}

/// Lets references to types of both directions point to those of answers.
fn point_elsewhere(answer: &mut Value, of_both: &[String]) {
    walk(answer, &|fields| {
        if let Some(Value::String(target)) = fields.get_mut("$ref") {
            let name = target.rsplit('/').next().unwrap_or_default();
            if of_both.iter().any(|both| both == name) {
                target.push_str(IN_ANSWERS);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn links_of_comments_become_names() {
        let text = "Some of [`Constraints::pack_size`],\nor of [`units`].";
        assert_eq!(without_links(text), "Some of `pack_size`, or of `units`.");
    }

    #[test]
    fn a_choice_among_words_is_an_enumeration() {
        let of = |word: &str, meaning: &str| json!({ "const": word, "description": meaning, "type": "string" });
        let mut schema = json!({ "description": "Which.", "oneOf": [of("a", "The first."), of("b", "The other.")] });
        plain(&mut schema);
        let described = "Which. `a`: The first. `b`: The other.";
        assert_eq!(
            schema,
            json!({ "type": "string", "enum": ["a", "b"], "description": described })
        );
        let mut mixed = json!({ "oneOf": [of("a", "The first."), { "type": "object" }] });
        let before = mixed.clone();
        plain(&mut mixed);
        assert_eq!(mixed, before);
    }

    #[test]
    fn an_answer_leaves_out_and_is_never_null() {
        let mut schema = json!({
            "required": ["kept"],
            "properties": {
                "kept": { "type": ["number", "null"] },
                "left_out": { "type": ["number", "null"] },
                "other": { "anyOf": [{ "$ref": "#/x" }, { "type": "null" }] },
            },
        });
        never_null(&mut schema);
        let properties = &schema["properties"];
        assert_eq!(properties["kept"]["type"], json!(["number", "null"]));
        assert_eq!(properties["left_out"]["type"], "number");
        assert_eq!(properties["other"], json!({ "$ref": "#/x" }));
    }

    /// A type of one name.
    mod one {
        #[derive(schemars::JsonSchema)]
        pub(super) struct Thing(#[expect(dead_code, reason = "its schema is asked for")] f64);
    }

    /// Another type of the same name.
    mod other {
        #[derive(schemars::JsonSchema)]
        pub(super) struct Thing(#[expect(dead_code, reason = "its schema is asked for")] bool);
    }

    #[test]
    fn two_types_of_one_name_are_refused() {
        let mut schemas = Schemas::new();
        schemas.answer::<one::Thing>();
        assert!(Schemas::new().into_components().is_ok());
        schemas.answer::<other::Thing>();
        let refused = schemas.into_components().expect_err("a name of two types");
        assert!(refused.starts_with("Thing2"), "{refused}");
    }
}
