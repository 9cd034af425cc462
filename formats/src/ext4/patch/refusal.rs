//! What is refused before anything is done: features whose bookkeeping is not kept, damage, a journal that was not
//! replayed.

use super::Ext4PatchError;
use super::volume::BaseSystem;
use crate::ext4::check::{self, CheckSeverity};
use crate::ext4::read::{self, features};
use crate::read_at::ReadAt;
use crate::tree::{Name, Node, NodeKind, Tree};

/// The feature of a journal that holds what was not written back.
const NEEDS_RECOVERY: u32 = 0x4;

/// Refuses features whose bookkeeping an amendment would have to keep and does not.
pub(super) fn refuse_features(base: &dyn ReadAt) -> Result<(), Ext4PatchError> {
    let mut raw = vec![0; read::superblock::LEN];
    if base.read_exact_at(read::superblock::OFFSET, &mut raw).is_err()
        || read::fields::u16(&raw, 0x38) != 0xef53
    {
        // The reader says what it is instead.
        return Ok(());
    }
    let superblock = read::ReadSuperblock::decode(&raw)?;
    if superblock.features.incompat(NEEDS_RECOVERY) {
        return Err(Ext4PatchError::Journal);
    }
    let mut names = superblock.features.unreadable();
    names.extend(superblock.features.uncheckable());
    let quota = superblock.features.ro_compat(features::QUOTA);
    names.extend(quota.then(|| "quota".to_owned()));
    names.extend(superblock.features.ro_compat(features::READONLY).then(|| "read-only".to_owned()));
    if names.is_empty() {
        return Ok(());
    }
    names.sort_unstable();
    names.dedup();
    Err(Ext4PatchError::Features { names: names.join(", ") })
}

/// Refuses a volume that the check finds errors in, or that is not clean.
pub(super) fn refuse_damage(base: &dyn ReadAt, system: &BaseSystem<'_>) -> Result<(), Ext4PatchError> {
    let state = system.superblock().state;
    if state != 1 {
        return Err(Ext4PatchError::State { state });
    }
    let report = check::check(base)?;
    let errors: Vec<_> =
        report.findings.iter().filter(|finding| finding.severity == CheckSeverity::Error).collect();
    match errors.first() {
        None => Ok(()),
        Some(first) => {
            let findings = errors.len() as u64 + report.more;
            Err(Ext4PatchError::Damaged { first: first.to_string(), findings })
        }
    }
}

/// The tree with the volume's own `lost+found`, where it has none: a volume keeps it.
pub(super) fn with_lost_found(tree: &Tree, base: &Tree) -> Option<Tree> {
    const LOST_FOUND: &[u8] = b"lost+found";
    if tree.child(tree.root(), LOST_FOUND).is_some() {
        return None;
    }
    let found = base.node(base.child(base.root(), LOST_FOUND)?).clone();
    let NodeKind::Dir(_) = found.kind else { return None };
    let mut kept = tree.clone();
    let empty = Node { kind: NodeKind::dir(), ..found };
    kept.add(tree.root(), Name::new(LOST_FOUND).ok()?, empty).ok()?;
    Some(kept)
}
