//! The metadata in a kernel module: aliases, soft dependencies, symbols that it has and needs. Independent of
//! other modules.
//!
//! `.modinfo` holds `key=value` texts; `__crc_NAME` symbols mark what is exported, `__versions` what is needed, as
//! the kernel's `modpost` writes them.

use std::io::Read;

use super::super::elf::{Elf, text_at};

/// Largest module, unpacked.
const MODULE_MAX: u64 = 256 << 20;

/// Length of an entry of `__versions`, and of the checksum that it starts with, by class.
const VERSION_ENTRY: usize = 64;

/// One module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Module {
    /// Values of `alias` in order.
    pub(super) aliases: Vec<Vec<u8>>,
    /// Values of `softdep` in order.
    pub(super) softdeps: Vec<Vec<u8>>,
    /// Names of exported symbols in the order of the symbol table.
    pub(super) exports: Vec<Vec<u8>>,
    /// Names of needed symbols in the order of the symbol table.
    pub(super) needs: Vec<Vec<u8>>,
}

/// Reads a module; `None` if the bytes are none.
pub(super) fn read(bytes: &[u8]) -> Option<Module> {
    let elf = Elf::parse(bytes)?;
    let sections = elf.sections()?;
    let section = |name: &[u8]| {
        sections.iter().find(|section| section.name == name).map_or(&[][..], |section| section.bytes)
    };
    let mut module = Module::default();
    for entry in section(b".modinfo").split(|&byte| byte == 0) {
        if let Some(value) = entry.strip_prefix(b"alias=") {
            module.aliases.push(value.to_vec());
        } else if let Some(value) = entry.strip_prefix(b"softdep=") {
            module.softdeps.push(value.to_vec());
        }
    }
    let symbols = elf.symbols(&sections)?;
    for symbol in &symbols {
        if let Some(name) = symbol.name.strip_prefix(b"__crc_") {
            module.exports.push(name.to_vec());
        }
        if symbol.section == 0 && symbol.binding != 0 {
            module.needs.push(symbol.name.to_vec());
        }
    }
    if module.exports.is_empty() {
        // Kernels without checksums of symbols list the names.
        let names = section(b"__ksymtab_strings").split(|&byte| byte == 0);
        module.exports.extend(names.filter(|name| !name.is_empty()).map(<[u8]>::to_vec));
    }
    for entry in section(b"__versions").chunks_exact(VERSION_ENTRY) {
        let name = text_at(entry, if elf.class == super::super::elf::Class::Wide { 8 } else { 4 })?;
        let name = name.strip_prefix(b".").unwrap_or(name).to_vec();
        if !module.needs.contains(&name) {
            module.needs.push(name);
        }
    }
    Some(module)
}

/// The bytes of a module file by the end of its name: `.ko`, `.ko.gz`, `.ko.xz` or `.ko.zst`. `None` if they cannot
/// be unpacked.
pub(super) fn unpacked(name: &[u8], bytes: Vec<u8>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let read = match name.rsplit(|&byte| byte == b'.').next()? {
        b"gz" => flate2::read::GzDecoder::new(&*bytes).take(MODULE_MAX).read_to_end(&mut out),
        b"xz" => liblzma::read::XzDecoder::new(&*bytes).take(MODULE_MAX).read_to_end(&mut out),
        b"zst" => {
            zstd::Decoder::new(&*bytes).and_then(|unpack| unpack.take(MODULE_MAX).read_to_end(&mut out))
        }
        _ => return Some(bytes),
    };
    read.ok().map(|_| out)
}
