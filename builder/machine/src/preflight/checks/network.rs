//! Whether something configures the network of a system whose configuration is for systemd-networkd, as on Amazon Linux
//! (amazon-ec2-net-utils).

use super::{Findings, System};

/// A program of amazon-ec2-net-utils; it writes configuration for systemd-networkd.
const EC2_NET_UTILS: &str = "/usr/bin/setup-policy-routes";

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let files = &system.files;
    if !files.is_program(EC2_NET_UTILS) {
        return;
    }
    if !files.is_file("/usr/lib/systemd/system/systemd-networkd.service") {
        let what = "amazon-ec2-net-utils configures systemd-networkd, which the image does not have: there is no network";
        findings.failure("network", what, "add the package systemd-networkd");
    } else if !files.is_wanted("systemd-networkd.service") {
        let what =
            "amazon-ec2-net-utils configures systemd-networkd, which is not enabled: there is no network";
        findings.failure(
            "network",
            what,
            "add `systemd-networkd.service` to `enable` under `[system]`, or set `presets`",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::preflight::testing::said;

    #[test]
    fn the_network_of_amazon_linux_needs_networkd() {
        let utils = ("usr/bin/setup-policy-routes", "x");
        let unit = ("usr/lib/systemd/system/systemd-networkd.service", "x");
        let enabled = ("etc/systemd/system/multi-user.target.wants/systemd-networkd.service", "x");
        for (files, expected) in [
            (vec![utils], Some("add the package systemd-networkd")),
            (vec![utils, unit], Some("is not enabled")),
            (vec![utils, unit, enabled], None),
            (vec![unit], None),
        ] {
            let found = said(&files, "network");
            assert_eq!(found.len(), usize::from(expected.is_some()), "{found:?}");
            assert!(expected.is_none_or(|text| found[0].contains(text)), "{found:?}");
        }
    }
}
