//! Whether a system with apt has sources of upgrades, security updates among them, and the keys to verify them
//! (sources.list(5)).

use super::{Findings, System};

/// The folder of apt's lists of sources.
const SOURCES: &str = "/etc/apt/sources.list.d";

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let files = &system.files;
    if !files.is_program("/usr/bin/apt-get") {
        return;
    }
    let is_list = |name: &String| matches!(name.rsplit_once('.'), Some((_, "sources" | "list")));
    let listed = files.names(SOURCES).into_iter().filter(is_list);
    let texts: Vec<_> = listed.filter_map(|name| files.text(&format!("{SOURCES}/{name}"))).collect();
    let old = files.text("/etc/apt/sources.list");
    let lines = || texts.iter().chain(&old).flat_map(|text| text.lines()).map(str::trim);
    let has = |begin: &str| lines().any(|line| line.starts_with(begin));
    if !has("deb ") && !has("deb [") && !has("Types:") {
        let what = "apt has no sources, so machines get no upgrades";
        let remedy = "leave `apt-sources` of the `[[source]]` on, or add a file of /etc/apt/sources.list.d";
        findings.warning("package-sources", what, remedy);
        return;
    }
    let id = files.text("/etc/os-release").unwrap_or_default();
    let distribution = id.lines().any(|line| matches!(line.trim_matches('"'), "ID=debian" | "ID=ubuntu"));
    // Neither distribution has security updates for a release in development.
    let rolling =
        lines().any(|line| line.split_whitespace().any(|word| matches!(word, "sid" | "unstable" | "devel")));
    if distribution && !rolling && !lines().any(|line| line.contains("-security")) {
        let what = "the sources of apt have no suite of security updates";
        findings.warning("package-sources", what, "add it to the `suites` of the recipe");
    }
    for path in lines().filter_map(|line| line.strip_prefix("Signed-By:")).map(str::trim) {
        if path.starts_with('/') && !files.is_file(path) {
            let what = format!("apt has no {path}, which its sources name");
            findings.warning(
                "package-sources",
                what,
                "add the package that brings it, or set `keyring` in the recipe",
            );
        }
    }
}
