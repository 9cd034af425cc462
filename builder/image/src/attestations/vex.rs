//! The form of an `OpenVEX` document, which somebody else wrote and a bundle carries as it is.
//!
//! Follows the `OpenVEX` specification 0.2.0: the fields that it requires, and what a status requires beside it. Whether the
//! statements are true is not known here.

use serde_json::Value;

/// How the contexts of all versions begin.
const CONTEXT: &str = "https://openvex.dev/ns";

/// The reasons for which a vulnerability may not affect a product.
const JUSTIFICATIONS: [&str; 5] = [
    "component_not_present",
    "inline_mitigations_already_exist",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_not_present",
];

/// Why a document is no `OpenVEX`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VexError {
    /// No JSON.
    #[error("reading its JSON")]
    Json(#[source] serde_json::Error),
    /// A field is missing, or has another form.
    #[error("its `{field}` is not {expected}")]
    Field {
        /// The field, with the index of the statement.
        field: String,
        /// What it has to be.
        expected: &'static str,
    },
}

/// Checks the form of a document.
///
/// # Errors
/// [`VexError`].
pub fn check_vex(bytes: &[u8]) -> Result<(), VexError> {
    let document: Value = serde_json::from_slice(bytes).map_err(VexError::Json)?;
    let wrong = |field: &str, expected| VexError::Field { field: field.to_owned(), expected };
    let context = document["@context"].as_str();
    let known = |context: &str| {
        context == CONTEXT || context.strip_prefix(CONTEXT).is_some_and(|rest| rest.starts_with('/'))
    };
    if !context.is_some_and(known) {
        return Err(wrong("@context", "a context of OpenVEX, such as `https://openvex.dev/ns/v0.2.0`"));
    }
    for field in ["@id", "author", "timestamp"] {
        if document[field].as_str().is_none_or(str::is_empty) {
            return Err(wrong(field, "a text"));
        }
    }
    if document["version"].as_u64().is_none_or(|version| version == 0) {
        return Err(wrong("version", "a number from 1"));
    }
    let statements = document["statements"].as_array().filter(|all| !all.is_empty());
    let statements = statements.ok_or_else(|| wrong("statements", "a list with a statement"))?;
    statements.iter().enumerate().try_for_each(|(index, one)| statement(index, one))
}

/// Checks a statement.
fn statement(index: usize, statement: &Value) -> Result<(), VexError> {
    let wrong = |field: &str, expected| {
        Err(VexError::Field { field: format!("statements[{index}].{field}"), expected })
    };
    let has = |field: &str| statement[field].as_str().is_some_and(|text| !text.is_empty());
    if statement["vulnerability"]["name"].as_str().is_none_or(str::is_empty) {
        return wrong("vulnerability.name", "a text");
    }
    let products = statement.get("products");
    if products.is_some_and(|products| products.as_array().is_none_or(Vec::is_empty)) {
        return wrong("products", "a list with a product");
    }
    let justification = statement.get("justification").map(|one| one.as_str().unwrap_or_default());
    if justification.is_some_and(|one| !JUSTIFICATIONS.contains(&one)) {
        return wrong("justification", "one of those of OpenVEX, such as `component_not_present`");
    }
    match statement["status"].as_str() {
        Some("fixed" | "under_investigation") => Ok(()),
        Some("affected") if has("action_statement") => Ok(()),
        Some("affected") => wrong("action_statement", "a text, which `affected` needs"),
        Some("not_affected") if justification.is_some() || has("impact_statement") => Ok(()),
        Some("not_affected") => {
            wrong("justification", "there, and neither is an `impact_statement`: `not_affected` needs one")
        }
        _ => wrong("status", "`not_affected`, `affected`, `fixed` or `under_investigation`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "@context": "https://openvex.dev/ns/v0.2.0",
            "@id": "https://example.org/vex/1",
            "author": "Example",
            "timestamp": "2026-01-01T00:00:00Z",
            "version": 1,
            "statements": [{
                "vulnerability": { "name": "CVE-2026-0001" },
                "products": [{ "@id": "pkg:deb/debian/bash@5.2?arch=amd64" }],
                "status": "not_affected",
                "justification": "component_not_present",
            }],
        })
    }

    #[test]
    fn a_document_is_taken_and_what_it_lacks_is_named() {
        check_vex(document().to_string().as_bytes()).unwrap();
        let none = Value::Null;
        for (pointer, value, field) in [
            ("/@context", json!("https://openvex.dev/nsx"), "@context"),
            ("/author", none.clone(), "author"),
            ("/version", json!(0), "version"),
            ("/statements", json!([]), "statements"),
            ("/statements/0/vulnerability", json!("CVE-2026-0001"), "statements[0].vulnerability.name"),
            ("/statements/0/products", json!([]), "statements[0].products"),
            ("/statements/0/status", json!("affected"), "statements[0].action_statement"),
            ("/statements/0/status", json!("safe"), "statements[0].status"),
            ("/statements/0/justification", json!("none"), "statements[0].justification"),
        ] {
            let mut changed = document();
            *changed.pointer_mut(pointer).unwrap() = value;
            let error = check_vex(changed.to_string().as_bytes()).unwrap_err();
            assert!(matches!(&error, VexError::Field { field: found, .. } if found == field), "{error}");
        }
        assert!(matches!(check_vex(b"{"), Err(VexError::Json(_))));
        assert!(check_vex(b"[]").is_err());
    }
}
