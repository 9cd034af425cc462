//! Secrets that all machines of an image would share are reported by the build and refused by `publish`: files that
//! depend on random numbers of the build, and private keys of any origin.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Output;

use amiforge_tests::program::{self, Bundle};
use amiforge_tests::{host_root, scratch};
use serde_json::Value;

/// Programs of the host that are copied into the image.
const PROGRAMS: [&str; 9] = ["sh", "base64", "cat", "chmod", "cp", "head", "mkdir", "od", "tr"];

/// A private key that a standard prints (RFC 8410, 10.3).
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

/// Commands that write keys, passwords and ids in the formats of various programs.
const COMMANDS: &str = r##"
mkdir -p /etc/munge /etc/bind /etc/wireguard /etc/ssl/private
head -c 1024 /dev/urandom > /etc/munge/munge.key
printf 'key "rndc-key" {\n algorithm hmac-sha256;\n secret "%s";\n};\n' "$(head -c 32 /dev/urandom | base64)" > /etc/bind/rndc.key
head -c 32 /dev/urandom | base64 > /etc/wireguard/wg0.key
B="$(head -c 900 /dev/urandom | base64)"
printf -- '-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n' "$B" > /etc/ssl/private/plain.pem
printf -- '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n%s\n-----END RSA PRIVATE KEY-----\n' "$B" > /etc/ssl/private/enc.pem
printf -- '-----BEGIN PRIVATE KEY-----\r\n%s\r\n-----END PRIVATE KEY-----\r\n' "$B" > /etc/ssl/private/crlf.pem
printf -- '-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n%s\n-----END PGP PRIVATE KEY BLOCK-----\n' "$B" > /etc/ssl/private/pgp.asc
head -c 700 /dev/urandom > /etc/ssl/private/key.der
{ head -c 70000 /dev/zero | tr "\0" "#"; printf -- '\n-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n' "$B"; } > /etc/ssl/private/bundle-big.pem
head -c 16 /dev/urandom | od -An -tx1 > /etc/dbpassword
cat /proc/sys/kernel/random/uuid > /etc/host-uuid
echo "no secret at all" > /etc/plain
cp /etc/dbpassword /etc/removed; : > /etc/removed
"##;

/// The paths that have to be reported, and why.
const EXPECTED: [(&str, &str); 12] = [
    ("/etc/bind/rndc.key", "random tsig-key"),
    ("/etc/dbpassword", "random"),
    ("/etc/host-uuid", "random"),
    ("/etc/munge/munge.key", "random"),
    ("/etc/ssl/private/bundle-big.pem", "private-key random"),
    ("/etc/ssl/private/crlf.pem", "private-key random"),
    ("/etc/ssl/private/enc.pem", "encrypted-private-key random"),
    ("/etc/ssl/private/key.der", "random"),
    ("/etc/ssl/private/of-a-folder.pem", "private-key"),
    ("/etc/ssl/private/pgp.asc", "openpgp-secret-key random"),
    ("/etc/ssl/private/plain.pem", "private-key random"),
    ("/etc/wireguard/wg0.key", "random"),
];

/// A folder with a root in which commands run, and which holds a private key.
struct SecretsFixture(tempfile::TempDir);

impl SecretsFixture {
    fn new() -> Self {
        let fixture = Self(scratch::folder());
        host_root::with_programs(&fixture.path("root"), &PROGRAMS);
        for folder in ["etc/ssl/private", "usr/share/doc/x"] {
            fs::create_dir_all(fixture.path("root").join(folder)).unwrap();
        }
        fs::write(fixture.path("root/etc/ssl/private/of-a-folder.pem"), KEY).unwrap();
        fs::write(fixture.path("root/usr/share/doc/x/sample.pem"), KEY).unwrap();
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Builds an image of this name into a folder of this name, with a store; returns the JSON report of the build.
    fn build(&self, name: &str, store: &str, more: &str) -> Value {
        let recipe = format!(
            "[image]\nname = \"{name}\"\nversion = \"1\"\narch = \"x86_64\"\nepoch = 1700000000\n\n[[source]]\nkind = \
             \"dir\"\npath = \"root\"\n\n[[run]]\ncommand = '''{COMMANDS}'''\n{more}"
        );
        fs::write(self.path("recipe.toml"), recipe).unwrap();
        let words = [self.path("recipe.toml"), self.path(name), self.path(store)];
        let [recipe, out, store] = words.map(|path| path.to_string_lossy().into_owned());
        let output = program::must(&["build", &recipe, "-o", &out, "--store", &store, "--force", "--json"]);
        serde_json::from_str(&output).unwrap()
    }

    fn run(&self, args: &[&str], name: &str) -> Output {
        let path = self.path(name).to_string_lossy().into_owned();
        program::run(&[args, &[path.as_str()]].concat())
    }

    fn read(&self, name: &str, path: &str) -> Vec<u8> {
        let target = format!("{}:root{path}", self.path(name).display());
        let output = program::run(&["inspect", &target, "--cat"]);
        assert!(output.status.success(), "{target}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

/// The reported secrets: the kinds by path.
fn named(report: &Value) -> BTreeMap<String, String> {
    let secrets = report["secrets"].as_array().unwrap_or_else(|| panic!("no secrets in {report}"));
    let one = |secret: &Value| {
        let what = secret["what"].as_array().unwrap().iter().map(|what| what.as_str().unwrap());
        let mut what: Vec<_> = what.collect();
        what.sort_unstable();
        (secret["path"].as_str().unwrap().to_owned(), what.join(" "))
    };
    secrets.iter().map(one).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_secret_is_named_no_two_images_share_one_and_publish_refuses_them() {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let fixture = SecretsFixture::new();
    let report = fixture.build("first", "store", "");
    let expected: BTreeMap<_, _> =
        EXPECTED.iter().map(|(path, what)| ((*path).to_owned(), (*what).to_owned())).collect();
    assert_eq!(named(&report), expected);
    let first = Bundle::open(&fixture.path("first"));
    assert_eq!(first.manifest["secrets"], report["secrets"]);
    // A layer from the store reports the same secrets, and a build without it has the same bytes.
    let again = fixture.build("first", "store", "");
    assert_eq!((&again["layers"][0]["reused"], named(&again)), (&Value::Bool(true), expected.clone()));
    assert_eq!(fixture.build("first", "another", "")["sha256"], report["sha256"]);
    // Another image of the same recipe shares no random value.
    let other = fixture.build("second", "store", "");
    assert_eq!(other["layers"][0]["reused"], false);
    for (path, what) in &expected {
        let same = fixture.read("first", path) == fixture.read("second", path);
        assert_eq!(same, !what.contains("random"), "{path}");
    }
    refused(&fixture);
    allowed(&fixture);
}

/// An image with secrets passes neither `preflight` nor `publish`.
fn refused(fixture: &SecretsFixture) {
    let output = fixture.run(&["preflight", "--json"], "first");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let failures = findings.iter().filter(|one| one["check"] == "secrets" && one["severity"] == "failure");
    assert_eq!((failures.count(), output.status.code()), (EXPECTED.len(), Some(3)), "{report}");
    for args in
        [&["publish", "--region", "eu-west-1"][..], &["publish", "--dry-run", "--region", "eu-west-1"]]
    {
        let output = fixture.run(args, "first");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        for part in ["holds 12 secrets", "`/etc/bind/rndc.key`", "and 7 more", "`[secrets]`"] {
            assert!(stderr.contains(part), "no `{part}` in {stderr}");
        }
    }
    // An image without a manifest: secrets with a known format are found in its files.
    let raw = fixture.run(&["preflight", "--json"], "first/disk.raw");
    let report = text(&raw.stdout);
    for (path, what) in EXPECTED {
        assert_eq!(report.contains(path), what != "random", "{path} in {report}");
    }
}

/// Secrets that the recipe allows pass, and an allowance without a secret is a warning.
fn allowed(fixture: &SecretsFixture) {
    let allow = "[secrets]\nallow = [\n { path = \"/etc/ssl/private/*\", reason = \"for tests\" },\n \
                 { path = \"/etc/{bind,munge,wireguard}/*\", reason = \"for tests\" },\n \
                 { path = \"/etc/{dbpassword,host-uuid}\", reason = \"for tests\" },\n \
                 { path = \"/srv/none\", reason = \"not there\" },\n]\n";
    let report = fixture.build("first", "store", allow);
    assert_eq!(report["layers"][0]["reused"], true);
    assert!(
        report["secrets"].as_array().unwrap().iter().all(|one| one["allowed"] == "for tests"),
        "{report}"
    );
    assert!(report["warnings"].to_string().contains("/srv/none"), "{report}");
    let output = fixture.run(&["publish", "--dry-run", "--region", "eu-west-1"], "first");
    assert!(output.status.success(), "{}", text(&output.stderr));
    // Without a second run only secrets with a known format are found, and the report says that.
    let report = fixture.build("first", "store", "[secrets]\nsecond-run = false\n");
    let expected: Vec<_> =
        EXPECTED.iter().filter(|(_, what)| *what != "random").map(|(path, _)| *path).collect();
    assert_eq!(named(&report).into_keys().collect::<Vec<_>>(), expected);
    assert!(report["secrets_unknown"].to_string().contains("second-run"), "{report}");
}

#[test]
fn a_secret_is_allowed_with_a_reason_only() {
    let fixture = SecretsFixture(scratch::folder());
    let recipe = fixture.path("recipe.toml");
    for (allow, mistake) in [
        ("{ path = \"etc/key\", reason = \"x\" }", "start with `/`"),
        ("{ path = \"/etc/key\", reason = \" \" }", "why it does no harm"),
        ("{ path = \"/etc/[\", reason = \"x\" }", "is not a glob"),
        ("{ path = \"/etc/key\" }", "reason"),
    ] {
        let text = format!("[image]\nname = \"one\"\narch = \"x86_64\"\n[secrets]\nallow = [{allow}]\n");
        fs::write(&recipe, text).unwrap();
        let output = program::run(&["build", &recipe.to_string_lossy(), "-o", "/nowhere/out"]);
        let stderr = self::text(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(mistake), "{allow}: {stderr}");
    }
}
