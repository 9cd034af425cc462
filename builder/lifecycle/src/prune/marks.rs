//! The tags in which the clean-up keeps what the service does not: when it disabled an image, what it replaced.
//!
//! Their keys do not begin with `amiforge:`, because those tags of an image and its snapshots must be equal.

use amiforge_publish::api::ec2::{DescribedImage, Grantee};

use crate::inventory::moment;

/// Of an image: when the clean-up deprecated it, ` from ` the minute that it set, and perhaps ` instead of ` the one before.
pub(super) const DEPRECATED: &str = "amiforge-prune:deprecated";
/// Of an image: when it was disabled.
pub(super) const DISABLED: &str = "amiforge-prune:disabled";
/// Of an image: who could launch it before it was disabled.
pub(super) const SHARED: &str = "amiforge-prune:shared-with";
/// Of a snapshot: the image that is about to be deregistered.
pub(super) const SNAPSHOT_OF: &str = "amiforge-prune:image";
/// Of a usage report: that the clean-up requested it.
pub(super) const REPORT: &str = "amiforge-prune:report";

/// All marks of an image.
pub(super) const OF_IMAGE: [&str; 3] = [DEPRECATED, DISABLED, SHARED];

/// Maximum length of the value of a tag.
const MAX_VALUE: usize = 255;
/// Separate the times of [`DEPRECATED`].
const FROM: &str = " from ";
const INSTEAD_OF: &str = " instead of ";

/// The deprecation that the clean-up has set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeprecationMark {
    /// When it was set: the grace time begins.
    pub(super) since: i64,
    /// The deprecation time, which the service wants to be ahead.
    pub(super) at: i64,
    /// The time that it replaced.
    pub(super) instead_of: Option<i64>,
}

impl DeprecationMark {
    /// The mark of an image.
    pub(super) fn of(image: &DescribedImage) -> Option<Self> {
        let (since, rest) = image.tags.get(DEPRECATED)?.split_once(FROM)?;
        let (at, before) = match rest.split_once(INSTEAD_OF) {
            Some((at, before)) => (at, moment::parse(before)),
            None => (rest, None),
        };
        Some(Self { since: moment::parse(since)?, at: moment::parse(at)?, instead_of: before })
    }

    /// The value of the tag.
    pub(super) fn value(self) -> String {
        let value = format!("{}{FROM}{}", moment::show(self.since), moment::show(self.at));
        match self.instead_of {
            Some(before) => format!("{value}{INSTEAD_OF}{}", moment::show(before)),
            None => value,
        }
    }

    /// Whether the image is deprecated as the mark says: the service keeps minutes.
    pub(super) fn is_set(self, image: &DescribedImage) -> bool {
        let at = image.deprecation_time.as_deref().and_then(moment::parse);
        at.is_some_and(|at| (at - self.at).abs() < 60)
    }
}

/// When the clean-up disabled an image.
pub(super) fn disabled_at(image: &DescribedImage) -> Option<i64> {
    image.tags.get(DISABLED).and_then(|at| moment::parse(at))
}

/// The value of [`SHARED`]; none if no other account could launch the image, or the list is too long for a tag.
pub(super) fn shared_value(grantees: &[Grantee]) -> Option<String> {
    let all: Vec<_> = grantees.iter().map(ToString::to_string).collect();
    let value = all.join(" ");
    (!value.is_empty() && value.chars().count() <= MAX_VALUE).then_some(value)
}

/// Who could launch an image before the clean-up disabled it.
pub(super) fn shared_with(image: &DescribedImage) -> Vec<Grantee> {
    let value = image.tags.get(SHARED).map(String::as_str).unwrap_or_default();
    value.split(' ').filter(|word| !word.is_empty()).filter_map(grantee).collect()
}

fn grantee(word: &str) -> Option<Grantee> {
    let is_account = word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_digit());
    match word {
        "all" => Some(Grantee::Everybody),
        _ if is_account => Some(Grantee::Account(word.to_owned())),
        arn if arn.contains(":ou/") => Some(Grantee::OrganizationalUnit(arn.to_owned())),
        arn if arn.contains(":organization/") => Some(Grantee::Organization(arn.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_of_deprecation_keeps_the_time_that_it_replaced() {
        for instead_of in [None, Some(1_900_000_020)] {
            let mark = DeprecationMark { since: 1_799_999_950, at: 1_800_000_000, instead_of };
            let mut image = DescribedImage::default();
            image.tags.insert(DEPRECATED.to_owned(), mark.value());
            assert_eq!(DeprecationMark::of(&image), Some(mark));
            assert!(!mark.is_set(&image));
            image.deprecation_time = Some(moment::show(mark.at));
            assert!(mark.is_set(&image));
        }
    }

    #[test]
    fn who_could_launch_an_image_fits_a_tag_or_is_left_out() {
        let some = vec![
            Grantee::Everybody,
            Grantee::Account("111122223333".to_owned()),
            Grantee::Organization("arn:aws:organizations::1:organization/o-1".to_owned()),
            Grantee::OrganizationalUnit("arn:aws:organizations::1:ou/o-1/ou-1".to_owned()),
        ];
        let mut image = DescribedImage::default();
        image.tags.insert(SHARED.to_owned(), shared_value(&some).unwrap());
        assert_eq!(shared_with(&image), some);
        assert_eq!(shared_value(&[]), None);
        let many: Vec<_> = (0..20).map(|n| Grantee::Account(format!("{n:012}"))).collect();
        assert_eq!(shared_value(&many), None);
    }
}
