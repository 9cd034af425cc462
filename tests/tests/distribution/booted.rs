//! Images boot: by either firmware, from either bus, as bundles and as AMIs of a region on this machine; and those that
//! cannot say why.

use std::fs;
use std::process::Command;

use amiforge_tests::{oracle, program};
use serde_json::Value;

use crate::yard::{Yard, must};

/// Seconds that a boot may take, in software on a busy machine.
const TIMEOUT: &str = "900";

/// Where it can be shown: with QEMU, and firmware for UEFI.
fn ready() -> bool {
    oracle::ready(&["qemu-system-x86_64", "ssh"], false)
}

/// A recipe made of an example's by replacing words.
fn changed(example: &str, words: &[(&str, &str)]) -> String {
    let path = amiforge_tests::scratch::repository().join("examples").join(example).join("recipe.toml");
    let mut recipe = fs::read_to_string(path).unwrap();
    for (from, to) in words {
        assert!(recipe.contains(from), "{example} has no `{from}`");
        recipe = recipe.replace(from, to);
    }
    recipe
}

/// A word that makes an image natively.
const NATIVE: (&str, &str) = ("kind = \"deb\"", "kind = \"deb\"\nscripts = \"native\"");

impl Yard {
    /// Boots something, and gives the exit code, what was told as JSON, and the words.
    fn boot(&self, what: &str, words: &[&str]) -> (Option<i32>, Value, String) {
        let mut command = Command::new(program::path());
        command.env("AMIFORGE_LOCAL_REGION", self.path("region"));
        command.args(["boot", "--json", "--quiet", "--accel", "tcg", "--timeout", TIMEOUT]).args(words);
        let output = command.arg(what).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let told = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{said}", String::from_utf8_lossy(&output.stdout)));
        (output.status.code(), told, said)
    }

    /// Boots the bundle `out`, which has to show what it is asked for.
    fn shows(&self, words: &[&str]) -> Value {
        let (code, told, said) = self.boot(&self.path("out").to_string_lossy(), words);
        assert_eq!(code, Some(0), "{told:#}\n{said}");
        told
    }

    /// Publishes the bundle `out` to the region on this machine, and gives the AMI.
    fn publish(&self) -> String {
        let mut command = Command::new(program::path());
        command.env("AMIFORGE_LOCAL_REGION", self.path("region"));
        command.args(["publish", "--json", "--quiet", "--region", "local"]).arg(self.path("out"));
        let told: Value = serde_json::from_str(&must(&command.output().unwrap())).unwrap();
        let ami = told.to_string();
        let at = ami.find("ami-").unwrap_or_else(|| panic!("no AMI in {ami}"));
        ami[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
    }
}

/// What the checks of a launch gave, one after the other.
fn shown(told: &Value) -> String {
    told.to_string()
}

#[test]
fn a_configured_server_boots_by_either_firmware_and_is_set_up_by_cloud_init() {
    let Some(yard) = Yard::of("debian-minimal").filter(|_| ready()) else { return };
    yard.build("out");
    let script = yard.path("user-data");
    fs::write(&script, "#!/bin/sh\necho user data ran > /ran\n").unwrap();
    let look = "cloud-init status --wait && test $(cloud-id) = aws && grep 'user data ran' /ran && \
                test $(df -B1M --output=size / | tail -1) -gt 5000 && hostname";
    let script = script.to_string_lossy();
    let told = yard.shows(&["--volume-size", "6 GiB", "--user-data", &script, "--run", look]);
    assert!(shown(&told).contains("ip-169-254-169-15"), "{told:#}");
    yard.shows(&["--firmware", "bios", "--bus", "virtio", "--expect", "login:"]);
}

#[test]
fn a_native_server_without_cloud_init_is_set_up_by_units_of_its_own() {
    let words = [
        NATIVE,
        ("\"cloud-init\",", "\"fdisk\","),
        ("[image]\nname = \"debian-minimal\"", "[image]\nname = \"bare\""),
    ];
    let Some(yard) = ready().then(|| Yard::with(&changed("debian-minimal", &words))).flatten() else {
        return;
    };
    yard.build("out");
    let script = yard.path("user-data");
    fs::write(&script, "#!/bin/sh\necho user data ran > /ran\n").unwrap();
    let look = "for i in $(seq 300); do test -e /ran && break; sleep 1; done; cat /ran && \
                test $(df -B1M --output=size / | tail -1) -gt 5000 && hostname && ls /etc/ssh/ssh_host_ed25519_key";
    let script = script.to_string_lossy();
    let words = ["--bus", "virtio", "--volume-size", "6 GiB", "--user-data", &script, "--run", look];
    let told = yard.shows(&words);
    assert!(shown(&told).contains("ip-169-254-169-15"), "{told:#}");
    yard.shows(&["--firmware", "bios", "--expect", "login:"]);
}

#[test]
fn an_image_for_arm_boots() {
    if !oracle::ready(&["qemu-system-aarch64"], false) {
        return;
    }
    let words =
        [NATIVE, ("\"x86_64\"", "\"aarch64\""), ("linux-image-cloud-amd64", "linux-image-cloud-arm64")];
    let Some(yard) = Yard::with(&changed("debian-minimal", &words)) else { return };
    yard.build("out");
    yard.shows(&["--expect", "login:"]);
}

#[test]
fn examples_serve_their_pages_as_amis() {
    for (example, page, words) in [
        ("web-server", "80/", "It works"),
        ("lamp", "80/index.php", "Hello from the database"),
        ("from-source", "80/", "Compiled from source"),
    ] {
        let Some(yard) = Yard::of(example).filter(|_| ready()) else { return };
        yard.build("out");
        let ami = yard.publish();
        let (code, told, said) = yard.boot(&ami, &["--region", "local", "--get", page]);
        assert_eq!(code, Some(0), "{example}: {told:#}\n{said}");
        assert!(shown(&told).contains(words), "{example}: {told:#}");
    }
}

/// A small image whose kernel starts and whose system does not.
#[test]
fn what_cannot_boot_says_why() {
    if !ready() {
        return;
    }
    let boot = |keys: &str| format!("[boot]\n{keys}\n");
    for (keys, bus, reason) in [
        ("initrd = \"none\"", "virtio", "no root device"),
        ("cmdline = \"root=PARTUUID=00000000-1111-2222-3333-444444444444\"", "nvme", "no root device"),
        ("cmdline = \"init=/no/such/init\"", "nvme", "no init"),
    ] {
        let recipe = changed("debian-minimal", &[NATIVE, ("[boot]\n", &boot(keys))]);
        let Some(yard) = Yard::with(&recipe) else { return };
        yard.build("out");
        let bundle = yard.path("out");
        let (code, told, said) = yard.boot(&bundle.to_string_lossy(), &["--bus", bus, "--expect", "login:"]);
        assert_eq!(code, Some(3), "{keys}: {told:#}\n{said}");
        println!("{keys}: {}", told["reason"]);
        assert!(told["reason"].to_string().contains(reason), "{keys}: {told:#}");
    }
}
