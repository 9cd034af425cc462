//! The whole way on this machine: an image with a unified kernel image is published with a TPM, an instance of it is
//! launched and attested, and the document is verified against the bundle.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use amiforge_emulator::{
    AttestationIssuer, AttestationRequest, AttestedInstance, LocalRegion, RegionConfig, Timestamp,
};
use amiforge_formats::pe::{self, UkiSection};
use amiforge_formats::tree::{Content, Origin};
use amiforge_tests::region::Region;
use amiforge_tests::{oracle, program, python, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

const RECIPE: &str = "[image]\nname = \"web\"\narch = \"x86_64\"\nepoch = 1700000000\n\n[disk]\nsize = \"128 MiB\"\n\n\
    [[partition]]\nrole = \"esp\"\nsize = \"48 MiB\"\n\n[[partition]]\nrole = \"root\"\n\n\
    [[source]]\nkind = \"dir\"\npath = \"tree\"\n";

/// An image with a unified kernel image, and a region.
pub(super) struct AttestedImage {
    folder: TempDir,
    region: Region,
    python: PathBuf,
}

impl AttestedImage {
    /// `None` without boto3, tar, or the kernel and the stub of Debian.
    fn new() -> Option<Self> {
        Self::with_accounts("[]")
    }

    /// The same with further accounts in the region.
    pub(super) fn with_accounts(accounts: &str) -> Option<Self> {
        let python = python::with(&["boto3"])?;
        let folder = scratch::folder();
        let loader = folder.path().join("tree/boot/efi/EFI/BOOT/BOOTX64.EFI");
        fs::create_dir_all(loader.parent().unwrap()).unwrap();
        fs::write(&loader, unified_kernel_image(folder.path())?).unwrap();
        fs::write(folder.path().join("recipe.toml"), RECIPE).unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        program::must(&["build", &path("recipe.toml"), "-o", &path("out")]);
        fs::create_dir(path("region")).unwrap();
        fs::write(path("region/accounts.json"), accounts).unwrap();
        let region = Region::start(&folder.path().join("region"));
        Some(Self { folder, region, python })
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    pub(super) fn endpoint(&self) -> String {
        self.region.running.endpoint()
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = std::process::Command::new(program::path());
        command.args(args).env("XDG_STATE_HOME", self.folder.path().join("state"));
        command.output().unwrap()
    }

    fn must(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn ec2(&self, operation: &str, parameters: &Value) -> Value {
        let endpoint = self.endpoint();
        let args = [endpoint.as_str(), "local", "ec2", operation, &parameters.to_string()].map(str::to_owned);
        serde_json::from_str(&python::must(&self.python, "story.py", &args)).unwrap()
    }

    /// Publishes the image, with a TPM or without, and launches an instance.
    pub(super) fn launch(&self, name: &str, tpm: bool) -> String {
        let endpoint = self.endpoint();
        let out = self.path("out");
        let mut args =
            vec!["publish", &out, "--region", "local", "--endpoint-url", &endpoint, "--name", name];
        args.extend(["--boot-mode", "uefi"]);
        if tpm {
            args.push("--tpm");
        }
        let published = self.must(&args);
        let image = published["imageId"].as_str().unwrap_or_else(|| panic!("{published}"));
        let launch = json!({"ImageId": image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1});
        let launched = self.ec2("run_instances", &launch);
        launched["Instances"][0]["InstanceId"].as_str().unwrap().to_owned()
    }

    /// Attests an instance into a new file.
    pub(super) fn attest(&self, instance: &str, file: &str, more: &[&str]) -> Output {
        let (folder, file) = (self.path("region"), self.path(file));
        let args = ["local", "attest", instance, "--folder", &folder, "-o", &file];
        self.run(&[&args, more].concat())
    }

    fn verify(&self, file: &str, more: &[&str]) -> Output {
        let (file, out) = (self.path(file), self.path("out"));
        self.run(&[&["attest", "verify", &file, "--bundle", &out], more].concat())
    }
}

/// Debian's stub and kernel with a command line.
fn unified_kernel_image(folder: &Path) -> Option<Vec<u8>> {
    if !oracle::ready(&["tar"], false) {
        return None;
    }
    let (input, top) = (scratch::input("min.tar")?, folder.join("parts"));
    fs::create_dir(&top).unwrap();
    let (input, into) = (input.to_string_lossy(), top.to_string_lossy());
    let files = ["-xf", &input, "-C", &into, "--wildcards", "./boot/vmlinuz-*", "./usr/lib/systemd/boot"];
    oracle::must("tar", &files);
    let kernel = fs::read_dir(top.join("boot")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let stub = fs::read(top.join("usr/lib/systemd/boot/efi/linuxx64.efi.stub")).unwrap();
    let section = |name, bytes: Vec<u8>| UkiSection::new(name, Content::Inline(bytes.into()));
    let sections = [section(".cmdline", b"ro quiet".to_vec()), section(".linux", fs::read(kernel).unwrap())];
    let content = pe::uki(&stub, &sections).unwrap();
    let mut bytes = vec![0; content.len() as usize];
    for segment in content.segments() {
        let Origin::Inline { bytes: from, at } = segment.origin else { panic!("a reference") };
        let (start, len) = (segment.offset as usize, segment.len as usize);
        bytes[start..start + len].copy_from_slice(&from[at..at + len]);
    }
    Some(bytes)
}

pub(super) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(super) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn a_document_of_an_instance_is_verified_against_the_bundle_that_it_runs() {
    let Some(image) = AttestedImage::new() else { return };
    let instance = image.launch("web", true);
    let attested = image.attest(&instance, "good", &["--nonce", "hex:00ff", "--user-data", "a user"]);
    assert_eq!(code(&attested), 0, "{}", text(&attested));
    let root = image.path("region/attestation-root.pem");
    let trusted = ["--root", &root, "--nonce", "hex:00ff"];

    let good = image.verify("good", &[&trusted[..], &["--user-data", "a user"]].concat());
    assert_eq!(code(&good), 0, "{}", text(&good));
    assert!(
        text(&good).contains("not AWS") && text(&good).contains("PCR 2, 3, 4, 12, 13"),
        "{}",
        text(&good)
    );
    // As a document of AWS it is refused, and the hint says what it is.
    let aws = image.verify("good", &["--nonce", "hex:00ff"]);
    assert_eq!(code(&aws), 1);
    assert!(text(&aws).contains("a local region of amiforge made this document"), "{}", text(&aws));
    // Another nonce, other user data, a year later.
    let replayed = image.verify("good", &["--root", &root, "--nonce", "hex:00fe", "--user-data", "another"]);
    assert_eq!(code(&replayed), 3);
    assert!(
        text(&replayed).contains("nonce is 00ff instead of 00fe")
            && text(&replayed).contains("2 differences")
    );
    let late = image.verify("good", &[&trusted[..], &["--at", "2040-01-01T00:00:00Z"]].concat());
    assert_eq!(code(&late), 3);
    assert!(text(&late).contains("expired at"), "{}", text(&late));
    // A file that exists is not overwritten.
    assert_eq!(code(&image.attest(&instance, "good", &[])), 1);
}

#[test]
fn each_pcr_that_differs_is_named_with_what_it_stands_for() {
    let Some(image) = AttestedImage::new() else { return };
    let instance = image.launch("web", true);
    let root = image.path("region/attestation-root.pem");
    for (index, words) in [
        (2, "`Driver####`"),
        (4, "another unified kernel image"),
        (12, "load options, command line add-ons or credentials"),
        (13, "a system extension was passed"),
    ] {
        let (file, value) = (format!("pcr-{index}"), "ab".repeat(48));
        let attested = image.attest(&instance, &file, &["--pcr", &format!("{index}={value}")]);
        assert_eq!(code(&attested), 0, "{}", text(&attested));
        let verified = image.verify(&file, &["--root", &root, "--no-nonce"]);
        assert_eq!(code(&verified), 3, "{}", text(&verified));
        let text = text(&verified);
        assert!(
            text.contains(&format!("PCR {index} is {value} instead of ")) && text.contains(words),
            "{text}"
        );
        let json = image.verify(&file, &["--root", &root, "--no-nonce", "--json"]);
        let json: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(json["verified"], false);
        assert_eq!(json["differences"][0]["pcr"], index);
        assert_eq!(json["differences"][0]["actual"], value);
    }
}

#[test]
fn an_instance_without_a_tpm_or_one_that_is_gone_is_not_attested() {
    let Some(image) = AttestedImage::new() else { return };
    let without = image.launch("plain", false);
    let refused = image.attest(&without, "refused", &[]);
    assert_eq!(code(&refused), 1);
    assert!(
        text(&refused).contains("without a TPM") && text(&refused).contains("--tpm"),
        "{}",
        text(&refused)
    );
    let unknown = image.attest("i-0123456789abcdef0", "refused", &[]);
    assert!(text(&unknown).contains("there is no instance"), "{}", text(&unknown));
    let stopped = image.launch("web", true);
    image.ec2("stop_instances", &json!({"InstanceIds": [stopped]}));
    let refused = image.attest(&stopped, "refused", &[]);
    assert!(text(&refused).contains("not running"), "{}", text(&refused));
    assert!(!Path::new(&image.path("refused")).exists());
}

#[test]
fn what_is_no_document_is_refused_with_what_to_do() {
    let folder = scratch::folder();
    let path = folder.path().join("document");
    let verify = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let pcr = format!("4={}", "00".repeat(48));
        let args = ["attest", "verify", &path.to_string_lossy(), "--no-nonce", "--pcr", &pcr];
        let output = std::process::Command::new(program::path()).args(args).output().unwrap();
        (code(&output), text(&output))
    };
    for bytes in [&b""[..], b"hello\n", b"{}", &[0x84; 100], &vec![0x84; 200_000], b"hEShATgioFkT"] {
        let (code, text) = verify(bytes);
        assert!(code == 1 && text.contains("hint: "), "{code}: {text}");
    }
    // Words of the command line are mistakes of another kind.
    let usage =
        |args: &[&str]| code(&std::process::Command::new(program::path()).args(args).output().unwrap());
    assert_eq!(usage(&["attest", "verify", "document", "--no-nonce"]), 2);
    assert_eq!(usage(&["attest", "verify", "document", "--bundle", "out"]), 2);
    assert_eq!(usage(&["attest", "verify", "document", "--no-nonce", "--pcr", "4=00"]), 2);
}

#[test]
fn foreign_words_of_a_document_are_shown_and_not_sent_to_the_terminal() {
    let folder = scratch::folder();
    let state = folder.path().join("region");
    drop(LocalRegion::open(RegionConfig::new(&state)).unwrap());
    let issuer = AttestationIssuer::open(&state).unwrap();
    let guest = AttestedInstance::of_a_guest("i-\u{1b}[2J\u{202e}");
    let request =
        AttestationRequest { nonce: Some(b"\x1b]0;x\x07".to_vec()), ..AttestationRequest::default() };
    let path = folder.path().join("document").to_string_lossy().into_owned();
    fs::write(&path, issuer.issue(&guest, Timestamp(1_795_000_000_000), &request)).unwrap();
    for more in [&[][..], &["--json"]] {
        let args = [&["attest", "show", &path], more].concat();
        let output = std::process::Command::new(program::path()).args(args).output().unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output));
        let text = text(&output);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && text.contains("[2J"), "{text:?}");
    }
    let shown = std::process::Command::new(program::path()).args(["attest", "show", &path]).output().unwrap();
    let text = text(&shown);
    assert!(text.contains("6 bytes, 1b5d303b7807"), "{text}");
    assert!(text.contains("Nothing of this is verified"), "{text}");
    assert!(text.contains("O=amiforge"), "{text}");
}
