//! Partitions of AWS, derived from region names. An image cannot be copied between partitions, and ARNs begin with the
//! partition.

use super::RequestMistake;

/// A partition of AWS as in ARNs.
pub type AwsPartition = &'static str;

/// Prefixes of region names outside of the partition `aws`.
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

/// Refuses a text that is not a region name.
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
