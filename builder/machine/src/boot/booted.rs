//! Whether a disk was booted before as the same instance: what takes the instance's key at the first boot does not take
//! another one later.

use amiforge_formats::read_at::ReadAt as _;
use amiforge_formats::tree::Tree;
use amiforge_image::inspect::{DiskView, InspectError, Medium, Volume};

use super::machine::Identity;

/// Folders that hold one for each instance that a first boot was done for: of cloud-init, and of this program's own units.
const INSTANCES: [&str; 2] = ["cloud/instances", "amiforge/instances"];

/// Whether a first boot was done on a disk as this instance. A disk that cannot be read counts as one that was not booted:
/// the boot itself says what is wrong with it.
pub fn was_booted_as(medium: &Medium, identity: &Identity) -> bool {
    let trees = || -> Result<bool, InspectError> {
        let view = DiskView::read(medium)?;
        for slot in &view.slots {
            let volume = Volume::read(medium, slot).ok().flatten();
            if volume.and_then(|volume| volume.tree).is_some_and(|tree| knows(&tree, &identity.instance)) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    medium.size() > 0 && trees().unwrap_or(false)
}

/// Whether a file system has the folder of an instance, as the root or as `/var`.
fn knows(tree: &Tree, instance: &str) -> bool {
    let paths = INSTANCES
        .iter()
        .flat_map(|folder| ["var/lib", "lib"].map(|lib| format!("{lib}/{folder}/{instance}")));
    paths.into_iter().any(|path| tree.lookup(path.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Kind, Meta, Name, Node};

    use super::*;

    fn tree(path: &str) -> Tree {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let mut at = tree.root();
        for name in path.split('/') {
            let node = Node { meta: Meta::root_owned(0o755, Time::EPOCH), kind: Kind::dir() };
            at = tree.add(at, Name::new(name.as_bytes()).unwrap(), node).unwrap();
        }
        tree
    }

    #[test]
    fn an_instance_is_known_where_its_first_boot_was() {
        let id = "i-0123456789abcdef0";
        for folder in ["var/lib/cloud/instances", "var/lib/amiforge/instances", "lib/cloud/instances"] {
            assert!(knows(&tree(&format!("{folder}/{id}")), id), "{folder}");
            assert!(!knows(&tree(&format!("{folder}/i-00000000000000001")), id), "{folder}");
        }
        assert!(!knows(&tree("var/lib/cloud"), id));
    }
}
