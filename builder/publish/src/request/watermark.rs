//! The watermark of an AMI: its name, given or derived from the image.
//!
//! Rules: `AttachImageWatermark` (EC2 API, 2016-11-15) and *Use AMI watermarks to track and identify AMIs* (EC2 User Guide).

use amiforge_image::manifest::Manifest;

use crate::api::ec2::Tags;
use crate::tags;

use super::{AmiOptions, Audience, ImageFacts, RequestMistake};

const OPTION: &str = "--watermark";

/// Least and greatest number of characters.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=128;

/// Characters of the image's name in a derived watermark: the root of 64 digits and the slash are the rest of 128.
const NAME_MAX: usize = 63;

/// The option `--watermark`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatermarkOption {
    /// `auto`: derived from the image.
    Auto,
    /// A name.
    Name(String),
}

impl std::str::FromStr for WatermarkOption {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "auto" { Self::Auto } else { Self::Name(text.to_owned()) })
    }
}

/// The name of the watermark that identifies the image of a manifest: the start of its name, `/`, and its Merkle root. So a
/// policy that allows images can name all versions of one by `NAME/*`.
pub(crate) fn of_manifest(manifest: &Manifest) -> String {
    let name: String = manifest.origin.name.chars().take(NAME_MAX).collect();
    format!("{name}/{}", manifest.merkle_root)
}

/// The same name from the tags of an AMI that was published from a bundle.
pub fn of_tags(image: &Tags) -> Option<String> {
    let name: String = image.get(tags::IMAGE)?.chars().take(NAME_MAX).collect();
    Some(format!("{name}/{}", image.get(tags::MERKLE_ROOT)?))
}

/// The Merkle root in the name of a watermark that [`of_manifest`] made.
pub fn root_of(name: &str) -> Option<&str> {
    let (_, root) = name.rsplit_once('/')?;
    let is_digest = root.len() == 64 && root.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_digest.then_some(root)
}

/// Checks the name of a watermark.
///
/// # Errors
/// The rule that it breaks, in words.
pub fn check_name(name: &str) -> Result<(), String> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || " ()[]./-'@_".contains(character);
    if let Some(other) = name.chars().find(|character| !allowed(*character)) {
        return Err(format!("it holds {other:?}; allowed are letters, digits, spaces and ()[]./-'@_"));
    }
    match name.len() {
        len if LENGTHS.contains(&len) => Ok(()),
        len => {
            Err(format!("it has {len} characters, and {} to {} are allowed", LENGTHS.start(), LENGTHS.end()))
        }
    }
}

/// The name of the requested watermark.
pub(super) fn check(options: &AmiOptions, facts: &ImageFacts) -> Result<Option<String>, RequestMistake> {
    let name = match &options.watermark {
        None => return Ok(None),
        Some(_) if options.audience == Audience::Public => {
            let problem = "a public AMI cannot have a watermark";
            return Err(RequestMistake::new(OPTION, problem, "leave `--watermark` or `--public` out"));
        }
        Some(WatermarkOption::Auto) => facts.watermark.clone().ok_or_else(|| {
            let problem = "`auto` needs the manifest of a bundle, and this is a raw file";
            RequestMistake::new(OPTION, problem, "give a name")
        })?,
        Some(WatermarkOption::Name(name)) => name.clone(),
    };
    check_name(&name).map_err(|rule| RequestMistake::new(OPTION, rule, "give another name"))?;
    Ok(Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &str, audience: Audience) -> Result<Option<String>, RequestMistake> {
        let options =
            AmiOptions { watermark: Some(name.parse().unwrap()), audience, ..AmiOptions::default() };
        let root = "0".repeat(64);
        check(&options, &ImageFacts { watermark: Some(format!("web/{root}")), ..ImageFacts::default() })
    }

    #[test]
    fn a_name_keeps_to_the_rules_of_the_service() {
        for good in ["abc", "team (web) [1]/x.y-z'@_", &"x".repeat(128)] {
            assert_eq!(checked(good, Audience::Named).unwrap().as_deref(), Some(good));
        }
        for bad in ["", "ab", "a:b", "übung", "a\nb", &"x".repeat(129)] {
            checked(bad, Audience::Named).unwrap_err();
        }
        checked("abc", Audience::Public).unwrap_err();
        assert_eq!(check(&AmiOptions::default(), &ImageFacts::default()).unwrap(), None);
    }

    #[test]
    fn a_derived_name_carries_the_root() {
        let name = checked("auto", Audience::Named).unwrap().unwrap();
        assert_eq!(root_of(&name), Some("0".repeat(64).as_str()));
        for other in ["web", "web/1", &format!("web/{}", "F".repeat(64)), &"0".repeat(64)] {
            assert_eq!(root_of(other), None, "{other}");
        }
        let raw = AmiOptions { watermark: Some(WatermarkOption::Auto), ..AmiOptions::default() };
        check(&raw, &ImageFacts::default()).unwrap_err();
    }
}
