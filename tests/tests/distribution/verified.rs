//! The example whose root dm-verity checks: it runs without a failed unit and without a login, serves its page, and keeps what it
//! writes to `/var` on the data partition.

use std::fs;
use std::os::unix::fs::FileExt as _;

use amiforge_tests::oracle;
use amiforge_tests::program::Bundle;
use amiforge_tests::recipe::Recipe;
use toml::{Table, Value};

use crate::booted;
use crate::fixtures::{LockedRecipe, has_line, verified_listing};

/// Bytes of a block of EBS.
const BLOCK: u64 = 512 << 10;

/// Prints on the console what can only be seen from within, because there is no login.
const REPORT: &str = "\
[Unit]
Description=Print the state of the machine on its console

[Service]
StandardOutput=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/sh -c 'echo x >>/var/lib/report; state=$$(systemctl is-system-running --wait); \
systemctl --failed --no-legend --plain; grep -E \" (/|/etc|/var|/tmp) \" /proc/mounts; \
echo \"boots $$(wc -l </var/lib/report), id $$(wc -c </etc/machine-id), home $$(readlink /home)\"; \
touch /etc/x /tmp/x /home/x && ! touch /usr/x; echo \"REPORT $$state\"'

[Install]
WantedBy=multi-user.target
";

/// The example with the report.
fn reporting() -> Recipe {
    let text = |text: &str| Value::from(text);
    let file = [("path", "/etc/systemd/system/report.service"), ("content", REPORT)];
    let enabled = ["systemd-networkd.service", "nginx.service", "report.service"].map(Value::from);
    Recipe::example("verity-web")
        .push("file", file.map(|(key, value)| (key.to_owned(), text(value))).into_iter().collect::<Table>())
        .change("system.enable", enabled.to_vec())
}

/// Fills the blocks that are never sent with what an encrypted volume shows in them: anything. Returns how many of them the
/// verified root has.
fn fill_free_blocks(disk: &fs::File, bundle: &Bundle) -> u64 {
    let partitions = bundle.manifest["partitions"].as_array().unwrap();
    let root = partitions.iter().find(|one| one["id"] == "root").unwrap();
    let number = |key: &str| root[key].as_u64().unwrap();
    let root = number("start")..number("start") + number("len");
    let garbage = vec![0xa5; BLOCK as usize];
    let (mut block, mut of_root) = (0, 0);
    for run in bundle.manifest["blocks"].as_array().unwrap().iter().map(|run| run.as_str().unwrap()) {
        let (kind, count) =
            run.split_once('*').map_or((run, 1), |(kind, count)| (kind, count.parse().unwrap()));
        for block in (block..block + count).filter(|_| kind == "free") {
            disk.write_all_at(&garbage, block * BLOCK).unwrap();
            of_root += u64::from(root.contains(&(block * BLOCK)));
        }
        block += count;
    }
    of_root
}

#[test]
fn an_attestable_web_server_runs_on_a_verified_root_and_keeps_its_data() {
    if !booted::ready() || !oracle::ready(&["sgdisk"], false) {
        return;
    }
    let Some(fixture) = LockedRecipe::new(&reporting().to_string()) else { return };
    let bundle = fixture.build("out");
    let listing = verified_listing(&bundle);
    for line in [
        "/home symlink ",
        "/root symlink ",
        "/etc/machine-id file 0444 0:0 ",
        "/var/www/html/index.html file ",
    ] {
        assert!(has_line(&listing, line), "there is no line `{line}…`");
    }
    assert!(!has_line(&listing, "/usr/sbin/sshd"), "there is an ssh server");
    let disk = fixture.path("disk");
    // A volume longer than the image: the data partition takes what is left.
    oracle::must("cp", &["--sparse=always", &bundle.image().to_string_lossy(), &disk.to_string_lossy()]);
    let file = fs::File::options().write(true).open(&disk).unwrap();
    file.set_len(5 << 30).unwrap();
    let under_the_tree = fill_free_blocks(&file, &bundle);
    assert!(under_the_tree > 10, "only {under_the_tree} blocks of the root are free");
    drop(file);
    let (disk, log) = (disk.display().to_string(), fixture.path("log"));
    let log_path = log.display().to_string();
    for boot in 1..=2 {
        let words = ["--persist", "--log", &log_path, "--get", "80/", "--expect", "REPORT running"];
        let page = fixture.boot_successfully(&disk, &words);
        let console = fs::read_to_string(&log).unwrap();
        assert!(page.contains("Verified"), "{page}");
        for line in [
            "amiforge-init: the root is verified by ",
            "/dev/dm-0 / ext4 ro,",
            "overlay /etc overlay rw,",
            "overlay /var overlay rw,",
            "tmpfs /tmp tmpfs rw,",
            &format!("boots {boot}, id 33, home var/home"),
        ] {
            assert!(console.contains(line), "no `{line}` in\n{console}");
        }
        assert_eq!(console.contains("formatting the data partition"), boot == 1, "{console}");
        assert!(!console.contains("login:"), "there is a login:\n{console}");
    }
    let table = oracle::must("sgdisk", &["--verify", "--print", &disk]);
    assert!(table.contains("No problems found") && table.contains("amiforge-data"), "{table}");
}
