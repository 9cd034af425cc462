//! Predicted PCRs, judged by systemd-measure and by a computation of its own in Python; a signed policy, judged by
//! systemd-measure with a TPM in software.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use amiforge_formats::pcr::{Bank, PREDICTED, PhasePath, Variables};
use amiforge_formats::pe::{self, UkiSection};
use amiforge_formats::plan::NoSources;
use amiforge_formats::tree::Content;
use amiforge_image::measure::{Measurements, Registers};
use amiforge_tests::{folder_tree, oracle, python, scratch};

/// Where Debian puts systemd's calculator.
const SYSTEMD_MEASURE: &str = "/lib/systemd/systemd-measure";

/// Where Debian puts the stub and the loader.
const SYSTEMD_BOOT: &str = "/usr/lib/systemd/boot/efi";

/// Registers by bank and number, in hexadecimal digits.
type Values = BTreeMap<(String, u8), String>;

fn values(registers: &Registers) -> Values {
    let all =
        registers.iter().flat_map(|(number, value)| Bank::ALL.map(|bank| (bank, *number, value.hex(bank))));
    all.map(|(bank, number, value)| ((bank.name().to_owned(), number), value)).collect()
}

/// The registers that the script computes.
fn computed(python: &Path, arguments: &[String]) -> Values {
    let script = scratch::repository().join("tests/oracles/pcr.py").to_string_lossy().into_owned();
    let arguments: Vec<_> = std::iter::once(script).chain(arguments.iter().cloned()).collect();
    let text = oracle::must(&python.to_string_lossy(), &arguments);
    let line = |line: &str| {
        let [bank, number, value] = *line.split(' ').collect::<Vec<_>>() else { panic!("{line}") };
        ((bank.to_owned(), number.parse().expect("a number")), value.to_owned())
    };
    text.lines().map(line).collect()
}

fn fixture(name: &str) -> PathBuf {
    scratch::repository().join("fixtures/pcr").join(name)
}

fn read(path: impl AsRef<Path>) -> Vec<u8> {
    std::fs::read(path).expect("a file")
}

/// An image of systemd's own stub of this machine, with its parts as files in a folder; skips without the stub.
struct RealStub {
    folder: tempfile::TempDir,
    image: PathBuf,
}

impl RealStub {
    /// The sections are in files of their names without the dot. The kernel is the loader, which says of itself that it
    /// takes an initrd.
    fn make() -> Option<Self> {
        let stub = Path::new(SYSTEMD_BOOT).join("linuxx64.efi.stub");
        if !stub.is_file() {
            oracle::skip("not installed: systemd-boot-efi");
            return None;
        }
        let folder = scratch::folder();
        let mut kernel = read(Path::new(SYSTEMD_BOOT).join("systemd-bootx64.efi"));
        let optional = u32::from_le_bytes(kernel[0x3c..0x40].try_into().expect("four bytes")) as usize + 24;
        kernel[optional + 44] = 3;
        let parts: [(&'static str, Vec<u8>); 6] = [
            (".osrel", b"ID=test\n".to_vec()),
            (".cmdline", b"root=/dev/x ro quiet".to_vec()),
            (".uname", b"6.1.0-test".to_vec()),
            (".initrd", [b"070701".as_slice(), &[7; 4098]].concat()),
            (".pcrpkey", b"-----BEGIN PUBLIC KEY-----\n".to_vec()),
            (".linux", kernel),
        ];
        for (name, bytes) in &parts {
            std::fs::write(folder.path().join(&name[1..]), bytes).expect("a section");
        }
        let sections = parts.map(|(name, bytes)| UkiSection::new(name, Content::Inline(bytes.into())));
        let image = pe::uki(&read(stub), &sections).expect("an image");
        let path = folder.path().join("uki.efi");
        std::fs::write(&path, folder_tree::content_bytes(&image, &NoSources)).expect("an image");
        Some(Self { folder, image: path })
    }

    fn section(&self, name: &str) -> String {
        format!("--{name}={}", self.folder.path().join(name).display())
    }

    /// What systemd's calculator is given of the image.
    fn arguments(&self) -> Vec<String> {
        ["linux", "osrel", "cmdline", "initrd", "pcrpkey"].map(|name| self.section(name)).to_vec()
    }
}

fn predicted(image: &[u8], enrolled: Option<&Variables>, phases: &str) -> Measurements {
    let phases = PhasePath::parse(phases).expect("phases");
    Measurements::predict(&image, enrolled, &phases, None).expect("a prediction")
}

#[test]
fn the_registers_are_those_of_the_specifications_in_another_program() {
    let Some(python) = python::with(&["hashlib"]) else { return };
    let real = RealStub::make();
    let mut images: Vec<_> =
        ["252.efi", "257.efi", "262.efi", "252-signed.efi", "262-signed.efi"].map(fixture).to_vec();
    images.extend(real.as_ref().map(|real| real.image.clone()));
    let variables = Variables {
        pk: read(fixture("pk.esl")),
        kek: read(fixture("kek.esl")),
        db: read(fixture("db.esl")),
        dbx: vec![],
    };
    let folder = scratch::folder();
    let authority = folder.path().join("authority");
    std::fs::write(&authority, &variables.db[28..]).expect("the entry");
    let option = |name: &str, path: &Path| format!("--{name}={}", path.display());
    for image in images {
        let path = image.to_string_lossy().into_owned();
        let measurements = predicted(&read(&image), Some(&variables), "sysinit:ready");
        let phases = ["--phase=sysinit", "--phase=ready"].map(str::to_owned);
        let mut arguments = [vec![path.clone()], phases.to_vec()].concat();
        let off = computed(&python, &arguments);
        assert_eq!(off.len(), 2 * PREDICTED.len());
        assert_eq!(values(&measurements.secure_boot_off), off, "{path}");
        arguments.extend(["pk", "kek", "db"].map(|name| option(name, &fixture(&format!("{name}.esl")))));
        arguments.push(option("authority", &authority));
        let on = measurements.secure_boot_on.expect("registers with keys");
        assert_eq!(values(&on), computed(&python, &arguments), "{path}");
    }
}

#[test]
fn register_11_is_that_of_systemd_measure() {
    if !Path::new(SYSTEMD_MEASURE).is_file() {
        oracle::skip("not installed: systemd-measure");
        return;
    }
    let Some(real) = RealStub::make() else { return };
    for phases in ["", "enter-initrd", "enter-initrd:leave-initrd:sysinit:ready"] {
        let mut arguments =
            vec!["calculate".to_owned(), "--bank=sha256".to_owned(), "--bank=sha384".to_owned()];
        arguments.push(format!("--phase={}", if phases.is_empty() { ":" } else { phases }));
        arguments.extend(real.arguments());
        let text = oracle::must(SYSTEMD_MEASURE, &arguments);
        let registers = predicted(&read(&real.image), None, phases).secure_boot_off;
        for bank in Bank::ALL {
            let expected = format!("11:{}={}", bank.name(), registers[&11].hex(bank));
            assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
        }
    }
}

#[test]
fn a_leaf_below_an_authority_in_db_is_measured_as_that_authority() {
    let Some(python) = python::with(&["hashlib"]) else { return };
    if !oracle::ready(&["openssl", "sbsign"], false) {
        return;
    }
    let folder = scratch::folder();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let openssl = |arguments: &str| {
        let arguments: Vec<_> = arguments.split(' ').map(|word| word.replace('@', &at(""))).collect();
        oracle::must("openssl", &arguments);
    };
    openssl("req -new -x509 -newkey rsa:2048 -nodes -subj /CN=ca -days 30 -keyout @ca.key -out @ca.crt");
    openssl("req -new -newkey rsa:2048 -nodes -subj /CN=leaf -keyout @leaf.key -out @leaf.csr");
    openssl("x509 -req -in @leaf.csr -CA @ca.crt -CAkey @ca.key -set_serial 7 -days 30 -out @leaf.crt");
    openssl("x509 -in @ca.crt -outform DER -out @ca.der");
    let image = fixture("262.efi").to_string_lossy().into_owned();
    let signed = at("signed.efi");
    oracle::must(
        "sbsign",
        &["--key", &at("leaf.key"), "--cert", &at("leaf.crt"), "--output", &signed, &image],
    );
    // Two certificates: the one of the fixtures, which did not sign, and the authority.
    let other = read(fixture("db.esl"));
    let (owner, certificate) = ([3; 16], read(at("ca.der")));
    let entry = [owner.as_slice(), &certificate].concat();
    let mut db = other.clone();
    db.extend(&other[..16]);
    for number in [28 + entry.len(), 0, entry.len()] {
        db.extend(u32::try_from(number).expect("a length").to_le_bytes());
    }
    db.extend(&entry);
    std::fs::write(at("db.esl"), &db).expect("a list");
    std::fs::write(at("authority"), &entry).expect("an entry");
    let variables = Variables { pk: other.clone(), kek: other, db, dbx: vec![] };
    let measurements = predicted(&read(&signed), Some(&variables), "");
    let list = fixture("db.esl").to_string_lossy().into_owned();
    let arguments = [
        signed,
        format!("--pk={list}"),
        format!("--kek={list}"),
        format!("--db={}", at("db.esl")),
        format!("--authority={}", at("authority")),
    ];
    assert_eq!(values(&measurements.secure_boot_on.expect("registers")), computed(&python, &arguments));
}
