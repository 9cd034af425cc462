//! The partition of a region, with which every ARN begins.

/// Prefixes of the names of regions outside of the partition `aws`, as in `partitions.json` of the AWS SDKs.
const PREFIXES: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
];

/// The partition of a region, such as `aws` or `aws-cn`.
pub(crate) fn partition(region: &str) -> &'static str {
    PREFIXES.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_is_of_one_partition() {
        for (region, expected) in [
            ("local", "aws"),
            ("eu-west-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(partition(region), expected, "{region}");
        }
    }
}
