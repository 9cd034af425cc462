//! `register` and `publish` as a user meets them: what is refused before any call, and what a dry run says.
#![cfg(feature = "aws")]
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

use std::fs;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const RECIPE: &str = r#"[image]
name = "web"
version = "1"
arch = "x86_64"
epoch = 1700000000
[disk]
size = "64 MiB"
[[partition]]
role = "esp"
size = "34 MiB"
[[partition]]
role = "root"
[[source]]
kind = "dir"
path = "files"
"#;

/// A bundle in an empty folder, no credentials, and no region but the one that is named.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::create_dir(desk.0.path().join("files")).unwrap();
        fs::write(desk.0.path().join("files/hello"), "hello\n").unwrap();
        fs::write(desk.0.path().join("recipe.toml"), RECIPE).unwrap();
        assert!(desk.output(&["build", "recipe.toml", "-o", "out"]).status.success());
        desk
    }

    fn output(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_amiforge"))
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn run(&self, args: &[&str]) -> String {
        let output = self.output(args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap();
        format!("{}--- stderr\n{}--- exit {code}\n", text(&output.stdout), text(&output.stderr))
    }
}

#[test]
fn mistakes_are_told_together_before_anything_is_called() {
    let args = [
        "publish",
        "out",
        "--region",
        "eu-west-1",
        "--copy-to",
        "eu-west-1",
        "--boot-mode",
        "legacy-bios",
        "--tpm",
    ];
    let expected = "--- stderr\n\
        error: cannot publish `out`\n  \
          caused by: 2 mistakes\n    \
            `--boot-mode`: `legacy-bios` is asked for, and the partitions allow `uefi` only; leave the option out, or \
            build the image with the partition that is missing (ESP for UEFI, BIOS boot for BIOS)\n    \
            `--copy-to`: `eu-west-1` is the region that is published to; name other regions only\n\
        --- exit 2\n";
    assert_eq!(Desk::new().run(&args), expected);
}

#[test]
fn one_mistake_reads_as_one_line() {
    let desk = Desk::new();
    let expected = |verb: &str, mistake: &str| {
        format!("--- stderr\nerror: cannot {verb}\n  caused by: {mistake}\n--- exit 2\n")
    };
    assert_eq!(
        desk.run(&["publish", "out", "--region", "eu-west-1", "--root-volume", "iops=4001,size=8"]),
        expected(
            "publish `out`",
            "`--root-volume`: `gp3` of 8 GiB has at most 4000 iops (500 for each GiB), and 4001 are asked for; give \
             `size=9GiB` or more, or fewer iops"
        )
    );
    assert_eq!(
        desk.run(&["register", "snap-1", "--region", "eu-west-1", "--name", "web", "--boot-mode", "uefi"]),
        expected(
            "register `snap-1`",
            "`--arch`: nothing says which architecture the image is for; give `--arch x86_64` or `--arch arm64`"
        )
    );
    assert_eq!(
        desk.run(&[
            "register",
            "snap-1",
            "--bundle",
            "out",
            "--region",
            "local",
            "--volume",
            "/dev/sdb=bundle:out"
        ]),
        expected(
            "register `snap-1`",
            "`--volume`: `register` uploads nothing, and a volume is of a bundle; upload it and name its snapshot \
             (`snapshot:snap-…`), or use `publish`"
        )
    );
}

#[test]
fn nothing_becomes_public_without_a_yes() {
    let desk = Desk::new();
    let home = desk.0.path().join("region");
    let shown = Command::new(env!("CARGO_BIN_EXE_amiforge"))
        .args(["publish", "out", "--region", "local", "--public"])
        .current_dir(desk.0.path())
        .env_clear()
        .env("AMIFORGE_LOCAL_REGION", home)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&shown.stderr).into_owned();
    let expected = "error: `--public` asks before it acts, and there is no terminal\nhint: add `--yes`\n";
    assert_eq!((told.as_str(), shown.status.code()), (expected, Some(2)));
}

#[test]
fn a_dry_run_needs_no_network_and_has_to_be_told_the_region() {
    let desk = Desk::new();
    let expected = "--- stderr\n\
        error: a dry run calls nothing, so it has to be told the region\n\
        hint: add `--region eu-west-1`, or set AWS_REGION\n\
        --- exit 2\n";
    assert_eq!(desk.run(&["publish", "out", "--dry-run"]), expected);
    let output = desk.output(&[
        "publish",
        "out",
        "--dry-run",
        "--json",
        "--region",
        "eu-west-1",
        "--deprecate",
        "90d",
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&plan["name"], &plan["region"]), (&"web-1".into(), &"eu-west-1".into()));
    let manifest = fs::read(desk.0.path().join("out/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(plan["blocks"], manifest["ebs"]["without_zero"]["blocks"]);
    let policy = plan["policy"].to_string();
    assert!(policy.contains("ec2:EnableImageDeprecation") && !policy.contains("ec2:CopyImage"), "{policy}");
    assert!(!plan["unknown"].as_array().unwrap().is_empty());
    let text = desk.run(&["publish", "out", "--dry-run", "--region", "eu-west-1"]);
    for part in [
        "`web-1` in eu-west-1\n",
        "\ncalls:\n",
        "\nestimate of the cost (",
        "\nIAM policy:\n{",
        "--- exit 0\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!desk.0.path().join("out.publish").exists(), "a dry run leaves nothing");
}
