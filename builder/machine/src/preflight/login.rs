//! What a login needs to be of use: a way to become root for whoever the instance's key lets in, and a locale that the
//! image has.
//!
//! Follows sudoers(5), locale.conf(5), locale(7), and cloud-init's modules *Users and Groups*, *SSH* and *Locale*.

use super::Findings;
use super::files::SystemFiles;
use super::system::{CloudConfig, SetupProgram};

/// Programs by which a user runs commands as root.
const BECOME_ROOT: [&str; 3] = ["/usr/bin/sudo", "/usr/local/bin/sudo", "/usr/bin/doas"];

/// The unit of ours that names the user of the instance's key.
const METADATA_UNIT: &str = "/usr/lib/systemd/system/amiforge-metadata.service";

/// Where the locale is set: systemd's file, Debian's, and that of older Red Hat systems.
const LOCALE_FILES: [&str; 3] = ["/etc/locale.conf", "/etc/default/locale", "/etc/sysconfig/i18n"];

/// Checks what whoever logs in will miss first.
pub(super) fn check(files: &SystemFiles<'_>, first_boot: SetupProgram, found: &mut Findings) {
    let cloud = (first_boot == SetupProgram::CloudInit).then(|| CloudConfig::read(files));
    match (&cloud, first_boot) {
        (Some(cloud), _) => cloud_user(files, cloud, found),
        (None, SetupProgram::Ours) => own_user(files, found),
        (None, _) => {}
    }
    locale(files, cloud.as_ref(), found);
}

fn can_become_root(files: &SystemFiles<'_>) -> bool {
    BECOME_ROOT.iter().any(|path| files.is_program(path))
}

/// Whether cloud-init's user, who gets the key and a rule of sudo, has sudo.
fn cloud_user(files: &SystemFiles<'_>, cloud: &CloudConfig, found: &mut Findings) {
    let root_by_key = cloud
        .value("disable_root")
        .is_some_and(|value| matches!(value.as_str(), "false" | "no" | "0" | "off"));
    if !root_by_key && !can_become_root(files) {
        let what = "the user whom cloud-init lets in cannot become root: there is no sudo";
        found.warning("sudo", what, "add the package sudo");
    }
}

/// Whether the user whom our own units let in may run anything as root.
fn own_user(files: &SystemFiles<'_>, found: &mut Findings) {
    let unit = files.text(METADATA_UNIT).unwrap_or_default();
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap_or_default();
    let Some(user) = command.split_whitespace().nth(1).filter(|user| *user != "root") else { return };
    if !can_become_root(files) {
        let what = format!("`{user}`, who has the instance's key, cannot become root: there is no sudo");
        found.warning("sudo", what, "add the package sudo");
    } else if files.is_program("/usr/bin/sudo") && !may_use_sudo(files, user) {
        let what = format!(
            "`{user}`, who has the instance's key, cannot become root: no rule of sudo is for an account without password"
        );
        let remedy =
            format!("add the `[[file]]` /etc/sudoers.d/{user} with `{user} ALL=(ALL:ALL) NOPASSWD: ALL`");
        found.warning("sudo", what, remedy);
    }
}

/// Whether a rule of sudo is for a user, who has to have a password unless the rule asks for none.
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
    // What crypt(3) makes; `!` and `*` are no hashes, and nothing at all is a login that PAM refuses to sudo.
    let has_password = field(&of_user("/etc/shadow"), 1).starts_with('$');
    let is_for_user = |who: &str| {
        who == user
            || who == "ALL"
            || who.strip_prefix('%').is_some_and(|name| groups.iter().any(|group| group == name))
    };
    rules(files).iter().any(|rule| {
        rule.split_whitespace().next().is_some_and(is_for_user) && (has_password || rule.contains("NOPASSWD"))
    })
}

/// The lines of sudo's configuration. Files whose names hold a `.` or end in `~` are skipped, as sudo does.
fn rules(files: &SystemFiles<'_>) -> Vec<String> {
    let mut texts = vec![files.text("/etc/sudoers").unwrap_or_default()];
    for name in files.names("/etc/sudoers.d") {
        if !name.contains('.') && !name.ends_with('~') {
            texts.extend(files.text(&format!("/etc/sudoers.d/{name}")));
        }
    }
    texts.iter().flat_map(|text| text.lines()).map(|line| line.trim().to_owned()).collect()
}

/// Whether a locale is set, and is one that the image has.
fn locale(files: &SystemFiles<'_>, cloud: Option<&CloudConfig>, found: &mut Findings) {
    let set = LOCALE_FILES.iter().find_map(|path| lang(&files.text(path)?));
    let by_cloud = cloud.and_then(|cloud| cloud.value("locale")).filter(|name| name != "false");
    // What cloud-init sets, it generates if it can.
    let (name, generated_later) = match (by_cloud, set) {
        (Some(name), _) => (name, files.is_program("/usr/sbin/locale-gen")),
        (None, Some(name)) => (name, false),
        (None, None) => {
            let what = "no locale is set, so programs take text for ASCII";
            found.warning("locale", what, "set `locale = \"C.UTF-8\"` under `[system]`");
            return;
        }
    };
    if !generated_later && !has_locale(files, &name) {
        let what = format!("the locale `{}` is set and the image does not have it", name.escape_debug());
        let remedy = "set `locale = \"C.UTF-8\"` under `[system]`, or generate it with the package locales";
        found.warning("locale", what, remedy);
    }
}

/// The value of `LANG` in a file of assignments.
fn lang(text: &str) -> Option<String> {
    let mut values = text.lines().rev().filter_map(|line| line.trim_start().strip_prefix("LANG="));
    let value = values.next()?.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// Whether the C library finds a locale: in a folder of its own, or in the archive of locales. musl knows every name.
fn has_locale(files: &SystemFiles<'_>, name: &str) -> bool {
    let musl = || files.names("/lib").iter().any(|file| file.starts_with("ld-musl-"));
    if ["C", "POSIX"].contains(&name) || musl() {
        return true;
    }
    let canonical = canonical(name);
    let folders = files.names("/usr/lib/locale");
    if folders.iter().any(|folder| folder == name || *folder == canonical) {
        return true;
    }
    let archive = files.read("/usr/lib/locale/locale-archive").unwrap_or_default();
    let entry = [canonical.as_bytes(), b"\0"].concat();
    archive.windows(entry.len()).any(|window| window == entry)
}

/// A locale's name as glibc stores it: the character set in small letters without punctuation, such as `en_US.utf8`.
fn canonical(name: &str) -> String {
    let (before, modifier) = name.split_once('@').map_or((name, ""), |(before, modifier)| (before, modifier));
    let Some((language, charset)) = before.split_once('.') else { return name.to_owned() };
    let charset: String = charset.chars().filter(char::is_ascii_alphanumeric).collect();
    let at = if modifier.is_empty() { "" } else { "@" };
    format!("{language}.{}{at}{modifier}", charset.to_ascii_lowercase())
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn names_of_locales_are_compared_as_glibc_stores_them() {
        for (name, stored) in [
            ("en_US.UTF-8", "en_US.utf8"),
            ("C.UTF-8", "C.utf8"),
            ("de_DE.ISO-8859-15@euro", "de_DE.iso885915@euro"),
            ("de_DE@euro", "de_DE@euro"),
        ] {
            assert_eq!(canonical(name), stored);
        }
        assert_eq!(lang("# LANG=x\nLANG=\"C.UTF-8\"\n").as_deref(), Some("C.UTF-8"));
        assert_eq!(lang("LANGUAGE=en\nLANG=\n"), None);
    }
}
