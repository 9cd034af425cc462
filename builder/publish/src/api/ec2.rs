//! The calls of EC2 for AMIs, in plain types. One method is one request: nothing here waits, retries or decides. Must
//! not name an AWS crate.
//!
//! Follows the EC2 API, version 2016-11-15. A value that the service omits is `None`. Values of enumerations are kept
//! as strings, because the service adds new ones.

mod query;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;

use super::SnapshotCalls;
use crate::service_error::ServiceError;

pub use query::{ImageOwner, ImageQuery, QueryFilter};

/// The tags of a resource.
pub type Tags = BTreeMap<String, String>;

/// EC2 in one region, in addition to [`SnapshotCalls`].
pub trait Ec2: SnapshotCalls {
    /// Registers an image and returns its id. The call takes no client token: a name that is taken is the error
    /// `InvalidAMIName.Duplicate`.
    fn register_image(&self, image: &NewImage) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// The images that match; an id that does not exist is the error `InvalidAMIID.NotFound`.
    fn describe_images(
        &self,
        query: &ImageQuery,
    ) -> impl Future<Output = Result<Vec<DescribedImage>, ServiceError>> + Send;

    /// The launch permissions of an image.
    fn launch_permissions(
        &self,
        image: &str,
    ) -> impl Future<Output = Result<Vec<Grantee>, ServiceError>> + Send;

    /// The UEFI variables of an image, in base64.
    fn uefi_data(&self, image: &str) -> impl Future<Output = Result<Option<String>, ServiceError>> + Send;

    /// Adds launch permissions to an image.
    fn add_launch_permissions(
        &self,
        image: &str,
        who: &[Grantee],
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// The accounts that may create volumes from a snapshot, and therefore copy it.
    fn snapshot_accounts(
        &self,
        snapshot: &str,
    ) -> impl Future<Output = Result<Vec<String>, ServiceError>> + Send;

    /// Allows accounts to create volumes from a snapshot; at most 500 in one call.
    fn add_snapshot_accounts(
        &self,
        snapshot: &str,
        accounts: &[String],
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Copies an image of another region into this one and returns the id of the copy.
    fn copy_image(&self, copy: &ImageCopy) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// Sets tags on images and snapshots; an existing value is replaced.
    fn create_tags(
        &self,
        resources: &[String],
        tags: &Tags,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Attaches a watermark to an image that is not public, and returns its key: the account and the name.
    fn attach_watermark(
        &self,
        image: &str,
        name: &str,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// Sets the time (RFC 3339, in minutes) from which an image is listed only if it is requested by its id.
    fn enable_image_deprecation(
        &self,
        image: &str,
        at: &str,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Enables deregistration protection.
    fn enable_deregistration_protection(
        &self,
        image: &str,
        cooldown: Cooldown,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Disables deregistration protection, effective at once or after its cooldown.
    fn disable_deregistration_protection(
        &self,
        image: &str,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Deregisters an image; its snapshots are kept.
    fn deregister_image(&self, image: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// The account's default key for EBS encryption in the region: an ARN, or `alias/aws/ebs`.
    fn default_kms_key(&self) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// Whether the account blocks public images in the region.
    fn image_public_access(&self) -> impl Future<Output = Result<PublicAccess, ServiceError>> + Send;

    /// Those of the named regions that the account may use.
    fn describe_regions(
        &self,
        names: &[String],
    ) -> impl Future<Output = Result<Vec<String>, ServiceError>> + Send;
}

/// EC2 clients of all regions, with the same credentials.
pub trait Regions: Send + Sync {
    /// The client.
    type Ec2: Ec2;

    /// The client of a region.
    fn ec2(&self, region: &str) -> Self::Ec2;
}

/// Encryption, and its key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Encrypted {
    /// Not encrypted.
    #[default]
    No,
    /// Encrypted with this key, if the service names it.
    Key(Option<String>),
}

impl Encrypted {
    /// Whether it is encrypted.
    pub fn is_on(&self) -> bool {
        matches!(self, Self::Key(_))
    }
}

/// An image to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImage {
    /// Its name, unique in the account and region.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// `x86_64` or `arm64`. The service's default is `i386`.
    pub architecture: String,
    /// `uefi`, `uefi-preferred` or `legacy-bios`.
    pub boot_mode: String,
    /// `v2.0`, or none.
    pub tpm: Option<String>,
    /// UEFI variables in base64.
    pub uefi_data: Option<String>,
    /// `v2.0` if launches require tokens of the metadata service.
    pub imds: Option<String>,
    /// Name of the root device, such as `/dev/xvda`.
    pub root_device: String,
    /// The volumes, including the root.
    pub mappings: Vec<DeviceMapping>,
    /// Tags of the image; those of its snapshots are set separately.
    pub tags: Tags,
}

/// A volume of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceMapping {
    /// Device name.
    pub device: String,
    /// The name of an instance store volume, such as `ephemeral0`; excludes all of the following.
    pub virtual_name: Option<String>,
    /// The snapshot that it is made from; `None` for an empty volume.
    pub snapshot: Option<String>,
    /// Size in GiB.
    pub size: Option<u64>,
    /// Volume type, such as `gp3`.
    pub volume_type: Option<String>,
    /// I/O operations per second.
    pub iops: Option<u64>,
    /// MiB per second.
    pub throughput: Option<u64>,
    /// Whether it is deleted with its instance.
    pub on_termination: OnTermination,
    /// Encryption. The service reports it for a volume of a snapshot, but does not accept it there in a request.
    pub encrypted: Encrypted,
}

/// What happens to a volume when its instance is terminated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnTermination {
    /// It is deleted.
    #[default]
    Delete,
    /// It is kept.
    Keep,
}

/// An image as `DescribeImages` reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DescribedImage {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// `pending`, `available`, `failed` and others.
    pub state: String,
    /// The reason for that state.
    pub state_reason: Option<String>,
    /// The account that owns it.
    pub owner: Option<String>,
    /// Product codes, such as that of an offer in the Marketplace.
    pub product_codes: Vec<String>,
    /// When it was registered (RFC 3339).
    pub created: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Architecture.
    pub architecture: Option<String>,
    /// `hvm` or `paravirtual`.
    pub virtualization: Option<String>,
    /// Boot mode.
    pub boot_mode: Option<String>,
    /// TPM.
    pub tpm: Option<String>,
    /// IMDS.
    pub imds: Option<String>,
    /// Whether it uses enhanced networking with ENA.
    pub ena: Option<bool>,
    /// SR-IOV: `simple`, or none.
    pub sriov: Option<String>,
    /// Name of the root device.
    pub root_device: Option<String>,
    /// The volumes.
    pub mappings: Vec<DeviceMapping>,
    /// Whether it is public.
    pub public: Option<bool>,
    /// When it is deprecated (RFC 3339).
    pub deprecation_time: Option<String>,
    /// `disabled`, `enabled-without-cooldown` or similar.
    pub deregistration_protection: Option<String>,
    /// The source image of a copy.
    pub source_image: Option<String>,
    /// The region of the source image.
    pub source_region: Option<String>,
    /// Its watermarks, its own and those of the images that it was made from.
    pub watermarks: Vec<Watermark>,
    /// Whether it meets the criteria of the account's Allowed AMIs setting; `None` while that is disabled.
    pub allowed: Option<bool>,
    /// Its tags.
    pub tags: Tags,
}

impl DescribedImage {
    /// The snapshots of its volumes, each once, that of the root first.
    pub fn snapshots(&self) -> Vec<String> {
        let root = self.root_snapshot();
        let mut all: Vec<String> = root.iter().map(|&root| root.to_owned()).collect();
        for snapshot in self.mappings.iter().filter_map(|mapping| mapping.snapshot.as_ref()) {
            if !all.contains(snapshot) {
                all.push(snapshot.clone());
            }
        }
        all
    }

    /// The snapshot of the root volume.
    pub fn root_snapshot(&self) -> Option<&str> {
        let root = self.root_device.as_deref()?;
        self.mappings.iter().find(|mapping| mapping.device == root)?.snapshot.as_deref()
    }
}

/// A watermark of an image. Copies and images that are made from its machines carry it on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watermark {
    /// The account that attached it, `:`, and its name.
    pub key: String,
    /// The image that it was attached to.
    pub source_image: Option<String>,
    /// The region of that image.
    pub source_region: Option<String>,
}

impl Watermark {
    /// Its name, without the account.
    pub fn name(&self) -> &str {
        self.key.split_once(':').map_or(self.key.as_str(), |(_, name)| name)
    }
}

/// A holder of a launch permission.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grantee {
    /// The group `all`.
    Everybody,
    /// An account, by its 12 digits.
    Account(String),
    /// An organisation, by its ARN.
    Organization(String),
    /// An organisational unit, by its ARN.
    OrganizationalUnit(String),
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => f.write_str("all"),
            Self::Account(id) | Self::Organization(id) | Self::OrganizationalUnit(id) => f.write_str(id),
        }
    }
}

/// Parameters of `CopyImage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageCopy {
    /// Name of the copy.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// The source image.
    pub image: String,
    /// The region of the source image.
    pub region: String,
    /// Encryption of the copy's snapshots, if it differs from that of the source.
    pub encrypted: Encrypted,
    /// Minutes within which it is to be completed, in steps of 15; `None` for a copy at no particular speed.
    pub within_minutes: Option<u64>,
    /// Client token of at most 128 characters. An equal token returns the same copy.
    pub token: String,
    /// Tags of the copy and of its snapshots.
    pub tags: Tags,
}

/// Whether disabling the protection takes effect after a cooldown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cooldown {
    /// At once.
    None,
    /// After 24 hours.
    Day,
}

/// Whether images may become public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicAccess {
    /// It is not blocked.
    Open,
    /// It is blocked.
    Blocked,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_snapshot_is_first_and_each_is_listed_once() {
        let mapping = |device: &str, snapshot: Option<&str>| DeviceMapping {
            device: device.to_owned(),
            snapshot: snapshot.map(str::to_owned),
            ..DeviceMapping::default()
        };
        let image = DescribedImage {
            root_device: Some("/dev/xvda".to_owned()),
            mappings: vec![
                mapping("/dev/sdb", Some("snap-2")),
                mapping("/dev/xvda", Some("snap-1")),
                mapping("/dev/sdc", None),
                mapping("/dev/sdd", Some("snap-2")),
            ],
            ..DescribedImage::default()
        };
        assert_eq!(image.snapshots(), ["snap-1", "snap-2"]);
    }
}
