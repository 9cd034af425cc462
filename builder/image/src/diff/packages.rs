//! The packages of base images that differ, by the bills of materials of two bundles. Packages that are unpacked from pinned files
//! are inputs of the manifest, and are compared there.

use std::collections::BTreeMap;

use serde_json::Value;

use super::report::{DiffChange, DiffCollector, DifferenceWeight};
use crate::bundle::CYCLONEDX;
use crate::inspect::{Medium, escape};

/// Longest bill of materials that is read, in bytes.
const BILL_MAX: u64 = 256 << 20;

/// Packages by name and architecture: versions, and whether the package is of a base image.
type PackageList = BTreeMap<(String, String), (String, bool)>;

/// Compares the packages of two bundles. Nothing is said where one of them is no bundle, or has no bill of materials that can be
/// read: the files are compared all the same.
pub(super) fn compare(a: &Medium, b: &Medium, collector: &mut DiffCollector) {
    let (Some(a), Some(b)) = (read(a), read(b)) else { return };
    let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
    for key in keys {
        let (old, new) = (a.get(key), b.get(key));
        let of_base = [old, new].into_iter().flatten().any(|(_, of_base)| *of_base);
        let change = match (old, new) {
            (Some((old, _)), Some((new, _))) if old != new => {
                DiffChange::Value { a: escape(old), b: escape(new) }
            }
            (Some((old, _)), None) => DiffChange::OnlyA(escape(old)),
            (None, Some((new, _))) => DiffChange::OnlyB(escape(new)),
            _ => continue,
        };
        if of_base {
            let location = ["packages of the base image".to_owned(), escape(&format!("{} {}", key.0, key.1))];
            collector.add(DifferenceWeight::Own, &location, "version", change);
        }
    }
}

/// The packages of a bundle.
fn read(medium: &Medium) -> Option<PackageList> {
    use std::io::Read as _;
    let file = amiforge_progress::regular::open(&medium.bundle()?.join(CYCLONEDX)).ok()?;
    let mut text = Vec::new();
    file.take(BILL_MAX).read_to_end(&mut text).ok()?;
    packages(&serde_json::from_slice(&text).ok()?)
}

fn packages(bill: &Value) -> Option<PackageList> {
    let mut list = PackageList::new();
    for component in bill.get("components")?.as_array()? {
        let text = |key: &str| component.get(key).and_then(Value::as_str).map(str::to_owned);
        let properties = component.get("properties").and_then(Value::as_array);
        // Files have no properties.
        let (Some(name), Some(version), Some(properties)) = (text("name"), text("version"), properties)
        else {
            continue;
        };
        let property = |wanted: &str| {
            let is_it = |one: &&Value| {
                let name = one.get("name").and_then(Value::as_str).unwrap_or_default();
                name.rsplit_once(':').is_some_and(|(_, name)| name == wanted)
            };
            properties.iter().find(is_it).and_then(|one| one.get("value")?.as_str())
        };
        let arch = property("architecture").unwrap_or_default().to_owned();
        list.insert((name, arch), (version, property("base-image").is_some()));
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn component(name: &str, version: &str, base: bool) -> Value {
        let mut properties = vec![json!({ "name": "amiforge:rpm:architecture", "value": "x86_64" })];
        if base {
            properties.push(json!({ "name": "amiforge:rpm:base-image", "value": "base.raw" }));
        }
        json!({ "type": "library", "name": name, "version": version, "properties": properties })
    }

    #[test]
    fn packages_of_a_base_image_are_told_from_files_and_from_pinned_packages() {
        let file = json!({ "type": "file", "name": "/etc/passwd" });
        let bill =
            json!({ "components": [component("bash", "5-1", true), component("own", "1-1", false), file] });
        let found = packages(&bill).unwrap();
        let key = |name: &str| (name.to_owned(), "x86_64".to_owned());
        assert_eq!(found.len(), 2);
        assert_eq!(found[&key("bash")], ("5-1".to_owned(), true));
        assert_eq!(found[&key("own")], ("1-1".to_owned(), false));
        assert!(packages(&json!({ "components": 1 })).is_none());
    }
}
