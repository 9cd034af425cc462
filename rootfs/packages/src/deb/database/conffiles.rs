//! Conffiles: what dpkg notes of them, and where it expects them before it has configured their package.

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{Name, NodeKind, Printable, Tree};

use super::md5;
use super::state::DatabaseState;
use crate::deb::unpack::UnpackedPackage;
use amiforge_formats::path::{self, Last, PathError};

/// Ending of the new version of a conffile until its package is configured.
const NEW: &[u8] = b".dpkg-new";

/// Whether a conffile that is set aside stays under its own name too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// It does.
    Stays,
    /// It does not.
    Goes,
}

/// The conffiles of a package with what dpkg notes beside each.
#[derive(Debug)]
pub(super) struct Conffiles {
    lines: Vec<(Vec<u8>, String)>,
}

impl Conffiles {
    /// The entries that dpkg would write in this state. A conffile that filters left out has none.
    pub(super) fn of(
        tree: &Tree,
        package: &UnpackedPackage,
        state: DatabaseState,
        sources: &dyn Sources,
    ) -> Result<Self, PathError> {
        let mut lines = Vec::new();
        for conffile in &package.conffiles {
            let path = conffile.path.clone();
            match (state, conffile.obsolete) {
                (DatabaseState::Unpacked, false) => lines.push((path, "newconffile".to_owned())),
                (DatabaseState::Unpacked, true) => {
                    lines.push((path, "newconffile remove-on-upgrade".to_owned()));
                }
                (DatabaseState::Installed, true) => {
                    lines.push((path, "nonexistent remove-on-upgrade".to_owned()));
                }
                (DatabaseState::Installed, false) => {
                    let sum = md5::of(tree, &path, sources)?;
                    lines.extend(sum.map(|sum| (path, sum)));
                }
            }
        }
        Ok(Self { lines })
    }

    /// The field of the status file.
    pub(super) fn field(&self) -> Option<String> {
        let line = |(path, note): &(Vec<u8>, String)| match std::str::from_utf8(path) {
            Ok(path) => format!("\n {path} {note}"),
            Err(_) => format!("\n {} {note}", Printable(path)),
        };
        (!self.lines.is_empty()).then(|| self.lines.iter().map(line).collect())
    }

    /// Puts them where dpkg looks for them. Where it stays under its own name too,
    /// dpkg takes that for an unchanged file.
    pub(super) fn set_aside(&self, tree: &mut Tree, own: Own) -> Result<(), PathError> {
        for (path, _) in &self.lines {
            let Some(location) = path::resolve(tree, path, Last::Keep)? else { continue };
            let (Some(name), Some(id)) = (&location.name, location.node) else { continue };
            if !matches!(tree.node(id).kind, NodeKind::File(_)) {
                continue;
            }
            let new = [name.as_bytes(), NEW].concat();
            let bad = |_| PathError::BadName { path: [path, NEW].concat() };
            let refused = |source| PathError::Tree { path: path.clone(), source };
            let new = Name::new(&new).map_err(bad)?;
            tree.unlink(location.dir, new.as_bytes());
            if own == Own::Stays {
                let node = tree.node(id).clone();
                tree.add(location.dir, new, node).map_err(refused)?;
            } else {
                tree.link(location.dir, new, id).map_err(refused)?;
                tree.unlink(location.dir, name.as_bytes());
            }
        }
        Ok(())
    }
}
