//! `repomd.xml`: which files the metadata of a repository has (`createrepo_c`, `repomd.xml`).
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::super::available::StatedChecksum;
use super::error::RepodataError;
use super::xml::{RepodataElement, XmlEvent, XmlReader, malformed};

/// Most files that are listed.
const MOST_FILES: usize = 1000;

/// A list of metadata files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repomd {
    /// The time of the metadata in seconds since 1970: its revision, where that is a time, else the newest one of its files.
    pub date: i64,
    /// The files.
    pub files: Vec<ListedData>,
}

/// A file of the metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListedData {
    /// The type of its data, such as `primary`.
    pub kind: String,
    /// Where it is, relative to the repository.
    pub path: String,
    /// Checksum of the file.
    pub checksum: Option<StatedChecksum>,
    /// Checksum of what is in it.
    pub open_checksum: Option<StatedChecksum>,
    /// Its length in bytes.
    pub size: Option<u64>,
    /// The length of what is in it.
    pub open_size: Option<u64>,
    /// Its time in seconds since 1970.
    pub timestamp: Option<i64>,
}

impl Repomd {
    /// Reads the file.
    ///
    /// # Errors
    /// [`RepodataError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RepodataError> {
        let mut reader = XmlReader::new("repomd.xml", bytes);
        let mut draft = RepomdDraft::default();
        let mut text = String::new();
        loop {
            match reader.next()? {
                XmlEvent::Start(element) => {
                    text.clear();
                    draft.start(&element);
                }
                XmlEvent::Text(more) => text.push_str(&more),
                XmlEvent::End(name) => {
                    draft.end(&name, text.trim());
                    text.clear();
                    if draft.files.len() > MOST_FILES {
                        let reason = format!("it lists more than {MOST_FILES} files");
                        return Err(malformed("repomd.xml", reason));
                    }
                }
                XmlEvent::Eof => break,
            }
        }
        let RepomdDraft { files, revision, is_repomd, .. } = draft;
        if !is_repomd {
            return Err(malformed("repomd.xml", "it has no `repomd` element"));
        }
        check_paths(&files)?;
        let newest = files.iter().filter_map(|file| file.timestamp).max().unwrap_or(0);
        // Some repositories have a version here instead of a time.
        let date = revision.filter(|seconds| (EARLIEST..LATEST).contains(seconds)).unwrap_or(newest);
        Ok(Self { date, files })
    }

    /// The file of a type.
    ///
    /// # Errors
    /// [`RepodataError::NotListed`].
    pub fn file(&self, kind: &str) -> Result<&ListedData, RepodataError> {
        self.find(kind).ok_or_else(|| RepodataError::NotListed {
            kind: kind.to_owned(),
            listed: self.files.iter().map(|file| file.kind.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    /// The file of a type, if it is listed.
    pub fn find(&self, kind: &str) -> Option<&ListedData> {
        self.files.iter().find(|file| file.kind == kind)
    }
}

/// A list that is being read.
#[derive(Debug, Default)]
struct RepomdDraft {
    files: Vec<ListedData>,
    open: Option<ListedData>,
    revision: Option<i64>,
    algorithm: String,
    is_repomd: bool,
}

impl RepomdDraft {
    fn start(&mut self, element: &RepodataElement<'_>) {
        match (element.name(), &mut self.open) {
            (b"repomd", _) => self.is_repomd = true,
            (b"data", _) => {
                let kind = element.attribute(b"type").unwrap_or_default();
                self.open = Some(ListedData { kind, ..ListedData::default() });
            }
            (b"checksum" | b"open-checksum", _) => {
                self.algorithm = element.attribute(b"type").unwrap_or_default();
            }
            (b"location", Some(data)) => data.path = element.attribute(b"href").unwrap_or_default(),
            _ => {}
        }
    }

    fn end(&mut self, name: &[u8], value: &str) {
        let checksum =
            || StatedChecksum { algorithm: self.algorithm.clone(), hex: value.to_ascii_lowercase() };
        match (name, &mut self.open) {
            (b"revision", None) => self.revision = value.parse::<i64>().ok(),
            (b"checksum", Some(data)) => data.checksum = Some(checksum()),
            (b"open-checksum", Some(data)) => data.open_checksum = Some(checksum()),
            (b"size", Some(data)) => data.size = value.parse().ok(),
            (b"open-size", Some(data)) => data.open_size = value.parse().ok(),
            (b"timestamp", Some(data)) => data.timestamp = timestamp(value),
            (b"data", _) => self.files.extend(self.open.take()),
            _ => {}
        }
    }
}

/// 1990, before there were packages.
const EARLIEST: i64 = 631_152_000;
/// The year 2200.
const LATEST: i64 = 7_258_118_400;

/// Some tools write seconds with a fraction.
fn timestamp(text: &str) -> Option<i64> {
    text.split('.').next()?.parse().ok().filter(|seconds| (EARLIEST..LATEST).contains(seconds))
}

/// Metadata lies in the repository, and not elsewhere.
fn check_paths(files: &[ListedData]) -> Result<(), RepodataError> {
    let plain = |name: &str| !name.is_empty() && !matches!(name, "." | "..");
    match files.iter().find(|file| !file.path.split('/').all(plain) || file.path.contains(['?', '#', '\0'])) {
        None => Ok(()),
        Some(file) => Err(RepodataError::Malformed {
            file: "repomd.xml".to_owned(),
            reason: format!("`{}` is not a path below the repository", file.path),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "<repomd xmlns=\"x\"><revision>1644263915</revision><data type=\"primary\">\
        <checksum type=\"sha256\">AB</checksum><open-checksum type=\"sha256\">cd</open-checksum>\
        <location href=\"repodata/p.xml.gz\"/><timestamp>1644263916.5</timestamp><size>10</size><open-size>20</open-size>\
        </data></repomd>";

    #[test]
    fn the_files_are_listed() {
        let repomd = Repomd::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(repomd.date, 1_644_263_915);
        let primary = repomd.file("primary").unwrap();
        assert_eq!(
            (primary.path.as_str(), primary.size, primary.open_size),
            ("repodata/p.xml.gz", Some(10), Some(20))
        );
        assert_eq!(primary.checksum.as_ref().unwrap().hex, "ab");
        assert!(repomd.file("group").unwrap_err().to_string().contains("lists primary"));
        let other = TEXT.replace("1644263915<", "2023.1<");
        assert_eq!(Repomd::parse(other.as_bytes()).unwrap().date, 1_644_263_916);
    }

    #[test]
    fn paths_do_not_lead_out_of_the_repository() {
        for wrong in ["../x", "/x", "a//b", "http://x/y", ""] {
            let text = TEXT.replace("repodata/p.xml.gz", wrong);
            assert!(Repomd::parse(text.as_bytes()).is_err(), "{wrong}");
        }
        assert!(Repomd::parse(b"<html></html>").is_err());
    }
}
