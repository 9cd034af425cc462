//! Launch permissions and Allowed AMIs settings (EC2 API version 2016-11-15).

use std::future::Future;

use amiforge_publish::api::ec2::{Ec2, Grantee};
use amiforge_publish::service_error::ServiceError;
use serde::{Deserialize, Serialize};

/// EC2 in one region: who may use images and snapshots.
pub trait SharingCalls: Ec2 {
    /// Changes the launch permissions of an image. Removing a permission that is not there is no error.
    fn change_launch_permissions(
        &self,
        image: &str,
        add: &[Grantee],
        remove: &[Grantee],
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Gives up the caller's own permission to launch an image of another account.
    fn cancel_launch_permission(&self, image: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// The accounts that may create volumes from a snapshot, or everybody.
    fn snapshot_grantees(
        &self,
        snapshot: &str,
    ) -> impl Future<Output = Result<Vec<Grantee>, ServiceError>> + Send;

    /// Adds or removes permissions to create volumes from a snapshot: accounts and everybody, at most 500 in one call.
    fn change_snapshot_permissions(
        &self,
        snapshot: &str,
        change: PermissionChange,
        who: &[Grantee],
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Whether the account blocks public snapshots in the region: `unblocked` or the kind of block.
    fn snapshot_public_access(&self) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// The Allowed AMIs setting of the account in the region.
    fn allowed_images(&self) -> impl Future<Output = Result<AllowedImages, ServiceError>> + Send;

    /// The names of all regions that are enabled for the account.
    fn enabled_regions(&self) -> impl Future<Output = Result<Vec<String>, ServiceError>> + Send;
}

/// Direction of a change of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermissionChange {
    /// They are added.
    Add,
    /// They are removed.
    Remove,
}

/// The Allowed AMIs setting of an account in a region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedImages {
    /// `disabled`, `audit-mode` or `enabled`.
    pub state: String,
    /// `account` or `declarative-policy`.
    pub managed_by: String,
    /// The criteria, one of which an image of another account has to meet.
    pub criteria: Vec<ImageCriterion>,
}

/// A criterion, all conditions of which have to hold; as `ReplaceImageCriteriaInAllowedImagesSettings` takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageCriterion {
    /// Accounts, or `amazon`, `aws-marketplace`, `aws-backup-vault`, `none`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_providers: Vec<String>,
    /// Product codes of AWS Marketplace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marketplace_product_codes: Vec<String>,
    /// Names with the wildcards `?` and `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_names: Vec<String>,
    /// The time since its deprecation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecation_time_condition: Option<DeprecationTimeCondition>,
    /// The time since its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_date_condition: Option<CreationDateCondition>,
    /// Watermarks, one of which it carries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_watermarks: Vec<ImageWatermarkFilter>,
    /// Results of scans by Amazon Inspector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan_result_condition: Option<ScanResultCondition>,
}

/// The maximum number of days since the deprecation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeprecationTimeCondition {
    /// Days; 0 excludes all deprecated images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_days_since_deprecated: Option<u64>,
}

/// The maximum number of days since the creation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreationDateCondition {
    /// Days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_days_since_created: Option<u64>,
}

/// A filter for watermarks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageWatermarkFilter {
    /// `ACCOUNT:NAME`, with wildcards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark_key: Option<String>,
    /// The region in which the watermark was created, with wildcards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_image_region: Option<String>,
    /// Days since the source image was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_days_since_source_image_created: Option<u64>,
    /// Days since the watermark was attached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_days_since_watermark_created: Option<u64>,
}

/// A condition on results of scans.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ScanResultCondition {
    /// Days since the last scan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_days_since_last_finding_scan: Option<u64>,
    /// The maximum severity of a finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_severity_label: Option<String>,
    /// Days since a fix for an informational finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_days_since_informational_fix_available: Option<u64>,
    /// Days since a fix for a finding of low severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_days_since_low_fix_available: Option<u64>,
    /// Days since a fix for a finding of medium severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_days_since_medium_fix_available: Option<u64>,
    /// Days since a fix for a finding of high severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_days_since_high_fix_available: Option<u64>,
    /// Days since a fix for a critical finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_days_since_critical_fix_available: Option<u64>,
}
