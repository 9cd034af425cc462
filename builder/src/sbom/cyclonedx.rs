//! `CycloneDX` 1.5 in JSON. Packages are libraries that contain their files; files without a package are components
//! beside them.
//!
//! Follows the `CycloneDX` specification 1.5 and its JSON schema.

use serde_json::{Value, json};

use super::inventory::{Component, Inventory, SbomFile};
use super::{Subject, document_id, purl};

/// The property of a package that was in the base image, which the value names: its database lists it, and it was not made from a
/// pinned file.
const BASE_IMAGE: &str = "base-image";

/// The document, indented, with a newline at its end.
pub fn cyclonedx(subject: &Subject<'_>, inventory: &Inventory) -> String {
    let mut of: Vec<Vec<Value>> = vec![Vec::new(); inventory.components.len()];
    let mut loose = Vec::new();
    for file in &inventory.files {
        let list = file.owner.and_then(|owner| of.get_mut(owner)).unwrap_or(&mut loose);
        list.push(file_entry(file));
    }
    let mut components: Vec<Value> = inventory
        .components
        .iter()
        .zip(of)
        .map(|(component, files)| package(subject, component, files))
        .collect();
    components.extend(loose);
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": format!("urn:uuid:{}", document_id(subject, inventory)),
        "version": 1,
        "metadata": {
            "timestamp": subject.created.utc().to_string(),
            "tools": { "components": [
                { "type": "application", "name": "amiforge", "version": subject.tool },
            ] },
            "component": {
                "type": "operating-system",
                "bom-ref": "image",
                "name": subject.name,
                "version": subject.version,
            },
        },
        "components": components,
    });
    format!("{document:#}\n")
}

fn package(subject: &Subject<'_>, component: &Component, files: Vec<Value>) -> Value {
    let purl = purl(subject, component);
    let kind = component.kind.name();
    let property =
        |name: &str, value: &str| json!({ "name": format!("amiforge:{kind}:{name}"), "value": value });
    let mut properties = vec![
        property("architecture", &component.arch),
        property("source", &component.source.0),
        property("source-version", &component.source.1),
    ];
    properties.extend(component.file.iter().map(|(_, path)| property("path", path)));
    properties.extend(subject.base_of(component).map(|base| property(BASE_IMAGE, base)));
    let mut package = json!({
        "type": "library",
        "bom-ref": purl,
        "name": component.name,
        "version": component.version,
        "description": component.summary,
        "purl": purl,
        "properties": properties,
    });
    if let Some((sha256, _)) = &component.file {
        package["hashes"] = json!([{ "alg": "SHA-256", "content": sha256 }]);
    }
    if !component.licences.is_empty() {
        let licences =
            component.licences.iter().map(|licence| json!({ "license": { "name": licence.stated } }));
        package["licenses"] = licences.collect();
    }
    if !files.is_empty() {
        package["components"] = Value::Array(files);
    }
    package
}

fn file_entry(file: &SbomFile) -> Value {
    json!({
        "type": "file",
        "name": format!("/{}", file.path),
        "hashes": [
            { "alg": "SHA-1", "content": file.sha1 },
            { "alg": "SHA-256", "content": file.sha256 },
        ],
    })
}
