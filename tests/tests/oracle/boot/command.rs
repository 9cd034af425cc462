//! `amiforge boot` as a user meets it, on disks whose only program is a boot sector that says what a test wants: seconds
//! each.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use amiforge_tests::{oracle, program, scratch};
use serde_json::Value;
use tempfile::TempDir;

/// A boot sector: writes the text behind it to the first serial port, up to a zero, and waits without end.
///
/// ```text
/// cli; xor ax, ax; mov ds, ax; mov si, 0x7c22
/// next: lodsb; test al, al; jz end; mov ah, al
/// mov dx, 0x3fd; room: in al, dx; test al, 0x20; jz room
/// mov al, ah; mov dx, 0x3f8; out dx, al; jmp next
/// end: hlt; jmp end
/// ```
const CODE: [u8; 34] = [
    0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0xbe, 0x22, 0x7c, 0xac, 0x84, 0xc0, 0x74, 0x12, 0x88, 0xc4, 0xba, 0xfd,
    0x03, 0xec, 0xa8, 0x20, 0x74, 0xfb, 0x88, 0xe0, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xe9, 0xf4, 0xeb, 0xfd,
];

/// A disk in a folder with a local region, and the program run in it.
struct CliFixture(TempDir);

impl CliFixture {
    /// Skips where there is no QEMU.
    fn new(says: &str) -> Option<Self> {
        if !oracle::ready(&["qemu-system-x86_64"], false) {
            return None;
        }
        let fixture = Self(scratch::folder());
        let mut sector = CODE.to_vec();
        sector.extend_from_slice(says.as_bytes());
        assert!(sector.len() < 510, "the text is too long for a sector");
        sector.resize(510, 0);
        sector.extend([0x55, 0xaa]);
        let disk = fs::File::create_new(fixture.disk()).expect("a disk");
        disk.set_len(16 << 20).expect("its length");
        disk.write_all_at(&sector, 0).expect("its first sector");
        Some(fixture)
    }

    fn disk(&self) -> PathBuf {
        self.0.path().join("disk")
    }

    fn receipt(&self) -> PathBuf {
        self.0.path().join("disk.boot.json")
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("amiforge starts")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program::path());
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("AMIFORGE_LOCAL_REGION", self.0.path().join("region"));
        command
    }

    /// Boots in software, with its result as JSON; also gives the exit code.
    fn boot(&self, args: &[&str]) -> (Value, Option<i32>) {
        let mut all = vec!["--json", "boot", "--accel", "tcg"];
        all.extend(args);
        let output = self.run(&all);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let json = serde_json::from_slice(&output.stdout);
        (json.unwrap_or_else(|error| panic!("{error}: {stderr}")), output.status.code())
    }
}

fn text(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_boot_that_passes_leaves_a_receipt_and_only_that_lets_an_image_be_published() {
    let Some(fixture) = CliFixture::new("ready to serve\r\n") else { return };
    let publish = [
        "publish",
        "disk",
        "--require-boot",
        "--region",
        "local",
        "--name",
        "web",
        "--arch",
        "x86_64",
        "--boot-mode",
        "legacy-bios",
    ];
    let refused = fixture.run(&publish);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(
        text(&refused).contains("was not booted") && text(&refused).contains("hint: `amiforge boot disk")
    );

    let before = fs::read(fixture.disk()).expect("the disk");
    let (json, code) = fixture.boot(&["disk", "--expect", "ready to serve", "--timeout", "60"]);
    assert_eq!(
        (code, &json["outcome"], &json["firmware"]),
        (Some(0), &"passed".into(), &"bios".into()),
        "{json}"
    );
    assert_eq!(fs::read(fixture.disk()).expect("the disk"), before, "the disk is never written");
    let receipt: Value =
        serde_json::from_slice(&fs::read(fixture.receipt()).expect("a receipt")).expect("JSON");
    assert_eq!(receipt["boots"][0]["passed"][0]["expect"], "ready to serve");
    let published = fixture.run(&publish);
    assert!(published.status.success(), "{}", text(&published));

    // The same bytes come back out of the region, and say the same; of them there is no receipt beside anything.
    let ami =
        text(&published).split_whitespace().find(|word| word.starts_with("ami-")).expect("an AMI").to_owned();
    let (json, code) =
        fixture.boot(&[&ami, "--region", "local", "--expect", "ready to serve", "--timeout", "60"]);
    assert_eq!((code, &json["receipt"]), (Some(0), &Value::Null), "{json}");

    let receipt = fs::read_to_string(fixture.receipt()).expect("a receipt");
    fs::write(fixture.receipt(), receipt.replace("ready to serve", "login:")).expect("an edit");
    let refused = fixture.run(&publish);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("was edited"), "{}", text(&refused));
    fs::write(fixture.receipt(), receipt).expect("the receipt as it was");

    fs::File::options()
        .write(true)
        .open(fixture.disk())
        .and_then(|disk| disk.write_all_at(b"x", 4096))
        .expect("a change");
    let refused = fixture.run(&publish);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("is of an image with the digest"), "{}", text(&refused));
}

#[test]
fn a_console_reaches_a_terminal_without_what_would_make_it_act_and_a_file_as_it_is() {
    let says = "\x1b]0;pwned\x07\x1b[31mred\x1b[0m\x1b[6n\x1b[2J\x1b]52;c;eA==\x07 ready to serve\r\n";
    let Some(fixture) = CliFixture::new(says) else { return };
    if !oracle::ready(&["script"], false) {
        return;
    }
    let program = program::path();
    let line = format!(
        "'{}' boot disk --accel tcg --no-receipt --expect 'ready to serve' --timeout 60 --log log",
        program.display()
    );
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", &line, "/dev/null"]).current_dir(fixture.0.path()).stdin(Stdio::null());
    let output = command.env("NO_COLOR", "1").output().expect("script starts");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown:?}");
    assert!(shown.contains("\x1b[31mred\x1b[0m ready to serve\r"), "{shown:?}");
    for part in ["pwned", "\x1b]", "\x1b[6n", "\x1b[2J", "\x07"] {
        assert!(!shown.contains(part), "{part:?} in {shown:?}");
    }
    let log = fs::read(fixture.0.path().join("log")).expect("the log");
    assert!(String::from_utf8_lossy(&log).contains(says.trim_end()), "{log:?}");
}

#[test]
fn a_boot_that_fails_says_why_in_words_and_takes_its_receipt_back() {
    let panic = "[    1.2] VFS: Cannot open root device \"PARTUUID=1\" or unknown-block(0,0): error -6\r\n\
        [    1.3] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n";
    let Some(fixture) = CliFixture::new(panic) else { return };
    let (_, code) = fixture.boot(&["disk", "--expect", "Kernel panic", "--timeout", "60"]);
    assert!(code == Some(0) && fixture.receipt().exists());
    let (json, code) = fixture.boot(&["disk", "--expect", "login:", "--timeout", "60"]);
    assert_eq!((code, &json["outcome"]), (Some(3), &"failed".into()), "{json}");
    assert_eq!(
        (&json["reason"]["kind"], &json["unmet"][0]["expect"]),
        (&"no-root".into(), &"login:".into()),
        "{json}"
    );
    assert!(json["screen"].to_string().contains("Kernel panic"), "{json}");
    assert!(json["seconds"].as_f64().expect("seconds") < 30.0, "it does not wait for the limit: {json}");
    assert!(!fixture.receipt().exists());

    let output =
        fixture.run(&["boot", "disk", "--accel", "tcg", "-q", "--expect", "login:", "--timeout", "60"]);
    assert_eq!(output.status.code(), Some(3));
    for part in [
        "  | [    1.3] Kernel panic",
        "not shown: `login:` on the console",
        "reason: no root device",
        "console: [    1.2] VFS:",
    ] {
        assert!(text(&output).contains(part), "{part}: {}", text(&output));
    }
}

#[test]
fn time_that_is_over_and_a_disk_with_nothing_on_it_are_told_apart() {
    let Some(fixture) = CliFixture::new("Linux version 6.1\r\n") else { return };
    let (json, code) = fixture.boot(&["disk", "--expect", "login:", "--timeout", "5"]);
    assert_eq!((code, &json["how"]), (Some(3), &"the time limit was reached".into()), "{json}");
    assert_eq!(json["reason"]["kind"], "silent-kernel", "{json}");
    fs::write(fixture.disk(), vec![0; 1 << 20]).expect("an empty disk");
    let (json, code) = fixture.boot(&["disk", "--expect", "login:", "--timeout", "60", "--bus", "virtio"]);
    assert_eq!((code, &json["reason"]["kind"]), (Some(3), &"nothing-to-boot".into()), "{json}");
}

#[test]
fn what_is_missing_on_the_host_is_told_with_its_package() {
    let Some(fixture) = CliFixture::new("x") else { return };
    let output = fixture.command(&["boot", "disk"]).env("PATH", "").output().expect("amiforge starts");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        text(&output).contains("QEMU for x86_64 (`qemu-system-x86_64`) is not installed"),
        "{}",
        text(&output)
    );
    assert!(
        text(&output).contains("qemu-system-x86") && text(&output).contains("hint: "),
        "{}",
        text(&output)
    );
    let output = fixture.run(&["boot", "disk", "--arch", "aarch64", "--accel", "kvm"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let output = fixture.run(&["boot", "missing"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let output = fixture.run(&["boot", "disk", "--get", "nowhere"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[test]
fn a_disk_may_be_written_to_and_its_console_kept() {
    let Some(fixture) = CliFixture::new("hello\r\n") else { return };
    let args =
        ["disk", "--persist", "--expect", "hello", "--timeout", "60", "--log", "log", "--volume", "1GiB"];
    let (json, code) = fixture.boot(&args);
    assert_eq!((code, &json["receipt"]), (Some(0), &Value::Null), "{json}");
    assert!(fs::read_to_string(fixture.0.path().join("log")).expect("the log").contains("hello"));
}

/// Whether a QEMU works in the folder of a fixture.
fn runs(fixture: &CliFixture) -> bool {
    let folder = fixture.0.path();
    fs::read_dir("/proc").expect("/proc").flatten().any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.starts_with("qemu") && line.contains(&*folder.to_string_lossy())
    })
}

/// Launches a guest, and sends the program a signal when the guest runs.
fn interrupted(fixture: &CliFixture, signal: &str) -> std::process::ExitStatus {
    let mut command = fixture.command(&["boot", "disk", "--accel", "tcg", "--log", "log"]);
    // What the guest writes goes there, so QEMU is told of it.
    command.env("TMPDIR", fixture.0.path());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("amiforge starts");
    let log = fixture.0.path().join("log");
    let end = Instant::now() + Duration::from_mins(1);
    while !fs::read_to_string(&log).is_ok_and(|log| log.contains("hello")) {
        assert!(Instant::now() < end, "the guest said nothing");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(runs(fixture), "its QEMU is not found");
    oracle::must("kill", &[signal, &child.id().to_string()]);
    child.wait().expect("an end")
}

#[test]
fn ctrl_c_ends_the_guest() {
    let Some(fixture) = CliFixture::new("hello\r\n") else { return };
    assert_eq!(interrupted(&fixture, "-INT").code(), Some(0));
    assert!(!runs(&fixture), "no QEMU is left behind");
}

#[test]
fn a_launch_that_is_killed_takes_its_guest_along() {
    let Some(fixture) = CliFixture::new("hello\r\n") else { return };
    assert_eq!(interrupted(&fixture, "-KILL").code(), None);
    let end = Instant::now() + Duration::from_mins(1);
    while runs(&fixture) {
        assert!(Instant::now() < end, "a QEMU is left behind");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A QEMU that is none: it keeps its arguments in `qemu.args` and greets as an ssh server would.
const QEMU: &str = r#"#!/usr/bin/env python3
import re, socket, sys, time
line = " ".join(sys.argv)
open("qemu.args", "w").write(line)
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(re.search(r"hostfwd=tcp:127.0.0.1:(\d+)-:22", line).group(1))))
server.listen(9)
print("Linux version 6.1", flush=True)
while True:
    client, _ = server.accept()
    client.sendall(b"SSH-2.0-x\r\n")
    time.sleep(0.05)
    client.close()
"#;

/// A disk in a folder with programs that stand for QEMU and for ssh; the latter leaves its arguments in `ssh.args`.
fn played(ssh: &str) -> Option<CliFixture> {
    use std::os::unix::fs::PermissionsExt as _;
    if !oracle::ready(&["python3", "ssh-keygen"], false) {
        return None;
    }
    let fixture = CliFixture(scratch::folder());
    fs::write(fixture.disk(), vec![0; 1 << 20]).expect("a disk");
    let bin = fixture.0.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    let ssh = format!("#!/bin/sh\nfor arg; do printf '%s\\n' \"$arg\" >>ssh.args; done\n{ssh}\n");
    for (name, text) in [("qemu-system-x86_64", QEMU), ("ssh", ssh.as_str())] {
        fs::write(bin.join(name), text).expect("a program");
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    Some(fixture)
}

impl CliFixture {
    /// Boots with the programs of the fixture, with its result as JSON.
    fn play(&self, args: &[&str]) -> (Value, Option<i32>) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let bin = self.0.path().join("bin");
        let path =
            std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path))).expect("a path");
        let all = ["--json", "boot", "disk", "--accel", "tcg", "--no-receipt"];
        let output =
            self.command(&[&all[..], args].concat()).env("PATH", path).output().expect("amiforge starts");
        let json = serde_json::from_slice(&output.stdout);
        (json.unwrap_or_else(|error| panic!("{error}: {}", text(&output))), output.status.code())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap_or_default()
    }
}

#[test]
fn a_guest_that_names_an_option_of_ssh_as_its_user_is_not_followed() {
    let hostile = r#"echo 'Please login as the user "-oProxyCommand=touch$IFS./pwned #" rather than the user "root".'; exit 142"#;
    let Some(fixture) = played(hostile) else { return };
    let (json, code) = fixture.play(&["--run", "true", "--timeout", "30"]);
    assert_eq!((code, &json["outcome"]), (Some(3), &"failed".into()), "{json}");
    assert!(json["how"].as_str().expect("how").contains("no user can be"), "{json}");
    let args = fixture.read("ssh.args");
    assert!(args.contains("-l\nroot\n--\n127.0.0.1\ntrue\n"), "{args}");
    assert!(!args.contains("touch") && !fixture.0.path().join("pwned").exists(), "{args}");
    let qemu = fixture.read("qemu.args");
    assert!(
        qemu.contains(",restrict=on,") && qemu.contains("guestfwd=tcp:169.254.169.254:80-cmd:"),
        "{qemu}"
    );
    fixture.play(&["--run", "true", "--timeout", "30", "--network", "open"]);
    assert!(!fixture.read("qemu.args").contains("restrict"), "the user asked for a network");
    let refused = fixture.run(&["boot", "disk", "--run", "true", "--user", "-oProxyCommand=x"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
}

#[test]
fn a_command_that_runs_when_time_is_over_is_the_reason() {
    let Some(fixture) = played("exec sleep 300") else { return };
    let (json, code) = fixture.play(&["--run", "make world", "--timeout", "5"]);
    assert_eq!((code, &json["how"]), (Some(3), &"the time limit was reached".into()), "{json}");
    assert_eq!(json["reason"]["kind"], "command-running", "{json}");
    assert!(json["reason"]["line"].as_str().expect("a line").contains("make world"), "{json}");
}

#[test]
fn a_command_in_an_image_that_took_another_key_is_refused_at_once() {
    let fixture = CliFixture(scratch::folder());
    let recipe = "[image]\nname = \"web\"\narch = \"x86_64\"\nepoch = 1700000000\n[disk]\nsize = \"64 MiB\"\n\
        [[partition]]\nrole = \"root\"\n[[source]]\nkind = \"dir\"\npath = \"files\"\n";
    fs::write(fixture.0.path().join("recipe.toml"), recipe).expect("a recipe");
    let id = "i-0123456789abcdef0";
    fs::create_dir_all(fixture.0.path().join("files/var/lib/cloud/instances").join(id))
        .expect("what cloud-init leaves");
    let built = fixture.run(&["build", "recipe.toml", "-o", "out", "-q"]);
    assert!(built.status.success(), "{}", text(&built));
    let begun = Instant::now();
    let refused = fixture.run(&["boot", "out", "--run", "true", "--instance-id", id]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(
        text(&refused).contains("was booted before") && text(&refused).contains("--ssh-key"),
        "{}",
        text(&refused)
    );
    assert!(begun.elapsed() < Duration::from_mins(1));
}
