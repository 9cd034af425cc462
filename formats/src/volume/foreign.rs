//! Formats that have a name but no reader here.

/// Signatures of formats that are recognised and not read: offset, bytes, name. An array of mdraid with its superblock at the
/// end (0.90 and 1.0) begins with what it holds, and is taken for that.
pub(super) const FOREIGN: [(u64, &[u8], &str); 14] = [
    (0, b"hsqs", "squashfs"),
    (0, b"LUKS\xba\xbe", "luks"),
    (1024, b"H+\x00\x04", "hfs+"),
    (0x10040, b"_BHRfS_M", "btrfs"),
    (0x8001, b"CD001", "iso9660"),
    // The label of LVM2 is in one of the first four sectors, by default in the second.
    (0, b"LABELONE", "lvm"),
    (512, b"LABELONE", "lvm"),
    (1024, b"LABELONE", "lvm"),
    (1536, b"LABELONE", "lvm"),
    (0, &MDRAID, "mdraid"),
    (4096, &MDRAID, "mdraid"),
    (4120, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef", "bcachefs"),
    (4120, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", "bcache"),
    // The first pair of the list of names and values in the first label of a member of a pool.
    (16_404, b"\0\0\0\x07version\0", "zfs-member"),
];

/// Magic number of the superblock of mdraid, at the start (1.1) or after 4 KiB (1.2).
const MDRAID: [u8; 4] = 0xa92b_4efc_u32.to_le_bytes();
