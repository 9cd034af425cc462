//! What the recorder makes of steps, without the steps themselves.

use std::collections::BTreeMap;
use std::path::Path;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Name};
use amiforge_image::origins::{Origins, PartitionOrigins, PathOrigins};
use amiforge_sandbox::PathSteps;

use super::*;
use crate::recipe::Recipe;

fn file(bytes: &[u8], mode: u16) -> Node {
    Node { meta: Meta::root_owned(mode, Time::EPOCH), kind: NodeKind::File(Content::Inline(bytes.into())) }
}

fn put(tree: &mut Tree, name: &str, node: Node) {
    let root = tree.root();
    tree.unlink(root, name.as_bytes());
    tree.add(root, Name::new(name.as_bytes()).unwrap(), node).unwrap();
}

/// A recorder that knows a tree as made.
fn recorder(tree: &Tree) -> OriginRecorder {
    let mut recorder =
        OriginRecorder { table: OriginTable::default(), nodes: Vec::new(), paths: HashMap::new() };
    recorder.observe(tree, |_| PathOrigin::new("base"));
    recorder
}

/// Content and metadata of each path.
fn origins(recorder: OriginRecorder, tree: &Tree) -> Vec<(String, String, String)> {
    let line = |path: Vec<u8>| {
        let known = recorder.of(&path).unwrap();
        PathOrigins { path, section: None, content: known.content, metadata: known.metadata }
    };
    let paths = tree.walk().map(|entry| line(entry.path)).collect();
    let Origins { table, partitions } =
        recorder.table.finish(vec![PartitionOrigins { paths, ..PartitionOrigins::default() }]);
    let kind = |number: u32| table[number as usize - 1].kind.clone();
    let show = |line: &PathOrigins| {
        (String::from_utf8_lossy(&line.path).into_owned(), kind(line.content), kind(line.metadata))
    };
    partitions[0].paths.iter().map(show).collect()
}

fn expected(all: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    all.iter()
        .map(|(path, content, meta)| (path.to_string(), content.to_string(), meta.to_string()))
        .collect()
}

#[test]
fn a_step_has_what_it_wrote_and_not_what_it_left() {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    for name in ["kept", "edited", "opened", "same"] {
        put(&mut tree, name, file(b"old", 0o644));
    }
    let mut recorder = recorder(&tree);
    put(&mut tree, "edited", file(b"new", 0o644));
    put(&mut tree, "same", file(b"old", 0o644));
    put(&mut tree, "made", file(b"new", 0o644));
    let opened = tree.lookup(b"opened").unwrap();
    tree.node_mut(opened).meta.mode = 0o666;
    recorder.observe(&tree, |_| PathOrigin::new("step"));
    // Nothing changed, so this step has nothing.
    recorder.observe(&tree, |_| PathOrigin::new("idle"));
    let all = [
        ("", "base", "base"),
        ("edited", "step", "base"),
        ("kept", "base", "base"),
        ("made", "step", "step"),
        ("opened", "base", "step"),
        ("same", "base", "base"),
    ];
    assert_eq!(origins(recorder, &tree), expected(&all));
}

#[test]
fn a_tree_that_was_made_anew_keeps_the_origins_of_what_is_equal() {
    let mut before = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    put(&mut before, "a", file(b"old", 0o644));
    put(&mut before, "b", file(b"old", 0o644));
    let mut recorder = recorder(&before);
    let mut after = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    put(&mut after, "c", file(b"old", 0o644));
    put(&mut after, "b", file(b"new", 0o600));
    put(&mut after, "a", file(b"old", 0o644));
    recorder.observe_anew((&before, &after), &Blobs::new(), |_| PathOrigin::new("run")).unwrap();
    let all = [("", "base", "base"), ("a", "base", "base"), ("b", "run", "run"), ("c", "run", "run")];
    assert_eq!(origins(recorder, &after), expected(&all));
}

#[test]
fn a_run_has_the_parts_that_its_step_gave_and_the_initrds_come_first() {
    let text = "[image]\nname = \"web\"\narch = \"x86_64\"\n[[source]]\nkind = \"dir\"\npath = \"root\"\n[[run]]\ncommand = \
                \"a\"\n[[run]]\ncommand = \"b\"\n";
    let recipe = Recipe::parse(text, Path::new("recipe.toml")).unwrap();
    let mut before = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    put(&mut before, "kept", file(b"old", 0o644));
    put(&mut before, "opened", file(b"old", 0o644));
    let mut after = before.clone();
    for name in ["first", "second", "both"] {
        put(&mut after, name, file(b"new", 0o644));
    }
    put(&mut after, "opened", file(b"old", 0o600));
    let steps = BTreeMap::from([
        (b"second".to_vec(), PathSteps { content: 1, metadata: 1 }),
        (b"both".to_vec(), PathSteps { content: 0, metadata: 1 }),
        (b"opened".to_vec(), PathSteps { content: 0, metadata: 1 }),
    ]);
    let seen = |stale| {
        let mut recorder = recorder(&before);
        let runs = RunOrigins { recipe: &recipe, stale, steps: &steps };
        recorder.observe_run((&before, &after), &Blobs::new(), runs).unwrap();
        let word = |path: &[u8]| {
            let known = recorder.of(path).unwrap();
            [known.content, known.metadata].map(|number| {
                let mut table = recorder.table.clone();
                let line = PathOrigins { path: Vec::new(), section: None, content: number, metadata: number };
                let all = table_of(&mut table, line);
                format!("{} {}", all.kind, all.fact("line").unwrap_or("-"))
            })
        };
        ["first", "second", "both", "opened", "kept"].map(|path| word(path.as_bytes()).join(", "))
    };
    assert_eq!(
        seen(false),
        ["run 7, run 7", "run 9, run 9", "run 7, run 9", "base -, run 9", "base -, base -"]
    );
    assert_eq!(seen(true)[..2], ["initrds-made-again -, initrds-made-again -", "run 7, run 7"]);
}

/// The origin of a line, by a table that is finished for it alone.
fn table_of(table: &mut OriginTable, line: PathOrigins) -> PathOrigin {
    let partition = PartitionOrigins { paths: vec![line], ..PartitionOrigins::default() };
    let origins = std::mem::take(table).finish(vec![partition]);
    origins.table[0].clone()
}

#[test]
fn what_a_step_moved_keeps_its_origins() {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    put(&mut tree, "before", file(b"old", 0o644));
    let mut recorder = recorder(&tree);
    let root = tree.root();
    let moved = tree.unlink(root, b"before").unwrap();
    tree.link(root, Name::new(b"after").unwrap(), moved).unwrap();
    recorder.observe(&tree, |_| PathOrigin::new("move"));
    recorder.take_paths(&tree);
    assert_eq!(recorder.of(b"before"), None);
    assert_eq!(origins(recorder, &tree), expected(&[("", "base", "base"), ("after", "base", "base")]));
}
