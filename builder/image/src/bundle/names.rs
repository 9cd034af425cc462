//! The names of the files of a bundle.

/// The image.
pub const DISK: &str = "disk.raw";
/// The manifest.
pub const MANIFEST: &str = "manifest.json";
/// The listing of every file system.
pub const TREE: &str = "tree.txt";
/// SHA-256 of the other files, as `sha256sum -c` reads it.
pub const SUMS: &str = "SHA256SUMS";
/// The bill of materials in `CycloneDX`.
pub const CYCLONEDX: &str = "sbom.cdx.json";
/// The bill of materials in SPDX.
pub const SPDX: &str = "sbom.spdx.json";
/// The PCRs of machines of the image, in the form of AWS's calculator.
pub const MEASUREMENTS: &str = "measurements.json";
/// The statement of how the image was built.
pub const PROVENANCE: &str = "provenance.json";
/// The script that checks a bundle without this program.
pub const VERIFY_SCRIPT: &str = "verify.sh";
/// Which vulnerabilities concern the image, as somebody else stated it (`OpenVEX`).
pub const VEX: &str = "openvex.json";
/// The UEFI variables that enrol Secure Boot, as `RegisterImage` takes them.
pub const UEFI_DATA: &str = "uefi-data";
/// The folder of signing requests.
pub const SIGNING: &str = "signing";
/// The list of signing requests.
pub const REQUESTS: &str = "signing/requests.json";
/// The bytes to be signed, by the ids of their requests, sorted.
const TBS: [(&str, &str); 2] = [("systemd-boot", "signing/systemd-boot.tbs"), ("uki", "signing/uki.tbs")];
/// The files that every bundle has, sorted.
pub const FILES: [&str; 4] = [SUMS, DISK, MANIFEST, TREE];
/// The files that a bundle may have, sorted.
pub const DOCUMENTS: [&str; 8] =
    [MEASUREMENTS, VEX, CYCLONEDX, SPDX, REQUESTS, TBS[0].1, TBS[1].1, UEFI_DATA];

/// The files that a bundle may have and that `SHA256SUMS` alone binds: a statement names the manifest's digest, and the script
/// is the same for every image.
pub const STATEMENTS: [&str; 2] = [PROVENANCE, VERIFY_SCRIPT];

/// Every name that a file of a bundle may have.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FILES.into_iter().chain(DOCUMENTS).chain(STATEMENTS)
}

/// The file with the bytes to be signed for a request.
pub(crate) fn tbs_name(id: &str) -> Option<&'static str> {
    TBS.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
}
