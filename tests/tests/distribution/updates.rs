//! Updates of a real system send little more than what is new, as a local region counts it: the web server of the examples,
//! as the last point release has it and with all updates since, and with the update of one small package.

use std::fs;
use std::path::Path;
use std::process::Command;

use amiforge_tests::program::{self, Bundle};
use amiforge_tests::recipe::Recipe;
use amiforge_tests::{oracle, scratch};
use serde_json::Value;

use crate::fixtures::{LockedRecipe, must};

/// Bytes of a block.
const BLOCK: u64 = 512 << 10;

/// Most blocks that an update may send for each hundred that its new content takes.
const HUNDREDTHS: u64 = 137;

/// Most blocks that an update of one small package may send.
const FEW: u64 = 12;

/// Small packages that are updated by themselves, and that no initrd has.
const SMALL: [&str; 5] = ["libexpat1", "libssh2-1", "libbrotli1", "tzdata", "libaprutil1-ldap"];

/// The web server with packages of the release before the one of the examples, of which there are more updates.
fn web_server(suites: &[&str], scripts: &str) -> String {
    let suites: Vec<toml::Value> = suites.iter().map(|suite| (*suite).into()).collect();
    let recipe = Recipe::example("web-server").change("source.0.suites", suites);
    recipe.set("source.0.scripts", scripts).to_string()
}

/// The entry of a package in a lock, to the next one.
fn entry<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let start = lock.find(&format!("[[package]]\nname = \"{name}\"\n"))?;
    let len = lock[start + 1..].find("\n[[").map_or(lock.len() - start, |len| len + 1);
    Some(&lock[start..start + len])
}

/// The same recipe with another lock, whose packages were fetched for others.
fn with_lock(of: &LockedRecipe, lock: &str) -> LockedRecipe {
    let fixture = LockedRecipe { folder: scratch::folder() };
    fs::copy(of.recipe(), fixture.recipe()).unwrap();
    fs::write(fixture.path("recipe.lock"), lock).unwrap();
    fixture.copy_locked_files("store", &scratch::repository().join("target/inputs/distribution"));
    fixture
}

/// Uploads a bundle onto the newest snapshot of its name, and returns how many blocks were sent.
fn sent(bundle: &Bundle, region: &Path) -> u64 {
    let mut command = Command::new(program::path());
    command.env("AMIFORGE_LOCAL_REGION", region);
    command.args(["upload", "--json", "--quiet", "--region", "local", "--parent", "auto"]);
    let report: Value = serde_json::from_str(&must(&command.arg(&bundle.folder).output().unwrap())).unwrap();
    report["blocksSent"].as_u64().unwrap_or_else(|| panic!("{report}"))
}

/// Blocks sent by an update, and the blocks that its new content takes.
fn update(before: &LockedRecipe, after: &LockedRecipe) -> (u64, u64) {
    let (old, new) = (before.build("out"), after.build("out"));
    let region = before.path("region");
    let first = sent(&old, &region);
    let second = sent(&new, &region);
    let (a, b) = (old.folder.to_string_lossy(), new.folder.to_string_lossy());
    let output = program::run(&["diff", "--blocks", "--json", &a, &b]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let bytes = report["new_bytes"].as_u64().unwrap_or_else(|| panic!("{report}"));
    println!("{second} blocks sent, of {first} at first, for {bytes} bytes: {report}");
    (second, bytes.div_ceil(BLOCK))
}

/// Both updates of the web server.
fn updates_are_small(scripts: &str) {
    let Some(before) = LockedRecipe::new(&web_server(&["bookworm"], scripts)) else { return };
    let suites = ["bookworm", "bookworm-updates", "bookworm-security"];
    let Some(after) = LockedRecipe::new(&web_server(&suites, scripts)) else { return };
    let lock = |fixture: &LockedRecipe| fs::read_to_string(fixture.path("recipe.lock")).unwrap();
    let (old, new) = (lock(&before), lock(&after));
    let small =
        SMALL.into_iter().find(|name| entry(&old, name).is_some_and(|e| Some(e) != entry(&new, name)));
    let Some(small) = small else {
        return oracle::skip("the archive has no updates of the release");
    };
    let (sent, needed) = update(&before, &after);
    assert!(sent * 100 <= needed * HUNDREDTHS, "{sent} blocks for {needed}");
    let (own, older) = (entry(&new, small).unwrap(), entry(&old, small).unwrap());
    let one_older = with_lock(&after, &new.replacen(own, older, 1));
    let (sent, _) = update(&one_older, &after);
    println!("of {small} alone: {sent}");
    assert!(sent <= FEW, "{sent} blocks for {small} alone");
}

/// A system of the release before, whose root is an ext4 file system that can be written to, or EROFS under a hash tree.
fn system(suites: &str, verified: bool) -> String {
    let (trust, fs) = if verified { ("[trust]\nprofile = \"verity\"\n", "erofs") } else { ("", "ext4") };
    format!(
        "[image]\nname = \"updated\"\nversion = \"1\"\narch = \"x86_64\"\n\n[disk]\nsize = 4\n\n\
         [boot]\nmode = \"uefi\"\ninitrd = \"own\"\nfirst-boot = \"none\"\n\n{trust}\n\
         [[partition]]\nrole = \"esp\"\nsize = \"256 MiB\"\n\n[[partition]]\nrole = \"root\"\nfs = \"{fs}\"\n\n\
         [[source]]\nkind = \"deb\"\ndistribution = \"debian\"\nsuites = [{suites}]\nscripts = \"native\"\n\
         packages = [\"systemd-sysv\", \"udev\", \"dbus\", \"linux-image-cloud-amd64\", \"systemd-boot-efi\", \"zstd\",\n\
             \"e2fsprogs\", \"iproute2\", \"netbase\", \"apache2\", \"curl\", \"ca-certificates\", \"tzdata\"]\n"
    )
}

#[test]
fn an_update_of_a_package_of_a_verified_erofs_root_sends_at_most_twice_the_blocks_of_ext4() {
    let old_suites = "\"bookworm\"";
    let new_suites = "\"bookworm\", \"bookworm-updates\", \"bookworm-security\"";
    let (mut all, mut compared) = (Vec::new(), 0);
    for verified in [false, true] {
        let Some(before) = LockedRecipe::new(&system(old_suites, verified)) else { return };
        let Some(after) = LockedRecipe::new(&system(new_suites, verified)) else { return };
        let lock = |fixture: &LockedRecipe| fs::read_to_string(fixture.path("recipe.lock")).unwrap();
        let (old, new) = (lock(&before), lock(&after));
        let newest = after.build("newest");
        let updates = SMALL.into_iter().filter_map(|name| {
            let (own, older) = (entry(&new, name)?, entry(&old, name)?);
            (own != older).then(|| (name, new.replacen(own, older, 1)))
        });
        let sent_by = updates.map(|(name, lock)| {
            let fixture = with_lock(&after, &lock);
            let one_older = fixture.build("out");
            let region = fixture.path("region");
            sent(&one_older, &region);
            (name, sent(&newest, &region))
        });
        all.push(sent_by.collect::<Vec<_>>());
    }
    for ((name, ext4), (_, erofs)) in all[0].iter().zip(&all[1]) {
        println!("{name}: {ext4} blocks with ext4, {erofs} with EROFS and a hash tree");
        assert!(*erofs <= 2 * ext4, "{name}: {erofs} blocks, and {ext4} with ext4");
        compared += 1;
    }
    if compared == 0 {
        oracle::skip("the archive has no updates of the release");
    }
}

#[test]
fn updates_of_a_native_web_server_send_little_more_than_what_is_new() {
    updates_are_small("native");
}

#[test]
fn updates_of_a_web_server_with_an_initrd_send_little_more_than_what_is_new() {
    updates_are_small("run");
}
