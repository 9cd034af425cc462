//! Permissions that are given up, Allowed AMIs, and public access to snapshots.

use super::super::super::query::{inputs, outputs};

inputs! {
    /// Gives up the caller's own permission to launch an image.
    CancelImageLaunchPermission {
        image: String = "ImageId",
    }

    /// The Allowed AMIs setting.
    GetAllowedImagesSettings {}

    /// Whether public snapshots are blocked.
    GetSnapshotBlockPublicAccessState {}
}

outputs! {
    /// `block-all-sharing`, `block-new-sharing` or `unblocked`.
    SnapshotBlockPublicAccess {
        state: Option<String> = "state",
    }

    /// The Allowed AMIs setting.
    AllowedImagesSettings {
        state: Option<String> = "state",
        managed_by: Option<String> = "managedBy",
        criteria: Vec<ImageCriterion> = "imageCriterionSet",
    }

    /// A criterion.
    ImageCriterion {
        providers: Vec<String> = "imageProviderSet",
        product_codes: Vec<String> = "marketplaceProductCodeSet",
        names: Vec<String> = "imageNameSet",
        deprecation: Option<DeprecationTimeCondition> = "deprecationTimeCondition",
        creation: Option<CreationDateCondition> = "creationDateCondition",
        watermarks: Vec<ImageWatermarkFilter> = "imageWatermarkSet",
        scan: Option<ScanResultCondition> = "scanResultCondition",
    }

    /// The maximum number of days since the deprecation.
    DeprecationTimeCondition {
        days: Option<u64> = "maximumDaysSinceDeprecated",
    }

    /// The maximum number of days since the creation.
    CreationDateCondition {
        days: Option<u64> = "maximumDaysSinceCreated",
    }

    /// A filter for watermarks.
    ImageWatermarkFilter {
        key: Option<String> = "watermarkKey",
        source_region: Option<String> = "sourceImageRegion",
        /// Days.
        since_source_created: Option<u64> = "maximumDaysSinceSourceImageCreated",
        /// Days.
        since_created: Option<u64> = "maximumDaysSinceWatermarkCreated",
    }

    /// A condition on results of scans; the numbers are days.
    ScanResultCondition {
        since_scan: Option<u64> = "maxDaysSinceLastFindingScan",
        severity: Option<String> = "maximumSeverityLabel",
        informational: Option<u64> = "maxDaysSinceInformationalFixAvailable",
        low: Option<u64> = "maxDaysSinceLowFixAvailable",
        medium: Option<u64> = "maxDaysSinceMediumFixAvailable",
        high: Option<u64> = "maxDaysSinceHighFixAvailable",
        critical: Option<u64> = "maxDaysSinceCriticalFixAvailable",
    }
}
