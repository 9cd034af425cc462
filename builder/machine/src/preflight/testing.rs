//! Small images for the tests of the checks: a disk with a tree as its root, which a legacy BIOS starts by amiforge's loader.

use std::fs;

use amiforge_formats::arch::Arch;
use amiforge_formats::bios;
use amiforge_formats::ext4::write::JournalSize;
use amiforge_formats::gpt::types;
use amiforge_formats::guid::Guid;
use amiforge_formats::path;
use amiforge_formats::plan::NoSources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{ChangeGroups, Content, Meta, Tree};
use amiforge_formats::volume::VolumeOptions;
use amiforge_image::disk::{
    DiskSize, DiskSpec, PartitionContent, PartitionSize, PartitionSpec, VolumeSpec, lay_out,
};
use amiforge_image::inspect::Medium;

use super::{PreflightFinding, preflight};

/// A tree of executable files by path, with their texts.
pub(super) fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    for (file, text) in files {
        path::write(&mut tree, file.as_bytes(), text.as_bytes(), 0o755, Time::EPOCH).unwrap();
    }
    tree
}

fn partition(id: &str, type_guid: Guid, content: PartitionContent) -> PartitionSpec {
    PartitionSpec {
        number: None,
        id: id.to_owned(),
        label: id.to_owned(),
        type_guid,
        guid: None,
        attributes: 0,
        size: PartitionSize::Exact(if id == "root" { 32 << 20 } else { 1 << 20 }),
        content,
    }
}

/// The findings of some checks in an image with a tree as its root, whose kernel gets a command line.
pub(super) fn findings(tree: Tree, cmdline: &str, checks: &[&str]) -> Vec<PreflightFinding> {
    let mut loader = vec![0; 1 << 20];
    loader[bios::CMDLINE_AT..][..cmdline.len()].copy_from_slice(cmdline.as_bytes());
    let options =
        VolumeOptions::Ext4 { label: String::new(), uuid: None, journal: JournalSize::Auto, reserved: 0 };
    let root = VolumeSpec { options, tree, groups: ChangeGroups::default() };
    let spec = DiskSpec {
        name: "image".to_owned(),
        size: DiskSize::Exact(40 << 20),
        guid: None,
        time: Time::EPOCH,
        partitions: vec![
            partition("bios-boot", types::BIOS_BOOT, PartitionContent::Raw(Content::Inline(loader.into()))),
            partition("root", Arch::X86_64.root_type(), PartitionContent::Volume(root)),
        ],
    };
    let disk = lay_out(&spec).unwrap();
    let mut bytes = vec![0; disk.plan.len() as usize];
    disk.plan.read_exact_at(&NoSources, 0, &mut bytes).unwrap();
    // The checks know the loader by its first bytes.
    bytes[..64].copy_from_slice(&bios::STAGE1[..64]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.raw");
    fs::write(&path, bytes).unwrap();
    let report = preflight(&Medium::open(&path).unwrap()).unwrap();
    report.findings.into_iter().filter(|finding| checks.contains(&finding.check)).collect()
}

/// What the findings of one check say, of an image with these files.
pub(super) fn said(files: &[(&str, &str)], check: &str) -> Vec<String> {
    findings(tree(files), "console=ttyS0", &[check]).iter().map(ToString::to_string).collect()
}
