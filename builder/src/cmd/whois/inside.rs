//! What is inside an AMI: recipe, lock and provenance in the root file system of its snapshot.

use std::path::Path;

use amiforge::embedded::{Embedded, or_absent};
use amiforge_lifecycle::inventory::ImageOrigin;
use amiforge_progress::CancelToken;
use amiforge_publish::error::PublishError;
use amiforge_publish::retry::RetryExhausted;
use amiforge_publish::service_error::ServiceErrorKind;
use amiforge_publish::snapshot_reader::SnapshotReader;
use amiforge_publish::tags;
use anyhow::Context as _;
use serde::Serialize;

use crate::cmd::region::ConnectedRegion;
use crate::outcome::Failure;
use crate::ui::Ui;

/// What is inside an image, as `--json` shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inside {
    /// The partition.
    pub(super) partition: String,
    /// Its file system.
    pub(super) file_system: &'static str,
    /// SHA-256 of the recipe.
    pub(super) recipe: String,
    /// SHA-256 of the lock.
    pub(super) lock: Option<String>,
    /// Name and version of the image in the recipe.
    pub(super) image: Option<String>,
    pub(super) version: Option<String>,
    /// Version of the program, as the provenance states it.
    pub(super) tool: Option<String>,
    /// Number of inputs that the provenance lists.
    pub(super) inputs: Option<usize>,
    /// Blocks that were fetched for this, of those that the snapshot holds.
    pub(super) blocks_read: u64,
    pub(super) blocks_held: u64,
}

/// Reads what is inside a snapshot, with the differences between the files themselves; nothing, and a warning, where the
/// caller may not read blocks.
pub(super) fn read(
    connected: &ConnectedRegion,
    snapshot: &str,
    rate: u32,
    ui: &Ui,
    cancel: &CancelToken,
) -> Result<(Option<Inside>, Vec<String>), Failure> {
    let cannot = || format!("cannot look into {snapshot}");
    let denied = |ui: &Ui, error: &PublishError| {
        let causes = std::iter::successors(Some(error as &dyn std::error::Error), |one| one.source());
        let causes: Vec<_> = causes.map(ToString::to_string).collect();
        ui.warn(format_args!(
            "what is inside the image was not looked at, because the caller may not read blocks: {}",
            causes.join(": ")
        ));
    };
    let services = connected.services();
    let reader = match connected.block_on(SnapshotReader::open(&services, snapshot, rate, cancel)) {
        Ok(reader) => reader,
        Err(error) if is_of_kind(&error, ServiceErrorKind::Denied) => {
            denied(ui, &error);
            return Ok((None, Vec::new()));
        }
        Err(error) => return Err(anyhow::Error::from(error).context(cannot()).into()),
    };
    let read = Embedded::read(&reader, Path::new(snapshot));
    match reader.take_failure() {
        Some(error) if is_of_kind(&error, ServiceErrorKind::Denied) => {
            denied(ui, &error);
            return Ok((None, Vec::new()));
        }
        Some(error) if is_of_kind(&error, ServiceErrorKind::Checksum) => {
            let error = anyhow::Error::from(error);
            return Ok((None, vec![format!("{snapshot}: {error:#}")]));
        }
        Some(error) => return Err(error).with_context(cannot)?,
        None => {}
    }
    Ok(match read {
        Ok(None) => (None, Vec::new()),
        Ok(Some(embedded)) => (Some(Inside::new(&embedded, &reader)), embedded.contradictions()),
        // The service gave all that was requested, so the bytes are damaged.
        Err(error) => (None, vec![format!("{snapshot}: {:#}", anyhow::Error::from(error))]),
    })
}

/// Whether a call failed for this reason.
fn is_of_kind(error: &PublishError, kind: ServiceErrorKind) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(call) = error.downcast_ref::<RetryExhausted>() {
            return call.error.kind == kind;
        }
        cause = error.source();
    }
    false
}

impl Inside {
    fn new<E: amiforge_publish::api::Ebs>(embedded: &Embedded, reader: &SnapshotReader<E>) -> Self {
        let statement = embedded.statement();
        let (image, version) = embedded.name_and_version().unwrap_or_default();
        Self {
            partition: embedded.partition.clone(),
            file_system: embedded.file_system,
            recipe: embedded.recipe_sha256().to_string(),
            lock: embedded.lock_sha256().map(|lock| lock.to_string()),
            image,
            version,
            tool: statement.as_ref().and_then(|statement| statement.tool.clone()),
            inputs: statement.map(|statement| statement.dependencies.len()),
            blocks_read: reader.fetched(),
            blocks_held: reader.held(),
        }
    }

    /// The facts in which it differs from the tags of the AMI. A tag that is not set says nothing, and neither does a file that
    /// an image of an earlier version lacks.
    pub(super) fn differences(&self, origin: &ImageOrigin) -> Vec<String> {
        // Of a recipe that cannot be read, the digest differs.
        let readable = self.image.is_some();
        let name = Some(&origin.image).filter(|name| readable && !name.is_empty());
        let version = origin.version.as_ref().filter(|_| readable);
        let mut differences = Vec::new();
        for (key, tagged, inside) in [
            (tags::IMAGE, name, self.image.as_ref()),
            (tags::VERSION, version, self.version.as_ref()),
            (tags::RECIPE, origin.recipe.as_ref(), Some(&self.recipe)),
            (tags::LOCK_SHA256, origin.lock_sha256.as_ref(), self.lock.as_ref()),
            (tags::TOOL, origin.tool.as_ref(), self.tool.as_ref().or(origin.tool.as_ref())),
        ] {
            let Some(tagged) = tagged.filter(|tagged| Some(*tagged) != inside) else { continue };
            let inside = or_absent(inside.map(String::as_str));
            differences.push(format!("{key}: {tagged} in the tags, {inside} in the image"));
        }
        differences
    }
}
