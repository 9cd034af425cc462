//! Names of AMIs and snapshots as resource descriptors have them: ARNs, which are URIs. Those of images and snapshots have no
//! account (Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2").

use amiforge_image::manifest::BaseSnapshot;
use serde_json::{Value, json};

use crate::lock::LockedSnapshot;

/// Beginnings of names of regions, and the partition that they are in (AWS General Reference, "ARNs").
const PARTITIONS: [(&str, &str); 8] = [
    ("us-gov-", "aws-us-gov"),
    ("cn-", "aws-cn"),
    ("eusc-", "aws-eusc"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("us-iso-", "aws-iso"),
    ("eu-isoe-", "aws-iso-e"),
    ("", "aws"),
];

/// The ARN of an `image` or a `snapshot` in a region.
fn arn(kind: &str, id: &str, region: &str) -> String {
    let partition = PARTITIONS.iter().find(|(start, _)| region.starts_with(start));
    let partition = partition.map_or("aws", |(_, name)| name);
    format!("arn:{partition}:ec2:{region}::{kind}/{id}")
}

/// The URI of a pinned disk: that of the AMI, if the recipe named one, else that of the snapshot; with what else is known of it
/// as annotations.
pub(super) fn of_locked(locked: &LockedSnapshot, annotations: &mut Value) -> String {
    let snapshot = arn("snapshot", &locked.snapshot, &locked.region);
    if let Some(chosen_by) = &locked.chosen_by {
        annotations["chosenBy"] = json!(chosen_by);
    }
    match &locked.image {
        Some(image) => {
            annotations["snapshot"] = json!(snapshot);
            arn("image", image, &locked.region)
        }
        None => snapshot,
    }
}

/// The URI of the snapshot whose disk is kept, which the manifest has as an input.
pub(super) fn of_base(base: BaseSnapshot<'_>) -> String {
    arn("snapshot", base.id, base.region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_in_its_partition() {
        for (region, expected) in [
            ("eu-west-1", "arn:aws:ec2:eu-west-1::image/ami-1"),
            ("us-gov-west-1", "arn:aws-us-gov:ec2:us-gov-west-1::image/ami-1"),
            ("cn-north-1", "arn:aws-cn:ec2:cn-north-1::image/ami-1"),
            ("us-isob-east-1", "arn:aws-iso-b:ec2:us-isob-east-1::image/ami-1"),
            ("us-iso-east-1", "arn:aws-iso:ec2:us-iso-east-1::image/ami-1"),
        ] {
            assert_eq!(arn("image", "ami-1", region), expected);
        }
    }
}
