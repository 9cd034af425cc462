//! SPDX 2.3 in JSON. Packages contain their files; the image contains the packages and the files without a package.
//!
//! Follows the SPDX specification 2.3, and its JSON schema for the names of fields.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_formats::digest::hex;
use serde_json::{Value, json};
use sha1::Digest;

use super::inventory::{Component, Inventory, SbomFile};
use super::{Subject, document_id, purl};

/// The document, indented, with a newline at its end.
pub fn spdx(subject: &Subject<'_>, inventory: &Inventory) -> String {
    let mut of: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (at, file) in inventory.files.iter().enumerate() {
        of.entry(file.owner).or_default().push(at);
    }
    let files_of = |owner: Option<usize>| -> Vec<&SbomFile> {
        of.get(&owner).into_iter().flatten().filter_map(|at| inventory.files.get(*at)).collect()
    };
    let mut packages = vec![image(subject, &files_of(None))];
    for (at, component) in inventory.components.iter().enumerate() {
        packages.push(package(subject, component, &package_id(at), &files_of(Some(at))));
    }
    let files: Vec<Value> =
        inventory.files.iter().enumerate().map(|(at, file)| file_entry(at, file)).collect();
    let document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("{}-{}", subject.name, subject.version),
        "documentNamespace": format!("https://spdx.org/spdxdocs/amiforge-{}", document_id(subject, inventory)),
        "creationInfo": {
            "created": subject.created.utc().to_string(),
            "creators": [format!("Tool: amiforge-{}", subject.tool)],
        },
        "packages": packages,
        "files": files,
        "relationships": relationships(inventory),
        "hasExtractedLicensingInfos": extracted(inventory),
    });
    format!("{document:#}\n")
}

fn package_id(at: usize) -> String {
    format!("SPDXRef-Package-{at}")
}

fn file_id(at: usize) -> String {
    format!("SPDXRef-File-{at}")
}

const IMAGE: &str = "SPDXRef-Image";

/// SHA-1 over the sorted SHA-1 sums of the files (specification, 7.9).
fn verification(files: &[&SbomFile]) -> String {
    let mut sums: Vec<&str> = files.iter().map(|file| file.sha1.as_str()).collect();
    sums.sort_unstable();
    hex(&sha1::Sha1::digest(sums.concat().as_bytes()))
}

/// States whether the files of a package are listed.
fn analyzed(mut package: Value, files: &[&SbomFile]) -> Value {
    package["filesAnalyzed"] = json!(!files.is_empty());
    if !files.is_empty() {
        package["packageVerificationCode"] = json!({ "packageVerificationCodeValue": verification(files) });
    }
    package
}

fn image(subject: &Subject<'_>, files: &[&SbomFile]) -> Value {
    let package = json!({
        "SPDXID": IMAGE,
        "name": subject.name,
        "versionInfo": subject.version,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
        "downloadLocation": "NOASSERTION",
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    });
    analyzed(package, files)
}

fn package(subject: &Subject<'_>, component: &Component, id: &str, files: &[&SbomFile]) -> Value {
    let declared: BTreeSet<&str> =
        component.licences.iter().map(|licence| licence.expression.as_str()).collect();
    let declared: Vec<&str> = declared.into_iter().collect();
    let mut package = json!({
        "SPDXID": id,
        "name": component.name,
        "versionInfo": component.version,
        "downloadLocation": "NOASSERTION",
        "sourceInfo": format!("built from source package {} {}", component.source.0, component.source.1),
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": if declared.is_empty() { "NOASSERTION".to_owned() } else { declared.join(" AND ") },
        "copyrightText": "NOASSERTION",
        "summary": component.summary,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": purl(subject, component),
        }],
    });
    if let Some((sha256, path)) = &component.file {
        package["packageFileName"] = json!(path);
        package["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": sha256 }]);
    }
    if let Some(base) = subject.base_of(component) {
        package["comment"] = json!(format!(
            "Listed in the package database of the base image {base}; not made from a pinned file."
        ));
    }
    if let Some(homepage) = component.homepage.as_deref().filter(|page| page.starts_with("http")) {
        package["homepage"] = json!(homepage);
    }
    analyzed(package, files)
}

fn file_entry(at: usize, file: &SbomFile) -> Value {
    json!({
        "SPDXID": file_id(at),
        "fileName": format!("./{}", file.path),
        "checksums": [
            { "algorithm": "SHA1", "checksumValue": file.sha1 },
            { "algorithm": "SHA256", "checksumValue": file.sha256 },
        ],
        "licenseConcluded": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    })
}

fn relationships(inventory: &Inventory) -> Vec<Value> {
    let one = |from: &str, kind: &str, to: &str| json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to });
    let mut all = vec![one("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE)];
    // The image depends on its packages and contains the files without a package.
    all.extend((0..inventory.components.len()).map(|at| one(&package_id(at), "PACKAGE_OF", IMAGE)));
    all.extend(inventory.files.iter().enumerate().map(|(at, file)| {
        let owner = file.owner.map_or_else(|| IMAGE.to_owned(), package_id);
        one(&owner, "CONTAINS", &file_id(at))
    }));
    all
}

/// The licences without an SPDX identifier, with their names in the packages.
fn extracted(inventory: &Inventory) -> Vec<Value> {
    let mut all: BTreeMap<&str, &str> = BTreeMap::new();
    for licence in inventory.components.iter().flat_map(|component| &component.licences) {
        for reference in licence.references() {
            all.entry(reference).or_insert(&licence.stated);
        }
    }
    all.into_iter()
        .map(|(reference, stated)| {
            json!({
                "licenseId": reference,
                "name": stated,
                "extractedText": format!("See /usr/share/doc/*/copyright of the packages that state `{stated}`."),
            })
        })
        .collect()
}
