//! What a disk says before it is booted: whether it was booted before as the same instance, since what takes the instance's
//! key at the first boot does not take another one later, and who may be able to log in.

use amiforge_formats::read_at::ReadAt as _;
use amiforge_formats::tree::{Name, NodeId, Tree};
use amiforge_image::inspect::{DiskView, Medium, ReadFileSystem};

use super::machine::InstanceIdentity;
use super::ssh::is_user_name;

/// Folders that hold one for each instance that a first boot was done for: of cloud-init, and of this program's own units.
const INSTANCE_FOLDERS: [&str; 2] = ["cloud/instances", "amiforge/instances"];

/// The file systems of a disk before it is booted, as far as they can be read: what is wrong with a disk, the boot itself
/// says.
#[derive(Debug)]
pub struct DiskState(Vec<Tree>);

impl DiskState {
    /// Reads the trees of a disk.
    pub fn read(medium: &Medium) -> Self {
        let slots =
            if medium.size() > 0 { DiskView::read(medium).map(|view| view.slots) } else { Ok(Vec::new()) };
        let tree = |slot| ReadFileSystem::read(medium, slot).ok().flatten().and_then(|system| system.tree);
        Self(slots.unwrap_or_default().iter().filter_map(tree).collect())
    }

    /// Whether a first boot was done as this instance.
    pub fn was_booted_as(&self, identity: &InstanceIdentity) -> bool {
        self.0.iter().any(|tree| has_instance(tree, &identity.instance))
    }

    /// Users that have a home: the names of the folders in `/home` of a root. The image chooses these names, so only such
    /// as a user may have count.
    pub fn home_users(&self) -> Vec<String> {
        self.0.iter().flat_map(home_users_in).collect()
    }
}

fn home_users_in(tree: &Tree) -> Vec<String> {
    let homes = tree.lookup(b"home").and_then(|id| tree.entries(id));
    let folder = |(name, id): (&Name, &NodeId)| {
        let name = std::str::from_utf8(name.as_bytes()).ok()?;
        (tree.entries(*id).is_some() && is_user_name(name)).then(|| name.to_owned())
    };
    homes.map(|entries| entries.iter().filter_map(folder).collect()).unwrap_or_default()
}

/// Whether a file system has the folder of an instance, as the root or as `/var`.
fn has_instance(tree: &Tree, instance: &str) -> bool {
    let paths = INSTANCE_FOLDERS
        .iter()
        .flat_map(|folder| ["var/lib", "lib"].map(|lib| format!("{lib}/{folder}/{instance}")));
    paths.into_iter().any(|path| tree.lookup(path.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Meta, Node, NodeKind};

    use super::*;

    fn tree(path: &str) -> Tree {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let mut at = tree.root();
        for name in path.split('/') {
            let node = Node { meta: Meta::root_owned(0o755, Time::EPOCH), kind: NodeKind::dir() };
            at = tree.add(at, Name::new(name.as_bytes()).unwrap(), node).unwrap();
        }
        tree
    }

    #[test]
    fn an_instance_is_known_where_its_first_boot_was() {
        let id = "i-0123456789abcdef0";
        for folder in ["var/lib/cloud/instances", "var/lib/amiforge/instances", "lib/cloud/instances"] {
            assert!(has_instance(&tree(&format!("{folder}/{id}")), id), "{folder}");
            assert!(!has_instance(&tree(&format!("{folder}/i-00000000000000001")), id), "{folder}");
        }
        assert!(!has_instance(&tree("var/lib/cloud"), id));
    }

    #[test]
    fn only_homes_that_can_be_of_a_user_are_names_to_log_in_as() {
        let mut all = tree("home/dev");
        let home = all.lookup(b"home").unwrap();
        for name in ["-oProxyCommand=x", "a b", "other"] {
            let node = Node { meta: Meta::root_owned(0o700, Time::EPOCH), kind: NodeKind::dir() };
            all.add(home, Name::new(name.as_bytes()).unwrap(), node).unwrap();
        }
        let node = Node {
            meta: Meta::root_owned(0o700, Time::EPOCH),
            kind: NodeKind::Symlink(b"dev".as_slice().into()),
        };
        all.add(home, Name::new(b"link").unwrap(), node).unwrap();
        assert_eq!(home_users_in(&all), ["dev", "other"]);
        assert_eq!(home_users_in(&tree("var/lib")), [""; 0]);
    }
}
