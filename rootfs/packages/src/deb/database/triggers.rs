//! The packages interested in triggers (`/usr/share/doc/dpkg/spec/triggers.txt` of dpkg): the file `File` for paths, and
//! a file of its own for each name.

use std::collections::BTreeMap;

use crate::deb::unpack::{Interest, UnpackedPackage};

/// The files of the folder `triggers` by name.
pub(super) fn files(packages: &[&UnpackedPackage]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::from([("Unincorp".to_owned(), Vec::new())]);
    for package in packages {
        for trigger in &package.triggers {
            let mark = match trigger.interest {
                Interest::Await => "",
                Interest::NoAwait => "/noawait",
                Interest::Activate => continue,
            };
            let line = format!("{}{mark}\n", package.info_name());
            if trigger.name.starts_with(b"/") {
                let file = files.entry("File".to_owned()).or_default();
                file.extend_from_slice(&trigger.name);
                file.push(b' ');
                file.extend_from_slice(line.as_bytes());
            } else if let Some(name) = name(&trigger.name) {
                files.entry(name).or_default().extend_from_slice(line.as_bytes());
            }
        }
    }
    files
}

/// A trigger's name as a file's name; dpkg allows no other than these (deb-triggers(5)).
fn name(trigger: &[u8]) -> Option<String> {
    let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'/';
    let dots = trigger == b"." || trigger == b".." || trigger.len() > 255;
    (trigger.iter().all(plain) && !dots).then(|| String::from_utf8_lossy(trigger).into_owned())
}
