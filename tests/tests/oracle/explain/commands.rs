//! Several `[[run]]`: which of them each path comes from, judged by images that are built with the first of them only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use amiforge_tests::program::{self, Bundle};
use amiforge_tests::{explained, host_root, oracle, scratch};

const PROGRAMS: [&str; 9] = ["sh", "cat", "chmod", "chown", "cp", "ln", "mkdir", "mv", "rm"];

/// Commands that make, change and delete files, those of the source and of each other.
const COMMANDS: [&str; 3] = [
    "mkdir -p /srv/first; echo 1 > /srv/first/made; echo 1 > /etc/changed; echo 1 > /etc/deleted; echo 1 > /etc/again; \
     echo 1 > /etc/mode; echo 1 > /etc/moved; echo 1 > /etc/of-source; ln -s made /srv/first/link; cp /etc/kept /etc/copy",
    "mkdir /srv/second; echo 2 > /srv/second/made; echo 2 > /srv/two; echo 2 >> /etc/changed; rm /etc/deleted /etc/unwanted; \
     rm /etc/again; chmod 600 /etc/mode; echo 2 > /etc/restored; echo 1 > /srv/first/made",
    "echo 3 > /srv/third; mv /etc/moved /etc/arrived; echo 1 > /etc/again; chown 7:8 /etc/mode; cat /etc/changed; \
     echo old > /etc/restored; ln -sfn other /srv/first/link; mv /srv/second /srv/later; rm /etc/copy",
];

/// A path of an image: its content or its target, and its kind, mode and owner.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SeenPath {
    content: Vec<u8>,
    metadata: String,
}

/// Builds an image with the first `count` commands.
fn build(folder: &Path, count: usize) -> Bundle {
    let mut recipe =
        "[image]\nname = \"web\"\nversion = \"1\"\narch = \"x86_64\"\nepoch = 1700000000\n\n[disk]\nsize = \
                      \"minimal\"\n\n[[source]]\nkind = \"dir\"\npath = \"root\"\n"
            .to_owned();
    for command in &COMMANDS[..count] {
        recipe.extend(["\n[[run]]\ncommand = '''", command, "'''\n"]);
    }
    let path = folder.join(format!("recipe-{count}.toml"));
    fs::write(&path, recipe).unwrap();
    let words = [path, folder.join(format!("out-{count}")), folder.join("store")];
    let [recipe, out, store] = words.map(|path| path.to_string_lossy().into_owned());
    program::must(&["build", &recipe, "-o", &out, "--store", &store]);
    Bundle::open(Path::new(&out))
}

/// The paths of the root of an image, as e2fsprogs reads their contents.
fn seen(bundle: &Bundle, folder: &Path) -> BTreeMap<String, SeenPath> {
    let partition = bundle.partition("ext4");
    let copy = folder.join("copy");
    let _ = fs::remove_dir_all(&copy);
    fs::create_dir(&copy).unwrap();
    let image = format!("{}?offset={}", bundle.image().display(), partition.start);
    oracle::must("debugfs", &["-R", &format!("rdump / {}", copy.display()), &image]);
    let tree = fs::read_to_string(bundle.folder.join("tree.txt")).unwrap();
    let mut all = BTreeMap::new();
    for line in tree.lines().filter(|line| line.starts_with('/')) {
        let words: Vec<_> = line.split(' ').collect();
        let (path, kind) = (words[0].to_owned(), words[1]);
        let inside: PathBuf = copy.join(path.trim_start_matches('/'));
        let content = match kind {
            "file" => fs::read(&inside).unwrap(),
            "symlink" => fs::read_link(&inside).unwrap().into_os_string().into_encoded_bytes(),
            _ => Vec::new(),
        };
        let content = [kind.as_bytes(), b":", &content].concat();
        let metadata = words.get(2..4).map(|words| words.join(" ")).unwrap_or_default();
        all.insert(path, SeenPath { content, metadata });
    }
    all
}

/// What `origins.txt` says of each path: number and line of the `[[run]]` of content and metadata, none for another origin.
fn stated(bundle: &Bundle) -> BTreeMap<String, [Option<(usize, usize)>; 2]> {
    let text = fs::read_to_string(bundle.folder.join("origins.txt")).unwrap();
    let mut runs = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix('@')) {
        let words: Vec<_> = line.split(' ').collect();
        let fact = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.parse::<usize>().ok());
        if words[1] == "run" {
            runs.insert(words[0].to_owned(), (fact("number=").unwrap(), fact("line=").unwrap()));
        }
    }
    let lines = text.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit()));
    let of = |line: &str| {
        let (numbers, path) = line.split_once(' ').unwrap();
        let (content, metadata) = numbers.split_once('/').unwrap_or((numbers, numbers));
        (path.to_owned(), [content, metadata].map(|number| runs.get(number).copied()))
    };
    lines.map(of).collect()
}

#[test]
fn each_run_has_what_it_changed() {
    if !oracle::ready(&["debugfs"], false) {
        return;
    }
    let folder = scratch::folder();
    let root = folder.path().join("root");
    host_root::with_programs(&root, &PROGRAMS);
    for (name, text) in [("kept", "kept\n"), ("unwanted", "-\n"), ("of-source", "0\n"), ("restored", "old\n")]
    {
        fs::write(root.join("etc").join(name), text).unwrap();
    }
    let bundles: Vec<_> = (0..=COMMANDS.len()).map(|count| build(folder.path(), count)).collect();
    let trees: Vec<_> = bundles.iter().map(|bundle| seen(bundle, folder.path())).collect();
    let last = bundles.last().unwrap();
    explained::coverage(&last.folder);
    let recipe = fs::read_to_string(folder.path().join("recipe-3.toml")).unwrap();
    let headers = (1..).zip(recipe.lines()).filter(|(_, line)| *line == "[[run]]");
    let headers: Vec<usize> = headers.map(|(number, _)| number).collect();
    let mut counts = [0; 4];
    for (path, stated) in stated(last) {
        let part = |of: fn(&SeenPath) -> &[u8]| {
            let states: Vec<_> = trees.iter().map(|tree| tree.get(&path).map(of)).collect();
            let changed = (1..states.len()).rfind(|step| states[*step] != states[step - 1]);
            changed.filter(|_| states.first() != states.last()).map(|step| (step, headers[step - 1]))
        };
        let expected = [part(|seen| &seen.content), part(|seen| seen.metadata.as_bytes())];
        assert_eq!(stated, expected, "{path}");
        counts[expected[0].map_or(0, |(step, _)| step)] += 1;
    }
    assert!(counts.iter().all(|count| *count >= 2), "{counts:?}");
    let out = last.folder.to_string_lossy().into_owned();
    for (path, words) in [
        ("/etc/changed", "`[[run]]` 2"),
        ("/srv/later/made", "`[[run]]` 3"),
        ("/etc/mode", "`[[run]]` 1"),
        ("/etc/again", "`[[run]]` 3"),
    ] {
        let text = program::must(&["explain", &out, path]);
        assert!(text.contains(words), "{path}: {text}");
    }
    // The layer that was made before has the same.
    let again = folder.path().join("again").to_string_lossy().into_owned();
    let store = folder.path().join("store").to_string_lossy().into_owned();
    let recipe = folder.path().join("recipe-3.toml").to_string_lossy().into_owned();
    program::must(&["build", &recipe, "-o", &again, "--store", &store]);
    let text = |folder: &Path| fs::read(folder.join("SHA256SUMS")).unwrap();
    assert_eq!(text(Path::new(&again)), text(&last.folder));
}
