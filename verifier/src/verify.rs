//! All checks of a bundle, in order.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::bytes::{hex, shown};
use crate::digest::{sha256, Sha};
use crate::files::{self, BundleFiles};
use crate::manifest::{self, Claims};
use crate::policy::Policy;
use crate::report::Report;
use crate::signatures::{self, Signed};
use crate::source::ByteSource;
use crate::{blocks, gpt, partitions, provenance, sums};

const SUMS: &str = "SHA256SUMS";
const DISK: &str = "disk.raw";
const MANIFEST: &str = "manifest.json";
const TREE: &str = "tree.txt";
const PROVENANCE: &str = "provenance.json";
/// Files that every bundle has.
const REQUIRED: [&str; 4] = [SUMS, DISK, MANIFEST, TREE];
/// Files that a bundle may have and a manifest binds; `SHA256SUMS` binds those of the second list alone.
const BOUND: [&str; 11] = [
    "measurements.json",
    "openvex.json",
    "origins.txt",
    "sbom.cdx.json",
    "sbom.spdx.json",
    "signing/pcr-policy.json",
    "signing/requests.json",
    "signing/systemd-boot.tbs",
    "signing/uki.tbs",
    TREE,
    "uefi-data",
];
const SUMMED: [&str; 2] = [PROVENANCE, "verify.sh"];
/// Folders that `SHA256SUMS` leaves out.
const RECEIPTS: &str = "receipts/";

/// Whether the manifest has to bind a file: those above, and digests of PCR policies to be signed.
fn is_bound(name: &str) -> bool {
    let digest =
        |rest: &str| matches!(rest.strip_suffix(".tbs"), Some("1" | "2" | "3" | "4" | "5" | "6" | "7" | "8"));
    let banks = ["signing/pcr11-sha256-", "signing/pcr11-sha384-"];
    BOUND.contains(&name) || banks.iter().any(|bank| name.strip_prefix(bank).is_some_and(digest))
}

/// What is asked for.
#[derive(Debug, Default, Clone)]
pub struct Choices {
    /// Who may sign.
    pub policy: Option<Policy>,
    /// Digests, partition table and signatures only: no file systems.
    pub quick: bool,
}

/// Checks a bundle.
pub fn verify(bundle: &dyn BundleFiles, choices: &Choices) -> Report {
    let mut report = Report::default();
    let Some(names) = names(bundle, &mut report) else { return report };
    let sums_text = text(bundle, SUMS, &names, &mut report).unwrap_or_default();
    let listed = sums::parse(&sums_text, &mut report.part(SUMS, 0));
    let claims = text(bundle, MANIFEST, &names, &mut report);
    let manifest_digest = claims.as_deref().map(sha256);
    let claims = claims.and_then(|text| manifest::read(&text, &mut report.part(MANIFEST, 0)));
    report.image = claims.as_ref().map(|claims| claims.name.clone());
    let listing = text(bundle, TREE, &names, &mut report);
    let mut digests: BTreeMap<String, Sha> = BTreeMap::new();
    digests.extend(manifest_digest.map(|digest| (MANIFEST.to_string(), digest)));
    if names.contains(DISK) {
        let digest = check_disk(bundle, claims.as_ref(), listing.as_deref(), choices, &mut report);
        digests.extend(digest.map(|digest| (DISK.to_string(), digest)));
    }
    digest_others(bundle, &names, &mut digests, &mut report);
    compare_sums(&names, &listed, &digests, &mut report);
    if let Some(claims) = &claims {
        compare_documents(claims, &names, &digests, &mut report);
    }
    if let Some(statement) = text(bundle, PROVENANCE, &names, &mut report) {
        provenance::check_document(&statement, &digests, claims.as_ref(), &mut report.part(PROVENANCE, 0));
        report.did("provenance.json: subjects and inputs");
    }
    let signed = Signed {
        files: bundle,
        sums: &sums_text,
        digests: &digests,
        claims: claims.as_ref(),
        policy: choices.policy.as_ref(),
    };
    let own: Vec<String> =
        names.iter().filter(|name| name.starts_with(signatures::FOLDER)).cloned().collect();
    signatures::check(&signed, &own, &mut report);
    report
}

/// The names of the regular files; what else there is, and what is missing, is reported.
fn names(bundle: &dyn BundleFiles, report: &mut Report) -> Option<BTreeSet<String>> {
    let all = match bundle.list() {
        Ok(all) => all,
        Err(reason) => {
            report.failed("bundle", format!("its files cannot be listed: {reason}"));
            return None;
        }
    };
    let mut names = BTreeSet::new();
    for file in all {
        if file.regular {
            names.insert(file.name);
        } else {
            report.part(&file.name, 0).wrong(None, "it is no regular file");
        }
    }
    if !REQUIRED.iter().any(|name| names.contains(*name)) {
        report.failed("bundle", "it has none of the files of a bundle");
        return None;
    }
    for name in REQUIRED.iter().filter(|name| !names.contains(**name)) {
        report.part(name, 0).wrong(None, "it is missing");
    }
    for name in names.iter().filter(|name| name.starts_with(RECEIPTS)) {
        report.skipped(name, "receipts are not checked");
    }
    Some(names)
}

fn text(
    bundle: &dyn BundleFiles,
    name: &str,
    names: &BTreeSet<String>,
    report: &mut Report,
) -> Option<Vec<u8>> {
    if !names.contains(name) {
        return None;
    }
    files::text(bundle, name)
        .map_err(|failure| report.failed(name, format!("it cannot be read: {}", failure.reason)))
        .ok()
}

/// Whether `SHA256SUMS` has a line for a file.
fn is_summed(name: &str) -> bool {
    name != SUMS && !name.starts_with(signatures::FOLDER) && !name.starts_with(RECEIPTS)
}

fn digest_others(
    bundle: &dyn BundleFiles,
    names: &BTreeSet<String>,
    digests: &mut BTreeMap<String, Sha>,
    report: &mut Report,
) {
    for name in names.iter().filter(|name| is_summed(name)) {
        let known = REQUIRED.contains(&name.as_str()) || is_bound(name) || SUMMED.contains(&name.as_str());
        if !known {
            report.failed(name, "this version knows no such file of a bundle");
        }
        if name != DISK && name != MANIFEST {
            let bytes = text(bundle, name, names, report);
            digests.extend(bytes.map(|bytes| (name.clone(), sha256(&bytes))));
        }
    }
}

fn compare_sums(
    names: &BTreeSet<String>,
    listed: &BTreeMap<String, Sha>,
    digests: &BTreeMap<String, Sha>,
    report: &mut Report,
) {
    let mut log = report.part(SUMS, 0);
    for (name, expected) in listed {
        match digests.get(name) {
            Some(actual) => {
                _ = log.equal(None, &format!("the digest of {}", shown(name)), hex(expected), hex(actual));
            }
            None if !is_summed(name) => {
                log.wrong(None, format!("it has a line for {}, which it does not cover", shown(name)));
            }
            None if !names.contains(name) => log.wrong(None, format!("{} is missing", shown(name))),
            None => {}
        }
    }
    for name in names.iter().filter(|name| is_summed(name) && !listed.contains_key(*name)) {
        log.wrong(None, format!("it has no line for {}", shown(name)));
    }
    report.did(format!("SHA256SUMS: {} files", listed.len()));
}

/// The documents that the manifest binds. The first manifests bound none.
fn compare_documents(
    claims: &Claims,
    names: &BTreeSet<String>,
    digests: &BTreeMap<String, Sha>,
    report: &mut Report,
) {
    let mut log = report.part(MANIFEST, 0);
    for (name, expected) in &claims.documents {
        match digests.get(name) {
            _ if !is_bound(name) => {
                log.unknown(format!("it binds {}, which this version does not know", shown(name)));
            }
            Some(actual) => {
                _ = log.equal(None, &format!("the digest of {}", shown(name)), hex(expected), hex(actual));
            }
            None if !names.contains(name) => {
                log.wrong(None, format!("it binds {}, which is missing", shown(name)));
            }
            None => {}
        }
    }
    if claims.documents.is_empty() {
        report.skipped(MANIFEST, "it binds no documents, as the first versions did not");
        return;
    }
    for name in names.iter().filter(|name| is_bound(name) && !claims.documents.contains_key(*name)) {
        log.wrong(None, format!("it does not bind {name}"));
    }
    for key in &claims.unread {
        report.skipped(MANIFEST, format!("`{key}` is not compared with the image"));
    }
    report.did(format!("manifest.json: its totals, {} documents", claims.documents.len()));
}

/// Everything about the image; gives its SHA-256.
fn check_disk(
    bundle: &dyn BundleFiles,
    claims: Option<&Claims>,
    listing: Option<&[u8]>,
    choices: &Choices,
    report: &mut Report,
) -> Option<Sha> {
    let disk = match bundle.open(DISK) {
        Ok(disk) => disk,
        Err(failure) => {
            report.failed(DISK, format!("it cannot be read: {}", failure.reason));
            return None;
        }
    };
    let (disk, quick) = (&*disk, choices.quick);
    beside(
        |report| blocks::pass(disk, claims, report),
        |report| check_formats(disk, claims, listing, quick, report),
        report,
    )
}

/// Does two things, with threads at the same time; reports in their order.
#[cfg(feature = "std")]
fn beside<T: Send>(
    first: impl FnOnce(&mut Report) -> T + Send,
    second: impl FnOnce(&mut Report),
    report: &mut Report,
) -> T {
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let mut own = Report::default();
            (first(&mut own), own)
        });
        let mut own = Report::default();
        second(&mut own);
        match first.join() {
            Ok((value, earlier)) => {
                report.append(earlier);
                report.append(own);
                value
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(not(feature = "std"))]
fn beside<T>(
    first: impl FnOnce(&mut Report) -> T,
    second: impl FnOnce(&mut Report),
    report: &mut Report,
) -> T {
    let value = first(report);
    second(report);
    value
}

fn check_formats(
    disk: &dyn ByteSource,
    claims: Option<&Claims>,
    listing: Option<&[u8]>,
    quick: bool,
    report: &mut Report,
) {
    let table = gpt::read(disk, &mut report.part("partition table", 0));
    if let (Some(table), Some(claims)) = (&table, claims) {
        partitions::compare_table(table, claims, &mut report.part("partition table", 0));
    }
    report.did("partition table: MBR, both headers, both arrays");
    match claims {
        Some(_) if quick => report.skipped(DISK, "file systems and hash trees were not asked for"),
        Some(claims) => partitions::check_volumes(disk, claims, listing, report),
        None => report.failed(DISK, "without a manifest its file systems are not known"),
    }
}
