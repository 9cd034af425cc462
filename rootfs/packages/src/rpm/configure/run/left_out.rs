//! Programs that describe the machine they run on, replaced by shims that only write down that they were called: the image has its own
//! boot loader and initrd, and what these would find here is the sandbox.
//!
//! kernel-install(8), dracut(8), grubby(8).

use std::collections::BTreeSet;

use amiforge_formats::path;
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use crate::configure::shim::{InstalledShim, Shim};

const SCRIPT: &str = "#!/bin/sh\necho \"${0##*/} $*\" >>/.amiforge-scripts/left-out\n";
/// The file that the shims write into.
const CALLS: &str = "/.amiforge-scripts/left-out";

const PROGRAMS: [&[u8]; 9] = [
    b"usr/bin/kernel-install",
    b"usr/bin/dracut",
    b"usr/sbin/grubby",
    b"usr/bin/grubby",
    b"usr/sbin/new-kernel-pkg",
    b"usr/sbin/grub2-mkconfig",
    b"usr/bin/grub2-mkconfig",
    b"usr/sbin/grub2-install",
    b"usr/bin/bootctl",
];

/// The shims of programs that are left out.
pub(in crate::rpm) struct LeftOut {
    placed: Vec<InstalledShim>,
}

impl LeftOut {
    /// Replaces those of the programs that the tree has.
    pub(in crate::rpm) fn prepare(tree: &mut Tree, epoch: Time) -> Self {
        let shims = PROGRAMS.map(|path| Shim { path, script: SCRIPT });
        let there: Vec<Shim> = shims.into_iter().filter(|shim| shim.has_program(tree)).collect();
        // Of two paths that are the same by a link, the first is taken.
        let mut seen = BTreeSet::new();
        let distinct =
            there.into_iter().filter(|shim| seen.insert(node(tree, shim.path))).collect::<Vec<_>>();
        Self { placed: distinct.into_iter().filter_map(|shim| shim.install(tree, epoch)).collect() }
    }

    /// Restores the programs, and returns how they were called, once each.
    pub(in crate::rpm) fn restore(self, tree: &mut Tree, sources: &dyn Sources) -> Vec<String> {
        for placed in self.placed {
            placed.restore(tree);
        }
        let calls = path::read(tree, sources, CALLS.as_bytes()).ok().flatten().unwrap_or_default();
        let calls: BTreeSet<String> = String::from_utf8_lossy(&calls).lines().map(str::to_owned).collect();
        calls
            .into_iter()
            .map(|call| format!("`{}`: the image has its own boot loader and initrd", call.trim()))
            .collect()
    }
}

fn node(tree: &Tree, path: &[u8]) -> Option<amiforge_formats::tree::NodeId> {
    path::find(tree, &[b"/", path].concat()).ok().flatten()
}
