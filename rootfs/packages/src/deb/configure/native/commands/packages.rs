//! Commands that single packages bring for others, or use themselves: debconf, ucf, ca-certificates, PAM, shells,
//! kernels, byte code.

use crate::configure::effects::commands::outcome::{Done, KnownArgs, ended};
use crate::configure::effects::system::TargetSystem;
use crate::configure::script::{CommandEffect, StopReason, Truth};
use crate::deb::configure::native::system::DebSystem;
use crate::deb::configure::native::{ca, kernel, pam, shells};

/// Does a command of this file; `None` for others.
pub(super) fn call(deb: &mut DebSystem<'_>, name: &str, args: &KnownArgs<'_>) -> Option<Done> {
    let system = &mut deb.system;
    Some(match (name, args) {
        ("." | "source", [path, ..]) => source(path),
        ("db_get", [question]) => {
            Ok(match deb.answers.get(*question) {
                Some(Some(answer)) => CommandEffect::prints(answer.clone()),
                Some(None) => CommandEffect::unknown(),
                // debconf does not know the question.
                None => CommandEffect::status(Truth::No),
            })
        }
        ("db_set", [question, answer @ ..]) => {
            deb.answers.insert((*question).to_owned(), Some(answer.join(" ")));
            ended(true)
        }
        ("ucf", args) => ucf(system, args),
        ("ucfr", args) => ucfr(system, args),
        ("update-ca-certificates", _) => ended(ca::update(system)),
        ("pam-auth-update", args) => pam_auth_update(system, args),
        ("update-shells", []) => ended(shells::update(system)),
        ("add-shell", names) => ended(shells::add(system, names)),
        ("update-locale", args) => update_locale(system, args),
        // Whether it is an upgrade is what a script of the package has found out earlier; it never is one.
        ("linux-update-symlinks", [_, version, image]) => ended(kernel::links(system, version, image)),
        ("linux-version" | "linux-check-removal", _) => Ok(CommandEffect::unknown()),
        // Done once for all, at the end.
        ("ldconfig" | "depmod", _) => ended(true),
        ("update-initramfs" | "mkinitramfs" | "dracut", _) => {
            Ok(CommandEffect::left_out("the initrd is not made: Debian's kernels mount ext4 on NVMe without"))
        }
        ("run-parts", [.., "/etc/kernel/postinst.d"]) => {
            Ok(CommandEffect::left_out("hooks of the kernel make initrds and entries of boot loaders"))
        }
        ("py3compile" | "pycompile", _) => Ok(CommandEffect::left_out("byte code is not made")),
        ("ssh-keygen", _) => Ok(CommandEffect::left_out("each machine makes its own keys")),
        ("locale-gen", _) => Ok(CommandEffect::left_out("only C.UTF-8 is there; it needs nothing made")),
        ("update-mime-database" | "update-icon-caches" | "gtk-update-icon-cache" | "mandb", _) => {
            Ok(CommandEffect::left_out("a cache for desktops and readers"))
        }
        ("install-info" | "update-info-dir" | "fc-cache" | "glib-compile-schemas", _) => {
            Ok(CommandEffect::left_out("a cache for desktops and readers"))
        }
        _ => return None,
    })
}

/// Libraries of the shell whose commands are known here.
fn source(path: &str) -> Done {
    match path {
        "/usr/share/debconf/confmodule" | "/usr/share/dpkg/sh/dpkg-error.sh" => ended(true),
        _ => Err(StopReason::Unknown),
    }
}

/// Installs a file and remembers its sum, as on a first installation: what is there already stays.
fn ucf(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let mut files = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match *arg {
            "--sum-file" | "--src-dir" | "--state-dir" => drop(rest.next()),
            option if option.starts_with('-') => {}
            file => files.push(file),
        }
    }
    let [from, to] = files.as_slice() else { return Err(StopReason::Argument) };
    let Some(bytes) = system.read(from) else { return ended(false) };
    if system.entry(to).is_none() {
        system.write_deep(to, &bytes);
    }
    let sum = crate::deb::configure::native::md5(&bytes);
    let mut table = system.text("/var/lib/ucf/hashfile");
    table.push_str(&format!("{sum}  {to}\n"));
    system.write_deep("/var/lib/ucf/hashfile", table.as_bytes());
    let name = to.replace('/', ":");
    ended(system.write_deep(&format!("/var/lib/ucf/cache/{name}"), &bytes))
}

fn ucfr(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let words: Vec<&&str> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let [package, path] = words.as_slice() else { return Err(StopReason::Argument) };
    let mut table = system.text("/var/lib/ucf/registry");
    table.push_str(&format!("{package} \t {path}\n"));
    ended(system.write_deep("/var/lib/ucf/registry", table.as_bytes()))
}

fn pam_auth_update(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match *arg {
            "--package" | "--force" => {}
            "--root" => drop(rest.next()),
            _ => return Err(StopReason::Argument),
        }
    }
    ended(pam::update(system))
}

fn update_locale(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let mut text = "#  File generated by update-locale\n".to_owned();
    for arg in args.iter().filter(|arg| !arg.starts_with("--") && arg.contains('=')) {
        text.push_str(&format!("{arg}\n"));
    }
    ended(system.write("/etc/default/locale", text.as_bytes()))
}
