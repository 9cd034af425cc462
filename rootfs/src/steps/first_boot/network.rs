//! The network of an image that nobody else configures: every Ethernet interface by DHCP, with systemd-networkd.

use amiforge_formats::path::{self, Last, PathError};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree};

use crate::steps::probe::{has_entry, has_program, is_file};
use crate::steps::write::replace_file;

/// Where the addresses of name servers are.
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Our configuration; one of the administrator's goes before it by its name or its folder.
const NETWORK: (&str, &str) =
    ("/usr/lib/systemd/network/80-amiforge.network", include_str!("image/80-amiforge.network"));

/// Who configures the network interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Networking {
    /// We: systemd-networkd is told to ask for addresses.
    Networkd {
        /// Whether systemd-resolved resolves names.
        resolved: bool,
    },
    /// Something that the tree has, and that is left alone.
    Other {
        /// What it is, such as `NetworkManager`.
        name: &'static str,
    },
    /// Nobody.
    None,
}

impl Networking {
    /// The units to enable for it.
    pub(super) fn units(&self) -> &'static [&'static str] {
        match self {
            Self::Networkd { resolved: true } => &["systemd-networkd.service", "systemd-resolved.service"],
            Self::Networkd { resolved: false } => &["systemd-networkd.service"],
            Self::Other { .. } | Self::None => &[],
        }
    }
}

/// Configures the network, unless something else does.
pub(super) fn configure(
    tree: &mut Tree,
    time: Time,
    paths: &mut Vec<String>,
) -> Result<Networking, PathError> {
    if let Some(name) = others(tree)? {
        return Ok(Networking::Other { name });
    }
    if !has_unit(tree, "systemd-networkd")? {
        return Ok(Networking::None);
    }
    replace_file(tree, NETWORK.0, Content::Inline(NETWORK.1.as_bytes().into()), 0o644, time)?;
    paths.push(NETWORK.0.to_owned());
    let resolved = has_unit(tree, "systemd-resolved")?;
    if resolved && !has_entry(tree, RESOLV_CONF)? {
        let place = path::place_made(tree, RESOLV_CONF.as_bytes(), Last::Keep, time)?;
        let kind = NodeKind::Symlink(b"../run/systemd/resolve/stub-resolv.conf".as_slice().into());
        path::put(tree, &place, Node { meta: Meta::root_owned(0o777, time), kind })?;
        paths.push(RESOLV_CONF.to_owned());
    }
    Ok(Networking::Networkd { resolved })
}

/// What else configures the network.
fn others(tree: &Tree) -> Result<Option<&'static str>, PathError> {
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
    // Whoever masks it has a reason.
    let masked = path::place(tree, b"/etc/systemd/system/systemd-networkd.service", Last::Keep)?;
    let masked = masked.and_then(|place| place.node).map(|id| &tree.node(id).kind);
    let masked = matches!(masked, Some(NodeKind::Symlink(target)) if **target == *b"/dev/null");
    Ok(masked.then_some("a recipe or source that masks systemd-networkd"))
}

/// Whether a service of systemd and its unit are there.
fn has_unit(tree: &Tree, name: &str) -> Result<bool, PathError> {
    for folder in ["/usr/lib/systemd", "/lib/systemd"] {
        let unit = format!("{folder}/system/{name}.service");
        if is_file(tree, &format!("{folder}/{name}"))? && is_file(tree, &unit)? {
            return Ok(true);
        }
    }
    Ok(false)
}
