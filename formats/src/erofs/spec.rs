//! Constants of the format (Linux, `fs/erofs/erofs_fs.h`).

/// First byte of the superblock.
pub(crate) const SUPERBLOCK_OFFSET: u64 = 1024;

/// Bytes of the superblock without extension slots.
pub(crate) const SUPERBLOCK_SIZE: usize = 128;

/// Bytes of an extension slot of the superblock.
pub(crate) const EXTENSION_SLOT: usize = 16;

/// `magic`.
pub(crate) const MAGIC: u32 = 0xe0f5_e1e2;

/// Bytes of the label.
pub(crate) const LABEL_MAX: usize = 16;

/// Bytes of an inode slot: a nid counts them from the start of the metadata area.
pub(crate) const NID_UNIT: u64 = 32;

/// Bytes of a compact inode.
pub(crate) const COMPACT_SIZE: usize = 32;

/// Bytes of an extended inode.
pub(crate) const EXTENDED_SIZE: usize = 64;

/// Bytes of the header of an inode's attributes.
pub(crate) const XATTR_HEADER: usize = 12;

/// Bytes of an attribute before its name.
pub(crate) const XATTR_ENTRY: usize = 4;

/// Bytes of a directory entry.
pub(crate) const DIRENT_SIZE: usize = 12;

/// An address of no block: a hole of a chunk map, or the content of an inode without full blocks.
pub(crate) const NULL_ADDRESS: u32 = u32::MAX;

/// The bits of a chunk format that give the logarithm of a chunk's blocks.
pub(crate) const CHUNK_BITS_MASK: u16 = 0x1f;

/// The bit of a chunk format that makes a map of 8-byte indexes instead of 4-byte addresses.
pub(crate) const CHUNK_INDEXES: u16 = 0x20;

/// Features that a reader may ignore.
pub(crate) mod compat {
    /// The superblock has a checksum.
    pub(crate) const SB_CHKSUM: u32 = 1;
    /// Times of inodes are modification times.
    pub(crate) const MTIME: u32 = 2;
}

/// Features that a reader has to know.
pub(crate) mod incompat {
    /// There are files in chunks.
    pub(crate) const CHUNKED_FILE: u32 = 4;
    /// The content is on several devices.
    pub(crate) const DEVICE_TABLE: u32 = 8;
    /// Names of attributes may have prefixes of a table of the image.
    pub(crate) const XATTR_PREFIXES: u32 = 0x40;
    /// Block addresses have 48 bits.
    pub(crate) const BITS_48: u32 = 0x80;
    /// Inodes are in an inode of their own.
    pub(crate) const METABOX: u32 = 0x100;
    /// What only compressed inodes use: zero padding, configurations (and large clusters), a second head algorithm (which
    /// shares its bit with [`DEVICE_TABLE`]), inline tails of clusters, fragments (and deduplication).
    pub(crate) const COMPRESSION: u32 = 1 | 2 | 0x10 | 0x20;
}

/// Layouts of content, bits 1 to 3 of `i_format`.
pub(crate) mod layout {
    /// Blocks in one run.
    pub(crate) const PLAIN: u16 = 0;
    /// Compressed, with full indexes.
    pub(crate) const COMPRESSED_FULL: u16 = 1;
    /// Blocks in one run; the bytes after the last full one are behind the inode.
    pub(crate) const INLINE: u16 = 2;
    /// Compressed, with compact indexes.
    pub(crate) const COMPRESSED_COMPACT: u16 = 3;
    /// Chunks at addresses of their own.
    pub(crate) const CHUNK: u16 = 4;
}

/// Kinds in `i_mode` (`S_IFMT`).
pub(crate) mod kind {
    pub(crate) const FIFO: u16 = 0x1000;
    pub(crate) const CHAR: u16 = 0x2000;
    pub(crate) const DIR: u16 = 0x4000;
    pub(crate) const BLOCK: u16 = 0x6000;
    pub(crate) const FILE: u16 = 0x8000;
    pub(crate) const SYMLINK: u16 = 0xa000;
    pub(crate) const SOCKET: u16 = 0xc000;
    pub(crate) const MASK: u16 = 0xf000;
}

/// `file_type` of directory entries (`FT_*` of `include/linux/fs_types.h`).
pub(crate) mod file_type {
    pub(crate) const FILE: u8 = 1;
    pub(crate) const DIR: u8 = 2;
    pub(crate) const CHAR: u8 = 3;
    pub(crate) const BLOCK: u8 = 4;
    pub(crate) const FIFO: u8 = 5;
    pub(crate) const SOCKET: u8 = 6;
    pub(crate) const SYMLINK: u8 = 7;
}

/// `e_name_index` and the prefix that it means. The ACLs are whole names.
pub(crate) const XATTR_PREFIXES: [(u8, &[u8]); 5] = [
    (1, b"user."),
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
    (4, b"trusted."),
    (6, b"security."),
];
