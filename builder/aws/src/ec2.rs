//! The calls of EC2 for AMIs: converts the types of [`amiforge_publish::api`] to those of the service and back. Decides
//! nothing.

mod calls;
mod image_calls;
mod imports;
mod inputs;
mod launches;
mod outputs;
mod sharing;
mod snapshot_use;
mod snapshots;
mod storage;

use amiforge_publish::api::ec2::{
    Cooldown, DescribedImage, Ec2, Grantee, ImageCopy, ImageOwner, ImageQuery, NewImage, PublicAccess,
    Regions, Tags,
};
use amiforge_publish::api::{DescribedSnapshot, SnapshotCalls};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use aws_config::SdkConfig;

use super::AwsConfig;
use super::query::{Client, Timestamp};
use calls::images::{
    AttachImageWatermark, DeregisterImage, DescribeImageAttribute, DescribeImages,
    DisableImageDeregistrationProtection, EnableImageDeprecation, EnableImageDeregistrationProtection,
    LaunchPermissionChange, ModifyImageAttribute,
};
use calls::snapshots::{DescribeSnapshotAttribute, ModifySnapshotAttribute};
use calls::tags::{CreateTags, Filter};

pub use calls::CALLS;
pub use snapshots::SnapshotsClient;

/// Items per page, the maximum of the service.
const MAX_RESULTS: u64 = 1000;

/// Client of EC2 in a region.
#[derive(Debug, Clone)]
pub struct Ec2Client {
    client: Client,
    snapshots: SnapshotsClient,
}

impl Ec2Client {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        let client = Client::new(sdk, &calls::EC2);
        Self { snapshots: SnapshotsClient::from_client(client.clone()), client }
    }
}

impl Regions for AwsConfig {
    type Ec2 = Ec2Client;

    fn ec2(&self, region: &str) -> Ec2Client {
        self.in_region(region).ec2()
    }
}

impl SnapshotCalls for Ec2Client {
    async fn describe_snapshot(&self, id: &str) -> Result<DescribedSnapshot, ServiceError> {
        self.snapshots.describe_snapshot(id).await
    }

    async fn describe_tagged_snapshots(
        &self,
        tags: &[(&str, &str)],
    ) -> Result<Vec<DescribedSnapshot>, ServiceError> {
        self.snapshots.describe_tagged_snapshots(tags).await
    }

    async fn delete_snapshot(&self, id: &str) -> Result<(), ServiceError> {
        self.snapshots.delete_snapshot(id).await
    }

    async fn encryption_by_default(&self) -> Result<bool, ServiceError> {
        self.snapshots.encryption_by_default().await
    }

    async fn root_snapshot(&self, image: &str) -> Result<String, ServiceError> {
        self.snapshots.root_snapshot(image).await
    }
}

impl Ec2 for Ec2Client {
    async fn register_image(&self, image: &NewImage) -> Result<String, ServiceError> {
        let output = self.client.call(&inputs::register(image)).await?;
        output.id.ok_or_else(|| missing_id("RegisterImage"))
    }

    async fn describe_images(&self, query: &ImageQuery) -> Result<Vec<DescribedImage>, ServiceError> {
        let filter = |filter: &amiforge_publish::api::ec2::QueryFilter| Filter {
            name: filter.name.clone(),
            values: filter.values.clone(),
        };
        let call = DescribeImages {
            ids: query.ids.clone(),
            owners: match &query.owner {
                ImageOwner::Own => vec!["self".to_owned()],
                ImageOwner::Named(owner) => vec![owner.clone()],
                ImageOwner::Any => Vec::new(),
            },
            filters: query.filters.iter().map(filter).collect(),
            include_deprecated: Some(true),
            include_disabled: Some(true),
            // `ImageId` and `MaxResults` exclude each other.
            max_results: query.ids.is_empty().then_some(MAX_RESULTS),
            next_token: None,
        };
        Ok(self.client.call_pages(call).await?.into_iter().map(outputs::image).collect())
    }

    async fn launch_permissions(&self, image: &str) -> Result<Vec<Grantee>, ServiceError> {
        let output = self.client.call(&describe_attribute(image, "launchPermission")).await?;
        Ok(output.launch.into_iter().filter_map(outputs::grantee).collect())
    }

    async fn uefi_data(&self, image: &str) -> Result<Option<String>, ServiceError> {
        let output = self.client.call(&describe_attribute(image, "uefiData")).await?;
        Ok(output.uefi_data.and_then(|data| data.value).filter(|value| !value.is_empty()))
    }

    async fn add_launch_permissions(&self, image: &str, who: &[Grantee]) -> Result<(), ServiceError> {
        let launch =
            LaunchPermissionChange { add: who.iter().map(inputs::grantee).collect(), remove: Vec::new() };
        let call = ModifyImageAttribute { image: image.to_owned(), launch };
        self.client.call(&call).await.map(drop)
    }

    async fn snapshot_accounts(&self, snapshot: &str) -> Result<Vec<String>, ServiceError> {
        let attribute = "createVolumePermission".to_owned();
        let call = DescribeSnapshotAttribute { id: snapshot.to_owned(), attribute };
        let output = self.client.call(&call).await?;
        Ok(output.create_volume.into_iter().filter_map(|permission| permission.account).collect())
    }

    async fn add_snapshot_accounts(&self, snapshot: &str, accounts: &[String]) -> Result<(), ServiceError> {
        let call = ModifySnapshotAttribute {
            id: snapshot.to_owned(),
            attribute: "createVolumePermission".to_owned(),
            operation: "add".to_owned(),
            accounts: accounts.to_vec(),
            groups: Vec::new(),
        };
        self.client.call(&call).await.map(drop)
    }

    async fn copy_image(&self, copy: &ImageCopy) -> Result<String, ServiceError> {
        let output = self.client.call(&inputs::copy(copy)).await?;
        output.id.ok_or_else(|| missing_id("CopyImage"))
    }

    async fn create_tags(&self, resources: &[String], tags: &Tags) -> Result<(), ServiceError> {
        let call = CreateTags { resources: resources.to_vec(), tags: inputs::tags(tags) };
        self.client.call(&call).await.map(drop)
    }

    async fn attach_watermark(&self, image: &str, name: &str) -> Result<String, ServiceError> {
        let call = AttachImageWatermark { image: image.to_owned(), name: name.to_owned() };
        self.client.call(&call).await?.key.ok_or_else(|| missing_id("AttachImageWatermark"))
    }

    async fn enable_image_deprecation(&self, image: &str, at: &str) -> Result<(), ServiceError> {
        let at = Timestamp::parse(at)
            .map_err(|error| ServiceError::local(ServiceErrorKind::Refused, error.to_string()))?;
        self.client.call(&EnableImageDeprecation { image: image.to_owned(), at }).await.map(drop)
    }

    async fn enable_deregistration_protection(
        &self,
        image: &str,
        cooldown: Cooldown,
    ) -> Result<(), ServiceError> {
        let with_cooldown = cooldown == Cooldown::Day;
        let call = EnableImageDeregistrationProtection { image: image.to_owned(), with_cooldown };
        self.client.call(&call).await.map(drop)
    }

    async fn disable_deregistration_protection(&self, image: &str) -> Result<(), ServiceError> {
        let call = DisableImageDeregistrationProtection { image: image.to_owned() };
        self.client.call(&call).await.map(drop)
    }

    async fn deregister_image(&self, image: &str) -> Result<(), ServiceError> {
        let call = DeregisterImage { image: image.to_owned(), delete_snapshots: None };
        self.client.call(&call).await.map(drop)
    }

    async fn default_kms_key(&self) -> Result<String, ServiceError> {
        let output = self.client.call(&calls::account::GetEbsDefaultKmsKeyId {}).await?;
        output.key.ok_or_else(|| missing_id("GetEbsDefaultKmsKeyId"))
    }

    async fn image_public_access(&self) -> Result<PublicAccess, ServiceError> {
        let output = self.client.call(&calls::account::GetImageBlockPublicAccessState {}).await?;
        let state = output.state.unwrap_or_default();
        Ok(if state.starts_with("block") { PublicAccess::Blocked } else { PublicAccess::Open })
    }

    async fn describe_regions(&self, names: &[String]) -> Result<Vec<String>, ServiceError> {
        let filter = Filter { name: "region-name".to_owned(), values: names.to_vec() };
        let output = self.client.call(&calls::account::DescribeRegions { filters: vec![filter] }).await?;
        Ok(output.regions.into_iter().filter_map(|region| region.name).collect())
    }
}

fn describe_attribute(image: &str, name: &str) -> DescribeImageAttribute {
    DescribeImageAttribute { image: image.to_owned(), attribute: name.to_owned() }
}

/// The error for a response without the id that the call returns.
fn missing_id(call: &str) -> ServiceError {
    ServiceError::local(ServiceErrorKind::Unreadable, format!("the answer of {call} has no id"))
}
