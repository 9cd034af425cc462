//! Units and services as Debian's packages enable them: deb-systemd-helper, update-rc.d.

use crate::configure::effects::commands::outcome::{Done, KnownArgs, ended};
use crate::configure::effects::system::TargetSystem;
use crate::configure::script::{CommandEffect, StopReason};
use crate::deb::configure::native::deb_systemd;

/// Does a command of this file; `None` for others.
pub(super) fn call(system: &mut TargetSystem<'_>, name: &str, args: &KnownArgs<'_>) -> Option<Done> {
    Some(match name {
        "deb-systemd-helper" => deb_systemd_helper(system, args),
        "update-rc.d" => update_rc_d(system, args),
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
