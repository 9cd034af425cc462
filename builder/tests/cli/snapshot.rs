//! `upload`, `download` and `verify` with a local region.
#![cfg(feature = "local-region")]

use std::fs;
use std::process::Output;

use crate::fixture::{CliFixture, json, shown};

/// Runs a command of publishing against a local region in the fixture's own folder.
fn locally(cli: &CliFixture, args: &[&str]) -> Output {
    let mut command = cli.command(args);
    command.args(["--region", "local"]).env("AMIFORGE_LOCAL_REGION", cli.path("region")).output().unwrap()
}

#[test]
fn a_bundle_goes_into_a_snapshot_and_comes_back() {
    let cli = CliFixture::new();
    cli.recipe();
    cli.run(&["build", "recipe.toml", "-o", "out"]);
    let first = json(&locally(&cli, &["upload", "out", "--json"]));
    let id = first["snapshotId"].as_str().unwrap().to_owned();
    assert!(id.starts_with("snap-") && first["blocksSent"] == first["blocksWritten"], "{first}");
    let again = json(&locally(&cli, &["upload", "out", "--json"]));
    assert_eq!((again["snapshotId"].as_str(), again["blocksSent"].as_u64()), (Some(id.as_str()), Some(0)));
    let verified = locally(&cli, &["verify", &id, "--bundle", "out"]);
    assert!(shown(&verified).starts_with(&format!("{id}: no difference from the manifest of `web` in ")));
    let back = locally(&cli, &["download", &id, "-o", "back.raw"]);
    assert_eq!(back.status.code(), Some(0), "{}", shown(&back));
    let (found, built) =
        (fs::read(cli.path("back.raw")).unwrap(), fs::read(cli.path("out/disk.raw")).unwrap());
    assert!(found.starts_with(&built));
    let nothing = shown(&locally(&cli, &["upload", "out", "--abandon"]));
    assert!(nothing.contains(&format!("no upload is under way: {id} is complete")), "{nothing}");
    assert!(nothing.ends_with("--- exit 1\n"), "{nothing}");
}

#[test]
fn a_snapshot_that_is_not_there_and_an_image_that_is_not_there() {
    let cli = CliFixture::new();
    let none = shown(&locally(&cli, &["upload", "none"]));
    assert!(none.contains("error: cannot upload `none`\n") && none.ends_with("--- exit 1\n"), "{none}");
    assert!(!cli.path("region").exists(), "nothing is started for that");
    let usage = shown(&locally(&cli, &["download", "vol-1", "-o", "x"]));
    assert!(usage.contains("neither `snap-…` nor `ami-…`") && usage.ends_with("--- exit 2\n"), "{usage}");
}
