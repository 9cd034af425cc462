//! The calls of EC2 that the life of an AMI needs, with plain types of our own. One call is one request: nothing here
//! waits, retries or decides. It must not name an AWS crate.
//!
//! Follows the EC2 API, version 2016-11-15. What the service leaves out is `None`; words are kept as the service says
//! them, because it learns new ones before we do.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;

use super::SnapshotCalls;
use crate::service_error::ServiceError;

/// The tags of a resource.
pub type Tags = BTreeMap<String, String>;

/// A region's EC2, beyond what [`SnapshotCalls`] has of it.
pub trait Ec2: SnapshotCalls {
    /// Registers an image and gives its id. There is no token: a name that is taken is a fault
    /// `InvalidAMIName.Duplicate`.
    fn register_image(&self, image: &NewImage) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// Images that fit; one that is named and not there is a fault `InvalidAMIID.NotFound`.
    fn describe_images(
        &self,
        query: &ImageQuery,
    ) -> impl Future<Output = Result<Vec<DescribedImage>, ServiceError>> + Send;

    /// Who may launch an image.
    fn launch_permissions(
        &self,
        image: &str,
    ) -> impl Future<Output = Result<Vec<Grantee>, ServiceError>> + Send;

    /// The UEFI variables of an image, in base64.
    fn uefi_data(&self, image: &str) -> impl Future<Output = Result<Option<String>, ServiceError>> + Send;

    /// Lets more launch an image.
    fn add_launch_permissions(
        &self,
        image: &str,
        who: &[Grantee],
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// The accounts that may create volumes from a snapshot, and thus copy it.
    fn snapshot_accounts(
        &self,
        snapshot: &str,
    ) -> impl Future<Output = Result<Vec<String>, ServiceError>> + Send;

    /// Lets more accounts create volumes from a snapshot; 500 in one call are the most.
    fn add_snapshot_accounts(
        &self,
        snapshot: &str,
        accounts: &[String],
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Copies an image of another region into this one and gives the id of the copy.
    fn copy_image(&self, copy: &ImageCopy) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// Sets tags on images and snapshots; a value that is there is replaced.
    fn create_tags(
        &self,
        resources: &[String],
        tags: &Tags,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// From a moment on (RFC 3339, in minutes) an image is listed only to who asks for it by its id.
    fn enable_image_deprecation(
        &self,
        image: &str,
        at: &str,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// From now on an image cannot be deregistered.
    fn enable_deregistration_protection(
        &self,
        image: &str,
        cooldown: Cooldown,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Takes the protection off, at once or after its cooldown.
    fn disable_deregistration_protection(
        &self,
        image: &str,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Deregisters an image; its snapshots stay.
    fn deregister_image(&self, image: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// The key of the account's EBS encryption in the region: an ARN, or `alias/aws/ebs`.
    fn default_kms_key(&self) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// Whether the account keeps images of the region from becoming public.
    fn image_public_access(&self) -> impl Future<Output = Result<PublicAccess, ServiceError>> + Send;

    /// The names of the regions that the account may use.
    fn describe_regions(
        &self,
        names: &[String],
    ) -> impl Future<Output = Result<Vec<String>, ServiceError>> + Send;
}

/// Gives the EC2 of any region, with the same credentials.
pub trait Regions: Send + Sync {
    /// The client.
    type Ec2: Ec2;

    /// The EC2 of a region, by its name.
    fn ec2(&self, region: &str) -> Self::Ec2;
}

/// Which images to describe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageQuery {
    /// By id.
    pub ids: Vec<String>,
    /// Those of the account only.
    pub owner: ImageOwner,
    /// Filters: a name such as `name` and the values of which one has to fit. Deprecated images are never left out.
    pub filters: Vec<QueryFilter>,
}

/// Whose images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ImageOwner {
    /// Those of the account.
    #[default]
    Own,
    /// Those of anybody.
    Any,
}

/// A filter of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryFilter {
    /// Its name, such as `name`, `tag:amiforge:image` or `source-image-id`.
    pub name: String,
    /// Values of which one has to fit.
    pub values: Vec<String>,
}

impl QueryFilter {
    /// The filter for one value. `*`, `?` and `\` in it stand for themselves.
    pub fn exact(name: impl Into<String>, value: &str) -> Self {
        let mut escaped = String::with_capacity(value.len());
        for character in value.chars() {
            if matches!(character, '*' | '?' | '\\') {
                escaped.push('\\');
            }
            escaped.push(character);
        }
        Self { name: name.into(), values: vec![escaped] }
    }
}

impl ImageQuery {
    /// The image with an id, whoever owns it.
    pub fn by_id(image: &str) -> Self {
        Self { ids: vec![image.to_owned()], owner: ImageOwner::Any, filters: Vec::new() }
    }

    /// The account's image of a name.
    pub fn by_name(name: &str) -> Self {
        Self { ids: Vec::new(), owner: ImageOwner::Own, filters: vec![QueryFilter::exact("name", name)] }
    }
}

/// Whether something is encrypted, and with what key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Encrypted {
    /// It is not.
    #[default]
    No,
    /// With this key, where the service says which.
    Key(Option<String>),
}

impl Encrypted {
    /// Whether there is any.
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
    /// `x86_64` or `arm64`. The service would take `i386` if we said nothing.
    pub architecture: String,
    /// `uefi`, `uefi-preferred` or `legacy-bios`.
    pub boot_mode: String,
    /// `v2.0`, or none.
    pub tpm: Option<String>,
    /// UEFI variables in base64.
    pub uefi_data: Option<String>,
    /// `v2.0`: launches demand tokens of the metadata service.
    pub imds: Option<String>,
    /// Name of the root device, such as `/dev/xvda`.
    pub root_device: String,
    /// The volumes, the root among them.
    pub mappings: Vec<DeviceMapping>,
    /// Tags of the image; those of snapshots are set apart.
    pub tags: Tags,
}

/// A volume of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceMapping {
    /// Device name.
    pub device: String,
    /// The name of an instance store, such as `ephemeral0`, instead of all that follows.
    pub virtual_name: Option<String>,
    /// What it is made from; an empty volume has none.
    pub snapshot: Option<String>,
    /// Size in GiB.
    pub size: Option<u64>,
    /// `gp3` and the like.
    pub volume_type: Option<String>,
    /// I/O operations in a second.
    pub iops: Option<u64>,
    /// MiB in a second.
    pub throughput: Option<u64>,
    /// Whether it goes when its instance goes.
    pub on_termination: OnTermination,
    /// Whether it is encrypted. Of a volume with a snapshot this is told and cannot be asked for.
    pub encrypted: Encrypted,
}

/// What happens to a volume when its instance is terminated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnTermination {
    /// It is deleted.
    #[default]
    Delete,
    /// It stays.
    Keep,
}

/// An image as the service describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DescribedImage {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// `pending`, `available`, `failed` and others.
    pub state: String,
    /// Why it is in that state.
    pub state_reason: Option<String>,
    /// The account that owns it.
    pub owner: Option<String>,
    /// When it was registered (RFC 3339).
    pub created: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Arch.
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
    /// Whether everybody may launch it.
    pub public: Option<bool>,
    /// When it counts as deprecated (RFC 3339).
    pub deprecation_time: Option<String>,
    /// `disabled`, `enabled-without-cooldown` and the like.
    pub deregistration_protection: Option<String>,
    /// The image that it is a copy of.
    pub source_image: Option<String>,
    /// The region of that image.
    pub source_region: Option<String>,
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

/// Somebody who may launch an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grantee {
    /// Everybody.
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

/// A copy to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageCopy {
    /// Name of the copy.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// The image to copy.
    pub image: String,
    /// Its region.
    pub region: String,
    /// Encryption of the copy's snapshots, where they are to be encrypted other than the source's are.
    pub encrypted: Encrypted,
    /// The same token gives the same copy; at most 128 characters.
    pub token: String,
    /// Tags of the copy and of its snapshots.
    pub tags: Tags,
}

/// Whether taking the protection off takes a day to come into effect.
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
    /// They may.
    Open,
    /// The account blocks that.
    Blocked,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_for_one_value_takes_no_character_for_a_pattern() {
        assert_eq!(QueryFilter::exact("name", r"a*b?c\d").values, [r"a\*b\?c\\d"]);
    }

    #[test]
    fn the_root_snapshot_is_the_first_and_each_is_told_once() {
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
