//! Whether a user can reach the system: an ssh server that is enabled and gets the instance's key, or the SSM agent.

use super::{Findings, System};
use crate::preflight::files::SystemFiles;
use crate::preflight::first_boot::FirstBoot;
use crate::preflight::verity;

/// Paths of the SSM agent: of its package, of its snap, and of older packages.
const SSM_AGENT: [&str; 3] =
    ["/usr/bin/amazon-ssm-agent", "/snap/amazon-ssm-agent", "/usr/sbin/amazon-ssm-agent"];

/// Units that start an ssh server, as Debian and Fedora name them.
const SSH_UNITS: [&str; 4] = ["ssh.service", "sshd.service", "ssh.socket", "sshd.socket"];

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let files = &system.files;
    if !files.is_program("/usr/sbin/sshd") {
        if !verity::is_closed(system.chain) && !SSM_AGENT.iter().any(|path| files.is_file(path)) {
            let what = "no user can log in: there is neither an ssh server nor the SSM agent";
            findings.warning("access", what, "add the package openssh-server, if users need to log in");
        }
        return;
    }
    if files.is_file("/usr/lib/systemd/systemd") && !SSH_UNITS.iter().any(|unit| is_enabled(files, unit)) {
        findings.warning(
            "access",
            "the ssh server is not enabled",
            "add `ssh.service` to `enable` under `[system]`",
        );
    }
    let keys = files.names("/etc/ssh").iter().any(|name| name.starts_with("ssh_host_"));
    if system.first_boot == FirstBoot::None {
        let what = "nothing takes the key of the instance from the metadata service";
        let what = if keys { what.to_owned() } else { format!("{what}, or makes the ssh host keys") };
        findings.warning("access", what, "set `first-boot` under `[boot]`, or add the package cloud-init");
    }
}

/// Whether one of the usual targets wants a unit (systemd.unit(5), `Wants=` by symbolic link).
fn is_enabled(files: &SystemFiles<'_>, unit: &str) -> bool {
    ["/etc/systemd/system", "/usr/lib/systemd/system"].iter().any(|folder| {
        ["multi-user.target.wants", "sockets.target.wants", "basic.target.wants"]
            .iter()
            .any(|target| files.is_named(&format!("{folder}/{target}"), unit))
    })
}
