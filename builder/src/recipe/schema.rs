//! Checks a TOML document against the JSON Schema of recipes: unknown and missing keys, wrong types, unknown options.
//!
//! serde would stop at the first mistake and suggests no key; this reports all of them. It reads the schema that
//! schemars generates from the key types (JSON Schema 2020-12, without references), so it cannot drift from them.

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::advice;
use super::diagnostic::{KeyPart, KeyPath, UnlocatedDiagnostic};
use super::suggest::{any_of, suggestion};

/// Everything in the document that violates the schema.
pub(super) fn violations(document: &DeTable<'_>, schema: &Value) -> Vec<UnlocatedDiagnostic> {
    let mut violations = Vec::new();
    table(document, schema, &KeyPath::top(), &mut violations);
    violations
}

fn table(table: &DeTable<'_>, schema: &Value, at: &KeyPath, violations: &mut Vec<UnlocatedDiagnostic>) {
    let known = schema["properties"].as_object();
    for (key, item) in table {
        let key = key.get_ref().as_ref();
        match known.and_then(|known| known.get(key)) {
            Some(schema) => value(item, schema, &at.key(key), violations),
            None if schema["additionalProperties"].is_object() => {
                value(item, &schema["additionalProperties"], &at.key(key), violations);
            }
            None => {
                let candidates = known.into_iter().flat_map(|known| known.keys().map(String::as_str));
                let clause = at.table().map(|table| format!(" in `{table}`")).unwrap_or_default();
                let end = match advice::misplaced(key, item.get_ref().as_str()) {
                    Some(advice) if at.table().is_some() => format!("; {advice}"),
                    _ => suggestion(key, candidates),
                };
                let message = format!("unknown key `{key}`{clause}{end}");
                violations.push((at.key(key), KeyPart::Key, message));
            }
        }
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for key in required.filter(|key| !table.contains_key(*key)) {
        let message = match at.table() {
            Some(table) => format!("`{table}` needs the key `{key}`"),
            None => format!("a recipe needs `[{key}]`"),
        };
        violations.push((at.key(key), KeyPart::Value, message));
    }
}

fn value(
    item: &Spanned<DeValue<'_>>,
    schema: &Value,
    at: &KeyPath,
    violations: &mut Vec<UnlocatedDiagnostic>,
) {
    let alternatives: Vec<&Value> = match schema["anyOf"].as_array() {
        Some(several) => several.iter().collect(),
        None => vec![schema],
    };
    let Some(schema) = alternatives.iter().find(|schema| allows(schema, item.get_ref())) else {
        violations.push((at.clone(), KeyPart::Value, mismatch(item.get_ref(), &alternatives, at)));
        return;
    };
    match item.get_ref() {
        DeValue::Table(inner) => table(inner, schema, at, violations),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                value(item, &schema["items"], &at.index(index), violations);
            }
        }
        DeValue::String(option) => {
            let options = choices(schema);
            if !options.is_empty() && !options.contains(&option.as_ref()) {
                let advice = at.last_key().and_then(|key| advice::replacement(key, option));
                let end = match advice {
                    Some(advice) => format!("; {advice}"),
                    None => suggestion(option, options.iter().copied()),
                };
                let message = format!("`{option}` is not {}{end}", any_of(options.iter().copied()));
                violations.push((at.clone(), KeyPart::Value, message));
            }
        }
        DeValue::Integer(number) => {
            violations.extend(range(number, schema).map(|message| (at.clone(), KeyPart::Value, message)));
        }
        _ => {}
    }
}

/// Whether a schema allows the type of a value.
fn allows(schema: &Value, value: &DeValue<'_>) -> bool {
    let kind = match value {
        // JSON has no times: a time is allowed where a string is.
        DeValue::String(_) | DeValue::Datetime(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    };
    let named = kind_of(schema);
    named == kind || (named, kind) == ("number", "integer")
}

/// The type in a schema; an enumeration has none but is one of strings.
fn kind_of(schema: &Value) -> &str {
    schema["type"].as_str().unwrap_or(if choices(schema).is_empty() { "" } else { "string" })
}

/// The options that a schema allows: `enum`, or `const` in `oneOf` where each option has its own documentation.
pub(super) fn choices(schema: &Value) -> Vec<&str> {
    let plain = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let documented = schema["oneOf"].as_array().into_iter().flatten().filter_map(|one| one["const"].as_str());
    plain.chain(documented).collect()
}

/// The message for a value whose type is none of the allowed ones.
fn mismatch(value: &DeValue<'_>, alternatives: &[&Value], at: &KeyPath) -> String {
    let table = at.table().filter(|_| value.is_table());
    if let (Some(table), [schema]) = (table, alternatives)
        && kind_of(&schema["items"]) == "object"
    {
        return format!("there may be several of these: write `[{table}]`");
    }
    let mut types: Vec<_> = alternatives.iter().map(|schema| expected(schema)).collect();
    types.dedup();
    format!("{} where {} is expected", type_of(value), types.join(" or "))
}

/// The type or the options that a schema allows, as text.
fn expected(schema: &Value) -> String {
    let options = choices(schema);
    if !options.is_empty() {
        return any_of(options.into_iter());
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

/// The type of a value as text.
fn type_of(value: &DeValue<'_>) -> &'static str {
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

/// The message for a number outside the bounds of the schema.
fn range(number: &DeInteger<'_>, schema: &Value) -> Option<String> {
    let (text, radix) = (number.as_str(), number.radix());
    let value = i128::from_str_radix(text, radix).ok();
    let bound = |key: &str, default: i64| {
        schema[key].as_number().and_then(serde_json::Number::as_i128).unwrap_or(default.into())
    };
    // schemars states the bound of an unsigned type by `format` only.
    let widest = if schema["format"] == "uint32" { i64::from(u32::MAX) } else { i64::MAX };
    let (least, most) = (bound("minimum", i64::MIN), bound("maximum", widest));
    match value {
        Some(value) if (least..=most).contains(&value) => None,
        _ if (least, most) == (i64::MIN.into(), i64::MAX.into()) => Some(format!("`{text}` is too large")),
        _ => Some(format!("`{text}` is not between {least} and {most}")),
    }
}
