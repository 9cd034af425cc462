//! Units of systemd: systemctl, systemd-tmpfiles and others of its programs.

use super::outcome::{Done, KnownArgs, ended};
use crate::configure::effects::system::TargetSystem;
use crate::configure::effects::tmpfiles;
use crate::configure::script::{CommandEffect, StopReason};
use amiforge_rootfs::steps::units::{self, UnitsSpec};

/// Does a command of this file; `None` for others.
pub(crate) fn call(system: &mut TargetSystem<'_>, name: &str, args: &KnownArgs<'_>) -> Option<Done> {
    Some(match name {
        "systemctl" => systemctl(system, args),
        "systemd-tmpfiles" => systemd_tmpfiles(system, args),
        "systemd-machine-id-setup" => {
            ended(system.is_file("/etc/machine-id") || system.write("/etc/machine-id", b""))
        }
        "dbus-uuidgen" => Ok(CommandEffect::left_out("each machine makes its own id")),
        "journalctl" => {
            Ok(CommandEffect::left_out("the catalog of messages is only read by `journalctl -x`"))
        }
        "systemd-hwdb" => Ok(CommandEffect::left_out("udev works without the hardware database")),
        _ => return None,
    })
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
