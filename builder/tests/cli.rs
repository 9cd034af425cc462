//! The program as a user meets it: words, streams and exit codes of each command and each way to fail.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// An empty environment in an empty folder, with the program in reach.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amiforge"));
        command.args(args).current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        command
    }

    /// Runs it and shows everything that came of it.
    fn run(&self, args: &[&str]) -> String {
        shown(&self.command(args).output().unwrap())
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A recipe of an ext4 root with one file.
    fn recipe(&self) {
        self.write("recipe.toml", RECIPE);
        self.write("files/hello", "hello\n");
    }

    /// The names in a folder, hidden ones too.
    fn names(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

const RECIPE: &str = r#"[image]
name = "web"
arch = "x86_64"
epoch = 1700000000
[disk]
size = "64 MiB"
[[partition]]
role = "root"
[[source]]
kind = "dir"
path = "files"
"#;

/// Standard output, standard error and exit code as one text.
fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}--- stderr\n{}--- exit {}\n",
        text(&output.stdout),
        text(&output.stderr),
        output.status.code().unwrap()
    )
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", shown(output)))
}

#[test]
fn without_a_command_the_help_is_shown_and_that_is_a_mistake() {
    let shown = Desk::new().run(&[]);
    assert!(
        shown.contains("Usage: amiforge [OPTIONS] <COMMAND>") && shown.ends_with("--- exit 2\n"),
        "{shown}"
    );
}

#[test]
fn a_command_that_is_not_there_names_the_nearest() {
    let shown = Desk::new().run(&["biuld"]);
    assert!(shown.contains("'build'") && shown.ends_with("--- exit 2\n"), "{shown}");
}

#[test]
fn a_recipe_that_is_not_there() {
    let expected = "--- stderr\n\
        error: cannot use the recipe `none.toml`\n  \
          caused by: reading `none.toml`\n  \
          caused by: No such file or directory (os error 2)\n\
        hint: `amiforge new DIR` starts a recipe that builds as it is\n\
        --- exit 2\n";
    assert_eq!(Desk::new().run(&["build", "none.toml", "-o", "out"]), expected);
}

#[test]
fn mistakes_in_a_recipe() {
    let desk = Desk::new();
    desk.write("recipe.toml", "[image]\nname = \"web\"\narch = \"x86-64\"\nepoc = 1\n");
    let expected = "--- stderr\n\
        error: cannot use the recipe `recipe.toml`\n  \
          caused by: 2 mistakes\n    \
            recipe.toml:3:8: `x86-64` is not `x86_64` or `aarch64`; write `x86_64`\n      \
              3 | arch = \"x86-64\"\n        \
                | ^^^^^^^^\n    \
            recipe.toml:4:1: unknown key `epoc` in `[image]`; did you mean `epoch`?\n      \
              4 | epoc = 1\n        \
                | ^^^^\n\
        hint: `amiforge schema` prints every key, for editors that complete and check them\n\
        --- exit 2\n";
    // A caret stands below its character, which a literal of Rust with its lines joined cannot show.
    let squeeze = |text: &str| {
        text.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n")
            .collect::<String>()
    };
    assert_eq!(squeeze(&desk.run(&["build", "recipe.toml", "-o", "out"])), squeeze(expected));
    assert_eq!(desk.names("."), ["recipe.toml"]);
}

#[test]
fn a_source_that_is_not_there_fails_with_its_name_and_leaves_nothing() {
    let desk = Desk::new();
    desk.write("recipe.toml", RECIPE);
    let shown = desk.run(&["build", "recipe.toml", "-o", "new/folders/out"]);
    assert!(
        shown.starts_with("--- stderr\nerror: cannot build `web`\n  caused by: assembling the sources\n"),
        "{shown}"
    );
    assert!(shown.contains("files") && shown.ends_with("--- exit 1\n"), "{shown}");
    assert_eq!(desk.names("."), ["recipe.toml"]);
}

#[test]
fn a_file_of_the_recipe_that_is_not_there() {
    let desk = Desk::new();
    desk.recipe();
    desk.write("recipe.toml", &format!("{RECIPE}[[file]]\npath = \"/etc/motd\"\nsource = \"motd\"\n"));
    let expected = "--- stderr\n\
        error: cannot build `web`\n  \
          caused by: reading `motd`\n  \
          caused by: `motd` cannot be read\n  \
          caused by: No such file or directory (os error 2)\n\
        --- exit 1\n";
    assert_eq!(desk.run(&["build", "recipe.toml", "-o", "out"]), expected);
    assert_eq!(desk.names("."), ["files", "recipe.toml"]);
}

#[test]
fn a_disk_that_is_too_small_says_by_how_much() {
    let desk = Desk::new();
    desk.recipe();
    desk.write("recipe.toml", &RECIPE.replace("[[source]]", "[[partition]]\nrole = \"esp\"\n[[source]]"));
    let shown = desk.run(&["build", "recipe.toml", "-o", "out"]);
    assert!(shown.contains("caused by: laying out the disk\n") && shown.contains("too few\n"), "{shown}");
    assert!(
        shown.contains("hint: raise `size` under `[disk]`") && shown.ends_with("--- exit 1\n"),
        "{shown}"
    );
    assert_eq!(desk.names("."), ["files", "recipe.toml"]);
}

#[test]
fn a_tree_that_does_not_fit_says_by_how_much() {
    let desk = Desk::new();
    desk.recipe();
    fs::write(desk.path("files/large"), vec![1; 80 << 20]).unwrap();
    let shown = desk.run(&["build", "recipe.toml", "-o", "out"]);
    assert!(shown.contains("caused by: the tree needs ") && shown.contains(" too few\n"), "{shown}");
    assert!(shown.contains("hint: give partition `root` a larger `size`"), "{shown}");
    assert_eq!(desk.names("."), ["files", "recipe.toml"]);
}

#[test]
fn an_fstab_of_the_sources_is_not_overwritten_silently() {
    let desk = Desk::new();
    desk.recipe();
    desk.write("files/etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n");
    let shown = desk.run(&["build", "recipe.toml", "-o", "out"]);
    assert!(shown.contains("caused by: writing /etc/fstab\n"), "{shown}");
    assert!(shown.contains("hint: `fstab = \"replace\"` under `[system]`"), "{shown}");
    for keep in ["keep", "replace"] {
        desk.write("recipe.toml", &format!("{RECIPE}[system]\nfstab = \"{keep}\"\n"));
        let shown = desk.run(&["build", "recipe.toml", "-q", "-o", keep]);
        assert!(shown.ends_with("--- exit 0\n"), "{shown}");
    }
}

#[test]
fn a_build_prints_its_bundle_and_digest_and_says_the_rest_aside() {
    let desk = Desk::new();
    desk.recipe();
    let output = desk.command(&["build", "recipe.toml", "-o", "a/b/out"]).output().unwrap();
    let said = shown(&output);
    assert!(output.status.success(), "{said}");
    let sums = fs::read_to_string(desk.path("a/b/out/SHA256SUMS")).unwrap();
    let digest = sums.lines().find_map(|line| line.strip_suffix("  disk.raw")).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("a/b/out {digest}\n"));
    assert_eq!(desk.names("a/b"), ["out"], "no store stays without a home");
    assert_eq!(desk.names("a/b/out"), ["SHA256SUMS", "disk.raw", "manifest.json", "tree.txt"]);
    let listing = fs::read_to_string(desk.path("a/b/out/tree.txt")).unwrap();
    assert!(listing.starts_with("# root ext4 /\n/ dir 0755 0:0 "), "{listing}");
    assert!(listing.contains("\n/hello file 0644 0:0 1700000000.000000000 6\n"), "{listing}");
    let quiet = desk.command(&["-q", "build", "recipe.toml", "-o", "quiet"]).output().unwrap();
    assert_eq!((quiet.status.code(), quiet.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn json_has_the_same_and_more() {
    let desk = Desk::new();
    desk.recipe();
    let output =
        desk.command(&["build", "recipe.toml", "-o", "out", "--json", "--threads", "1"]).output().unwrap();
    let report = json(&output);
    assert_eq!((&report["bundle"], &report["image"]), (&"out".into(), &"out/disk.raw".into()));
    assert_eq!((&report["size"], &report["epoch"]), (&(64 << 20).into(), &1_700_000_000.into()));
    assert_eq!(report["partitions"][0]["file_system"], "ext4");
    let image = fs::read(desk.path("out/disk.raw")).unwrap();
    assert_eq!(report["sha256"], amiforge_formats::digest::Digest::of(&image).to_string());
    let new = json(&desk.command(&["new", "web", "--json"]).output().unwrap());
    assert_eq!(new["recipe"], "web/recipe.toml");
}

#[test]
fn a_bundle_is_kept_unless_it_is_to_be_replaced_and_nothing_else_ever_is() {
    let desk = Desk::new();
    desk.recipe();
    let build = |more: &[&str]| desk.run(&[&["build", "recipe.toml", "-q", "-o", "out"], more].concat());
    assert!(build(&[]).ends_with("--- exit 0\n"));
    let before = fs::read(desk.path("out/manifest.json")).unwrap();
    desk.write("files/hello", "changed\n");
    let expected = "--- stderr\n\
        error: cannot build `web`\n  \
          caused by: `out` exists already\n\
        hint: `--force` replaces the bundle `out` once the new one is whole\n\
        --- exit 1\n";
    assert_eq!(build(&[]), expected);
    assert_eq!(fs::read(desk.path("out/manifest.json")).unwrap(), before);
    assert!(build(&["--force"]).ends_with("--- exit 0\n"));
    assert_ne!(fs::read(desk.path("out/manifest.json")).unwrap(), before);
    desk.write("out/notes.txt", "mine");
    let shown = build(&["--force"]);
    assert!(
        shown.contains("caused by: `out` holds `notes.txt`") && shown.ends_with("--- exit 1\n"),
        "{shown}"
    );
    assert_eq!(desk.names("."), ["files", "out", "recipe.toml"]);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let desk = Desk::new();
    desk.recipe();
    let shown = desk.run(&["build", "recipe.toml", "-o", "recipe.toml/a/out"]);
    assert!(shown.contains("`recipe.toml/a/out`\n  caused by: Not a directory"), "{shown}");
    assert!(shown.ends_with("--- exit 1\n"), "{shown}");
}

#[test]
fn source_date_epoch_goes_before_the_recipe_and_must_be_a_number() {
    let desk = Desk::new();
    desk.recipe();
    let build = |epoch: &str, out: &str| {
        desk.command(&["build", "recipe.toml", "--json", "-o", out])
            .env("SOURCE_DATE_EPOCH", epoch)
            .output()
            .unwrap()
    };
    assert_eq!(json(&build("1600000000", "a"))["epoch"], 1_600_000_000);
    assert_eq!(json(&build("", "b"))["epoch"], 1_700_000_000);
    let failed = build("today", "c");
    let error = &serde_json::from_slice::<serde_json::Value>(&failed.stdout).unwrap()["error"];
    assert_eq!(
        (&error["code"], &error["message"]),
        (&"usage".into(), &"cannot tell the time of the build".into())
    );
    let expected = "--- stderr\n\
        error: cannot tell the time of the build\n  \
          caused by: SOURCE_DATE_EPOCH is `today`, not a number of seconds between 0 and 15032385535\n\
        --- exit 2\n";
    assert!(shown(&failed).ends_with(expected), "{}", shown(&failed));
}

#[test]
fn the_store_is_in_the_cache_folder_where_that_can_be_written() {
    let desk = Desk::new();
    desk.recipe();
    desk.write("blocked", "");
    for (variable, folder) in [("XDG_CACHE_HOME", "cache"), ("HOME", "home/.cache")] {
        let output = desk
            .command(&["build", "recipe.toml", "-q", "--force", "-o", "out"])
            .env(variable, desk.path(folder.split('/').next().unwrap()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        assert!(desk.path(folder).join("amiforge").is_dir());
    }
    let blocked = desk
        .command(&["build", "recipe.toml", "-q", "--force", "-o", "out"])
        .env("HOME", desk.path("blocked"))
        .output();
    assert_eq!(blocked.unwrap().status.code(), Some(0));
}

#[test]
fn an_interrupted_build_leaves_nothing() {
    let desk = Desk::new();
    // A file of holes that takes long to hash.
    desk.write("recipe.toml", &format!("{IMAGE}[[partition]]\nrole = \"raw\"\nsource = \"holes\"\n"));
    fs::File::create(desk.path("holes")).unwrap().set_len(1 << 38).unwrap();
    let mut child =
        desk.command(&["build", "recipe.toml", "-o", "new/out"]).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    // The folder for the bundle is made after the program has begun to listen for signals.
    while !desk.path("new").exists() {
        assert!(begun.elapsed() < Duration::from_mins(1), "the build does not begin");
        std::thread::yield_now();
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert!(begun.elapsed() < Duration::from_mins(1), "an interrupt is heard soon");
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(
        (status.code(), said.as_str()),
        (Some(1), "error: cannot build `web`\n  caused by: interrupted\n")
    );
    assert_eq!(desk.names("."), ["holes", "recipe.toml"]);
}

const IMAGE: &str = "[image]\nname = \"web\"\narch = \"x86_64\"\n";

#[test]
fn a_new_recipe_is_not_written_over_anything() {
    let desk = Desk::new();
    let shown = desk.run(&["new", "web"]);
    assert_eq!(
        shown,
        "web/recipe.toml\n--- stderr\nnext: amiforge build web/recipe.toml -o out/web\n--- exit 0\n"
    );
    let expected = "--- stderr\n\
        error: cannot start a recipe in `web`\n  \
          caused by: `web` is there already and not an empty folder\n\
        hint: choose a folder that is not there yet\n\
        --- exit 2\n";
    assert_eq!(desk.run(&["new", "web"]), expected);
}

#[test]
fn colour_is_for_terminals_or_when_asked_for() {
    let desk = Desk::new();
    let with = |args: &[&str]| desk.run(&[&["build", "none.toml", "-o", "out"], args].concat());
    assert!(!with(&[]).contains('\x1b'));
    assert!(with(&["--color", "always"]).contains("\x1b[1;31merror:\x1b[0m cannot use"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = Desk::new();
    let mut child = desk.command(&["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(shown(&output), "--- stderr\n--- exit 0\n");
}

#[test]
fn a_full_standard_output_is_a_failure() {
    let full = Path::new("/dev/full");
    let Ok(full) = fs::OpenOptions::new().write(true).open(full) else {
        eprintln!("SKIP no /dev/full here");
        return;
    };
    let output = Desk::new().command(&["schema"]).stdout(full).output().unwrap();
    let said = shown(&output);
    assert!(said.contains("error: cannot write the result to standard output\n"), "{said}");
    assert!(said.ends_with("--- exit 1\n"), "{said}");
}

#[test]
fn the_schema_is_json_that_knows_the_keys() {
    let schema = json(&Desk::new().command(&["schema"]).output().unwrap());
    assert_eq!(schema["properties"]["image"]["properties"]["name"]["type"], "string");
    assert_eq!(schema["additionalProperties"], false);
}

/// Runs a command of publishing against a local region in the desk's own folder.
#[cfg(feature = "local-region")]
fn locally(desk: &Desk, args: &[&str]) -> Output {
    let mut command = desk.command(args);
    command.args(["--region", "local"]).env("AMIFORGE_LOCAL_REGION", desk.path("region")).output().unwrap()
}

#[cfg(feature = "local-region")]
#[test]
fn a_bundle_goes_into_a_snapshot_and_comes_back() {
    let desk = Desk::new();
    desk.recipe();
    desk.run(&["build", "recipe.toml", "-o", "out"]);
    let first = json(&locally(&desk, &["upload", "out", "--json"]));
    let id = first["snapshotId"].as_str().unwrap().to_owned();
    assert!(id.starts_with("snap-") && first["blocksSent"] == first["blocksWritten"], "{first}");
    let again = json(&locally(&desk, &["upload", "out", "--json"]));
    assert_eq!((again["snapshotId"].as_str(), again["blocksSent"].as_u64()), (Some(id.as_str()), Some(0)));
    let verified = locally(&desk, &["verify", &id, "--bundle", "out"]);
    assert!(shown(&verified).starts_with(&format!("{id}: no difference from the manifest of `web` in ")));
    let back = locally(&desk, &["download", &id, "-o", "back.raw"]);
    assert_eq!(back.status.code(), Some(0), "{}", shown(&back));
    let (found, built) =
        (fs::read(desk.path("back.raw")).unwrap(), fs::read(desk.path("out/disk.raw")).unwrap());
    assert!(found.starts_with(&built));
    let nothing = shown(&locally(&desk, &["upload", "out", "--abandon"]));
    assert!(nothing.contains(&format!("no upload is under way: {id} is complete")), "{nothing}");
    assert!(nothing.ends_with("--- exit 1\n"), "{nothing}");
}

#[cfg(feature = "local-region")]
#[test]
fn a_snapshot_that_is_not_there_and_an_image_that_is_not_there() {
    let desk = Desk::new();
    let none = shown(&locally(&desk, &["upload", "none"]));
    assert!(none.contains("error: cannot upload `none`\n") && none.ends_with("--- exit 1\n"), "{none}");
    assert!(!desk.path("region").exists(), "nothing is started for that");
    let usage = shown(&locally(&desk, &["download", "vol-1", "-o", "x"]));
    assert!(usage.contains("neither `snap-…` nor `ami-…`") && usage.ends_with("--- exit 2\n"), "{usage}");
}

#[test]
fn a_bundle_that_a_link_names_is_replaced_and_the_link_stays() {
    let desk = Desk::new();
    desk.recipe();
    desk.run(&["build", "recipe.toml", "-q", "-o", "web-1"]);
    std::os::unix::fs::symlink("web-1", desk.path("current")).unwrap();
    let before = fs::read(desk.path("web-1/disk.raw")).unwrap();
    let shown = desk.run(&["build", "recipe.toml", "-q", "-o", "current"]);
    assert!(shown.contains("`current` exists already") && shown.ends_with("--- exit 1\n"), "{shown}");
    assert_eq!(fs::read(desk.path("web-1/disk.raw")).unwrap(), before);
    desk.write("files/hello", "another\n");
    let shown = desk.run(&["build", "recipe.toml", "-q", "--force", "-o", "current"]);
    assert!(shown.ends_with("--- exit 0\n"), "{shown}");
    assert_ne!(fs::read(desk.path("web-1/disk.raw")).unwrap(), before);
    assert!(desk.path("current").is_symlink());
    assert!(desk.run(&["verify", "current"]).ends_with("--- exit 0\n"));
    // A link where builds make their folder: neither followed nor waited for.
    std::os::unix::fs::symlink("web-1", desk.path(".new.partial")).unwrap();
    let shown = desk.run(&["build", "recipe.toml", "-q", "-o", "new"]);
    assert!(shown.contains("`./.new.partial` is in the way") && shown.ends_with("--- exit 1\n"), "{shown}");
    assert_eq!(desk.names("web-1").len(), 4);
}

#[test]
fn files_that_would_block_are_refused_at_once() {
    let desk = Desk::new();
    desk.recipe();
    desk.run(&["build", "recipe.toml", "-q", "-o", "out"]);
    let fifo = |name: &str| {
        let _ = fs::remove_file(desk.path(name));
        assert!(Command::new("mkfifo").arg(desk.path(name)).status().unwrap().success());
    };
    fifo("pipe");
    let extra = |text: &str| desk.write("with.toml", &format!("{RECIPE}{text}"));
    extra("[[file]]\npath = \"/x\"\nsource = \"pipe\"\n");
    let shown = desk.run(&["build", "with.toml", "-q", "-o", "new"]);
    assert!(shown.contains("pipe") && shown.ends_with("--- exit 1\n"), "{shown}");
    extra("[[source]]\nkind = \"tar\"\npath = \"pipe\"\n");
    let shown = desk.run(&["build", "with.toml", "-q", "-o", "new"]);
    assert!(shown.contains("it is a FIFO, not a regular file") && shown.ends_with("--- exit 1\n"), "{shown}");
    for args in [
        &["build", "pipe", "-o", "new"][..],
        &["inspect", "pipe"],
        &["verify", "pipe"],
        &["preflight", "pipe"],
    ] {
        let shown = desk.run(args);
        assert!(!shown.ends_with("--- exit 0\n"), "{args:?} {shown}");
    }
    for name in ["manifest.json", "tree.txt", "SHA256SUMS", "disk.raw"] {
        let path = format!("out/{name}");
        let bytes = fs::read(desk.path(&path)).unwrap();
        fifo(&path);
        let shown = desk.run(&["verify", "out"]);
        assert!(shown.contains(&format!("`{name}` is not a regular file")), "{name} {shown}");
        fs::remove_file(desk.path(&path)).unwrap();
        fs::write(desk.path(&path), bytes).unwrap();
    }
}

#[test]
fn a_path_that_is_nearly_right_is_answered_with_the_right_one() {
    let desk = Desk::new();
    desk.recipe();
    desk.run(&["build", "recipe.toml", "-q", "-o", "out"]);
    for (args, hint) in [
        (["verify", "out/disk.raw"], "hint: write `amiforge verify out`\n"),
        (
            ["verify", "recipe.toml"],
            "hint: an image without a manifest is only looked at: `amiforge inspect recipe.toml`",
        ),
        (["verify", "files"], "hint: name the folder that `amiforge build -o` wrote\n"),
        (
            ["inspect", "out/hello"],
            "hint: files in the image are named after a colon and the partition: `out:root/hello`\n",
        ),
        (["inspect", "out/disk.raw/etc/x"], ": `out/disk.raw:root/etc/x`\n"),
    ] {
        let shown = desk.run(&args);
        assert!(shown.contains(hint) && !shown.ends_with("--- exit 0\n"), "{args:?}\n{shown}");
    }
    for (name, said) in
        [("disk.raw", ": no block could be compared;"), ("manifest.json", ": nothing says what")]
    {
        fs::rename(desk.path(&format!("out/{name}")), desk.path(name)).unwrap();
        let shown = desk.run(&["verify", "out"]);
        assert!(shown.contains(&format!("`{name}` is missing{said}")), "{shown}");
        assert!(shown.ends_with("--- exit 3\n"), "{shown}");
        fs::rename(desk.path(name), desk.path(&format!("out/{name}"))).unwrap();
    }
}

#[test]
fn a_command_without_a_shell_to_run_it_is_refused_before_any_sandbox() {
    let desk = Desk::new();
    desk.recipe();
    desk.write("recipe.toml", &format!("{RECIPE}[[run]]\ncommand = \"true\"\n"));
    let shown = desk.run(&["build", "recipe.toml", "-q", "-o", "out"]);
    assert!(shown.contains("`[[run]]` is run by a shell, and the image has no `/bin/sh`"), "{shown}");
    assert!(shown.contains("hint: take a system as a source") && shown.ends_with("--- exit 1\n"), "{shown}");
}

#[test]
fn what_has_no_effect_is_a_warning_and_a_part_of_the_json() {
    let desk = Desk::new();
    desk.recipe();
    let recipe = RECIPE.replace("path = \"files\"", "path = \"files\"\nexclude = [\"**/*.pyc\"]");
    let user = "[[user]]\nname = \"me\"\nshell = \"/bin/zsh\"\n[system]\nlocale = \"de_DE.UTF-8\"\n";
    desk.write("recipe.toml", &format!("{recipe}{user}"));
    desk.write("files/lib64/ld-linux-x86-64.so.2", "x");
    let output = desk.command(&["build", "recipe.toml", "-q", "--json", "-o", "out"]).output().unwrap();
    let warnings = json(&output)["warnings"].clone();
    let warnings: Vec<_> = warnings.as_array().unwrap().iter().filter_map(|one| one.as_str()).collect();
    for (warning, said) in warnings.iter().zip([
        "source 1 (files): `**/*.pyc` in `exclude` matches nothing",
        "the locale `de_DE.UTF-8` is not generated",
        "the login shell `/bin/zsh` of `me` is not in the image",
    ]) {
        assert!(warning.starts_with(said), "{warnings:?}");
    }
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr).matches("warning:").count(), 3);
}

#[test]
fn a_time_that_no_file_system_holds_is_refused_with_its_remedy() {
    let desk = Desk::new();
    desk.recipe();
    desk.write("recipe.toml", &RECIPE.replace("epoch = 1700000000\n", ""));
    let late = rustix::fs::Timespec { tv_sec: 16_725_225_600, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: late, last_modification: late };
    let flags = rustix::fs::AtFlags::empty();
    rustix::fs::utimensat(rustix::fs::CWD, desk.path("files/hello"), &times, flags).unwrap();
    let kept = fs::metadata(desk.path("files/hello")).unwrap();
    if std::os::unix::fs::MetadataExt::mtime(&kept) != late.tv_sec {
        eprintln!("SKIP: the file system of the scratch folder has no times after 2446");
        return;
    }
    let shown = desk.run(&["build", "recipe.toml", "-q", "-o", "out"]);
    assert!(shown.contains("was modified at 2500-01-01T00:00:00Z, which is after 2446-05-10"), "{shown}");
    assert!(shown.ends_with("--- exit 1\n"), "{shown}");
    desk.recipe();
    rustix::fs::utimensat(rustix::fs::CWD, desk.path("files/hello"), &times, flags).unwrap();
    assert!(
        desk.run(&["build", "recipe.toml", "-q", "-o", "out"]).ends_with("--- exit 0\n"),
        "an epoch bounds it"
    );
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let desk = Desk::new();
    for (shell, sign) in
        [("bash", "complete -F _amiforge"), ("zsh", "#compdef amiforge"), ("fish", "complete -c amiforge")]
    {
        let shown = desk.run(&["completions", shell]);
        assert!(
            shown.contains(sign) && shown.contains("preflight") && shown.ends_with("--- exit 0\n"),
            "{shell}"
        );
        assert!(!shown.contains("sandbox-init"), "{shell}");
    }
    assert!(desk.run(&["man", "share/man1"]).ends_with("--- exit 0\n"));
    let pages = desk.names("share/man1");
    for page in ["amiforge.1", "amiforge-build.1", "amiforge-verify.1", "amiforge-man.1"] {
        assert!(pages.iter().any(|there| there == page), "{pages:?}");
    }
    assert!(!pages.iter().any(|page| page.contains("docs")), "{pages:?}");
    let build = fs::read_to_string(desk.path("share/man1/amiforge-build.1")).unwrap();
    assert!(build.contains(".TH") && build.contains("force"), "{build}");
}
