//! Small repositories from lines: `name version-release arch; Requires: a >= 1, (b or c); Provides: d = 2`. The same lines become
//! packages for us and a `primary.xml` for dnf.

use std::fmt::Write;
use std::path::Path;

use amiforge_packages::rpm::available::{AvailablePackage, RpmRequirement, StatedChecksum};
use amiforge_packages::rpm::evr::Evr;
use amiforge_packages::rpm::relation::{RpmCapability, RpmDependency, VersionComparison};
use sha2::Digest;

/// The packages of lines, in the repository of that index.
pub(crate) fn packages(lines: &str, repository: usize) -> Vec<AvailablePackage> {
    lines.lines().filter(|line| !line.trim().is_empty()).map(|line| package(line, repository)).collect()
}

fn package(line: &str, repository: usize) -> AvailablePackage {
    let mut fields = line.split(';').map(str::trim);
    let head: Vec<&str> = fields.next().unwrap().split(' ').collect();
    let [name, version, arch] = head.as_slice() else { panic!("not `name version arch`: {line}") };
    let (mut evr, mut lists) = (Evr::parse(version), Vec::new());
    evr.epoch = evr.epoch.or(Some(0));
    for field in fields {
        let (key, items) = field.split_once(": ").unwrap();
        lists.push((key, items.split(", ").map(str::trim).collect::<Vec<_>>()));
    }
    let items = |key: &str| {
        let found = lists.iter().filter(|(known, _)| *known == key);
        found.flat_map(|(_, items)| items.clone()).collect::<Vec<_>>()
    };
    let plain = |key: &str| {
        items(key).into_iter().map(|item| RpmCapability::parse(item).unwrap()).collect::<Vec<_>>()
    };
    let any = |key: &str| {
        items(key).into_iter().map(|item| RpmDependency::parse(item).unwrap()).collect::<Vec<_>>()
    };
    let itself =
        RpmCapability { name: (*name).to_owned(), versions: Some((VersionComparison::Equal, evr.clone())) };
    let needs = |dependency| RpmRequirement { dependency, before_scripts: false };
    AvailablePackage {
        name: (*name).to_owned(),
        evr,
        arch: (*arch).to_owned(),
        repository,
        checksum: StatedChecksum { algorithm: "sha256".to_owned(), hex: digest(line) },
        size: 1,
        path: format!("{name}-{version}.{arch}.rpm"),
        base: None,
        header_range: None,
        source: String::new(),
        provides: std::iter::once(itself).chain(plain("Provides")).collect(),
        requires: any("Requires").into_iter().map(needs).collect(),
        conflicts: any("Conflicts"),
        obsoletes: plain("Obsoletes"),
        recommends: any("Recommends"),
        suggests: any("Suggests"),
        supplements: any("Supplements"),
        enhances: any("Enhances"),
        files: items("Files").into_iter().map(str::to_owned).collect(),
    }
}

fn digest(text: &str) -> String {
    let mut hex = String::new();
    for byte in sha2::Sha256::digest(text.as_bytes()) {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

/// Writes the metadata of packages into a folder.
pub(crate) fn write(packages: &[AvailablePackage], folder: &Path) {
    let mut primary = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata xmlns=\"http://linux.duke.edu/metadata/common\" \
         xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"{}\">\n",
        packages.len()
    );
    for package in packages {
        write_package(&mut primary, package);
    }
    primary.push_str("</metadata>\n");
    let checksum = digest(&primary);
    let repomd = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\
         <revision>1</revision><data type=\"primary\"><checksum type=\"sha256\">{checksum}</checksum>\
         <open-checksum type=\"sha256\">{checksum}</open-checksum><location href=\"repodata/primary.xml\"/>\
         <timestamp>1</timestamp><size>{0}</size><open-size>{0}</open-size></data></repomd>\n",
        primary.len()
    );
    std::fs::create_dir_all(folder.join("repodata")).unwrap();
    std::fs::write(folder.join("repodata/primary.xml"), primary).unwrap();
    std::fs::write(folder.join("repodata/repomd.xml"), repomd).unwrap();
}

fn write_package(text: &mut String, package: &AvailablePackage) {
    let AvailablePackage { name, evr, arch, path, .. } = package;
    let (epoch, version) = (evr.epoch.unwrap_or(0), &evr.version);
    let release = evr.release.as_deref().unwrap_or_default();
    write!(
        text,
        "<package type=\"rpm\"><name>{name}</name><arch>{arch}</arch><version epoch=\"{epoch}\" ver=\"{version}\" \
         rel=\"{release}\"/><checksum type=\"sha256\" pkgid=\"YES\">{}</checksum><summary>x</summary>\
         <description>x</description><packager/><url/><time file=\"1\" build=\"1\"/><size package=\"1\" \
         installed=\"1\" archive=\"1\"/><location href=\"{path}\"/><format><rpm:license>x</rpm:license>",
        package.checksum.hex
    )
    .unwrap();
    let of = |all: &[RpmCapability]| all.iter().cloned().map(RpmDependency::Capability).collect::<Vec<_>>();
    let requires: Vec<_> = package.requires.iter().map(|needed| needed.dependency.clone()).collect();
    for (list, entries) in [
        ("provides", &of(&package.provides)),
        ("requires", &requires),
        ("conflicts", &package.conflicts),
        ("obsoletes", &of(&package.obsoletes)),
        ("recommends", &package.recommends),
        ("suggests", &package.suggests),
        ("supplements", &package.supplements),
        ("enhances", &package.enhances),
    ] {
        if !entries.is_empty() {
            writeln!(text, "<rpm:{list}>").unwrap();
            for entry in entries {
                write_entry(text, entry);
            }
            writeln!(text, "</rpm:{list}>").unwrap();
        }
    }
    for file in &package.files {
        writeln!(text, "<file>{file}</file>").unwrap();
    }
    text.push_str("</format></package>\n");
}

fn write_entry(text: &mut String, entry: &RpmDependency) {
    let RpmDependency::Capability(RpmCapability { name, versions }) = entry else {
        let relation = entry.to_string().replace('<', "&lt;").replace('>', "&gt;");
        return writeln!(text, "<rpm:entry name=\"{relation}\"/>").unwrap();
    };
    write!(text, "<rpm:entry name=\"{name}\"").unwrap();
    if let Some((comparison, evr)) = versions {
        let flags = match comparison {
            VersionComparison::Less => "LT",
            VersionComparison::LessOrEqual => "LE",
            VersionComparison::Equal => "EQ",
            VersionComparison::GreaterOrEqual => "GE",
            VersionComparison::Greater => "GT",
        };
        write!(text, " flags=\"{flags}\" epoch=\"{}\" ver=\"{}\"", evr.epoch.unwrap_or(0), evr.version)
            .unwrap();
        evr.release.iter().for_each(|release| write!(text, " rel=\"{release}\"").unwrap());
    }
    text.push_str("/>\n");
}
