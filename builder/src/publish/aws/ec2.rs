//! The life of an AMI through `aws-sdk-ec2`: our plain types to the client's and back. Decides nothing.

mod plain;
mod wire;

use aws_config::SdkConfig;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types as sdk;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::fault::fault;
use super::{Config, SnapshotsClient};
use crate::publish::api::ec2::{
    Cooldown, Ec2, Grantee, Image, ImageCopy, ImageQuery, NewImage, Owner, PublicAccess, Regions, Tags,
};
use crate::publish::api::{Snapshot, Snapshots};
use crate::publish::fault::{Fault, FaultKind};

/// A region's EC2.
#[derive(Debug, Clone)]
pub struct Ec2Client {
    client: Client,
    snapshots: SnapshotsClient,
}

impl Ec2Client {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self { client: Client::new(sdk), snapshots: SnapshotsClient::new(sdk) }
    }
}

impl Regions for Config {
    type Ec2 = Ec2Client;

    fn ec2(&self, region: &str) -> Ec2Client {
        self.in_region(region).ec2()
    }
}

impl Snapshots for Ec2Client {
    async fn snapshot(&self, id: &str) -> Result<Snapshot, Fault> {
        self.snapshots.snapshot(id).await
    }

    async fn tagged(&self, tags: &[(&str, &str)]) -> Result<Vec<Snapshot>, Fault> {
        self.snapshots.tagged(tags).await
    }

    async fn delete_snapshot(&self, id: &str) -> Result<(), Fault> {
        self.snapshots.delete_snapshot(id).await
    }

    async fn encryption_by_default(&self) -> Result<bool, Fault> {
        self.snapshots.encryption_by_default().await
    }

    async fn root_snapshot(&self, image: &str) -> Result<String, Fault> {
        self.snapshots.root_snapshot(image).await
    }
}

impl Ec2 for Ec2Client {
    async fn register_image(&self, image: &NewImage) -> Result<String, Fault> {
        let answer = wire::register(self.client.register_image(), image).send().await.map_err(fault)?;
        answer.image_id.ok_or_else(|| no_id("RegisterImage"))
    }

    async fn describe_images(&self, query: &ImageQuery) -> Result<Vec<Image>, Fault> {
        let mut call = self.client.describe_images().include_deprecated(true).include_disabled(true);
        if query.own == Owner::Own {
            call = call.owners("self");
        }
        for id in &query.ids {
            call = call.image_ids(id);
        }
        for filter in &query.filters {
            let values = Some(filter.values.clone());
            call = call.filters(sdk::Filter::builder().name(&filter.name).set_values(values).build());
        }
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            // Ids and pages exclude each other.
            let pages = query.ids.is_empty().then_some(1000);
            let page = call.clone().set_max_results(pages).set_next_token(next);
            let answer = page.send().await.map_err(fault)?;
            found.extend(answer.images.unwrap_or_default().into_iter().map(plain::image));
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    async fn launch_permissions(&self, image: &str) -> Result<Vec<Grantee>, Fault> {
        let attribute = sdk::ImageAttributeName::LaunchPermission;
        let call = self.client.describe_image_attribute().image_id(image).attribute(attribute);
        let answer = call.send().await.map_err(fault)?;
        Ok(answer.launch_permissions.unwrap_or_default().into_iter().filter_map(plain::grantee).collect())
    }

    async fn uefi_data(&self, image: &str) -> Result<Option<String>, Fault> {
        let attribute = sdk::ImageAttributeName::UefiData;
        let call = self.client.describe_image_attribute().image_id(image).attribute(attribute);
        let answer = call.send().await.map_err(fault)?;
        Ok(answer.uefi_data.and_then(|value| value.value).filter(|value| !value.is_empty()))
    }

    async fn add_launch_permissions(&self, image: &str, who: &[Grantee]) -> Result<(), Fault> {
        let add = who.iter().map(wire::grantee).collect();
        let change = sdk::LaunchPermissionModifications::builder().set_add(Some(add)).build();
        let call = self.client.modify_image_attribute().image_id(image).launch_permission(change);
        call.send().await.map_err(fault).map(drop)
    }

    async fn snapshot_accounts(&self, snapshot: &str) -> Result<Vec<String>, Fault> {
        let attribute = sdk::SnapshotAttributeName::CreateVolumePermission;
        let call = self.client.describe_snapshot_attribute().snapshot_id(snapshot).attribute(attribute);
        let answer = call.send().await.map_err(fault)?;
        let permissions = answer.create_volume_permissions.unwrap_or_default();
        Ok(permissions.into_iter().filter_map(|permission| permission.user_id).collect())
    }

    async fn add_snapshot_accounts(&self, snapshot: &str, accounts: &[String]) -> Result<(), Fault> {
        let call = self
            .client
            .modify_snapshot_attribute()
            .snapshot_id(snapshot)
            .attribute(sdk::SnapshotAttributeName::CreateVolumePermission)
            .operation_type(sdk::OperationType::Add)
            .set_user_ids(Some(accounts.to_vec()));
        call.send().await.map_err(fault).map(drop)
    }

    async fn copy_image(&self, copy: &ImageCopy) -> Result<String, Fault> {
        let answer = wire::copy(self.client.copy_image(), copy).send().await.map_err(fault)?;
        answer.image_id.ok_or_else(|| no_id("CopyImage"))
    }

    async fn create_tags(&self, resources: &[String], tags: &Tags) -> Result<(), Fault> {
        let call = self.client.create_tags().set_resources(Some(resources.to_vec()));
        call.set_tags(Some(wire::tags(tags))).send().await.map_err(fault).map(drop)
    }

    async fn enable_image_deprecation(&self, image: &str, at: &str) -> Result<(), Fault> {
        let moment = DateTime::from_str(at, Format::DateTime)
            .map_err(|error| Fault::own(FaultKind::Refused, format!("`{at}` is not a moment: {error}")))?;
        let call = self.client.enable_image_deprecation().image_id(image).deprecate_at(moment);
        call.send().await.map_err(fault).map(drop)
    }

    async fn enable_deregistration_protection(&self, image: &str, cooldown: Cooldown) -> Result<(), Fault> {
        let call = self.client.enable_image_deregistration_protection().image_id(image);
        call.with_cooldown(cooldown == Cooldown::Day).send().await.map_err(fault).map(drop)
    }

    async fn disable_deregistration_protection(&self, image: &str) -> Result<(), Fault> {
        let call = self.client.disable_image_deregistration_protection().image_id(image);
        call.send().await.map_err(fault).map(drop)
    }

    async fn deregister_image(&self, image: &str) -> Result<(), Fault> {
        self.client.deregister_image().image_id(image).send().await.map_err(fault).map(drop)
    }

    async fn default_kms_key(&self) -> Result<String, Fault> {
        let answer = self.client.get_ebs_default_kms_key_id().send().await.map_err(fault)?;
        answer.kms_key_id.ok_or_else(|| no_id("GetEbsDefaultKmsKeyId"))
    }

    async fn image_public_access(&self) -> Result<PublicAccess, Fault> {
        let answer = self.client.get_image_block_public_access_state().send().await.map_err(fault)?;
        let state = answer.image_block_public_access_state.unwrap_or_default();
        Ok(if state.starts_with("block") { PublicAccess::Blocked } else { PublicAccess::Open })
    }

    async fn describe_regions(&self) -> Result<Vec<String>, Fault> {
        let answer = self.client.describe_regions().send().await.map_err(fault)?;
        let regions = answer.regions.unwrap_or_default().into_iter();
        Ok(regions.filter_map(|region| region.region_name).collect())
    }
}

/// An answer that lacks what it is for.
fn no_id(call: &str) -> Fault {
    Fault::own(FaultKind::Unreadable, format!("the answer of {call} has no id"))
}
