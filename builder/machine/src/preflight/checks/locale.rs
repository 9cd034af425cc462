//! Whether a locale is set, and is one that the image has.
//!
//! Follows locale.conf(5), locale(7), and cloud-init's module *Locale*.

use super::{Findings, System};
use crate::preflight::files::SystemFiles;

/// Files that set the locale: systemd's, Debian's, and that of older Red Hat systems.
const LOCALE_FILES: [&str; 3] = ["/etc/locale.conf", "/etc/default/locale", "/etc/sysconfig/i18n"];

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let files = &system.files;
    let set = LOCALE_FILES.iter().find_map(|path| lang(&files.text(path)?));
    let by_cloud_init =
        system.cloud_config.as_ref().and_then(|config| config.value("locale")).filter(|name| name != "false");
    // cloud-init generates the locale that it sets, if `locale-gen` is there.
    let (name, generated_later) = match (by_cloud_init, set) {
        (Some(name), _) => (name, files.is_program("/usr/sbin/locale-gen")),
        (None, Some(name)) => (name, false),
        (None, None) => {
            let what = "no locale is set, so programs take text for ASCII";
            findings.warning("locale", what, "set `locale = \"C.UTF-8\"` under `[system]`");
            return;
        }
    };
    if !generated_later && !has_locale(files, &name) {
        let what = format!("the locale `{}` is set and the image does not have it", name.escape_debug());
        let remedy = "set `locale = \"C.UTF-8\"` under `[system]`, or generate it with the package locales";
        findings.warning("locale", what, remedy);
    }
}

/// The value of `LANG` in a file of assignments.
fn lang(text: &str) -> Option<String> {
    let mut values = text.lines().rev().filter_map(|line| line.trim_start().strip_prefix("LANG="));
    let value = values.next()?.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// Whether the C library has a locale: glibc as a folder or in the archive of locales; musl accepts every name.
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

/// A locale's name as glibc stores it: the character set in lower case without punctuation, such as `en_US.utf8`.
fn canonical(name: &str) -> String {
    let (before, modifier) = name.split_once('@').map_or((name, ""), |(before, modifier)| (before, modifier));
    let Some((language, charset)) = before.split_once('.') else { return name.to_owned() };
    let charset: String = charset.chars().filter(char::is_ascii_alphanumeric).collect();
    let at = if modifier.is_empty() { "" } else { "@" };
    format!("{language}.{}{at}{modifier}", charset.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
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
