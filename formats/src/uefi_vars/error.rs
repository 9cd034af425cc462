//! Why bytes are no variables, or variables none that an image is registered with.

use crate::guid::Guid;

/// What the readers and the rules refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UefiVarsError {
    /// A structure does not fit into what holds it.
    #[error("{what} at byte {at} ends at byte {end}, and {within} ends at byte {len}")]
    Outside {
        /// The structure.
        what: &'static str,
        /// Its first byte.
        at: u64,
        /// First byte after it.
        end: u64,
        /// What holds it.
        within: &'static str,
        /// Where that ends.
        len: u64,
    },
    /// A field has a value that it cannot have.
    #[error("the {field} at byte {at} is {found}, which is not {rule}")]
    Field {
        /// Which field.
        field: &'static str,
        /// Its first byte.
        at: u64,
        /// Its value.
        found: u64,
        /// The valid values.
        rule: &'static str,
    },
    /// The bytes are none of EC2's form.
    #[error("the bytes do not begin with `AMZNUEFI`")]
    Magic,
    /// The text is not base64.
    #[error("the text is not base64")]
    Base64,
    /// The text is longer than EC2 takes.
    #[error("the variables are {len} characters of base64, and EC2 takes at most {most}")]
    TooLong {
        /// Its length in characters.
        len: usize,
        /// The limit.
        most: usize,
    },
    /// The bytes were changed.
    #[error("the {of} has the checksum {found:08x}, and {stored:08x} is stored")]
    Checksum {
        /// What is covered.
        of: &'static str,
        /// The checksum of the bytes.
        found: u32,
        /// The stored checksum.
        stored: u32,
    },
    /// The compressed bytes refer to text that only EC2's own tools have.
    #[error(
        "the variables are compressed with a dictionary (id {id:08x}) that this program does not have; \
         `uefivars -i aws -o json` shows them"
    )]
    Dictionary {
        /// Adler-32 of the dictionary.
        id: u32,
    },
    /// The compressed bytes cannot be decompressed.
    #[error("the compressed variables are damaged, or longer than {most} bytes")]
    Compressed {
        /// The most bytes that are decompressed.
        most: usize,
    },
    /// A name that is not UTF-8 or has control characters.
    #[error("the name of variable {number} is not printable UTF-8")]
    Name {
        /// Its number in the store, from 1.
        number: u64,
    },
    /// Two variables of one name.
    #[error("the variable `{name}` is there twice")]
    Twice {
        /// Its name.
        name: String,
    },
    /// A variable by which an operator's program would run before the image's.
    #[error(
        "the variable `{name}` makes firmware run or configure a program of its own choice, which the signed image cannot see"
    )]
    BootOption {
        /// Its name.
        name: String,
    },
    /// A variable that enrols nothing.
    #[error("the variable `{name}` of {guid} is none of PK, KEK, db and dbx")]
    Unknown {
        /// Its name.
        name: String,
        /// Its vendor.
        guid: Guid,
    },
    /// A variable of enrolment that lacks its protection.
    #[error("the variable `{name}` has the attributes 0x{found:x}, not 0x{expected:x}")]
    Attributes {
        /// Its name.
        name: String,
        /// Its attributes.
        found: u32,
        /// Those that it has to have.
        expected: u32,
    },
    /// Without it firmware does not enforce signatures.
    #[error("there is no variable `{name}`, without which firmware does not enforce signatures")]
    Missing {
        /// Its name.
        name: &'static str,
    },
}
