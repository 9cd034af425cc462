//! Why bytes are no image that firmware runs, or why sections cannot be appended to one.

use std::io;

use crate::der::DerError;

/// What the writer and the reader refuse.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeError {
    /// The bytes could not be read.
    #[error("reading {len} bytes of the image from byte {at} on")]
    Io {
        /// First byte of the range.
        at: u64,
        /// How many.
        len: u64,
        /// The error of the medium.
        source: io::Error,
    },
    /// A number that every image of this kind has is another one.
    #[error(
        "the {field} at byte {at} is 0x{found:x}, not 0x{expected:x}: this is no PE32+ image, give one that UEFI runs"
    )]
    Magic {
        /// Which number.
        field: &'static str,
        /// Its offset in the file.
        at: u64,
        /// The stored value.
        found: u64,
        /// What must.
        expected: u64,
    },
    /// A structure does not fit into what holds it.
    #[error(
        "{what} ends at byte {end}, but {within} ends at byte {len}: the image is cut short or damaged, fetch it again"
    )]
    Outside {
        /// The structure.
        what: String,
        /// Where it ends.
        end: u64,
        /// What holds it.
        within: &'static str,
        /// Where that ends.
        len: u64,
    },
    /// A header's field has an invalid value.
    #[error("the {field} is {found}, which is not {rule}: the image is damaged, fetch it again")]
    Field {
        /// Which field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// The valid values.
        rule: &'static str,
    },
    /// Two sections share bytes of the file or addresses, or run backwards.
    #[error(
        "section `{second}` starts at {space} 0x{start:x}, before section `{first}` ends at 0x{end:x}: the image is damaged"
    )]
    Overlap {
        /// The section before.
        first: String,
        /// The section after it.
        second: String,
        /// `address` or `byte`.
        space: &'static str,
        /// Where the second starts.
        start: u64,
        /// Where the first ends.
        end: u64,
    },
    /// The signatures are not the last bytes of the file, as every signer and verifier has them.
    #[error(
        "the list of signatures is at bytes {at} to {end}, and must be between the sections, which end at byte {sections}, \
         and the end of the file at byte {len}, without a gap at the end: sign the image again"
    )]
    SignaturesWithin {
        /// Where the list starts.
        at: u64,
        /// Where it ends.
        end: u64,
        /// Where the last section ends.
        sections: u64,
        /// Length of the file.
        len: u64,
    },
    /// A section's content is longer than the caller takes.
    #[error("section `{name}` holds {len} bytes, and at most {most} are taken here")]
    SectionLong {
        /// Its name.
        name: String,
        /// Its length.
        len: u64,
        /// What the caller takes.
        most: u64,
    },
    /// The name does not fit, or is no name.
    #[error("`{name}` cannot name a section: 1 to 8 bytes of printable ASCII are needed")]
    Name {
        /// The name.
        name: &'static str,
    },
    /// The section was given twice, or the stub has it.
    #[error("section `{name}` is there already: give a stub without it, and every section once")]
    Taken {
        /// Its name.
        name: &'static str,
    },
    /// A section without bytes would be lost: loaders drop it.
    #[error("section `{name}` has no bytes: leave it out")]
    Empty {
        /// Its name.
        name: &'static str,
    },
    /// The section table cannot grow.
    #[error(
        "{more} more sections need headers of {need} bytes, and the stub has room for {room}: use another stub"
    )]
    NoRoom {
        /// How many are to be added.
        more: usize,
        /// Bytes that the headers need.
        need: u64,
        /// Bytes that they can have.
        room: u64,
    },
    /// The image would be longer than its fields can count.
    #[error(
        "section `{name}` would end at byte {end}, and an image ends below 4294967296: make the kernel or initrd smaller"
    )]
    TooLong {
        /// The section.
        name: &'static str,
        /// Where it would end, in the file or in memory.
        end: u64,
    },
    /// Generations of components are merged with the stub's, so they have to be there as bytes.
    #[error("section `.sbat` has to be given as bytes in memory, not as a reference")]
    SbatReference,
    /// The headers are not in memory, so no place for a signature can be entered into them.
    #[error("the headers of the image have to be given as bytes in memory, not as a reference")]
    HeadReference,
    /// The file cannot have a table of signatures.
    #[error("the image cannot take a signature: {reason}")]
    NoSignatureSpace {
        /// Why.
        reason: &'static str,
    },
    /// A signature is longer than the space for it.
    #[error(
        "the signature with its certificates has {len} bytes, and the image has room for {space}: give fewer or smaller certificates"
    )]
    SignatureLong {
        /// Its length with its header, in bytes.
        len: u64,
        /// The space in bytes.
        space: u64,
    },
    /// The table of signatures is damaged.
    #[error("the signature at byte {at}: {reason}")]
    SignatureTable {
        /// Where in the file.
        at: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// A signature is damaged.
    #[error("reading the signature at byte {at}")]
    Signature {
        /// Where in the file.
        at: u64,
        /// Why.
        source: DerError,
    },
}
