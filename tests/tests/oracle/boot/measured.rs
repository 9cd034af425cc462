//! Measured boots: what a TPM shows is what was predicted, whatever is added to the machine is named, and Secure Boot
//! refuses what its keys do not allow. The judges are OVMF, swtpm and `tpm2_eventlog`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use amiforge_formats::guid::Guid;
use amiforge_formats::pe;
use amiforge_formats::uefi_vars::{Enrolment, SignatureKind, SignatureList, Variable, encode_ec2};
use amiforge_tests::machine::{self, Firmware};
use amiforge_tests::{oracle, program};
use serde_json::Value;

use super::parts::{self, Parts, bytes, inline};
use super::stores::{global, load_option};

/// What the program in the guest prints last.
const DONE: &str = "GUEST done";

/// The parts of an image, and a folder in which the program is run.
struct MeasuredFixture {
    parts: Parts,
}

impl MeasuredFixture {
    /// `None` when a program is not installed.
    fn new() -> Option<Self> {
        let tools = ["swtpm", "tpm2_eventlog", "openssl", "sbsign", "sgdisk", "mformat", "mmd", "mcopy"];
        let ready = machine::ready(Firmware::Uefi) && oracle::ready(&tools, false);
        Some(Self { parts: ready.then(Parts::take).flatten()? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.parts.path(name)
    }

    /// A unified kernel image.
    fn uki(&self) -> Vec<u8> {
        let section = |name, bytes: &[u8]| pe::UkiSection::new(name, inline(bytes));
        let sections = [
            section(".osrel", b"ID=tests\nNAME=\"Tests\"\n"),
            section(".cmdline", b"console=ttyS0,115200n8 panic=-1 quiet"),
            section(".uname", b"6.1.0-tests"),
            section(".initrd", &self.parts.initrd),
            section(".linux", &self.parts.kernel),
        ];
        bytes(&pe::uki(&self.parts.stub, &sections).expect("an image"))
    }

    /// A disk with an image and further files on its ESP.
    fn disk(&self, name: &str, uki: &[u8], files: &[(&str, &[u8])]) -> String {
        let disk = self.parts.disk(name, None, Some(uki)).to_string_lossy().into_owned();
        let target = format!("{disk}@@{}M", parts::ESP.0);
        for (path, bytes) in files {
            for (at, _) in path.match_indices('/') {
                let folder = format!("::{}", &path[..at]);
                oracle::run("mmd", &["-D", "s", "-i", &target, &folder]);
            }
            let file = self.path("file");
            fs::write(&file, bytes).expect("a file");
            let file = file.to_string_lossy().into_owned();
            oracle::must("mcopy", &["-i", &target, &file, &format!("::{path}")]);
        }
        disk
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(program::path());
        command.args(args).current_dir(self.parts.folder.path()).stdin(Stdio::null());
        command.env("AMIFORGE_LOCAL_REGION", self.path("region")).output().expect("amiforge starts")
    }

    /// Boots a disk with a TPM until the guest is done, and returns the result and the exit code.
    fn boot(&self, disk: &str, more: &[&str]) -> (Value, Option<i32>) {
        // The disk has a partition for a legacy BIOS, too.
        let args = ["--json", "boot", disk, "--tpm", "--firmware", "uefi", "--accel", "tcg"];
        let args = [&args[..], &["--expect", DONE, "--timeout", "240"]].concat();
        let output = self.run(&[&args[..], more].concat());
        let json = serde_json::from_slice(&output.stdout);
        (json.unwrap_or_else(|error| panic!("{error}: {}", text(&output))), output.status.code())
    }

    /// A certificate of its own, in DER; the key is beside it.
    fn certificate(&self, name: &str) -> Vec<u8> {
        let at = |suffix: &str| self.path(&format!("{name}.{suffix}")).to_string_lossy().into_owned();
        let subject = format!("/CN=amiforge test {name}");
        let (key, crt, der) = (at("key"), at("crt"), at("der"));
        let request = ["req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "3650"];
        oracle::must(
            "openssl",
            &[&request[..], &["-subj", &subject, "-keyout", &key, "-out", &crt]].concat(),
        );
        oracle::must("openssl", &["x509", "-in", &crt, "-outform", "DER", "-out", &der]);
        fs::read(der).expect("a certificate")
    }

    /// The image signed by sbsign with the key of a certificate.
    fn signed(&self, uki: &[u8], name: &str) -> Vec<u8> {
        let at = |file: &str| self.path(file).to_string_lossy().into_owned();
        let (key, crt) = (at(&format!("{name}.key")), at(&format!("{name}.crt")));
        fs::write(self.path("unsigned"), uki).expect("an image");
        let args = ["--key", &key, "--cert", &crt, "--output", &at("signed"), &at("unsigned")];
        oracle::must("sbsign", &args);
        fs::read(self.path("signed")).expect("a signed image")
    }

    /// A file for `--uefi-data`.
    fn uefi_data(&self, name: &str, variables: &[Variable]) -> String {
        let path = self.path(name);
        fs::write(&path, encode_ec2(variables).expect("variables")).expect("a file");
        path.to_string_lossy().into_owned()
    }

    /// Keys whose `db` holds one certificate, and a `dbx`.
    fn enrolment(&self, db: &[u8], dbx: Vec<SignatureList>) -> Vec<Variable> {
        let list = |der: &[u8]| vec![SignatureList::certificate(owner(), der)];
        let (pk, kek) = (list(&self.certificate("pk")), list(&self.certificate("kek")));
        Enrolment { pk, kek, db: list(db), dbx }.variables()
    }
}

pub(super) fn owner() -> Guid {
    Guid::from_u128(0xaaaa_aaaa_1111_4222_8333_bbbb_bbbb_bbbb)
}

fn text(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// The registers that `tpm2_eventlog` computes from a log, by bank and number.
fn replayed(log: &Path) -> Vec<(String, String, String)> {
    let shown = oracle::must("tpm2_eventlog", &[log]);
    let registers = shown.split("\npcrs:\n").nth(1).expect("registers");
    let mut bank = String::new();
    let mut all = Vec::new();
    for (name, value) in registers.lines().filter_map(|line| line.split_once(':')) {
        match value.trim().strip_prefix("0x") {
            Some(value) => all.push((bank.clone(), name.trim().to_owned(), value.to_owned())),
            None => name.trim().clone_into(&mut bank),
        }
    }
    all
}

/// Asserts that everything is as predicted, and that `tpm2_eventlog` replays the kept log to the registers of the TPM.
fn assert_predicted(disk: &str, (json, code): &(Value, Option<i32>), state: &str) {
    let tpm = &json["tpm"];
    assert_eq!(
        (*code, &json["outcome"], &tpm["secure_boot"]),
        (Some(0), &"passed".into(), &state.into()),
        "{json}"
    );
    assert_eq!(tpm["differences"], Value::Array(Vec::new()), "{json}");
    assert_eq!(tpm["compared"], serde_json::json!([2, 3, 4, 7, 11, 12, 13]), "{json}");
    let log = PathBuf::from(format!("{disk}.boot.secure-boot-{state}.eventlog"));
    let replayed = replayed(&log);
    assert!(replayed.len() >= 18, "{replayed:?}");
    for (bank, pcr, value) in replayed {
        // The kernel continues 10 where it has IMA.
        assert_eq!(tpm["pcrs"][&bank][&pcr], value.as_str(), "{bank} {pcr}");
    }
    println!("Secure Boot {state}: PCR 4 {} in {} s", tpm["pcrs"]["sha384"]["4"], json["seconds"]);
}

#[test]
fn measures_what_is_predicted_with_secure_boot_off_and_on_and_only_that_is_published() {
    let Some(fixture) = MeasuredFixture::new() else { return };
    let uki = fixture.uki();
    let db = fixture.certificate("db");
    // The two states have the same bytes: firmware without keys ignores the signature.
    let disk = fixture.disk("disk", &fixture.signed(&uki, "db"), &[]);
    let variables = fixture.uefi_data("variables", &fixture.enrolment(&db, Vec::new()));
    let publish = |more: &[&str]| {
        let base =
            ["publish", &disk, "--require-measured", "--dry-run", "--region", "eu-west-1", "--name", "web"];
        fixture.run(&[&base[..], &["--arch", "x86_64", "--boot-mode", "uefi"], more].concat())
    };
    let refused = publish(&["--tpm"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("there is no receipt") && text(&refused).contains("--tpm --expect"));
    let refused = publish(&[]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));

    assert_predicted(&disk, &fixture.boot(&disk, &[]), "off");
    let published = publish(&["--tpm"]);
    assert!(published.status.success(), "{}", text(&published));
    let with_keys = ["--tpm", "--uefi-data", &variables];
    let refused = publish(&with_keys);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("no measured boot with Secure Boot on"), "{}", text(&refused));

    let booted = fixture.boot(&disk, &["--secure-boot", "--uefi-data", &variables]);
    assert_predicted(&disk, &booted, "on");
    assert!(publish(&with_keys).status.success() && publish(&["--tpm"]).status.success());
    refuses_edited_evidence(&fixture, &disk, &|| publish(&["--tpm"]));
}

/// An event log of another boot, and a receipt of other registers, are no evidence.
fn refuses_edited_evidence(fixture: &MeasuredFixture, disk: &str, publish: &dyn Fn() -> Output) {
    let logs = ["off", "on"].map(|state| format!("{disk}.boot.secure-boot-{state}.eventlog"));
    let own = fs::read(&logs[0]).expect("a log");
    fs::copy(&logs[1], &logs[0]).expect("another log");
    let refused = publish();
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(
        text(&refused).contains("the event log") && text(&refused).contains("SHA-256"),
        "{}",
        text(&refused)
    );
    fs::write(&logs[0], own).expect("the log as it was");
    assert!(publish().status.success());
    // A key in another store than the measured one.
    let other = fixture.enrolment(&fixture.certificate("other"), Vec::new());
    let other = fixture.uefi_data("other-variables", &other);
    let args = [
        "publish",
        disk,
        "--require-measured",
        "--dry-run",
        "--region",
        "eu-west-1",
        "--name",
        "web",
        "--tpm",
    ];
    let more = ["--arch", "x86_64", "--boot-mode", "uefi", "--uefi-data", &other];
    let refused = fixture.run(&[&args[..], &more].concat());
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
}

#[test]
fn refuses_combinations_that_ec2_refuses_and_names_missing_programs() {
    let Some(fixture) = MeasuredFixture::new() else { return };
    let disk = fixture.disk("disk", &fixture.uki(), &[]);
    let boot = |more: &[&str]| fixture.run(&[&["boot", &disk, "--expect", DONE][..], more].concat());
    for (args, reason) in [
        (&["--tpm", "--firmware", "bios"][..], "needs the boot mode `uefi`"),
        // The disk has a partition for a legacy BIOS, too.
        (&["--tpm"], "that of this image is `uefi-preferred`"),
        (&["--secure-boot"], "Secure Boot needs keys"),
    ] {
        let refused = boot(args);
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
        assert!(text(&refused).contains(reason), "{}", text(&refused));
    }
    // Programs are looked for by the path, so one without swtpm is a host without it.
    let bin = fixture.path("bin");
    fs::create_dir(&bin).expect("a folder");
    let qemu = oracle::find("qemu-system-x86_64").expect("QEMU");
    std::os::unix::fs::symlink(qemu, bin.join("qemu-system-x86_64")).expect("a link");
    let mut command = Command::new(program::path());
    command.args(["boot", &disk, "--tpm", "--firmware", "uefi", "--accel", "tcg"]).env("PATH", &bin);
    let output = command.stdin(Stdio::null()).output().expect("amiforge starts");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("(`swtpm`) is not installed"), "{}", text(&output));
}

/// A program as a driver: the subsystem says which it is.
fn driver(program: &[u8]) -> Vec<u8> {
    let mut driver = program.to_vec();
    let header = u32::from_le_bytes(driver[0x3c..0x40].try_into().expect("four bytes")) as usize;
    driver[header + 24 + 68] = 11;
    driver
}

/// The register that has to differ, and words of its meaning.
type Named = (u64, &'static str);

/// What is added to a machine.
struct Attack<'a> {
    files: &'a [(&'a str, &'a [u8])],
    variables: &'a [Variable],
    named: Named,
}

#[test]
fn whatever_an_operator_adds_changes_a_published_register_and_is_named() {
    let Some(fixture) = MeasuredFixture::new() else { return };
    let uki = fixture.uki();
    let folder = "EFI/BOOT/BOOTX64.EFI.extra.d";
    let cred = format!("{folder}/x.cred");
    let sysext = format!("{folder}/x.raw");
    let driver = driver(&fixture.parts.stub);
    let path = "\\EFI\\BOOT\\BOOTX64.EFI";
    let evil = "console=ttyS0,115200n8 panic=-1 quiet evil=1";
    let options = [load_option("Boot0000", path, evil), global("BootOrder", vec![0, 0])];
    let drivers = [load_option("Driver0000", "\\EFI\\BOOT\\DRV.EFI", ""), global("DriverOrder", vec![0, 0])];
    let attacks = [
        Attack { files: &[(&cred, &[7; 200])], variables: &[], named: (12, "credential") },
        Attack {
            files: &[("loader/credentials/x.cred", &[7; 200])],
            variables: &[],
            named: (12, "credential"),
        },
        Attack { files: &[(&sysext, &[7; 4096])], variables: &[], named: (13, "system extension") },
        Attack { files: &[], variables: &options, named: (12, "`Boot####`") },
        Attack { files: &[("EFI/BOOT/DRV.EFI", &driver)], variables: &drivers, named: (2, "`Driver####`") },
    ];
    for (index, Attack { files, variables, named: (pcr, words) }) in attacks.iter().enumerate() {
        let name = format!("disk{index}");
        let disk = fixture.disk(&name, &uki, files);
        let data = fixture.uefi_data("attack", variables);
        let more: &[&str] = if variables.is_empty() { &[] } else { &["--uefi-data", &data] };
        let (json, code) = fixture.boot(&disk, more);
        assert_eq!((code, &json["outcome"]), (Some(3), &"passed".into()), "{words}: {json}");
        let [difference] = json["tpm"]["differences"].as_array().expect("differences").as_slice() else {
            panic!("{words}: {json}")
        };
        assert_eq!(difference["pcr"], *pcr, "{difference}");
        assert!(difference["meaning"].as_str().expect("a meaning").contains(words), "{difference}");
        assert_eq!(json["receipt"], Value::Null, "{json}");
        println!("{words}: {difference:#}");
        fs::remove_file(disk).expect("the disk");
    }
}

#[test]
fn secure_boot_refuses_what_its_keys_do_not_allow() {
    let Some(fixture) = MeasuredFixture::new() else { return };
    let uki = fixture.uki();
    let db = fixture.certificate("db");
    fixture.certificate("stranger");
    let signed = fixture.signed(&uki, "db");
    let mut changed = signed.clone();
    let cmdline = pe::read(&signed).expect("an image").section(".cmdline").expect("a section").raw_offset;
    changed[cmdline as usize] ^= 1;
    let enrolled = fixture.enrolment(&db, Vec::new());
    let keys = fixture.uefi_data("keys", &enrolled);
    let revoked = vec![SignatureList { kind: SignatureKind::X509, entries: vec![(owner(), db.clone())] }];
    let with_revocation = fixture.uefi_data("revoked", &fixture.enrolment(&db, revoked));
    let cases = [
        ("unsigned", &uki, &keys),
        ("changed by a bit", &changed, &keys),
        ("signed by another key", &fixture.signed(&uki, "stranger"), &keys),
        ("revoked", &signed, &with_revocation),
    ];
    for (case, uki, keys) in cases {
        let disk = fixture.disk("refused", uki, &[]);
        let args =
            ["boot", &disk, "--firmware", "uefi", "--secure-boot", "--uefi-data", keys, "--accel", "tcg"];
        let checks = ["--json", "--expect", DONE, "--timeout", "45", "--no-receipt"];
        let output = fixture.run(&[&args[..], &checks].concat());
        assert_eq!(output.status.code(), Some(3), "{case}: {}", text(&output));
        let shown = text(&output);
        assert!(!shown.contains("GUEST runs"), "{case}: {shown}");
        assert!(shown.contains("Access Denied") || shown.contains("Security Violation"), "{case}: {shown}");
    }
}
