//! Ways into a machine: logins on consoles, remote logins, and agents that take commands or keys from outside.

use std::collections::BTreeMap;

use amiforge_formats::path::{self, PathError};
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeKind, Tree};

use super::{VerifiedRootError, Violation};
use crate::steps::probe::{exists, has_program, is_file};
use crate::steps::units::{self, UnitState};

/// Programs that let users in, wherever a program is looked up, and the package of Debian that has each.
const PROGRAMS: [(&str, &str); 10] = [
    ("amazon-ssm-agent", "amazon-ssm-agent"),
    ("cloud-init", "cloud-init"),
    ("cockpit-bridge", "cockpit-bridge"),
    ("dropbear", "dropbear-bin"),
    ("in.telnetd", "telnetd"),
    ("sshd", "openssh-server"),
    ("ssm-agent-worker", "amazon-ssm-agent"),
    ("telnetd", "telnetd"),
    ("tinysshd", "tinysshd"),
    ("ttyd", "ttyd"),
];

/// Files of such software that is no program in the usual folders.
const FILES: [(&str, &str); 4] = [
    ("/opt/aws/bin/eic_run_authorized_keys", "ec2-instance-connect"),
    ("/snap/amazon-ssm-agent", "amazon-ssm-agent"),
    ("/usr/share/ec2-instance-connect", "ec2-instance-connect"),
    ("/usr/lib/ssh/sshd", "openssh"),
];

/// Programs that a unit must not start: a login on a console.
const LOGINS: [&str; 7] = ["agetty", "fgetty", "getty", "login", "mgetty", "mingetty", "sulogin"];

/// Folders of units.
const UNIT_DIRS: [&str; 4] = [
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Our units of the first boot that take keys or scripts from the metadata service.
const OWN_UNITS: [&str; 2] = ["amiforge-metadata.service", "amiforge-user-data.service"];

/// Units that mount the EFI system partition.
const ESP_UNITS: [&str; 6] =
    ["boot-efi.automount", "boot-efi.mount", "boot.automount", "boot.mount", "efi.automount", "efi.mount"];

pub(super) fn violations(
    tree: &Tree,
    sources: &dyn Sources,
    found: &mut Vec<Violation>,
) -> Result<(), VerifiedRootError> {
    programs(tree, found)?;
    inittab(tree, sources, found)?;
    let units = unit_files(tree, sources)?;
    let live = |name: &str| -> Result<bool, VerifiedRootError> {
        Ok(units::state(tree, sources, name)? == UnitState::Startable)
    };
    for name in OWN_UNITS {
        if live(name)? {
            found.push(Violation::new(
                format!("`{name}` lets everyone who may launch an instance log in or run commands as root"),
                "write `first-boot = \"none\"` under `[boot]`",
            ));
        }
    }
    for name in ESP_UNITS {
        if live(name)? {
            found.push(Violation::new(
                format!("`{name}` mounts a partition by which the machine could change what it boots"),
                mask(name),
            ));
        }
    }
    for (name, text) in &units {
        // A drop-in changes what its unit starts.
        let unit = name.split_once(".d/").map_or(name.as_str(), |(unit, _)| unit);
        let login = login_of(text).filter(|_| unit.ends_with(".service"));
        if let Some(program) = login.filter(|_| !unit.contains('/'))
            && live(unit)?
        {
            let fact = format!("the unit `{unit}` starts `{program}`, a login on a console");
            found.push(Violation::new(fact, mask(unit)));
        }
    }
    texts(&units, found);
    if units.keys().any(|name| name.ends_with(".wants/debug-shell.service")) && live("debug-shell.service")? {
        found.push(Violation::new(
            "`debug-shell.service` is enabled and gives a shell to everybody",
            mask("debug-shell.service"),
        ));
    }
    Ok(())
}

fn mask(unit: &str) -> String {
    format!("write `mask = [\"{unit}\"]` under `[system]`")
}

/// Programs and files of software that lets users in.
fn programs(tree: &Tree, found: &mut Vec<Violation>) -> Result<(), PathError> {
    let remedy = |package: &str| format!("leave out the package {package}");
    for (program, package) in PROGRAMS {
        if has_program(tree, program)? {
            found.push(Violation::new(
                format!("the image has `{program}`, a way into the machine"),
                remedy(package),
            ));
        }
    }
    for (file, package) in FILES {
        if exists(tree, file) {
            found.push(Violation::new(
                format!("the image has `{file}`, a way into the machine"),
                remedy(package),
            ));
        }
    }
    Ok(())
}

/// Consoles of a System V init or of busybox (inittab(5)).
fn inittab(tree: &Tree, sources: &dyn Sources, found: &mut Vec<Violation>) -> Result<(), PathError> {
    if !is_file(tree, "/etc/inittab")? {
        return Ok(());
    }
    let text = path::read(tree, sources, b"/etc/inittab")?.unwrap_or_default();
    for line in String::from_utf8_lossy(&text).lines().filter(|line| !line.trim_start().starts_with('#')) {
        let program = line.rsplit(':').next().and_then(program_of);
        if program.is_some_and(|program| LOGINS.contains(&program) || program.ends_with("sh")) {
            let line = line.trim().escape_debug();
            found.push(Violation::new(
                format!("`/etc/inittab` gives a console: `{line}`"),
                "remove the line by a `[[file]]`",
            ));
        }
    }
    Ok(())
}

/// The files below the folders of units by their path relative to them, with their texts; those of an earlier folder win.
/// Links are entries with an empty text.
fn unit_files(tree: &Tree, sources: &dyn Sources) -> Result<BTreeMap<String, String>, PathError> {
    let mut files = BTreeMap::new();
    for dir in UNIT_DIRS {
        let Some(id) = path::find(tree, dir.as_bytes())? else { continue };
        for (name, id) in tree.entries(id).into_iter().flatten() {
            let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
            match &tree.node(*id).kind {
                NodeKind::Dir(entries) => {
                    for (below, id) in entries {
                        let name = format!("{name}/{}", String::from_utf8_lossy(below.as_bytes()));
                        let text = text(tree, sources, dir, &name, &tree.node(*id).kind)?;
                        files.entry(name).or_insert(text);
                    }
                }
                kind => {
                    let text = text(tree, sources, dir, &name, kind)?;
                    files.entry(name).or_insert(text);
                }
            }
        }
    }
    Ok(files)
}

fn text(
    tree: &Tree,
    sources: &dyn Sources,
    dir: &str,
    name: &str,
    kind: &NodeKind,
) -> Result<String, PathError> {
    match kind {
        NodeKind::File(_) => {
            let bytes = path::read(tree, sources, format!("{dir}/{name}").as_bytes())?.unwrap_or_default();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => Ok(String::new()),
    }
}

/// The program of a command line, without the marks before it (systemd.service(5)).
fn program_of(command: &str) -> Option<&str> {
    let first =
        command.trim_start_matches(['-', '@', ':', '+', '!', '|', ' ', '"']).split_whitespace().next()?;
    first.trim_matches('"').rsplit('/').next()
}

/// A login that a unit starts.
fn login_of(text: &str) -> Option<&str> {
    let starts = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("ExecStart")?.split_once('='))
        .map(|(_, rest)| rest);
    starts.filter_map(program_of).find(|program| LOGINS.contains(program))
}

/// Words in units and drop-ins that let users in without a password.
fn texts(units: &BTreeMap<String, String>, found: &mut Vec<Violation>) {
    for (name, text) in units {
        for (word, what) in [
            ("--autologin", "logs a user in without a password"),
            ("SYSTEMD_SULOGIN_FORCE=1", "gives a shell of root where a boot fails"),
        ] {
            if text.lines().any(|line| !line.trim_start().starts_with(['#', ';']) && line.contains(word)) {
                let name = name.escape_debug();
                found
                    .push(Violation::new(format!("`{name}` of systemd {what}: `{word}`"), "remove the file"));
            }
        }
    }
}
