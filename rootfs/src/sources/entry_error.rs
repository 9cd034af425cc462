//! Errors of one entry of an archive or layer: facts with both values, for the errors that name the entry and its
//! offset.

use amiforge_formats::tree::{NAME_MAX, Printable, SYMLINK_MAX};

/// Longest path of an entry in bytes: what the kernel takes in one call (Linux `PATH_MAX` less the NUL).
pub const PATH_LONGEST: usize = 4095;

/// Why an entry was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The archive ends within something it announced.
    #[error("the archive ends at byte {end}, but {what} reaches to byte {need}")]
    Truncated {
        /// Name of the announced part.
        what: &'static str,
        /// First byte after it.
        need: u64,
        /// First byte after the archive.
        end: u64,
    },
    /// No end marker: the archive was cut between two entries.
    #[error("the archive ends at byte {end} without the block of zeros that closes it: it was cut short")]
    NoEnd {
        /// First byte after the archive.
        end: u64,
    },
    /// A single block of zeros between entries, or bytes after the end marker.
    #[error("the archive closes here, but byte {next} is not zero: joined archives are given as two sources")]
    AfterEnd {
        /// The first byte that is not zero.
        next: u64,
    },
    /// The header's checksum is wrong.
    #[error("the header's checksum is {stored}, computed {computed}")]
    Checksum {
        /// The value in the header.
        stored: i64,
        /// The sum of its bytes.
        computed: u32,
    },
    /// A number field that holds none.
    #[error("the field `{field}` is not a number: `{}`", Printable(bytes))]
    NotANumber {
        /// Name of the field.
        field: &'static str,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A number that the tree cannot hold.
    #[error("`{field}` is {value}, allowed is {min} to {max}")]
    OutOfRange {
        /// Name of the field.
        field: &'static str,
        /// The number.
        value: i128,
        /// Smallest allowed.
        min: i128,
        /// Largest allowed.
        max: i128,
    },
    /// A type that is no file of a file system.
    #[error("entries of type `{}` are not supported", Printable(&[*typeflag]))]
    Type {
        /// The type flag.
        typeflag: u8,
    },
    /// A size on an entry that has no content; readers disagree about where the next header is.
    #[error("a {kind} has no content, but the header says {size} bytes")]
    SizeOfNothing {
        /// Its kind.
        kind: &'static str,
        /// The size.
        size: u64,
    },
    /// An extended header or long name over the bound.
    #[error("{what} of {size} bytes, allowed are {max}")]
    TooLong {
        /// Name of the part.
        what: &'static str,
        /// Its length.
        size: u64,
        /// The bound.
        max: u64,
    },
    /// An extended header whose records do not parse.
    #[error("record {record} of the extended header is not `length key=value`")]
    PaxRecord {
        /// Counted from 1.
        record: usize,
    },
    /// A record with a value that is not understood.
    #[error("the extended header says `{key}={}`", Printable(value))]
    PaxValue {
        /// The key.
        key: String,
        /// The value.
        value: Vec<u8>,
    },
    /// Extended headers that no entry follows, or that meet another of their kind.
    #[error("{what} is followed by {found}, not by the entry it belongs to")]
    Dangling {
        /// The extended header.
        what: &'static str,
        /// Name of the following part.
        found: &'static str,
    },
    /// A name that goes up.
    #[error("the name has `..` in it")]
    DotDot,
    /// A name that no file can have.
    #[error("a name holds a NUL byte")]
    Nul,
    /// One name of the path is too long.
    #[error("a name of {len} bytes, allowed are {NAME_MAX}")]
    NameTooLong {
        /// Its length.
        len: usize,
    },
    /// The root is no directory.
    #[error("the root is a {kind}, not a directory")]
    Root {
        /// Its kind.
        kind: &'static str,
    },
    /// The path leads through a symbolic link.
    #[error(
        "the name leads through `{}`, a symlink to `{}`; write the path without the link",
        Printable(link),
        Printable(target)
    )]
    ThroughLink {
        /// The link's path.
        link: Vec<u8>,
        /// Its target.
        target: Vec<u8>,
    },
    /// The path leads through something that has no entries.
    #[error("the name leads through `{}`, a {kind}", Printable(path))]
    ThroughFile {
        /// Its path.
        path: Vec<u8>,
        /// Its kind.
        kind: &'static str,
    },
    /// The archive gives the path twice, differently.
    #[error("byte {first} gives the same name as a {before}, this one a {kind} that differs")]
    Twice {
        /// Offset of its first entry.
        first: u64,
        /// Kind of the first entry.
        before: &'static str,
        /// Kind of this entry.
        kind: &'static str,
    },
    /// A hard link whose target is not in the archive.
    #[error("a hard link to `{}`, which the archive does not hold", Printable(target))]
    LinkToNothing {
        /// The target.
        target: Vec<u8>,
    },
    /// A hard link whose target no archive can hold.
    #[error("a hard link to `{}`, a name that no entry can have", Printable(target))]
    LinkOut {
        /// The target.
        target: Vec<u8>,
    },
    /// A hard link to a directory.
    #[error("a hard link to `{}`, a directory", Printable(target))]
    LinkToDir {
        /// The target.
        target: Vec<u8>,
    },
    /// A symbolic link to nowhere, or too far.
    #[error("a symlink's target has {len} bytes, allowed is 1 to {SYMLINK_MAX}")]
    Target {
        /// Its length.
        len: usize,
    },
    /// Sparse maps that contradict themselves.
    #[error("the sparse map's {what}: {value}, but {other}")]
    Sparse {
        /// Which rule is broken.
        what: &'static str,
        /// One value.
        value: u64,
        /// The other.
        other: u64,
    },
    /// A sparse map that does not parse.
    #[error("the sparse map has no number at its byte {at}")]
    SparseText {
        /// Offset in the map.
        at: usize,
    },
    /// An access control list that does not parse.
    #[error(
        "`{}` is not an entry of an access control list with a numeric id (`tar --numeric-owner` writes those)",
        Printable(entry)
    )]
    Acl {
        /// The entry.
        entry: Vec<u8>,
    },
    /// An attribute that Linux would refuse.
    #[error("the attribute `{}` has {len} bytes, allowed are {max}", Printable(name))]
    Xattr {
        /// Name of the attribute.
        name: Vec<u8>,
        /// Length of its name or value.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// More entries than a tree of ours may have.
    #[error("more than {max} entries")]
    TooMany {
        /// The bound.
        max: usize,
    },
}
