//! The architecture of a system, by its shell.

use amiforge_formats::arch::Arch;
use amiforge_formats::path;
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeKind, Tree};

/// The architecture of the shell of a system (ELF, `e_machine`).
pub(super) fn arch(tree: &Tree, sources: &dyn Sources) -> Option<Arch> {
    let shell = path::find(tree, b"/bin/sh").ok().flatten()?;
    let NodeKind::File(content) = &tree.node(shell).kind else { return None };
    let mut head = [0; 20];
    content.read_at(sources, 0, &mut head).ok()?;
    let machine = u16::from_le_bytes([head[18], head[19]]);
    Arch::ALL.into_iter().find(|arch| head.starts_with(b"\x7fELF") && arch.elf_machine() == machine)
}
