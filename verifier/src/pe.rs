//! Unified kernel images: the sections of a PE file (Microsoft's PE format; UAPI specification UKI).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::bytes::{le16, le32, part, word};
use crate::report::Log;

/// A section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeSection {
    /// Name without the zeros behind it, printable.
    pub name: String,
    /// First byte in the file.
    pub at: usize,
    /// Bytes that the section has in memory, as far as they are in the file.
    pub len: usize,
}

/// The sections of a program of firmware; `None`, with the reason in the report, when it is none.
pub fn sections(file: &[u8], arch: &str, log: &mut Log<'_>) -> Option<Vec<PeSection>> {
    let pe = le32(file, 0x3c) as usize;
    if part(file, 0, 2) != b"MZ" || part(file, pe, 4) != b"PE\0\0" {
        log.wrong(None, "it is no PE file");
        return None;
    }
    let coff = pe.saturating_add(4);
    let machine = match arch {
        "x86_64" => Some(0x8664),
        "aarch64" => Some(0xaa64),
        _ => None,
    };
    if let Some(machine) = machine {
        log.equal(None, "the machine of the PE file", machine, le16(file, coff));
    }
    let optional = coff.saturating_add(20);
    let optional_len = le16(file, coff.saturating_add(16)) as usize;
    log.equal(None, "the magic of the optional header (PE32+)", 0x20b, le16(file, optional));
    log.equal(None, "the subsystem (an application of EFI)", 10, le16(file, optional.saturating_add(68)));
    let header_len = le32(file, optional.saturating_add(60)) as usize;
    let table = optional.saturating_add(optional_len);
    let count = le16(file, coff.saturating_add(2)) as usize;
    if part(file, table, count.saturating_mul(40)).len() != count.saturating_mul(40) || count == 0 {
        log.wrong(None, format!("its table of {count} sections is not within the file"));
        return None;
    }
    let (mut all, mut raw_end, mut memory_end) = (Vec::new(), header_len, 0_u64);
    for header in part(file, table, count.saturating_mul(40)).chunks_exact(40) {
        let name = word(part(header, 0, 8)).replace("\\x00", "");
        let (virtual_size, address) = (le32(header, 8) as usize, u64::from(le32(header, 12)));
        let (raw_len, raw_at) = (le32(header, 16) as usize, le32(header, 20) as usize);
        if part(file, raw_at, raw_len).len() != raw_len {
            log.wrong(None, format!("section {name} is not within the file"));
            return None;
        }
        if raw_len > 0 {
            if raw_at < raw_end {
                log.wrong(None, format!("section {name} begins before the one before it ends"));
            }
            raw_end = raw_at.saturating_add(raw_len);
        }
        if address < memory_end {
            log.wrong(None, format!("section {name} overlaps another one in memory"));
        }
        memory_end = address.saturating_add(virtual_size as u64);
        all.push(PeSection { name, at: raw_at, len: virtual_size.min(raw_len) });
    }
    let image = u64::from(le32(file, optional.saturating_add(56)));
    if memory_end > image {
        log.wrong(None, format!("its sections end at {memory_end} in memory, and the image at {image}"));
    }
    Some(all)
}

/// The root hash on the command line of a unified kernel image, if there are both.
pub fn root_hash(file: &[u8], sections: &[PeSection]) -> Result<Option<String>, &'static str> {
    let mut lines = sections.iter().filter(|section| section.name == ".cmdline");
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err("it has two command lines");
    }
    let text =
        core::str::from_utf8(part(file, line.at, line.len)).map_err(|_| "its command line is not UTF-8")?;
    let text = text.trim_end_matches('\0');
    let mut hashes = text.split_ascii_whitespace().filter_map(|word| word.strip_prefix("roothash="));
    match (hashes.next(), hashes.next()) {
        (hash, None) => Ok(hash.map(ToString::to_string)),
        _ => Err("its command line has two root hashes"),
    }
}

/// Whether sections are those of a unified kernel image.
pub fn is_unified(sections: &[PeSection]) -> bool {
    [".linux", ".cmdline"].iter().all(|name| sections.iter().any(|section| section.name == *name))
}
