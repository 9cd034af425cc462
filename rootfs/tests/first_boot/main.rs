//! The scripts of the first boot as they run: against a metadata service in a network namespace, in folders of the test
//! instead of those of the system.
#![expect(clippy::unwrap_used, reason = "what is unwrapped here fails the test")]
#![expect(clippy::print_stdout, reason = "a missing oracle says so")]

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

/// A machine: its folders, and what the metadata service tells it.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// A machine with the scripts, a user `root` whose home is the machine's own, and an instance id.
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["etc/ssh", "home", "run", "var", "sys/class/dmi/id", "bin", "imds/meta-data"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        machine.install();
        let home = machine.path("home").display().to_string();
        machine.program("getent", &format!("echo \"$2:x:$(id -u):$(id -g)::{home}:/bin/bash\""));
        if !rustix::process::geteuid().is_root() {
            // Without privilege a namespace does not let groups be set.
            machine.program("setpriv", "while [[ $1 != -- ]]; do shift; done; shift; exec \"$@\"");
        }
        machine.write("sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
        machine.write("imds/meta-data/instance-id", "i-0123456789abcdef0");
        machine.write("imds/meta-data/local-hostname", "ip-10-0-0-7.eu-central-1.compute.internal");
        machine.write("imds/meta-data/public-keys/index", "0=my key");
        machine.write("imds/meta-data/public-keys/0/openssh-key", KEY);
        machine
    }

    /// Installs the scripts and points them to the folders of this machine.
    fn install(&self) {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        for path in ["usr/lib/systemd/systemd", "bin/bash"] {
            add(&mut tree, path, b"");
        }
        add(&mut tree, "etc/passwd", b"root:x:0:0::/root:/bin/bash\n");
        let (user, hostname, time) = ("root".to_owned(), Hostname::Metadata, Time::EPOCH);
        first_boot::install(&mut tree, &NoSources, &FirstBootSpec { user, hostname, time }).unwrap();
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

    /// Runs scripts one after the other beside the service, and gives all that they said; nothing where this machine
    /// cannot.
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
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Some(said);
        }
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(std::env::var_os("REQUIRE_ORACLES").is_none_or(|value| value != "1"), "{said}{why}");
        println!("SKIP: no network namespace, `ip` or `python3`: {why}");
        None
    }
}

/// Adds a file with the folders above it.
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
fn an_instance_takes_its_name_and_keys_once() {
    let machine = Machine::new();
    let elsewhere = "metadata root metadata; cat /proc/sys/kernel/hostname";
    let Some(said) = machine.run(&["on-ec2", elsewhere]) else { return };
    assert!(said.ends_with("may log in as root\nip-10-0-0-7\n"), "{said}");
    assert_eq!(machine.read("etc/hostname"), "ip-10-0-0-7\n");
    let keys = "home/.ssh/authorized_keys";
    assert_eq!(machine.read(keys), format!("{KEY}\n"));
    assert_eq!(fs::metadata(machine.path(keys)).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(machine.path("home/.ssh")).unwrap().mode() & 0o777, 0o700);
    // What the owner changes afterwards stays.
    machine.write(keys, "ssh-rsa mine");
    machine.write("etc/hostname", "mine\n");
    assert_eq!(machine.run(&["metadata root metadata"]).unwrap(), "");
    assert_eq!(machine.read(keys) + &machine.read("etc/hostname"), "ssh-rsa minemine\n");
    // Another instance of an image made of this one has other keys.
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
    let Some(said) = machine.run(&["metadata root image", "user-data", "user-data"]) else { return };
    assert!(said.ends_with("running the user data\nfrom the script\nexit code 3\n"), "{said}");
    assert_eq!(machine.read("ran"), "/ /root 0022\n");
    // Bytes that no text can have arrive whole; they are no script.
    let bytes: Vec<u8> = (0..=255u8).cycle().take(16_384).collect();
    machine.write("imds/user-data", &bytes);
    machine.write("imds/meta-data/instance-id", "i-00000002");
    let said = machine.run(&["metadata root image", "user-data"]).unwrap();
    assert!(said.contains("left alone"), "{said}");
    let kept = machine.path("var/lib/amiforge/instances/i-00000002/user-data");
    assert_eq!(fs::read(&kept).unwrap(), bytes);
    assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o600);
    fs::remove_file(machine.path("imds/user-data")).unwrap();
    machine.write("imds/meta-data/instance-id", "i-00000003");
    let said = machine.run(&["metadata root image", "user-data"]).unwrap();
    assert!(said.ends_with("the instance has no user data\n"), "{said}");
}

/// User data as Python's mail package writes it, which is what cloud-init's own tool uses: `message(*parts)` of
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

/// User data by the composer; nothing where there is no Python.
fn composed(expression: &str) -> Option<Vec<u8>> {
    let output = Command::new("python3").args(["-c", COMPOSER, expression]).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

impl Machine {
    /// Gives the next instance this user data, and runs it so often as it boots.
    fn boots_with(&self, id: &str, user_data: &[u8], boots: usize) -> Option<String> {
        self.write("imds/user-data", user_data);
        self.write("imds/meta-data/instance-id", id);
        let mut steps = vec!["metadata root image"];
        steps.extend(std::iter::repeat_n("user-data", boots));
        let said = self.run(&steps)?;
        Some(said.split_once("may log in as root\n")?.1.to_owned())
    }
}

#[test]
fn user_data_that_is_compressed_runs() {
    let machine = Machine::new();
    let Some(packed) = composed(r##"gzip.compress(b"#!/bin/sh\necho unpacked\n")"##) else { return };
    let Some(said) = machine.boots_with("i-00000001", &packed, 2) else { return };
    assert_eq!(said, "running the user data\nunpacked\n");
    let broken = &packed[..packed.len() - 9];
    let said = machine.boots_with("i-00000002", broken, 1).unwrap();
    assert_eq!(said, "the user data was compressed by gzip and cannot be unpacked\nexit code 1\n");
    let bomb = composed("gzip.compress(bytes(80 << 20))").unwrap();
    let said = machine.boots_with("i-00000003", &bomb, 1).unwrap();
    assert!(said.contains("longer than 67108864 bytes when unpacked"), "{said}");
}

#[test]
fn every_script_of_a_message_runs_in_order_and_what_needs_cloud_init_is_named() {
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
        let Some(said) = machine.boots_with(id, &data, 2) else { return };
        let path = format!(
            "{}/var/lib/amiforge/instances/{id}/user-data-parts/001.once",
            machine.folder.path().display()
        );
        let failed = format!("a part of the user data ended with exit code 3: {path}");
        assert_eq!(said.replace(&failed, "FAILED"), expected, "{how}");
    }
}

#[test]
fn a_message_that_is_none_is_left_alone() {
    let machine = Machine::new();
    let endless = "Content-Type: multipart/mixed\nMIME-Version: 1.0\n\n--x\n\n#!/bin/sh\n";
    let Some(said) = machine.boots_with("i-00000001", endless.as_bytes(), 1) else { return };
    assert!(
        said.starts_with("the user data is a message of parts and does not say what is between them\n"),
        "{said}"
    );
    let said = machine.boots_with("i-00000002", b"#cloud-config\npackages: [nginx]\n", 1).unwrap();
    assert!(
        said.contains("text/cloud-config, which needs cloud-init") && said.contains("left alone"),
        "{said}"
    );
    // A script that is long, and mentions what messages begin with, is a script.
    let script = format!("#!/bin/sh\n: MIME-Version: 1.0\n: {}\necho script\n", "x".repeat(9000));
    let said = machine.boots_with("i-00000003", script.as_bytes(), 1).unwrap();
    assert_eq!(said, "running the user data\nscript\n");
}

#[test]
fn an_instance_without_a_key_pair_or_service_says_so() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.path("imds/meta-data/public-keys")).unwrap();
    let Some(said) = machine.run(&["metadata root image"]) else { return };
    assert_eq!(said, "the instance has no key pair\n");
    machine.write("imds/off", "");
    let said = machine.run(&["metadata root image"]).unwrap();
    assert_eq!(said, "the metadata service is turned off for this instance\nexit code 1\n");
}

#[test]
fn what_a_service_could_do_harm_with_is_refused() {
    let machine = Machine::new();
    machine.write("imds/meta-data/local-hostname", "$(reboot).internal");
    let Some(said) = machine.run(&["metadata root metadata"]) else { return };
    assert!(said.starts_with("the metadata service gives no good host name\n"), "{said}");
    assert!(said.ends_with("exit code 1\n") && machine.read("home/.ssh/authorized_keys").contains(KEY));
    assert_eq!(machine.read("etc/hostname"), "");
    machine.write("imds/meta-data/instance-id", "../../x");
    let said = machine.run(&["metadata root metadata"]).unwrap();
    assert_eq!(said, "the metadata service gives no good instance id\nexit code 1\n");
}

#[test]
fn only_an_instance_of_ec2_is_one() {
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
        let Some(said) = machine.run(&["on-ec2"]) else { return };
        assert_eq!(said, expected, "{vendor:?} {hypervisor:?}");
    }
}
