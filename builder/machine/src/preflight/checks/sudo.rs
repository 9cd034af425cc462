//! Whether the user who gets the instance's key can become root.
//!
//! Follows sudoers(5) and cloud-init's modules *Users and Groups* and *SSH*.

use super::{Findings, System};
use crate::preflight::files::SystemFiles;
use crate::preflight::first_boot::{CloudConfig, FirstBoot, METADATA_UNIT};

/// Programs with which a user runs commands as root.
const BECOME_ROOT: [&str; 3] = ["/usr/bin/sudo", "/usr/local/bin/sudo", "/usr/bin/doas"];

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    match (&system.cloud_config, system.first_boot) {
        (Some(config), _) => check_cloud_user(&system.files, config, findings),
        (None, FirstBoot::OwnUnits) => check_own_user(&system.files, findings),
        (None, _) => {}
    }
}

fn can_become_root(files: &SystemFiles<'_>) -> bool {
    BECOME_ROOT.iter().any(|path| files.is_program(path))
}

/// cloud-init's default user gets the key and a rule of sudo, but not the program.
fn check_cloud_user(files: &SystemFiles<'_>, config: &CloudConfig, findings: &mut Findings) {
    let root_by_key = config
        .value("disable_root")
        .is_some_and(|value| matches!(value.as_str(), "false" | "no" | "0" | "off"));
    if !root_by_key && !can_become_root(files) {
        let what = "the user whom cloud-init lets in cannot become root: there is no sudo";
        findings.warning("sudo", what, "add the package sudo");
    }
}

/// The user of this program's own units is the first argument of the unit's command.
fn check_own_user(files: &SystemFiles<'_>, findings: &mut Findings) {
    let unit = files.text(METADATA_UNIT).unwrap_or_default();
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap_or_default();
    let Some(user) = command.split_whitespace().nth(1).filter(|user| *user != "root") else { return };
    if !can_become_root(files) {
        let what = format!("`{user}`, who has the instance's key, cannot become root: there is no sudo");
        findings.warning("sudo", what, "add the package sudo");
    } else if files.is_program("/usr/bin/sudo") && !may_use_sudo(files, user) {
        let what = format!(
            "`{user}`, who has the instance's key, cannot become root: no rule of sudo is for an account without password"
        );
        let remedy =
            format!("add the `[[file]]` /etc/sudoers.d/{user} with `{user} ALL=(ALL:ALL) NOPASSWD: ALL`");
        findings.warning("sudo", what, remedy);
    }
}

/// Whether a rule of sudo applies to a user, who needs a password unless the rule has `NOPASSWD`.
fn may_use_sudo(files: &SystemFiles<'_>, user: &str) -> bool {
    let fields = |path: &str| -> Vec<Vec<String>> {
        let text = files.text(path).unwrap_or_default();
        text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
    };
    let field = |line: &[String], at: usize| line.get(at).cloned().unwrap_or_default();
    let of_user =
        |path: &str| fields(path).into_iter().find(|line| field(line, 0) == user).unwrap_or_default();
    let gid = field(&of_user("/etc/passwd"), 3);
    let groups: Vec<_> = fields("/etc/group")
        .into_iter()
        .filter(|group| field(group, 2) == gid || field(group, 3).split(',').any(|member| member == user))
        .map(|group| field(&group, 0))
        .collect();
    // crypt(3) hashes begin with `$`; `!` and `*` are no hashes, and PAM refuses sudo to an account with an empty password.
    let has_password = field(&of_user("/etc/shadow"), 1).starts_with('$');
    let is_for_user = |name: &str| {
        name == user
            || name == "ALL"
            || name.strip_prefix('%').is_some_and(|of_group| groups.iter().any(|group| group == of_group))
    };
    rules(files).iter().any(|rule| {
        rule.split_whitespace().next().is_some_and(is_for_user) && (has_password || rule.contains("NOPASSWD"))
    })
}

/// The lines of sudo's configuration. Files whose names contain a `.` or end in `~` are skipped, as sudoers(5) says.
fn rules(files: &SystemFiles<'_>) -> Vec<String> {
    let mut texts = vec![files.text("/etc/sudoers").unwrap_or_default()];
    for name in files.names("/etc/sudoers.d") {
        if !name.contains('.') && !name.ends_with('~') {
            texts.extend(files.text(&format!("/etc/sudoers.d/{name}")));
        }
    }
    texts.iter().flat_map(|text| text.lines()).map(|line| line.trim().to_owned()).collect()
}
