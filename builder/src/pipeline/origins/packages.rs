//! The origins of a tree of configured packages.
//!
//! A content that refers to the store's entry of a package's file is that package's, whatever scripts ran. Everything else
//! that the package database lists is the package's too, but for files: those have bytes that only a script can have
//! written. Mode and owner are a package's as long as they are those that its archive has for the file.

use std::collections::HashMap;
use std::io;

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::{SourceId, Sources as _};
use amiforge_formats::tree::{Content, Node, NodeKind, Origin as ContentOrigin, Tree};
use amiforge_image::origins::{OriginNumber, OriginTable, PathOrigin};
use amiforge_packages::PackageKind;
use amiforge_packages::backend::Scripts;
use amiforge_packages::locked::LockedPackage;
use amiforge_store::blobs::Blobs;

use super::KnownOrigins;
use crate::lock::Lock;
use crate::pipeline::layers::{LayerBuilder, PackageInputs};
use crate::pipeline::volumes::groups::MergedFolders;

/// Bytes of a header of a tar archive.
const HEADER: u64 = 512;

/// What the package database says of a path.
#[derive(Clone, Copy)]
enum Owner {
    /// A package brought it.
    Brought(OriginNumber),
    /// It is a record of a package in the database.
    Record(OriginNumber),
}

/// The packages of the lock with their origins.
struct LockedOrigins<'a> {
    builder: &'a LayerBuilder<'a>,
    /// By the digest of the package's file.
    by_digest: HashMap<Digest, OriginNumber>,
    /// By name and architecture.
    by_name: HashMap<(&'a str, &'a str), OriginNumber>,
    /// By source of contents; none for one that is no package's file.
    by_source: HashMap<SourceId, Option<OriginNumber>>,
}

/// The origins of every node of a tree of packages, by node; nothing where the recipe takes no packages.
///
/// # Errors
/// A read error of the package database.
pub(super) fn origins(
    builder: &LayerBuilder<'_>,
    tree: &Tree,
    blobs: &Blobs,
    table: &mut OriginTable,
) -> io::Result<Vec<KnownOrigins>> {
    let Some(PackageInputs { lock, source }) = builder.packages else { return Ok(Vec::new()) };
    let mode = match source.backend().scripts() {
        Scripts::Run => "run",
        Scripts::Native => "native",
        Scripts::None => "none",
    };
    let scripts = table.number(PathOrigin::new("scripts").with("mode", mode));
    let mut locked = LockedOrigins::new(builder, lock, table);
    let owners = owners(tree, blobs, &locked, table)?;
    let mut origins = vec![KnownOrigins { content: scripts, metadata: scripts }; tree.capacity()];
    for entry in tree.walk() {
        let kind = &tree.node(entry.id).kind;
        let referred = locked.of_content(kind, blobs);
        let owner = owners.get(&entry.path).copied();
        let owner = owner.filter(|_| referred.is_none() || has_own_metadata(tree.node(entry.id), blobs));
        let has_bytes = matches!(kind, NodeKind::File(content) if !content.is_empty());
        origins[entry.id.index()] = match (referred, owner) {
            (Some(package), Some(Owner::Brought(owner) | Owner::Record(owner))) => {
                KnownOrigins { content: package, metadata: owner }
            }
            // A script changed mode or owner, or made a copy.
            (Some(package), None) => KnownOrigins { content: package, metadata: scripts },
            (None, Some(Owner::Record(record))) => KnownOrigins { content: record, metadata: record },
            (None, Some(Owner::Brought(owner))) if has_bytes => {
                KnownOrigins { content: scripts, metadata: owner }
            }
            (None, Some(Owner::Brought(owner))) => KnownOrigins { content: owner, metadata: owner },
            (None, None) => KnownOrigins { content: scripts, metadata: scripts },
        };
    }
    Ok(origins)
}

/// Whether mode and owner of a file are those of its header, which precedes its bytes in the archive (tar(5), `ustar`). What
/// cannot be read says nothing.
fn has_own_metadata(node: &Node, blobs: &Blobs) -> bool {
    let NodeKind::File(Content::Slice { source, at, .. }) = &node.kind else { return true };
    let mut header = [0; HEADER as usize];
    let read = at.checked_sub(HEADER).map(|at| blobs.read_exact_at(*source, at, &mut header));
    if !matches!(read, Some(Ok(()))) || !header[257..].starts_with(b"ustar") {
        return true;
    }
    // A number that does not fit into its field is in a header of its own.
    let octal = |field: &[u8]| {
        let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
        u32::from_str_radix(text, 8).ok()
    };
    // Some writers put the type of the file into the mode.
    let fields = [
        (100, 0o7777, u32::from(node.meta.mode)),
        (108, u32::MAX, node.meta.uid),
        (116, u32::MAX, node.meta.gid),
    ];
    fields.iter().all(|(start, mask, found)| {
        octal(&header[*start..start + 8]).is_none_or(|stored| stored & mask == *found)
    })
}

/// The owner of each path, without a leading `/`; of several the first of the database.
fn owners(
    tree: &Tree,
    blobs: &Blobs,
    locked: &LockedOrigins<'_>,
    table: &mut OriginTable,
) -> io::Result<HashMap<Vec<u8>, Owner>> {
    let mut owners = HashMap::new();
    let merged = MergedFolders::of(tree);
    for kind in PackageKind::ALL {
        for package in kind.format().owned(tree, blobs)? {
            let (name, arch) = &package.package;
            let record = table.number(PathOrigin::new("database").with("package", name));
            let brought = locked.by_name.get(&(name.as_str(), arch.as_str())).copied();
            for path in &package.paths {
                // What a package brings is listed with a leading `/`.
                let owner = match (path.strip_prefix(b"/"), brought) {
                    (Some(_), Some(brought)) => Owner::Brought(brought),
                    // Also a package that was there before: by the database alone.
                    (None, _) | (Some(_), None) => Owner::Record(record),
                };
                let path = path.strip_prefix(b"/").unwrap_or(path);
                let path = if path == b"." { b"" } else { path };
                owners.entry(merged.resolved(path).into_owned()).or_insert(owner);
            }
        }
    }
    Ok(owners)
}

impl<'a> LockedOrigins<'a> {
    fn new(builder: &'a LayerBuilder<'a>, lock: &'a Lock, table: &mut OriginTable) -> Self {
        let text = lock.text();
        let headers = (1_usize..).zip(text.lines()).filter(|(_, line)| *line == "[[package]]");
        let lines = headers.map(|(number, _)| number);
        let (mut by_digest, mut by_name) = (HashMap::new(), HashMap::new());
        for (package, line) in lock.image.iter().zip(lines) {
            let number = table.number(origin(package, line));
            by_digest.insert(package.sha256, number);
            by_name.insert((package.name.as_str(), package.arch.as_str()), number);
        }
        Self { builder, by_digest, by_name, by_source: HashMap::new() }
    }

    /// The package that a content refers to, if all of it is in that package's file.
    fn of_content(&mut self, kind: &NodeKind, blobs: &Blobs) -> Option<OriginNumber> {
        let NodeKind::File(content) = kind else { return None };
        match content {
            Content::Slice { source, .. } => self.of_source(*source, blobs),
            Content::Inline(_) => None,
            Content::Sparse { .. } => {
                let segments = content.segments();
                let of = |origin: &ContentOrigin| match origin {
                    ContentOrigin::Slice { source, .. } => Some(*source),
                    ContentOrigin::Inline { .. } => None,
                };
                let first = of(&segments.first()?.origin)?;
                let one = segments.iter().all(|segment| of(&segment.origin) == Some(first));
                one.then(|| self.of_source(first, blobs)).flatten()
            }
        }
    }

    fn of_source(&mut self, source: SourceId, blobs: &Blobs) -> Option<OriginNumber> {
        let (builder, by_digest) = (self.builder, &self.by_digest);
        *self.by_source.entry(source).or_insert_with(|| {
            // The entry of an input has the digest and the length of its file in its name.
            let name = builder.store.entry_name(blobs.path(source)?)?;
            let (digest, _) = name.split_once('-')?;
            by_digest.get(&digest.parse().ok()?).copied()
        })
    }
}

fn origin(package: &LockedPackage, line: usize) -> PathOrigin {
    PathOrigin::new(package.kind.name())
        .with("name", &package.name)
        .with("version", &package.version)
        .with("arch", &package.arch)
        .with("sha256", package.sha256)
        .with("lock", line)
        .with("archive", &package.archive)
        .with("path", &package.path)
}
