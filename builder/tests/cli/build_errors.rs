//! How `build` fails: the message, the hint, the exit code, and what is left on disk.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::fixture::{CliFixture, RECIPE};

#[test]
fn a_missing_source_is_named_and_leaves_no_file() {
    let cli = CliFixture::new();
    cli.write("recipe.toml", RECIPE);
    let shown = cli.run(&["build", "recipe.toml", "-o", "new/folders/out"]);
    assert!(
        shown.starts_with("--- stderr\nerror: cannot build `web`\n  caused by: assembling the sources\n"),
        "{shown}"
    );
    assert!(shown.contains("files") && shown.ends_with("--- exit 1\n"), "{shown}");
    assert_eq!(cli.names("."), ["recipe.toml"]);
}

#[test]
fn a_missing_file_of_the_recipe_is_named() {
    let cli = CliFixture::new();
    cli.recipe();
    cli.write("recipe.toml", &format!("{RECIPE}[[file]]\npath = \"/etc/motd\"\nsource = \"motd\"\n"));
    let expected = "--- stderr\n\
        error: cannot build `web`\n  \
          caused by: reading `motd`\n  \
          caused by: `motd` cannot be read\n  \
          caused by: No such file or directory (os error 2)\n\
        --- exit 1\n";
    assert_eq!(cli.run(&["build", "recipe.toml", "-o", "out"]), expected);
    assert_eq!(cli.names("."), ["files", "recipe.toml"]);
}

#[test]
fn a_disk_that_is_too_small_is_refused_with_the_missing_size() {
    let cli = CliFixture::new();
    cli.recipe();
    cli.write("recipe.toml", &RECIPE.replace("[[source]]", "[[partition]]\nrole = \"esp\"\n[[source]]"));
    let shown = cli.run(&["build", "recipe.toml", "-o", "out"]);
    assert!(shown.contains("caused by: laying out the disk\n") && shown.contains("too few\n"), "{shown}");
    assert!(
        shown.contains("hint: raise `size` under `[disk]`") && shown.ends_with("--- exit 1\n"),
        "{shown}"
    );
    assert_eq!(cli.names("."), ["files", "recipe.toml"]);
}

#[test]
fn a_tree_that_does_not_fit_is_refused_with_the_missing_size() {
    let cli = CliFixture::new();
    cli.recipe();
    fs::write(cli.path("files/large"), vec![1; 80 << 20]).unwrap();
    let shown = cli.run(&["build", "recipe.toml", "-o", "out"]);
    assert!(shown.contains("caused by: the tree needs ") && shown.contains(" too few\n"), "{shown}");
    assert!(shown.contains("hint: give partition `root` a larger `size`"), "{shown}");
    assert_eq!(cli.names("."), ["files", "recipe.toml"]);
}

#[test]
fn an_fstab_of_the_sources_is_replaced_only_on_request() {
    let cli = CliFixture::new();
    cli.recipe();
    cli.write("files/etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n");
    let shown = cli.run(&["build", "recipe.toml", "-o", "out"]);
    assert!(shown.contains("caused by: writing /etc/fstab\n"), "{shown}");
    assert!(shown.contains("hint: `fstab = \"replace\"` under `[system]`"), "{shown}");
    for keep in ["keep", "replace"] {
        cli.write("recipe.toml", &format!("{RECIPE}[system]\nfstab = \"{keep}\"\n"));
        let shown = cli.run(&["build", "recipe.toml", "-q", "-o", keep]);
        assert!(shown.ends_with("--- exit 0\n"), "{shown}");
    }
}

#[test]
fn an_output_folder_that_cannot_be_made_is_named() {
    let cli = CliFixture::new();
    cli.recipe();
    let shown = cli.run(&["build", "recipe.toml", "-o", "recipe.toml/a/out"]);
    assert!(shown.contains("`recipe.toml/a/out`\n  caused by: Not a directory"), "{shown}");
    assert!(shown.ends_with("--- exit 1\n"), "{shown}");
}

#[test]
fn an_interrupted_build_leaves_no_file() {
    let cli = CliFixture::new();
    // A file of holes that takes long to hash.
    cli.write("recipe.toml", &format!("{IMAGE}[[partition]]\nrole = \"raw\"\nsource = \"holes\"\n"));
    fs::File::create(cli.path("holes")).unwrap().set_len(1 << 38).unwrap();
    let mut child =
        cli.command(&["build", "recipe.toml", "-o", "new/out"]).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    // The folder for the bundle is made after the program has begun to listen for signals.
    while !cli.path("new").exists() {
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
    assert_eq!(cli.names("."), ["holes", "recipe.toml"]);
}

const IMAGE: &str = "[image]\nname = \"web\"\narch = \"x86_64\"\n";

#[test]
fn a_command_without_a_shell_to_run_it_is_refused_before_any_sandbox() {
    let cli = CliFixture::new();
    cli.recipe();
    cli.write("recipe.toml", &format!("{RECIPE}[[run]]\ncommand = \"true\"\n"));
    let shown = cli.run(&["build", "recipe.toml", "-q", "-o", "out"]);
    assert!(shown.contains("`[[run]]` is run by a shell, and the image has no `/bin/sh`"), "{shown}");
    assert!(shown.contains("hint: take a system as a source") && shown.ends_with("--- exit 1\n"), "{shown}");
}

#[test]
fn a_time_outside_the_range_of_ext4_is_refused_unless_an_epoch_bounds_it() {
    let cli = CliFixture::new();
    cli.recipe();
    cli.write("recipe.toml", &RECIPE.replace("epoch = 1700000000\n", ""));
    let late = rustix::fs::Timespec { tv_sec: 16_725_225_600, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: late, last_modification: late };
    let flags = rustix::fs::AtFlags::empty();
    rustix::fs::utimensat(rustix::fs::CWD, cli.path("files/hello"), &times, flags).unwrap();
    let kept = fs::metadata(cli.path("files/hello")).unwrap();
    if std::os::unix::fs::MetadataExt::mtime(&kept) != late.tv_sec {
        eprintln!("SKIP: the file system of the scratch folder has no times after 2446");
        return;
    }
    let shown = cli.run(&["build", "recipe.toml", "-q", "-o", "out"]);
    assert!(shown.contains("was modified at 2500-01-01T00:00:00Z, which is after 2446-05-10"), "{shown}");
    assert!(shown.ends_with("--- exit 1\n"), "{shown}");
    cli.recipe();
    rustix::fs::utimensat(rustix::fs::CWD, cli.path("files/hello"), &times, flags).unwrap();
    assert!(
        cli.run(&["build", "recipe.toml", "-q", "-o", "out"]).ends_with("--- exit 0\n"),
        "an epoch bounds it"
    );
}
