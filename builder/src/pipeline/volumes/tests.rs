//! Dividing trees: what goes where, and what is refused.

use amiforge_formats::dump;
use amiforge_formats::guid::Guid;
use amiforge_formats::tree::Content;
use amiforge_image::disk::PartitionSize;

use super::*;
use crate::recipe::RecipeContent;

const TIME: Time = Time::from_secs(7);

pub(super) fn partition(id: &str, tree: Option<&str>) -> RecipePartition {
    RecipePartition {
        id: id.to_owned(),
        number: None,
        label: id.to_owned(),
        type_guid: Guid::from_u128(1),
        guid: None,
        attributes: 0,
        size: PartitionSize::Fill,
        holds: RecipeContent::Nothing,
        mount: tree.map(str::to_owned),
        mount_options: None,
        tree: tree.map(str::to_owned),
    }
}

/// A tree of files; a path that ends in `/` is a folder, `a=b` makes `a` a hard link to `b`.
fn tree(paths: &[&str]) -> Tree {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    for path in paths {
        let (path, target) =
            path.split_once('=').map_or((*path, None), |(path, target)| (path, Some(target)));
        let (folder, name) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
        let folder = tree.lookup(folder.as_bytes()).unwrap();
        let name = Name::new(name.trim_end_matches('/').as_bytes()).unwrap();
        let meta = Meta::root_owned(0o700, Time::EPOCH);
        if let Some(target) = target {
            let target = tree.lookup(target.as_bytes()).unwrap();
            tree.link(folder, name, target).unwrap();
        } else {
            let kind = if path.ends_with('/') { NodeKind::dir() } else { NodeKind::File(Content::empty()) };
            tree.add(folder, name, Node { meta, kind }).unwrap();
        }
    }
    tree
}

/// The paths of each tree.
fn paths(trees: &[Option<Tree>]) -> Vec<Option<String>> {
    let shown = |tree: &Tree| {
        let lines = dump::to_string(tree);
        let words = lines.lines().map(|line| {
            let word = line.split(' ').next().unwrap_or_default();
            line.split_once(" link=").map_or(word.to_owned(), |(word, target)| format!("{word}={target}"))
        });
        words.collect::<Vec<_>>().join(" ")
    };
    trees.iter().map(|tree| tree.as_ref().map(shown)).collect()
}

#[test]
fn each_partition_takes_its_folder_and_nested_ones_theirs() {
    let tree = tree(&["a", "srv/", "srv/b", "var/", "var/c", "var/log/", "var/log/d", "var/log/e=var/log/d"]);
    let partitions = [
        partition("swap", None),
        partition("var", Some("/var")),
        partition("root", Some("/")),
        partition("log", Some("/var/log")),
        partition("efi", Some("/boot/efi")),
    ];
    let trees = split(tree, &partitions, TIME).unwrap();
    let expected = [
        None,
        Some("/ /c /log"),
        Some("/ /a /boot /boot/efi /srv /srv/b /var"),
        Some("/ /d /e=/d"),
        Some("/"),
    ];
    assert_eq!(paths(&trees), expected.map(|paths| paths.map(str::to_owned)));
    let var = trees[1].as_ref().unwrap();
    assert_eq!(var.node(var.root()).meta.mode, 0o700, "the top of a partition is as the folder was");
    let efi = trees[4].as_ref().unwrap();
    assert_eq!(efi.node(efi.root()).meta, Meta::root_owned(0o755, TIME), "what was missing is made");
}

#[test]
fn a_hard_link_between_partitions_is_refused_with_both_names() {
    let tree = tree(&["a", "srv/", "srv/b=a"]);
    let error =
        split(tree, &[partition("root", Some("/")), partition("srv", Some("/srv"))], TIME).unwrap_err();
    let text = "`/srv/b` on partition `srv` is a hard link to `/a`, which is on another partition";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_file_where_a_folder_should_be_is_refused() {
    let error = split(tree(&["srv"]), &[partition("srv", Some("/srv/x"))], TIME).unwrap_err();
    assert_eq!(error.to_string(), "`/srv/x` should be a folder that goes on partition `srv`, and is a file");
}

#[test]
fn what_no_partition_takes_is_not_lost_silently() {
    let partitions = [partition("srv", Some("/srv"))];
    let error = split(tree(&["etc/", "etc/passwd", "srv/"]), &partitions, TIME).unwrap_err();
    assert!(matches!(error, SplitError::NoPartition { path } if path == b"etc/passwd"));
    split(tree(&["etc/", "srv/", "srv/a"]), &partitions, TIME).unwrap();
}
