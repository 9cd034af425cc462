//! Every kind of damage to a bundle is detected and named.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_formats::gpt::types;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{ChangeGroups, Content, Meta, Tree};
use amiforge_formats::volume::VolumeOptions;
use amiforge_progress::{CancelToken, Monitor};

use super::*;
use crate::bundle::{DISK, MANIFEST, SUMS, TREE};
use crate::disk::{self, DiskSize, DiskSpec, PartitionContent, PartitionSize, PartitionSpec, VolumeSpec};
use crate::testing::{origin, texts, write_bundle};

/// Where the bytes of the raw partition are: after 1 MiB of partition table and 1 MiB of swap.
const RAW: u64 = 2 << 20;

/// A bundle in a directory that goes with it.
struct Bundle {
    _parent: tempfile::TempDir,
    path: PathBuf,
}

fn partition(id: &str, kind: &str, mib: u64, content: PartitionContent) -> PartitionSpec {
    PartitionSpec {
        number: None,
        id: id.to_owned(),
        label: id.to_owned(),
        type_guid: types::by_name(kind).unwrap(),
        guid: None,
        attributes: 0,
        size: PartitionSize::Exact(mib << 20),
        content,
    }
}

fn swap_space() -> PartitionContent {
    let options = VolumeOptions::Swap { label: String::new(), uuid: None };
    let tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    PartitionContent::Volume(VolumeSpec { options, tree, groups: ChangeGroups::default() })
}

/// A disk of a swap area, bytes as they are, and free space.
fn build() -> Bundle {
    let bytes: Vec<u8> = (0..3 * BLOCK).map(|at| (at % 251) as u8).collect();
    let spec = DiskSpec {
        name: "x".to_owned(),
        size: DiskSize::Exact(16 << 20),
        guid: None,
        time: Time::EPOCH,
        partitions: vec![
            partition("swap", "swap", 1, swap_space()),
            partition("raw", "linux-generic", 4, PartitionContent::Raw(Content::Inline(bytes.into()))),
            partition("none", "linux-generic", 4, PartitionContent::Empty),
        ],
    };
    let disk = disk::lay_out(&spec).unwrap();
    assert_eq!(disk.partitions[1].start, RAW);
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("web");
    let documents = [(bundle::SPDX, b"{}\n".to_vec())];
    write_bundle(&path, &disk, texts(origin("x"), "", &documents, None));
    Bundle { _parent: parent, path }
}

impl Bundle {
    fn open(&self, name: &str) -> File {
        OpenOptions::new().read(true).write(true).open(self.path.join(name)).unwrap()
    }

    /// Flips the lowest bit of a byte.
    fn flip(&self, name: &str, at: u64) {
        let file = self.open(name);
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    }

    fn verify(&self) -> VerifyReport {
        verify(&self.path, &EmitOptions { threads: 2 }, Monitor::none()).unwrap()
    }

    fn differences(&self) -> Vec<String> {
        self.verify().differences.iter().map(ToString::to_string).collect()
    }

    /// The blocks that differ and the files in them.
    fn blocks(&self) -> Vec<(u64, Vec<String>)> {
        let blocks = self.verify().differences.into_iter().filter_map(|difference| match difference {
            BundleDifference::Block { block, locations, .. } => Some((block, locations)),
            _ => None,
        });
        blocks.collect()
    }
}

#[test]
fn a_bundle_as_it_was_built_has_no_difference() {
    let report = build().verify();
    assert_eq!(report.differences, []);
    assert_eq!((report.blocks, report.bytes), (32, 16 << 20));
    assert_eq!(report.checked, ["GPT", "swap in partition 1 `swap`"]);
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let locations = [
        (100, 0, vec![]),
        ((1 << 20) + 4090, 2, vec!["partition 1 `swap`"]),
        (RAW, 4, vec!["partition 2 `raw`"]),
        (RAW + 3 * BLOCK - 1, 6, vec!["partition 2 `raw`"]),
        // Zeros that must be, free space of a partition and of the disk, the backup of the table.
        (RAW + 4 * BLOCK, 8, vec!["partition 2 `raw`"]),
        (7 << 20, 14, vec!["partition 3 `none`"]),
        (12 << 20, 24, vec![]),
        ((16 << 20) - 512, 31, vec![]),
    ];
    let bundle = build();
    for (at, block, inside) in locations {
        bundle.flip(DISK, at);
        let inside: Vec<_> = inside.into_iter().map(str::to_owned).collect();
        assert_eq!(bundle.blocks(), [(block, inside)], "byte {at}");
        let lines = bundle.differences();
        assert!(lines.iter().any(|line| line.starts_with("`disk.raw` has SHA-256 ")), "{lines:?}");
        bundle.flip(DISK, at);
    }
    assert_eq!(bundle.differences(), [""; 0]);
}

#[test]
fn every_block_that_differs_is_told_and_damaged_formats_too() {
    let bundle = build();
    bundle.flip(DISK, 512 + 24);
    bundle.flip(DISK, (1 << 20) + 4090);
    bundle.flip(DISK, RAW + BLOCK);
    assert_eq!(bundle.blocks().iter().map(|(block, _)| *block).collect::<Vec<_>>(), [0, 2, 5]);
    let lines = bundle.differences().join("\n");
    assert!(lines.contains("\nGPT: "), "{lines}");
    assert!(lines.contains("\nswap in partition 1 `swap`: "), "{lines}");
}

#[test]
fn a_hole_punched_into_data_is_found() {
    let bundle = build();
    let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(bundle.open(DISK), flags, RAW + BLOCK, BLOCK).unwrap();
    assert_eq!(bundle.blocks(), [(5, vec!["partition 2 `raw`".to_owned()])]);
}

#[test]
fn zeros_written_where_a_hole_was_are_no_difference() {
    let bundle = build();
    bundle.open(DISK).write_all_at(&vec![0; BLOCK as usize], 12 << 20).unwrap();
    assert_eq!(bundle.differences(), [""; 0]);
}

#[test]
fn a_truncated_or_extended_image_is_told_with_both_lengths() {
    let bundle = build();
    bundle.open(DISK).set_len((16 << 20) + 1).unwrap();
    let lines = bundle.differences().join("\n");
    assert!(lines.contains("`disk.raw` is 16777217 bytes long, and the manifest says 16777216"), "{lines}");
    bundle.open(DISK).set_len(RAW + 100).unwrap();
    let lines = bundle.differences().join("\n");
    assert!(lines.contains("`disk.raw` is 2097252 bytes long, and the manifest says 16777216"), "{lines}");
    assert_eq!(bundle.blocks().len(), 1, "{lines}");
    bundle.open(DISK).set_len(0).unwrap();
    let lines = bundle.differences().join("\n");
    assert!(lines.contains("`disk.raw` is 0 bytes long"), "{lines}");
}

#[test]
fn a_flipped_bit_in_any_text_is_found() {
    for name in [MANIFEST, SUMS] {
        let bundle = build();
        let len = fs::metadata(bundle.path.join(name)).unwrap().len();
        for at in (0..len).step_by(61).chain([len - 1]) {
            bundle.flip(name, at);
            assert_ne!(bundle.differences(), [""; 0], "byte {at} of {name}");
            bundle.flip(name, at);
        }
        assert_eq!(bundle.differences(), [""; 0]);
    }
    let bundle = build();
    fs::write(bundle.path.join(TREE), "/ dir\n").unwrap();
    let lines = bundle.differences().join("\n");
    assert!(lines.starts_with("`tree.txt` has SHA-256 "), "{lines}");
    assert!(lines.contains("line 1 of `tree.txt` is not in the image: / dir"), "{lines}");
}

/// Gives a changed file the sum that it has.
fn mend_sums(bundle: &Bundle, name: &str) {
    let path = bundle.path.join(SUMS);
    let text = fs::read_to_string(&path).unwrap();
    let digest = Digest::of(&fs::read(bundle.path.join(name)).unwrap());
    let lines = text
        .lines()
        .map(|line| if line.ends_with(name) { format!("{digest}  {name}\n") } else { format!("{line}\n") });
    fs::write(&path, lines.collect::<String>()).unwrap();
}

#[test]
fn a_document_that_was_edited_together_with_its_sum_is_found() {
    let bundle = build();
    fs::write(bundle.path.join(bundle::SPDX), "{\"edited\":1}\n").unwrap();
    mend_sums(&bundle, bundle::SPDX);
    let lines = bundle.differences();
    assert!(
        matches!(&lines[..], [one] if one.starts_with("`sbom.spdx.json` has SHA-256 ") && one.contains("manifest says")),
        "{lines:?}"
    );
    // The listing holds nothing here, so a comment is all that differs from what the image holds.
    let bundle = build();
    fs::write(bundle.path.join(TREE), "# comment\n").unwrap();
    mend_sums(&bundle, TREE);
    let lines = bundle.differences().join("\n");
    assert!(lines.contains("`tree.txt` has SHA-256 ") && lines.contains("the manifest says"), "{lines}");
}

#[test]
fn a_document_that_was_added_or_removed_together_with_its_sum_is_found() {
    let bundle = build();
    fs::write(bundle.path.join(bundle::CYCLONEDX), "{}\n").unwrap();
    let sums = fs::read_to_string(bundle.path.join(SUMS)).unwrap();
    let line = format!("{}  {}\n", Digest::of(b"{}\n"), bundle::CYCLONEDX);
    let (head, tail) = sums.split_once(bundle::SPDX).unwrap();
    let at = head.rfind('\n').map_or(0, |at| at + 1);
    fs::write(bundle.path.join(SUMS), format!("{}{line}{}{}{tail}", &head[..at], &head[at..], bundle::SPDX))
        .unwrap();
    let lines = bundle.differences();
    assert_eq!(lines, ["`sbom.cdx.json` is not one of the documents that the manifest lists"]);
    let bundle = build();
    fs::remove_file(bundle.path.join(bundle::SPDX)).unwrap();
    let kept: Vec<_> = sums.lines().filter(|line| !line.ends_with(bundle::SPDX)).collect();
    fs::write(bundle.path.join(SUMS), kept.join("\n") + "\n").unwrap();
    assert_eq!(bundle.differences(), ["`sbom.spdx.json` is missing"]);
}

#[test]
fn a_bundle_of_a_build_before_documents_were_bound_still_verifies() {
    let bundle = build();
    let path = bundle.path.join(MANIFEST);
    let mut manifest = Manifest::parse(&fs::read(&path).unwrap()).unwrap();
    manifest.documents.clear();
    fs::write(&path, manifest.to_text()).unwrap();
    mend_sums(&bundle, MANIFEST);
    assert_eq!(bundle.differences(), [""; 0]);
}

#[test]
fn an_image_that_was_made_longer_is_read_only_as_far_as_the_manifest_goes() {
    let bundle = build();
    // Digesting these zeros would take an hour.
    bundle.open(DISK).set_len(8 << 40).unwrap();
    let begun = std::time::Instant::now();
    let report = bundle.verify();
    assert_eq!((report.blocks, report.bytes), (32, 16 << 20));
    let lines: Vec<_> = report.differences.iter().map(ToString::to_string).collect();
    assert!(lines[0].starts_with("`disk.raw` is 8796093022208 bytes long"), "{lines:?}");
    assert!(begun.elapsed() < std::time::Duration::from_mins(1));
}

#[test]
fn a_manifest_that_lies_with_the_right_sum_is_caught_by_what_it_says_twice() {
    let change = |from: &str, to: &str| {
        let bundle = build();
        let path = bundle.path.join(MANIFEST);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        mend_sums(&bundle, MANIFEST);
        bundle.differences().join("\n")
    };
    assert!(change("\"schema\": 1", "\"schema\": 9").contains("schema 9"));
    assert!(change("  \"", "   \"").contains("is not written as"));
    assert!(change("\"label\": \"raw\"", "\"label\": \"row\"").contains("partition 2 `raw` has name raw"));
    let moved = change("\"zero*5\",\n    \"free*19\"", "\"zero*4\",\n    \"free*20\"");
    assert!(moved.contains("`ebs.without_free`"), "{moved}");
    let merkle = change("\"merkle_root\": \"", "\"merkle_root\": \"00");
    assert!(merkle.contains("`merkle_root`") && merkle.contains("cannot be read"), "{merkle}");
}

#[test]
fn missing_and_strange_files_are_told() {
    let bundle = build();
    fs::write(bundle.path.join("notes"), "").unwrap();
    fs::remove_file(bundle.path.join(TREE)).unwrap();
    fs::remove_file(bundle.path.join(bundle::SPDX)).unwrap();
    fs::rename(bundle.path.join(DISK), bundle.path.join("..").join(DISK)).unwrap();
    std::os::unix::fs::symlink("../disk.raw", bundle.path.join(DISK)).unwrap();
    let lines = bundle.differences();
    let expected = [
        "`disk.raw` is not a regular file",
        "`notes` does not belong to a bundle",
        "`tree.txt` is missing",
        "`sbom.spdx.json` is missing",
    ];
    assert_eq!(lines, expected);
    fs::remove_file(bundle.path.join(SUMS)).unwrap();
    fs::remove_file(bundle.path.join(MANIFEST)).unwrap();
    fs::remove_file(bundle.path.join(DISK)).unwrap();
    let none = verify(&bundle.path, &EmitOptions::default(), Monitor::none());
    assert!(matches!(none, Err(VerifyError::NotABundle { .. })), "{none:?}");
    let none = verify(&bundle.path.join("x"), &EmitOptions::default(), Monitor::none());
    assert!(matches!(none, Err(VerifyError::Directory { .. })), "{none:?}");
}

#[test]
fn without_the_image_or_the_manifest_only_that_is_told() {
    for (name, consequence) in
        [(DISK, "no block could be compared"), (MANIFEST, "nothing says what the image should be")]
    {
        let bundle = build();
        fs::remove_file(bundle.path.join(name)).unwrap();
        let [lines] = &bundle.differences()[..] else { panic!("{name}: {:?}", bundle.differences()) };
        assert!(
            lines.starts_with(&format!("`{name}` is missing: {consequence}; copy the whole folder")),
            "{lines}"
        );
    }
}

#[test]
fn an_interrupt_stops_a_verification() {
    let bundle = build();
    let cancel = CancelToken::new();
    cancel.cancel();
    let stopped = verify(&bundle.path, &EmitOptions::default(), Monitor::silent(&cancel));
    assert!(matches!(stopped, Err(VerifyError::Interrupted)), "{stopped:?}");
}
