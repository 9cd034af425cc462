//! Runs the scripts of the first boot against a metadata service in a network namespace, with folders of the test instead of
//! those of the system.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![expect(clippy::print_stdout, reason = "a missing oracle is reported on the output")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_formats::plan::NoSources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Tree};
use amiforge_rootfs::steps::first_boot::{self, FirstBootSpec, Hostname};

/// The public key of a key pair.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAtest my key";

/// A machine: its folders, and the answers of its metadata service in `imds`.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// A machine with the scripts, a user `root` whose home is in the folder of the machine, and an instance id.
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["etc/ssh", "home", "run", "var", "sys/class/dmi/id", "bin", "imds/meta-data"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        machine.install();
        let home = machine.path("home").display().to_string();
        machine.program("getent", &format!("echo \"$2:x:$(id -u):$(id -g)::{home}:/bin/bash\""));
        if !rustix::process::geteuid().is_root() {
            // Without privilege, groups cannot be set in a user namespace.
            machine.program("setpriv", "while [[ $1 != -- ]]; do shift; done; shift; exec \"$@\"");
        }
        machine.write("sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
        machine.write("imds/meta-data/instance-id", "i-0123456789abcdef0");
        machine.write("imds/meta-data/local-hostname", "ip-10-0-0-7.eu-central-1.compute.internal");
        machine.write("imds/meta-data/public-keys/index", "0=my key");
        machine.write("imds/meta-data/public-keys/0/openssh-key", KEY);
        machine
    }

    /// Installs the scripts with the paths of this machine.
    fn install(&self) {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        for path in ["usr/lib/systemd/systemd", "bin/bash"] {
            add(&mut tree, path, b"");
        }
        add(&mut tree, "etc/passwd", b"root:x:0:0::/root:/bin/bash\n");
        let (user, hostname, time) = ("root".to_owned(), Hostname::Metadata, Time::EPOCH);
        first_boot::install(&mut tree, &NoSources, &FirstBootSpec { user, hostname, grow: true, time })
            .unwrap();
        let scripts = tree.lookup(b"usr/lib/amiforge").unwrap();
        for (name, id) in tree.entries(scripts).unwrap() {
            let NodeKind::File(Content::Inline(text)) = &tree.node(*id).kind else { panic!("not inline") };
            let mut text = String::from_utf8(text.to_vec()).unwrap();
            for folder in ["/etc/hostname", "/sys/class", "/sys/hypervisor", "/var/lib/", "/run/"] {
                text = text.replace(folder, &format!("{}{folder}", self.folder.path().display()));
            }
            text = text.replace("/usr/lib/amiforge", &self.path("bin").display().to_string());
            text = text.replace(" PATH=", &format!(" PATH={}:", self.path("bin").display()));
            self.program(std::str::from_utf8(name.as_bytes()).unwrap(), text.split_once('\n').unwrap().1);
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        self.write(path.to_str().unwrap(), format!("#!/bin/bash\n{text}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs scripts one after the other with the metadata service, and returns their output; `None` where this host has no
    /// network namespaces or no Python.
    fn run(&self, steps: &[&str]) -> Option<String> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/first_boot");
        let mut command = Command::new("unshare");
        command.args(["--net", "--uts"]);
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        let steps = steps.iter().map(|step| format!("exec 2>&1; {}/{step}", self.path("bin").display()));
        command.arg("bash").arg(here.join("driver.sh")).arg(here.join("serve.py"));
        command.arg(self.path("imds")).args(steps);
        let result = command.output().unwrap();
        let output = String::from_utf8_lossy(&result.stdout).into_owned();
        if result.status.success() {
            return Some(output);
        }
        let errors = String::from_utf8_lossy(&result.stderr).into_owned();
        assert!(std::env::var_os("REQUIRE_ORACLES").is_none_or(|value| value != "1"), "{output}{errors}");
        println!("SKIP: no network namespace, `ip` or `python3`: {errors}");
        None
    }
}

/// Adds a file and its parents.
fn add(tree: &mut Tree, path: &str, bytes: &[u8]) {
    let mut at: NodeId = tree.root();
    let (above, last) = path.rsplit_once('/').unwrap();
    for name in above.split('/') {
        at = tree.child(at, name.as_bytes()).unwrap_or_else(|| {
            let node = Node { meta: Meta::root_owned(0o755, Time::EPOCH), kind: NodeKind::dir() };
            tree.add(at, Name::new(name.as_bytes()).unwrap(), node).unwrap()
        });
    }
    let kind = NodeKind::File(Content::Inline(bytes.into()));
    let node = Node { meta: Meta::root_owned(0o755, Time::EPOCH), kind };
    tree.add(at, Name::new(last.as_bytes()).unwrap(), node).unwrap();
}

#[test]
fn an_instance_gets_its_name_and_keys_once() {
    let machine = Machine::new();
    let elsewhere = "metadata root metadata; cat /proc/sys/kernel/hostname";
    let Some(output) = machine.run(&["on-ec2", elsewhere]) else { return };
    assert!(output.ends_with("may log in as root\nip-10-0-0-7\n"), "{output}");
    assert_eq!(machine.read("etc/hostname"), "ip-10-0-0-7\n");
    let keys = "home/.ssh/authorized_keys";
    assert_eq!(machine.read(keys), format!("{KEY}\n"));
    assert_eq!(fs::metadata(machine.path(keys)).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(machine.path("home/.ssh")).unwrap().mode() & 0o777, 0o700);
    // Later changes of the owner are kept.
    machine.write(keys, "ssh-rsa mine");
    machine.write("etc/hostname", "mine\n");
    assert_eq!(machine.run(&["metadata root metadata"]).unwrap(), "");
    assert_eq!(machine.read(keys) + &machine.read("etc/hostname"), "ssh-rsa minemine\n");
    // An instance of an image made from this instance has other keys.
    machine.write("imds/meta-data/instance-id", "i-00000001");
    machine.write("imds/meta-data/public-keys/index", "0=a\n1=b=c\n");
    machine.write("imds/meta-data/public-keys/1/openssh-key", "ssh-rsa second\n");
    machine.run(&["metadata root image"]).unwrap();
    assert_eq!(machine.read(keys), format!("ssh-rsa mine\n{KEY}\nssh-rsa second\n"));
    assert_eq!(machine.read("etc/hostname"), "mine\n");
}

#[test]
fn user_data_runs_once_if_it_is_a_script() {
    let machine = Machine::new();
    let ran = machine.path("ran").display().to_string();
    let script = format!("#!/bin/sh\necho \"$PWD $HOME $(umask)\" >>{ran}\necho from the script\nexit 3\n");
    machine.write("imds/user-data", script);
    let Some(output) = machine.run(&["metadata root image", "user-data", "user-data"]) else { return };
    assert!(output.ends_with("running the user data\nfrom the script\nexit code 3\n"), "{output}");
    assert_eq!(machine.read("ran"), "/ /root 0022\n");
    // Binary user data arrives unchanged; it is not a script.
    let bytes: Vec<u8> = (0..=255u8).cycle().take(16_384).collect();
    machine.write("imds/user-data", &bytes);
    machine.write("imds/meta-data/instance-id", "i-00000002");
    let output = machine.run(&["metadata root image", "user-data"]).unwrap();
    assert!(output.contains("left alone"), "{output}");
    let kept = machine.path("var/lib/amiforge/instances/i-00000002/user-data");
    assert_eq!(fs::read(&kept).unwrap(), bytes);
    assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o600);
    fs::remove_file(machine.path("imds/user-data")).unwrap();
    machine.write("imds/meta-data/instance-id", "i-00000003");
    let output = machine.run(&["metadata root image", "user-data"]).unwrap();
    assert!(output.ends_with("the instance has no user data\n"), "{output}");
}

/// A Python script that writes user data with the mail package, which the tool of cloud-init uses too: `message(*parts)` of
/// `text(words, subtype)` and of `packed(bytes)`.
const COMPOSER: &str = r#"
import gzip, sys
from email import encoders
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

def text(words, subtype, charset="us-ascii"):
    return MIMEText(words, subtype, charset)

def packed(data):
    part = MIMEBase("application", "x-gzip")
    part.set_payload(gzip.compress(data))
    encoders.encode_base64(part)
    return part

def message(*parts):
    whole = MIMEMultipart()
    for part in parts:
        whole.attach(part)
    return whole

sys.stdout.buffer.write(eval(sys.argv[1]))
"#;

/// User data of the composer; `None` where Python is not installed.
fn composed(expression: &str) -> Option<Vec<u8>> {
    let output = Command::new("python3").args(["-c", COMPOSER, expression]).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

impl Machine {
    /// Sets the user data of an instance with this id, and runs it once for each boot; returns the output after the login
    /// of the key pair.
    fn boots_with(&self, id: &str, user_data: &[u8], boots: usize) -> Option<String> {
        self.write("imds/user-data", user_data);
        self.write("imds/meta-data/instance-id", id);
        let mut steps = vec!["metadata root image"];
        steps.extend(std::iter::repeat_n("user-data", boots));
        let output = self.run(&steps)?;
        Some(output.split_once("may log in as root\n")?.1.to_owned())
    }
}

#[test]
fn compressed_user_data_runs() {
    let machine = Machine::new();
    let Some(packed) = composed(r##"gzip.compress(b"#!/bin/sh\necho unpacked\n")"##) else { return };
    let Some(output) = machine.boots_with("i-00000001", &packed, 2) else { return };
    assert_eq!(output, "running the user data\nunpacked\n");
    let broken = &packed[..packed.len() - 9];
    let output = machine.boots_with("i-00000002", broken, 1).unwrap();
    assert_eq!(output, "the user data was compressed by gzip and cannot be unpacked\nexit code 1\n");
    let bomb = composed("gzip.compress(bytes(80 << 20))").unwrap();
    let output = machine.boots_with("i-00000003", &bomb, 1).unwrap();
    assert!(output.contains("longer than 67108864 bytes when unpacked"), "{output}");
}

#[test]
fn every_script_of_a_message_runs_in_order_and_parts_for_cloud_init_are_reported() {
    let machine = Machine::new();
    let parts = r##"message(
        text("#!/bin/sh\necho first\nexit 3\n", "x-shellscript"),
        text("#!/bin/bash\necho zweite \u00fc = \\\\ %s\n", "x-shellscript", "utf-8"),
        text("#cloud-config\nruncmd: [reboot]\n", "cloud-config"),
        text("#!/bin/sh\necho every boot\n", "x-shellscript-per-boot"),
        text("#cloud-boothook\n#!/bin/sh\necho hook\n", "cloud-boothook"),
        text("#!/bin/sh\necho plain", "plain"),
        packed(b"#!/bin/sh\necho unpacked\n"),
        message(text("#!/bin/sh\r\necho within $PWD\r\n", "x-shellscript")),
    )"##;
    let parts = parts.replace('\n', " ");
    let expected = "part 3 of the user data is text/cloud-config, which needs cloud-init; it is left out\n\
        running the user data\nfirst\nFAILED\nzweite ü = \\ %s\nevery boot\nhook\nplain\nunpacked\nwithin /\nexit code 1\n\
        every boot\nhook\n";
    for (id, how) in [
        ("i-00000001", "{}.as_bytes()"),
        ("i-00000002", "gzip.compress({}.as_bytes())"),
        ("i-00000003", r#"{}.as_bytes().replace(b"\n", b"\r\n")"#),
    ] {
        let Some(data) = composed(&how.replace("{}", &parts)) else { return };
        let Some(output) = machine.boots_with(id, &data, 2) else { return };
        let path = format!(
            "{}/var/lib/amiforge/instances/{id}/user-data-parts/001.once",
            machine.folder.path().display()
        );
        let failed = format!("a part of the user data ended with exit code 3: {path}");
        assert_eq!(output.replace(&failed, "FAILED"), expected, "{how}");
    }
}

#[test]
fn an_invalid_message_is_not_run() {
    let machine = Machine::new();
    let endless = "Content-Type: multipart/mixed\nMIME-Version: 1.0\n\n--x\n\n#!/bin/sh\n";
    let Some(output) = machine.boots_with("i-00000001", endless.as_bytes(), 1) else { return };
    assert!(
        output.starts_with("the user data is a message of parts and does not say what is between them\n"),
        "{output}"
    );
    let output = machine.boots_with("i-00000002", b"#cloud-config\npackages: [nginx]\n", 1).unwrap();
    assert!(
        output.contains("text/cloud-config, which needs cloud-init") && output.contains("left alone"),
        "{output}"
    );
    // A long script that contains the headers of a message is a script.
    let script = format!("#!/bin/sh\n: MIME-Version: 1.0\n: {}\necho script\n", "x".repeat(9000));
    let output = machine.boots_with("i-00000003", script.as_bytes(), 1).unwrap();
    assert_eq!(output, "running the user data\nscript\n");
}

#[test]
fn an_instance_without_a_key_pair_or_metadata_service_reports_it() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.path("imds/meta-data/public-keys")).unwrap();
    let Some(output) = machine.run(&["metadata root image"]) else { return };
    assert_eq!(output, "the instance has no key pair\n");
    machine.write("imds/off", "");
    let output = machine.run(&["metadata root image"]).unwrap();
    assert_eq!(output, "the metadata service is turned off for this instance\nexit code 1\n");
}

#[test]
fn harmful_values_of_the_metadata_service_are_refused() {
    let machine = Machine::new();
    machine.write("imds/meta-data/local-hostname", "$(reboot).internal");
    let Some(output) = machine.run(&["metadata root metadata"]) else { return };
    assert!(output.starts_with("the metadata service gives no good host name\n"), "{output}");
    assert!(output.ends_with("exit code 1\n") && machine.read("home/.ssh/authorized_keys").contains(KEY));
    assert_eq!(machine.read("etc/hostname"), "");
    machine.write("imds/meta-data/instance-id", "../../x");
    let output = machine.run(&["metadata root metadata"]).unwrap();
    assert_eq!(output, "the metadata service gives no good instance id\nexit code 1\n");
}

#[test]
fn only_instances_of_ec2_are_detected_as_such() {
    let machine = Machine::new();
    for (vendor, hypervisor, expected) in [
        ("Amazon EC2\n", "", ""),
        ("Amazon EC2", "", ""),
        ("QEMU\n", "", "exit code 1\n"),
        ("Xen\n", "ec2e1916-9099-7caf-fd21-012345abcdef\n", ""),
        ("", "", "exit code 1\n"),
    ] {
        machine.write("sys/class/dmi/id/sys_vendor", vendor);
        machine.write("sys/hypervisor/uuid", hypervisor);
        let Some(output) = machine.run(&["on-ec2"]) else { return };
        assert_eq!(output, expected, "{vendor:?} {hypervisor:?}");
    }
}
