//! `updateinfo.xml`: which versions of packages are security updates (`createrepo_c`, type `updateinfo`).
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::io::BufRead;

use super::super::evr::Evr;
use super::error::RepodataError;
use super::xml::{XmlEvent, XmlReader, malformed};

/// Most packages with security updates.
const MOST_PACKAGES: usize = 1 << 20;

/// The newest version of each package that is a security update, by name and architecture.
pub type SecurityUpdates = BTreeMap<(String, String), Evr>;

/// Reads the security updates.
///
/// # Errors
/// [`RepodataError`].
pub fn read(file: &str, input: &mut dyn BufRead) -> Result<SecurityUpdates, RepodataError> {
    let mut reader = XmlReader::new(file, input);
    let mut updates = SecurityUpdates::new();
    let (mut security, mut is_updates) = (false, false);
    loop {
        match reader.next()? {
            XmlEvent::Start(element) => match element.name() {
                b"updates" => is_updates = true,
                b"update" => security = element.attribute(b"type").is_some_and(|kind| kind == "security"),
                b"package" if security => {
                    let attribute = |name| element.attribute(name).unwrap_or_default();
                    let evr = Evr {
                        epoch: Some(attribute(b"epoch").parse().unwrap_or(0)),
                        version: attribute(b"version"),
                        release: element.attribute(b"release"),
                    };
                    let newest = updates
                        .entry((attribute(b"name"), attribute(b"arch")))
                        .or_insert_with(|| evr.clone());
                    if newest.compare(&evr).is_lt() {
                        *newest = evr;
                    }
                }
                _ => {}
            },
            XmlEvent::Text(_) | XmlEvent::End(_) => {}
            XmlEvent::Eof => break,
        }
        if updates.len() > MOST_PACKAGES {
            return Err(malformed(file, format!("it has updates of more than {MOST_PACKAGES} packages")));
        }
    }
    if is_updates { Ok(updates) } else { Err(malformed(file, "it has no `updates` element")) }
}
