//! What an image without cloud-init does at its first boot: units and scripts of ours that grow the root to its volume,
//! make ssh host keys and a machine id, take host name and keys from the EC2 metadata service, and run user data.
//!
//! The scripts are files of their own below `image/`; they find at run time which programs the system has. Owns what is
//! put where, and what is told about programs that are missing. Does not know whether the image will have a network
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

/// The scripts, by name; they are installed in `/usr/lib/amiforge`.
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

/// The units, by name; they are installed in `/usr/lib/systemd/system`.
const UNITS: [(&str, &str); 4] = [
    ("amiforge-grow-root.service", include_str!("image/amiforge-grow-root.service")),
    ("amiforge-host-keys.service", include_str!("image/amiforge-host-keys.service")),
    ("amiforge-metadata.service", include_str!("image/amiforge-metadata.service")),
    ("amiforge-user-data.service", include_str!("image/amiforge-user-data.service")),
];

/// Keeps the units enabled where presets are applied later.
const PRESET: (&str, &str) =
    ("/usr/lib/systemd/system-preset/10-amiforge.preset", include_str!("image/10-amiforge.preset"));

/// Where the identity of a machine is.
const MACHINE_ID: &str = "/etc/machine-id";

/// Who does the work of the first boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstBootAgent {
    /// cloud-init, which the tree has.
    CloudInit,
    /// Our own units: the tree has systemd and bash.
    OwnUnits,
    /// Nobody: the tree has neither cloud-init nor what our units need.
    None,
}

/// Where the host name comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hostname {
    /// From the metadata service.
    #[default]
    Metadata,
    /// It stays as the image has it.
    Image,
}

/// What the first boot shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstBootSpec {
    /// The user that the keys of the instance may log in as; `root` or another one that the tree has.
    pub user: String,
    /// Where the host name comes from.
    pub hostname: Hostname,
    /// The time of everything that is put into the tree.
    pub time: Time,
}

/// What was put into the tree, and what is missing there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledUnits {
    /// Paths of the files, in the order of their making.
    pub paths: Vec<String>,
    /// Who configures the network.
    pub networking: Networking,
    /// What the first boot will not be able to do.
    pub missing: Vec<MissingProgram>,
}

/// A program that the tree lacks, and what cannot be done without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingProgram {
    /// Nothing can change the partition table.
    PartitionTool,
    /// Nothing can grow a file system.
    GrowTool,
    /// Nothing tells the kernel of a partition's new size, or who a user is.
    UtilLinux {
        /// The program that is missing.
        program: &'static str,
    },
    /// No host keys can be made, and most likely there is no ssh at all.
    SshKeygen,
    /// Nothing configures a network interface.
    Network,
    /// Nothing resolves names of hosts.
    Resolver,
}

impl fmt::Display for MissingProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PartitionTool => {
                "the image has neither sfdisk (package fdisk) nor systemd-repart: its root partition will not grow"
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
            Self::SshKeygen => "the image has no ssh-keygen (package openssh-server): nobody can log in by ssh",
            Self::Network => {
                "the image has neither systemd-networkd nor another program that configures a network interface"
            }
            Self::Resolver => {
                "the image has no systemd-resolved and no /etc/resolv.conf: it will not resolve host names"
            }
        })
    }
}

/// Who can do the work of the first boot in a tree.
///
/// # Errors
/// [`StepError::FirstBoot`] when a path of the tree cannot be followed.
pub fn detect_agent(tree: &Tree) -> Result<FirstBootAgent, StepError> {
    let found = || -> Result<FirstBootAgent, PathError> {
        if has_program(tree, "cloud-init")? {
            return Ok(FirstBootAgent::CloudInit);
        }
        let own = is_file(tree, "/usr/lib/systemd/systemd")? || is_file(tree, "/lib/systemd/systemd")?;
        Ok(if own && is_file(tree, "/bin/bash")? { FirstBootAgent::OwnUnits } else { FirstBootAgent::None })
    };
    found().map_err(|error| StepError::FirstBoot(error.into()))
}

/// Puts the units and scripts into a tree and enables them. Comes after the accounts, so that the user is there, and
/// before the units of the recipe, so that these have the last word.
///
/// # Errors
/// [`StepError::FirstBoot`] when the tree lacks systemd, bash or the user; [`StepError::Unit`] when a unit cannot be
/// enabled.
pub fn install(
    tree: &mut Tree,
    sources: &dyn Sources,
    spec: &FirstBootSpec,
) -> Result<InstalledUnits, StepError> {
    check(tree, sources, spec).map_err(StepError::FirstBoot)?;
    let mut installed = place(tree, spec).map_err(|error| StepError::FirstBoot(error.into()))?;
    let mut enable: Vec<_> = UNITS.iter().map(|(name, _)| (*name).to_owned()).collect();
    installed.networking = network::configure(tree, spec.time, &mut installed.paths)
        .map_err(|error| StepError::FirstBoot(error.into()))?;
    enable.extend(installed.networking.units().iter().map(|name| (*name).to_owned()));
    units::apply(tree, sources, &UnitsSpec { enable, ..UnitsSpec::default() }, spec.time)?;
    installed.missing =
        missing_programs(tree, &installed.networking).map_err(|error| StepError::FirstBoot(error.into()))?;
    Ok(installed)
}

/// Checks that the units can do anything at all.
fn check(tree: &Tree, sources: &dyn Sources, spec: &FirstBootSpec) -> Result<(), FirstBootError> {
    let systemd = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];
    if !is_file(tree, systemd[0])? && !is_file(tree, systemd[1])? {
        return Err(FirstBootError::Needs { path: systemd[0], package: "systemd-sysv" });
    }
    if !is_file(tree, "/bin/bash")? {
        return Err(FirstBootError::Needs { path: "/bin/bash", package: "bash" });
    }
    // The name becomes a word of a unit, where `%` and white space mean something.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !spec.user.bytes().all(plain) || !has_user(tree, sources, &spec.user)? {
        return Err(FirstBootError::NoUser { user: spec.user.clone() });
    }
    Ok(())
}

/// Puts everything but the network in its place.
fn place(tree: &mut Tree, spec: &FirstBootSpec) -> Result<InstalledUnits, PathError> {
    let mut paths = Vec::new();
    let mut put = |tree: &mut Tree, path: String, text: &str, mode: u16| {
        replace_file(tree, &path, Content::Inline(text.as_bytes().into()), mode, spec.time)?;
        paths.push(path);
        Ok::<_, PathError>(())
    };
    for (name, text) in SCRIPTS {
        put(tree, format!("/usr/lib/amiforge/{name}"), text, 0o755)?;
    }
    let hostname = match spec.hostname {
        Hostname::Metadata => "metadata",
        Hostname::Image => "image",
    };
    for (name, text) in UNITS {
        let text = text.replace("@USER@", &spec.user).replace("@HOSTNAME@", hostname);
        put(tree, format!("/usr/lib/systemd/system/{name}"), &text, 0o644)?;
    }
    put(tree, PRESET.0.to_owned(), PRESET.1, 0o644)?;
    // Where there is none, systemd counts a boot as the very first and applies the presets anew; an empty one is
    // filled at the first boot and no more.
    if path::find(tree, MACHINE_ID.as_bytes())?.is_none() {
        put(tree, MACHINE_ID.to_owned(), "", 0o444)?;
    }
    Ok(InstalledUnits { paths, networking: Networking::None, missing: Vec::new() })
}

/// What the first boot will not be able to do in a tree.
fn missing_programs(tree: &Tree, networking: &Networking) -> Result<Vec<MissingProgram>, PathError> {
    let mut missing = Vec::new();
    let mut unless = |there: bool, program: MissingProgram| {
        if !there {
            missing.push(program);
        }
    };
    let has = |name| has_program(tree, name);
    unless(has("sfdisk")? || has("systemd-repart")?, MissingProgram::PartitionTool);
    let growfs = ["/usr/lib/systemd/systemd-growfs", "/lib/systemd/systemd-growfs"];
    let growfs = is_file(tree, growfs[0])? || is_file(tree, growfs[1])?;
    unless(growfs || has("resize2fs")?, MissingProgram::GrowTool);
    for program in ["blkid", "partx", "setpriv"] {
        unless(has(program)?, MissingProgram::UtilLinux { program });
    }
    unless(has("ssh-keygen")?, MissingProgram::SshKeygen);
    unless(*networking != Networking::None, MissingProgram::Network);
    let names = match networking {
        Networking::Networkd { resolved } => *resolved || has_entry(tree, network::RESOLV_CONF)?,
        _ => true,
    };
    unless(names, MissingProgram::Resolver);
    Ok(missing)
}

#[cfg(test)]
mod tests;
