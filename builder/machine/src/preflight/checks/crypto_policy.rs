//! Whether the crypto policy of the system (crypto-policies(7)) accepts the keys that EC2 gives to users.

use super::{Findings, System};

/// The file with the name of the policy.
const CONFIG: &str = "/etc/crypto-policies/config";

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let text = system.files.text(CONFIG).unwrap_or_default();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    // Modules follow the policy behind a colon.
    let policy =
        lines.next_back().and_then(|line| line.split(':').next()).unwrap_or_default().to_ascii_uppercase();
    if policy == "FUTURE" {
        let what =
            "the crypto policy FUTURE refuses RSA keys of 2048 bits, which key pairs of EC2 are by default";
        let remedy = "start instances with an ED25519 key pair, or write `DEFAULT` to /etc/crypto-policies/config and run \
                      update-crypto-policies";
        findings.warning("crypto-policy", what, remedy);
    }
    let cmdline = system.chain.cmdline.as_deref();
    let is_fips = |line: &str| line.split_whitespace().any(|argument| argument == "fips=1");
    if policy == "FIPS" && cmdline.is_some_and(|line| !is_fips(line)) {
        let what = "the crypto policy is FIPS, and the kernel is not started in FIPS mode";
        findings.warning("crypto-policy", what, "add `fips=1` to `cmdline` under `[boot]`");
    }
}

#[cfg(test)]
mod tests {
    use crate::preflight::testing::{findings, tree};

    #[test]
    fn policies_that_refuse_keys_or_need_a_mode_are_findings() {
        for (policy, cmdline, expected) in [
            ("# c\nDEFAULT\n", "ro", None),
            ("FUTURE:NO-SHA1\n", "ro", Some("RSA keys of 2048 bits")),
            ("FIPS\n", "ro", Some("not started in FIPS mode")),
            ("FIPS\n", "ro fips=1", None),
        ] {
            let found =
                findings(tree(&[("etc/crypto-policies/config", policy)]), cmdline, &["crypto-policy"]);
            assert_eq!(found.len(), usize::from(expected.is_some()), "{policy}");
            assert!(expected.is_none_or(|text| found[0].what.contains(text)), "{found:?}");
        }
    }
}
