//! adduser, addgroup and the shadow tools, and `systemd-sysusers`.

use super::outcome::{Done, KnownArgs, ended};
use crate::configure::effects::accounts::{NewUser, Search};
use crate::configure::effects::system::TargetSystem;
use crate::configure::effects::sysusers;
use crate::configure::script::StopReason;

/// Does a command of this file; `None` for others.
pub(crate) fn call(system: &mut TargetSystem<'_>, name: &str, args: &KnownArgs<'_>) -> Option<Done> {
    Some(match name {
        "adduser" if args.contains(&"--group") && !args.contains(&"--system") => addgroup(system, args),
        "adduser" => adduser(system, args),
        "addgroup" => addgroup(system, args),
        "groupadd" => groupadd(system, args),
        "useradd" => useradd(system, args),
        "usermod" => usermod(system, args),
        "gpasswd" => match args {
            ["-a", user, group] => ended(system.join(user, group)),
            _ => Err(StopReason::Argument),
        },
        "shadowconfig" if args == ["on"] => ended(system.shadow_on()),
        "systemd-sysusers" => systemd_sysusers(system, args),
        _ => return None,
    })
}

/// Options with their values, and operands.
type AccountOptions<'a> = (Vec<(&'a str, &'a str)>, Vec<&'a str>);

/// Options with their values, and operands; `None` where an option is not among those that are known.
fn options<'a>(args: &KnownArgs<'a>, valued: &[&str], flags: &[&str]) -> Option<AccountOptions<'a>> {
    let (mut found, mut operands) = (Vec::new(), Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if !arg.starts_with('-') {
            operands.push(*arg);
            continue;
        }
        let (option, value) =
            arg.split_once('=').map_or((*arg, None), |(option, value)| (option, Some(value)));
        if valued.contains(&option) {
            found.push((option, value.or_else(|| args.next().copied())?));
        } else if flags.contains(&option) {
            found.push((option, ""));
        } else {
            return None;
        }
    }
    Some((found, operands))
}

const QUIET: [&str; 12] = [
    "--quiet",
    "-q",
    "--system",
    "--group",
    "--no-create-home",
    "--disabled-password",
    "--disabled-login",
    "--force-badname",
    "--allow-badname",
    "--allow-bad-names",
    "--allow-all-names",
    "--debug",
];

fn adduser(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let valued = [
        "--home",
        "--shell",
        "--gecos",
        "--comment",
        "--uid",
        "--gid",
        "--ingroup",
        "--firstuid",
        "--lastuid",
    ];
    let (options, operands) = options(args, &valued, &QUIET).ok_or(StopReason::Argument)?;
    let value =
        |names: &str| options.iter().rev().find(|(option, _)| *option == names).map(|(_, value)| *value);
    if let [user, group] = operands.as_slice() {
        return ended(system.join(user, group));
    }
    let [name] = operands.as_slice() else { return Err(StopReason::Argument) };
    if value("--system").is_none() {
        return Err(StopReason::Argument);
    }
    if system.has_user(name) {
        return ended(true);
    }
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok());
    let uid = match number(value("--uid")) {
        Some(uid) => uid,
        None => system.new_uid(name, Search::Up).ok_or(StopReason::Argument)?,
    };
    let gid = if let Some(gid) = number(value("--gid")) {
        gid
    } else if let Some(group) = value("--ingroup") {
        system.gid(group).ok_or(StopReason::Argument)?
    } else if value("--group").is_some() {
        own_group(system, name).ok_or(StopReason::Argument)?
    } else {
        // nogroup
        65534
    };
    let user = NewUser {
        name: (*name).to_owned(),
        uid,
        gid,
        gecos: value("--gecos").or_else(|| value("--comment")).unwrap_or_default().to_owned(),
        home: value("--home").unwrap_or("/nonexistent").to_owned(),
        shell: value("--shell").unwrap_or("/usr/sbin/nologin").to_owned(),
        locked: "!",
    };
    let made = system.add_user(&user);
    if value("--no-create-home").is_none()
        && user.home != "/nonexistent"
        && system.entry(&user.home).is_none()
    {
        system.make_dirs(&user.home, 0o755);
        if let Some(id) = system.node(&user.home) {
            let meta = &mut system.tree.node_mut(id).meta;
            (meta.uid, meta.gid) = (uid, gid);
        }
    }
    ended(made)
}

/// The group of a user's own name, made if it is missing.
fn own_group(system: &mut TargetSystem<'_>, name: &str) -> Option<u32> {
    if system.has_group(name) {
        return system.gid(name);
    }
    let gid = system.new_gid(name, Search::Up)?;
    system.add_group(name, gid, "!");
    Some(gid)
}

fn addgroup(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let (options, operands) = options(args, &["--gid"], &QUIET).ok_or(StopReason::Argument)?;
    if let [user, group] = operands.as_slice() {
        return ended(system.join(user, group));
    }
    let [name] = operands.as_slice() else { return Err(StopReason::Argument) };
    if system.has_group(name) {
        return ended(true);
    }
    let flag = |names: &str| options.iter().any(|(option, _)| *option == names);
    let search = if flag("--system") { Search::Up } else { Search::People };
    let given = options.iter().find(|(option, _)| *option == "--gid").and_then(|(_, gid)| gid.parse().ok());
    let gid = given.or_else(|| system.new_gid(name, search)).ok_or(StopReason::Argument)?;
    ended(system.add_group(name, gid, "!"))
}

fn groupadd(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let valued = ["-g", "--gid"];
    let (options, operands) =
        options(args, &valued, &["-r", "--system", "-f", "--force"]).ok_or(StopReason::Argument)?;
    let [name] = operands.as_slice() else { return Err(StopReason::Argument) };
    let flag = |names: &[&str]| options.iter().any(|(option, _)| names.contains(option));
    if system.has_group(name) {
        return ended(flag(&["-f", "--force"]));
    }
    let given =
        options.iter().find(|(option, _)| valued.contains(option)).and_then(|(_, gid)| gid.parse().ok());
    let search = if flag(&["-r", "--system"]) { Search::Down } else { Search::People };
    let gid = given.or_else(|| system.new_gid(name, search)).ok_or(StopReason::Argument)?;
    ended(system.add_group(name, gid, "!"))
}

fn useradd(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let valued = [
        "-u",
        "--uid",
        "-g",
        "--gid",
        "-d",
        "--home",
        "--home-dir",
        "-s",
        "--shell",
        "-c",
        "--comment",
        "-G",
        "--groups",
    ];
    let flags =
        ["-r", "--system", "-M", "--no-create-home", "-U", "--user-group", "-N", "--no-user-group", "-l"];
    let (options, operands) = options(args, &valued, &flags).ok_or(StopReason::Argument)?;
    let value = |names: &[&str]| {
        options.iter().rev().find(|(option, _)| names.contains(option)).map(|(_, value)| *value)
    };
    let [name] = operands.as_slice() else { return Err(StopReason::Argument) };
    // People get homes from a skeleton, which packages do not ask for.
    if value(&["-r", "--system"]).is_none() {
        return Err(StopReason::Argument);
    }
    if system.has_user(name) {
        return ended(false);
    }
    let uid = match value(&["-u", "--uid"]).and_then(|uid| uid.parse().ok()) {
        Some(uid) => uid,
        None => system.new_uid(name, Search::Down).ok_or(StopReason::Argument)?,
    };
    let gid = match value(&["-g", "--gid"]) {
        Some(group) => system.gid(group).ok_or(StopReason::Argument)?,
        None => {
            let gid = system.new_gid(name, Search::Down).ok_or(StopReason::Argument)?;
            system.add_group(name, gid, "!");
            gid
        }
    };
    let made = system.add_user(&NewUser {
        name: (*name).to_owned(),
        uid,
        gid,
        gecos: value(&["-c", "--comment"]).unwrap_or_default().to_owned(),
        home: value(&["-d", "--home", "--home-dir"]).map_or_else(|| format!("/home/{name}"), str::to_owned),
        shell: value(&["-s", "--shell"]).unwrap_or("/bin/sh").to_owned(),
        locked: "!",
    });
    for group in value(&["-G", "--groups"]).unwrap_or_default().split(',').filter(|group| !group.is_empty()) {
        system.join(name, group);
    }
    ended(made)
}

/// Only `usermod -aG GROUPS USER` is followed.
fn usermod(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let (["-aG", groups, user] | ["-a" | "--append", "-G" | "--groups", groups, user]) = args else {
        return Err(StopReason::Argument);
    };
    let mut well = true;
    for group in groups.split(',') {
        well &= system.join(user, group);
    }
    ended(well)
}

fn systemd_sysusers(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let mut lines = String::new();
    for name in args {
        if name.starts_with("--root=") {
            continue;
        }
        if name.starts_with('-') {
            return Err(StopReason::Argument);
        }
        let found =
            ["/etc/sysusers.d", "/run/sysusers.d", "/usr/local/lib/sysusers.d", "/usr/lib/sysusers.d"]
                .into_iter()
                .map(
                    |folder| {
                        if name.starts_with('/') { (*name).to_owned() } else { format!("{folder}/{name}") }
                    },
                )
                .find(|path| system.is_file(path));
        if let Some(path) = found {
            lines.push_str(&system.text(&path));
            lines.push('\n');
        }
    }
    sysusers::apply(system, &lines);
    ended(true)
}
