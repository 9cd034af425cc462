//! The plan of a publication: what the first host proposes for the AMI, as a document of the hand-over.
//!
//! It is no part of the bundle, so no signature of the bundle covers it. It has one of its own, in the namespace
//! [`NAMESPACE`], and names the manifest that it is for: moved to another image it is refused.

use amiforge_formats::digest::Digest;
use serde::{Deserialize, Serialize};

/// The namespace of SSH signatures over a plan.
pub const NAMESPACE: &str = "amiforge-handover";
/// Version of the text.
const SCHEMA: u64 = 1;
/// Maximum length of the text in bytes.
const TEXT_MAX: usize = 1 << 20;

/// A plan; what it leaves out is as `publish` has it by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedPublication {
    /// Version of the text.
    pub schema: u64,
    /// SHA-256 of the manifest that it is for.
    pub manifest_sha256: String,
    /// SHA-256 of the policy that the signatures were checked with when the hand-over was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_sha256: Option<String>,
    /// Name of the AMI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its tags, as `KEY=VALUE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The regions of copies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copy_to: Vec<String>,
    /// Who may launch it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub share: Vec<String>,
    /// When it counts as deprecated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecate: Option<String>,
}

impl PlannedPublication {
    /// The text, ending in a line break.
    pub fn to_text(&self) -> String {
        let plan = Self { schema: SCHEMA, ..self.clone() };
        // Plain structures of strings cannot fail to become JSON.
        serde_json::to_string_pretty(&plan).unwrap_or_default() + "\n"
    }

    /// Reads the plan of the image with this manifest.
    ///
    /// # Errors
    /// The reason, in words.
    pub fn parse(text: &[u8], manifest: Digest) -> Result<Self, String> {
        if text.len() > TEXT_MAX {
            return Err(format!("it has {} bytes, and at most {TEXT_MAX} are read", text.len()));
        }
        let plan: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if plan.schema != SCHEMA {
            return Err(format!("its schema is {}, and this program reads {SCHEMA}", plan.schema));
        }
        if plan.manifest_sha256 != manifest.to_string() {
            return Err(format!(
                "it is for the manifest {}, and the image's is {manifest}",
                plan.manifest_sha256
            ));
        }
        Ok(plan)
    }

    /// What it proposes, as lines of text.
    pub fn lines(&self) -> Vec<String> {
        let one = |key: &str, value: &Option<String>| value.as_ref().map(|value| format!("{key} {value}"));
        let list = |key: &str, values: &[String]| {
            (!values.is_empty()).then(|| format!("{key} {}", values.join(", ")))
        };
        let lines = [
            one("name", &self.name),
            one("description", &self.description),
            list("tags", &self.tags),
            one("region", &self.region),
            list("copies to", &self.copy_to),
            list("shared with", &self.share),
            one("deprecated", &self.deprecate),
        ];
        lines.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_back_and_is_for_one_image() {
        let manifest = Digest::of(b"manifest");
        let plan = PlannedPublication {
            schema: SCHEMA,
            manifest_sha256: manifest.to_string(),
            name: Some("web".to_owned()),
            share: vec!["111122223333".to_owned()],
            ..PlannedPublication::default()
        };
        let text = plan.to_text();
        assert_eq!(PlannedPublication::parse(text.as_bytes(), manifest), Ok(plan));
        let other = PlannedPublication::parse(text.as_bytes(), Digest::of(b"other")).unwrap_err();
        assert!(other.contains("it is for the manifest"), "{other}");
        assert!(PlannedPublication::parse(text.replace("share", "shared").as_bytes(), manifest).is_err());
        assert!(
            PlannedPublication::parse(text.replace("\"schema\": 1", "\"schema\": 2").as_bytes(), manifest)
                .is_err()
        );
    }
}
