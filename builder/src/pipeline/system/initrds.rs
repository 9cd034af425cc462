//! Whether initrds are still of the system that they were made in: packages' scripts make them before the rest of a
//! recipe puts its files where they are read (initramfs-tools(7), mkinitramfs(8)).

use amiforge_formats::tree::{NodeKind, Tree};

use crate::recipe::{Fstab, Recipe, Scripts};

/// What makes them.
const PROGRAM: &[u8] = b"usr/sbin/update-initramfs";

/// What initramfs-tools and the hooks of usual packages read: files, folders with all in them.
const READ: [&str; 28] = [
    "etc/cmdline.d",
    "etc/console-setup",
    "etc/cryptsetup-initramfs",
    "etc/cryptsetup-keys.d",
    "etc/crypttab",
    "etc/default/keyboard",
    "etc/dracut.conf",
    "etc/dracut.conf.d",
    "etc/dropbear/initramfs",
    "etc/initramfs-tools",
    "etc/iscsi",
    "etc/lvm",
    "etc/mdadm",
    "etc/modprobe.d",
    "etc/modules",
    "etc/modules-load.d",
    "etc/multipath",
    "etc/multipath.conf",
    "etc/plymouth",
    "etc/udev/rules.d",
    "usr/lib/dracut",
    "usr/lib/firmware",
    "usr/lib/modprobe.d",
    "usr/lib/modules-load.d",
    "usr/lib/udev/rules.d",
    "usr/local/lib/modprobe.d",
    "usr/share/initramfs-tools",
    "usr/share/plymouth/themes",
];

/// The hook for checks of the root reads the types of file systems there. A table that is written from the partitions
/// is no reason to make the initrd again: systemd checks the root once it runs (systemd-fsck-root.service(8)).
const FSTAB: &str = "etc/fstab";

/// Modules of kernels, in any folder below: an initrd may need one that a recipe adds.
const MODULES: (&str, &[u8]) = ("usr/lib/modules", b"");

/// Names of network links are read, other files of that folder are not.
const LINKS: (&str, &[u8]) = ("etc/systemd/network", b".link");

/// Whether something that initrds are made of is another than in the packages; never where scripts are not run.
pub(super) fn are_stale(recipe: &Recipe, packages: Option<&Tree>, tree: &Tree) -> bool {
    let run = recipe.packages.as_ref().is_some_and(|packages| packages.backend().scripts() == Scripts::Run);
    let Some(packages) = packages.filter(|_| run) else { return false };
    if tree.lookup(PROGRAM).is_none() || !has_initrd(tree) {
        return false;
    }
    let own_fstab = (recipe.fstab == Fstab::Keep).then_some(FSTAB);
    let differs = |(path, ending)| listed(packages, path, ending) != listed(tree, path, ending);
    READ.into_iter().chain(own_fstab).map(|path| (path, b"".as_slice())).chain([LINKS, MODULES]).any(differs)
}

fn has_initrd(tree: &Tree) -> bool {
    let names = tree.lookup(b"boot").and_then(|boot| tree.entries(boot));
    names.into_iter().flatten().any(|(name, _)| name.as_bytes().starts_with(b"initrd.img-"))
}

/// The files at a path and below whose names have an ending.
fn listed<'t>(tree: &'t Tree, path: &str, ending: &[u8]) -> Vec<(Vec<u8>, &'t NodeKind)> {
    let mut found = Vec::new();
    let mut left: Vec<_> =
        tree.lookup(path.as_bytes()).map(|id| (path.as_bytes().to_vec(), id)).into_iter().collect();
    while let Some((path, id)) = left.pop() {
        match (&tree.node(id).kind, tree.entries(id)) {
            (_, Some(entries)) => {
                let below = |name: &[u8]| [&path[..], b"/", name].concat();
                left.extend(entries.iter().map(|(name, id)| (below(name.as_bytes()), *id)));
            }
            (kind, None) if path.ends_with(ending) => found.push((path, kind)),
            _ => {}
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[cfg(test)]
mod tests {
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId};

    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let meta = Meta::root_owned(0o755, Time::EPOCH);
        for (path, text) in files {
            let mut at: NodeId = tree.root();
            let mut names = path.split('/').peekable();
            while let Some(name) = names.next() {
                let kind = if names.peek().is_some() {
                    NodeKind::dir()
                } else {
                    NodeKind::File(Content::Inline(text.as_bytes().into()))
                };
                let known = tree.child(at, name.as_bytes());
                let node = Node { meta: meta.clone(), kind };
                at =
                    known.unwrap_or_else(|| tree.add(at, Name::new(name.as_bytes()).unwrap(), node).unwrap());
            }
        }
        tree
    }

    fn recipe(scripts: &str) -> Recipe {
        let text = format!(
            "[image]\nname = \"initrds\"\narch = \"x86_64\"\n[[source]]\nkind = \"deb\"\n\
             distribution = \"debian\"\nsuites = [\"trixie\"]\nscripts = \"{scripts}\"\n"
        );
        Recipe::parse(&text, std::path::Path::new("recipe.toml")).unwrap()
    }

    #[test]
    fn files_that_initrds_are_made_of_make_them_stale() {
        let whole = [
            ("usr/sbin/update-initramfs", "x"),
            ("boot/initrd.img-6.1", "i"),
            ("etc/modprobe.d/mine.conf", "a"),
            ("etc/initramfs-tools/modules", "# none"),
        ];
        let with = |more: &[(&'static str, &'static str)]| tree(&[&whole, more].concat());
        let (run, before) = (recipe("run"), with(&[]));
        let stale = |after: &Tree| are_stale(&run, Some(&before), after);
        assert!(!stale(&with(&[("etc/hostname", "h"), ("etc/systemd/network/a.network", "n")])));
        assert!(stale(&with(&[("etc/systemd/network/a.link", "n")])));
        for path in [
            "etc/modules",
            "etc/crypttab",
            "etc/initramfs-tools/conf.d/mine",
            "usr/share/initramfs-tools/hooks/mine",
            "etc/dracut.conf.d/mine.conf",
            "usr/lib/modules/6.1/updates/mine.ko",
        ] {
            assert!(stale(&with(&[(path, "dummy\n")])), "{path}");
        }
        let fstab = with(&[("etc/fstab", "/dev/vda / ext4\n")]);
        assert!(!stale(&fstab), "it is written from the partitions");
        let kept = Recipe { fstab: Fstab::Keep, ..run.clone() };
        assert!(are_stale(&kept, Some(&before), &fstab), "it is a file of the recipe");
        let mut changed = whole;
        changed[3].1 = "dummy";
        assert!(stale(&tree(&changed)), "another content");
        assert!(stale(&tree(&[whole[0], whole[1], whole[3]])), "one is gone");
        assert!(!stale(&tree(&[whole[0], ("etc/modules", "x")])), "there is no initrd");
        assert!(!stale(&tree(&[whole[1], ("etc/modules", "x")])), "nothing makes them");
        assert!(!are_stale(&recipe("native"), Some(&before), &with(&[("etc/modules", "x")])));
        assert!(!are_stale(&run, None, &with(&[])));
    }
}
