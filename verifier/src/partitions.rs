//! Partitions and file systems of the image against the manifest and `tree.txt`.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::bytes::{hex, shown, word};
use crate::gpt::PartitionTable;
use crate::listing::{self, EntryKind, Volume};
use crate::manifest::{Claims, PartitionClaim, VerityClaim};
use crate::pe;
use crate::report::{Log, Report};
use crate::source::{ByteSource, ReadFailure, Section};
use crate::verity::{self, HashTree};
use crate::{erofs, ext4, fat, swap};

/// The type of an EFI system partition.
const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
/// The types of roots and of their hash trees, by architecture.
const TYPES: [(&str, &str, &str); 2] = [
    ("x86_64", "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5"),
    ("aarch64", "b921b045-1df0-41c3-af44-4c6f280d3fae", "df3300ce-d69f-4c92-978c-9bfb0f38d820"),
];
/// The longest program of firmware that is read.
const PROGRAM_MAX: u64 = 1 << 30;

/// How a report names a partition.
fn title(partition: &PartitionClaim) -> String {
    format!("partition {} {}", partition.number, shown(&partition.id))
}

/// Compares the table of the image with that of the manifest.
pub(crate) fn compare_table(table: &PartitionTable, claims: &Claims, log: &mut Log<'_>) {
    log.equal(None, "the GUID of the disk", &claims.disk, &table.guid);
    log.equal(None, "the number of partitions", claims.partitions.len(), table.entries.len());
    for claim in &claims.partitions {
        let name = title(claim);
        let Some(entry) = table.entries.iter().find(|entry| entry.number == claim.number) else {
            log.wrong(None, format!("{name} is not in the table"));
            continue;
        };
        log.equal(None, &format!("the first byte of {name}"), claim.start, entry.start);
        log.equal(None, &format!("the length of {name}"), claim.len, entry.len);
        log.equal(None, &format!("the type of {name}"), &claim.type_guid, &entry.type_guid);
        log.equal(None, &format!("the GUID of {name}"), &claim.guid, &entry.guid);
        log.equal(None, &format!("the name of {name}"), shown(&claim.label), shown(&entry.name));
    }
    let ids = claims.partitions.iter().map(|claim| &claim.id);
    if ids.clone().collect::<alloc::collections::BTreeSet<_>>().len() != claims.partitions.len() {
        log.wrong(None, "two partitions of the manifest have one id");
    }
}

/// Checks the file system of a kind.
///
/// # Errors
/// [`ReadFailure`].
pub(crate) fn check_volume(
    kind: &str,
    volume: &dyn ByteSource,
    log: &mut Log<'_>,
) -> Result<Option<Volume>, ReadFailure> {
    match kind {
        "ext4" => ext4::check(volume, log),
        "fat32" => fat::check(volume, log),
        "erofs" => erofs::check(volume, log),
        "swap" => swap::check(volume, log),
        "verity" => {
            let Some((tree, volume_facts)) = verity::superblock(volume, log)? else { return Ok(None) };
            tree.check_tree(volume, log)?;
            Ok(Some(volume_facts))
        }
        _ => {
            log.unknown(format!("file systems of the kind {} are not known", shown(kind)));
            Ok(None)
        }
    }
}

/// Checks every file system that the manifest names, and the listing.
pub(crate) fn check_volumes(
    disk: &dyn ByteSource,
    claims: &Claims,
    listing: Option<&[u8]>,
    report: &mut Report,
) {
    let mut volumes = BTreeMap::new();
    for claim in &claims.partitions {
        let name = title(claim);
        let Some(kind) = &claim.file_system else {
            report.skipped(&name, "it has no file system; its bytes are in the blocks of the manifest");
            continue;
        };
        let Some(section) = Section::new(disk, claim.start, claim.len) else {
            report.part(&name, 0).wrong(None, "it is not within the image");
            continue;
        };
        let mut log = report.part(&name, claim.start);
        match check_volume(kind, &section, &mut log) {
            Err(failure) => log.unread(&failure),
            Ok(None) => {}
            Ok(Some(volume)) => {
                if let (Some(expected), Some(actual)) = (&claim.uuid, &volume.id) {
                    log.equal(None, "the id of the file system", expected, actual);
                }
                let names = volume.entries.as_ref().map_or(0, Vec::len);
                report.did(format!(
                    "{name}: {kind}{}",
                    if names > 0 { format!(", {names} names") } else { String::new() }
                ));
                volumes.insert(claim.id.clone(), volume);
            }
        }
    }
    if let Some(listing) = listing {
        compare_listing(listing, claims, &volumes, report);
    }
    for tree in &claims.verity {
        check_verity(disk, claims, tree, report);
    }
    check_programs(disk, claims, &volumes, report);
}

fn compare_listing(listing: &[u8], claims: &Claims, volumes: &BTreeMap<String, Volume>, report: &mut Report) {
    let mut log = report.part("tree.txt", 0);
    let Ok(text) = core::str::from_utf8(listing) else {
        log.wrong(None, "it is not UTF-8");
        return;
    };
    let mut parts = listing::parts(text, &mut log);
    for (id, volume) in volumes {
        let lines = parts.remove(id.as_str()).unwrap_or_default();
        listing::compare(&shown(id), &lines, volume, &mut log);
    }
    for (id, lines) in parts {
        let known = claims.partitions.iter().any(|claim| claim.id == id);
        if !known || !lines.is_empty() {
            log.wrong(
                None,
                format!("{} lines are for {}, whose names were not read", lines.len(), shown(id)),
            );
        }
    }
    report.did("tree.txt: every line and every name");
}

/// The two partitions of a hash tree.
fn pair<'a>(claims: &'a Claims, tree: &VerityClaim) -> Option<(&'a PartitionClaim, &'a PartitionClaim)> {
    let one = |id: &str| claims.partitions.iter().find(|claim| claim.id == id);
    Some((one(&tree.data)?, one(&tree.hash)?))
}

fn check_verity(disk: &dyn ByteSource, claims: &Claims, tree: &VerityClaim, report: &mut Report) {
    let Some((data, hash)) = pair(claims, tree) else {
        report.part("manifest.json", 0).wrong(None, "`verity` names partitions that are not there");
        return;
    };
    let (data_name, hash_name) = (title(data), title(hash));
    let mut log = report.part(&hash_name, hash.start);
    for ((claim, guid), what) in
        [data, hash].into_iter().zip(verity::guids(&tree.root_hash)).zip(["data", "tree"])
    {
        log.equal(None, &format!("the GUID of the {what}, half of the root hash"), guid, claim.guid.clone());
    }
    let types = TYPES.iter().find(|types| types.0 == claims.arch);
    // A verified root is found by its type; other data has none of its own in that specification.
    if let Some((_, root, root_tree)) =
        types.filter(|types| types.1 == data.type_guid || types.2 == hash.type_guid)
    {
        log.equal(None, "the type of the data", *root, data.type_guid.as_str());
        log.equal(None, "the type of the tree", *root_tree, hash.type_guid.as_str());
    }
    let sections = (Section::new(disk, data.start, data.len), Section::new(disk, hash.start, hash.len));
    let (Some(data_bytes), Some(hash_bytes)) = sections else { return };
    let checked = compare_tree(&data_bytes, &hash_bytes, tree, &mut log);
    match checked {
        Err(failure) => log.unread(&failure),
        Ok(None) => {}
        Ok(Some(found)) => {
            let mut log = report.part(&data_name, data.start);
            if let Err(failure) = found.check_data(&data_bytes, &hash_bytes, &mut log) {
                log.unread(&failure);
            }
            report.did(format!(
                "{data_name}: {} blocks under the root hash {}",
                found.data_blocks,
                hex(&tree.root_hash)
            ));
        }
    }
}

/// Compares a tree with the manifest.
fn compare_tree(
    data: &Section<'_>,
    hash: &Section<'_>,
    claim: &VerityClaim,
    log: &mut Log<'_>,
) -> Result<Option<HashTree>, ReadFailure> {
    // What is wrong with superblock and tree was reported when the partition was checked.
    let mut quiet = Report::default();
    let Some((tree, _)) = verity::superblock(hash, &mut quiet.part("", 0))? else { return Ok(None) };
    let root = tree.check_tree(hash, &mut quiet.part("", 0))?;
    log.equal(None, "the root hash", hex(&claim.root_hash), hex(&root));
    log.equal(88, "the salt", hex(&claim.salt), hex(&tree.salt));
    log.equal(72, "the blocks of data", claim.data_blocks, tree.data_blocks);
    log.equal(72, "the bytes under the tree", data.size(), tree.data_blocks.saturating_mul(4096));
    Ok(Some(tree))
}

/// Programs of firmware in EFI system partitions: their sections, and the root hash on their command lines.
fn check_programs(
    disk: &dyn ByteSource,
    claims: &Claims,
    volumes: &BTreeMap<String, Volume>,
    report: &mut Report,
) {
    let mut hashes = 0;
    for claim in claims.partitions.iter().filter(|claim| claim.type_guid == ESP) {
        let entries = volumes.get(&claim.id).and_then(|volume| volume.entries.as_ref());
        let Some(section) = Section::new(disk, claim.start, claim.len) else { continue };
        for entry in entries.into_iter().flatten() {
            let is_program = entry.path.to_ascii_lowercase().ends_with(b".efi");
            if !is_program || !matches!(entry.facts.kind, EntryKind::File(_)) {
                continue;
            }
            let name = format!("{}:/{}", title(claim), word(&entry.path));
            match fat::contents(&section, entry, PROGRAM_MAX) {
                Err(failure) => report.part(&name, claim.start).unread(&failure),
                Ok(None) => report.failed(&name, "it cannot be read"),
                Ok(Some(file)) => hashes += check_program(&name, &file, claims, report),
            }
        }
    }
    if !claims.verity.is_empty() && hashes == 0 {
        report.part("manifest.json", 0).wrong(None, "no unified kernel image names the root hash");
    }
}

/// Checks one program; gives the number of root hashes that it names.
fn check_program(name: &str, file: &[u8], claims: &Claims, report: &mut Report) -> usize {
    let mut log = report.part(name, 0);
    let Some(sections) = pe::sections(file, &claims.arch, &mut log) else { return 0 };
    let root = match pe::root_hash(file, &sections) {
        Err(reason) => {
            log.wrong(None, reason);
            return 0;
        }
        Ok(root) => root,
    };
    if let (Some(root), [tree, ..]) = (&root, claims.verity.as_slice()) {
        log.equal(None, "the root hash on the command line", hex(&tree.root_hash), shown(root));
    }
    let kind = if pe::is_unified(&sections) { "unified kernel image" } else { "program of firmware" };
    report.did(format!("{name}: {kind}, {} sections", sections.len()));
    report.skipped(name, "signatures of Secure Boot and predicted PCRs are not checked".to_string());
    usize::from(root.is_some())
}
