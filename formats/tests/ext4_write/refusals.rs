//! Trees that ext4 cannot hold.

use amiforge_formats::ext4::write::{Ext4Options, Ext4WriteError, plan};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Node, NodeKind};

use super::fixture::{MIB, add, empty, options, slice};

#[test]
fn what_ext4_cannot_hold_is_refused_by_its_path() {
    let refused = |name: &[u8], change: &dyn Fn(&mut Node)| {
        let mut tree = empty();
        let root = tree.root();
        let dir = add(&mut tree, root, b"dir", NodeKind::dir());
        let id = add(&mut tree, dir, name, slice(0, 1));
        change(tree.node_mut(id));
        plan(&tree, &options(), 64 * MIB).unwrap_err()
    };
    let path = || b"/dir/f".to_vec();
    let time = Time { secs: 15_032_385_536, nanos: 0 };
    assert_eq!(refused(b"f", &|node| node.meta.mtime = time), Ext4WriteError::Time { path: path(), time });
    assert_eq!(
        refused(b"f", &|node| node.kind = NodeKind::Symlink([].into())),
        Ext4WriteError::Symlink { path: path(), len: 0 }
    );
    assert_eq!(
        refused(b"f", &|node| node.meta.mode = 0o10_000),
        Ext4WriteError::Mode { path: path(), mode: 0o10_000 }
    );
    assert_eq!(
        refused(b"f", &|node| node.kind = NodeKind::CharDevice { major: 4096, minor: 0 }),
        Ext4WriteError::Device { path: path(), major: 4096, minor: 0 }
    );
    let xattr = |name: &[u8]| Some(Box::new([(name.into(), b"v"[..].into())].into()));
    assert_eq!(
        refused(b"f", &|node| node.meta.xattrs = xattr(b"system.richacl")),
        Ext4WriteError::XattrName { path: path(), name: b"system.richacl".to_vec() }
    );
    let acl = b"system.posix_acl_access";
    assert_eq!(
        refused(b"f", &|node| node.meta.xattrs = xattr(acl)),
        Ext4WriteError::Acl { path: path(), name: acl.to_vec() }
    );
    let len = 1 << 44;
    assert_eq!(
        refused(b"f", &|node| node.kind = slice(0, len)),
        Ext4WriteError::FileTooLarge { path: path(), len, most: len - 4096 }
    );
    let label = Ext4Options { label: "more than sixteen".into(), ..options() };
    assert!(matches!(plan(&empty(), &label, 64 * MIB), Err(Ext4WriteError::Label { .. })));
    let reserved = Ext4Options { reserved: 5001, ..options() };
    assert!(matches!(plan(&empty(), &reserved, 64 * MIB), Err(Ext4WriteError::Reserved { .. })));
    let mut tree = empty();
    let root = tree.root();
    add(&mut tree, root, b"lost+found", slice(0, 1));
    assert!(matches!(plan(&tree, &options(), 64 * MIB), Err(Ext4WriteError::LostFound { .. })));
}
