//! Archives in a folder: pools, indexes and signed releases in Debian's repository format.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;

use super::{Compression, Deb, Key};

/// A suite of an archive.
#[derive(Debug, Clone)]
pub struct Suite {
    /// Name of its folder in `dists`.
    pub name: String,
    /// `Codename`.
    pub codename: String,
    /// `Date`, in seconds since 1970.
    pub date: i64,
    /// `Valid-Until`, in seconds since 1970.
    pub valid_until: Option<i64>,
    /// Packages by component.
    pub components: Vec<(String, Vec<Deb>)>,
    /// Architectures in the Release, in addition to those of its packages.
    pub architectures: Vec<String>,
    /// Compressed forms of its indexes, in the order of the Release.
    pub indexes: Vec<Compression>,
    /// Whether indexes are also stored under `by-hash`.
    pub by_hash: bool,
}

/// How a release is signed.
#[derive(Debug, Clone, Copy)]
pub enum Signing<'a> {
    /// Inline: `InRelease`.
    Inline(&'a Key),
    /// Detached: `Release` and `Release.gpg`.
    Detached(&'a Key),
    /// Inline and detached.
    Both(&'a Key),
    /// `Release` without a signature.
    Unsigned,
}

/// An archive that was written.
#[derive(Debug, Clone)]
pub struct WrittenArchive {
    /// The folder of the archive, which is the root of a mirror.
    pub folder: PathBuf,
    /// Paths of the packages below it, in the order of the suite.
    pub pool: Vec<String>,
    /// The text of the Release, unsigned.
    pub release: String,
}

impl WrittenArchive {
    /// The `file:` URL of the folder.
    pub fn url(&self) -> String {
        format!("file://{}", self.folder.display())
    }
}

impl Suite {
    /// A suite with one component, `main`, dated 2026-11-01 and without an end of validity.
    pub fn new(name: &str, packages: Vec<Deb>) -> Self {
        Self {
            name: name.to_owned(),
            codename: name.to_owned(),
            date: 1_793_491_200,
            valid_until: None,
            components: vec![("main".to_owned(), packages)],
            architectures: vec!["amd64".to_owned(), "arm64".to_owned()],
            indexes: vec![Compression::None, Compression::Gzip, Compression::Xz],
            by_hash: true,
        }
    }

    /// The same with another date.
    #[must_use]
    pub fn date(mut self, date: i64) -> Self {
        self.date = date;
        self
    }

    /// The same with an end of validity.
    #[must_use]
    pub fn valid_until(mut self, at: i64) -> Self {
        self.valid_until = Some(at);
        self
    }

    /// Writes it into the archive at `folder`, which may have other suites.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Path, signing: Signing<'_>) -> WrittenArchive {
        let dists = folder.join("dists").join(&self.name);
        let (mut pool, mut listed) = (Vec::new(), Vec::new());
        for (component, packages) in &self.components {
            let paths: Vec<_> = packages.iter().map(|deb| write_package(folder, component, deb)).collect();
            for arch in self.architectures() {
                let index = index(packages, &paths, &arch);
                for form in &self.indexes {
                    let name = format!("{component}/binary-{arch}/Packages{}", form.suffix());
                    let bytes = form.compress(index.as_bytes());
                    write_file(&dists.join(&name), &bytes);
                    if self.by_hash {
                        let hash = format!("{component}/binary-{arch}/by-hash/SHA256/{}", Digest::of(&bytes));
                        write_file(&dists.join(hash), &bytes);
                    }
                    listed.push((name, bytes));
                }
                // Every Release lists the uncompressed index, whether the archive stores it or not.
                let name = format!("{component}/binary-{arch}/Packages");
                if !self.indexes.contains(&Compression::None) {
                    listed.push((name, index.into_bytes()));
                }
            }
            pool.extend(paths.into_iter().map(|(path, _)| path));
        }
        let release = self.release(&listed);
        sign(&dists, &release, signing);
        WrittenArchive { folder: folder.to_owned(), pool, release }
    }

    fn architectures(&self) -> BTreeSet<String> {
        let packages = self.components.iter().flat_map(|(_, packages)| packages);
        let own = packages.map(|deb| deb.arch.clone()).filter(|arch| arch != "all");
        own.chain(self.architectures.iter().cloned()).collect()
    }

    fn release(&self, listed: &[(String, Vec<u8>)]) -> String {
        let mut text = format!(
            "Origin: Tests\nLabel: Tests\nSuite: {}\nCodename: {}\nDate: {}\n",
            self.name,
            self.codename,
            release_date(self.date)
        );
        if let Some(until) = self.valid_until {
            let _ = writeln!(text, "Valid-Until: {}", release_date(until));
        }
        let arches: Vec<_> = self.architectures().into_iter().collect();
        let components: Vec<_> = self.components.iter().map(|(name, _)| name.as_str()).collect();
        let by_hash = if self.by_hash { "yes" } else { "no" };
        let _ = write!(
            text,
            "Acquire-By-Hash: {by_hash}\nArchitectures: {}\nComponents: {}\nDescription: made by a test\nSHA256:\n",
            arches.join(" "),
            components.join(" ")
        );
        for (name, bytes) in listed {
            let _ = writeln!(text, " {} {:8} {name}", Digest::of(bytes), bytes.len());
        }
        text
    }
}

/// Writes a package into the pool and returns its path and bytes.
fn write_package(folder: &Path, component: &str, deb: &Deb) -> (String, Vec<u8>) {
    let path = format!("pool/{component}/{}/{}/{}", &deb.name[..1], deb.name, deb.file_name());
    let bytes = deb.bytes();
    write_file(&folder.join(&path), &bytes);
    (path, bytes)
}

/// The text of the `Packages` index for an architecture.
fn index(packages: &[Deb], paths: &[(String, Vec<u8>)], arch: &str) -> String {
    let mut text = String::new();
    for (deb, (path, bytes)) in packages.iter().zip(paths) {
        if deb.arch == arch || deb.arch == "all" {
            let _ = write!(
                text,
                "{}Filename: {path}\nSize: {}\nSHA256: {}\n\n",
                deb.control_file(),
                bytes.len(),
                Digest::of(bytes)
            );
        }
    }
    text
}

fn sign(dists: &Path, release: &str, signing: Signing<'_>) {
    let path = dists.join("Release");
    write_file(&path, release.as_bytes());
    for other in ["InRelease", "Release.gpg"] {
        let _ = fs::remove_file(dists.join(other));
    }
    if let Signing::Inline(key) | Signing::Both(key) = signing {
        write_file(&dists.join("InRelease"), &key.sign(&path));
    }
    if let Signing::Detached(key) | Signing::Both(key) = signing {
        write_file(&dists.join("Release.gpg"), &key.sign_detached(&path));
    }
}

fn write_file(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("folders are made");
    fs::write(path, bytes).expect("a file is written");
}

/// A time in the format of a Release, such as `Sun, 01 Nov 2026 00:00:00 UTC`.
pub(super) fn release_date(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (mut day, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let name = DAYS[day.rem_euclid(7) as usize];
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut year = 1970;
    while day >= 365 + i64::from(leap(year)) {
        day -= 365 + i64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{name}, {:02} {} {year} {hour:02}:{minute:02}:{second:02} UTC", day + 1, MONTHS[month])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{oracle, scratch};

    #[test]
    fn times_are_written_as_date_does() {
        for seconds in [0, 951_782_399, 951_868_800, 1_793_491_200, 4_107_542_399] {
            let args = ["-u", "-d", &format!("@{seconds}"), "+%a, %d %b %Y %H:%M:%S UTC"];
            let text = std::process::Command::new("date").env("LC_ALL", "C").args(args).output().unwrap();
            assert_eq!(release_date(seconds), String::from_utf8(text.stdout).unwrap().trim());
        }
    }

    #[test]
    fn apt_takes_the_archive_and_its_signature() {
        if !oracle::ready(&["apt-get", "gpgv"], false) {
            return;
        }
        let Some(key) = Key::generate("archive") else { return };
        let base = scratch::folder();
        let (archive, root) = (base.path().join("archive"), base.path().join("apt"));
        let suite = Suite::new("stable", vec![Deb::new("hello", "1.0"), Deb::new("doc", "2").arch("all")]);
        let made = suite.write(&archive, Signing::Both(&key));
        for folder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let keyring = key.export(&root.join("key.gpg"));
        fs::write(root.join("status"), b"").unwrap();
        fs::write(
            root.join("sources.list"),
            format!("deb [signed-by={} arch=amd64] {} stable main\n", keyring.display(), made.url()),
        )
        .unwrap();
        let at = |name: &str| root.join(name).display().to_string();
        let options = [
            format!("Dir::State::Lists={}", at("lists")),
            format!("Dir::State::status={}", at("status")),
            format!("Dir::Cache={}", at("cache")),
            format!("Dir::Etc::SourceList={}", at("sources.list")),
            "Dir::Etc::SourceParts=-".to_owned(),
            "Dir::Etc::Parts=-".to_owned(),
            "Dir::Etc::PreferencesParts=-".to_owned(),
            "APT::Architecture=amd64".to_owned(),
            "APT::Sandbox::User=".to_owned(),
        ];
        let options: Vec<String> = options.into_iter().flat_map(|option| ["-o".to_owned(), option]).collect();
        let output = oracle::must("apt-get", &[options.as_slice(), &["update".to_owned()]].concat());
        assert!(!output.contains("Err:") && !output.contains("W:"), "{output}");
        let install = ["--print-uris", "-y", "install", "hello", "doc"].map(str::to_owned);
        let output = oracle::must("apt-get", &[options.as_slice(), &install].concat());
        assert!(output.contains(&made.pool[0]) && output.contains(&made.pool[1]), "{output}");
    }
}
