//! Users and groups that packages declare: rpm 4.19 and newer makes those that a package provides as `user(NAME)` and
//! `group(NAME)` before its scripts run, and trees with systemd have a file trigger for `/usr/lib/sysusers.d`. Both are made
//! before anything else, so that the owners of files exist.
//!
//! rpm, `docs/man/rpm-sysusers.7`; sysusers.d(5).

use std::collections::BTreeMap;

use crate::configure::base64;
use crate::configure::effects::system::TargetSystem;
use crate::configure::effects::sysusers;
use crate::rpm::header::{RpmHeader, tag};
use crate::rpm::package::UnpackedRpm;

/// Folders of files of sysusers.d, those of the machine first: a file in one hides those of its name in the others.
const FOLDERS: [&str; 2] = ["/etc/sysusers.d", "/usr/lib/sysusers.d"];

/// Makes them: those that packages provide in the order of installation, then those of the files by name.
pub(super) fn make(system: &mut TargetSystem<'_>, packages: &[UnpackedRpm], order: &[usize]) {
    let mut lines = String::new();
    for package in order.iter().filter_map(|&at| packages.get(at)) {
        for line in provided(&package.header) {
            lines.push_str(&line);
            lines.push('\n');
        }
    }
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for folder in FOLDERS {
        for name in system.names(folder).into_iter().filter(|name| name.as_bytes().ends_with(b".conf")) {
            files.entry(name.clone()).or_insert_with(|| format!("{folder}/{name}"));
        }
    }
    for path in files.values() {
        lines.push_str(&system.text(path));
        lines.push('\n');
    }
    sysusers::apply(system, &lines);
}

/// The lines of sysusers.d that a package provides.
fn provided(header: &RpmHeader) -> Vec<String> {
    let versions = header.texts(tag::PROVIDEVERSION);
    let of_account =
        |name: &[u8]| [&b"user("[..], b"group(", b"groupmember("].iter().any(|start| name.starts_with(start));
    let pairs = header.texts(tag::PROVIDENAME).zip(versions).filter(|(name, _)| of_account(name));
    let lines = pairs.filter_map(|(_, version)| {
        let bytes = base64::decoded(std::str::from_utf8(version).ok()?)?;
        let line = String::from_utf8(bytes).ok()?;
        // A text may end with a NUL; what is in several lines is none of these.
        let line = line.trim_end_matches(['\0', '\n']).to_owned();
        (!line.is_empty() && !line.contains(['\n', '\0'])).then_some(line)
    });
    lines.collect()
}
