//! Images boot with both firmwares and buses, as bundles and as AMIs of a local region; those that cannot boot are
//! diagnosed.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::process::Command;

use amiforge_tests::program::Bundle;
use amiforge_tests::recipe::Recipe;
use amiforge_tests::{oracle, program};
use serde_json::Value;
use toml::Table;

use crate::examples::LOGIN;
use crate::fixtures::{LockedRecipe, must};

/// Seconds that a boot may take, in software on a busy machine.
const TIMEOUT: &str = "900";

/// Longer timeouts for a guest that is emulated on a busy machine: the kernel checks its timer, and systemd waits for
/// devices and services, by the host's clock, while the guest makes little progress. Stubs of systemd 254 and later
/// take additional kernel options from SMBIOS (systemd-stub(7)); older ones ignore them.
pub(crate) const PATIENCE: [&str; 2] = [
    "--qemu-arg=-smbios",
    "--qemu-arg=type=11,value=io.systemd.stub.kernel-cmdline-extra=no_timer_check \
     systemd.default_device_timeout_sec=600 systemd.default_timeout_start_sec=600",
];

/// Whether QEMU and ssh are installed; skips otherwise.
pub(crate) fn ready() -> bool {
    oracle::ready(&["qemu-system-x86_64", "ssh"], false)
}

/// The minimal server, configured natively.
fn native() -> Recipe {
    Recipe::example("debian-minimal").set("source.0.scripts", "native")
}

/// The recipe with keys of its `[boot]`, which has none.
fn booting(recipe: Recipe, keys: &[(&str, &str)]) -> String {
    let keys = keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).into()));
    recipe.change("boot", keys.collect::<Table>()).to_string()
}

impl LockedRecipe {
    /// Boots a bundle, disk or AMI, and returns the exit code, standard output and standard error.
    fn boot(&self, what: &str, args: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(program::path());
        command.env("AMIFORGE_LOCAL_REGION", self.path("region"));
        command.args(["boot", "--quiet", "--accel", "tcg"]).args(args);
        let output = command.arg(what).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// Boots a bundle or AMI, whose checks have to pass, and returns standard output. Kernels of distributions crash in
    /// QEMU's emulation of two processors about once in some hundred boots, with images that boot before and after:
    /// only a guest whose kernel crashed is booted once more, and its output printed.
    pub(crate) fn boot_successfully(&self, what: &str, args: &[&str]) -> String {
        // A TPM measures what is added to the command line, and then nothing is as predicted.
        let patience = if args.contains(&"--tpm") { &[][..] } else { &PATIENCE[..] };
        let args = [patience, &["--timeout", TIMEOUT][..], args].concat();
        let (mut code, mut stdout, mut stderr) = self.boot(what, &args);
        if code == Some(3) && stdout.contains("reason: the kernel crashed") {
            eprintln!("once more after this:\n{stdout}\n{stderr}");
            (code, stdout, stderr) = self.boot(what, &args);
        }
        assert_eq!(code, Some(0), "{args:?}: {stdout}\n{stderr}");
        stdout
    }

    /// The bundle that is booted.
    fn out(&self) -> String {
        self.path("out").to_string_lossy().into_owned()
    }

    /// Publishes the bundle `out` to the local region, and returns the id of the AMI.
    pub(crate) fn publish(&self) -> String {
        let mut command = Command::new(program::path());
        command.env("AMIFORGE_LOCAL_REGION", self.path("region"));
        command.args(["publish", "--json", "--quiet", "--region", "local"]).arg(self.path("out"));
        let report: Value = serde_json::from_str(&must(&command.output().unwrap())).unwrap();
        let ami = report.to_string();
        let at = ami.find("ami-").unwrap_or_else(|| panic!("no AMI in {ami}"));
        ami[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
    }
}

#[test]
fn a_configured_server_boots_by_either_firmware_and_is_set_up_by_cloud_init() {
    let Some(fixture) = LockedRecipe::of_example("debian-minimal").filter(|_| ready()) else { return };
    fixture.build("out");
    let script = fixture.path("user-data");
    fs::write(&script, "#!/bin/sh\necho user data ran > /ran\n").unwrap();
    let look = "cloud-init status --wait && test $(cloud-id) = aws && grep 'user data ran' /ran && \
                test $(df -B1M --output=size / | tail -1) -gt 5000 && hostname";
    let script = script.to_string_lossy();
    let words = ["--volume-size", "6 GiB", "--user-data", &script, "--run", LOGIN, "--run", look];
    let stdout = fixture.boot_successfully(&fixture.out(), &words);
    assert!(stdout.contains("ip-169-254-169-15"), "{stdout}");
    fixture
        .boot_successfully(&fixture.out(), &["--firmware", "bios", "--bus", "virtio", "--expect", "login:"]);
}

#[test]
fn a_native_server_without_cloud_init_is_set_up_by_units_of_its_own() {
    let recipe = native().replace_package("cloud-init", &["fdisk"]).change("image.name", "bare");
    let Some(fixture) = ready().then(|| LockedRecipe::new(&recipe.to_string())).flatten() else { return };
    fixture.build("out");
    let script = fixture.path("user-data");
    fs::write(&script, "#!/bin/sh\necho user data ran > /ran\n").unwrap();
    let look = "for i in $(seq 300); do test -e /ran && break; sleep 1; done; cat /ran && \
                test $(df -B1M --output=size / | tail -1) -gt 5000 && hostname && ls /etc/ssh/ssh_host_ed25519_key";
    let script = script.to_string_lossy();
    let words = ["--bus", "virtio", "--volume-size", "6 GiB", "--user-data", &script, "--run", look];
    let stdout = fixture.boot_successfully(&fixture.out(), &words);
    assert!(stdout.contains("ip-169-254-169-15"), "{stdout}");
    fixture.boot_successfully(&fixture.out(), &["--firmware", "bios", "--expect", "login:"]);
}

#[test]
fn an_image_for_arm_boots() {
    if !oracle::ready(&["qemu-system-aarch64"], false) {
        return;
    }
    let recipe = native().change("image.arch", "aarch64");
    let recipe = recipe.replace_package("linux-image-cloud-amd64", &["linux-image-cloud-arm64"]);
    let Some(fixture) = LockedRecipe::new(&recipe.to_string()) else { return };
    fixture.build("out");
    fixture.boot_successfully(&fixture.out(), &["--expect", "login:"]);
}

#[test]
fn loaders_of_the_distribution_start_it_too() {
    if !ready() {
        return;
    }
    for loader in ["systemd-boot", "grub"] {
        let recipe = native().replace_package("cloud-init", &["fdisk", "grub-efi-amd64-bin"]);
        let recipe = booting(recipe, &[("mode", "uefi"), ("loader", loader)]);
        let Some(fixture) = LockedRecipe::new(&recipe) else { return };
        fixture.build("out");
        fixture.boot_successfully(&fixture.out(), &["--expect", "login:"]);
    }
}

/// Overwrites the start of the kernel image on the EFI system partition with zeros.
fn damage(bundle: &Bundle) {
    let esp = bundle.partition("fat32");
    let mut bytes = vec![0; 64 << 20];
    let disk = OpenOptions::new().read(true).write(true).open(bundle.image()).unwrap();
    disk.read_exact_at(&mut bytes, esp.start).unwrap();
    let at = bytes.chunks(512).position(|sector| sector.starts_with(b"MZ")).unwrap();
    disk.write_all_at(&[0; 4096], esp.start + at as u64 * 512).unwrap();
}

#[test]
fn boots_that_fail_are_diagnosed() {
    if !ready() {
        return;
    }
    for (keys, bus, reason) in [
        (("initrd", "none"), "virtio", "no root device"),
        (("cmdline", "root=PARTUUID=00000000-1111-2222-3333-444444444444"), "nvme", "no root device"),
        (("cmdline", "init=/no/such/init"), "nvme", "no init"),
    ] {
        let Some(fixture) = LockedRecipe::new(&booting(native(), &[keys])) else { return };
        fixture.build("out");
        let args = ["--json", "--bus", bus, "--expect", "login:", "--timeout", "200"];
        let (code, stdout, stderr) = fixture.boot(&fixture.out(), &args);
        assert_eq!(code, Some(3), "{keys:?}: {stdout}\n{stderr}");
        let report: Value = serde_json::from_str(&stdout).unwrap();
        println!("{keys:?}: {}", report["reason"]);
        assert!(report["reason"].to_string().contains(reason), "{keys:?}: {report:#}");
    }
    let Some(fixture) = LockedRecipe::new(&native().to_string()) else { return };
    damage(&fixture.build("out"));
    let args = ["--json", "--firmware", "uefi", "--expect", "login:", "--timeout", "100"];
    let (code, stdout, stderr) = fixture.boot(&fixture.path("out/disk.raw").to_string_lossy(), &args);
    assert_eq!(code, Some(3), "{stdout}\n{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    println!("a damaged kernel image: {}", report["reason"]);
    let kind = report["reason"]["kind"].as_str().unwrap();
    assert!(["loader-refused", "nothing-to-boot"].contains(&kind), "{report:#}");
}
