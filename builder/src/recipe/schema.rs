//! Holds a TOML document against the JSON Schema of recipes: unknown and missing keys, wrong types, unknown words.
//!
//! serde would stop at the first mistake and knows no nearest key; this finds all of them. It reads the schema that
//! schemars makes from the key types (JSON Schema 2020-12, without references), so it cannot drift from them.

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::advice;
use super::diagnostic::{KeyPart, KeyPath, UnlocatedDiagnostic};
use super::suggest::{any_of, suggestion};

/// Everything in the document that the schema does not allow.
pub(super) fn violations(document: &DeTable<'_>, schema: &Value) -> Vec<UnlocatedDiagnostic> {
    let mut found = Vec::new();
    table(document, schema, &KeyPath::top(), &mut found);
    found
}

fn table(table: &DeTable<'_>, schema: &Value, at: &KeyPath, found: &mut Vec<UnlocatedDiagnostic>) {
    let known = schema["properties"].as_object();
    for (key, item) in table {
        let key = key.get_ref().as_ref();
        match known.and_then(|known| known.get(key)) {
            Some(schema) => value(item, schema, &at.key(key), found),
            None if schema["additionalProperties"].is_object() => {
                value(item, &schema["additionalProperties"], &at.key(key), found);
            }
            None => {
                let candidates = known.into_iter().flat_map(|known| known.keys().map(String::as_str));
                let place = at.table().map(|table| format!(" in `{table}`")).unwrap_or_default();
                let message = format!("unknown key `{key}`{place}{}", suggestion(key, candidates));
                found.push((at.key(key), KeyPart::Key, message));
            }
        }
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for key in required.filter(|key| !table.contains_key(*key)) {
        let message = match at.table() {
            Some(table) => format!("`{table}` needs the key `{key}`"),
            None => format!("a recipe needs `[{key}]`"),
        };
        found.push((at.key(key), KeyPart::Value, message));
    }
}

fn value(item: &Spanned<DeValue<'_>>, schema: &Value, at: &KeyPath, found: &mut Vec<UnlocatedDiagnostic>) {
    let alternatives: Vec<&Value> = match schema["anyOf"].as_array() {
        Some(several) => several.iter().collect(),
        None => vec![schema],
    };
    let Some(schema) = alternatives.iter().find(|schema| allows(schema, item.get_ref())) else {
        found.push((at.clone(), KeyPart::Value, mismatch(item.get_ref(), &alternatives, at)));
        return;
    };
    match item.get_ref() {
        DeValue::Table(inner) => table(inner, schema, at, found),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                value(item, &schema["items"], &at.index(index), found);
            }
        }
        DeValue::String(word) => {
            let words = choices(schema);
            if !words.is_empty() && !words.contains(&word.as_ref()) {
                let instead = at.last_key().and_then(|key| advice::replacement(key, word));
                let end = match instead {
                    Some(instead) => format!("; {instead}"),
                    None => suggestion(word, words.iter().copied()),
                };
                let message = format!("`{word}` is not {}{end}", any_of(words.iter().copied()));
                found.push((at.clone(), KeyPart::Value, message));
            }
        }
        DeValue::Integer(number) => {
            found.extend(range(number, schema).map(|why| (at.clone(), KeyPart::Value, why)));
        }
        _ => {}
    }
}

/// Whether the type of a value is one that the schema names.
fn allows(schema: &Value, value: &DeValue<'_>) -> bool {
    let kind = match value {
        // JSON has no times: a time stands where a text in its format may.
        DeValue::String(_) | DeValue::Datetime(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    };
    let word = kind_of(schema);
    word == kind || (word, kind) == ("number", "integer")
}

/// The type that a schema names; one of words has none but is of texts.
fn kind_of(schema: &Value) -> &str {
    schema["type"].as_str().unwrap_or(if choices(schema).is_empty() { "" } else { "string" })
}

/// The words that a schema allows: `enum`, or `const` in `oneOf` where each has its own documentation.
pub(super) fn choices(schema: &Value) -> Vec<&str> {
    let plain = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let documented = schema["oneOf"].as_array().into_iter().flatten().filter_map(|one| one["const"].as_str());
    plain.chain(documented).collect()
}

/// That a value is of none of the types that are allowed.
fn mismatch(value: &DeValue<'_>, alternatives: &[&Value], at: &KeyPath) -> String {
    let table = at.table().filter(|_| value.is_table());
    if let (Some(table), [schema]) = (table, alternatives)
        && kind_of(&schema["items"]) == "object"
    {
        return format!("there may be several of these: write `[{table}]`");
    }
    let mut wanted: Vec<_> = alternatives.iter().map(|schema| expected(schema)).collect();
    wanted.dedup();
    format!("{} where {} is expected", shown(value), wanted.join(" or "))
}

/// What a schema asks for, in words.
fn expected(schema: &Value) -> String {
    let words = choices(schema);
    if !words.is_empty() {
        return any_of(words.into_iter());
    }
    match kind_of(schema) {
        "string" => "a text in quotes",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        "array" => "a list in brackets",
        _ => "a table",
    }
    .to_owned()
}

/// A value in words.
fn shown(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with decimals",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Why a number is not within the bounds of the schema.
fn range(number: &DeInteger<'_>, schema: &Value) -> Option<String> {
    let (text, radix) = (number.as_str(), number.radix());
    let value = i128::from_str_radix(text, radix).ok();
    let bound = |key: &str, default: i64| {
        schema[key].as_number().and_then(serde_json::Number::as_i128).unwrap_or(default.into())
    };
    // schemars leaves the bound of an unsigned type to its format.
    let widest = if schema["format"] == "uint32" { i64::from(u32::MAX) } else { i64::MAX };
    let (least, most) = (bound("minimum", i64::MIN), bound("maximum", widest));
    match value {
        Some(value) if (least..=most).contains(&value) => None,
        _ if (least, most) == (i64::MIN.into(), i64::MAX.into()) => Some(format!("`{text}` is too large")),
        _ => Some(format!("`{text}` is not between {least} and {most}")),
    }
}
