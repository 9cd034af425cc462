//! From the recorded origins to `origins.txt`: the paths of each partition, in the order of `tree.txt`.

use std::collections::BTreeMap;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::Tree;
use amiforge_image::disk::{DiskSpec, PartitionContent, VolumeSpec};
use amiforge_image::origins::{OriginNumber, Origins, PartitionOrigins, PathOrigins};
use amiforge_image::seal::{BootSpec, Sealed};
use amiforge_rootfs::assemble::ListedInput;

use super::sealed::SealedOrigins;
use super::{KnownOrigins, OriginRecorder, RecipeOrigins, recipe};
use crate::recipe::{Recipe, RecipeContent, RecipePartition};

/// The trees of an image, divided among its partitions.
#[derive(Clone, Copy)]
pub(in crate::pipeline) struct SystemTrees<'a> {
    /// The whole system, as it was observed last.
    pub(in crate::pipeline) tree: &'a Tree,
    /// The partitions whose content is known from the beginning.
    pub(in crate::pipeline) spec: &'a DiskSpec,
    /// The content of those that are sealed, by index.
    pub(in crate::pipeline) contents: &'a [(usize, PartitionContent)],
    /// What the image boots with.
    pub(in crate::pipeline) boot: Option<&'a BootSpec>,
    /// What firmware starts.
    pub(in crate::pipeline) sealed: &'a Sealed,
}

/// What is known of the inputs when the last byte has been read.
pub(in crate::pipeline) struct OriginInputs<'a> {
    /// The sources.
    pub(in crate::pipeline) sources: &'a [ListedInput],
    /// Digests of files of the host, by the name that the recipe has for them.
    pub(in crate::pipeline) files: BTreeMap<String, Digest>,
}

impl OriginInputs<'_> {
    /// The origins with the digests of sources and files of the host.
    pub(in crate::pipeline) fn complete(&self, origins: &Origins) -> Origins {
        let mut origins = origins.clone();
        for origin in &mut origins.table {
            let label = recipe::source_label(origin);
            let source = self.sources.iter().find(|input| Some(&input.label) == label.as_ref());
            if let Some(input) = source.filter(|_| origin.kind == "source") {
                origin.facts.push(("kind".to_owned(), input.kind.to_owned()));
                origin.facts.extend(input.sha256.map(|digest| ("sha256".to_owned(), digest.to_string())));
            }
            let file = origin.fact("name").and_then(|name| self.files.get(name)).copied();
            if let Some(digest) = file.filter(|_| matches!(origin.kind.as_str(), "file" | "partition")) {
                origin.facts.push(("sha256".to_owned(), digest.to_string()));
            }
        }
        origins
    }
}

impl OriginRecorder {
    /// The origins of all paths of an image.
    pub(in crate::pipeline) fn finish(mut self, recipe: &Recipe, trees: SystemTrees<'_>) -> Origins {
        self.take_paths(trees.tree);
        let sealed =
            trees.boot.map(|boot| SealedOrigins::of(&mut self, RecipeOrigins(recipe), boot, trees.tree));
        let mut partitions = Vec::new();
        for (index, (partition, specified)) in
            recipe.partitions.iter().zip(&trees.spec.partitions).enumerate()
        {
            let own = trees.contents.iter().find(|(at, _)| *at == index);
            let content = own.map_or(&specified.content, |(_, content)| content);
            let (holds, paths) = match content {
                PartitionContent::Volume(VolumeSpec { options, tree, .. }) => {
                    let format = options.kind().format();
                    let has_files = format.files().is_some();
                    let sealed = sealed.as_ref().filter(|_| own.is_some());
                    let paths = has_files.then(|| self.volume(recipe, index, tree, (sealed, trees.sealed)));
                    (format.written_name(), paths.unwrap_or_default())
                }
                PartitionContent::Raw(_) => ("raw", vec![self.raw(recipe, index, partition)]),
                PartitionContent::Loader(_) => ("loader", sealed.as_ref().map(loader).unwrap_or_default()),
                PartitionContent::HashTree { .. } => ("hash-tree", Vec::new()),
                PartitionContent::Empty => ("empty", Vec::new()),
            };
            let mount = partition.mount.as_deref().unwrap_or("-").to_owned();
            partitions.push(PartitionOrigins {
                id: partition.id.clone(),
                holds: holds.to_owned(),
                mount,
                paths,
            });
        }
        self.table.finish(partitions)
    }

    /// The paths of a file system.
    pub(super) fn volume(
        &mut self,
        recipe: &Recipe,
        index: usize,
        tree: &Tree,
        (sealed, files): (Option<&SealedOrigins>, &Sealed),
    ) -> Vec<PathOrigins> {
        let partition = &recipe.partitions[index];
        let folder = partition.tree.as_deref().map(|folder| folder.trim_matches('/').as_bytes());
        let own = self.table.number(RecipeOrigins(recipe).partition(index));
        let other = sealed.map_or(own, SealedOrigins::written);
        let mut paths = Vec::new();
        for entry in tree.walk() {
            let text = std::str::from_utf8(&entry.path).ok();
            let file = text.and_then(|text| files.esp.iter().find(|file| file.path == text));
            let path = [b"/", entry.path.as_slice()].concat();
            let line = |section: Option<&str>, content, metadata| PathOrigins {
                path: path.clone(),
                section: section.map(str::to_owned),
                content,
                metadata,
            };
            if let Some((sealed, file)) = sealed.zip(file) {
                let (whole, sections) = sealed.file(file);
                paths.push(line(None, whole, other));
                paths.extend(sections.iter().map(|(name, origin)| line(Some(name), *origin, other)));
                continue;
            }
            let above = folder.map(|folder| joined(folder, &entry.path));
            let KnownOrigins { content, metadata } = above
                .and_then(|path| self.of(&path))
                .unwrap_or(KnownOrigins { content: other, metadata: other });
            paths.push(line(None, content, metadata));
        }
        paths
    }

    /// The bytes of a raw partition.
    fn raw(&mut self, recipe: &Recipe, index: usize, partition: &RecipePartition) -> PathOrigins {
        let origin = RecipeOrigins(recipe).partition(index);
        let origin = match &partition.holds {
            RecipeContent::Raw { name, .. } => origin.with("name", name),
            _ => origin,
        };
        part("content", self.table.number(origin))
    }
}

/// The parts of the loader for a legacy BIOS, by the names that its map has.
fn loader(sealed: &SealedOrigins) -> Vec<PathOrigins> {
    let mut parts = vec![part("command line", sealed.cmdline)];
    parts.extend(sealed.initrd.map(|initrd| part("initrd", initrd)));
    parts.push(part("kernel", sealed.kernel));
    parts
}

/// A part of a partition without files.
pub(super) fn part(name: &str, origin: OriginNumber) -> PathOrigins {
    PathOrigins { path: name.as_bytes().to_vec(), section: None, content: origin, metadata: origin }
}

/// The path of a name below a folder, neither with a leading `/`.
fn joined(folder: &[u8], path: &[u8]) -> Vec<u8> {
    match (folder, path) {
        (b"", path) => path.to_vec(),
        (folder, b"") => folder.to_vec(),
        (folder, path) => [folder, b"/", path].concat(),
    }
}
