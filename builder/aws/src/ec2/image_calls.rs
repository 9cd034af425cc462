//! The calls of EC2 for the clean-up of images: [`ImageCalls`].

use amiforge_lifecycle::api::images::{
    ImageCalls, ImageReference, RecycledImage, RecycledSnapshot, SnapshotDeletion, StoredSnapshot,
    UsageEntry, UsageReport,
};
use amiforge_publish::api::ec2::Tags;
use amiforge_publish::service_error::ServiceError;
use amiforge_publish::tags::PREFIX;

use super::super::query::Timestamp;
use super::calls::account::DescribeRegions;
use super::calls::images::DeregisterImage;
use super::calls::recycle_bin::{
    DeleteTags, DisableImage, DisableImageDeprecation, EnableImage, ListImagesInRecycleBin,
    ListSnapshotsInRecycleBin, RestoreImageFromRecycleBin, RestoreSnapshotFromRecycleBin,
};
use super::calls::references::{DescribeImageReferences, DescribeTags, ReferenceKind, ReferenceOption};
use super::calls::snapshots::{self, DescribeSnapshots};
use super::calls::tags::{Filter, NewTagKey, TagSpecification};
use super::calls::usage::{
    CreateImageUsageReport, DeleteImageUsageReport, DescribeImageUsageReportEntries,
    DescribeImageUsageReports, UsageKind,
};
use super::{Ec2Client, MAX_RESULTS, describe_attribute, inputs, missing_id, outputs};

/// Number of the newest versions of a launch template that are looked at: the maximum of the service, whose default of
/// 20 would overlook a version that a group has pinned.
const VERSION_DEPTH: &str = "10000";

const TEMPLATE: &str = "ec2:LaunchTemplate";

fn version_depth() -> Vec<ReferenceOption> {
    vec![ReferenceOption { name: "version-depth".to_owned(), values: vec![VERSION_DEPTH.to_owned()] }]
}

impl ImageCalls for Ec2Client {
    async fn image_references(&self, images: &[String]) -> Result<Vec<ImageReference>, ServiceError> {
        let call = DescribeImageReferences {
            images: images.to_vec(),
            all: true,
            kinds: vec![ReferenceKind { kind: TEMPLATE.to_owned(), options: version_depth() }],
            next_token: None,
        };
        let references = self.client.call_pages(call).await?.into_iter();
        Ok(references
            .map(|one| ImageReference {
                image: one.image.unwrap_or_default(),
                kind: one.kind.unwrap_or_default(),
                arn: one.arn.unwrap_or_default(),
            })
            .collect())
    }

    async fn last_launched(&self, image: &str) -> Result<Option<String>, ServiceError> {
        let output = self.client.call(&describe_attribute(image, "lastLaunchedTime")).await?;
        Ok(output.last_launched.and_then(|time| time.value).filter(|time| !time.is_empty()))
    }

    async fn own_snapshots(&self) -> Result<Vec<StoredSnapshot>, ServiceError> {
        let call = DescribeSnapshots {
            owners: vec!["self".to_owned()],
            filters: vec![Filter { name: "tag-key".to_owned(), values: vec![format!("{PREFIX}*")] }],
            max_results: Some(MAX_RESULTS),
            ..DescribeSnapshots::default()
        };
        Ok(self.client.call_pages(call).await?.into_iter().map(stored).collect())
    }

    async fn enabled_regions(&self) -> Result<Vec<String>, ServiceError> {
        let output = self.client.call(&DescribeRegions { filters: Vec::new() }).await?;
        Ok(output.regions.into_iter().filter_map(|region| region.name).collect())
    }

    async fn create_usage_report(
        &self,
        image: &str,
        token: &str,
        tags: &Tags,
    ) -> Result<String, ServiceError> {
        let kind = |kind: &str, options| UsageKind { kind: kind.to_owned(), options };
        let call = CreateImageUsageReport {
            image: image.to_owned(),
            kinds: vec![kind("ec2:Instance", Vec::new()), kind(TEMPLATE, version_depth())],
            token: token.to_owned(),
            tags: vec![TagSpecification {
                resource_type: "image-usage-report".to_owned(),
                tags: inputs::tags(tags),
            }],
        };
        self.client.call(&call).await?.id.ok_or_else(|| missing_id("CreateImageUsageReport"))
    }

    async fn usage_reports(&self, image: &str) -> Result<Vec<UsageReport>, ServiceError> {
        let call = DescribeImageUsageReports { images: vec![image.to_owned()], next_token: None };
        let reports = self.client.call_pages(call).await?.into_iter();
        Ok(reports
            .map(|report| UsageReport {
                id: report.id.unwrap_or_default(),
                state: report.state.unwrap_or_default(),
                reason: report.reason,
                created: report.created.map_or(0, |time| time.seconds),
                tags: outputs::tags(report.tags),
            })
            .collect())
    }

    async fn usage_entries(&self, report: &str) -> Result<Vec<UsageEntry>, ServiceError> {
        let call = DescribeImageUsageReportEntries { reports: vec![report.to_owned()], next_token: None };
        let entries = self.client.call_pages(call).await?.into_iter();
        Ok(entries
            .map(|entry| UsageEntry {
                account: entry.account.unwrap_or_default(),
                kind: entry.kind.unwrap_or_default(),
                count: entry.count.unwrap_or(0),
            })
            .collect())
    }

    async fn delete_usage_report(&self, report: &str) -> Result<(), ServiceError> {
        self.client.call(&DeleteImageUsageReport { report: report.to_owned() }).await.map(drop)
    }

    async fn cancel_deprecation(&self, image: &str) -> Result<(), ServiceError> {
        self.client.call(&DisableImageDeprecation { image: image.to_owned() }).await.map(drop)
    }

    async fn disable_image(&self, image: &str) -> Result<(), ServiceError> {
        self.client.call(&DisableImage { image: image.to_owned() }).await.map(drop)
    }

    async fn enable_image(&self, image: &str) -> Result<(), ServiceError> {
        self.client.call(&EnableImage { image: image.to_owned() }).await.map(drop)
    }

    async fn deregister_with_snapshots(&self, image: &str) -> Result<Vec<SnapshotDeletion>, ServiceError> {
        let call = DeregisterImage { image: image.to_owned(), delete_snapshots: Some(true) };
        let snapshots = self.client.call(&call).await?.snapshots.into_iter();
        Ok(snapshots
            .map(|one| SnapshotDeletion {
                snapshot: one.id.unwrap_or_default(),
                code: one.code.unwrap_or_default(),
            })
            .collect())
    }

    async fn delete_tags(&self, resources: &[String], keys: &[&str]) -> Result<(), ServiceError> {
        let tags = keys.iter().map(|key| NewTagKey { key: (*key).to_owned() }).collect();
        self.client.call(&DeleteTags { resources: resources.to_vec(), tags }).await.map(drop)
    }

    async fn tagged_resources(&self, key: &str, value: &str) -> Result<Vec<String>, ServiceError> {
        let filter =
            |name: &str, value: &str| Filter { name: name.to_owned(), values: vec![value.to_owned()] };
        let call = DescribeTags {
            filters: vec![filter("key", key), filter("value", value)],
            max_results: Some(MAX_RESULTS),
            next_token: None,
        };
        Ok(self.client.call_pages(call).await?.into_iter().filter_map(|row| row.id).collect())
    }

    async fn recycled_images(&self) -> Result<Vec<RecycledImage>, ServiceError> {
        let call = ListImagesInRecycleBin { max_results: Some(MAX_RESULTS), next_token: None };
        let images = self.client.call_pages(call).await?.into_iter();
        Ok(images
            .map(|image| RecycledImage {
                id: image.id.unwrap_or_default(),
                name: image.name,
                entered: image.entered.as_ref().map(time),
                leaves: image.leaves.as_ref().map(time),
            })
            .collect())
    }

    async fn restore_image(&self, image: &str) -> Result<(), ServiceError> {
        self.client.call(&RestoreImageFromRecycleBin { image: image.to_owned() }).await.map(drop)
    }

    async fn recycled_snapshots(&self) -> Result<Vec<RecycledSnapshot>, ServiceError> {
        let call = ListSnapshotsInRecycleBin { max_results: Some(MAX_RESULTS), next_token: None };
        let snapshots = self.client.call_pages(call).await?.into_iter();
        Ok(snapshots
            .map(|snapshot| RecycledSnapshot {
                id: snapshot.id.unwrap_or_default(),
                description: snapshot.description.filter(|text| !text.is_empty()),
                entered: snapshot.entered.as_ref().map(time),
                leaves: snapshot.leaves.as_ref().map(time),
            })
            .collect())
    }

    async fn restore_snapshot(&self, snapshot: &str) -> Result<(), ServiceError> {
        self.client.call(&RestoreSnapshotFromRecycleBin { snapshot: snapshot.to_owned() }).await.map(drop)
    }
}

fn time(time: &Timestamp) -> String {
    time.as_str().to_owned()
}

fn stored(snapshot: snapshots::Snapshot) -> StoredSnapshot {
    StoredSnapshot {
        id: snapshot.id.unwrap_or_default(),
        state: snapshot.state.unwrap_or_default(),
        started: snapshot.started.map_or(0, |time| time.seconds),
        volume_gib: snapshot.volume_size.unwrap_or(0),
        full_bytes: snapshot.full_bytes,
        encrypted: snapshot.encrypted.unwrap_or(false),
        tier: snapshot.tier,
        tags: outputs::tags(snapshot.tags),
    }
}
