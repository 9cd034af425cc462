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
    check_ssm_agent(files, findings);
    if !files.is_program("/usr/sbin/sshd") {
        if !verity::is_closed(system.chain) && !SSM_AGENT.iter().any(|path| files.is_file(path)) {
            let what = "no user can log in: there is neither an ssh server nor the SSM agent";
            findings.warning("access", what, "add the package openssh-server, if users need to log in");
        }
        return;
    }
    if files.is_file("/usr/lib/systemd/systemd") && !SSH_UNITS.iter().any(|unit| files.is_wanted(unit)) {
        let has_unit = |unit: &&&str| files.is_file(&format!("/usr/lib/systemd/system/{unit}"));
        let unit = SSH_UNITS.iter().find(has_unit).unwrap_or(&SSH_UNITS[0]);
        let remedy = format!("add `{unit}` to `enable` under `[system]`");
        findings.warning("access", "the ssh server is not enabled", remedy);
    }
    // Where the distribution makes host keys that are missing, as Fedora and its kin do, nothing else has to.
    let keys = files.names("/etc/ssh").iter().any(|name| name.starts_with("ssh_host_"))
        || files.is_file("/usr/lib/systemd/system/sshd-keygen@.service");
    if system.first_boot == FirstBoot::None {
        let what = "nothing takes the key of the instance from the metadata service";
        let what = if keys { what.to_owned() } else { format!("{what}, or makes the ssh host keys") };
        findings.warning("access", what, "set `first-boot` under `[boot]`, or add the package cloud-init");
    }
}

/// An agent that is installed is there to be started: the package of Amazon Linux leaves that to the presets.
fn check_ssm_agent(files: &SystemFiles<'_>, findings: &mut Findings) {
    let unit = "amazon-ssm-agent.service";
    let has_unit = ["/usr/lib/systemd/system", "/etc/systemd/system"]
        .iter()
        .any(|folder| files.is_file(&format!("{folder}/{unit}")));
    if has_unit && !files.is_wanted(unit) {
        let remedy = format!("add `{unit}` to `enable` under `[system]`, or set `presets`");
        findings.warning("access", "the SSM agent is installed and not enabled", remedy);
    }
}

#[cfg(test)]
mod tests {
    use crate::preflight::testing::said;

    const SSHD: [(&str, &str); 3] = [
        ("usr/sbin/sshd", "x"),
        ("usr/lib/systemd/systemd", "x"),
        ("usr/lib/systemd/system/sshd.service", "x"),
    ];

    #[test]
    fn the_server_and_the_keys_of_fedora_and_its_kin_are_known() {
        let found = said(&SSHD, "access");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("add `sshd.service` to `enable`"), "{found:?}");
        assert!(found[1].contains("or makes the ssh host keys"), "{found:?}");
        let keygen = ("usr/lib/systemd/system/sshd-keygen@.service", "x");
        let wants = ("etc/systemd/system/multi-user.target.wants/sshd.service", "x");
        let found = said(&[&SSHD[..], &[keygen, wants]].concat(), "access");
        assert!(matches!(&found[..], [what] if !what.contains("host keys")), "{found:?}");
    }

    #[test]
    fn an_agent_of_ssm_that_is_not_enabled_is_a_finding() {
        let agent =
            [("usr/bin/amazon-ssm-agent", "x"), ("usr/lib/systemd/system/amazon-ssm-agent.service", "x")];
        let found = said(&agent, "access");
        assert!(matches!(&found[..], [what] if what.contains("not enabled")), "{found:?}");
        let wants = ("etc/systemd/system/multi-user.target.wants/amazon-ssm-agent.service", "x");
        assert_eq!(said(&[&agent[..], &[wants]].concat(), "access"), [""; 0]);
    }
}
