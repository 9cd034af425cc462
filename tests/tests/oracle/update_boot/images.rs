//! Kernels and stubs with the headers that the script reads.

use amiforge_formats::tree::Content;
use amiforge_tests::archive;

/// A kernel of so many bytes: its setup header (boot protocol 2.15), headers of a PE image that asks for `memory`, noise.
pub(crate) fn kernel(len: usize, memory: u32, seed: u32) -> Vec<u8> {
    let mut bytes = archive::noise(len, seed);
    let mut put = |at: usize, new: &[u8]| bytes[at..at + new.len()].copy_from_slice(new);
    put(0, b"MZ");
    put(0x3c, &0x40_u32.to_le_bytes());
    put(0x40, b"PE\0\0");
    put(0x40 + 24, &0x20b_u16.to_le_bytes());
    put(0x40 + 80, &memory.to_le_bytes());
    put(0x1f1, &[39]);
    put(0x1f4, &(((len - 40 * 512) / 16) as u32).to_le_bytes());
    put(0x1fe, &[0x55, 0xaa]);
    put(0x202, b"HdrS\x0f\x02");
    put(0x211, &[1]);
    put(0x22c, &0x7fff_ffff_u32.to_le_bytes());
    put(0x238, &2047_u32.to_le_bytes());
    put(0x258, &(16_u64 << 20).to_le_bytes());
    put(0x260, &((50_u32 << 20) + 1024).to_le_bytes());
    bytes
}

/// A stub of systemd of a version, with room in its headers for so many bytes of section table in all; behind its sections
/// there are symbols, and a signature is named.
pub(crate) fn stub(version: u32, headers: u32) -> Vec<u8> {
    let mut bytes = vec![0; headers as usize];
    let mut put = |at: usize, new: &[u8]| bytes[at..at + new.len()].copy_from_slice(new);
    let pe = 0x80;
    put(0, b"MZ");
    put(0x3c, &(pe as u32).to_le_bytes());
    put(pe, b"PE\0\0\x64\x86\x02\0");
    put(pe + 8, &[0x77; 12]);
    put(pe + 20, &240_u16.to_le_bytes());
    put(pe + 24, &0x20b_u16.to_le_bytes());
    let fields =
        [(8, 0x400), (32, 0x1000), (36, 0x200), (56, 0x3000), (60, headers), (64, 0x1234), (108, 16)];
    for (field, value) in fields {
        put(pe + 24 + field, &u32::to_le_bytes(value));
    }
    put(pe + 24 + 68, &[10]);
    put(pe + 24 + 112 + 32, &[1, 2, 3, 4, 5, 6, 7, 8]);
    let says = format!("#### LoaderInfo: systemd-stub {version}.1-2 ####");
    let sections =
        [(b".text\0\0\0", 0x1ff, 0x1000, headers), (b".sdmagic", says.len() as u32, 0x2100, headers + 0x200)];
    for (number, (name, len, va, raw)) in sections.into_iter().enumerate() {
        let at = pe + 24 + 240 + 40 * number;
        put(at, name);
        for (field, value) in [(8, len), (12, va), (16, 0x200), (20, raw), (36, 0x6000_0020)] {
            put(at + field, &u32::to_le_bytes(value));
        }
    }
    bytes.extend([b'T'; 0x200]);
    bytes.extend(says.bytes());
    bytes.resize(headers as usize + 0x400, 0);
    bytes.extend(*b"symbols and the like");
    bytes
}

pub(crate) fn inline(bytes: &[u8]) -> Content {
    Content::Inline(bytes.into())
}
