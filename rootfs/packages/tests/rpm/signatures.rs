//! Signatures of packages: made by rpmsign, judged by us and by rpmkeys.

use std::path::{Path, PathBuf};

use amiforge_packages::rpm::signature::{RpmSignatureError, verify_range};
use amiforge_packages::signature::{Keyring, SignatureError};

use crate::support::{RpmFixture, has, locked_as, run, with_causes};

/// The programs that these tests need.
const PROGRAMS: [&str; 5] = ["rpm", "rpmbuild", "rpmsign", "rpmkeys", "gpg"];

/// When the keys are made, in seconds since 1970.
const MADE: i64 = 1_700_000_000;
/// A day of seconds.
const DAY: i64 = 86_400;

/// A fixture with keys of its own.
struct Signing {
    fixture: RpmFixture,
    package: PathBuf,
}

impl Signing {
    fn new() -> Option<Self> {
        if !has(&PROGRAMS) {
            return None;
        }
        let fixture = RpmFixture::new();
        let spec = "Name: signed\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\n\
                    %install\nmkdir -p %{buildroot}/opt; seq 1 20000 > %{buildroot}/opt/x\n%files\n/opt/x\n";
        let package = fixture.build(spec, &["_binary_payload w.ufdio"]).remove(0);
        Some(Self { fixture, package })
    }

    fn gpg(&self) -> std::process::Command {
        let home = self.fixture.folder.path().join("gnupg");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let mut command = self.fixture.command("gpg");
        command.env("GNUPGHOME", home).args([
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]);
        command.args(["--faked-system-time", &format!("{MADE}!")]);
        command
    }

    /// A key of a kind of gpg, good for so many days, with a subkey for signing or without. Returns it exported.
    fn key(&self, name: &str, kind: &str, days: u32, subkey: bool) -> Vec<u8> {
        let usage = if subkey { "cert" } else { "sign" };
        let expiry = format!("{days}d");
        run(self.gpg().args(["--quick-generate-key", name, kind, usage, &expiry]));
        if subkey {
            let listed = run(self.gpg().args(["--with-colons", "--list-keys", name]));
            let listed = String::from_utf8(listed).unwrap();
            let fingerprint =
                listed.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap().trim_matches(':');
            run(self.gpg().args(["--quick-add-key", fingerprint, kind, "sign", &expiry]));
        }
        run(self.gpg().args(["--export", "--armor", name]))
    }

    /// The package, signed by a key.
    fn signed(&self, name: &str) -> PathBuf {
        let path = self.fixture.folder.path().join(format!("{name}.rpm"));
        std::fs::copy(&self.package, &path).unwrap();
        let wrapper = self.fixture.folder.path().join("gpg.sh");
        let script = format!("#!/bin/sh\nexec gpg --faked-system-time '{MADE}!' \"$@\"\n");
        std::fs::write(&wrapper, script).unwrap();
        std::fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = self.fixture.command("rpmsign");
        command.env("GNUPGHOME", self.fixture.folder.path().join("gnupg"));
        command.args(["--define", &format!("_gpg_name {name}"), "--define"]);
        command.arg(format!("__gpg {}", wrapper.display()));
        run(command.arg("--addsign").arg(&path));
        path
    }

    /// Whether rpmkeys accepts a package by a key.
    fn rpm_accepts(&self, key: &[u8], package: &Path) -> bool {
        let folder = tempfile::tempdir_in(self.fixture.folder.path()).unwrap().keep();
        std::fs::write(folder.join("key.asc"), key).unwrap();
        let rpmkeys = || {
            let mut command = self.fixture.command("rpmkeys");
            command.args(["--define", &format!("_dbpath {}", folder.join("db").display())]);
            command.args(["--define", "_pkgverify_level signature"]);
            command
        };
        run(rpmkeys().arg("--import").arg(folder.join("key.asc")));
        rpmkeys().arg("-Kv").arg(package).output().unwrap().status.success()
    }
}

fn judge(package: &Path, key: &[u8], at: i64) -> Result<Option<String>, RpmSignatureError> {
    let bytes = std::fs::read(package).unwrap();
    verify_range(&bytes, &[Keyring::read("key", key).unwrap()], at).map(|verified| verified.signer)
}

#[test]
fn signatures_of_every_kind_of_key_are_accepted_and_wrong_keys_are_not() {
    let Some(signing) = Signing::new() else { return };
    let other = signing.key("other", "ed25519", 100, false);
    for (name, kind, subkey) in
        [("rsa", "rsa2048", false), ("edwards", "ed25519", false), ("sub", "rsa2048", true)]
    {
        let key = signing.key(name, kind, 100, subkey);
        let package = signing.signed(name);
        let fingerprint = Keyring::read(name, &key).unwrap().fingerprints().next();
        assert!(fingerprint.is_some());
        let judged = judge(&package, &key, MADE + DAY).map_err(|error| with_causes(&error));
        assert_eq!(judged, Ok(fingerprint), "{name}");
        assert!(signing.rpm_accepts(&key, &package), "{name}");
        assert!(!signing.rpm_accepts(&other, &package), "{name}");
        let error = judge(&package, &other, MADE + DAY).unwrap_err();
        assert!(
            matches!(&error, RpmSignatureError::Signature(SignatureError::UnknownKey { .. })),
            "{name}: {error:?}"
        );
        let error = judge(&package, &key, MADE + 101 * DAY).unwrap_err();
        let expired = matches!(
            &error,
            RpmSignatureError::Signature(SignatureError::KeyExpired { expired, .. }) if *expired == MADE + 100 * DAY
        );
        assert!(expired, "{name}: {error:?}");
    }
}

#[test]
fn packages_without_a_signature_or_with_another_header_are_refused() {
    let Some(signing) = Signing::new() else { return };
    let key = signing.key("one", "ed25519", 100, false);
    let error = judge(&signing.package, &key, MADE + DAY).unwrap_err();
    assert!(matches!(error, RpmSignatureError::Unsigned), "{error:?}");
    let bytes = std::fs::read(signing.signed("one")).unwrap();
    let verified = verify_range(&bytes, &[], MADE).unwrap();
    assert!(verified.signer.is_none() && verified.holds_contents());
    let digest = verified.sha256.to_string();
    // The summary is the text `x` of the header; the digest is in the signature header.
    let summary = find(&bytes, b"signed\x001\x001\x00").unwrap();
    let mut changed = bytes.clone();
    changed[summary] = b'z';
    let path = signing.fixture.folder.path().join("changed.rpm");
    std::fs::write(&path, &changed).unwrap();
    let error = judge(&path, &key, MADE + DAY).unwrap_err();
    assert!(matches!(error, RpmSignatureError::Head(_)), "{error:?}");
    assert!(!signing.rpm_accepts(&key, &path));
    // A forger writes the right digest beside it.
    let at = find(&changed, digest.as_bytes()).unwrap();
    let wrong = verify_range(&changed, &[], MADE).unwrap_err().to_string();
    let actual =
        wrong.split_whitespace().find(|word| word.len() == 65).unwrap().trim_end_matches(',').to_owned();
    changed[at..at + 64].copy_from_slice(actual.as_bytes());
    std::fs::write(&path, &changed).unwrap();
    let error = judge(&path, &key, MADE + DAY).unwrap_err();
    assert!(matches!(&error, RpmSignatureError::Signature(SignatureError::Wrong { .. })), "{error:?}");
    assert!(!signing.rpm_accepts(&key, &path));
}

#[test]
fn a_payload_that_is_not_of_its_header_is_refused_although_the_lock_names_it() {
    let Some(signing) = Signing::new() else { return };
    let mut bytes = std::fs::read(&signing.package).unwrap();
    let at = find(&bytes, b"\n12345\n").unwrap();
    bytes[at + 1] = b'9';
    let path = signing.fixture.folder.path().join("payload.rpm");
    std::fs::write(&path, &bytes).unwrap();
    let error = signing.fixture.unpack(std::slice::from_ref(&path)).unwrap_err();
    let text = with_causes(&error);
    assert!(text.contains("the content of `/opt/x` has the digest"), "{text}");
    // In the padding of the archive only the digest of the payload notices it.
    let mut bytes = std::fs::read(&signing.package).unwrap();
    let at = find(&bytes, b"TRAILER!!!\0").unwrap() - 20;
    bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
    let _ = locked_as(&bytes, "signed", "1-1", "noarch");
    std::fs::write(&path, &bytes).unwrap();
    let text = with_causes(&signing.fixture.unpack(std::slice::from_ref(&path)).unwrap_err());
    assert!(text.contains("the digest of its payload is"), "{text}");
    assert!(!run_ok(signing.fixture.command("rpmkeys").args(["-K", "--nosignature"]).arg(&path)));
}

fn run_ok(command: &mut std::process::Command) -> bool {
    command.output().unwrap().status.success()
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
