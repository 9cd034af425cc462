//! Whether cloud-init looks for EC2's metadata service, and is not disabled.

use super::{Findings, System};

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let Some(config) = &system.cloud_config else { return };
    // The last file with the key counts; the list may continue on further lines.
    let list = config.texts.iter().rev().find_map(|text| {
        let first = text.lines().position(|line| line.trim_start().starts_with("datasource_list:"))?;
        let continues = |line: &&str| line.trim_start().starts_with('-') || line.starts_with(' ');
        let mut lines = text.lines().skip(first);
        let first = lines.next()?.to_owned();
        Some(lines.take_while(continues).fold(first, |list, line| list + "\n" + line))
    });
    let has_ec2 =
        |list: &String| list.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|name| name == "Ec2");
    if list.is_some_and(|list| !has_ec2(&list)) {
        let what = "cloud-init does not look for EC2: its `datasource_list` lacks `Ec2`";
        findings.failure("cloud-init", what, "add it in a file of /etc/cloud/cloud.cfg.d");
    }
    if system.files.is_named("/etc/cloud", "cloud-init.disabled") {
        let what = "cloud-init is turned off by /etc/cloud/cloud-init.disabled";
        findings.warning("cloud-init", what, "remove that file, or set `first-boot` under `[boot]`");
    }
}
