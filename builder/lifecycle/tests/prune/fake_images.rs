//! The calls of the made-up account for clean-up: references, reports, the recycle bin, and what keeps snapshots.

use amiforge_lifecycle::api::images::{
    ChannelImage, ImageCalls, ImageReference, ImageUse, MAX_REFERENCED, RecycledImage, RecycledSnapshot,
    SnapshotDeletion, SnapshotUse, StoredSnapshot, UsageEntry, UsageReport,
};
use amiforge_publish::api::ec2::{DescribedImage, Tags};

use super::fake::{Answer, Fake, deregister, edit, missing, refused, unexpected};
use super::state::{StoredReport, time};

impl ImageCalls for Fake {
    async fn image_references(&self, images: &[String]) -> Answer<Vec<ImageReference>> {
        self.call(|state| {
            assert!((1..=MAX_REFERENCED).contains(&images.len()), "{images:?}");
            for image in images {
                state.looked_up.insert(image.clone(), state.calls);
            }
            let named = state.named.iter().map(|one| one.reference.clone());
            Ok(named.filter(|one| images.contains(&one.image)).collect())
        })
        .await
    }

    async fn last_launched(&self, image: &str) -> Answer<Option<String>> {
        self.call(|state| match state.images.contains_key(image) {
            true => Ok(state.launched.get(image).map(|at| time(*at))),
            false => missing(image),
        })
        .await
    }

    async fn own_snapshots(&self) -> Answer<Vec<StoredSnapshot>> {
        self.call(|state| {
            let own = |one: &&StoredSnapshot| one.tags.keys().any(|key| key.starts_with("amiforge:"));
            Ok(state.snapshots.values().filter(own).cloned().collect())
        })
        .await
    }

    async fn enabled_regions(&self) -> Answer<Vec<String>> {
        unexpected("DescribeRegions")
    }

    async fn create_usage_report(&self, image: &str, token: &str, tags: &Tags) -> Answer<String> {
        self.call(|state| {
            if !state.images.contains_key(image) {
                return missing(image);
            }
            if let Some(same) = state.reports.iter().find(|one| one.token == token) {
                return Ok(same.report.id.clone());
            }
            let id = format!("report-{}", state.calls);
            let report = UsageReport {
                id: id.clone(),
                state: "pending".to_owned(),
                reason: None,
                created: state.now,
                tags: tags.clone(),
            };
            let entries = state.others.get(image).cloned().unwrap_or_default();
            let (image, token, pending) = (image.to_owned(), token.to_owned(), (state.calls % 3) as u32);
            state.reports.push(StoredReport { image, token, report, entries, pending });
            Ok(id)
        })
        .await
    }

    async fn usage_reports(&self, image: &str) -> Answer<Vec<UsageReport>> {
        self.call(|state| {
            let mut reports = Vec::new();
            for one in state.reports.iter_mut().filter(|one| one.image == image) {
                match one.pending.checked_sub(1) {
                    Some(left) => one.pending = left,
                    None => one.report.state = "available".to_owned(),
                }
                reports.push(one.report.clone());
            }
            Ok(reports)
        })
        .await
    }

    async fn usage_entries(&self, report: &str) -> Answer<Vec<UsageEntry>> {
        self.call(|state| match state.reports.iter().find(|one| one.report.id == report) {
            Some(one) => Ok(one.entries.clone()),
            None => missing(report),
        })
        .await
    }

    async fn delete_usage_report(&self, report: &str) -> Answer<()> {
        self.call(|state| {
            state.reports.retain(|one| one.report.id != report);
            Ok(())
        })
        .await
    }

    async fn cancel_deprecation(&self, image: &str) -> Answer<()> {
        self.call(|state| edit(state, image, |image| image.deprecation_time = None)).await
    }

    async fn disable_image(&self, image: &str) -> Answer<()> {
        self.call(|state| {
            match state.images.get(image).map(|image| image.state.as_str()) {
                None => return missing(image),
                Some("available") => {}
                Some(other) => return refused(format!("it is {other}")),
            }
            state.judge("DisableImage", image);
            state.grants.remove(image);
            edit(state, image, |image| image.state = "disabled".to_owned())
        })
        .await
    }

    async fn enable_image(&self, image: &str) -> Answer<()> {
        self.call(|state| {
            match state.images.get(image).map(|image| image.state.as_str()) {
                None => return missing(image),
                Some("disabled") => {}
                Some(other) => return refused(format!("it is {other}")),
            }
            edit(state, image, |image| image.state = "available".to_owned())
        })
        .await
    }

    async fn deregister_with_snapshots(&self, image: &str) -> Answer<Vec<SnapshotDeletion>> {
        self.call(|state| {
            let snapshots = state.images.get(image).map(DescribedImage::snapshots).unwrap_or_default();
            deregister(state, image)?;
            let delete = |(at, snapshot): (usize, String)| {
                let code = if !state.snapshots.contains_key(&snapshot) {
                    "client-error"
                } else if !state.users(&snapshot).is_empty() {
                    "skipped"
                } else if (state.calls + at as u64).is_multiple_of(5) {
                    // The service may fail to delete a snapshot, and deregister the image all the same.
                    "internal-error"
                } else {
                    state.discard_snapshot(&snapshot);
                    "success"
                };
                SnapshotDeletion { snapshot, code: code.to_owned() }
            };
            Ok(snapshots.into_iter().enumerate().map(delete).collect())
        })
        .await
    }

    async fn delete_tags(&self, resources: &[String], keys: &[&str]) -> Answer<()> {
        self.call(|state| {
            for id in resources {
                let image = state.images.get_mut(id).map(|image| &mut image.tags);
                match image.or_else(|| state.snapshots.get_mut(id).map(|one| &mut one.tags)) {
                    Some(tags) => tags.retain(|key, _| !keys.contains(&key.as_str())),
                    None => return missing(id),
                }
            }
            Ok(())
        })
        .await
    }

    async fn tagged_resources(&self, key: &str, value: &str) -> Answer<Vec<String>> {
        self.call(|state| {
            let all = state.snapshots.values().chain(state.snapshot_bin.values());
            let has = |one: &&StoredSnapshot| one.tags.get(key).is_some_and(|tag| tag == value);
            Ok(all.filter(has).map(|one| one.id.clone()).collect())
        })
        .await
    }

    async fn recycled_images(&self) -> Answer<Vec<RecycledImage>> {
        self.call(|state| Ok(state.recycled_images())).await
    }

    async fn restore_image(&self, image: &str) -> Answer<()> {
        self.call(|state| {
            let Some(binned) = state.image_bin.get(image) else { return missing(image) };
            if let Some(gone) = binned.snapshots().iter().find(|id| !state.snapshots.contains_key(*id)) {
                return refused(format!("{gone} does not exist"));
            }
            let binned = state.image_bin.remove(image).unwrap();
            state.images.insert(image.to_owned(), binned);
            Ok(())
        })
        .await
    }

    async fn recycled_snapshots(&self) -> Answer<Vec<RecycledSnapshot>> {
        self.call(|state| Ok(state.recycled_snapshots())).await
    }

    async fn restore_snapshot(&self, snapshot: &str) -> Answer<()> {
        self.call(|state| match state.snapshot_bin.remove(snapshot) {
            Some(one) => {
                state.snapshots.insert(snapshot.to_owned(), one);
                Ok(())
            }
            None => missing(snapshot),
        })
        .await
    }
}

impl ImageUse for Fake {
    async fn channel_images(&self, _below: &str) -> Answer<Vec<ChannelImage>> {
        self.call(|state| Ok(state.channels.clone())).await
    }

    async fn group_images(&self) -> Answer<Vec<ImageReference>> {
        self.call(|state| Ok(state.groups.clone())).await
    }
}

impl SnapshotUse for Fake {
    async fn locked_snapshots(&self) -> Answer<Vec<String>> {
        self.call(|state| Ok(state.locked.iter().cloned().collect())).await
    }

    async fn images_being_stored(&self) -> Answer<Vec<String>> {
        self.call(|state| Ok(state.being_stored.clone())).await
    }
}
