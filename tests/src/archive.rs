//! Tar archives written from this file alone, among them the input of the golden images, which has one entry of every kind.
//!
//! Headers are written field by field (POSIX.1-2017, pax): a library could change the bytes from version to version.

/// One member of a tar archive.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Name, at most 100 bytes.
    pub name: &'a str,
    /// Type flag of ustar: `0` file, `1` hard link, `2` symbolic link, `3` and `4` devices, `5` folder, `6` fifo.
    pub kind: u8,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Target of a link.
    pub link: &'a str,
    /// Device numbers.
    pub device: (u32, u32),
    /// Records of a PAX header before the member.
    pub pax: &'a [(&'a str, &'a [u8])],
    /// Content of a file.
    pub bytes: &'a [u8],
}

impl Default for Member<'_> {
    fn default() -> Self {
        Self {
            name: "",
            kind: b'0',
            mode: 0o644,
            owner: (0, 0),
            link: "",
            device: (0, 0),
            pax: &[],
            bytes: &[],
        }
    }
}

/// Modification time of every member that has no PAX record for it.
const MTIME: u64 = 1_600_000_000;

/// The bytes of a tar archive with these members, ended by two blocks of zeros.
pub fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut archive = Vec::new();
    for member in members {
        if !member.pax.is_empty() {
            let records: Vec<u8> = member.pax.iter().flat_map(|(key, value)| record(key, value)).collect();
            let header = Member { name: "pax", kind: b'x', bytes: &records, ..Member::default() };
            push(&mut archive, &header);
        }
        push(&mut archive, member);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// A PAX record: its own length in decimal, a space, `key=value`, a newline (POSIX.1-2017, pax, 4.20).
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut len = rest;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    let mut record = format!("{len} {key}=").into_bytes();
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

/// Appends a ustar header and the content, each padded to a multiple of 512 bytes.
fn push(archive: &mut Vec<u8>, member: &Member<'_>) {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, member.name.as_bytes());
    put(100, format!("{:07o}\0", member.mode).as_bytes());
    put(108, format!("{:07o}\0", member.owner.0).as_bytes());
    put(116, format!("{:07o}\0", member.owner.1).as_bytes());
    put(124, format!("{:011o}\0", member.bytes.len()).as_bytes());
    put(136, format!("{MTIME:011o}\0").as_bytes());
    put(148, b"        ");
    put(156, &[member.kind]);
    put(157, member.link.as_bytes());
    put(257, b"ustar\x0000");
    put(329, format!("{:07o}\0", member.device.0).as_bytes());
    put(337, format!("{:07o}\0", member.device.1).as_bytes());
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive.extend_from_slice(&header);
    archive.extend_from_slice(member.bytes);
    archive.resize(archive.len().next_multiple_of(512), 0);
}

/// `len` pseudo-random bytes (xorshift32), the same for the same seed.
pub fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 11) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A tar of a root file system with one entry of every kind that a tree can hold.
pub fn one_of_everything() -> Vec<u8> {
    let folder = Member { kind: b'5', mode: 0o755, ..Member::default() };
    let large = noise((5 << 20) + 123, 7);
    let many: Vec<_> =
        (0..300).map(|index| (format!("usr/share/many/file-{index:03}"), noise(index * 37, 1))).collect();
    let target = "t".repeat(60);
    let capability: &[(&str, &[u8])] =
        &[("SCHILY.xattr.security.capability", b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0")];
    let long_attribute = noise(2000, 3);
    let wide: &[(&str, &[u8])] = &[
        ("uid", b"3000000000"),
        ("mtime", b"4000000000.123456789"),
        ("SCHILY.xattr.user.long", &long_attribute),
    ];
    let mut members = vec![
        Member { name: "./", ..folder },
        Member { name: "./etc/", ..folder },
        Member { name: "etc/passwd", bytes: b"root:x:0:0:root:/root:/bin/sh\n", ..Member::default() },
        Member { name: "etc/group", bytes: b"root:x:0:\n", ..Member::default() },
        Member { name: "bin", kind: b'2', mode: 0o777, link: "usr/bin", ..Member::default() },
        Member { name: "usr/", ..folder },
        Member { name: "usr/share/", ..folder },
        Member { name: "usr/share/many/", mode: 0o1777, ..folder },
        Member { name: "opt/", owner: (70_000, 70_001), ..folder },
        Member { name: "run/", ..folder },
        Member { name: "boot/", ..folder },
        Member { name: "boot/efi/", ..folder },
        Member { name: "boot/efi/EFI/", ..folder },
        Member { name: "boot/efi/EFI/BOOT/", ..folder },
        Member { name: "usr/bin/", ..folder },
        Member {
            name: "usr/bin/ping",
            mode: 0o755,
            bytes: &large[..70_000],
            pax: capability,
            ..Member::default()
        },
        Member { name: "usr/bin/ping4", kind: b'1', link: "usr/bin/ping", ..Member::default() },
        Member { name: "usr/bin/su", mode: 0o4755, bytes: b"su", ..Member::default() },
        Member { name: "dev/", ..folder },
        Member { name: "dev/console", kind: b'3', mode: 0o600, device: (5, 1), ..Member::default() },
        Member {
            name: "dev/disk",
            kind: b'4',
            mode: 0o660,
            owner: (0, 6),
            device: (259, 70_000),
            ..Member::default()
        },
        Member { name: "run/fifo", kind: b'6', ..Member::default() },
        Member { name: "opt/large", bytes: &large, ..Member::default() },
        Member { name: "opt/wide", bytes: b"wide", pax: wide, ..Member::default() },
        Member { name: "opt/slow-link", kind: b'2', mode: 0o777, link: &target, ..Member::default() },
        Member { name: "boot/efi/EFI/BOOT/BOOTX64.EFI", bytes: &large[..200_000], ..Member::default() },
    ];
    members.extend(many.iter().map(|(name, bytes)| Member { name, bytes, ..Member::default() }));
    tar(&members)
}
