//! Units and services: deb-systemd-helper, systemctl, update-rc.d, systemd-tmpfiles.

use super::outcome::{Done, KnownArgs, ended};
use crate::configure::script::{CommandEffect, StopReason};
use crate::deb::configure::native::system::TargetSystem;
use crate::deb::configure::native::{deb_systemd, tmpfiles};
use amiforge_rootfs::steps::units::{self, UnitsSpec};

/// Does a command of this file; `None` for others.
pub(super) fn call(system: &mut TargetSystem<'_>, name: &str, args: &KnownArgs<'_>) -> Option<Done> {
    Some(match name {
        "deb-systemd-helper" => deb_systemd_helper(system, args),
        "systemctl" => systemctl(system, args),
        "update-rc.d" => update_rc_d(system, args),
        "systemd-tmpfiles" => systemd_tmpfiles(system, args),
        "systemd-machine-id-setup" => {
            ended(system.is_file("/etc/machine-id") || system.write("/etc/machine-id", b""))
        }
        "dbus-uuidgen" => Ok(CommandEffect::left_out("each machine makes its own id")),
        "journalctl" => {
            Ok(CommandEffect::left_out("the catalog of messages is only read by `journalctl -x`"))
        }
        "systemd-hwdb" => Ok(CommandEffect::left_out("udev works without the hardware database")),
        "invoke-rc.d" | "deb-systemd-invoke" | "service" | "runit-helper" => ended(true),
        _ => return None,
    })
}

fn deb_systemd_helper(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    if args.contains(&"--user") {
        return Ok(CommandEffect::left_out("units of users"));
    }
    let words: Vec<&str> =
        args.iter().copied().filter(|arg| !matches!(*arg, "--quiet" | "--system")).collect();
    let Some((action, names)) = words.split_first() else { return Err(StopReason::Argument) };
    let mut well = true;
    for name in names {
        well &= match *action {
            "enable" => deb_systemd::enable(system, name),
            "update-state" => deb_systemd::update_state(system, name),
            "was-enabled" => deb_systemd::was_enabled(system, name),
            "debian-installed" => deb_systemd::debian_installed(system, name),
            // Nothing was masked before the first installation.
            "unmask" | "reenable" => true,
            "mask" => system.link_deep(&format!("/etc/systemd/system/{name}"), "/dev/null"),
            _ => return Err(StopReason::Argument),
        };
    }
    ended(well)
}

fn systemctl(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let words: Vec<&str> = args.iter().copied().filter(|arg| !arg.starts_with('-')).collect();
    let Some((action, names)) = words.split_first() else { return Ok(CommandEffect::unknown()) };
    if args.contains(&"--user") || args.contains(&"--global") {
        return Ok(CommandEffect::left_out("units of users"));
    }
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let spec = match *action {
        "enable" | "preset" => UnitsSpec { enable: names.clone(), ..UnitsSpec::default() },
        "mask" => UnitsSpec { mask: names.clone(), ..UnitsSpec::default() },
        "disable" => UnitsSpec { disable: names.clone(), ..UnitsSpec::default() },
        "is-active" | "is-failed" => return ended(false),
        "is-enabled" => return Ok(CommandEffect::unknown()),
        // Nothing runs.
        "start"
        | "stop"
        | "restart"
        | "try-restart"
        | "reload"
        | "daemon-reload"
        | "daemon-reexec"
        | "kill"
        | "unmask"
        | "reload-or-restart"
        | "condrestart"
        | "try-reload-or-restart" => return ended(true),
        _ => return Err(StopReason::Argument),
    };
    let applied = units::apply(system.tree, system.sources, &spec, system.time).is_ok();
    if applied && !spec.enable.is_empty() {
        system.done.push(format!("enabled {}", names.join(", ")));
    }
    ended(applied)
}

/// `update-rc.d NAME defaults`: the links of its LSB header, as without insserv.
fn update_rc_d(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let (name, start) = match args {
        [name, "defaults" | "enable"] => (*name, 'S'),
        [name, "defaults-disabled" | "disable"] => (*name, 'K'),
        [_, "remove"] | ["-f", _, "remove"] => return ended(true),
        _ => return Err(StopReason::Argument),
    };
    let script = system.text(&format!("/etc/init.d/{name}"));
    let levels = |key: &str| -> Vec<char> {
        let line = script.lines().find_map(|line| line.strip_prefix('#')?.trim_start().strip_prefix(key));
        line.unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect()
    };
    for (key, letter) in [("Default-Start:", start), ("Default-Stop:", 'K')] {
        for level in levels(key) {
            let folder = format!("/etc/rc{level}.d");
            if !system.names(&folder).iter().any(|entry| entry.get(3..) == Some(name)) {
                system.link_deep(&format!("{folder}/{letter}01{name}"), &format!("../init.d/{name}"));
            }
        }
    }
    ended(true)
}

fn systemd_tmpfiles(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    if !args.contains(&"--create") || args.contains(&"--user") {
        return Err(StopReason::Argument);
    }
    for name in args.iter().filter(|arg| !arg.starts_with("--")) {
        let folders =
            ["/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d"];
        let path = |folder: &&str| {
            if name.starts_with('/') { (*name).to_owned() } else { format!("{folder}/{name}") }
        };
        if let Some(path) = folders.iter().map(path).find(|path| system.is_file(path)) {
            let text = system.text(&path);
            tmpfiles::create(system, &text);
        }
    }
    ended(true)
}
