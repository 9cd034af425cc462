//! `[system]`: sets host name, time zone and locale in the files that the distribution of the tree reads.
//!
//! Follows hostname(5), localtime(5) and locale.conf(5).

pub(super) mod error;

use amiforge_formats::path::{self, Last};
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree};

use self::error::ZONES;
use super::error::StepError;

pub use self::error::SystemError;

/// Longest host name, in bytes (Linux `HOST_NAME_MAX`).
const HOST_NAME_MAX: usize = 64;

/// Longest label of a host name, in bytes (RFC 1035, 2.3.4).
const LABEL_MAX: usize = 63;

/// The settings of `[system]`; one that is `None` is not changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SystemSpec {
    /// Host name, one or more labels of RFC 1123.
    pub hostname: Option<String>,
    /// Time zone, such as `Europe/Berlin`.
    pub timezone: Option<String>,
    /// Locale, such as `C.UTF-8`: the value of `LANG`.
    pub locale: Option<String>,
}

/// Applies the settings that are given.
///
/// # Errors
/// [`StepError::System`] with the key that failed.
pub fn apply(tree: &mut Tree, sources: &dyn Sources, spec: &SystemSpec, time: Time) -> Result<(), StepError> {
    let failed = |key| move |source| StepError::System { key, source };
    if let Some(name) = &spec.hostname {
        set_hostname(tree, name, time).map_err(failed("hostname"))?;
    }
    if let Some(zone) = &spec.timezone {
        set_timezone(tree, zone, time).map_err(failed("timezone"))?;
    }
    if let Some(name) = &spec.locale {
        set_locale(tree, sources, name, time).map_err(failed("locale"))?;
    }
    Ok(())
}

/// Checks a host name by RFC 1123, section 2.1.
fn check_hostname(name: &str) -> Result<(), SystemError> {
    let label = |label: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        label.len() <= LABEL_MAX
            && edge(label.bytes().next())
            && edge(label.bytes().next_back())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if name.len() <= HOST_NAME_MAX && name.split('.').all(label) {
        Ok(())
    } else {
        Err(SystemError::Hostname { name: name.to_owned() })
    }
}

fn set_hostname(tree: &mut Tree, name: &str, time: Time) -> Result<(), SystemError> {
    check_hostname(name)?;
    let text = format!("{name}\n");
    let kind = NodeKind::File(Content::Inline(text.as_bytes().into()));
    let resolved = path::resolve_with_parents(tree, b"/etc/hostname", Last::Follow, time)?;
    path::put(tree, &resolved, Node { meta: Meta::root_owned(0o644, time), kind })?;
    if path::find(tree, b"/etc/hosts")?.is_none() {
        // Without this file many programs cannot resolve the name of their own machine.
        let hosts =
            format!("127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost ip6-loopback\n");
        path::write(tree, b"/etc/hosts", hosts.as_bytes(), 0o644, time)?;
    }
    Ok(())
}

fn set_timezone(tree: &mut Tree, zone: &str, time: Time) -> Result<(), SystemError> {
    let letters = zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+/".contains(&byte));
    let path = format!("{ZONES}/{zone}");
    if zone.is_empty() || !letters || path::checked(&path).is_err() {
        return Err(SystemError::ZoneName { zone: zone.to_owned() });
    }
    let node = path::find(tree, path.as_bytes())?;
    let is_file = node.is_some_and(|id| matches!(tree.node(id).kind, NodeKind::File(_)));
    if !is_file {
        let zones = path::find(tree, ZONES.as_bytes())?;
        let none = zones.and_then(|id| tree.entries(id)).is_none_or(std::collections::BTreeMap::is_empty);
        match (none, zone) {
            // The C library uses UTC where it cannot read the zone.
            (true, "UTC" | "Etc/UTC") => {}
            (true, _) => return Err(SystemError::NoZones),
            (false, _) => return Err(SystemError::NoZone { zone: zone.to_owned() }),
        }
    }
    let resolved = path::resolve_with_parents(tree, b"/etc/localtime", Last::Keep, time)?;
    let kind = NodeKind::Symlink(format!("..{path}").into_bytes().into());
    path::put(tree, &resolved, Node { meta: Meta::root_owned(0o777, time), kind })?;
    // Debian's copy of the name; where it does not exist, no program reads it.
    if path::find(tree, b"/etc/timezone")?.is_some() {
        path::write(tree, b"/etc/timezone", format!("{zone}\n").as_bytes(), 0o644, time)?;
    }
    Ok(())
}

fn set_locale(tree: &mut Tree, sources: &dyn Sources, name: &str, time: Time) -> Result<(), SystemError> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte));
    if !first || !rest {
        return Err(SystemError::Locale { locale: name.to_owned() });
    }
    let [systemd, debian] = ["/etc/locale.conf", "/etc/default/locale"];
    let mut paths = Vec::new();
    for path in [systemd, debian] {
        if path::find(tree, path.as_bytes())?.is_some() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let dpkg = path::find(tree, b"/var/lib/dpkg/status")?.is_some();
        paths.push(if dpkg { debian } else { systemd });
    }
    for path in paths {
        let before = path::read(tree, sources, path.as_bytes())?.unwrap_or_default();
        path::write(tree, path.as_bytes(), &replace_lang(&before, name), 0o644, time)?;
    }
    Ok(())
}

/// The lines of a locale file with `LANG` replaced and the others unchanged.
fn replace_lang(before: &[u8], name: &str) -> Vec<u8> {
    let is_lang = |line: &[u8]| line.trim_ascii_start().starts_with(b"LANG=");
    let lines = before.strip_suffix(b"\n").unwrap_or(before).split(|&byte| byte == b'\n');
    let mut rest: Vec<&[u8]> = lines.filter(|line| !is_lang(line) && !before.is_empty()).collect();
    let lang = format!("LANG={name}");
    rest.push(lang.as_bytes());
    let mut after = rest.join(&b'\n');
    after.push(b'\n');
    after
}

#[cfg(test)]
mod tests {
    use amiforge_formats::plan::NoSources;

    use super::*;
    use crate::steps::testing::{NOW, add, empty, shape, text, tree};

    fn spec(hostname: Option<&str>, timezone: Option<&str>, locale: Option<&str>) -> SystemSpec {
        let owned = |value: Option<&str>| value.map(str::to_owned);
        SystemSpec { hostname: owned(hostname), timezone: owned(timezone), locale: owned(locale) }
    }

    fn refusal(tree: &Tree, spec: &SystemSpec) -> String {
        let error = apply(&mut tree.clone(), &NoSources, spec, NOW).unwrap_err();
        std::error::Error::source(&error).unwrap().to_string()
    }

    #[test]
    fn a_debian_system_gets_all_three_in_the_files_that_it_reads() {
        let mut tree = tree(&[
            ("/etc/hostname", "file 0755 vm"),
            ("/etc/hosts", "file 0644 127.0.0.1 x"),
            ("/etc/localtime", "link /usr/share/zoneinfo/Etc/UTC"),
            ("/etc/timezone", "file 0644 Etc/UTC\n"),
            ("/usr/share/zoneinfo/Etc/UTC", "file 0644 TZif"),
            ("/usr/share/zoneinfo/Europe/Berlin", "file 0644 TZif"),
            ("/var/lib/dpkg/status", "file 0644 x"),
        ]);
        apply(
            &mut tree,
            &NoSources,
            &spec(Some("web-1.example.org"), Some("Europe/Berlin"), Some("C.UTF-8")),
            NOW,
        )
        .unwrap();
        assert_eq!(text(&tree, "/etc/hostname"), "web-1.example.org\n");
        assert_eq!(shape(&tree, "/etc/hostname"), "file 0644 0:0");
        assert_eq!(text(&tree, "/etc/hosts"), "127.0.0.1 x");
        assert_eq!(shape(&tree, "/etc/localtime"), "symlink 0777 0:0 ../usr/share/zoneinfo/Europe/Berlin");
        assert_eq!(text(&tree, "/etc/timezone"), "Europe/Berlin\n");
        assert_eq!(text(&tree, "/usr/share/zoneinfo/Etc/UTC"), "TZif");
        assert_eq!(text(&tree, "/etc/default/locale"), "LANG=C.UTF-8\n");
        assert_eq!(shape(&tree, "/etc/locale.conf"), "-");
    }

    #[test]
    fn other_lines_of_a_locale_file_are_kept() {
        let mut tree = tree(&[
            ("/etc/locale.conf", "file 0644 # c\nLANG=old\nLC_TIME=de_DE.UTF-8\n"),
            ("/etc/default/locale", "link ../locale.conf"),
        ]);
        apply(&mut tree, &NoSources, &spec(None, None, Some("en_US.UTF-8@euro")), NOW).unwrap();
        assert_eq!(text(&tree, "/etc/locale.conf"), "# c\nLC_TIME=de_DE.UTF-8\nLANG=en_US.UTF-8@euro\n");
        assert_eq!(shape(&tree, "/etc/default/locale"), "symlink 0777 0:0 ../locale.conf");
        let mut bare = empty();
        apply(&mut bare, &NoSources, &spec(Some("h"), Some("UTC"), Some("C")), NOW).unwrap();
        assert_eq!(text(&bare, "/etc/locale.conf"), "LANG=C\n");
        assert!(text(&bare, "/etc/hosts").contains("127.0.1.1 h\n"));
        assert_eq!(shape(&bare, "/etc/timezone"), "-");
    }

    #[test]
    fn invalid_settings_are_refused() {
        let mut tree = empty();
        assert!(
            refusal(&tree, &spec(None, Some("Europe/Berlin"), None)).contains("lacks the package tzdata")
        );
        add(&mut tree, "/usr/share/zoneinfo/Etc/UTC", "file 0644 TZif");
        assert!(refusal(&tree, &spec(None, Some("UTC"), None)).contains("has no `/usr/share/zoneinfo/UTC`"));
        assert!(refusal(&tree, &spec(None, Some("Etc"), None)).contains("has no `/usr/share/zoneinfo/Etc`"));
        for zone in ["", "../../etc/passwd", "/Etc/UTC", "Etc//UTC", "Etc/UTC\n", "a b", "Etc/"] {
            assert!(
                refusal(&tree, &spec(None, Some(zone), None)).contains("cannot be a time zone"),
                "{zone:?}"
            );
        }
        let long = ["x".repeat(64), format!("{0}.{0}", "x".repeat(40))];
        for name in ["", "-a", "a-", "a..b", ".a", "a.", "a_b", "a b", "a\nb", "ä", &long[0], &long[1]] {
            assert!(refusal(&tree, &spec(Some(name), None, None)).contains("is not a host name"), "{name:?}");
        }
        for locale in ["", "C\nLD_PRELOAD=x", "a b", "$(x)", "../x"] {
            assert!(
                refusal(&tree, &spec(None, None, Some(locale))).contains("cannot be a locale"),
                "{locale:?}"
            );
        }
    }
}
