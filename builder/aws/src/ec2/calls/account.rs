//! What an account has set for a region, and its regions.

use super::super::super::query::{inputs, outputs};
use super::tags::Filter;

inputs! {
    /// The regions that the account may use.
    DescribeRegions {
        filters: Vec<Filter> = "Filter",
    }

    /// Whether every new volume and snapshot is encrypted.
    GetEbsEncryptionByDefault {}

    /// The key of the encryption of volumes.
    GetEbsDefaultKmsKeyId {}

    /// Whether images are kept from becoming public.
    GetImageBlockPublicAccessState {}
}

outputs! {
    /// Regions.
    Regions {
        regions: Vec<Region> = "regionInfo",
    }

    /// A region.
    Region {
        name: Option<String> = "regionName",
    }

    /// Whether every new volume and snapshot is encrypted.
    EncryptionByDefault {
        enabled: Option<bool> = "ebsEncryptionByDefault",
    }

    /// The key of the encryption of volumes: an ARN, or `alias/aws/ebs`.
    DefaultKmsKey {
        key: Option<String> = "kmsKeyId",
    }

    /// `block-new-sharing` or `unblocked`.
    ImageBlockPublicAccess {
        state: Option<String> = "imageBlockPublicAccessState",
    }
}
