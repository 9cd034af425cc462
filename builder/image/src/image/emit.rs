//! Writing a plan to a file, digesting it, or both.

use std::path::Path;

use amiforge_formats::plan::{Plan, Sources};
use amiforge_progress::Monitor;

use super::emission::{DigestMode, Emission};
use super::target::ImageFile;
use super::{EmitError, EmitOptions, Emitted, KnownImage};

/// Writes `plan` to a new file at `path`, sparse where the plan has `Zero` or `Free`, and digests it in the same
/// pass. The file's bytes and the digests do not depend on the number of threads. On failure the file is removed.
///
/// With something `known` only the blocks are digested, side by side. When their root is the known one, so is the digest
/// of the whole; otherwise all is done again as if nothing had been known.
///
/// # Errors
/// [`EmitError`].
pub fn emit(
    plan: &Plan,
    sources: &dyn Sources,
    path: &Path,
    options: &EmitOptions,
    known: Option<KnownImage>,
    monitor: Monitor<'_>,
) -> Result<Emitted, EmitError> {
    if let Some(known) = known {
        let emitted = emit_by(DigestMode::Blocks, plan, sources, path, *options, monitor)?;
        if emitted.blocks.merkle_root() == known.root {
            return Ok(Emitted { plain: known.plain, plain_from_cache: true, ..emitted });
        }
        let removed = std::fs::remove_file(path);
        removed.map_err(|source| EmitError::Create { path: path.to_owned(), source })?;
    }
    emit_by(DigestMode::best(), plan, sources, path, *options, monitor)
}

/// Digests a plan as [`emit`] does, and writes it nowhere.
///
/// # Errors
/// [`EmitError::Read`], [`EmitError::Interrupted`].
pub fn digest(
    plan: &Plan,
    sources: &dyn Sources,
    options: &EmitOptions,
    monitor: Monitor<'_>,
) -> Result<Emitted, EmitError> {
    monitor.progress.begin("digesting the image", Some(plan.len()));
    let emission = Emission::new(plan, sources, None, DigestMode::best(), monitor);
    emission.run(*options)
}

/// Writes a plan as [`emit`] does, and digests nothing: for a file without a manifest. Gives the number of
/// bytes written.
///
/// # Errors
/// [`EmitError`].
pub fn write(
    plan: &Plan,
    sources: &dyn Sources,
    path: &Path,
    options: &EmitOptions,
    monitor: Monitor<'_>,
) -> Result<u64, EmitError> {
    let emitted = emit_by(DigestMode::None, plan, sources, path, *options, monitor)?;
    Ok(emitted.written)
}

/// [`emit`], with the choice that it makes.
pub(super) fn emit_by(
    hashing: DigestMode,
    plan: &Plan,
    sources: &dyn Sources,
    path: &Path,
    options: EmitOptions,
    monitor: Monitor<'_>,
) -> Result<Emitted, EmitError> {
    let target = ImageFile::create(path, plan.len())?;
    let emission = Emission::new(plan, sources, Some(&target), hashing, monitor);
    emission.allocate()?;
    monitor.progress.begin("writing the image", Some(plan.len()));
    let emitted = emission.run(options)?;
    Ok(Emitted { written: target.keep(), ..emitted })
}
