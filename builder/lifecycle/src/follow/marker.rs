//! The descriptions of versions that this program makes. A later run recognizes its own versions by them, and reads
//! what they were made from.

use super::request::RESOLVE;
use crate::api::templates::TemplateVersion;

/// The description of a version with another image. At most 255 characters: a longer reference to a parameter is cut.
pub(super) fn follow(image: &str, source: u64) -> String {
    let kept: String = image.chars().take(180).collect();
    format!("amiforge follow: {kept}, else as version {source}")
}

/// The description of a version that takes another one back, for templates that are used at `$Latest`.
pub(super) fn take_back(version: u64, source: u64) -> String {
    format!("amiforge follow: takes back version {version}, as version {source}")
}

/// The version that was made before from `source` with this image, the latest if there are several.
pub(super) fn made_before(versions: &[TemplateVersion], image: &str, source: u64) -> Option<u64> {
    let description = follow(image, source);
    let same = |version: &&TemplateVersion| {
        version.description.as_deref() == Some(&description)
            && version.image.as_deref() == Some(image)
            && version.number > source
    };
    versions.iter().filter(same).map(|version| version.number).max()
}

/// Whether a text refers to a parameter.
pub(super) fn is_reference(image: &str) -> bool {
    image.starts_with(RESOLVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_recognized_by_description_and_image() {
        let version = |number: u64, image: &str, description: Option<String>| TemplateVersion {
            number,
            description,
            image: Some(image.to_owned()),
            instance_type: None,
        };
        let versions = [
            version(1, "ami-1", None),
            version(2, "ami-2", Some(follow("ami-2", 1))),
            version(3, "ami-3", Some(follow("ami-2", 1))),
            version(4, "ami-2", Some(follow("ami-2", 3))),
        ];
        assert_eq!(made_before(&versions, "ami-2", 1), Some(2));
        assert_eq!(made_before(&versions, "ami-2", 3), Some(4));
        assert_eq!(made_before(&versions, "ami-9", 1), None);
        assert!(follow(&"x".repeat(2000), u64::MAX).len() <= 255);
    }
}
