//! Configures the network of an image that has no other network software: every Ethernet interface by DHCP, with
//! systemd-networkd.

use amiforge_formats::path::{self, Last, PathError};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree};

use crate::steps::probe::{has_entry, has_program, is_file};
use crate::steps::write::replace_file;

/// Path of the addresses of name servers.
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Path and text of the configuration; one of the administrator takes precedence by its name or its folder.
const NETWORK: (&str, &str) =
    ("/usr/lib/systemd/network/80-amiforge.network", include_str!("image/80-amiforge.network"));

/// A program of amazon-ec2-net-utils, whose package has a configuration of systemd-networkd.
const EC2_NET_UTILS: &str = "setup-policy-routes";

/// The service of the scripts that configured the network of Red Hat's systems before `NetworkManager`.
const NETWORK_SCRIPTS: &str = "/etc/rc.d/init.d/network";

/// The software that configures the network interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Networking {
    /// systemd-networkd, with the configuration of this module or that of amazon-ec2-net-utils.
    Networkd {
        /// Whether systemd-resolved resolves names.
        resolved: bool,
    },
    /// Other software of the tree, which is not changed.
    Other {
        /// Its name, such as `NetworkManager`.
        name: &'static str,
    },
    /// None.
    None,
}

impl Networking {
    /// The units to enable.
    pub(super) fn units(&self) -> &'static [&'static str] {
        match self {
            Self::Networkd { resolved: true } => &["systemd-networkd.service", "systemd-resolved.service"],
            Self::Networkd { resolved: false } => &["systemd-networkd.service"],
            Self::Other { .. } | Self::None => &[],
        }
    }
}

/// Configures the network unless the tree has other network software; adds the written files to `paths`.
pub(super) fn configure(
    tree: &mut Tree,
    time: Time,
    paths: &mut Vec<String>,
) -> Result<Networking, PathError> {
    let networkd = has_unit(tree, "systemd-networkd")?;
    let ec2 = networkd && has_program(tree, EC2_NET_UTILS)?;
    if !ec2 {
        if let Some(name) = other_network_software(tree)? {
            return Ok(Networking::Other { name });
        }
        if !networkd {
            return Ok(Networking::None);
        }
        replace_file(tree, NETWORK.0, Content::Inline(NETWORK.1.as_bytes().into()), 0o644, time)?;
        paths.push(NETWORK.0.to_owned());
    }
    let resolved = has_unit(tree, "systemd-resolved")?;
    if resolved && !has_entry(tree, RESOLV_CONF)? {
        let resolved = path::resolve_with_parents(tree, RESOLV_CONF.as_bytes(), Last::Keep, time)?;
        let kind = NodeKind::Symlink(b"../run/systemd/resolve/stub-resolv.conf".as_slice().into());
        path::put(tree, &resolved, Node { meta: Meta::root_owned(0o777, time), kind })?;
        paths.push(RESOLV_CONF.to_owned());
    }
    Ok(Networking::Networkd { resolved })
}

/// The name of other software or configuration for the network.
fn other_network_software(tree: &Tree) -> Result<Option<&'static str>, PathError> {
    // Before `ifup`, which these have as well.
    if is_file(tree, NETWORK_SCRIPTS)? {
        return Ok(Some("network-scripts"));
    }
    for (program, name) in [
        ("NetworkManager", "NetworkManager"),
        ("ifup", "ifupdown"),
        ("netplan", "netplan"),
        ("dhcpcd", "dhcpcd"),
        ("connmand", "ConnMan"),
        ("wicked", "wicked"),
    ] {
        if has_program(tree, program)? {
            return Ok(Some(name));
        }
    }
    for (folder, name) in [
        ("/etc/systemd/network", "files in /etc/systemd/network"),
        ("/usr/local/lib/systemd/network", "files in /usr/local/lib/systemd/network"),
    ] {
        let folder = path::find(tree, folder.as_bytes())?.and_then(|id| tree.entries(id));
        if folder.is_some_and(|names| names.keys().any(|name| name.as_bytes().ends_with(b".network"))) {
            return Ok(Some(name));
        }
    }
    // A masked networkd means that the recipe or a source configures the network in another way.
    let masked = path::resolve(tree, b"/etc/systemd/system/systemd-networkd.service", Last::Keep)?;
    let masked = masked.and_then(|resolved| resolved.node).map(|id| &tree.node(id).kind);
    let masked = matches!(masked, Some(NodeKind::Symlink(target)) if **target == *b"/dev/null");
    Ok(masked.then_some("a recipe or source that masks systemd-networkd"))
}

/// Whether the tree has a service of systemd: its program and its unit.
fn has_unit(tree: &Tree, name: &str) -> Result<bool, PathError> {
    for folder in ["/usr/lib/systemd", "/lib/systemd"] {
        let unit = format!("{folder}/system/{name}.service");
        if is_file(tree, &format!("{folder}/{name}"))? && is_file(tree, &unit)? {
            return Ok(true);
        }
    }
    Ok(false)
}
