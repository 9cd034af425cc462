//! Labels of a parameter's versions: which image a version holds, by its version and its manifest.
//!
//! Rules of SSM (`LabelParameterVersion`): at most 100 characters of letters, digits, `.`, `-` and `_`, not beginning
//! with a digit, `aws` or `ssm`; at most ten labels for a version; a label belongs to one version of a parameter. So a
//! label of ours is with the newest version that holds the image.

use amiforge_publish::api::ec2::Tags;
use amiforge_publish::tags;

use crate::api::parameters::MAX_LABEL;

/// Prefix of the label with the image's version.
pub const VERSION: &str = "version-";
/// Prefix of the label with the SHA-256 of the image's manifest.
pub const MANIFEST: &str = "manifest-";

/// The labels for an image with these tags. Characters that a label cannot have are `_` in it, and it ends where it
/// would be too long.
pub fn of_image(image: &Tags) -> Vec<String> {
    let version = image.get(tags::VERSION).map(|version| of_version(version));
    let manifest = image.get(tags::MANIFEST).map(|manifest| label(MANIFEST, manifest));
    version.into_iter().chain(manifest).collect()
}

/// The label for a version of an image.
pub fn of_version(version: &str) -> String {
    label(VERSION, version)
}

/// Whether a label is one that this program gives.
pub fn is_ours(label: &str) -> bool {
    label.starts_with(VERSION) || label.starts_with(MANIFEST)
}

fn label(prefix: &str, text: &str) -> String {
    let allowed = |one: char| if one.is_ascii_alphanumeric() || matches!(one, '.' | '-') { one } else { '_' };
    prefix.chars().chain(text.chars().map(allowed)).take(MAX_LABEL).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_to_the_rules_of_the_service() {
        let tagged = |version: &str| {
            let mut image = Tags::new();
            image.insert(tags::VERSION.to_owned(), version.to_owned());
            image.insert(tags::MANIFEST.to_owned(), "0a".repeat(32));
            of_image(&image)
        };
        assert_eq!(
            tagged("2026.11"),
            ["version-2026.11".to_owned(), format!("manifest-{}", "0a".repeat(32))]
        );
        assert_eq!(tagged("1:2~rc+3 ü")[0], "version-1_2_rc_3__");
        assert_eq!(tagged(&"9".repeat(200))[0].len(), MAX_LABEL);
        assert!(tagged("1").iter().all(|label| is_ours(label)));
        assert!(of_image(&Tags::new()).is_empty() && !is_ours("production"));
    }
}
