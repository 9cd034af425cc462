//! Whether all instances of the image would have the same identity: ssh host keys, and the machine id (machine-id(5)).

use super::{Findings, System};

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let files = &system.files;
    let keys = files.names("/etc/ssh");
    let keys = keys.iter().filter(|name| name.starts_with("ssh_host_") && name.ends_with("_key"));
    for key in keys {
        let what = format!("/etc/ssh/{key} would be the host key of every machine");
        findings.warning("host-keys", what, "keep the rule `ssh-host-keys` of `[normalize]`");
    }
    let id = files.text("/etc/machine-id").unwrap_or_default();
    if !["", "uninitialized"].contains(&id.trim()) {
        let what = "/etc/machine-id would be that of every machine";
        findings.warning("machine-id", what, "keep the rule `machine-id` of `[normalize]`");
    }
}
