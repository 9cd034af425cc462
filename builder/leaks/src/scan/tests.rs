//! Whole images: an ext4 file system in a file, scanned as a user's would be.

use std::os::unix::fs::FileExt as _;

use amiforge_formats::digest::StatedDigest;
use amiforge_formats::ext4::write::JournalSize;
use amiforge_formats::path::{self, Last};
use amiforge_formats::plan::{NoSources, SourceId};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{ChangeGroups, Meta, Node};
use amiforge_formats::volume::{VolumeDraft, VolumeIds, VolumeOptions};
use md5::{Digest as _, Md5};

use std::path::PathBuf;

use super::*;
use crate::finding::{FindingScope, LeakSeverity};
use crate::options::PublishedBy;
use crate::publication::PublishedFile;
use crate::rule::RuleFilter;
use amiforge_formats::plan::Sources;

/// A token that was never issued.
const TOKEN: &str = "ghp_aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3bC5";

/// A key of Ed25519 in PKCS#8 (RFC 8410, 10.3), which is not in use.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

/// Length of the images, in bytes.
const LEN: u64 = 64 << 20;

/// An image with these files.
struct Image {
    folder: tempfile::TempDir,
}

impl Image {
    fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        for (path, bytes) in files {
            let target =
                path::resolve_with_parents(&mut tree, path.as_bytes(), Last::Keep, Time::EPOCH).unwrap();
            let kind = NodeKind::File(Content::Inline(bytes.as_slice().into()));
            let node = Node { meta: Meta::root_owned(0o600, Time::EPOCH), kind };
            tree.add(target.dir, target.name.unwrap(), node).unwrap();
        }
        let (groups, ids) = (ChangeGroups::default(), VolumeIds::derive("image", "root"));
        let options =
            VolumeOptions::Ext4 { label: String::new(), uuid: None, journal: JournalSize::None, reserved: 0 };
        let plan =
            VolumeDraft::new(&options, (&tree, &groups), &ids, Time::EPOCH).unwrap().plan(0, LEN).unwrap();
        let mut bytes = vec![0; LEN as usize];
        plan.read_exact_at(&NoSources, 0, &mut bytes).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("image.raw"), &bytes).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("image.raw")
    }

    fn scan(&self, published: PublishedBy<'_>) -> Report {
        let medium = Medium::open(&self.path()).unwrap();
        scan(&medium, &ScanOptions { published, ..options() }, Monitor::none()).unwrap()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature is that of `PublishedBy`")]
fn nothing(_: &Tree, _: &dyn Sources) -> io::Result<Vec<PublishedFile>> {
    Ok(Vec::new())
}

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn options() -> ScanOptions<'static> {
    ScanOptions { filter: RuleFilter::default(), published: &nothing, threads: 2, kept_disk: false }
}

/// Rules, files and lines.
fn shown(report: &Report) -> Vec<(String, String, Option<u64>)> {
    report.findings.iter().map(|one| (one.rule.clone(), one.file.clone(), one.line)).collect()
}

#[test]
fn findings_name_file_line_and_digest_and_never_the_secret() {
    let conf = format!("# settings\n\ntoken = {TOKEN}\n");
    let image = Image::new(&[
        ("/etc/app.conf", text(&conf)),
        ("/etc/passwd", text("root:x:0:0::/root:/bin/sh\n")),
        ("/root/.bash_history", text("ls\nmysql -phunter2x\n")),
        ("/usr/bin/true", text("nothing")),
    ]);
    let report = image.scan(&nothing);
    let row = |rule: &str, file: &str, line| (rule.to_owned(), file.to_owned(), line);
    assert_eq!(
        shown(&report),
        [
            row("github-token", "/etc/app.conf", Some(3)),
            row("history", "/root/.bash_history", None),
            row("command-line-password", "/root/.bash_history", Some(2)),
        ]
    );
    let first = &report.findings[0];
    assert_eq!(
        (first.severity, first.scope, first.offset),
        (LeakSeverity::Error, FindingScope::Image, Some(20))
    );
    assert_eq!(first.sha256, Some(amiforge_formats::digest::Digest::of(conf.as_bytes()).to_string()));
    let json = serde_json::to_string(&report).unwrap();
    assert!(!json.contains(&TOKEN[8..]) && !json.contains("hunter2x"), "{json}");
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    assert_eq!(report.scanned.files, 4);
}

#[test]
fn what_packages_publish_is_no_leak_unless_it_was_changed_or_is_a_private_key() {
    let secret = format!("token {TOKEN}\n");
    let image = Image::new(&[
        ("/etc/same.conf", text(&secret)),
        ("/etc/changed.conf", text(&secret)),
        ("/etc/own.conf", text(&secret)),
        ("/etc/key.pem", text(KEY)),
        ("/usr/share/doc/p/key.pem", text(KEY)),
    ]);
    let published = |_: &Tree, _: &dyn Sources| {
        let file = |path: &str, content: &str| PublishedFile {
            path: text(path),
            package: "p".to_owned(),
            digest: Some(StatedDigest::Md5(Md5::digest(content.as_bytes()).into())),
        };
        Ok(vec![
            file("etc/same.conf", &secret),
            file("etc/changed.conf", "as it was"),
            file("etc/key.pem", KEY),
            file("usr/share/doc/p/key.pem", KEY),
        ])
    };
    let report = image.scan(&published);
    let matched: Vec<_> = report
        .findings
        .iter()
        .map(|one| (one.file.as_str(), one.rule.as_str(), one.package.as_deref()))
        .collect();
    assert_eq!(
        matched,
        [
            ("/etc/changed.conf", "github-token", Some("p")),
            ("/etc/key.pem", "private-key", Some("p")),
            ("/etc/own.conf", "github-token", None),
        ]
    );
}

#[test]
fn a_token_is_found_once_wherever_it_is_in_a_long_file() {
    for (len, at) in [
        (9 << 20, 0),
        (9 << 20, (4 << 20) - 20),
        (9 << 20, (4 << 20) - (64 << 10) - 3),
        (9 << 20, (4 << 20) - (72 << 10) + 1),
        (9 << 20, (8 << 20) - 41),
        (9 << 20, (9 << 20) - 41),
    ] {
        let mut bytes = vec![b'\n'; len];
        bytes[at..at + TOKEN.len()].copy_from_slice(TOKEN.as_bytes());
        let report = Image::new(&[("/srv/long", bytes)]).scan(&nothing);
        let expected = [("github-token".to_owned(), "/srv/long".to_owned(), Some(at as u64 + 1))];
        assert_eq!(shown(&report), expected, "at {at}");
    }
}

#[test]
fn bytes_that_no_file_has_are_found_with_what_is_in_them() {
    let image = Image::new(&[("/etc/passwd", text("root:x:0:0::/root:/bin/sh\n"))]);
    assert_eq!(image.scan(&nothing).findings, []);
    let file = std::fs::OpenOptions::new().write(true).open(image.path()).unwrap();
    file.write_all_at(format!("export GITHUB={TOKEN}\n").as_bytes(), LEN - 8192).unwrap();
    let report = image.scan(&nothing);
    let matched: Vec<_> =
        report.findings.iter().map(|one| (one.rule.as_str(), one.scope, one.severity)).collect();
    assert_eq!(
        matched,
        [
            ("below-tree", FindingScope::Disk, LeakSeverity::Warning),
            ("github-token", FindingScope::Disk, LeakSeverity::Error)
        ]
    );
}

#[test]
fn what_a_kept_disk_had_before_is_a_warning_and_a_secret_there_an_error() {
    let image = Image::new(&[("/etc/passwd", text("root:x:0:0::/root:/bin/sh\n"))]);
    let bundle = tempfile::tempdir().unwrap();
    let disk = bundle.path().join("disk.raw");
    std::fs::copy(image.path(), &disk).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&disk).unwrap();
    file.write_all_at(b"customers of last year\n", LEN - 8192).unwrap();
    let medium = Medium::open(bundle.path()).unwrap();
    let scanned = |kept_disk| {
        let report = scan(&medium, &ScanOptions { kept_disk, ..options() }, Monitor::none()).unwrap();
        report.findings.into_iter().map(|one| (one.rule, one.severity, one.remedy)).collect::<Vec<_>>()
    };
    assert!(matches!(&scanned(false)[..], [(rule, LeakSeverity::Error, _)] if rule == "below-tree"));
    let kept = scanned(true);
    assert!(
        matches!(&kept[..], [(_, LeakSeverity::Warning, remedy)] if remedy.contains("erase-free-space")),
        "{kept:?}"
    );
    let key = format!("-----BEGIN {} KEY-----\n", "PRIVATE");
    file.write_all_at(format!("{key}export GITHUB={TOKEN}\n").as_bytes(), LEN - 65536).unwrap();
    let errors = scanned(true).into_iter().filter(|one| one.1 == LeakSeverity::Error);
    let errors: Vec<_> = errors.map(|one| one.0).collect();
    assert!(errors.iter().any(|rule| rule == "below-tree"), "{errors:?}");
    assert!(errors.iter().any(|rule| rule == "github-token"), "{errors:?}");
}

#[test]
fn bytes_of_an_unknown_file_system_are_searched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.raw");
    let mut bytes = vec![0; 1 << 20];
    bytes[0x1_0040..0x1_0048].copy_from_slice(b"_BHRfS_M");
    bytes[5000..5000 + TOKEN.len()].copy_from_slice(TOKEN.as_bytes());
    std::fs::write(&path, bytes).unwrap();
    let medium = Medium::open(&path).unwrap();
    let report = scan(&medium, &options(), Monitor::none()).unwrap();
    assert_eq!(report.findings.len(), 1);
    assert_eq!((report.findings[0].rule.as_str(), report.findings[0].offset), ("github-token", Some(5000)));
    assert_eq!(report.unread.len(), 1, "{:?}", report.unread);
}

#[test]
fn files_of_a_bundle_beside_the_image_are_searched_too() {
    let image = Image::new(&[("/etc/passwd", text("root:x:0:0::/root:/bin/sh\n"))]);
    let bundle = tempfile::tempdir().unwrap();
    std::fs::copy(image.path(), bundle.path().join("disk.raw")).unwrap();
    std::fs::write(bundle.path().join("recipe.toml"), format!("[[file]]\ncontent = \"{TOKEN}\"\n")).unwrap();
    let medium = Medium::open(bundle.path()).unwrap();
    let report = scan(&medium, &options(), Monitor::none()).unwrap();
    assert_eq!(shown(&report), [("github-token".to_owned(), "recipe.toml".to_owned(), Some(2))]);
    assert_eq!((report.findings[0].scope, report.scanned.bundle_files), (FindingScope::Bundle, 1));
}

#[test]
fn a_source_that_is_not_there_is_an_error_and_not_a_clean_file() {
    let bytes = crate::system::VolumeBytes::default();
    assert!(bytes.read_exact_at(SourceId(3), 0, &mut [0; 4]).is_err());
}
