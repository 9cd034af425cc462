//! Scripts of rpm packages in the sandbox: the same in the same order as `dnf` runs them, except that one which fails ends the
//! build. The packages are made by `rpmbuild`; only root can install them.

mod packages;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_packages::backend::{NativeSettings, ScriptSettings};
use amiforge_packages::configure::AccountIds;
use amiforge_packages::rpm::configure::native::configure;
use amiforge_packages::rpm::configure::run::{RpmRunError, RpmScriptsDone, run};
use amiforge_packages::rpm::package::UnpackedRpm;
use amiforge_progress::Monitor;
use amiforge_sandbox::{OnFailure, SandboxClock, SandboxLimits, Seed};
use amiforge_store::blobs::Blobs;

use self::packages::BuiltRpms;
use crate::fixture::{Fixture, listing};
use crate::forbidden::skip;

pub(crate) const TESTS: &[crate::Test] = crate::tests![
    scripts_run_as_dnf_runs_them,
    a_script_that_fails_ends_the_build,
    hostile_scripts_are_named,
    an_owner_that_does_not_exist_is_named,
    what_describes_the_host_is_left_out,
    native_configuration_makes_what_the_scripts_make,
];

const BASE: &str = include_str!("specs/base.spec");

fn built() -> Option<BuiltRpms> {
    if !cfg!(target_arch = "x86_64") || !rustix::process::geteuid().is_root() {
        skip("only root installs packages");
        return None;
    }
    let found = BuiltRpms::open();
    if found.is_none() {
        skip("rpm, dnf or createrepo_c is not installed");
    }
    found
}

fn configured(
    tree: &Tree,
    packages: &[UnpackedRpm],
    fixture: &mut Fixture,
    limits: SandboxLimits,
) -> Result<RpmScriptsDone, RpmRunError> {
    let epoch = Time::from_secs(1_700_000_000);
    let settings = ScriptSettings {
        answers: &BTreeMap::new(),
        accounts: &AccountIds::default(),
        limits,
        epoch,
        now: epoch,
        on_failure: OnFailure::Stop,
        clock: SandboxClock::Still,
        seed: Seed::shared(),
    };
    run(tree, packages, &settings, &fixture.sandbox, &mut fixture.blobs, Monitor::none())
}

/// The line of each path, without times: rpm's are those of the installation.
fn lines(fixture: &Fixture, tree: &Tree) -> BTreeMap<String, String> {
    let listing = listing(fixture, tree);
    let line = |line: &str| {
        let (path, rest) = line.split_once(' ').unwrap();
        let words: Vec<&str> = rest.split(' ').collect();
        let kept = words.iter().enumerate().filter(|(at, _)| *at != 3).map(|(_, word)| *word);
        (path.to_owned(), kept.collect::<Vec<_>>().join(" "))
    };
    listing.lines().map(line).collect()
}

/// The paths that differ between two trees, without those that begin so.
fn differences(fixture: &Fixture, one: &Tree, other: &Tree, explained: &[&str]) -> Vec<String> {
    let (one, other) = (lines(fixture, one), lines(fixture, other));
    let paths: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    paths
        .into_iter()
        .filter(|path| one.get(*path) != other.get(*path))
        .filter(|path| !explained.iter().any(|start| path.starts_with(start)))
        .map(|path| format!("{path}\n  {:?}\n  {:?}", one.get(path), other.get(path)))
        .collect()
}

fn scripts_run_as_dnf_runs_them() {
    let Some(built) = built() else { return };
    built.build("t-base", BASE);
    built.build("t-early", include_str!("specs/early.spec"));
    built.build("t-trig", include_str!("specs/trig.spec"));
    built.build("t-app", include_str!("specs/app.spec"));
    built.build("t-late", include_str!("specs/late.spec"));
    let mut fixture = Fixture::new();
    fixture.blobs = Blobs::new();
    let (mut unpacked, ..) = built.installed("t-late", "noscripts", &mut fixture.blobs);
    let (theirs, well, log) = built.installed("t-late", "", &mut fixture.blobs);
    assert!(well, "{log}");
    let packages = built.packages();
    packages::restore_modes(&mut unpacked, &packages);
    let ours = configured(&unpacked, &packages, &mut fixture, SandboxLimits::default()).unwrap();
    let text = |fixture: &Fixture, tree: &Tree| String::from_utf8(fixture.read(tree, "log")).unwrap();
    let (own, their) = (text(&fixture, &ours.tree), text(&fixture, &theirs));
    assert_eq!(own, their, "ours and dnf's");
    assert!(own.lines().count() > 80, "{own}");
    // The database, and what dnf writes down, is not of the scripts.
    let explained = ["/dev", "/usr/lib/sysimage", "/var/lib/dnf", "/var/lib/rpm", "/var/cache", "/etc/dnf"];
    let differ = differences(&fixture, &ours.tree, &theirs, &explained);
    assert!(differ.is_empty(), "ours and dnf's:\n{}", differ.join("\n"));
    let again = configured(&unpacked, &packages, &mut fixture, SandboxLimits::default()).unwrap();
    assert_eq!(listing(&fixture, &ours.tree), listing(&fixture, &again.tree));
}

/// Installs `t-base` without its scripts and runs those of it and of `name`.
fn failure(built: &BuiltRpms, name: &str, limits: SandboxLimits) -> String {
    let mut fixture = Fixture::new();
    fixture.blobs = Blobs::new();
    let (unpacked, _, log) = built.installed("t-base", "noscripts", &mut fixture.blobs);
    let all = built.packages();
    let packages: Vec<_> =
        all.into_iter().filter(|one| ["t-base", name].contains(&&*one.locked.name)).collect();
    assert_eq!(packages.len(), 2, "{log}");
    match configured(&unpacked, &packages, &mut fixture, limits) {
        Ok(done) => format!("well: {}", listing(&fixture, &done.tree)),
        Err(error) => error.to_string(),
    }
}

fn a_script_that_fails_ends_the_build() {
    let Some(built) = built() else { return };
    built.build("t-base", BASE);
    let requires = "Requires(post): t-base";
    let script = "%post\nprintf 'so far\\033[31m'; echo; exit 3";
    built.build_script("t-fails", requires, script);
    let (_, well, log) = built.installed("t-fails", "", &mut Blobs::new());
    assert!(well, "dnf goes on: {log}");
    let error = failure(&built, "t-fails", SandboxLimits::default());
    let start = "%post of the package `t-fails` failed: `/bin/sh %post 1` ended with exit status 3; it wrote last:\n    so far";
    assert!(error.starts_with(start), "{error}");
    assert!(!error.contains('\u{1b}'), "{error:?}");
    built.build_script("t-lua", requires, "%post -p <lua>\nerror('no ' .. arg[2])");
    let error = failure(&built, "t-lua", SandboxLimits::default());
    assert!(error.starts_with("%post of the package `t-lua` failed: `<lua> %post 1`"), "{error}");
    assert!(error.contains(":1: no 1"), "{error}");
}

fn hostile_scripts_are_named() {
    let Some(built) = built() else { return };
    built.build("t-base", BASE);
    let requires = "Requires(post): t-base";
    built.build_script("t-loop", requires, "%post\nwhile :; do :; done");
    let limits = SandboxLimits { time: Duration::from_secs(5), ..SandboxLimits::default() };
    let error = failure(&built, "t-loop", limits);
    assert!(error.contains("%post of the package `t-loop` reached the limit of 5 seconds"), "{error}");
    built.build_script("t-none", requires, "%post -p /usr/bin/no-such-shell\nx");
    let error = failure(&built, "t-none", SandboxLimits::default());
    assert!(
        error.starts_with("%post of the package `t-none` failed: `/usr/bin/no-such-shell %post 1`"),
        "{error}"
    );
    let long = format!("%post\n{}echo long >/long", ": 0123456789012345678901234567890\n".repeat(32_000));
    built.build_script("t-long", requires, &long);
    let outcome = failure(&built, "t-long", SandboxLimits::default());
    assert!(outcome.contains("/long file 0644"), "{outcome}");
}

fn an_owner_that_does_not_exist_is_named() {
    let Some(built) = built() else { return };
    built.build("t-base", BASE);
    let spec = "Name: t-owned\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nAutoReqProv: no\nRequires: t-base\n\
                %description\nx\n%install\nmkdir -p %{buildroot}/srv/x\n%files\n%dir %attr(0755,ghost,root) /srv/x\n";
    built.build("t-owned", spec);
    let mut fixture = Fixture::new();
    fixture.blobs = Blobs::new();
    let (unpacked, well, log) = built.installed("t-owned", "noscripts", &mut fixture.blobs);
    assert!(well && log.contains("user ghost does not exist - using root"), "{log}");
    let packages = built.packages();
    let error =
        configured(&unpacked, &packages, &mut fixture, SandboxLimits::default()).unwrap_err().to_string();
    assert!(error.contains("the package `t-owned`") && error.contains("ghost"), "{error}");
}

fn what_describes_the_host_is_left_out() {
    let Some(built) = built() else { return };
    built.build("t-base", BASE);
    let spec = "Name: t-kernel\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nAutoReqProv: no\nRequires(post): t-base\n\
                %description\nx\n%install\nmkdir -p %{buildroot}/usr/bin %{buildroot}/usr/lib/modules/6.1\n\
                printf '#!/bin/sh\\nexit 9\\n' >%{buildroot}/usr/bin/kernel-install; chmod 755 %{buildroot}/usr/bin/kernel-install\n\
                echo kernel >%{buildroot}/usr/lib/modules/6.1/vmlinuz\n\
                %posttrans\n/bin/kernel-install add 6.1 /lib/modules/6.1/vmlinuz || exit $?\n\
                %files\n/usr/bin/kernel-install\n/usr/lib/modules/6.1\n";
    built.build("t-kernel", spec);
    let mut fixture = Fixture::new();
    fixture.blobs = Blobs::new();
    let (unpacked, ..) = built.installed("t-kernel", "noscripts", &mut fixture.blobs);
    let packages = built.packages();
    let done = configured(&unpacked, &packages, &mut fixture, SandboxLimits::default()).unwrap();
    let [line] = done.left_out.as_slice() else { panic!("{:?}", done.left_out) };
    assert!(line.starts_with("`kernel-install add 6.1 /lib/modules/6.1/vmlinuz`: "), "{line}");
    assert_eq!(fixture.read(&done.tree, "boot/vmlinuz-6.1"), b"kernel\n");
    assert!(fixture.read(&done.tree, "usr/bin/kernel-install").ends_with(b"exit 9\n"));
    assert!(done.tree.lookup(b".amiforge-scripts").is_none());
}

fn native_configuration_makes_what_the_scripts_make() {
    let Some(built) = built() else { return };
    built.build("t-base", BASE);
    built.build("t-native", include_str!("specs/native.spec"));
    let mut fixture = Fixture::new();
    fixture.blobs = Blobs::new();
    let (mut unpacked, ..) = built.installed("t-native", "noscripts", &mut fixture.blobs);
    let packages = built.packages();
    packages::restore_modes(&mut unpacked, &packages);
    let run = configured(&unpacked, &packages, &mut fixture, SandboxLimits::default()).unwrap();
    let mut native = unpacked.clone();
    let settings = NativeSettings {
        answers: &BTreeMap::new(),
        accounts: &AccountIds::default(),
        epoch: Time::from_secs(1_700_000_000),
    };
    let report =
        configure(&mut native, &packages, "x86_64", &settings, &fixture.blobs, Monitor::none()).unwrap();
    // The scripts are all of commands that are known; the script of `t-base` is in Lua.
    let skipped: Vec<String> =
        report.skipped.iter().map(|one| format!("{}: {}", one.package, one.command)).collect();
    assert!(skipped.is_empty(), "{skipped:?} {:?}", report.skipped);
    let link = native.lookup(b"etc/systemd/system/multi-user.target.wants/on.service");
    assert!(
        link.is_some() && native.lookup(b"etc/systemd/system/alias.service").is_some(),
        "{:?}",
        report.done
    );
    let text = |tree: &Tree, path: &str| String::from_utf8(fixture.read(tree, path)).unwrap();
    assert_eq!(text(&native, "etc/passwd"), text(&run.tree, "etc/passwd"));
    // `ldconfig` was not run by any script here, and is always done natively. The shadow tools leave a lock and copies. This
    // systemctl is of a distribution that links by way of `/lib`.
    let explained = [
        "/etc/ld.so.cache",
        "/usr/lib/x86_64-linux-gnu/",
        "/etc/.pwd.lock",
        "/etc/passwd-",
        "/etc/group-",
        "/etc/systemd/system/alias.service",
        "/etc/systemd/system/multi-user.target.wants/on.service",
    ];
    let differ = differences(&fixture, &native, &run.tree, &explained);
    assert!(differ.is_empty(), "native and run:\n{}\n{:?}", differ.join("\n"), report.done);
}
