//! The files of the host that a recipe names, with the digests that the provenance of an image pins them by.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_rootfs::sources::{DigestPin, SourceKind};
use sha2::{Digest as _, Sha256};

use crate::embedded::EmbeddedStatement;
use crate::recipe::{FilePut, Recipe, RecipeContent, SourceFrom};

/// A file or folder of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalInput {
    /// Its name in the manifest.
    pub name: String,
    /// The file or folder.
    pub path: PathBuf,
    /// Its SHA-256, as recipe or provenance pin it.
    pub expected: Option<String>,
    /// Its SHA-256 on this machine, once it was taken; none of a folder.
    pub actual: Option<String>,
}

/// The files and folders of the host that a build of the recipe reads. What its lock pins is fetched, not local.
pub fn local_inputs(recipe: &Recipe, statement: Option<&EmbeddedStatement>) -> Vec<LocalInput> {
    let mut inputs = Vec::new();
    let mut add = |name: &str, path: &Path, pinned: Option<Digest>| {
        let mut stated = statement.into_iter().flat_map(|statement| &statement.dependencies);
        let stated = stated.find(|dependency| dependency.name == name);
        let stated = stated.and_then(|dependency| dependency.sha256.clone());
        let expected = pinned.map(|digest| digest.to_string()).or(stated);
        inputs.push(LocalInput { name: name.to_owned(), path: path.to_owned(), expected, actual: None });
    };
    // The lock pins disks of snapshots.
    let of_lock = |index: &usize| recipe.snapshots.iter().any(|snapshot| snapshot.source == *index);
    for (_, source) in recipe.sources.iter().enumerate().filter(|(index, _)| !of_lock(index)) {
        let (SourceKind::Dir { path, .. }
        | SourceKind::Tar { path }
        | SourceKind::Oci { path, .. }
        | SourceKind::Image { path, .. }) = &source.kind;
        // That of an OCI image is of its manifest, not of a file.
        let pinned = match (&source.kind, &source.pin) {
            (SourceKind::Tar { .. } | SourceKind::Image { .. }, DigestPin::Exact(digest)) => Some(*digest),
            _ => None,
        };
        add(&source.label, path, pinned);
    }
    for stage in &recipe.stages {
        for (path, name) in &stage.patches {
            add(name, path, None);
        }
        for source in &stage.sources {
            if let SourceFrom::Path(path, name) = &source.from {
                add(name, path, source.sha256);
            }
        }
    }
    for file in &recipe.files {
        if let FilePut::HostFile { path, name } = &file.put {
            add(name, path, None);
        }
    }
    for partition in &recipe.partitions {
        if let RecipeContent::Raw { path, name } = &partition.holds {
            add(name, path, None);
        }
    }
    if let Some(keys) = &recipe.trust.secure_boot {
        let files = [Some(&keys.db), Some(&keys.kek), Some(&keys.pk), keys.dbx.as_ref()];
        files.into_iter().flatten().for_each(|file| add(&file.name, &file.path, None));
    }
    inputs
}

/// The inputs that are not on this machine.
pub fn missing(inputs: &[LocalInput]) -> Vec<&LocalInput> {
    inputs.iter().filter(|input| input.path.symlink_metadata().is_err()).collect()
}

/// Takes the digest of every input that is a file and has an expected one, and keeps the inputs that are not what the image was
/// built from, or that nothing pins.
///
/// # Errors
/// What the host says, with the file.
pub fn changed(inputs: Vec<LocalInput>) -> Result<Vec<LocalInput>, (PathBuf, io::Error)> {
    let mut changed = Vec::new();
    for mut input in inputs {
        if input.expected.is_some() && input.path.is_file() {
            input.actual =
                Some(sha256(&input.path).map_err(|error| (input.path.clone(), error))?.to_string());
        }
        let same = input.expected.is_some() && (input.actual.is_none() || input.actual == input.expected);
        if !same {
            changed.push(input);
        }
    }
    Ok(changed)
}

fn sha256(path: &Path) -> io::Result<Digest> {
    let mut file: File = amiforge_progress::regular::open(path)?;
    let mut hash = Sha256::new();
    let mut part = vec![0; 1 << 20];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(Digest(hash.finalize().into())),
            len => hash.update(&part[..len]),
        }
    }
}
