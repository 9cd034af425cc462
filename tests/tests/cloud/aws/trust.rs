//! Trust in certificate authorities, tested with an HTTPS server that others wrote (Python's ssl, certificates by
//! openssl) in front of a local region: every client of the program, and its credential providers.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use amiforge_aws::{AccessKeys, AwsConfig, ConnectOptions};
use amiforge_emulator::{ACCESS_KEY_ID, RegionServer, SECRET_ACCESS_KEY};
use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_publish::api::{Ebs as _, PutBlock, SnapshotCalls as _};
use amiforge_publish::retry::{CallStep, NoObserver, RetryExhausted, retry};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use amiforge_publish::timer::Timer;
use amiforge_tests::{oracle, program, python};
use tempfile::TempDir;

/// A region behind TLS, an unknown certificate authority, and an image.
struct TlsFixture {
    folder: TempDir,
    _running: RegionServer,
    server: Child,
    endpoint: String,
}

impl Drop for TlsFixture {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl TlsFixture {
    fn new() -> Option<Self> {
        if !oracle::ready(&["openssl"], false) {
            return None;
        }
        let python = python::with(&["ssl"])?;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        certificates(folder.path());
        let running = RegionServer::start(amiforge_emulator::RegionConfig::new(path("region"))).unwrap();
        let mut server = python::script(&python, "tls_proxy.py")
            .args([path("server.pem"), path("server.key")])
            .arg(running.endpoint())
            .arg(path("notes"))
            .args([ACCESS_KEY_ID, SECRET_ACCESS_KEY])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let endpoint = format!("https://127.0.0.1:{}", port.trim());
        let image = [vec![1; 1 << 20], vec![0; 1 << 20], vec![2; 1 << 20]].concat();
        fs::write(path("image.raw"), image).unwrap();
        Some(Self { folder, _running: running, server, endpoint })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command in a folder and an environment of its own.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program::path());
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .stdin(Stdio::null());
        command
    }

    fn with_keys(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
        command
    }

    /// The events that the server logged since the last call.
    fn notes(&self) -> Vec<String> {
        let noted = fs::read_to_string(self.path("notes")).unwrap_or_default();
        let _ = fs::remove_file(self.path("notes"));
        noted.lines().map(str::to_owned).collect()
    }
}

/// Makes an authority, and a certificate for 127.0.0.1 that it signed.
fn certificates(folder: &Path) {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (authority, authority_key) = (path("authority.pem"), path("authority.key"));
    let (server, server_key, request) = (path("server.pem"), path("server.key"), path("server.csr"));
    let extensions = path("extensions");
    fs::write(&extensions, "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let new = ["req", "-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", &authority_key];
    oracle::must("openssl", &[&new[..], &["-out", &authority], &key].concat());
    let new = ["req", "-new", "-subj", "/CN=127.0.0.1", "-keyout", &server_key, "-out", &request];
    oracle::must("openssl", &[&new[..], &key].concat());
    let sign = ["x509", "-req", "-days", "2", "-in", &request, "-CA", &authority, "-CAkey", &authority_key];
    oracle::must(
        "openssl",
        &[&sign[..], &["-CAcreateserial", "-extfile", &extensions, "-out", &server]].concat(),
    );
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command that has to fail at once, after one connection, because the certificate is not trusted.
fn refused(fixture: &TlsFixture, mut command: Command) {
    fixture.notes();
    let start = Instant::now();
    let output = command.output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{command:?}: {text}");
    assert!(start.elapsed() < Duration::from_secs(15), "{command:?}: {:?}", start.elapsed());
    assert!(
        text.contains("the certificate of the service is not trusted: ")
            && text.contains("invalid peer certificate"),
        "{command:?}: {text}"
    );
    assert!(text.contains("\nhint: ") && text.contains("AWS_CA_BUNDLE"), "{command:?}: {text}");
    assert!(!text.contains("giving up after"), "{command:?}: {text}");
    assert_eq!(fixture.notes(), ["connection"], "{command:?}: {text}");
}

fn accepted(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn an_authority_that_is_not_known_is_refused_at_once_and_trusted_where_a_bundle_names_it() {
    let Some(fixture) = TlsFixture::new() else { return };
    let publish = ["publish", "image.raw", "--name", "web", "--arch", "x86_64", "--boot-mode", "uefi"];
    for args in [
        &["upload", "image.raw"][..],
        &publish,
        &["download", "snap-0123456789abcdef0", "-o", "x"],
        &["verify", "snap-0123456789abcdef0"],
        &["verify", "ami-0123456789abcdef0"],
        &["boot", "ami-0123456789abcdef0"],
        &["images"],
        &["channels"],
        &["register", "snap-0123456789abcdef0", "--name", "web", "--arch", "x86_64", "--boot-mode", "uefi"],
    ] {
        refused(&fixture, fixture.with_keys(args));
    }
    let authority = fixture.path("authority.pem");
    let by_variable = |args: &[&str]| {
        let mut command = fixture.with_keys(args);
        command.env("AWS_CA_BUNDLE", &authority);
        command
    };
    let id = accepted(by_variable(&["upload", "image.raw"]));
    assert!(id.starts_with("snap-"), "{id}");
    accepted(by_variable(&["download", &id, "-o", "back.raw"]));
    accepted(by_variable(&["verify", &id]));
    let (back, image) =
        (fs::read(fixture.path("back.raw")).unwrap(), fs::read(fixture.path("image.raw")).unwrap());
    assert!(back.starts_with(&image));
    assert!(accepted(by_variable(&publish)).contains("ami-"));
    // From the profile, also with a path that begins with `~`.
    fs::create_dir(fixture.path(".aws")).unwrap();
    let text = "[profile a]\nca_bundle = ~/authority.pem\n[profile b]\nca_bundle = ";
    fs::write(fixture.path(".aws/config"), format!("{text}{}\n", authority.display())).unwrap();
    for profile in ["a", "b"] {
        accepted(fixture.with_keys(&[
            "download",
            &id,
            "--profile",
            profile,
            "-o",
            &format!("{profile}.raw"),
        ]));
        assert_eq!(fs::read(fixture.path(&format!("{profile}.raw"))).unwrap(), back);
    }
    // The variable takes precedence over the profile.
    fs::copy(&authority, fixture.path("other.pem")).unwrap();
    certificates(fixture.folder.path());
    let mut command = fixture.with_keys(&["download", &id, "--profile", "a", "-o", "c.raw"]);
    command.env("AWS_CA_BUNDLE", fixture.path("other.pem"));
    accepted(command);
    refused(&fixture, fixture.with_keys(&["download", &id, "--profile", "a", "-o", "d.raw"]));
}

#[test]
fn a_bundle_that_is_missing_or_has_no_certificate_is_named() {
    let Some(fixture) = TlsFixture::new() else { return };
    fs::write(fixture.path("empty.pem"), "nothing\n").unwrap();
    for (name, reason) in
        [("none.pem", "No such file or directory"), ("empty.pem", "it has no certificate in PEM")]
    {
        let mut command = fixture.with_keys(&["upload", "image.raw"]);
        let output = command.env("AWS_CA_BUNDLE", fixture.path(name)).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(name) && text.contains(reason) && text.contains("AWS_CA_BUNDLE"), "{text}");
        assert!(text.contains("\nhint: name a file of certificate authorities in PEM"), "{text}");
        assert!(fixture.notes().is_empty());
    }
}

#[test]
fn credential_providers_are_trusted_by_the_same_rule() {
    let Some(fixture) = TlsFixture::new() else { return };
    fs::write(fixture.path("token"), "token").unwrap();
    let assuming = |args: &[&str]| {
        let mut command = fixture.command(args);
        command
            .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", fixture.path("token"));
        command
    };
    refused(&fixture, assuming(&["upload", "image.raw"]));
    let mut command = assuming(&["upload", "image.raw"]);
    command.env("AWS_CA_BUNDLE", fixture.path("authority.pem"));
    fixture.notes();
    assert!(accepted(command).starts_with("snap-"));
    let notes = fixture.notes();
    assert_eq!(notes.iter().filter(|note| *note == "assumed").count(), 1, "{notes:?}");
}

#[test]
fn each_client_ends_after_one_try() {
    let Some(fixture) = TlsFixture::new() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = ConnectOptions {
        region: Some("us-east-1".to_owned()),
        profile: None,
        endpoint: Some(fixture.endpoint.clone()),
        keys: Some(AccessKeys { id: ACCESS_KEY_ID.to_owned(), secret: SECRET_ACCESS_KEY.to_owned() }),
        attempt_timeout: None,
    };
    let config = runtime.block_on(AwsConfig::load(&options)).unwrap();
    let (ebs, ec2, snapshots) = (config.ebs(), config.ec2(), config.snapshots());
    let bytes = vec![7; BLOCK as usize];
    let put = PutBlock { index: 0, digest: Digest::of(&bytes), bytes: bytes.into() };
    let step = CallStep::Put { created_at: Duration::ZERO };
    let all = [
        once(&runtime, CallStep::Idempotent, || ec2.encryption_by_default()),
        once(&runtime, CallStep::Idempotent, || snapshots.describe_snapshot("snap-1")),
        once(&runtime, CallStep::Read, || ebs.list_blocks("snap-1", 0, None)),
        once(&runtime, CallStep::Read, || ebs.read_block("snap-1", 0, "token")),
        once(&runtime, step, || ebs.put_block("snap-1", put.clone())),
    ];
    for gave_up in all {
        assert_eq!((gave_up.attempts, gave_up.error.kind), (1, ServiceErrorKind::Untrusted), "{gave_up:?}");
        assert!(
            gave_up.error.message.starts_with("the certificate of the service is not trusted: "),
            "{gave_up:?}"
        );
    }
}

fn once<T, F>(runtime: &tokio::runtime::Runtime, step: CallStep, call: impl FnMut() -> F) -> RetryExhausted
where
    F: Future<Output = Result<T, ServiceError>>,
{
    runtime.block_on(retry(&Timer::default(), step, &NoObserver, call)).err().expect("an error")
}
