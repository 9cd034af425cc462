//! A small image for tests: two sections, `.text` at 0x1000 and `.sdmagic` at 0x2000.

/// Offset of the signature `PE\0\0`.
pub(crate) const PE: usize = 0x80;

/// Where the section table starts.
pub(crate) const TABLE: usize = PE + 24 + 240;

/// An image with headers of `headers` bytes, and debris after its sections.
pub(crate) fn stub(headers: u32) -> Vec<u8> {
    let mut bytes = vec![0; headers as usize];
    let mut put = |at: usize, new: &[u8]| bytes[at..at + new.len()].copy_from_slice(new);
    put(0, b"MZ");
    put(0x3c, &(PE as u32).to_le_bytes());
    put(PE, b"PE\0\0\x64\x86\x02\0");
    put(PE + 8, &[0x77; 12]);
    put(PE + 20, &240_u16.to_le_bytes());
    put(PE + 24, &0x20b_u16.to_le_bytes());
    for (field, value) in
        [(8, 0x400), (32, 0x200), (36, 0x200), (56, 0x2040), (60, headers), (64, 0x1234), (108, 16)]
    {
        put(PE + 24 + field, &u32::to_le_bytes(value));
    }
    put(PE + 24 + 68, &[10]);
    let sections = [(b".text\0\0\0", 0x200, 0x1000, headers), (b".sdmagic", 0x30, 0x2000, headers + 0x200)];
    for (number, (name, len, va, raw)) in sections.into_iter().enumerate() {
        let at = TABLE + 40 * number;
        put(at, name);
        for (field, value) in [(8, len), (12, va), (16, 0x200), (20, raw), (36, 0x6000_0020)] {
            put(at + field, &value.to_le_bytes());
        }
    }
    bytes.extend([b'T'; 0x200]);
    bytes.extend([b'M'; 0x30]);
    bytes.resize(headers as usize + 0x400, 0);
    bytes.extend(*b"symbols and the like");
    bytes
}

/// Changes bytes of an image.
pub(crate) fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}
