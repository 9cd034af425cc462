//! Bytes of a FAT32 volume's own structures: boot sector, FSInfo, table, directories.

use super::super::dos_time::{self, DosStamp};
use super::super::spec::{
    ARCHIVE, DIRECTORY, END_OF_CHAIN, ENTRY, LONG_LAST, LONG_NAME, LONG_OFFSETS, LONG_UNITS, SECTOR,
    VOLUME_ID, short_sum,
};
use super::draft::{DirItem, DraftDir, FatDraft, NameTarget};
use super::geometry::FatGeometry;
use super::options::FatOptions;
use super::room::{ClusterRun, Placement};
use crate::time::Time;

/// The sector of FSInfo.
const FSINFO: u16 = 1;

/// The sector of the boot sector's copy; FSInfo's follows it.
pub(super) const BACKUP: u16 = 6;

/// Media: a fixed disk. The first entry of the table repeats it.
const MEDIA: u8 = 0xf8;

/// The label's field: padded with spaces, and a phrase of the specification when there is none.
fn label_field(label: &str) -> [u8; 11] {
    let mut field = *b"NO NAME    ";
    if !label.is_empty() {
        field = [b' '; 11];
        field[..label.len()].copy_from_slice(label.as_bytes());
    }
    field
}

/// The boot sector.
pub(super) fn boot_sector(options: &FatOptions, geometry: &FatGeometry) -> Vec<u8> {
    let mut sector = vec![0; SECTOR as usize];
    let mut put = |at: usize, bytes: &[u8]| sector[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0xeb, 0x58, 0x90]);
    put(3, b"AMIFORGE");
    put(11, &(SECTOR as u16).to_le_bytes());
    put(13, &[geometry.cluster_sectors as u8]);
    put(14, &(geometry.reserved as u16).to_le_bytes());
    put(16, &[2]);
    put(21, &[MEDIA]);
    // 63 sectors a track and 255 heads: the shape that BIOSes lend to any disk.
    put(24, &63_u16.to_le_bytes());
    put(26, &255_u16.to_le_bytes());
    put(28, &options.hidden_sectors.to_le_bytes());
    put(32, &(geometry.sectors as u32).to_le_bytes());
    put(36, &(geometry.table_sectors as u32).to_le_bytes());
    put(44, &2_u32.to_le_bytes());
    put(48, &FSINFO.to_le_bytes());
    put(50, &BACKUP.to_le_bytes());
    put(64, &[0x80, 0, 0x29]);
    put(67, &options.volume_id.to_le_bytes());
    put(71, &label_field(&options.label));
    put(82, b"FAT32   ");
    // A BIOS that starts this code tries the next device (INT 18h), and halts if it has none.
    put(90, &[0xcd, 0x18, 0xf4, 0xeb, 0xfd]);
    put(510, &[0x55, 0xaa]);
    sector
}

/// FSInfo: how many clusters are free, and where to look for one.
pub(super) fn fsinfo(geometry: &FatGeometry, placement: &Placement) -> Vec<u8> {
    let free = geometry.clusters - placement.used;
    let after = 2 + placement.reach;
    let next = if after < geometry.clusters + 2 { after as u32 } else { u32::MAX };
    let mut sector = vec![0; SECTOR as usize];
    sector[..4].copy_from_slice(b"RRaA");
    sector[484..488].copy_from_slice(b"rrAa");
    sector[488..492].copy_from_slice(&(free as u32).to_le_bytes());
    sector[492..496].copy_from_slice(&next.to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

/// The table up to the last cluster in use; the rest of it is zero.
pub(super) fn table(placement: &Placement) -> Vec<u8> {
    let runs = || placement.dirs.iter().chain(&placement.files).filter(|run| run.count > 0);
    let end = runs().map(|run| run.first + run.count).max().unwrap_or(2);
    let mut table = vec![0; end as usize * 4];
    let mut put = |cluster: u32, value: u32| {
        let at = cluster as usize * 4;
        table[at..at + 4].copy_from_slice(&value.to_le_bytes());
    };
    put(0, END_OF_CHAIN & !0xff | u32::from(MEDIA));
    put(1, 0x0fff_ffff);
    for ClusterRun { first, count } in runs() {
        (*first..first + count - 1).for_each(|cluster| put(cluster, cluster + 1));
        put(first + count - 1, 0x0fff_ffff);
    }
    table
}

/// The bytes of a directory, in whole clusters.
pub(super) fn directory(
    draft: &FatDraft,
    index: usize,
    placement: &Placement,
    options: &FatOptions,
    cluster: u64,
) -> Vec<u8> {
    let dir = &draft.dirs[index];
    let run = placement.dirs[index];
    let mut bytes = Vec::with_capacity(dir.len() as usize);
    leading(dir, index, run, placement, options, &mut bytes);
    for item in &dir.items {
        if item.short.long {
            long_entries(item, &mut bytes);
        }
        let (attributes, run, len) = match item.target {
            NameTarget::Dir(dir) => (DIRECTORY, placement.dirs[dir], 0),
            NameTarget::File(file) => {
                (ARCHIVE, placement.files[file], draft.files[file].content.len() as u32)
            }
        };
        bytes.extend_from_slice(&short_entry(item.short.bytes, attributes, item.mtime, run.first, len));
    }
    bytes.resize(run.count as usize * cluster as usize, 0);
    bytes
}

/// The entries before the items: the label in the root, `.` and `..` elsewhere.
fn leading(
    dir: &DraftDir,
    index: usize,
    run: ClusterRun,
    placement: &Placement,
    options: &FatOptions,
    bytes: &mut Vec<u8>,
) {
    if index == 0 {
        if dir.leading > 0 {
            let name = label_field(&options.label);
            bytes.extend_from_slice(&short_entry(name, VOLUME_ID, options.time, 0, 0));
        }
        return;
    }
    // The root is called cluster 0 in `..`, whatever its cluster is.
    let parent = if dir.parent == 0 { 0 } else { placement.dirs[dir.parent].first };
    bytes.extend_from_slice(&short_entry(*b".          ", DIRECTORY, dir.mtime, run.first, 0));
    bytes.extend_from_slice(&short_entry(*b"..         ", DIRECTORY, dir.mtime, parent, 0));
}

/// The entry of a short name.
fn short_entry(name: [u8; 11], attributes: u8, mtime: Time, first: u32, len: u32) -> [u8; ENTRY] {
    let DosStamp { date, time } = dos_time::encode(mtime);
    let [low, high] = [first as u16, (first >> 16) as u16];
    let mut entry = [0; ENTRY];
    entry[..11].copy_from_slice(&name);
    entry[11] = attributes;
    entry[14..16].copy_from_slice(&time.to_le_bytes());
    entry[16..18].copy_from_slice(&date.to_le_bytes());
    entry[18..20].copy_from_slice(&date.to_le_bytes());
    entry[20..22].copy_from_slice(&high.to_le_bytes());
    entry[22..24].copy_from_slice(&time.to_le_bytes());
    entry[24..26].copy_from_slice(&date.to_le_bytes());
    entry[26..28].copy_from_slice(&low.to_le_bytes());
    entry[28..32].copy_from_slice(&len.to_le_bytes());
    entry
}

/// The entries of a long name, its last part first.
fn long_entries(item: &DirItem, bytes: &mut Vec<u8>) {
    let sum = short_sum(&item.short.bytes);
    let parts: Vec<&[u16]> = item.units.chunks(LONG_UNITS).collect();
    for (index, part) in parts.iter().enumerate().rev() {
        let mut entry = [0; ENTRY];
        // 20 parts at most, as a name has at most 255 units.
        entry[0] = (index as u8 + 1) | if index + 1 == parts.len() { LONG_LAST } else { 0 };
        entry[11] = LONG_NAME;
        entry[13] = sum;
        // A part that is not full ends in a NUL, and in ones after it.
        let units = part.iter().copied().chain([0]).chain(std::iter::repeat(0xffff));
        for (at, unit) in LONG_OFFSETS.into_iter().zip(units) {
            entry[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        bytes.extend_from_slice(&entry);
    }
}
