//! Why there are no measurements of an image.

use std::io;
use std::path::PathBuf;

use amiforge_formats::pcr::PcrError;
use amiforge_formats::uefi_vars::UefiVarsError;

use crate::inspect::InspectError;

/// Why the registers of an image are not predicted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// The image cannot be looked into.
    #[error(transparent)]
    Image(#[from] InspectError),
    /// A file cannot be read.
    #[error("reading `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds no variables of Secure Boot.
    #[error("reading the variables in `{}`", path.display())]
    Variables {
        /// The file.
        path: PathBuf,
        /// Why.
        source: VariablesError,
    },
    /// Neither a program nor a disk.
    #[error("`{}` is neither a program of UEFI (it does not begin with `MZ`) nor an image of a disk", path.display())]
    NeitherForm {
        /// The file.
        path: PathBuf,
    },
    /// UEFI starts nothing from it.
    #[error(
        "no EFI system partition holds EFI/BOOT/BOOTX64.EFI or EFI/BOOT/BOOTAA64.EFI: only machines that UEFI starts have a \
         TPM on EC2"
    )]
    NoProgram,
    /// A loader chooses what is started.
    #[error(
        "`{path}` is {loader}, which chooses kernel and command line by files and variables that no PCR of the image foretells: \
         nothing is predicted"
    )]
    Loader {
        /// The file.
        path: String,
        /// What it is.
        loader: &'static str,
    },
    /// The registers are not predicted.
    #[error("predicting the PCRs of `{path}`")]
    Pcr {
        /// The unified kernel image.
        path: String,
        /// Why.
        source: PcrError,
    },
}

/// The longest text that is read: twice what EC2 takes, for JSON is longer.
pub(super) const VARIABLES_MAX: u64 = 256 << 10;

/// Why a text gives no variables.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VariablesError {
    /// Too long.
    #[error("it is {len} bytes long, and no more than {VARIABLES_MAX} are read")]
    TooLong {
        /// Its length in bytes.
        len: u64,
    },
    /// No text.
    #[error("it is neither `UefiData` of EC2 (base64) nor the JSON of virt-fw-vars")]
    NotText,
    /// Not JSON of the right shape.
    #[error("reading it as the JSON of virt-fw-vars")]
    Json(#[source] serde_json::Error),
    /// A value is not in hexadecimal digits, or a vendor no GUID.
    #[error("the variable `{name}` has no {field} that can be read")]
    Field {
        /// The variable, escaped.
        name: String,
        /// The field.
        field: &'static str,
    },
    /// The variables are damaged, or none of an enrolment.
    #[error("reading the variables")]
    Store(#[from] UefiVarsError),
}
