//! Packages and signed archives that the tests make: [`Deb`]s in a [`Suite`], written as a mirror's folder, and a
//! [`server`] of that folder with injected faults.
//!
//! Must not use the program under test: a `.deb` is written byte by byte as deb(5) specifies, and gpg signs.

mod key;
pub mod server;
mod suite;

use std::fmt::Write as _;
use std::io::Write as _;

pub use key::Key;
pub use suite::{Signing, Suite, WrittenArchive};

use crate::archive::{Member, tar};

/// A package to write.
#[derive(Debug, Clone)]
pub struct Deb {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub arch: String,
    /// Further fields of its control file, in order.
    pub fields: Vec<(String, String)>,
    /// Further members of its control archive: scripts with mode 0755, others with 0644.
    pub control: Vec<(String, Vec<u8>)>,
    /// The entries of its data archive.
    pub entries: Vec<Entry>,
    /// How its archives are compressed.
    pub compression: Compression,
}

/// An entry of a package's data archive.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Absolute path.
    pub path: String,
    /// Type flag of tar: `0` file, `1` hard link, `2` symbolic link, `5` folder.
    pub kind: u8,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Target of a link.
    pub link: String,
    /// Content of a file.
    pub bytes: Vec<u8>,
}

/// How the archives in a package are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not compressed.
    None,
    /// gzip.
    Gzip,
    /// xz.
    Xz,
    /// zstd.
    Zstd,
}

impl Deb {
    /// A package for `amd64` whose only file is a changelog, compressed with xz.
    pub fn new(name: &str, version: &str) -> Self {
        let deb = Self {
            name: name.to_owned(),
            version: version.to_owned(),
            arch: "amd64".to_owned(),
            fields: Vec::new(),
            control: Vec::new(),
            entries: Vec::new(),
            compression: Compression::Xz,
        };
        let text = format!("{name} {version}\n");
        deb.file(&format!("/usr/share/doc/{name}/changelog"), text.as_bytes())
    }

    /// The same for another architecture.
    #[must_use]
    pub fn arch(mut self, arch: &str) -> Self {
        arch.clone_into(&mut self.arch);
        self
    }

    /// The same with a field, such as `Depends`; `Priority` is `optional` if not given.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with a member of its control archive: `postinst`, `conffiles`, `triggers` and so on.
    #[must_use]
    pub fn control(mut self, name: &str, text: &str) -> Self {
        self.control.push((name.to_owned(), text.as_bytes().to_vec()));
        self
    }

    /// The same with a file of mode 0644, owned by root.
    #[must_use]
    pub fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.entry(path, b'0', 0o644, "", bytes)
    }

    /// The same with a file of mode 0755, owned by root.
    #[must_use]
    pub fn program(self, path: &str, bytes: &[u8]) -> Self {
        self.entry(path, b'0', 0o755, "", bytes)
    }

    /// The same with a symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(path, b'2', 0o777, target, b"")
    }

    /// The same with any entry.
    #[must_use]
    pub fn entry(mut self, path: &str, kind: u8, mode: u32, link: &str, bytes: &[u8]) -> Self {
        self.entries.push(Entry {
            path: path.to_owned(),
            kind,
            mode,
            owner: (0, 0),
            link: link.to_owned(),
            bytes: bytes.to_vec(),
        });
        self
    }

    /// The same with another compression.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Name of its file, `NAME_VERSION_ARCH.deb`, without the epoch of the version.
    pub fn file_name(&self) -> String {
        let version = self.version.split_once(':').map_or(self.version.as_str(), |(_, rest)| rest);
        format!("{}_{version}_{}.deb", self.name, self.arch)
    }

    /// Text of its control file, with defaults for the fields that dpkg requires.
    pub fn control_file(&self) -> String {
        let mut text =
            format!("Package: {}\nVersion: {}\nArchitecture: {}\n", self.name, self.version, self.arch);
        let given = |name: &str| self.fields.iter().any(|(field, _)| field == name);
        let usual =
            [("Maintainer", "Tests <tests@example.org>"), ("Section", "misc"), ("Priority", "optional")];
        for (name, value) in usual.iter().filter(|(name, _)| !given(name)) {
            let _ = writeln!(text, "{name}: {value}");
        }
        for (name, value) in &self.fields {
            let _ = writeln!(text, "{name}: {value}");
        }
        if !given("Description") {
            let _ = writeln!(text, "Description: package {}\n Made by a test.", self.name);
        }
        text
    }

    /// Bytes of the `.deb` file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut deb = b"!<arch>\n".to_vec();
        let ending = self.compression.suffix();
        member(&mut deb, "debian-binary", b"2.0\n");
        member(&mut deb, &format!("control.tar{ending}"), &self.compression.compress(&self.control_tar()));
        member(&mut deb, &format!("data.tar{ending}"), &self.compression.compress(&self.data_tar()));
        deb
    }

    fn control_tar(&self) -> Vec<u8> {
        let control = self.control_file();
        let mut members = vec![
            Member { name: "./", kind: b'5', mode: 0o755, ..Member::default() },
            Member { name: "./control", bytes: control.as_bytes(), ..Member::default() },
        ];
        let names: Vec<_> = self.control.iter().map(|(name, _)| format!("./{name}")).collect();
        for (name, (bare, bytes)) in names.iter().zip(&self.control) {
            let script = matches!(bare.as_str(), "preinst" | "postinst" | "prerm" | "postrm" | "config");
            let mode = if script { 0o755 } else { 0o644 };
            members.push(Member { name, mode, bytes, ..Member::default() });
        }
        tar(&members)
    }

    /// The data archive, in which the parent folders of each entry precede it.
    fn data_tar(&self) -> Vec<u8> {
        let mut named: Vec<(String, &Entry)> = Vec::new();
        let folder = Entry {
            path: String::new(),
            kind: b'5',
            mode: 0o755,
            owner: (0, 0),
            link: String::new(),
            bytes: Vec::new(),
        };
        named.push(("./".to_owned(), &folder));
        for entry in &self.entries {
            let steps: Vec<_> = entry.path.trim_matches('/').split('/').collect();
            for depth in 1..steps.len() {
                let name = format!("./{}/", steps[..depth].join("/"));
                if !named.iter().any(|(other, _)| *other == name) {
                    named.push((name, &folder));
                }
            }
            let slash = if entry.kind == b'5' { "/" } else { "" };
            named.push((format!("./{}{slash}", steps.join("/")), entry));
        }
        let members: Vec<_> = named
            .iter()
            .map(|(name, entry)| Member {
                name,
                kind: entry.kind,
                mode: entry.mode,
                owner: entry.owner,
                link: &entry.link,
                bytes: &entry.bytes,
                ..Member::default()
            })
            .collect();
        tar(&members)
    }
}

impl Compression {
    /// Suffix of the file name, with the dot.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Xz => ".xz",
            Self::Zstd => ".zst",
        }
    }

    /// Compresses bytes, reproducibly.
    ///
    /// # Panics
    /// When the library fails.
    pub fn compress(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::None => bytes.to_vec(),
            Self::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                writer.write_all(bytes).expect("gzip");
                writer.finish().expect("gzip")
            }
            Self::Xz => {
                let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
                writer.write_all(bytes).expect("xz");
                writer.finish().expect("xz")
            }
            Self::Zstd => zstd::encode_all(bytes, 3).expect("zstd"),
        }
    }
}

/// Appends a member of an ar archive: a header of 60 bytes, the content, and a newline when its length is odd.
fn member(archive: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let header =
        format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 1_600_000_000, 0, 0, 100_644, bytes.len());
    archive.extend_from_slice(header.as_bytes());
    archive.extend_from_slice(bytes);
    if bytes.len() % 2 == 1 {
        archive.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{oracle, scratch};

    #[test]
    fn dpkg_reads_the_packages_made_here() {
        if !oracle::ready(&["dpkg-deb"], false) {
            return;
        }
        let folder = scratch::folder();
        for compression in [Compression::None, Compression::Gzip, Compression::Xz, Compression::Zstd] {
            let deb = Deb::new("hello", "1:2.0-1")
                .field("Depends", "libc6 (>= 2)")
                .control("postinst", "#!/bin/sh\n")
                .symlink("/usr/bin/hi", "hello")
                .program("/usr/bin/hello", b"#!/bin/sh\n")
                .compression(compression);
            let path = folder.path().join(deb.file_name());
            std::fs::write(&path, deb.bytes()).unwrap();
            let path = path.to_string_lossy().into_owned();
            assert_eq!(oracle::must("dpkg-deb", &["-f", &path, "Depends"]), "libc6 (>= 2)\n");
            let listed = oracle::must("dpkg-deb", &["-c", &path]);
            assert!(listed.contains("./usr/bin/hi -> hello"), "{listed}");
            assert!(oracle::must("dpkg-deb", &["-I", &path]).contains("postinst"));
        }
    }
}
