//! The calls of EC2 for sharing: converts the types of [`amiforge_lifecycle::api::sharing`] to those of the service and
//! back.

use amiforge_lifecycle::api::sharing::{
    AllowedImages, CreationDateCondition, DeprecationTimeCondition, ImageCriterion, ImageWatermarkFilter,
    PermissionChange, ScanResultCondition, SharingCalls,
};
use amiforge_publish::api::ec2::Grantee;
use amiforge_publish::service_error::ServiceError;

use super::calls::account::DescribeRegions;
use super::calls::images::{LaunchPermissionChange, ModifyImageAttribute};
use super::calls::sharing::{
    self, CancelImageLaunchPermission, GetAllowedImagesSettings, GetSnapshotBlockPublicAccessState,
};
use super::calls::snapshots::{CreateVolumePermission, DescribeSnapshotAttribute, ModifySnapshotAttribute};
use super::{Ec2Client, inputs};

/// The attribute of a snapshot that has its permissions.
const CREATE_VOLUME: &str = "createVolumePermission";

impl SharingCalls for Ec2Client {
    async fn change_launch_permissions(
        &self,
        image: &str,
        add: &[Grantee],
        remove: &[Grantee],
    ) -> Result<(), ServiceError> {
        let permissions = |who: &[Grantee]| who.iter().map(inputs::grantee).collect();
        let launch = LaunchPermissionChange { add: permissions(add), remove: permissions(remove) };
        let call = ModifyImageAttribute { image: image.to_owned(), launch };
        self.client.call(&call).await.map(drop)
    }

    async fn cancel_launch_permission(&self, image: &str) -> Result<(), ServiceError> {
        self.client.call(&CancelImageLaunchPermission { image: image.to_owned() }).await.map(drop)
    }

    async fn snapshot_grantees(&self, snapshot: &str) -> Result<Vec<Grantee>, ServiceError> {
        let call = DescribeSnapshotAttribute { id: snapshot.to_owned(), attribute: CREATE_VOLUME.to_owned() };
        let grantee = |permission: CreateVolumePermission| match permission.group.as_deref() {
            Some("all") => Some(Grantee::Everybody),
            _ => permission.account.map(Grantee::Account),
        };
        Ok(self.client.call(&call).await?.create_volume.into_iter().filter_map(grantee).collect())
    }

    async fn change_snapshot_permissions(
        &self,
        snapshot: &str,
        change: PermissionChange,
        who: &[Grantee],
    ) -> Result<(), ServiceError> {
        let operation = match change {
            PermissionChange::Add => "add",
            PermissionChange::Remove => "remove",
        };
        let account = |who: &Grantee| match who {
            Grantee::Account(account) => Some(account.clone()),
            _ => None,
        };
        let groups = if who.contains(&Grantee::Everybody) { vec!["all".to_owned()] } else { Vec::new() };
        let call = ModifySnapshotAttribute {
            id: snapshot.to_owned(),
            attribute: CREATE_VOLUME.to_owned(),
            operation: operation.to_owned(),
            accounts: who.iter().filter_map(account).collect(),
            groups,
        };
        self.client.call(&call).await.map(drop)
    }

    async fn snapshot_public_access(&self) -> Result<String, ServiceError> {
        Ok(self.client.call(&GetSnapshotBlockPublicAccessState {}).await?.state.unwrap_or_default())
    }

    async fn allowed_images(&self) -> Result<AllowedImages, ServiceError> {
        let settings = self.client.call(&GetAllowedImagesSettings {}).await?;
        Ok(AllowedImages {
            state: settings.state.unwrap_or_default(),
            managed_by: settings.managed_by.unwrap_or_default(),
            criteria: settings.criteria.into_iter().map(criterion).collect(),
        })
    }

    async fn enabled_regions(&self) -> Result<Vec<String>, ServiceError> {
        // Without `AllRegions`, the service lists the regions that are enabled for the account.
        let output = self.client.call(&DescribeRegions { filters: Vec::new() }).await?;
        Ok(output.regions.into_iter().filter_map(|region| region.name).collect())
    }
}

fn criterion(criterion: sharing::ImageCriterion) -> ImageCriterion {
    let deprecation = |condition: sharing::DeprecationTimeCondition| DeprecationTimeCondition {
        maximum_days_since_deprecated: condition.days,
    };
    let creation = |condition: sharing::CreationDateCondition| CreationDateCondition {
        maximum_days_since_created: condition.days,
    };
    ImageCriterion {
        image_providers: criterion.providers,
        marketplace_product_codes: criterion.product_codes,
        image_names: criterion.names,
        deprecation_time_condition: criterion.deprecation.map(deprecation),
        creation_date_condition: criterion.creation.map(creation),
        image_watermarks: criterion.watermarks.into_iter().map(watermark).collect(),
        scan_result_condition: criterion.scan.map(scan),
    }
}

fn watermark(filter: sharing::ImageWatermarkFilter) -> ImageWatermarkFilter {
    ImageWatermarkFilter {
        watermark_key: filter.key,
        source_image_region: filter.source_region,
        maximum_days_since_source_image_created: filter.since_source_created,
        maximum_days_since_watermark_created: filter.since_created,
    }
}

fn scan(scan: sharing::ScanResultCondition) -> ScanResultCondition {
    ScanResultCondition {
        max_days_since_last_finding_scan: scan.since_scan,
        maximum_severity_label: scan.severity,
        max_days_since_informational_fix_available: scan.informational,
        max_days_since_low_fix_available: scan.low,
        max_days_since_medium_fix_available: scan.medium,
        max_days_since_high_fix_available: scan.high,
        max_days_since_critical_fix_available: scan.critical,
    }
}
