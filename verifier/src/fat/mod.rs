//! FAT32 after Microsoft's specification (FAT32 File System Specification 1.03): boot sector and its copy, FSInfo, both
//! tables, every chain, every directory. Other widths of FAT are not known.

mod directory;
mod table;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::blocks::is_zero;
use crate::bytes::{byte, le16, le32, part, word};
use crate::listing::{Entry, EntryKind, FileFacts, Volume};
use crate::report::Log;
use crate::source::{bytes_at, ByteSource, ReadFailure};

use table::Table;

/// Numbers of the boot sector.
#[derive(Debug, Clone, Copy)]
struct Geometry {
    sector: u64,
    cluster: u64,
    reserved: u64,
    table_len: u64,
    tables: u64,
    root: u32,
    /// First byte of cluster 2.
    first: u64,
    /// Clusters that there are; the last has this number plus one.
    clusters: u32,
    info: u64,
    backup: u64,
    id: u32,
}

impl Geometry {
    /// First byte of a cluster.
    fn at(&self, cluster: u32) -> u64 {
        self.first.saturating_add(u64::from(cluster.saturating_sub(2)).saturating_mul(self.cluster))
    }
}

/// Checks a volume and lists its names.
///
/// # Errors
/// [`ReadFailure`].
pub fn check(volume: &dyn ByteSource, log: &mut Log<'_>) -> Result<Option<Volume>, ReadFailure> {
    let boot = bytes_at(volume, 0, 512)?;
    let Some(geometry) = geometry(&boot, volume.size(), log) else { return Ok(None) };
    check_backup(volume, &boot, &geometry, log)?;
    let mut table = Table::read(volume, &geometry, log)?;
    let tree = directory::walk(volume, &geometry, &mut table, log)?;
    table.check_lost(log);
    check_info(volume, &geometry, &table, log)?;
    check_label(&boot, tree.label.as_deref(), log);
    let id = format!("{:04X}-{:04X}", geometry.id >> 16, geometry.id & 0xffff);
    Ok(Some(Volume { id: Some(id), entries: Some(tree.entries), names_only: true }))
}

/// The contents of a file of a volume that was checked.
///
/// # Errors
/// [`ReadFailure`], also for a chain that does not reach as far as the size.
pub fn contents(volume: &dyn ByteSource, entry: &Entry, most: u64) -> Result<Option<Vec<u8>>, ReadFailure> {
    let boot = bytes_at(volume, 0, 512)?;
    let mut report = crate::report::Report::default();
    let Some(geometry) = geometry(&boot, volume.size(), &mut report.part("", 0)) else { return Ok(None) };
    let EntryKind::File(size) = entry.facts.kind else { return Ok(None) };
    // A chain that goes in circles would go on for ever.
    if size > most.min(volume.size()) {
        return Ok(None);
    }
    let Ok(mut cluster) = u32::try_from(entry.inode) else { return Ok(None) };
    let table = Table::read(volume, &geometry, &mut report.part("", 0))?;
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < size {
        if !table.has(cluster) {
            return Ok(None);
        }
        let len = (size - bytes.len() as u64).min(geometry.cluster) as usize;
        bytes.extend(bytes_at(volume, geometry.at(cluster), len)?);
        cluster = table.next(cluster);
    }
    Ok(Some(bytes))
}

fn geometry(boot: &[u8], len: u64, log: &mut Log<'_>) -> Option<Geometry> {
    let sector = u64::from(le16(boot, 11));
    let per_cluster = u64::from(byte(boot, 13));
    let mut good = log.equal(510, "the signature of the boot sector", 0xaa55, le16(boot, 510));
    let jumps = matches!(part(boot, 0, 3), [0xeb, _, 0x90] | [0xe9, ..]);
    if !jumps {
        log.wrong(0, "the boot sector does not begin with a jump");
    }
    if ![512, 1024, 2048, 4096].contains(&sector) || !per_cluster.is_power_of_two() {
        log.wrong(11, format!("sectors of {sector} bytes, {per_cluster} in a cluster, cannot be"));
        return None;
    }
    good &= log.equal(17, "the entries of a fixed root directory", 0, le16(boot, 17));
    good &= log.equal(22, "the length of a table of FAT16", 0, le16(boot, 22));
    good &= log.equal(19, "the number of sectors of FAT16", 0, le16(boot, 19));
    good &= log.equal(42, "the version of FAT32", 0, le16(boot, 42));
    let (tables, reserved) = (u64::from(byte(boot, 16)), u64::from(le16(boot, 14)));
    let (sectors, table_len) = (u64::from(le32(boot, 32)), u64::from(le32(boot, 36)));
    good &= log.equal(16, "the number of tables", 2, tables);
    if !good {
        return None;
    }
    check_fixed(boot, log);
    let data = reserved.saturating_add(tables.saturating_mul(table_len));
    if reserved == 0 || data >= sectors || sectors.saturating_mul(sector) > len {
        log.wrong(
            32,
            format!("{sectors} sectors with {data} before the first cluster are not a volume of {len} bytes"),
        );
        return None;
    }
    log.equal(32, "the number of sectors", len / sector, sectors);
    let clusters = (sectors - data) / per_cluster;
    let entries = table_len.saturating_mul(sector) / 4;
    if !(65525..=0x0fff_fff5).contains(&clusters) || entries < clusters.saturating_add(2) {
        log.wrong(
            36,
            format!("{clusters} clusters and a table of {entries} entries are not a volume of FAT32"),
        );
        return None;
    }
    let (info, backup) = (u64::from(le16(boot, 48)), u64::from(le16(boot, 50)));
    if info == 0 || info >= reserved || backup == 0 || backup >= reserved {
        log.wrong(48, format!("FSInfo in sector {info} and a copy in sector {backup} are not in the {reserved} reserved sectors"));
        return None;
    }
    Some(Geometry {
        sector,
        cluster: sector.saturating_mul(per_cluster),
        reserved,
        table_len,
        tables,
        root: le32(boot, 44),
        first: data.saturating_mul(sector),
        clusters: clusters as u32,
        info,
        backup,
        id: le32(boot, 67),
    })
}

/// Fields of the boot sector that have one value.
fn check_fixed(boot: &[u8], log: &mut Log<'_>) {
    log.equal(40, "flags of active tables", 0, le16(boot, 40));
    log.equal(21, "the media byte", 0xf8, byte(boot, 21));
    log.equal(66, "the signature of the extended boot record", 0x29, byte(boot, 66));
    log.equal(82, "the name of the file system", "FAT32\\x20\\x20\\x20".into(), word(part(boot, 82, 8)));
    log.equal(65, "marks of a volume in use", 0, byte(boot, 65));
    if !is_zero(part(boot, 52, 12)) {
        log.wrong(52, "reserved bytes of the boot sector are not zero");
    }
}

fn check_backup(
    volume: &dyn ByteSource,
    boot: &[u8],
    geometry: &Geometry,
    log: &mut Log<'_>,
) -> Result<(), ReadFailure> {
    let at = geometry.backup.saturating_mul(geometry.sector);
    let copy = bytes_at(volume, at, 512)?;
    // Byte 65 is that of the marks, which are set in the first sector only.
    let differs = boot.iter().zip(&copy).enumerate().find(|(index, (a, b))| a != b && *index != 65);
    if let Some((index, (expected, actual))) = differs {
        log.equal(at.saturating_add(index as u64), "the copy of the boot sector", *expected, *actual);
    }
    Ok(())
}

fn check_info(
    volume: &dyn ByteSource,
    geometry: &Geometry,
    table: &Table,
    log: &mut Log<'_>,
) -> Result<(), ReadFailure> {
    let at = geometry.info.saturating_mul(geometry.sector);
    let info = bytes_at(volume, at, 512)?;
    log.equal(at, "the first signature of FSInfo", 0x4161_5252, le32(&info, 0));
    log.equal(at + 484, "the second signature of FSInfo", 0x6141_7272, le32(&info, 484));
    log.equal(at + 508, "the third signature of FSInfo", 0xaa55_0000, le32(&info, 508));
    let free = le32(&info, 488);
    if free != u32::MAX {
        log.equal(at + 488, "the free clusters of FSInfo", table.free(), free);
    }
    let next = le32(&info, 492);
    if next != u32::MAX && !(2..geometry.clusters.saturating_add(2)).contains(&next) {
        log.wrong(at + 492, format!("FSInfo says to look for free clusters from {next} on, which is none"));
    }
    Ok(())
}

fn check_label(boot: &[u8], label: Option<&[u8]>, log: &mut Log<'_>) {
    let own = part(boot, 71, 11);
    match label {
        Some(label) if label != own => {
            _ = log.equal(71, "the label of the boot sector", word(label), word(own));
        }
        None if own != b"NO NAME    " => {
            log.wrong(71, "the boot sector has a label and the root directory none");
        }
        _ => {}
    }
}

/// What FAT says of a file or a folder: no owners, no modes.
fn facts(kind: EntryKind) -> FileFacts {
    FileFacts {
        kind,
        mode: 0,
        uid: 0,
        gid: 0,
        secs: 0,
        nanos: 0,
        xattrs: alloc::collections::BTreeMap::new(),
    }
}

/// A name as a message has it.
fn title(path: &[u8]) -> String {
    format!("/{}", word(path))
}
