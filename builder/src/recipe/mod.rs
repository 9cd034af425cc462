//! The recipe: the user's TOML file that says what an image should be.

/// The JSON Schema of recipes.
pub fn schema() -> serde_json::Value {
    serde_json::Value::Null
}

/// The reference of every key, as Markdown.
pub fn reference() -> String {
    String::new()
}
