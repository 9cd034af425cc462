//! Why nothing can be predicted for an image.

use crate::pe::PeError;
use crate::uefi_vars::UefiVarsError;

/// Why the registers of an image are not known before it runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PcrError {
    /// The image cannot be read.
    #[error("reading the headers of the image")]
    Image(#[from] PeError),
    /// There is no kernel in it.
    #[error(
        "the image has no section `.linux`, so it is no unified kernel image: name the file that firmware starts, such as \
         EFI/BOOT/BOOTX64.EFI"
    )]
    NoKernel,
    /// The kernel of a stub that hands it to the firmware cannot be read.
    #[error("reading the kernel in section `.linux`, which firmware measures by itself")]
    Kernel(#[source] PeError),
    /// The stub does not name its version.
    #[error(
        "the stub does not name its version (no section `.sdmagic`), and what is measured depends on it: name the version if \
         you know it"
    )]
    NoVersion,
    /// The section has another form than the known stubs have.
    #[error(
        "section `.sdmagic` holds `{text}`, and stubs of systemd hold `#### LoaderInfo: systemd-stub VERSION ####`"
    )]
    Magic {
        /// Its text, escaped.
        text: String,
    },
    /// What a stub of this version measures is not known.
    #[error(
        "the stub is of systemd {version}, and what stubs measure is known for 252.6 and later of 252, and for 254 to 262"
    )]
    UnknownStub {
        /// The version.
        version: String,
    },
    /// Stubs take one or another of these sections.
    #[error(
        "the image has more than one section that a stub takes for `{name}`: it cannot be said which one is measured"
    )]
    Ambiguous {
        /// The name.
        name: &'static str,
    },
    /// What the section makes the stub measure depends on the machine or on the chosen profile.
    #[error(
        "the image has a section `{name}`, which a stub of systemd {version} takes or leaves by the machine or by the profile \
         that is started: nothing is predicted for such an image"
    )]
    ByMachine {
        /// The section.
        name: &'static str,
        /// The version of the stub.
        version: String,
    },
    /// The kernel is started in a way that firmware does not measure as an image.
    #[error(
        "the kernel has image version {version}, and stubs start kernels before version 1 (Linux 5.7) in another way: use a \
         later kernel"
    )]
    OldKernel {
        /// Its `MajorImageVersion`.
        version: u16,
    },
    /// More memory than any image has would be hashed.
    #[error(
        "the sections have {len} bytes in memory that the file does not hold, and at most {most} are taken here"
    )]
    MemoryOnly {
        /// How many bytes of zero.
        len: u64,
        /// How many are taken.
        most: u64,
    },
    /// No entry of `db` allows the image.
    #[error(
        "Secure Boot is on, and no entry of `db` allows this image: firmware would not start it. Sign it by a key whose \
         certificate is in `db`"
    )]
    NoAuthority,
    /// A variable cannot be read.
    #[error("reading the variable `{variable}`")]
    Database {
        /// Its name.
        variable: &'static str,
        /// Why.
        source: UefiVarsError,
    },
    /// More than one entry of `db` may be the one.
    #[error(
        "{certificates} certificates in `db` may verify this image, and PCR 7 names the one that does: sign the image, or leave \
         one certificate in `db`"
    )]
    Undecided {
        /// How many.
        certificates: usize,
    },
    /// A phase has no name that systemd measures.
    #[error(
        "`{phase}` is no phase of a boot: phases are words of letters, digits and hyphens, such as enter-initrd"
    )]
    Phase {
        /// The text.
        phase: String,
    },
}
