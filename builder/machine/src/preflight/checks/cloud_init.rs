//! Whether cloud-init looks for EC2's metadata service, and is not disabled.

use super::{Findings, System};
use crate::preflight::files::SystemFiles;
use crate::preflight::first_boot::CloudConfig;

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
    check_units(&system.files, findings);
    check_default_user(&system.files, config, findings);
}

/// Checks that something starts cloud-init: a generator where there is one, else a link that the presets make.
fn check_units(files: &SystemFiles<'_>, findings: &mut Findings) {
    let unit = "cloud-init.service";
    let has_unit = files.is_file(&format!("/usr/lib/systemd/system/{unit}"));
    let generator = "/usr/lib/systemd/system-generators/cloud-init-generator";
    if has_unit
        && !files.is_program(generator)
        && !files.is_wanted(unit)
        && !files.is_wanted("cloud-init.target")
    {
        let what = "cloud-init is installed and not enabled, so that no user gets the key of the instance";
        let remedy = "set `presets` under `[system]`, or add cloud-init-local.service, cloud-init.service, \
                      cloud-config.service and cloud-final.service to `enable`";
        findings.failure("cloud-init", what, remedy);
    }
}

/// Checks the shell of the user who gets the key, such as `ec2-user` or `admin`.
fn check_default_user(files: &SystemFiles<'_>, config: &CloudConfig, findings: &mut Findings) {
    let Some(user) = config.default_user() else { return };
    let Some(shell) = user.shell.filter(|shell| !files.is_program(shell)) else { return };
    let what = format!(
        "`{}`, whom cloud-init makes, cannot log in: there is no {}",
        user.name.escape_debug(),
        shell.escape_debug()
    );
    findings.failure("cloud-init", what, "add the package of that shell");
}

#[cfg(test)]
mod tests {
    use crate::preflight::testing::said;

    const CLOUD_INIT: (&str, &str) = ("usr/bin/cloud-init", "x");

    #[test]
    fn units_that_nothing_starts_are_a_failure() {
        let unit = ("usr/lib/systemd/system/cloud-init.service", "x");
        let found = said(&[CLOUD_INIT, unit], "cloud-init");
        assert!(matches!(&found[..], [what] if what.contains("not enabled")), "{found:?}");
        for starts in [
            "usr/lib/systemd/system-generators/cloud-init-generator",
            "etc/systemd/system/multi-user.target.wants/cloud-init.service",
            "etc/systemd/system/cloud-init.target.wants/cloud-init.service",
        ] {
            assert_eq!(said(&[CLOUD_INIT, unit, (starts, "x")], "cloud-init"), [""; 0], "{starts}");
        }
    }

    #[test]
    fn the_user_of_amazon_linux_needs_a_shell() {
        let config = "users:\n  - default\nsystem_info:\n  default_user:\n    name: ec2-user\n    lock_passwd: true\n    \
                      groups: [wheel, adm]\n    shell: /bin/bash\n  distro: amazon\n";
        let files = [CLOUD_INIT, ("etc/cloud/cloud.cfg", config)];
        let found = said(&files, "cloud-init");
        assert!(
            matches!(&found[..], [what] if what.contains("`ec2-user`") && what.contains("no /bin/bash")),
            "{found:?}"
        );
        assert_eq!(said(&[&files[..], &[("bin/bash", "x")]].concat(), "cloud-init"), [""; 0]);
    }
}
