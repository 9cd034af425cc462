//! A predicate of provenance (SLSA 1.0), as far as a later build needs it: the tool, the parameters, the inputs.

use serde_json::Value;

/// What a predicate states. A field that it lacks, or that is no text, is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmbeddedStatement {
    /// Version of the program that built the image.
    pub tool: Option<String>,
    /// Name of the image.
    pub name: Option<String>,
    /// Version of the image.
    pub version: Option<String>,
    /// SHA-256 of the recipe.
    pub recipe: Option<String>,
    /// SHA-256 of the lock.
    pub lock: Option<String>,
    /// `SOURCE_DATE_EPOCH` of the build.
    pub source_date_epoch: Option<i64>,
    /// The inputs.
    pub dependencies: Vec<Dependency>,
}

/// An input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// What it is, such as `deb`, `tar` or `file`.
    pub kind: String,
    /// Its name in the manifest.
    pub name: String,
    /// Its SHA-256, where it is pinned.
    pub sha256: Option<String>,
}

impl EmbeddedStatement {
    /// Parses a predicate; `None` for what is no JSON object.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok().filter(Value::is_object)?;
        let definition = &value["buildDefinition"];
        let (external, internal) = (&definition["externalParameters"], &definition["internalParameters"]);
        let dependencies = definition["resolvedDependencies"].as_array();
        Some(Self {
            tool: text(&internal["tool"]["version"]),
            name: text(&external["image"]["name"]),
            version: text(&external["image"]["version"]),
            recipe: text(&external["recipe"]["digest"]["sha256"]),
            lock: text(&external["lock"]["digest"]["sha256"]),
            source_date_epoch: external["options"]["sourceDateEpoch"].as_i64(),
            dependencies: dependencies.into_iter().flatten().filter_map(dependency).collect(),
        })
    }
}

fn dependency(value: &Value) -> Option<Dependency> {
    Some(Dependency {
        kind: text(&value["annotations"]["kind"]).unwrap_or_default(),
        name: text(&value["name"])?,
        sha256: text(&value["digest"]["sha256"]),
    })
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
