//! The text of a lock: TOML with a fixed layout, so that the change of an input is a change of a few lines.

use std::fmt::Write as _;

use amiforge_formats::digest::Digest;
use amiforge_packages::PackageKind;
use amiforge_packages::locked::{LockReason, LockedArchive, LockedPackage, PackageId};
use serde::Deserialize;

use super::model::{Lock, LockedSnapshot, LockedSource, LockedStage};
use crate::recipe::parse;

/// The version of the format.
const VERSION: u32 = 1;

const HEAD: &str = "# Made by `amiforge lock`, which keeps it up to date; not to be edited. It pins every input of the \
                    recipe beside it.\n";

/// The version alone: only a known version is parsed further.
#[derive(Debug, Deserialize)]
struct LockVersion {
    version: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockText {
    version: u32,
    inputs: String,
    #[serde(default)]
    archive: Vec<ArchiveText>,
    #[serde(default)]
    package: Vec<PackageText>,
    #[serde(default)]
    removed: Vec<RemovedText>,
    #[serde(default)]
    snapshot: Vec<SnapshotText>,
    #[serde(default)]
    stage: Vec<StageText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemovedText {
    name: String,
    version: String,
    arch: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SnapshotText {
    name: String,
    #[serde(rename = "chosen-by")]
    chosen_by: Option<String>,
    ami: Option<String>,
    snapshot: String,
    region: String,
    sha256: String,
    size: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchiveText {
    name: String,
    suite: String,
    date: toml::value::Datetime,
    release: String,
    signer: Option<String>,
    base: Option<String>,
    #[serde(default, rename = "packages-signed-by")]
    package_signers: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackageText {
    kind: Option<String>,
    name: String,
    version: String,
    arch: String,
    sha256: String,
    size: u64,
    path: String,
    archive: String,
    header: Option<String>,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageText {
    name: String,
    #[serde(default)]
    source: Vec<SourceText>,
    #[serde(default)]
    package: Vec<PackageText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceText {
    name: String,
    sha256: String,
    size: u64,
}

/// Parses a lock; an error is a sentence.
pub(super) fn parse(bytes: &[u8]) -> Result<Lock, String> {
    let text =
        std::str::from_utf8(bytes).map_err(|error| format!("byte {} is not UTF-8", error.valid_up_to()))?;
    let version: LockVersion = toml::from_str(text).map_err(|error| parser_error(text, &error))?;
    if let Some(other) = version.version.filter(|&version| version != VERSION) {
        return Err(format!("it has version {other}, and this program knows version {VERSION}"));
    }
    let lock: LockText = toml::from_str(text).map_err(|error| parser_error(text, &error))?;
    debug_assert_eq!(lock.version, VERSION);
    Ok(Lock {
        inputs: digest(&lock.inputs)?,
        archives: lock.archive.into_iter().map(archive).collect::<Result<_, _>>()?,
        image: lock.package.into_iter().map(package).collect::<Result<_, _>>()?,
        removed: lock.removed.into_iter().map(removed).collect(),
        snapshots: lock.snapshot.into_iter().map(snapshot).collect::<Result<_, _>>()?,
        stages: lock.stage.into_iter().map(stage).collect::<Result<_, _>>()?,
    })
}

/// Writes a lock.
pub(super) fn write(lock: &Lock) -> String {
    let mut text = format!("{HEAD}version = {VERSION}\ninputs = \"{}\"\n", lock.inputs);
    for archive in &lock.archives {
        text.push_str("\n[[archive]]\n");
        write_field(&mut text, "name", &archive.name);
        write_field(&mut text, "suite", &archive.suite);
        let _ = writeln!(text, "date = {}", moment(archive.date));
        write_field(&mut text, "release", &archive.release.to_string());
        if let Some(signer) = &archive.signer {
            write_field(&mut text, "signer", signer);
        }
        if let Some(base) = &archive.base {
            write_field(&mut text, "base", base);
        }
        if !archive.package_signers.is_empty() {
            let signers: Vec<_> = archive.package_signers.iter().cloned().map(toml::Value::String).collect();
            let _ = writeln!(text, "packages-signed-by = {}", toml::Value::Array(signers));
        }
    }
    packages("package", &lock.image, &mut text);
    for one in &lock.removed {
        text.push_str("\n[[removed]]\n");
        write_field(&mut text, "name", &one.name);
        write_field(&mut text, "version", &one.version);
        write_field(&mut text, "arch", &one.arch);
    }
    for snapshot in &lock.snapshots {
        text.push_str("\n[[snapshot]]\n");
        write_field(&mut text, "name", &snapshot.label);
        if let Some(chosen_by) = &snapshot.chosen_by {
            write_field(&mut text, "chosen-by", chosen_by);
        }
        if let Some(image) = &snapshot.image {
            write_field(&mut text, "ami", image);
        }
        write_field(&mut text, "snapshot", &snapshot.snapshot);
        write_field(&mut text, "region", &snapshot.region);
        write_field(&mut text, "sha256", &snapshot.sha256.to_string());
        let _ = writeln!(text, "size = {}", snapshot.size);
    }
    for stage in &lock.stages {
        text.push_str("\n[[stage]]\n");
        write_field(&mut text, "name", &stage.name);
        for source in &stage.sources {
            text.push_str("\n[[stage.source]]\n");
            write_field(&mut text, "name", &source.label);
            write_field(&mut text, "sha256", &source.sha256.to_string());
            let _ = writeln!(text, "size = {}", source.size);
        }
        packages("stage.package", &stage.packages, &mut text);
    }
    text
}

fn packages(table: &str, all: &[LockedPackage], text: &mut String) {
    for package in all {
        let _ = writeln!(text, "\n[[{table}]]");
        if package.kind != PackageKind::default() {
            write_field(text, "kind", package.kind.name());
        }
        write_field(text, "name", &package.name);
        write_field(text, "version", &package.version);
        write_field(text, "arch", &package.arch);
        write_field(text, "sha256", &package.sha256.to_string());
        let _ = writeln!(text, "size = {}", package.size);
        write_field(text, "path", &package.path);
        write_field(text, "archive", &package.archive);
        if let Some(header) = package.header {
            write_field(text, "header", &header.to_string());
        }
        write_field(text, "reason", reason_name(package.reason));
    }
}

fn write_field(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key} = {}", toml::Value::String(value.to_owned()));
}

/// A time in TOML's format.
fn moment(seconds: i64) -> String {
    let (day, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = parse::date_of_day(day);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

fn reason_name(reason: LockReason) -> &'static str {
    match reason {
        LockReason::Named => "named",
        LockReason::Base => "base",
        LockReason::Dependency => "dependency",
    }
}

fn archive(text: ArchiveText) -> Result<LockedArchive, String> {
    Ok(LockedArchive {
        date: parse::moment(text.date)?,
        release: digest(&text.release)?,
        name: text.name,
        suite: text.suite,
        signer: text.signer,
        base: text.base,
        package_signers: text.package_signers,
    })
}

fn package(text: PackageText) -> Result<LockedPackage, String> {
    let reason = [LockReason::Named, LockReason::Base, LockReason::Dependency];
    let reason = reason.into_iter().find(|&reason| reason_name(reason) == text.reason);
    let plain = |name: &str| !name.is_empty() && !matches!(name, "." | "..") && !name.contains('\0');
    if !text.path.split('/').all(plain) {
        return Err(format!("`{}` is not a path below an archive", text.path));
    }
    let kind = text.kind.as_deref().map_or(Ok(PackageKind::default()), |name| {
        PackageKind::from_name(name).ok_or_else(|| format!("`{name}` is no kind of package"))
    })?;
    Ok(LockedPackage {
        kind,
        reason: reason.ok_or_else(|| format!("`{}` is no reason", text.reason))?,
        sha256: digest(&text.sha256)?,
        name: text.name,
        version: text.version,
        arch: text.arch,
        size: text.size,
        path: text.path,
        archive: text.archive,
        header: text.header.as_deref().map(digest).transpose()?,
    })
}

fn removed(RemovedText { name, version, arch }: RemovedText) -> PackageId {
    PackageId { name, version, arch }
}

fn snapshot(text: SnapshotText) -> Result<LockedSnapshot, String> {
    Ok(LockedSnapshot {
        sha256: digest(&text.sha256)?,
        label: text.name,
        image: text.ami,
        chosen_by: text.chosen_by,
        snapshot: text.snapshot,
        region: text.region,
        size: text.size,
    })
}

fn stage(text: StageText) -> Result<LockedStage, String> {
    let source = |text: SourceText| {
        digest(&text.sha256).map(|sha256| LockedSource { label: text.name, sha256, size: text.size })
    };
    Ok(LockedStage {
        name: text.name,
        sources: text.source.into_iter().map(source).collect::<Result<_, _>>()?,
        packages: text.package.into_iter().map(package).collect::<Result<_, _>>()?,
    })
}

fn digest(text: &str) -> Result<Digest, String> {
    text.parse().map_err(|_| format!("`{text}` is not a digest of 64 hexadecimal digits"))
}

/// The message of the parser, with the line.
fn parser_error(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start);
    let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
    format!("line {line}: {}", error.message().trim().replace('\n', ", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let package = |name: &str, reason| LockedPackage {
            kind: PackageKind::Deb,
            name: name.into(),
            version: "1:2.0~rc1+b1-1".into(),
            arch: "amd64".into(),
            sha256: Digest::of(name.as_bytes()),
            size: 123,
            path: format!("pool/main/{name}.deb"),
            archive: "debian".into(),
            header: None,
            reason,
        };
        Lock {
            inputs: Digest::of(b"inputs"),
            archives: vec![LockedArchive {
                name: "debian".into(),
                suite: "bookworm".into(),
                date: 1_793_491_201,
                release: Digest::of(b"release"),
                signer: Some("ABCD".into()),
                base: None,
                package_signers: Vec::new(),
            }],
            image: vec![package("a2", LockReason::Base), package("b\"\\ü", LockReason::Named)],
            removed: vec![PackageId { name: "old".into(), version: "1-1".into(), arch: "noarch".into() }],
            snapshots: vec![LockedSnapshot {
                label: "source 1 (al2023-*)".into(),
                image: Some("ami-1".into()),
                chosen_by: Some("al2023-* of amazon, x86_64".into()),
                snapshot: "snap-1".into(),
                region: "eu-west-1".into(),
                sha256: Digest::of(b"blocks"),
                size: 99,
            }],
            stages: vec![LockedStage {
                name: "httpd".into(),
                packages: vec![package("gcc", LockReason::Dependency)],
                sources: vec![LockedSource { label: "x.tar".into(), sha256: Digest::of(b"x"), size: 1 }],
            }],
        }
    }

    #[test]
    fn a_written_lock_is_read_back() {
        let lock = lock();
        let text = write(&lock);
        assert!(text.contains("date = 2026-11-01T00:00:01Z\n"), "{text}");
        assert_eq!(parse(text.as_bytes()).unwrap(), lock);
        // Earlier versions wrote neither.
        let without: String = text
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("ami") && !line.starts_with("chosen"))
            .collect();
        let pinned = &parse(without.as_bytes()).unwrap().snapshots[0];
        assert_eq!((&pinned.image, &pinned.chosen_by), (&None, &None));
    }

    #[test]
    fn an_invalid_lock_is_refused_with_its_line() {
        let good = write(&lock());
        let error = |text: &str| parse(text.as_bytes()).unwrap_err();
        assert!(error("version = 2\nfoo = 1").contains("version 2"));
        assert!(error(&good.replace("size = 123", "size = -1")).contains("line "));
        assert!(error(&good.replace("\"base\"", "\"basis\"")).contains("`basis` is no reason"));
        assert!(error(&good.replace("pool/main/a2.deb", "pool/../../a2.deb")).contains("not a path"));
        assert!(error(&good[..good.len() - 40]).contains("line "));
        assert!(parse(b"\xff").unwrap_err().contains("UTF-8"));
    }
}
