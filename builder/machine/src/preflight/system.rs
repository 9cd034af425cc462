//! A way into the running system, and nothing in it that every machine of the image would share.

use super::files::SystemFiles;
use super::{Findings, login};

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

/// Marks by which systemd takes a machine for a container: it then starts no getty and no udev.
const CONTAINER: [(&str, &str); 3] =
    [("/", ".dockerenv"), ("/run", ".containerenv"), ("/run/systemd", "container")];

/// Who sets a new machine up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetupProgram {
    CloudInit,
    Ours,
    Nobody,
}

/// Checks what users will miss first.
pub(super) fn check(files: &SystemFiles<'_>, found: &mut Findings) {
    let first_boot = first_boot(files);
    access(files, first_boot, found);
    if first_boot == SetupProgram::CloudInit {
        data_source(files, found);
    }
    login::check(files, first_boot, found);
    shared(files, found);
    modes(files, found);
    container(files, found);
    upgrades(files, found);
}

/// Whether others than root can use the system.
fn modes(files: &SystemFiles<'_>, found: &mut Findings) {
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
        found.failure("modes", what, remedy);
    }
    if let Some((mode, _)) = files.mode("/tmp").filter(|(mode, _)| mode & 0o1777 != 0o1777) {
        let what =
            format!("/tmp has mode {mode:04o}: programs of ordinary users cannot use it as they expect");
        found.warning("modes", what, "give it mode 1777");
    }
}

/// Whether the system would take the machine for a container.
fn container(files: &SystemFiles<'_>, found: &mut Findings) {
    if let Some((folder, name)) = CONTAINER.into_iter().find(|(folder, name)| files.is_named(folder, name)) {
        let what = format!(
            "`{}/{name}` makes systemd take the machine for a container: nobody can log in",
            folder.trim_end_matches('/')
        );
        found.failure(
            "container",
            what,
            "keep the rule `container-files` of `[normalize]`, or exclude the file",
        );
    }
}

/// Where apt has its lists of sources.
const SOURCES: &str = "/etc/apt/sources.list.d";

/// Whether a system with apt knows where upgrades are, those of security too, and has the keys to check them.
fn upgrades(files: &SystemFiles<'_>, found: &mut Findings) {
    if !files.is_program("/usr/bin/apt-get") {
        return;
    }
    let is_list = |name: &String| matches!(name.rsplit_once('.'), Some((_, "sources" | "list")));
    let listed = files.names(SOURCES).into_iter().filter(is_list);
    let texts: Vec<_> = listed.filter_map(|name| files.text(&format!("{SOURCES}/{name}"))).collect();
    let old = files.text("/etc/apt/sources.list");
    let lines = || texts.iter().chain(&old).flat_map(|text| text.lines()).map(str::trim);
    let has = |begin: &str| lines().any(|line| line.starts_with(begin));
    if !has("deb ") && !has("deb [") && !has("Types:") {
        let what = "apt has no sources, so machines get no upgrades";
        let remedy = "leave `apt-sources` of the `[[source]]` on, or add a file of /etc/apt/sources.list.d";
        found.warning("package-sources", what, remedy);
        return;
    }
    let id = files.text("/etc/os-release").unwrap_or_default();
    let distribution = id.lines().any(|line| matches!(line.trim_matches('"'), "ID=debian" | "ID=ubuntu"));
    // Neither of them has security updates for a release that is still made.
    let rolling =
        lines().any(|line| line.split_whitespace().any(|word| matches!(word, "sid" | "unstable" | "devel")));
    if distribution && !rolling && !lines().any(|line| line.contains("-security")) {
        let what = "the sources of apt have no suite of security updates";
        found.warning("package-sources", what, "add it to the `suites` of the recipe");
    }
    for path in lines().filter_map(|line| line.strip_prefix("Signed-By:")).map(str::trim) {
        if path.starts_with('/') && !files.is_file(path) {
            let what = format!("apt has no {path}, which its sources name");
            found.warning(
                "package-sources",
                what,
                "add the package that brings it, or set `keyring` in the recipe",
            );
        }
    }
}

/// What brings a new kernel to firmware where it does not read the root: the names that installers of loaders use.
const KERNEL_HOOKS: [&str; 5] =
    ["zz-amiforge", "zz-update-grub", "zz-systemd-boot", "zz-flash-kernel", "zz-kernel-install"];

/// Whether a kernel that is installed later is started: what is beside the root does not change by itself.
pub(super) fn kernel_hook(files: &SystemFiles<'_>, found: &mut Findings) {
    let status = files.text("/var/lib/dpkg/status").unwrap_or_default();
    let kernel = status.lines().any(|line| line.starts_with("Package: linux-image-"));
    let folders = ["/etc/kernel/postinst.d", "/usr/share/kernel/postinst.d"];
    let hooked = folders.iter().any(|folder| KERNEL_HOOKS.iter().any(|name| files.is_named(folder, name)));
    if kernel && !hooked {
        let what =
            "a kernel that is upgraded in the machine is not started: what firmware reads stays as it is";
        found.warning("kernel-upgrade", what, "leave `kernel-hook` of `[boot]` on");
    }
}

fn first_boot(files: &SystemFiles<'_>) -> SetupProgram {
    if files.is_program("/usr/bin/cloud-init") {
        SetupProgram::CloudInit
    } else if files.is_file("/usr/lib/systemd/system/amiforge-metadata.service") {
        SetupProgram::Ours
    } else {
        SetupProgram::Nobody
    }
}

/// Whether a unit is wanted by the usual targets.
fn wanted(files: &SystemFiles<'_>, unit: &str) -> bool {
    ["/etc/systemd/system", "/usr/lib/systemd/system"].iter().any(|folder| {
        ["multi-user.target.wants", "sockets.target.wants", "basic.target.wants"]
            .iter()
            .any(|target| files.is_named(&format!("{folder}/{target}"), unit))
    })
}

/// Whether anybody can reach the system, by ssh or Session Manager.
fn access(files: &SystemFiles<'_>, first_boot: SetupProgram, found: &mut Findings) {
    let agent = ["/usr/bin/amazon-ssm-agent", "/snap/amazon-ssm-agent", "/usr/sbin/amazon-ssm-agent"];
    let agent = agent.iter().any(|path| files.is_file(path));
    if !files.is_program("/usr/sbin/sshd") {
        if !agent {
            let what = "nobody can log in: there is neither an ssh server nor the SSM agent";
            found.warning("access", what, "add the package openssh-server, if anybody shall");
        }
        return;
    }
    let enabled = ["ssh.service", "sshd.service", "ssh.socket", "sshd.socket"];
    if files.is_file("/usr/lib/systemd/systemd") && !enabled.iter().any(|unit| wanted(files, unit)) {
        found.warning(
            "access",
            "the ssh server is not enabled",
            "add `ssh.service` to `enable` under `[system]`",
        );
    }
    let keys = files.names("/etc/ssh").iter().any(|name| name.starts_with("ssh_host_"));
    if first_boot == SetupProgram::Nobody {
        let what = "nothing takes the key of the instance from the metadata service";
        let what = if keys { what.to_owned() } else { format!("{what}, or makes the ssh host keys") };
        found.warning("access", what, "set `first-boot` under `[boot]`, or add the package cloud-init");
    }
}

/// The configuration of cloud-init.
pub(super) struct CloudConfig {
    /// The texts of its files, in the order that it reads them: a later one goes before an earlier one.
    texts: Vec<String>,
}

impl CloudConfig {
    /// Reads what the image configures.
    pub(super) fn read(files: &SystemFiles<'_>) -> Self {
        let mut texts = vec![files.text("/etc/cloud/cloud.cfg").unwrap_or_default()];
        for name in files.names("/etc/cloud/cloud.cfg.d") {
            if name.rsplit_once('.').is_some_and(|(_, end)| end == "cfg") {
                texts.extend(files.text(&format!("/etc/cloud/cloud.cfg.d/{name}")));
            }
        }
        Self { texts }
    }

    /// The value of a key at the top of the last file that has it, if it stands on one line.
    pub(super) fn value(&self, key: &str) -> Option<String> {
        self.texts.iter().rev().find_map(|text| {
            let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            let value = value.split(" #").next()?.trim().trim_matches(['"', '\'']);
            (!value.is_empty()).then(|| value.to_owned())
        })
    }
}

/// Whether cloud-init will look for EC2.
fn data_source(files: &SystemFiles<'_>, found: &mut Findings) {
    let texts = CloudConfig::read(files).texts;
    // The last file that says it counts; the list may go on over further lines.
    let list = texts.iter().rev().find_map(|text| {
        let at = text.lines().position(|line| line.trim_start().starts_with("datasource_list:"))?;
        let more = |line: &&str| line.trim_start().starts_with('-') || line.starts_with(' ');
        let mut lines = text.lines().skip(at);
        let first = lines.next()?.to_owned();
        Some(lines.take_while(more).fold(first, |list, line| list + "\n" + line))
    });
    let is_ec2 =
        |list: &String| list.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| word == "Ec2");
    if list.is_some_and(|list| !is_ec2(&list)) {
        let what = "cloud-init is not told to look for EC2: its `datasource_list` lacks `Ec2`";
        found.failure("cloud-init", what, "add it in a file of /etc/cloud/cloud.cfg.d");
    }
    let off = files.is_named("/etc/cloud", "cloud-init.disabled");
    if off {
        let what = "cloud-init is turned off by /etc/cloud/cloud-init.disabled";
        found.warning("cloud-init", what, "remove that file, or set `first-boot` under `[boot]`");
    }
}

/// Whether every machine would have the same identity.
fn shared(files: &SystemFiles<'_>, found: &mut Findings) {
    let keys = files.names("/etc/ssh");
    let keys = keys.iter().filter(|name| name.starts_with("ssh_host_") && name.ends_with("_key"));
    for key in keys {
        let what = format!("/etc/ssh/{key} would be the host key of every machine");
        found.warning("host-keys", what, "keep the rule `ssh-host-keys` of `[normalize]`");
    }
    let id = files.text("/etc/machine-id").unwrap_or_default();
    if !["", "uninitialized"].contains(&id.trim()) {
        let what = "/etc/machine-id would be that of every machine";
        found.warning("machine-id", what, "keep the rule `machine-id` of `[normalize]`");
    }
}
