//! The report of an update as Markdown, for the description of a pull request or the summary of a CI job.

use std::fmt::Write as _;

use amiforge_formats::digest::BLOCK;

use super::report::{BootResult, PublishedVersion, UpdateOutcome, UpdateReport};
use crate::outdated::markdown::{code, package_tables};

/// The summary of an update.
pub fn markdown(report: &UpdateReport) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(text, "## {}: {}\n", code(&report.image), headline(report));
    text.push_str("| | |\n|---|---|\n");
    for (name, value) in facts(report) {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    package_tables(&mut text, &report.packages, &report.held_back);
    next(&mut text, report);
    text
}

/// The summary of an update that failed: the error and its causes.
pub fn failure_summary(image: &str, chain: &[String], hint: Option<&str>) -> String {
    let mut text = format!("## {}: the update failed\n\n", code(image));
    for message in chain {
        let _ = writeln!(text, "- {}", code(message));
    }
    if let Some(hint) = hint {
        let _ = writeln!(text, "\n{}", code(hint));
    }
    text
}

fn headline(report: &UpdateReport) -> &'static str {
    match report.outcome {
        UpdateOutcome::Published => "a new version is published",
        UpdateOutcome::Built => "a new version is built",
        UpdateOutcome::Unchanged => "nothing changed",
        UpdateOutcome::BootFailed => "the new version did not boot as requested",
        UpdateOutcome::Planned => "a new version would be published",
    }
}

/// The rows of the first table.
fn facts(report: &UpdateReport) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let Some(published) = &report.published {
        publication(published, &mut rows);
    }
    if let Some(present) = &report.present {
        rows.push(("published already as", code(present)));
    }
    rows.push(("SHA-256", code(&report.sha256)));
    if let Some(before) = report.sha256_before.as_ref().filter(|before| **before != report.sha256) {
        rows.push(("before", code(before)));
    }
    rows.push(("packages", package_counts(report)));
    if let Some(files) = report.files {
        let mut counts = vec![
            format!("{} changed", files.changed),
            format!("{} added", files.added),
            format!("{} removed", files.removed),
        ];
        if files.attributes > 0 {
            counts.push(format!("{} with other attributes", files.attributes));
        }
        rows.push(("files", counts.join(", ")));
    }
    rows.push(("blocks", block_counts(report)));
    if let Some(boot) = &report.boot {
        rows.push(("boot", boot_text(boot)));
    }
    rows
}

fn publication(published: &PublishedVersion, rows: &mut Vec<(&'static str, String)>) {
    rows.push(("AMI", format!("{} in {}", code(&published.image_id), code(&published.region))));
    for copy in &published.copies {
        rows.push(("copy", format!("{} in {}", code(&copy.image_id), code(&copy.region))));
    }
    rows.push(("name", code(&published.name)));
    if let Some(parent) = &published.parent {
        rows.push(("delta of", code(parent)));
    }
}

fn package_counts(report: &UpdateReport) -> String {
    let changes = ["upgraded", "added", "removed", "downgraded", "rebuilt"];
    let counts = changes.into_iter().map(|change| (report.count(change), change));
    let counts: Vec<_> =
        counts.filter(|(count, _)| *count > 0).map(|(count, change)| format!("{count} {change}")).collect();
    if counts.is_empty() {
        return "none changed".to_owned();
    }
    format!("{}; {} with security updates", counts.join(", "), report.security)
}

fn block_counts(report: &UpdateReport) -> String {
    let size = |blocks: u64| format!("{:.1} MiB", (blocks * BLOCK) as f64 / f64::from(1 << 20));
    let changed = report.blocks_changed.map(|changed| format!("{changed} changed"));
    let sent = report
        .published
        .as_ref()
        .map(|published| format!("{} sent ({})", published.blocks_sent, size(published.blocks_sent)));
    let parts: Vec<_> = sent.into_iter().chain(changed).collect();
    let of = format!("{} with data ({})", report.blocks, size(report.blocks));
    if parts.is_empty() { of } else { format!("{} of {of}", parts.join(", ")) }
}

fn boot_text(boot: &BootResult) -> String {
    let machine = code(&boot.machine);
    let seconds = boot.seconds;
    let list = |checks: &[String]| checks.iter().map(|check| code(check)).collect::<Vec<_>>().join(", ");
    if boot.passed {
        return format!("passed on {machine} in {seconds:.0} s: {}", list(&boot.checks));
    }
    let reason = boot.reason.as_deref().map(|reason| format!("; {}", code(reason))).unwrap_or_default();
    format!("failed on {machine} after {seconds:.0} s; not shown: {}{reason}", list(&boot.unmet))
}

fn next(text: &mut String, report: &UpdateReport) {
    if let Some(published) = report.published.as_ref().filter(|_| report.outcome == UpdateOutcome::Published)
    {
        let command = format!("amiforge promote {} --channel CHANNEL", published.image_id);
        let _ = writeln!(text, "\nNo channel has it yet: {}", code(&command));
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{CopiedImage, FileChanges};
    use super::*;
    use crate::outdated::{HeldBackJson, PackageJson};

    fn package(name: &str, security: Option<&str>) -> PackageJson {
        PackageJson {
            of: "image".into(),
            name: name.into(),
            change: "upgraded".into(),
            from: Some("1".into()),
            to: Some("2".into()),
            source: Some("src".into()),
            security: security.map(str::to_owned),
        }
    }

    fn report() -> UpdateReport {
        UpdateReport {
            outcome: UpdateOutcome::Published,
            image: "web".into(),
            sha256: "aa".into(),
            merkle_root: "bb".into(),
            sha256_before: Some("cc".into()),
            bundle: "out/web".into(),
            lock: None,
            lock_changed: true,
            packages: vec![package("openssl", Some("2")), package("vim", None)],
            held_back: vec![HeldBackJson {
                of: "image".into(),
                name: "curl".into(),
                version: "7".into(),
                security: "8".into(),
                source: "curl".into(),
            }],
            security: 1,
            files: Some(FileChanges { added: 1, removed: 2, changed: 3, attributes: 0 }),
            blocks: 1239,
            blocks_changed: Some(12),
            boot: Some(BootResult {
                passed: true,
                machine: "x86_64 by UEFI from NVMe".into(),
                accelerator: "kvm".into(),
                checks: vec!["`login:` on the console".into()],
                unmet: Vec::new(),
                reason: None,
                seconds: 11.6,
            }),
            published: Some(PublishedVersion {
                image_id: "ami-1".into(),
                name: "web-2".into(),
                region: "local".into(),
                snapshot_id: Some("snap-2".into()),
                parent: Some("snap-1".into()),
                blocks_sent: 14,
                copies: vec![CopiedImage { region: "local-2".into(), image_id: "ami-2".into() }],
            }),
            present: None,
            seconds: 1.0,
        }
    }

    #[test]
    fn the_summary_has_every_fact() {
        let text = markdown(&report());
        for line in [
            "## `web`: a new version is published",
            "| AMI | `ami-1` in `local` |",
            "| copy | `ami-2` in `local-2` |",
            "| delta of | `snap-1` |",
            "| before | `cc` |",
            "| packages | 2 upgraded; 1 with security updates |",
            "| files | 3 changed, 1 added, 2 removed |",
            "| blocks | 14 sent (7.0 MiB), 12 changed of 1239 with data (619.5 MiB) |",
            "| `openssl` | upgraded | `1` | `2` | `src` | `2` |",
            "- `curl` is `7`, and `8` is there",
        ] {
            assert!(text.lines().any(|present| present == line), "{line:?} is not in\n{text}");
        }
        assert!(text.contains("amiforge promote ami-1 --channel"), "{text}");
        assert!(
            text.contains("passed on `x86_64 by UEFI from NVMe` in 12 s: `` `login:` on the console ``"),
            "{text}"
        );
    }
}
