//! An image with Secure Boot for the suites: keys made by openssl, a recipe with a kernel and a stub of Debian, and bundles
//! built from it.

use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

use crate::{oracle, program, scratch};

/// Id of the request for the unified kernel image.
pub const UKI: &str = "uki";

/// Where firmware finds it.
pub const UKI_PATH: &str = "EFI/BOOT/BOOTX64.EFI";

/// Keys and a recipe that enrols them.
#[derive(Debug)]
pub struct SecureBoot {
    folder: TempDir,
}

impl SecureBoot {
    /// Keys `db`, `kek`, `pk` and `other`, and a recipe that enrols the first three; skips when something is missing. `trust`
    /// are further keys of the table `secure-boot`.
    pub fn new(trust: &str) -> Option<Self> {
        Self::with(trust, |_| {})
    }

    /// The same, with keys that `make` adds before the recipe is written.
    ///
    /// # Panics
    /// When a file cannot be written.
    pub fn with(trust: &str, make: impl FnOnce(&Self)) -> Option<Self> {
        if !oracle::ready(&["openssl", "tar", "mcopy"], false) {
            return None;
        }
        let input = scratch::input("min.tar")?;
        let made = Self { folder: scratch::folder() };
        let tree = made.text("tree");
        std::fs::create_dir_all(&tree).expect("a folder");
        let members = ["./boot/vmlinuz-*", "./usr/lib/systemd/boot/*", "./usr/lib/os-release"];
        let input = input.to_string_lossy();
        oracle::must("tar", &[&["-xf", &input, "-C", &tree, "--wildcards"], &members[..]].concat());
        for name in ["db", "kek", "pk", "other"] {
            made.self_signed(name);
        }
        make(&made);
        let db = if trust.contains("db =") { "" } else { "db = \"db.crt\", " };
        let recipe = format!(
            "[image]\nname = \"signed\"\nversion = \"1\"\narch = \"x86_64\"\nepoch = \"2030-01-01T00:00:00Z\"\n\n\
             [boot]\ninitrd = \"none\"\n\n\
             [trust]\nsecure-boot = {{ {db}kek = \"kek.crt\", pk = \"pk.crt\"{trust} }}\n\n\
             [[source]]\nkind = \"dir\"\npath = \"tree\"\n"
        );
        std::fs::write(made.path("recipe.toml"), recipe).expect("a recipe");
        Some(made)
    }

    /// A file of the fixture.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its path as a text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Makes a key with a certificate of its own: `NAME.key` and `NAME.crt`.
    pub fn self_signed(&self, name: &str) {
        let (key, certificate) = (self.text(&format!("{name}.key")), self.text(&format!("{name}.crt")));
        let subject = format!("/CN={name}");
        let command = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "3650"];
        let files = ["-subj", &subject, "-keyout", &key, "-out", &certificate];
        oracle::must("openssl", &[&command[..], &files].concat());
    }

    /// Makes a key whose certificate another key signed.
    pub fn signed_by(&self, name: &str, authority: &str) {
        let file = |name: &str, kind: &str| self.text(&format!("{name}.{kind}"));
        let (key, request, certificate) = (file(name, "key"), file(name, "csr"), file(name, "crt"));
        let subject = format!("/CN={name}");
        let command = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", &subject, "-keyout", &key];
        oracle::must("openssl", &[&command[..], &["-out", &request]].concat());
        let (ca, ca_key) = (file(authority, "crt"), file(authority, "key"));
        let command = ["x509", "-req", "-sha256", "-days", "3650", "-in", &request, "-out", &certificate];
        oracle::must(
            "openssl",
            &[&command[..], &["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"]].concat(),
        );
    }

    /// Builds the recipe into a bundle of this name.
    pub fn build(&self, name: &str, more: &[&str]) -> PathBuf {
        let out = self.text(name);
        let command =
            ["--quiet", "build", &self.text("recipe.toml"), "-o", &out, "--store", &self.text("store")];
        program::must(&[&command[..], more].concat());
        self.path(name)
    }

    /// Signs the request of a bundle with openssl, and gives the file with the signature.
    pub fn openssl(&self, bundle: &Path, key: &str) -> String {
        let signature = self.text(&format!("{key}.sig"));
        let tbs = bundle.join(format!("signing/{UKI}.tbs"));
        let (key, tbs) = (self.text(&format!("{key}.key")), tbs.to_string_lossy().into_owned());
        oracle::must("openssl", &["dgst", "-sha256", "-sign", &key, "-out", &signature, &tbs]);
        signature
    }

    /// Attaches a signature to a bundle; `out` is the name of the new one.
    pub fn attach(&self, bundle: &Path, signature: &str, out: &str, more: &[&str]) -> Output {
        let (bundle, out) = (bundle.to_string_lossy().into_owned(), self.text(out));
        let signature = format!("{UKI}={signature}");
        let command = ["--quiet", "attach", &bundle, "--signature", &signature, "-o", &out];
        program::run(&[&command[..], more].concat())
    }

    /// Builds, signs with the key `db` by openssl, and attaches.
    ///
    /// # Panics
    /// When the signature is refused.
    pub fn signed_bundle(&self) -> PathBuf {
        let unsigned = self.build("unsigned", &[]);
        let signature = self.openssl(&unsigned, "db");
        let output = self.attach(&unsigned, &signature, "signed", &[]);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{err}");
        self.path("signed")
    }

    /// Copies the unified kernel image out of a bundle by mtools.
    pub fn extract(&self, bundle: &Path, name: &str) -> PathBuf {
        let esp = program::Bundle::open(bundle).partition("fat32");
        let (disk, to) = (bundle.join("disk.raw"), self.path(name));
        let disk = format!("{}@@{}", disk.display(), esp.start);
        let _ = std::fs::remove_file(&to);
        oracle::must("mcopy", &["-n", "-i", &disk, &format!("::{UKI_PATH}"), &to.to_string_lossy()]);
        to
    }
}

/// Every file of a folder with its bytes, by its path.
///
/// # Panics
/// When a file cannot be read.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(at) = left.pop() {
        for entry in std::fs::read_dir(&at).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below the folder").to_owned();
                all.push((name, std::fs::read(&path).expect("a file")));
            }
        }
    }
    all.sort();
    all
}
