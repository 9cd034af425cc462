//! Whether users other than root can use the system's folders.

use super::{Findings, System};

/// Directories that every program of a system must be able to read and search.
const SHARED: [&str; 13] = [
    "/",
    "/bin",
    "/etc",
    "/lib",
    "/lib64",
    "/opt",
    "/sbin",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/sbin",
    "/usr/share",
    "/var",
];

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let files = &system.files;
    let modes = SHARED.into_iter().filter_map(|path| Some((path, files.mode(path)?)));
    let closed: Vec<_> = modes.filter(|(_, (mode, owner))| mode & 0o005 != 0o005 || *owner != 0).collect();
    if let Some((path, (mode, owner))) = closed.first() {
        let more = match closed.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more folders like it"),
        };
        let what = format!("only some users may read `{path}` (mode {mode:04o}, owner {owner}){more}");
        let remedy = "give the sources mode 0755 there (a `dir` source: `modes = \"git\"`), or add a `[[file]]` with \
                      `folder = true` and `mode`; for `/` keep the rule `root-directory` of `[normalize]`";
        findings.failure("modes", what, remedy);
    }
    if let Some((mode, _)) = files.mode("/tmp").filter(|(mode, _)| mode & 0o1777 != 0o1777) {
        let what =
            format!("/tmp has mode {mode:04o}: programs of ordinary users cannot use it as they expect");
        findings.warning("modes", what, "give it mode 1777");
    }
}
