//! What a disk image holds, for a recipe that starts from it: its partitions and what they are for, its system, its
//! packages, and how it boots. Contents of files are not read, but for a few small ones.

use std::fs::File;
use std::io;

use amiforge_formats::arch::Arch;
use amiforge_formats::container::ContainerKind;
use amiforge_formats::gpt::types;
use amiforge_formats::path;
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeKind, Tree};
use amiforge_formats::volume::FsKind;

use super::error::DiskSourceError;
use super::layout;
use super::mount::{MountedDisk, mounted};
use super::open::OpenDisk;
use super::place::whole_contents;
use super::shell_arch::arch;
use super::volumes::DiskVolumes;
use crate::boot::{find_kernel, read_os_release};
use crate::package_databases::{APK_INSTALLED, DPKG_STATUS, has_rpm};

/// The longest database of packages that is read; that of a desktop has 10 MiB.
const STATUS_MAX: u64 = 256 << 20;

/// What a disk image holds.
#[derive(Debug, Clone)]
pub struct DiskSurvey {
    /// The format of the file; none for a raw disk.
    pub container: Option<ContainerKind>,
    /// Length of the disk in bytes.
    pub size: u64,
    /// Its partitions; one for a disk without a table.
    pub parts: Vec<SurveyedPart>,
    /// Whether it has an EFI system partition.
    pub esp: bool,
    /// Whether it has what a legacy BIOS starts: a BIOS boot partition, or an MBR alone.
    pub bios: bool,
    /// Whether it can be kept as it is: a GPT, a root on ext4, and something that firmware starts.
    pub keepable: bool,
    /// Its `os-release`, if it has one.
    pub os_release: Option<Vec<u8>>,
    /// The architecture of its programs, if it is one that images are built for.
    pub arch: Option<Arch>,
    /// The release of its newest kernel.
    pub kernel: Option<String>,
    /// The kind of its packages and how many are installed; no number where their database is not read.
    pub packages: Option<(&'static str, Option<usize>)>,
    /// Lengths of its files together, each once.
    pub bytes: u64,
    /// What is odd about it, for people.
    pub warnings: Vec<String>,
}

/// A partition of a surveyed disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedPart {
    /// Its number and name, as messages name it.
    pub title: String,
    /// What it holds, such as `ext4`.
    pub content: &'static str,
    /// Length in bytes.
    pub len: u64,
    /// Where it is mounted, if it is.
    pub mount: Option<String>,
}

/// Surveys the disk in a file; `partition` names the root as in a recipe. Also gives the contents of files that are each one
/// range of the file, sorted: first byte and length.
///
/// # Errors
/// As for reading the image as a source.
pub fn survey(file: File, partition: Option<&str>) -> Result<(DiskSurvey, Vec<(u64, u64)>), DiskSourceError> {
    let len = file.metadata().map_err(DiskSourceError::Read)?.len();
    let disk = OpenDisk::open(file, len)?;
    let mut volumes = DiskVolumes::new(&disk, layout::read(disk.reader())?);
    let found = mounted(&mut volumes, partition)?;
    let has = |kind| volumes.parts.iter().any(|part| part.type_guid == Some(kind));
    let gpt = volumes.parts.iter().any(|part| part.type_guid.is_some());
    let parts = volumes.parts.iter().enumerate().map(|(index, part)| SurveyedPart {
        title: part.title(),
        content: part.content.name(),
        len: part.len,
        mount: found.mounts.iter().find(|(other, _)| *other == index).map(|(_, point)| point.clone()),
    });
    let contents = whole_contents(&found.tree, &volumes)?;
    let survey = DiskSurvey {
        container: disk.container(),
        size: disk.reader().size(),
        parts: parts.collect(),
        esp: has(types::ESP),
        bios: has(types::BIOS_BOOT) || !gpt,
        keepable: gpt && has_ext4_root(&volumes, &found.mounts) && has_loader(&mut volumes, &found)?,
        os_release: read_os_release(&found.tree, &volumes).ok().flatten(),
        arch: arch(&found.tree, &volumes),
        kernel: find_kernel(&found.tree, &volumes, None).ok().map(|kernel| kernel.release),
        packages: packages(&found.tree, &volumes),
        bytes: bytes(&found.tree),
        warnings: found.warnings.iter().map(ToString::to_string).collect(),
    };
    Ok((survey, contents))
}

/// Whether the root is on ext4.
fn has_ext4_root(volumes: &DiskVolumes<'_>, mounts: &[(usize, String)]) -> bool {
    let root = mounts.iter().find(|(_, point)| point == "/").and_then(|(index, _)| volumes.parts.get(*index));
    root.is_some_and(|root| root.content.kind() == Some(FsKind::Ext4))
}

/// Whether firmware finds something to start: code in the first sector, or a loader on an EFI system partition.
fn has_loader(volumes: &mut DiskVolumes<'_>, found: &MountedDisk) -> Result<bool, DiskSourceError> {
    let mut code = [0; 440];
    volumes.disk.reader().read_exact_at(0, &mut code).map_err(DiskSourceError::Read)?;
    if code != [0; 440] {
        return Ok(true);
    }
    let esp = |index: &usize| volumes.parts[*index].type_guid == Some(types::ESP);
    for index in (0..volumes.parts.len()).filter(esp).collect::<Vec<_>>() {
        let mount = found.mounts.iter().find(|(mounted, _)| *mounted == index);
        for loader in Arch::ALL.map(|arch| format!("EFI/BOOT/{}", arch.firmware().default)) {
            let there = match mount {
                Some((_, point)) => found.tree.lookup(format!("{point}/{loader}").as_bytes()),
                None => volumes
                    .volume(index)
                    .ok()
                    .and_then(|volume| volume.tree.as_ref()?.lookup(loader.as_bytes())),
            };
            if there.is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The kind of packages of a system, and how many are installed.
fn packages(tree: &Tree, sources: &dyn Sources) -> Option<(&'static str, Option<usize>)> {
    let there = |path: &[u8]| path::find(tree, path).ok().flatten();
    if let Some(status) = there(DPKG_STATUS.as_bytes()) {
        let NodeKind::File(content) = &tree.node(status).kind else { return None };
        let text = if content.len() > STATUS_MAX {
            Err(io::ErrorKind::FileTooLarge.into())
        } else {
            path::bytes_of(content, sources)
        };
        let installed = |line: &&[u8]| line.starts_with(b"Status: ") && line.ends_with(b" ok installed");
        let count = text.ok().map(|text| text.split(|byte| *byte == b'\n').filter(installed).count());
        return Some(("deb", count));
    }
    if has_rpm(tree).unwrap_or(false) {
        return Some(("rpm", None));
    }
    there(APK_INSTALLED.as_bytes()).map(|_| ("apk", None))
}

/// Lengths of all files, each once.
fn bytes(tree: &Tree) -> u64 {
    let mut seen = vec![false; tree.capacity()];
    let mut sum = 0u64;
    for entry in tree.walk() {
        if std::mem::replace(&mut seen[entry.id.index()], true) {
            continue;
        }
        if let NodeKind::File(content) = &tree.node(entry.id).kind {
            sum = content.segments().iter().fold(sum, |sum, segment| sum.saturating_add(segment.len));
        }
    }
    sum
}
