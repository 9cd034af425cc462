//! `filelists.xml`: the files of every package. Only those are kept that some relation names, for the others would be most of
//! the memory of a lock.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::{BTreeSet, HashMap};
use std::io::BufRead;

use super::error::RepodataError;
use super::xml::{XmlEvent, XmlReader, malformed};

/// Reads the wanted paths of each package, by the package's checksum, in the order of the file.
///
/// # Errors
/// [`RepodataError`].
pub fn read(
    file: &str,
    input: &mut dyn BufRead,
    wanted: &BTreeSet<String>,
) -> Result<HashMap<String, Vec<String>>, RepodataError> {
    let mut reader = XmlReader::new(file, input);
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    let (mut package, mut text) = (None, String::new());
    let mut is_list = false;
    loop {
        match reader.next()? {
            XmlEvent::Start(element) => {
                text.clear();
                match element.name() {
                    b"filelists" => is_list = true,
                    b"package" => package = element.attribute(b"pkgid").map(|id| id.to_ascii_lowercase()),
                    _ => {}
                }
            }
            XmlEvent::Text(more) => text.push_str(&more),
            XmlEvent::End(name) => {
                match (name.as_slice(), &package) {
                    (b"package", _) => package = None,
                    (b"file", Some(id)) if wanted.contains(text.trim()) => {
                        found.entry(id.clone()).or_default().push(text.trim().to_owned());
                    }
                    _ => {}
                }
                text.clear();
            }
            XmlEvent::Eof => break,
        }
    }
    if is_list { Ok(found) } else { Err(malformed(file, "it has no `filelists` element")) }
}
