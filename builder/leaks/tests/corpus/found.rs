//! What the gate finds of the corpus.

use std::path::Path;

use amiforge_formats::residue;
use amiforge_image::inspect::Medium;
use amiforge_leaks::{FindingScope, LeakSeverity, Report, RuleFilter, ScanOptions, scan};
use amiforge_progress::Monitor;

use super::secrets::{MAKERS, Secret};
use super::tool::ready;
use super::{below, image, secrets};

/// Scans an image, of whose files no package published any.
pub(crate) fn report(path: &Path) -> Report {
    let medium = Medium::open(path).unwrap();
    let options = ScanOptions {
        filter: RuleFilter::default(),
        published: &|_, _| Ok(Vec::new()),
        threads: 2,
        kept_disk: false,
    };
    scan(&medium, &options, Monitor::none()).unwrap()
}

/// Whether a rule that may find a secret finds it in its file.
pub(crate) fn is_found(report: &Report, secret: &Secret) -> bool {
    let path = format!("/{}", secret.path);
    report.findings.iter().any(|finding| {
        finding.scope == FindingScope::Image
            && finding.file == path
            && secret.rules.contains(&finding.rule.as_str())
    })
}

/// Whether the bytes below the files are found where they are, and the token in them where there is a whole one.
pub(crate) fn is_dug_up(report: &Report, disk: &residue::DiskResidue, buried: &below::Buried) -> bool {
    let here = |at: u64, len: u64| (at..at + len).contains(&buried.at);
    let residue =
        disk.residues.iter().find(|one| one.kind.name() == buried.residue && here(one.offset, one.len));
    let Some(residue) = residue else { return false };
    let near = |offset: Option<u64>| offset.is_some_and(|at| at + 512 > buried.at && at < buried.at + 512);
    let below = report.findings.iter().any(|finding| {
        finding.scope == FindingScope::Disk
            && finding.rule == "below-tree"
            && finding.offset == Some(residue.offset)
    });
    let token = report.findings.iter().any(|finding| {
        finding.scope == FindingScope::Disk && finding.rule == "github-token" && near(finding.offset)
    });
    below && (token || !buried.whole)
}

#[test]
fn every_planted_secret_is_found_by_its_rule_and_in_its_place() {
    if !ready(&[&MAKERS[..], &below::PLANTERS[..]].concat()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.raw");
    let secrets = secrets::all();
    let planted = secrets.iter().map(|secret| (secret.path, secret.bytes.clone()));
    image::write_disk(&path, secrets::harmless().into_iter().chain(planted));
    let buried = below::plant(&path);
    let report = report(&path);
    let disk = residue::disk(&Medium::open(&path).unwrap()).unwrap();
    let missed = secrets.iter().filter(|secret| !is_found(&report, secret)).map(|secret| secret.kind);
    let missed: Vec<_> = missed
        .chain(buried.iter().filter(|one| !is_dug_up(&report, &disk, one)).map(|one| one.kind))
        .collect();
    let findings: Vec<_> =
        report.findings.iter().map(|finding| (&finding.rule, finding.location())).collect();
    assert_eq!(missed, [""; 0], "{findings:#?}\n{:#?}", disk.residues);
    // Every secret refuses a publication; nothing is found beside them.
    for finding in report.findings.iter().filter(|finding| finding.scope == FindingScope::Image) {
        assert!(secrets.iter().any(|secret| finding.file == format!("/{}", secret.path)), "{finding:?}");
    }
    let refused =
        |secret: &Secret| report.refused().any(|finding| finding.file == format!("/{}", secret.path));
    let passed: Vec<_> = secrets.iter().filter(|secret| !refused(secret)).map(|secret| secret.kind).collect();
    assert_eq!(passed, [""; 0]);
}

#[test]
fn an_image_without_secrets_has_no_finding() {
    if !ready(&["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.raw");
    image::write_disk(&path, secrets::harmless());
    assert!(residue::disk(&Medium::open(&path).unwrap()).unwrap().is_clean());
    let report = report(&path);
    assert_eq!(report.findings, []);
    assert!(report.refused().all(|finding| finding.severity == LeakSeverity::Error));
    assert_eq!(report.unread, [""; 0]);
}
