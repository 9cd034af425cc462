//! What the snapshots of images store: all their blocks, and those that differ from the previous version.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_formats::digest::BLOCK;
use amiforge_publish::api::Ebs;
use amiforge_publish::api::ec2::DescribedImage;
use amiforge_publish::pages::Pages;
use amiforge_publish::retry::{CallStep, RetryExhausted};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};

use super::error::ImageError;
use super::region::{ImageRegion, image_name};
use super::row::ImageRow;
use crate::api::images::StoredSnapshot;

/// Sets full size, tier and cost of rows that are in the order of `images`. A snapshot that several images use is paid
/// for once, with the oldest.
pub(super) fn set_full(
    rows: &mut [ImageRow],
    images: &[DescribedImage],
    stored: &BTreeMap<String, StoredSnapshot>,
) {
    let mut paid = BTreeSet::new();
    for at in by_age(images) {
        let (row, image) = (&mut rows[at], &images[at]);
        let snapshots: Vec<_> =
            image.snapshots().into_iter().map(|id| (stored.get(&id).cloned(), id)).collect();
        row.full_bytes = snapshots.iter().map(|(snapshot, _)| snapshot.as_ref()?.full_bytes).sum();
        row.tier = tier(snapshots.iter().filter_map(|(snapshot, _)| snapshot.as_ref()?.tier.as_deref()));
        row.month.at_most = true;
        for (snapshot, id) in snapshots {
            let Some(snapshot) = snapshot.filter(|_| paid.insert(id)) else { continue };
            let bytes = snapshot.full_bytes.unwrap_or(snapshot.volume_gib << 30);
            row.month.add(bytes, snapshot.tier.as_deref());
        }
    }
}

/// The tier of all snapshots, or `mixed`.
fn tier<'a>(tiers: impl Iterator<Item = &'a str>) -> Option<String> {
    let tiers: BTreeSet<_> = tiers.collect();
    match tiers.len() {
        0 => None,
        1 => tiers.first().map(|tier| (*tier).to_owned()),
        _ => Some("mixed".to_owned()),
    }
}

/// Sets what differs from the previous version of the same name, and the cost of that, by `ListChangedBlocks`.
pub(super) async fn set_changed<E: Ebs, C>(
    region: &ImageRegion<'_, C>,
    ebs: &E,
    rows: &mut [ImageRow],
    images: &[DescribedImage],
    stored: &BTreeMap<String, StoredSnapshot>,
) -> Result<(), ImageError> {
    let mut paid = BTreeSet::new();
    let mut previous: BTreeMap<String, usize> = BTreeMap::new();
    for at in by_age(images) {
        let image = &images[at];
        let name = image_name(image).unwrap_or_default().to_owned();
        let before = previous.insert(name, at).map(|before| &images[before]);
        let (mut changed, mut month) = (Some(0_u64), super::MonthlyCost::default());
        for mapping in &image.mappings {
            let Some(id) = mapping.snapshot.as_deref() else { continue };
            let snapshot = stored.get(id);
            let full = snapshot.and_then(|snapshot| snapshot.full_bytes);
            let same_device = |other: &&DescribedImage| {
                let other = other.mappings.iter().find(|other| other.device == mapping.device);
                other.and_then(|other| other.snapshot.clone())
            };
            let bytes = match before.as_ref().and_then(same_device) {
                Some(first) if first == id => Some(0),
                Some(first) => changed_bytes(region, ebs, &first, id).await?.or(full),
                None => full,
            };
            changed = changed.zip(bytes).map(|(sum, bytes)| sum + bytes);
            if paid.insert(id.to_owned()) {
                let tier = snapshot.and_then(|snapshot| snapshot.tier.as_deref());
                match bytes {
                    Some(bytes) => month.add(bytes, tier),
                    None => month.at_most = true,
                }
            }
        }
        let row = &mut rows[at];
        row.previous = before.map(|before| before.id.clone());
        row.changed_bytes = changed;
        if changed.is_some() {
            row.month = month;
        }
    }
    Ok(())
}

/// Length of the blocks in which a snapshot differs from an earlier one; none if they are not of one line, so that all
/// its blocks are its own.
async fn changed_bytes<E: Ebs, C>(
    region: &ImageRegion<'_, C>,
    ebs: &E,
    first: &str,
    second: &str,
) -> Result<Option<u64>, ImageError> {
    let (mut blocks, mut page, mut pages) = (0, None, Pages::default());
    loop {
        let action = format!("listing the blocks in which {second} differs from {first}");
        let call = || ebs.list_changed_blocks(first, second, page.clone());
        let changed = match region.step(CallStep::Probe, &action, call).await {
            Ok(changed) => changed,
            Err(error)
                if error.service().is_some_and(|error| {
                    matches!(error.kind, ServiceErrorKind::Refused | ServiceErrorKind::NotFound)
                }) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        blocks += changed.blocks.iter().filter(|block| block.second.is_some()).count() as u64;
        pages.record(changed.blocks.len(), changed.next.as_deref()).map_err(|problem| {
            let message = format!("the answer of ListChangedBlocks cannot be read: {problem}");
            let error = ServiceError::local(ServiceErrorKind::Unreadable, message);
            ImageError::Call { action, source: RetryExhausted::after_one_call(error) }
        })?;
        page = changed.next;
        if page.is_none() {
            return Ok(Some(blocks * BLOCK));
        }
    }
}

/// The positions of images, the oldest first.
fn by_age(images: &[DescribedImage]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.sort_by_key(|&at| (images[at].created.clone(), images[at].id.clone()));
    order
}
