//! Whether systemd would take the machine for a container.

use super::{Findings, System};

/// Folder and name of the marker files of containers. systemd starts neither a getty nor udev where one exists
/// (`detect_container` in systemd's src/basic/virt.c).
const MARKERS: [(&str, &str); 3] =
    [("/", ".dockerenv"), ("/run", ".containerenv"), ("/run/systemd", "container")];

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    if let Some((folder, name)) =
        MARKERS.into_iter().find(|(folder, name)| system.files.is_named(folder, name))
    {
        let what = format!(
            "`{}/{name}` makes systemd take the machine for a container: nobody can log in",
            folder.trim_end_matches('/')
        );
        findings.failure(
            "container",
            what,
            "keep the rule `container-files` of `[normalize]`, or exclude the file",
        );
    }
}
