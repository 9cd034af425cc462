//! Regions by their names: which partition of AWS one belongs to. An image cannot be copied from one partition to
//! another, and ARNs begin with the partition.

use super::RequestMistake;

/// A partition of AWS, as ARNs name it.
pub type AwsPartition = &'static str;

/// What names of regions begin with, where that is not the public partition.
const PREFIXES: [(&str, AwsPartition); 7] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("us-iso-", "aws-iso"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
];

/// The partition of a region.
pub fn partition(region: &str) -> AwsPartition {
    PREFIXES.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

/// Refuses what cannot be the name of a region.
pub(super) fn check_name(option: &'static str, region: &str) -> Result<(), RequestMistake> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !region.is_empty() && region.len() <= 64 && region.chars().all(plain) {
        return Ok(());
    }
    Err(RequestMistake::new(
        option,
        format!("`{region}` is not the name of a region"),
        "write it as `eu-central-1`; further regions after a comma",
    ))
}
