//! How one logs in: by key alone, and never as root (`sshd_config(5)`; cloud-init's modules *SSH* and *Set Passwords*).

use std::path::Path;

use super::{Findings, System};
use crate::preflight::files::SystemFiles;

const MAIN: &str = "/etc/ssh/sshd_config";
const FOLDER: &str = "/etc/ssh/sshd_config.d";

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let files = &system.files;
    if let Some(config) = &system.cloud_config {
        let value = config.value("disable_root");
        if value.is_some_and(|value| matches!(value.as_str(), "false" | "no" | "0" | "off")) {
            let what = "cloud-init lets root in: `disable_root` is false";
            findings.failure(
                "root-login",
                what,
                "leave `disable_root` out, and use the default user with sudo",
            );
        }
    }
    if !files.is_program("/usr/sbin/sshd") {
        return;
    }
    let settings = settings(files);
    let value = |name: &str, default: &'static str| {
        let set = settings.iter().find(|(key, _)| key == name);
        set.map_or(default.to_owned(), |(_, value)| value.clone())
    };
    if value("permitrootlogin", "prohibit-password") == "yes" {
        let what = "sshd lets root in with a password: `PermitRootLogin yes`";
        findings.failure("root-login", what, "set `PermitRootLogin no`");
    }
    let by_cloud_init = system.cloud_config.as_ref().and_then(|config| config.value("ssh_pwauth"));
    let off = by_cloud_init.is_some_and(|value| matches!(value.as_str(), "false" | "no" | "0" | "off"));
    if !off && value("passwordauthentication", "yes") != "no" {
        let what = "sshd takes passwords: `PasswordAuthentication` is not `no`";
        let remedy = format!("add {FOLDER}/10-keys.conf with `PasswordAuthentication no`");
        findings.failure("password-login", what, remedy);
    }
    // With PAM this asks for the password, whatever `PasswordAuthentication` says.
    let interactive = value("kbdinteractiveauthentication", "");
    let interactive =
        if interactive.is_empty() { value("challengeresponseauthentication", "yes") } else { interactive };
    if value("usepam", "no") == "yes" && interactive != "no" {
        let what =
            "sshd takes passwords by PAM: `UsePAM` is on and `KbdInteractiveAuthentication` is not `no`";
        findings.failure("password-login", what, "set `KbdInteractiveAuthentication no`");
    }
}

/// The settings of sshd, in lower case, in the order in which they count: the first value of a key does. Files that are
/// included are where the main file includes them; `Match` blocks apply to some logins and are left out.
fn settings(files: &SystemFiles<'_>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for line in files.text(MAIN).unwrap_or_default().lines() {
        match setting(line) {
            Some((key, _)) if key == "match" => break,
            Some((key, _)) if key == "include" => {
                for name in files
                    .names(FOLDER)
                    .iter()
                    .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "conf"))
                {
                    let text = files.text(&format!("{FOLDER}/{name}")).unwrap_or_default();
                    let of_file = text.lines().filter_map(setting);
                    all.extend(of_file.take_while(|(key, _)| key != "match"));
                }
            }
            Some(setting) => all.push(setting),
            None => {}
        }
    }
    all
}

/// Key and first argument of a line.
fn setting(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
    let key = words.next()?.to_ascii_lowercase();
    Some((key, words.next()?.trim_matches('"').to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_key_and_its_first_argument() {
        let of = |line: &str| setting(line).map(|(key, value)| format!("{key}={value}"));
        assert_eq!(of("  PermitRootLogin\tYes"), Some("permitrootlogin=yes".to_owned()));
        assert_eq!(of("PasswordAuthentication=no"), Some("passwordauthentication=no".to_owned()));
        assert_eq!(of("#UsePAM yes"), None);
    }
}
