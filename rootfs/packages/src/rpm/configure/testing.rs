//! Packages made for tests: a header of given tags, and files.

use amiforge_formats::digest::Digest;

use crate::PackageKind;
use crate::locked::{LockReason, LockedPackage};
use crate::rpm::header::RpmHeader;
use crate::rpm::package::{FilePresence, RpmFileEntry, UnpackedRpm};

/// Makes a header.
#[derive(Default)]
pub(crate) struct HeaderDraft {
    entries: Vec<(u32, u32, u32, u32)>,
    data: Vec<u8>,
}

impl HeaderDraft {
    pub(crate) fn text(self, tag: u32, text: &str) -> Self {
        self.typed(tag, 6, &[text])
    }

    pub(crate) fn texts(self, tag: u32, texts: &[&str]) -> Self {
        self.typed(tag, 8, texts)
    }

    fn typed(mut self, tag: u32, kind: u32, texts: &[&str]) -> Self {
        self.entries.push((tag, kind, self.data.len() as u32, texts.len() as u32));
        for text in texts {
            self.data.extend_from_slice(text.as_bytes());
            self.data.push(0);
        }
        self
    }

    pub(crate) fn numbers(mut self, tag: u32, numbers: &[u32]) -> Self {
        self.data.resize(self.data.len().next_multiple_of(4), 0);
        self.entries.push((tag, 4, self.data.len() as u32, numbers.len() as u32));
        self.data.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        self
    }

    pub(crate) fn header(self) -> RpmHeader {
        let mut blob = Vec::new();
        blob.extend((self.entries.len() as u32).to_be_bytes());
        blob.extend((self.data.len() as u32).to_be_bytes());
        for (tag, kind, offset, count) in &self.entries {
            blob.extend([*tag, *kind, *offset, *count].iter().flat_map(|number| number.to_be_bytes()));
        }
        blob.extend(self.data);
        RpmHeader::from_blob(&blob).unwrap()
    }

    /// The package of this name with version 1-1.
    pub(crate) fn package(self, name: &str, files: &[&str]) -> UnpackedRpm {
        let header = self.text(1000, name).text(1001, "1").text(1002, "1").header();
        UnpackedRpm {
            locked: locked(name),
            signatures: HeaderDraft::default().text(269, "").header(),
            header,
            files: files.iter().map(|path| file(path, "root")).collect(),
        }
    }
}

pub(crate) fn file(path: &str, user: &str) -> RpmFileEntry {
    RpmFileEntry {
        path: path.as_bytes().to_vec(),
        mode: 0o100_644,
        size: 0,
        mtime: 0,
        flags: 0,
        digest: String::new(),
        target: Vec::new(),
        user: user.to_owned(),
        group: "root".to_owned(),
        capabilities: String::new(),
        rdev: 0,
        inode: (0, 0),
        presence: FilePresence::Installed,
    }
}

fn locked(name: &str) -> LockedPackage {
    LockedPackage {
        kind: PackageKind::ALL[0],
        name: name.to_owned(),
        version: "1-1".to_owned(),
        arch: "noarch".to_owned(),
        sha256: Digest([0; 32]),
        size: 0,
        path: String::new(),
        archive: String::new(),
        header: None,
        reason: LockReason::Named,
    }
}
