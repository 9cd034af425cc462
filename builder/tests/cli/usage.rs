//! The program itself: usage, colour, and streams that are closed or full.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::fixture::{CliFixture, RECIPE, shown};

#[test]
fn without_a_command_the_help_is_shown_and_that_is_a_mistake() {
    let shown = CliFixture::new().run(&[]);
    assert!(
        shown.contains("Usage: amiforge [OPTIONS] <COMMAND>") && shown.ends_with("--- exit 2\n"),
        "{shown}"
    );
}

#[test]
fn a_command_that_is_not_there_names_the_nearest() {
    let shown = CliFixture::new().run(&["biuld"]);
    assert!(shown.contains("'build'") && shown.ends_with("--- exit 2\n"), "{shown}");
}

#[test]
fn colour_is_for_terminals_or_when_asked_for() {
    let cli = CliFixture::new();
    let with = |args: &[&str]| cli.run(&[&["build", "none.toml", "-o", "out"], args].concat());
    assert!(!with(&[]).contains('\x1b'));
    assert!(with(&["--color", "always"]).contains("\x1b[1;31merror:\x1b[0m cannot use"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let cli = CliFixture::new();
    let mut child = cli.command(&["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
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
    let output = CliFixture::new().command(&["schema"]).stdout(full).output().unwrap();
    let said = shown(&output);
    assert!(said.contains("error: cannot write the result to standard output\n"), "{said}");
    assert!(said.ends_with("--- exit 1\n"), "{said}");
}

#[test]
fn files_that_would_block_are_refused_at_once() {
    let cli = CliFixture::new();
    cli.recipe();
    cli.run(&["build", "recipe.toml", "-q", "-o", "out"]);
    let fifo = |name: &str| {
        let _ = fs::remove_file(cli.path(name));
        assert!(Command::new("mkfifo").arg(cli.path(name)).status().unwrap().success());
    };
    fifo("pipe");
    let extra = |text: &str| cli.write("with.toml", &format!("{RECIPE}{text}"));
    extra("[[file]]\npath = \"/x\"\nsource = \"pipe\"\n");
    let shown = cli.run(&["build", "with.toml", "-q", "-o", "new"]);
    assert!(shown.contains("pipe") && shown.ends_with("--- exit 1\n"), "{shown}");
    extra("[[source]]\nkind = \"tar\"\npath = \"pipe\"\n");
    let shown = cli.run(&["build", "with.toml", "-q", "-o", "new"]);
    assert!(shown.contains("it is a FIFO, not a regular file") && shown.ends_with("--- exit 1\n"), "{shown}");
    for args in [
        &["build", "pipe", "-o", "new"][..],
        &["inspect", "pipe"],
        &["verify", "pipe"],
        &["preflight", "pipe"],
    ] {
        let shown = cli.run(args);
        assert!(!shown.ends_with("--- exit 0\n"), "{args:?} {shown}");
    }
    for name in ["manifest.json", "tree.txt", "SHA256SUMS", "disk.raw"] {
        let path = format!("out/{name}");
        let bytes = fs::read(cli.path(&path)).unwrap();
        fifo(&path);
        let shown = cli.run(&["verify", "out"]);
        assert!(shown.contains(&format!("`{name}` is not a regular file")), "{name} {shown}");
        fs::remove_file(cli.path(&path)).unwrap();
        fs::write(cli.path(&path), bytes).unwrap();
    }
}
