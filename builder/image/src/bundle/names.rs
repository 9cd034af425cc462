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
/// Where every path of the image comes from.
pub const ORIGINS: &str = "origins.txt";
/// Which vulnerabilities concern the image, as somebody else stated it (`OpenVEX`).
pub const VEX: &str = "openvex.json";
/// The UEFI variables that enrol Secure Boot, as `RegisterImage` takes them.
pub const UEFI_DATA: &str = "uefi-data";
/// The folder of signing requests.
pub const SIGNING: &str = "signing";
/// The list of signing requests.
pub const REQUESTS: &str = "signing/requests.json";
/// The list of requests for signatures of PCR policies.
pub const PCR_POLICY: &str = "signing/pcr-policy.json";
/// The bytes to be signed, by the ids of their requests, sorted.
const TBS: [(&str, &str); 2] = [("systemd-boot", "signing/systemd-boot.tbs"), ("uki", "signing/uki.tbs")];
/// The digests of PCR policies to be signed, by the ids of their requests, sorted: for both banks up to eight paths of phases.
const POLICY_TBS: [(&str, &str); 16] = [
    ("pcr11-sha256-1", "signing/pcr11-sha256-1.tbs"),
    ("pcr11-sha256-2", "signing/pcr11-sha256-2.tbs"),
    ("pcr11-sha256-3", "signing/pcr11-sha256-3.tbs"),
    ("pcr11-sha256-4", "signing/pcr11-sha256-4.tbs"),
    ("pcr11-sha256-5", "signing/pcr11-sha256-5.tbs"),
    ("pcr11-sha256-6", "signing/pcr11-sha256-6.tbs"),
    ("pcr11-sha256-7", "signing/pcr11-sha256-7.tbs"),
    ("pcr11-sha256-8", "signing/pcr11-sha256-8.tbs"),
    ("pcr11-sha384-1", "signing/pcr11-sha384-1.tbs"),
    ("pcr11-sha384-2", "signing/pcr11-sha384-2.tbs"),
    ("pcr11-sha384-3", "signing/pcr11-sha384-3.tbs"),
    ("pcr11-sha384-4", "signing/pcr11-sha384-4.tbs"),
    ("pcr11-sha384-5", "signing/pcr11-sha384-5.tbs"),
    ("pcr11-sha384-6", "signing/pcr11-sha384-6.tbs"),
    ("pcr11-sha384-7", "signing/pcr11-sha384-7.tbs"),
    ("pcr11-sha384-8", "signing/pcr11-sha384-8.tbs"),
];
/// The files that every bundle has, sorted.
pub const FILES: [&str; 4] = [SUMS, DISK, MANIFEST, TREE];
/// The files that a bundle may have, sorted.
pub const DOCUMENTS: [&str; 26] = [
    MEASUREMENTS,
    VEX,
    ORIGINS,
    CYCLONEDX,
    SPDX,
    PCR_POLICY,
    POLICY_TBS[0].1,
    POLICY_TBS[1].1,
    POLICY_TBS[2].1,
    POLICY_TBS[3].1,
    POLICY_TBS[4].1,
    POLICY_TBS[5].1,
    POLICY_TBS[6].1,
    POLICY_TBS[7].1,
    POLICY_TBS[8].1,
    POLICY_TBS[9].1,
    POLICY_TBS[10].1,
    POLICY_TBS[11].1,
    POLICY_TBS[12].1,
    POLICY_TBS[13].1,
    POLICY_TBS[14].1,
    POLICY_TBS[15].1,
    REQUESTS,
    TBS[0].1,
    TBS[1].1,
    UEFI_DATA,
];

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

/// The file with the digest to be signed for a request of a PCR policy.
pub(crate) fn policy_name(id: &str) -> Option<&'static str> {
    POLICY_TBS.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
}
