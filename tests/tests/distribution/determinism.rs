//! One digest for every user, at every time, from the archive or from an archive of inputs without a network; and
//! sources of nondeterminism in stages and scripts.

use std::fs;
use std::path::Path;
use std::process::Command;

use amiforge_tests::program::Bundle;
use amiforge_tests::{oracle, program};

use crate::fixtures::{LockedRecipe, assert_same, must, read_file, verified_listing};
use crate::rpm_recipe::RpmRecipe;

/// The library that shifts the clock by years.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// An ordinary user with subordinate ids, as `/etc/subuid` names one.
fn user() -> Option<String> {
    let names = fs::read_to_string("/etc/subuid").unwrap_or_default();
    let name = names.lines().filter_map(|line| line.split(':').next()).find(|name| *name != "root");
    if name.is_none() {
        oracle::skip("no user in /etc/subuid");
    }
    name.map(str::to_owned)
}

#[test]
fn a_minimal_server_has_one_digest_for_root_a_user_another_day_and_no_network() {
    let Some(fixture) = LockedRecipe::of_example("debian-minimal") else { return };
    has_one_digest(&fixture);
}

#[test]
fn rpm_packages_have_one_digest_for_root_a_user_another_day_and_no_network() {
    for scripts in ["native", "run"] {
        let recipe =
            RpmRecipe::new(scripts, &["systemd-sysv", "kernel", "openssh-server", "apache2", "dnf", "rpm"]);
        let Some(recipe) = recipe else { return };
        has_one_digest(&recipe.locked());
    }
}

/// Builds a recipe as the user of the tests, as a user ten years later and with one thread, and without a network; checks that the
/// bundles are the same.
fn has_one_digest(fixture: &LockedRecipe) {
    let by_root = fixture.build("out");
    verified_listing(&by_root);
    if !oracle::ready(&["setpriv", "unshare", "ip", "taskset"], true) {
        return;
    }
    // Other users may have no access to the folder of the program.
    let program = fixture.path("amiforge");
    fs::copy(program::path(), &program).unwrap();
    if let Some(user) = user() {
        assert_same(&by_root, &build_as(&user, fixture, &program));
    }
    without_a_network(fixture, &program, &by_root);
}

/// The build of a user, ten years later, on one processor.
fn build_as(user: &str, fixture: &LockedRecipe, program: &Path) -> Bundle {
    let (folder, home) = (fixture.folder.path(), fixture.path("home"));
    fs::create_dir(&home).unwrap();
    let store = fixture.add_store("home/store");
    // Changing the owner of a hard link would change it in the other stores too.
    for entry in fs::read_dir(store.join("objects")).unwrap() {
        let path = entry.unwrap().path();
        let copy = path.with_extension("copy");
        fs::copy(&path, &copy).and_then(|_| fs::rename(&copy, &path)).unwrap();
    }
    oracle::must("chmod", &["-R", "a+rX", &folder.to_string_lossy()]);
    oracle::must("chown", &["-R", &format!("{user}:"), &home.to_string_lossy()]);
    let mut command = Command::new(oracle::find("setpriv").unwrap());
    command.args(["--reuid", user, "--regid", user, "--clear-groups", "--", "taskset", "1", "env"]);
    // Set for the program only: libfaketime's semaphore belongs to the first user.
    command.arg(format!("LD_PRELOAD={FAKETIME}")).args(["FAKETIME=+3650d", "FAKETIME_NO_CACHE=1"]);
    command.arg(program).arg("build").arg(fixture.recipe());
    command.arg("-o").arg(home.join("out")).arg("--store").arg(&store);
    must(&command.env("HOME", &home).output().unwrap());
    Bundle::open(&home.join("out"))
}

/// Builds without a network, with an empty store and one file of inputs: from the recipe, and from what is inside the image.
fn without_a_network(fixture: &LockedRecipe, program: &Path, by_root: &Bundle) {
    let inputs = fixture.path("inputs.tar");
    let (store, recipe) = (fixture.path("store"), fixture.recipe());
    let args = [
        "vendor",
        &recipe.to_string_lossy(),
        "-o",
        &inputs.to_string_lossy(),
        "--store",
        &store.to_string_lossy(),
    ];
    program::must(&args);
    let alone = fixture.path("alone");
    fs::create_dir(&alone).unwrap();
    fs::copy(&recipe, alone.join("recipe.toml")).unwrap();
    if fixture.path("key.asc").exists() {
        fs::copy(fixture.path("key.asc"), alone.join("key.asc")).unwrap();
    }
    let script = "if ip -o link show up | grep -q .; then echo an interface is up; exit 9; fi; exec \"$@\"";
    let unshared = || {
        let mut command = Command::new(oracle::find("unshare").unwrap());
        command.args(["--net", "sh", "-c", script, "sh"]).arg(program);
        command
    };
    let mut command = unshared();
    command.arg("build").arg(alone.join("recipe.toml")).arg("--vendor").arg(&inputs);
    command.arg("-o").arg(alone.join("out")).arg("--store").arg(alone.join("store"));
    must(&command.output().unwrap());
    assert_same(by_root, &Bundle::open(&alone.join("out")));
    let mut command = unshared();
    command.arg("rebuild").arg(&by_root.folder).arg("--vendor").arg(&inputs);
    command.arg("--source-dir").arg(fixture.path("")).arg("--store").arg(alone.join("store"));
    let shown = must(&command.output().unwrap());
    assert!(shown.contains(" equal, 0 different"), "{shown}");
}

/// A recipe with a stage that runs these commands.
fn with_stage(commands: &str) -> String {
    format!(
        r#"
[image]
name = "stage"
arch = "x86_64"
epoch = 1700000000

[[partition]]
role = "root"
size = "64 MiB"

[[source]]
kind = "deb"
distribution = "debian"
suites = ["bookworm"]
base = "none"
scripts = "none"

[[stage]]
name = "random"
run = ["""
mkdir -p $DESTDIR/opt
{commands}
"""]
install = [{{ from = "/opt" }}]
"#
    )
}

#[test]
fn random_numbers_and_the_clock_are_the_same_in_every_build_and_there_is_no_network() {
    let commands = r"
head -c 64 /dev/urandom | od > $DESTDIR/opt/urandom
head -c 64 /dev/random | od > $DESTDIR/opt/random
perl -e 'print rand(), qq(\n), join(q(,), sort keys %ENV), qq(\n)' > $DESTDIR/opt/perl
cat /proc/sys/kernel/random/uuid > $DESTDIR/opt/uuid
date +%s.%N > $DESTDIR/opt/date; mktemp -u > $DESTDIR/opt/mktemp; date -r /etc +%s >> $DESTDIR/opt/date
hostname > $DESTDIR/opt/host
cat /proc/sys/kernel/random/boot_id > $DESTDIR/opt/boot
bash -c 'exec 3<>/dev/tcp/192.0.2.1/80' 2> $DESTDIR/opt/network && exit 1
ls /sys/class/net > $DESTDIR/opt/interfaces 2>/dev/null || true
id -u > $DESTDIR/opt/id; umask >> $DESTDIR/opt/id
ls -l --time-style=+%s $DESTDIR/opt/id > $DESTDIR/opt/listing
echo x > $DESTDIR/opt/stamped; gzip $DESTDIR/opt/stamped
uname -a > $DESTDIR/opt/machine; nproc >> $DESTDIR/opt/machine; nice >> $DESTDIR/opt/machine
for file in version cpuinfo meminfo stat uptime loadavg swaps filesystems sys/kernel/osrelease sys/fs/file-nr; do
    cat /proc/$file >> $DESTDIR/opt/machine; done
bash -c 'ulimit -a' > $DESTDIR/opt/limits
stat -c '%d %i %Y %n' / /etc /usr/bin /dev/null /dev/pts /proc/self /tmp > $DESTDIR/opt/numbers
echo | stat -L -c '%d %i' /dev/stdin >> $DESTDIR/opt/numbers; stat -f -c '%i %b %f' / >> $DESTDIR/opt/numbers
perl -e 'my $end = time + 2; select(undef, undef, undef, 0.3) while time < $end; print time' > $DESTDIR/opt/waited
";
    let Some(fixture) = LockedRecipe::new(&with_stage(commands)) else { return };
    let (recipe, store) = (fixture.recipe(), fixture.path("store"));
    let report = fixture.path("report.json");
    let args = ["repro", &recipe.to_string_lossy(), "--builds", "4", "--store", &store.to_string_lossy()];
    let output = Command::new(program::path()).args(args).arg("--out").arg(&report).output().unwrap();
    must(&output);
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["equal"], true);
    let network = read_file(&fixture.build("out"), "/opt/network");
    assert!(network.contains("unreachable"), "{network}");
}

#[test]
fn nondeterminism_that_remains_is_found_and_its_file_named() {
    // The nanoseconds of a file's time depend on the order of writes.
    let commands = "touch $DESTDIR/opt/new; stat -c %y $DESTDIR/opt/new > $DESTDIR/opt/slips";
    let Some(fixture) = LockedRecipe::new(&with_stage(commands)) else { return };
    let (recipe, store) = (fixture.recipe(), fixture.path("store"));
    let args = ["repro", &recipe.to_string_lossy(), "--builds", "2", "--store", &store.to_string_lossy()];
    let output = program::run(&args);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("/opt/slips"), "{stdout}");
}

/// Packages whose scripts write different bytes each time: a certificate, an LDAP directory with ids and times of its
/// entries, and a database with a time.
const DRAWING: &str = r#"
[image]
name = "drawing"
arch = "x86_64"

[[source]]
kind = "deb"
distribution = "debian"
suites = ["bookworm"]
docs = false
man = false
locales = ["C"]
packages = ["ssl-cert", "slapd", "postfix"]
"#;

#[test]
fn random_values_of_maintainer_scripts_are_the_same_in_every_build() {
    let Some(fixture) = LockedRecipe::new(DRAWING) else { return };
    let again = |out: &str| {
        fixture.add_store(out);
        must(&fixture.command(&format!("{out}/out"), out).output().unwrap());
        Bundle::open(&fixture.path(out).join("out"))
    };
    assert_same(&again("a"), &again("b"));
    // With the clock of the machine they differ, or the test would prove nothing.
    fs::write(fixture.recipe(), format!("{DRAWING}\n[sandbox]\nclock = \"real\"\n")).unwrap();
    let folders = [again("c"), again("d")].map(|bundle| bundle.folder.to_string_lossy().into_owned());
    let output = program::run(&["diff", &folders[0], &folders[1]]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{stdout}");
    for file in ["/etc/aliases.db", "/etc/ssl/certs/ssl-cert-snakeoil.pem", "/var/lib/ldap/data.mdb"] {
        assert!(stdout.contains(file), "no {file} in {stdout}");
    }
}
