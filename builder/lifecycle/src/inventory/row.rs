//! A row of the inventory: the facts of one image.

use amiforge_publish::api::ec2::{DescribedImage, Grantee};
use amiforge_publish::tags;
use serde::Serialize;

use super::cost::MonthlyCost;
use super::moment;
use super::uses::Uses;
use crate::api::images::{ChannelImage, Held, ImageReference};

/// The inventory of some regions.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// When it was made (RFC 3339).
    pub made: String,
    /// The source of the prices.
    pub prices: &'static str,
    /// The images, by region and name, the newest first.
    pub images: Vec<ImageRow>,
}

impl Listing {
    /// The inventory of these images at a time.
    pub fn new(mut images: Vec<ImageRow>, now: i64) -> Self {
        images.sort_by(|a, b| {
            let key = |row: &ImageRow| (row.region.clone(), row.image.clone());
            key(a).cmp(&key(b)).then_with(|| (&b.created, &b.image_id).cmp(&(&a.created, &a.image_id)))
        });
        Self { made: moment::show(now), prices: super::PRICES, images }
    }

    /// The cost of all images in a month.
    pub fn total(&self) -> MonthlyCost {
        let mut total = MonthlyCost::default();
        for row in &self.images {
            total.usd += row.month.usd;
            total.at_most |= row.month.at_most;
        }
        total.usd = (total.usd * 1e4).round() / 1e4;
        total
    }
}

/// The facts of an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageRow {
    /// The region.
    pub region: String,
    /// Its id.
    pub image_id: String,
    /// Its name in EC2.
    pub ami_name: Option<String>,
    /// The name of the image in its recipe.
    pub image: String,
    /// The version of the image.
    pub version: Option<String>,
    /// The Merkle root over its blocks.
    pub digest: Option<String>,
    /// SHA-256 of its recipe.
    pub recipe: Option<String>,
    /// Architecture.
    pub architecture: Option<String>,
    /// Its state.
    pub state: RowState,
    /// When it was registered (RFC 3339).
    pub created: Option<String>,
    /// Days since then.
    pub age_days: Option<i64>,
    /// When it is or was deprecated (RFC 3339).
    pub deprecated: Option<String>,
    /// Whether it is protected from deregistration.
    pub protected: bool,
    /// Channels that hold it.
    pub channels: Vec<String>,
    /// Channels that held it until their last change.
    pub channels_before: Vec<String>,
    /// Its snapshots.
    pub snapshots: Vec<String>,
    /// Length of its volumes in GiB.
    pub volumes_gib: u64,
    /// Length of its snapshots in bytes, including blocks that other snapshots share.
    pub full_bytes: Option<u64>,
    /// Bytes of the blocks that differ from the previous version, if that was asked.
    pub changed_bytes: Option<u64>,
    /// The previous version that it was compared with.
    pub previous: Option<String>,
    /// Who may launch it besides its owner.
    pub shared: Shared,
    /// Whether a volume is encrypted.
    pub encrypted: bool,
    /// The storage tier of its snapshots; `mixed` if they differ.
    pub tier: Option<String>,
    /// When it was launched last (RFC 3339).
    pub last_launched: Option<String>,
    /// Resources of the account that name it.
    pub referenced_by: Vec<ImageReference>,
    /// The estimated cost in a month.
    pub month: MonthlyCost,
}

/// Who may launch an image besides its owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shared {
    /// Whether it is public.
    pub public: bool,
    /// Accounts, organisations and organisational units.
    pub with: Vec<String>,
}

impl Shared {
    /// The holders of launch permissions.
    pub(crate) fn of(grantees: &[Grantee]) -> Self {
        let with = grantees.iter().filter(|who| **who != Grantee::Everybody).map(ToString::to_string);
        Self { public: grantees.contains(&Grantee::Everybody), with: with.collect() }
    }

    /// In words; empty if it is not shared.
    pub fn words(&self) -> String {
        let public = self.public.then(|| "public".to_owned());
        public.into_iter().chain(self.with.iter().cloned()).collect::<Vec<_>>().join(" ")
    }
}

/// The state of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowState {
    /// It is being made.
    Pending,
    /// It can be launched.
    Available,
    /// It can be launched, and its deprecation time has passed.
    Deprecated,
    /// It cannot be launched.
    Disabled,
    /// Any other state of the service.
    #[serde(untagged)]
    Other(String),
}

impl RowState {
    /// The state of an image at a time.
    pub(crate) fn of(image: &DescribedImage, now: i64) -> Self {
        let deprecated = image.deprecation_time.as_deref().and_then(moment::parse);
        match image.state.as_str() {
            "pending" => Self::Pending,
            "available" if deprecated.is_some_and(|at| at <= now) => Self::Deprecated,
            "available" => Self::Available,
            "disabled" => Self::Disabled,
            other => Self::Other(other.to_owned()),
        }
    }

    /// In a word.
    pub fn word(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Deprecated => "deprecated",
            Self::Disabled => "disabled",
            Self::Other(word) => word,
        }
    }
}

/// The row of an image, without its sizes, sharing and cost.
pub(super) fn row(region: &str, image: &DescribedImage, uses: &Uses, now: i64) -> ImageRow {
    let tag = |key: &str| image.tags.get(key).cloned();
    let created = image.created.as_deref().and_then(moment::parse);
    let channels = |held: Held| {
        let of = |channel: &&ChannelImage| channel.held == held;
        uses.channels(&image.id).iter().filter(of).map(|channel| channel.channel().to_owned()).collect()
    };
    ImageRow {
        region: region.to_owned(),
        image_id: image.id.clone(),
        ami_name: image.name.clone(),
        image: tag(tags::IMAGE).unwrap_or_default(),
        version: tag(tags::VERSION),
        digest: tag(tags::MERKLE_ROOT),
        recipe: tag(tags::RECIPE),
        architecture: image.architecture.clone(),
        state: RowState::of(image, now),
        created: image.created.clone(),
        age_days: created.map(|created| (now - created).max(0) / moment::DAY),
        deprecated: image.deprecation_time.clone(),
        protected: is_protected(image),
        channels: channels(Held::Now),
        channels_before: channels(Held::Before),
        snapshots: image.snapshots(),
        volumes_gib: image.mappings.iter().filter_map(|mapping| mapping.size).sum(),
        full_bytes: None,
        changed_bytes: None,
        previous: None,
        shared: Shared { public: image.public.unwrap_or(false), with: Vec::new() },
        encrypted: image.mappings.iter().any(|mapping| mapping.encrypted.is_on()),
        tier: None,
        last_launched: uses.launched(&image.id).map(str::to_owned),
        referenced_by: uses.references(&image.id).to_vec(),
        month: MonthlyCost::default(),
    }
}

/// Whether an image is protected from deregistration, also by a cooldown that has not ended.
pub(crate) fn is_protected(image: &DescribedImage) -> bool {
    image.deregistration_protection.as_deref().is_some_and(|word| word != "disabled")
}
