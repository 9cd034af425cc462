//! The commands that rpm distributions' scripts use besides those that all kinds have.

use super::alternatives::{self, AlternativeChoice};
use super::system::{RpmScriptScope, RpmSystem};
use crate::configure::effects::commands::outcome::{Done, KnownArgs, ended};
use crate::configure::effects::commands::{self, accounts, inert, query};
use crate::configure::script::{Append, CommandEffect, Host, StopReason, Value};

impl Host for RpmSystem<'_> {
    fn call(&mut self, name: &[u8], args: &[Value], input: Option<&[u8]>) -> CommandEffect {
        let Some(name) = base_name(name) else { return CommandEffect::skipped(StopReason::Unknown) };
        if matches!(name, "test" | "[") {
            return CommandEffect::status(query::test(&mut self.system, name, args));
        }
        let texts: Option<Vec<&str>> =
            args.iter().map(|arg| std::str::from_utf8(arg.as_deref()?).ok()).collect();
        match texts {
            Some(texts) => dispatch(self, name, &texts, input).unwrap_or_else(CommandEffect::skipped),
            None if inert::is_inert(name) => CommandEffect::unknown(),
            None => CommandEffect::skipped(StopReason::Argument),
        }
    }

    fn is_inert(&self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(inert::is_inert)
    }

    fn glob(&self, pattern: &[u8]) -> Vec<Vec<u8>> {
        self.system.glob(pattern)
    }

    fn redirect(&mut self, path: &[u8], bytes: &[u8], append: Append) -> CommandEffect {
        if self.scope == RpmScriptScope::Accounts {
            return CommandEffect::skipped(StopReason::Unknown);
        }
        commands::redirect(&mut self.system, path, bytes, append)
    }
}

/// The name of a command; the helpers of systemd are in no folder of programs.
fn base_name(name: &[u8]) -> Option<&str> {
    let name = commands::base_name(name)?;
    Some(name.strip_prefix("/usr/lib/systemd/").filter(|base| !base.contains('/')).unwrap_or(name))
}

fn dispatch(rpm: &mut RpmSystem<'_>, name: &str, args: &KnownArgs<'_>, input: Option<&[u8]>) -> Done {
    let asks = ask(rpm, name, args)
        .or_else(|| commands::ask(&mut rpm.system, name, args, input))
        .or_else(|| inert::is_inert(name).then(|| Ok(CommandEffect::unknown())));
    if let Some(done) = asks {
        return done;
    }
    let tried = match rpm.scope {
        RpmScriptScope::All => {
            change(rpm, name, args).or_else(|| commands::change(&mut rpm.system, name, args))
        }
        RpmScriptScope::Accounts => accounts::call(&mut rpm.system, name, args),
    };
    tried.unwrap_or(Err(StopReason::Unknown))
}

/// Questions.
fn ask(rpm: &mut RpmSystem<'_>, name: &str, args: &KnownArgs<'_>) -> Option<Done> {
    Some(match (name, args) {
        ("rpm", ["-q" | "--query", .., package]) if !package.starts_with('-') => {
            if rpm.installed.contains(package) { Ok(CommandEffect::unknown()) } else { ended(false) }
        }
        // Labels are computed at the end, of the finished tree; here no policy is in force.
        ("selinuxenabled" | "is_selinux_enabled", _) => ended(false),
        ("getenforce", _) => Ok(CommandEffect::prints("Disabled\n")),
        ("restorecon" | "fixfiles" | "load_policy" | "setfiles" | "chcon" | "sestatus", _) => ended(true),
        _ => return None,
    })
}

fn change(rpm: &mut RpmSystem<'_>, name: &str, args: &KnownArgs<'_>) -> Option<Done> {
    Some(match (name, args) {
        ("systemctl", args) if args.contains(&"preset") => preset(rpm, args),
        ("systemctl", args) if args.contains(&"preset-all") => preset_all(rpm, args),
        ("systemd-update-helper", args) => update_helper(rpm, args),
        ("alternatives" | "update-alternatives", args) => alternative(rpm, args),
        // Done once for all, at the end.
        ("ldconfig" | "depmod" | "glibc_post_upgrade", _) => ended(true),
        (
            "kernel-install" | "dracut" | "grubby" | "new-kernel-pkg" | "weak-modules" | "grub2-mkconfig",
            _,
        ) => Ok(CommandEffect::left_out("the image has its own boot loader and initrd")),
        ("semodule" | "semanage" | "setsebool", _) => {
            Ok(CommandEffect::left_out("the policy stays as the packages ship it"))
        }
        ("update-ca-trust", _) => Ok(CommandEffect::left_out(
            "p11-kit decides which authorities are trusted for what: set `scripts = \"run\"` for bundles of certificates",
        )),
        // Nothing runs that could be asked to.
        ("systemd-sysctl" | "systemd-binfmt" | "udevadm" | "service" | "initctl" | "chkconfig", _) => {
            ended(true)
        }
        ("iconvconfig" | "build-locale-archive" | "localedef", _) => {
            Ok(CommandEffect::left_out("a cache that the C library works without"))
        }
        ("ssh-keygen" | "sshd-keygen", _) => Ok(CommandEffect::left_out("each machine makes its own keys")),
        (
            "update-mime-database"
            | "gtk-update-icon-cache"
            | "update-desktop-database"
            | "fc-cache"
            | "mandb"
            | "glib-compile-schemas"
            | "gio-querymodules-64"
            | "install-info",
            _,
        ) => Ok(CommandEffect::left_out("a cache for desktops and readers")),
        _ => return None,
    })
}

/// The units of a call of systemctl: its operands but the first.
fn preset(rpm: &mut RpmSystem<'_>, args: &KnownArgs<'_>) -> Done {
    if args.contains(&"--user") || args.contains(&"--global") {
        return Ok(CommandEffect::left_out("units of users"));
    }
    let units = args.iter().filter(|arg| !arg.starts_with('-') && **arg != "preset");
    rpm.presets.extend(units.map(|unit| with_type(unit)));
    ended(true)
}

fn with_type(unit: &str) -> String {
    if unit.contains('.') { unit.to_owned() } else { format!("{unit}.service") }
}

/// Every unit of the packages.
fn preset_all(rpm: &mut RpmSystem<'_>, args: &KnownArgs<'_>) -> Done {
    if args.contains(&"--user") || args.contains(&"--global") {
        return Ok(CommandEffect::left_out("units of users"));
    }
    let units = rpm.system.names("/usr/lib/systemd/system");
    let all = units.into_iter().filter(|name| rpm.system.is_file(&format!("/usr/lib/systemd/system/{name}")));
    rpm.presets.extend(all.collect::<Vec<_>>());
    ended(true)
}

/// `systemd-update-helper VERB UNIT…`, which `%systemd_post` calls.
fn update_helper(rpm: &mut RpmSystem<'_>, args: &KnownArgs<'_>) -> Done {
    match args {
        ["install-system-units", units @ ..] => {
            rpm.presets.extend(units.iter().map(|unit| with_type(unit)));
            ended(true)
        }
        ["install-user-units", ..] => Ok(CommandEffect::left_out("units of users")),
        // Nothing is removed or runs.
        [verb, ..]
            if ["remove-", "mark-", "system-", "user-"].iter().any(|start| verb.starts_with(start)) =>
        {
            ended(true)
        }
        _ => Err(StopReason::Argument),
    }
}

fn alternative(rpm: &mut RpmSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let mut words = args.iter().copied().filter(|arg| *arg != "--keep-missing" && *arg != "--keep-foreign");
    match words.next() {
        Some("--install") => {}
        Some("--remove" | "--auto" | "--remove-all") => return ended(true),
        _ => return Err(StopReason::Argument),
    }
    let mut next = || words.next().ok_or(StopReason::Argument);
    let (link, name, path) = (next()?, next()?, next()?);
    let priority = next()?.parse().map_err(|_| StopReason::Argument)?;
    let (family, initscript) = (None, None);
    let mut choice =
        AlternativeChoice { path: path.to_owned(), priority, family, initscript, followers: Vec::new() };
    while let Some(option) = words.next() {
        let mut next = || words.next().map(str::to_owned).ok_or(StopReason::Argument);
        match option {
            "--slave" | "--follower" => choice.followers.push([next()?, next()?, next()?]),
            "--family" => choice.family = Some(next()?),
            "--initscript" => choice.initscript = Some(next()?),
            _ => return Err(StopReason::Argument),
        }
    }
    ended(alternatives::install(&mut rpm.system, link, name, choice))
}
