//! Sets up the first boot of an image without cloud-init: units and scripts that grow the root file system to its volume,
//! make ssh host keys and a machine id, take host name and keys from the EC2 metadata service, and run user data.
//!
//! The scripts are files of their own below `image/`; they detect at run time which programs the system has. Owns the paths
//! of the installed files and the warnings about missing programs. Does not know whether the image will have a network
//! interface, or an instance a key pair.
//!
//! Follows systemd.unit(5), systemd.network(5), machine-id(5) and *Instance metadata and user data* of the EC2 guide.

pub(super) mod error;
mod network;

use std::fmt;

use amiforge_formats::path::{self, PathError};
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Tree};

use super::error::StepError;
use super::probe::{has_entry, has_program, has_user, is_file};
use super::units::{self, UnitsSpec};
use super::write::replace_file;

pub use self::error::FirstBootError;
pub use self::network::Networking;

/// Names and texts of the scripts, which are installed in `/usr/lib/amiforge`.
const SCRIPTS: [(&str, &str); 8] = [
    ("authorize", include_str!("image/authorize")),
    ("grow-root", include_str!("image/grow-root")),
    ("host-keys", include_str!("image/host-keys")),
    ("imds", include_str!("image/imds")),
    ("metadata", include_str!("image/metadata")),
    ("on-ec2", include_str!("image/on-ec2")),
    ("user-data", include_str!("image/user-data")),
    ("user-data-parts", include_str!("image/user-data-parts")),
];

/// Names and texts of the units, which are installed in `/usr/lib/systemd/system`.
const UNITS: [(&str, &str); 4] = [
    ("amiforge-grow-root.service", include_str!("image/amiforge-grow-root.service")),
    ("amiforge-host-keys.service", include_str!("image/amiforge-host-keys.service")),
    ("amiforge-metadata.service", include_str!("image/amiforge-metadata.service")),
    ("amiforge-user-data.service", include_str!("image/amiforge-user-data.service")),
];

/// The unit and the script that grow the root.
const GROW: [&str; 2] = ["amiforge-grow-root.service", "grow-root"];

/// Path and text of a preset that keeps the units enabled where presets are applied later.
const PRESET: (&str, &str) =
    ("/usr/lib/systemd/system-preset/10-amiforge.preset", include_str!("image/10-amiforge.preset"));

/// Path of the machine id.
const MACHINE_ID: &str = "/etc/machine-id";

/// The software that runs at the first boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstBootAgent {
    /// cloud-init, which is installed in the tree.
    CloudInit,
    /// The units of this module: the tree has systemd and bash.
    OwnUnits,
    /// None: the tree has neither cloud-init nor the programs that the units of this module need.
    None,
}

/// The source of the host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hostname {
    /// The metadata service.
    #[default]
    Metadata,
    /// The image: the host name is not changed.
    Image,
}

/// Options of the first boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstBootSpec {
    /// The user that the key pair of the instance may log in as; must exist in the tree.
    pub user: String,
    /// The source of the host name.
    pub hostname: Hostname,
    /// Whether the root grows to its volume; a read-only one cannot.
    pub grow: bool,
    /// The modification time of all installed files.
    pub time: Time,
}

/// The installed files, and the programs that are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledUnits {
    /// Paths of the files, in the order of creation.
    pub paths: Vec<String>,
    /// The software that configures the network.
    pub networking: Networking,
    /// Programs that are missing, so that parts of the first boot cannot work.
    pub missing: Vec<MissingProgram>,
}

/// A program that the tree does not have. The text of its `Display` names the consequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingProgram {
    /// A program that changes the partition table.
    PartitionTool,
    /// A program that grows a file system.
    GrowTool,
    /// A program of util-linux, for partitions, file systems or privileges.
    UtilLinux {
        /// Name of the program.
        program: &'static str,
    },
    /// getent, which looks the user up that the key of the instance is for.
    Getent,
    /// ssh-keygen, which makes host keys; most likely there is no ssh server either.
    SshKeygen,
    /// A program that configures network interfaces.
    Network,
    /// A resolver of host names.
    Resolver,
}

impl fmt::Display for MissingProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PartitionTool => {
                "the image has neither sfdisk (package fdisk, or util-linux where there is no fdisk) nor systemd-repart: its \
                 root partition will not grow"
            }
            Self::GrowTool => {
                "the image has neither systemd-growfs nor resize2fs (package e2fsprogs): its root will not grow"
            }
            Self::UtilLinux { program } => {
                return write!(
                    f,
                    "the image has no `{program}` (package util-linux), which its first boot needs"
                );
            }
            Self::Getent => {
                "the image has no getent (package libc-bin, or glibc-common): no login by the key of the instance works"
            }
            Self::SshKeygen => "the image has no ssh-keygen (package openssh-server, or openssh): login by ssh is not possible",
            Self::Network => {
                "the image has neither systemd-networkd nor another program that configures a network interface"
            }
            Self::Resolver => {
                "the image has no systemd-resolved and no /etc/resolv.conf: it will not resolve host names"
            }
        })
    }
}

/// Detects the software for the first boot in a tree.
///
/// # Errors
/// [`StepError::FirstBoot`] when a path of the tree cannot be resolved.
pub fn detect_agent(tree: &Tree) -> Result<FirstBootAgent, StepError> {
    let detect = || -> Result<FirstBootAgent, PathError> {
        if has_program(tree, "cloud-init")? {
            return Ok(FirstBootAgent::CloudInit);
        }
        let systemd = is_file(tree, "/usr/lib/systemd/systemd")? || is_file(tree, "/lib/systemd/systemd")?;
        Ok(if systemd && is_file(tree, "/bin/bash")? {
            FirstBootAgent::OwnUnits
        } else {
            FirstBootAgent::None
        })
    };
    detect().map_err(|error| StepError::FirstBoot(error.into()))
}

/// Installs the units and scripts in a tree and enables them. Runs after the accounts, so that the user exists, and before
/// the units of the recipe, so that these take precedence.
///
/// # Errors
/// [`StepError::FirstBoot`] when the tree does not have systemd, bash or the user; [`StepError::Unit`] when a unit cannot be
/// enabled.
pub fn install(
    tree: &mut Tree,
    sources: &dyn Sources,
    spec: &FirstBootSpec,
) -> Result<InstalledUnits, StepError> {
    check_requirements(tree, sources, spec).map_err(StepError::FirstBoot)?;
    let mut installed = write_files(tree, spec).map_err(|error| StepError::FirstBoot(error.into()))?;
    let mut enable: Vec<_> = parts(&UNITS, spec).map(|(name, _)| name.to_owned()).collect();
    installed.networking = network::configure(tree, spec.time, &mut installed.paths)
        .map_err(|error| StepError::FirstBoot(error.into()))?;
    enable.extend(installed.networking.units().iter().map(|name| (*name).to_owned()));
    units::apply(tree, sources, &UnitsSpec { enable, ..UnitsSpec::default() }, spec.time)?;
    installed.missing = missing_programs(tree, spec, &installed.networking)
        .map_err(|error| StepError::FirstBoot(error.into()))?;
    Ok(installed)
}

/// Checks that the tree has systemd, bash and the user.
fn check_requirements(
    tree: &Tree,
    sources: &dyn Sources,
    spec: &FirstBootSpec,
) -> Result<(), FirstBootError> {
    let systemd = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];
    if !is_file(tree, systemd[0])? && !is_file(tree, systemd[1])? {
        return Err(FirstBootError::Needs { path: systemd[0], package: "systemd-sysv" });
    }
    if !is_file(tree, "/bin/bash")? {
        return Err(FirstBootError::Needs { path: "/bin/bash", package: "bash" });
    }
    // The name becomes an argument in a unit, where `%` and white space have a meaning.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !spec.user.bytes().all(plain) || !has_user(tree, sources, &spec.user)? {
        return Err(FirstBootError::NoUser { user: spec.user.clone() });
    }
    Ok(())
}

/// The names and texts that the options request.
fn parts<'a>(
    all: &'a [(&'static str, &'static str)],
    spec: &FirstBootSpec,
) -> impl Iterator<Item = (&'static str, &'static str)> + use<'a> {
    let grow = spec.grow;
    all.iter().copied().filter(move |(name, _)| grow || !GROW.contains(name))
}

/// Writes the files of the first boot except those of the network.
fn write_files(tree: &mut Tree, spec: &FirstBootSpec) -> Result<InstalledUnits, PathError> {
    let mut paths = Vec::new();
    let mut put = |tree: &mut Tree, path: String, text: &str, mode: u16| {
        replace_file(tree, &path, Content::Inline(text.as_bytes().into()), mode, spec.time)?;
        paths.push(path);
        Ok::<_, PathError>(())
    };
    for (name, text) in parts(&SCRIPTS, spec) {
        put(tree, format!("/usr/lib/amiforge/{name}"), text, 0o755)?;
    }
    let hostname = match spec.hostname {
        Hostname::Metadata => "metadata",
        Hostname::Image => "image",
    };
    for (name, text) in parts(&UNITS, spec) {
        let text = text.replace("@USER@", &spec.user).replace("@HOSTNAME@", hostname);
        put(tree, format!("/usr/lib/systemd/system/{name}"), &text, 0o644)?;
    }
    put(tree, PRESET.0.to_owned(), PRESET.1, 0o644)?;
    // Without the file, systemd takes a boot for the first one and applies the presets again; an empty file is only filled
    // at the first boot.
    if path::find(tree, MACHINE_ID.as_bytes())?.is_none() {
        put(tree, MACHINE_ID.to_owned(), "", 0o444)?;
    }
    Ok(InstalledUnits { paths, networking: Networking::None, missing: Vec::new() })
}

/// The programs that the first boot needs and the tree does not have.
fn missing_programs(
    tree: &Tree,
    spec: &FirstBootSpec,
    networking: &Networking,
) -> Result<Vec<MissingProgram>, PathError> {
    let mut missing = Vec::new();
    let mut require = |present: bool, program: MissingProgram| {
        if !present {
            missing.push(program);
        }
    };
    let has = |name| has_program(tree, name);
    require(!spec.grow || has("sfdisk")? || has("systemd-repart")?, MissingProgram::PartitionTool);
    let growfs = ["/usr/lib/systemd/systemd-growfs", "/lib/systemd/systemd-growfs"];
    let growfs = is_file(tree, growfs[0])? || is_file(tree, growfs[1])?;
    require(!spec.grow || growfs || has("resize2fs")?, MissingProgram::GrowTool);
    for (program, grows) in [("blkid", true), ("partx", true), ("setpriv", false)] {
        require(grows && !spec.grow || has(program)?, MissingProgram::UtilLinux { program });
    }
    require(has("getent")?, MissingProgram::Getent);
    require(has("ssh-keygen")?, MissingProgram::SshKeygen);
    require(*networking != Networking::None, MissingProgram::Network);
    let names = match networking {
        Networking::Networkd { resolved } => *resolved || has_entry(tree, network::RESOLV_CONF)?,
        _ => true,
    };
    require(names, MissingProgram::Resolver);
    Ok(missing)
}

#[cfg(test)]
mod tests;
