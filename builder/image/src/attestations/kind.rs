//! The kinds of attestations: the only list.

use amiforge_trust::statement::SignatureFile;

use super::MEASUREMENTS_TYPE;
use crate::bundle;
use crate::provenance;

/// A kind of attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AttestationKind {
    /// How the image was built.
    Provenance,
    /// The bill of materials in SPDX.
    Spdx,
    /// The bill of materials in `CycloneDX`.
    CycloneDx,
    /// The PCRs that machines of the image show.
    Measurements,
    /// Which vulnerabilities concern the image (`OpenVEX`).
    Vex,
}

impl AttestationKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Provenance, Self::Spdx, Self::CycloneDx, Self::Measurements, Self::Vex];

    /// Its name in options and in names of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provenance => "provenance",
            Self::Spdx => "sbom-spdx",
            Self::CycloneDx => "sbom-cyclonedx",
            Self::Measurements => "measurements",
            Self::Vex => "vex",
        }
    }

    /// The kind of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The type of its predicate, as in-toto, SPDX, `CycloneDX` and `OpenVEX` name theirs.
    pub fn predicate_type(self) -> &'static str {
        match self {
            Self::Provenance => provenance::PREDICATE_TYPE,
            Self::Spdx => "https://spdx.dev/Document",
            Self::CycloneDx => "https://cyclonedx.org/bom",
            Self::Measurements => MEASUREMENTS_TYPE,
            Self::Vex => "https://openvex.dev/ns",
        }
    }

    /// The file of the bundle that it is made of.
    pub fn document(self) -> &'static str {
        match self {
            Self::Provenance => bundle::PROVENANCE,
            Self::Spdx => bundle::SPDX,
            Self::CycloneDx => bundle::CYCLONEDX,
            Self::Measurements => bundle::MEASUREMENTS,
            Self::Vex => bundle::VEX,
        }
    }

    /// The files that are written for a signature. A bill of materials has some megabytes, and an envelope alone is a part
    /// of the sigstore bundle, so it is stored once.
    pub fn files(self) -> &'static [SignatureFile] {
        match self {
            Self::Spdx | Self::CycloneDx => &[SignatureFile::Sigstore],
            Self::Provenance | Self::Measurements | Self::Vex => {
                &[SignatureFile::Dsse, SignatureFile::Sigstore]
            }
        }
    }
}
