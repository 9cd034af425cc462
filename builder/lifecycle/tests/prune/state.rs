//! The state of a made-up account in one region, and what must be true of it at any time.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_lifecycle::api::images::{
    ChannelImage, ImageReference, RecycledImage, RecycledSnapshot, StoredSnapshot, UsageEntry, UsageReport,
};
use amiforge_publish::api::ec2::{DescribedImage, DeviceMapping, Grantee};
use amiforge_publish::tags;

/// Seconds per day.
pub(crate) const DAY: i64 = 86_400;
/// 2026-11-21.
pub(crate) const NOW: i64 = 1_795_240_800;
/// The account.
pub(crate) const ACCOUNT: &str = "123456789012";

/// A resource that names an image, and the number of the call before which it began to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedBy {
    pub(crate) reference: ImageReference,
    pub(crate) since: u64,
}

/// A usage report with its content.
#[derive(Debug, Clone)]
pub(crate) struct StoredReport {
    pub(crate) image: String,
    pub(crate) token: String,
    pub(crate) report: UsageReport,
    pub(crate) entries: Vec<UsageEntry>,
    /// Number of times that it is described as pending.
    pub(crate) pending: u32,
}

/// The state of the account.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) now: i64,
    pub(crate) images: BTreeMap<String, DescribedImage>,
    pub(crate) grants: BTreeMap<String, Vec<Grantee>>,
    pub(crate) launched: BTreeMap<String, i64>,
    pub(crate) snapshots: BTreeMap<String, StoredSnapshot>,
    pub(crate) named: Vec<NamedBy>,
    pub(crate) channels: Vec<ChannelImage>,
    pub(crate) groups: Vec<ImageReference>,
    pub(crate) others: BTreeMap<String, Vec<UsageEntry>>,
    pub(crate) reports: Vec<StoredReport>,
    /// Whether deleted things go to the recycle bin.
    pub(crate) recycles: bool,
    pub(crate) image_bin: BTreeMap<String, DescribedImage>,
    pub(crate) snapshot_bin: BTreeMap<String, StoredSnapshot>,
    pub(crate) locked: BTreeSet<String>,
    pub(crate) being_stored: Vec<String>,
    /// Number of calls so far.
    pub(crate) calls: u64,
    /// The call that last listed images with places, and looked up who names an image.
    pub(crate) listed: u64,
    pub(crate) looked_up: BTreeMap<String, u64>,
    /// Images that were disabled or deregistered although something had begun to name them after they were looked up.
    pub(crate) named_late: BTreeSet<String>,
    /// What must not happen and did.
    pub(crate) violations: Vec<String>,
}

/// Calls between a look-up and the destructive call that relies on it.
const MAX_DISTANCE: u64 = 12;

impl State {
    /// Adds an image with a snapshot of its own.
    pub(crate) fn add_image(&mut self, id: &str, name: &str, days: i64) -> &mut DescribedImage {
        let snapshot = format!("snap-{}", id.trim_start_matches("ami-"));
        self.add_snapshot(&snapshot, Some(name), days);
        let mapping = DeviceMapping {
            device: "/dev/xvda".to_owned(),
            snapshot: Some(snapshot),
            size: Some(4),
            ..DeviceMapping::default()
        };
        let image = DescribedImage {
            id: id.to_owned(),
            name: Some(format!("{name}-{id}")),
            state: "available".to_owned(),
            owner: Some(ACCOUNT.to_owned()),
            created: Some(time(self.now - days * DAY)),
            root_device: Some("/dev/xvda".to_owned()),
            mappings: vec![mapping],
            deregistration_protection: Some("disabled".to_owned()),
            tags: [(tags::IMAGE.to_owned(), name.to_owned())].into(),
            ..DescribedImage::default()
        };
        self.images.entry(id.to_owned()).or_insert(image)
    }

    /// Adds a snapshot, with a tag of this program if it has the name of an image.
    pub(crate) fn add_snapshot(&mut self, id: &str, name: Option<&str>, days: i64) {
        let snapshot = StoredSnapshot {
            id: id.to_owned(),
            state: "completed".to_owned(),
            started: self.now - days * DAY,
            volume_gib: 4,
            full_bytes: Some(1 << 30),
            tags: name.map(|name| (tags::IMAGE.to_owned(), name.to_owned())).into_iter().collect(),
            ..StoredSnapshot::default()
        };
        self.snapshots.insert(id.to_owned(), snapshot);
    }

    /// Adds a second volume to an image.
    pub(crate) fn add_volume(&mut self, image: &str, snapshot: &str) {
        let mapping = DeviceMapping {
            device: "/dev/sdb".to_owned(),
            snapshot: Some(snapshot.to_owned()),
            ..DeviceMapping::default()
        };
        self.images.get_mut(image).unwrap().mappings.push(mapping);
    }

    /// Lets a resource name an image from now on.
    pub(crate) fn name(&mut self, image: &str, kind: &str) {
        let arn = format!("arn:aws:{kind}:local:{ACCOUNT}:{image}-{}", self.named.len());
        let reference = ImageReference { image: image.to_owned(), kind: kind.to_owned(), arn };
        self.named.push(NamedBy { reference, since: self.calls });
    }

    /// Whether something of the account, or another account, uses an image.
    pub(crate) fn is_named(&self, image: &str) -> bool {
        self.named.iter().any(|one| one.reference.image == image)
            || self.groups.iter().any(|one| one.image == image)
            || self.others.contains_key(image)
    }

    /// The images of any state that use a snapshot.
    pub(crate) fn users(&self, snapshot: &str) -> Vec<String> {
        let uses = |image: &&DescribedImage| image.snapshots().iter().any(|used| used == snapshot);
        self.images.values().filter(uses).map(|image| image.id.clone()).collect()
    }

    /// Records what a destructive call does wrong.
    pub(crate) fn judge(&mut self, call: &str, image: &str) {
        let looked_up = self.looked_up.get(image).copied().unwrap_or(0);
        if self.calls - looked_up > MAX_DISTANCE || self.calls - self.listed > MAX_DISTANCE {
            self.violations.push(format!("{call} of {image} relies on an old look-up"));
        }
        for one in self.named.iter().filter(|one| one.reference.image == image) {
            if one.since < looked_up {
                self.violations.push(format!("{call} of {image}, which {} names", one.reference.arn));
            } else {
                self.named_late.insert(image.to_owned());
            }
        }
        let own = self.images.get(image).is_some_and(|image| image.tags.contains_key(tags::IMAGE));
        if !own {
            self.violations.push(format!("{call} of {image}, which is not ours"));
        }
        if self.groups.iter().any(|one| one.image == image) || self.others.contains_key(image) {
            self.violations.push(format!("{call} of {image}, which is in use"));
        }
    }

    /// Deletes a snapshot, or puts it into the recycle bin.
    pub(crate) fn discard_snapshot(&mut self, id: &str) {
        if let Some(snapshot) = self.snapshots.remove(id)
            && self.recycles
        {
            self.snapshot_bin.insert(id.to_owned(), snapshot);
        }
    }

    /// What must be true after every run.
    pub(crate) fn check(&self, what: &str) {
        assert!(self.violations.is_empty(), "{what}: {:?}", self.violations);
        for image in self.images.values() {
            for snapshot in image.snapshots() {
                assert!(self.snapshots.contains_key(&snapshot), "{what}: {} lacks {snapshot}", image.id);
            }
        }
    }

    /// The images in the recycle bin as the service lists them.
    pub(crate) fn recycled_images(&self) -> Vec<RecycledImage> {
        let one = |image: &DescribedImage| RecycledImage {
            id: image.id.clone(),
            name: image.name.clone(),
            entered: None,
            leaves: None,
        };
        self.image_bin.values().map(one).collect()
    }

    /// The snapshots in the recycle bin as the service lists them.
    pub(crate) fn recycled_snapshots(&self) -> Vec<RecycledSnapshot> {
        let one =
            |id: &String| RecycledSnapshot { id: id.clone(), description: None, entered: None, leaves: None };
        self.snapshot_bin.keys().map(one).collect()
    }
}

/// A time as the service writes it.
pub(crate) fn time(seconds: i64) -> String {
    let text = amiforge_formats::time::Time::from_secs(seconds).utc().to_string();
    text.replace('Z', ".000Z")
}
