//! Differences of two manifests, and the blocks that are equal by their digests.

use std::path::Path;

use amiforge_formats::digest::{BLOCK, Digest};

use super::DiffError;
use super::report::{DiffChange, DiffCollector, DifferenceWeight};
use crate::bundle::MANIFEST;
use crate::image::Block;
use crate::inspect::{Medium, escape};
use crate::manifest::{Manifest, ManifestError, ManifestInput, TEXT_MAX};

/// Runs of blocks that are listed.
const RUNS_SHOWN: usize = 8;

/// Two manifests.
pub(super) struct Manifests {
    a: Manifest,
    b: Manifest,
}

/// The manifests, when the user named at least one by itself and the other side has one too.
///
/// # Errors
/// [`DiffError::Manifest`], [`DiffError::Inspect`].
pub(super) fn alone(a: &Path, b: &Path) -> Result<Option<Manifests>, DiffError> {
    let is_one =
        |path: &Path| path.extension().is_some_and(|extension| extension == "json") && path.is_file();
    if !is_one(a) && !is_one(b) {
        return Ok(None);
    }
    let file = |path: &Path| if path.is_dir() { path.join(MANIFEST) } else { path.to_owned() };
    Ok(Some(Manifests { a: load(&file(a))?, b: load(&file(b))? }))
}

/// The manifests of two bundles; nothing when one of them is no bundle or has no manifest.
///
/// # Errors
/// [`DiffError::Manifest`].
pub(super) fn of_bundles(a: &Medium, b: &Medium) -> Result<Option<Manifests>, DiffError> {
    let file =
        |medium: &Medium| medium.bundle().map(|folder| folder.join(MANIFEST)).filter(|file| file.is_file());
    let (Some(a), Some(b)) = (file(a), file(b)) else { return Ok(None) };
    Ok(Some(Manifests { a: load(&a)?, b: load(&b)? }))
}

/// Reads a manifest.
fn load(path: &Path) -> Result<Manifest, DiffError> {
    use std::io::Read as _;
    let failed = |source| DiffError::Medium { path: path.to_owned(), source };
    let mut text = Vec::new();
    let file = amiforge_progress::regular::open(path).map_err(failed)?;
    file.take(TEXT_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    let damaged = |source: ManifestError| DiffError::Manifest { path: path.to_owned(), source };
    Manifest::parse(&text).map_err(damaged)
}

/// Compares the values about the origin of the images. The values about bytes are not compared: the bytes are.
pub(super) fn compare(Manifests { a, b }: &Manifests, collector: &mut DiffCollector) {
    let location = ["manifest".to_owned()];
    let mut value = |what: &str, a: &str, b: &str| {
        collector.value(DifferenceWeight::Own, &location, what, escape(a), escape(b));
    };
    let none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let digest =
        |digest: Option<Digest>| digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
    value("tool", &a.tool, &b.tool);
    let (a, b) = (&a.origin, &b.origin);
    value("name", &a.name, &b.name);
    value("version", &none(&a.version), &none(&b.version));
    value("arch", &a.arch, &b.arch);
    value("epoch", &a.epoch.to_string(), &b.epoch.to_string());
    value("boot mode", &none(&a.boot_mode), &none(&b.boot_mode));
    value("recipe", &a.recipe.to_string(), &b.recipe.to_string());
    value("lock", &digest(a.lock), &digest(b.lock));
    inputs(&a.inputs, &b.inputs, collector);
}

/// Compares the inputs.
fn inputs(a: &[ManifestInput], b: &[ManifestInput], collector: &mut DiffCollector) {
    let text = |input: &ManifestInput| {
        let digest = input.sha256.map_or_else(|| "no digest".to_owned(), |digest| digest.to_string());
        format!("{} {} {digest}", escape(&input.kind), escape(&input.name))
    };
    for index in 0..a.len().max(b.len()) {
        let location = ["manifest".to_owned(), format!("input {}", index + 1)];
        let change = match (a.get(index), b.get(index)) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(a), Some(b)) => DiffChange::Value { a: text(a), b: text(b) },
            (Some(a), None) => DiffChange::OnlyA(text(a)),
            (None, Some(b)) => DiffChange::OnlyB(text(b)),
            (None, None) => continue,
        };
        collector.add(DifferenceWeight::Own, &location, "input", change);
    }
}

/// By number: whether a block has the same digest in both manifests. Blocks that read as zeros are equal, whether they are
/// free or zero.
pub(super) fn equal_blocks(manifests: Option<&Manifests>) -> Vec<bool> {
    let Some(Manifests { a, b }) = manifests else { return Vec::new() };
    a.blocks.iter().zip(b.blocks.iter()).map(|(a, b)| a.digest() == b.digest()).collect()
}

/// Compares sizes, partitions and blocks, for manifests without their images.
pub(super) fn blocks(Manifests { a, b }: &Manifests, collector: &mut DiffCollector) {
    collector.value(DifferenceWeight::Own, &["disk".to_owned()], "size", a.size, b.size);
    collector.value(DifferenceWeight::Own, &["disk".to_owned()], "guid", a.disk, b.disk);
    for index in 0..a.partitions.len().max(b.partitions.len()) {
        let text = |partition: Option<&crate::manifest::ManifestPartition>| match partition {
            Some(one) => format!(
                "{} `{}` {} bytes at {}, {} {}, type {}, guid {}",
                one.number,
                escape(&one.label),
                one.len,
                one.start,
                escape(one.file_system.as_deref().unwrap_or("no file system")),
                escape(one.uuid.as_deref().unwrap_or("")),
                one.type_guid,
                one.guid
            ),
            None => "none".to_owned(),
        };
        let location = ["disk".to_owned(), format!("partition {}", index + 1)];
        let (a, b) = (text(a.partitions.get(index)), text(b.partitions.get(index)));
        collector.value(DifferenceWeight::Own, &location, "partition", a, b);
    }
    let mut differing: Vec<(usize, usize)> = Vec::new();
    let mut unlike = 0_usize;
    for (index, (a, b)) in a.blocks.iter().zip(b.blocks.iter()).enumerate() {
        if a.digest() == b.digest() {
            unlike += usize::from(
                a != b && matches!((a, b), (Block::Zero, Block::Free) | (Block::Free, Block::Zero)),
            );
            continue;
        }
        match differing.last_mut() {
            Some(last) if last.1 == index => last.1 += 1,
            _ => differing.push((index, index + 1)),
        }
    }
    let count: usize = differing.iter().map(|(from, to)| to - from).sum();
    let location = ["blocks".to_owned()];
    if count > 0 {
        let run = |(from, to): &(usize, usize)| {
            if to - from == 1 { from.to_string() } else { format!("{from}-{}", to - 1) }
        };
        let shown: Vec<_> = differing.iter().take(RUNS_SHOWN).map(run).collect();
        let more = if differing.len() > RUNS_SHOWN { ", …" } else { "" };
        let text = format!("{count} blocks of {BLOCK} bytes differ: {}{more}", shown.join(", "));
        collector.add(DifferenceWeight::Own, &location, "digests", DiffChange::Note(text));
    }
    if unlike > 0 {
        let text = format!("{unlike} blocks of zeros are free in one and must be zero in the other");
        collector.add(DifferenceWeight::Own, &location, "free", DiffChange::Note(text));
    }
}
