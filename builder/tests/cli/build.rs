//! `build`: its output, its bundle, and the store.

use std::fs;

use crate::fixture::{CliFixture, RECIPE, json, shown};

#[test]
fn a_build_prints_its_bundle_and_digest_and_writes_status_to_stderr() {
    let cli = CliFixture::new();
    cli.recipe();
    let output = cli.command(&["build", "recipe.toml", "-o", "a/b/out"]).output().unwrap();
    let text = shown(&output);
    assert!(output.status.success(), "{text}");
    let sums = fs::read_to_string(cli.path("a/b/out/SHA256SUMS")).unwrap();
    let digest = sums.lines().find_map(|line| line.strip_suffix("  disk.raw")).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("a/b/out {digest}\n"));
    assert_eq!(cli.names("a/b"), ["out"], "without a cache folder the store is temporary");
    let files = [
        "SHA256SUMS",
        "disk.raw",
        "manifest.json",
        "origins.txt",
        "provenance.json",
        "tree.txt",
        "verify.sh",
    ];
    assert_eq!(cli.names("a/b/out"), files);
    let listing = fs::read_to_string(cli.path("a/b/out/tree.txt")).unwrap();
    assert!(listing.starts_with("# root ext4 /\n/ dir 0755 0:0 "), "{listing}");
    assert!(listing.contains("\n/hello file 0644 0:0 1700000000.000000000 6\n"), "{listing}");
    let quiet = cli.command(&["-q", "build", "recipe.toml", "-o", "quiet"]).output().unwrap();
    assert_eq!((quiet.status.code(), quiet.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn json_has_the_digests_partitions_and_paths() {
    let cli = CliFixture::new();
    cli.recipe();
    let output =
        cli.command(&["build", "recipe.toml", "-o", "out", "--json", "--threads", "1"]).output().unwrap();
    let report = json(&output);
    assert_eq!((&report["bundle"], &report["image"]), (&"out".into(), &"out/disk.raw".into()));
    assert_eq!((&report["size"], &report["epoch"]), (&(64 << 20).into(), &1_700_000_000.into()));
    assert_eq!(report["partitions"][0]["file_system"], "ext4");
    let image = fs::read(cli.path("out/disk.raw")).unwrap();
    assert_eq!(report["sha256"], amiforge_formats::digest::Digest::of(&image).to_string());
    let new = json(&cli.command(&["new", "web", "--json"]).output().unwrap());
    assert_eq!(new["recipe"], "web/recipe.toml");
}

#[test]
fn force_replaces_a_bundle_and_nothing_else() {
    let cli = CliFixture::new();
    cli.recipe();
    let build = |more: &[&str]| cli.run(&[&["build", "recipe.toml", "-q", "-o", "out"], more].concat());
    assert!(build(&[]).ends_with("--- exit 0\n"));
    let before = fs::read(cli.path("out/manifest.json")).unwrap();
    cli.write("files/hello", "changed\n");
    let expected = "--- stderr\n\
        error: cannot build `web`\n  \
          caused by: `out` exists already\n\
        hint: `--force` replaces the bundle `out` once the new one is whole\n\
        --- exit 1\n";
    assert_eq!(build(&[]), expected);
    assert_eq!(fs::read(cli.path("out/manifest.json")).unwrap(), before);
    assert!(build(&["--force"]).ends_with("--- exit 0\n"));
    assert_ne!(fs::read(cli.path("out/manifest.json")).unwrap(), before);
    cli.write("out/notes.txt", "mine");
    let shown = build(&["--force"]);
    assert!(
        shown.contains("caused by: `out` holds `notes.txt`") && shown.ends_with("--- exit 1\n"),
        "{shown}"
    );
    assert_eq!(cli.names("."), ["files", "out", "recipe.toml"]);
}

#[test]
fn source_date_epoch_overrides_the_recipe_and_must_be_a_number() {
    let cli = CliFixture::new();
    cli.recipe();
    let build = |epoch: &str, out: &str| {
        cli.command(&["build", "recipe.toml", "--json", "-o", out])
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
        (&"usage".into(), &"cannot determine the time of the build".into())
    );
    let expected = "--- stderr\n\
        error: cannot determine the time of the build\n  \
          caused by: SOURCE_DATE_EPOCH is `today`, not a number of seconds between 0 and 15032385535\n\
        --- exit 2\n";
    assert!(shown(&failed).ends_with(expected), "{}", shown(&failed));
}

#[test]
fn the_store_is_in_the_cache_folder_where_that_can_be_written() {
    let cli = CliFixture::new();
    cli.recipe();
    cli.write("blocked", "");
    for (variable, folder) in [("XDG_CACHE_HOME", "cache"), ("HOME", "home/.cache")] {
        let output = cli
            .command(&["build", "recipe.toml", "-q", "--force", "-o", "out"])
            .env(variable, cli.path(folder.split('/').next().unwrap()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        assert!(cli.path(folder).join("amiforge").is_dir());
    }
    let blocked = cli
        .command(&["build", "recipe.toml", "-q", "--force", "-o", "out"])
        .env("HOME", cli.path("blocked"))
        .output();
    assert_eq!(blocked.unwrap().status.code(), Some(0));
}

#[test]
fn a_bundle_behind_a_link_is_replaced_and_the_link_stays() {
    let cli = CliFixture::new();
    cli.recipe();
    cli.run(&["build", "recipe.toml", "-q", "-o", "web-1"]);
    std::os::unix::fs::symlink("web-1", cli.path("current")).unwrap();
    let before = fs::read(cli.path("web-1/disk.raw")).unwrap();
    let shown = cli.run(&["build", "recipe.toml", "-q", "-o", "current"]);
    assert!(shown.contains("`current` exists already") && shown.ends_with("--- exit 1\n"), "{shown}");
    assert_eq!(fs::read(cli.path("web-1/disk.raw")).unwrap(), before);
    cli.write("files/hello", "another\n");
    let shown = cli.run(&["build", "recipe.toml", "-q", "--force", "-o", "current"]);
    assert!(shown.ends_with("--- exit 0\n"), "{shown}");
    assert_ne!(fs::read(cli.path("web-1/disk.raw")).unwrap(), before);
    assert!(cli.path("current").is_symlink());
    assert!(cli.run(&["verify", "current"]).ends_with("--- exit 0\n"));
    // A link where builds make their folder: neither followed nor waited for.
    std::os::unix::fs::symlink("web-1", cli.path(".new.partial")).unwrap();
    let shown = cli.run(&["build", "recipe.toml", "-q", "-o", "new"]);
    assert!(shown.contains("`./.new.partial` is in the way") && shown.ends_with("--- exit 1\n"), "{shown}");
    assert_eq!(cli.names("web-1").len(), 7);
}

#[test]
fn settings_without_effect_are_warnings_and_part_of_the_json() {
    let cli = CliFixture::new();
    cli.recipe();
    let recipe = RECIPE.replace("path = \"files\"", "path = \"files\"\nexclude = [\"**/*.pyc\"]");
    let user = "[[user]]\nname = \"me\"\nshell = \"/bin/zsh\"\n[system]\nlocale = \"de_DE.UTF-8\"\n";
    cli.write("recipe.toml", &format!("{recipe}{user}"));
    cli.write("files/lib64/ld-linux-x86-64.so.2", "x");
    let output = cli.command(&["build", "recipe.toml", "-q", "--json", "-o", "out"]).output().unwrap();
    let warnings = json(&output)["warnings"].clone();
    let warnings: Vec<_> = warnings.as_array().unwrap().iter().filter_map(|one| one.as_str()).collect();
    for (warning, start) in warnings.iter().zip([
        "source 1 (files): `**/*.pyc` in `exclude` matches nothing",
        "the locale `de_DE.UTF-8` is not generated",
        "the login shell `/bin/zsh` of `me` is not in the image",
    ]) {
        assert!(warning.starts_with(start), "{warnings:?}");
    }
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr).matches("warning:").count(), 3);
}
