//! Whether a system with dnf or yum has repositories of upgrades that a machine reaches, and the keys to verify packages
//! (dnf.conf(5)).

use super::{Findings, System};
use crate::preflight::files::SystemFiles;

/// Programs that read the repositories.
const PROGRAMS: [&str; 4] = ["/usr/bin/dnf", "/usr/bin/dnf5", "/usr/bin/microdnf", "/usr/bin/yum"];

/// The folder of repositories.
const REPOSITORIES: &str = "/etc/yum.repos.d";

/// Files that may have repositories besides, and the defaults of all.
const MAIN: [&str; 2] = ["/etc/dnf/dnf.conf", "/etc/yum.conf"];

/// Where dnf takes `$releasever` from: a variable, or the release of a package, which one of these files belongs to.
const RELEASES: [&str; 4] =
    ["/etc/dnf/vars/releasever", "/etc/yum/vars/releasever", "/etc/system-release", "/etc/redhat-release"];

/// Keys of a repository with the addresses of packages.
const ADDRESSES: [&str; 3] = ["baseurl", "metalink", "mirrorlist"];

/// A section of a configuration file: its name, and its keys and values in order.
#[derive(Debug, Default)]
struct IniSection {
    name: String,
    values: Vec<(String, String)>,
}

impl IniSection {
    fn value(&self, key: &str) -> Option<&str> {
        self.values.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn is_on(&self, key: &str) -> Option<bool> {
        self.value(key)
            .map(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "yes" | "true" | "on"))
    }

    fn addresses(&self) -> impl Iterator<Item = &str> {
        let values = ADDRESSES.iter().filter_map(|key| self.value(key));
        values.flat_map(|value| value.split([' ', ',', '\n'])).filter(|word| !word.is_empty())
    }
}

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let files = &system.files;
    if !PROGRAMS.iter().any(|path| files.is_program(path)) {
        return;
    }
    let sections = sections(files);
    let verifies =
        sections.iter().filter(|section| section.name == "main").find_map(|main| main.is_on("gpgcheck"));
    let repositories: Vec<_> = sections
        .iter()
        .filter(|section| section.name != "main" && section.is_on("enabled").unwrap_or(true))
        .filter(|section| section.addresses().next().is_some())
        .collect();
    if repositories.is_empty() {
        let what = "dnf has no repository that is enabled, so machines get no upgrades";
        let remedy = "add the package of the distribution's repositories (fedora-repos, centos-stream-repos, \
                      amazon-linux-repo-s3), or a file of /etc/yum.repos.d";
        findings.warning("package-sources", what, remedy);
        return;
    }
    let is_local = |address: &str| {
        address.starts_with("file:") || address.contains("//localhost") || address.contains("//127.")
    };
    if repositories.iter().all(|section| section.addresses().all(is_local)) {
        let what =
            format!("every repository of dnf is on the machine itself, such as `{}`", repositories[0].name);
        findings.warning("package-sources", what, "add a repository that machines reach to /etc/yum.repos.d");
    }
    let by_release = repositories
        .iter()
        .find(|section| section.addresses().any(|address| address.contains("$releasever")));
    if let Some(section) = by_release.filter(|_| !RELEASES.iter().any(|path| files.is_file(path))) {
        let what =
            format!("the repository `{}` is of `$releasever`, which dnf cannot find out", section.name);
        let remedy = "add the package of the release (system-release, fedora-release), or write the release to \
                      /etc/dnf/vars/releasever";
        findings.warning("package-sources", what, remedy);
    }
    for section in repositories {
        check_keys(files, section, verifies.unwrap_or(false), findings);
    }
}

/// Checks that the keys are there that packages are verified with.
fn check_keys(files: &SystemFiles<'_>, section: &IniSection, by_default: bool, findings: &mut Findings) {
    if !section.is_on("gpgcheck").unwrap_or(by_default) {
        let what =
            format!("dnf installs packages of the repository `{}` without verifying them", section.name);
        findings.warning(
            "package-sources",
            what,
            "set `gpgcheck=1` and `gpgkey` in its file of /etc/yum.repos.d",
        );
        return;
    }
    let keys = section.value("gpgkey").unwrap_or_default().split([' ', ',', '\n']);
    for path in keys.filter_map(|key| key.strip_prefix("file://")) {
        if !path.contains('$') && !files.is_file(path) {
            let what = format!("dnf has no {path}, which the repository `{}` names", section.name);
            findings.warning(
                "package-sources",
                what,
                "add the package that brings the key, or a `[[file]]` with it",
            );
        }
    }
}

/// The sections of all files.
fn sections(files: &SystemFiles<'_>) -> Vec<IniSection> {
    let listed = files.names(REPOSITORIES).into_iter().filter(|name| name.strip_suffix(".repo").is_some());
    let paths =
        MAIN.iter().map(|path| (*path).to_owned()).chain(listed.map(|name| format!("{REPOSITORIES}/{name}")));
    paths.filter_map(|path| files.text(&path)).flat_map(|text| parse(&text)).collect()
}

/// Parses an INI file; an indented line continues the value before it.
fn parse(text: &str) -> Vec<IniSection> {
    let mut sections: Vec<IniSection> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with(['#', ';']) && !line.trim().is_empty()) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.trim_end().strip_suffix(']')) {
            sections.push(IniSection { name: name.to_owned(), values: Vec::new() });
            continue;
        }
        let Some(section) = sections.last_mut() else { continue };
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = section.values.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((key, value)) = line.split_once('=') {
            section.values.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use crate::preflight::testing::said;

    const REPO: &str = "etc/yum.repos.d/amazonlinux.repo";

    fn repo(lines: &str) -> String {
        format!(
            "[amazonlinux]\nname=x\nenabled=1\nmirrorlist=https://cdn.amazonlinux.com/al2023/core/mirrors/2023.12/x86_64/mirror.list\n{lines}"
        )
    }

    fn with(files: &[(&str, &str)]) -> Vec<String> {
        said(&[&[("usr/bin/dnf", "x")], files].concat(), "package-sources")
    }

    #[test]
    fn a_system_with_repositories_and_keys_has_no_finding() {
        let signed = repo("gpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-amazon-linux-2023\n");
        let key = ("etc/pki/rpm-gpg/RPM-GPG-KEY-amazon-linux-2023", "x");
        assert_eq!(with(&[(REPO, &signed), key]), [""; 0]);
        let missing = with(&[(REPO, &signed)]);
        assert!(
            matches!(&missing[..], [what] if what.contains("RPM-GPG-KEY-amazon-linux-2023")),
            "{missing:?}"
        );
        let main = ("etc/dnf/dnf.conf", "[main]\ngpgcheck=True\n");
        assert_eq!(with(&[(REPO, &repo("")), main]), [""; 0], "by the default of all");
        let unsigned = with(&[(REPO, &repo("gpgcheck=0\n")), main]);
        assert!(matches!(&unsigned[..], [what] if what.contains("without verifying")), "{unsigned:?}");
        assert_eq!(said(&[(REPO, "")], "package-sources"), [""; 0], "there is no dnf");
    }

    #[test]
    fn repositories_that_a_machine_cannot_use_are_findings() {
        for (text, expected) in [
            ("", "no repository that is enabled"),
            ("[a]\nenabled=0\nbaseurl=https://x/\n", "no repository that is enabled"),
            (
                "[a]\ngpgcheck=1\nbaseurl=file:///srv/repo\n  http://localhost/repo\n",
                "on the machine itself, such as `a`",
            ),
            ("[a]\ngpgcheck=1\nbaseurl=https://x/$releasever/\n", "which dnf cannot find out"),
        ] {
            let found = with(&[(REPO, text)]);
            assert!(matches!(&found[..], [what] if what.contains(expected)), "{text}: {found:?}");
        }
        let text = "[a]\ngpgcheck=1\nbaseurl=https://x/$releasever/\n";
        assert_eq!(with(&[(REPO, text), ("etc/system-release", "x")]), [""; 0]);
    }
}
