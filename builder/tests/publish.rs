//! `register` and `publish` on the command line: options that are refused before any call, and dry runs.
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

/// A bundle in an empty folder, without credentials or a default region.
struct CliFixture(TempDir);

impl CliFixture {
    fn new() -> Self {
        let cli = Self(tempfile::tempdir().unwrap());
        fs::create_dir(cli.0.path().join("files")).unwrap();
        fs::write(cli.0.path().join("files/hello"), "hello\n").unwrap();
        fs::write(cli.0.path().join("recipe.toml"), RECIPE).unwrap();
        assert!(cli.output(&["build", "recipe.toml", "-o", "out"]).status.success());
        cli
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
fn mistakes_are_reported_together_before_anything_is_called() {
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
            `--boot-mode`: `legacy-bios` is requested, and the partitions allow `uefi` only; leave the option out, or \
            build the image with the partition that is missing (ESP for UEFI, BIOS boot for BIOS)\n    \
            `--copy-to`: `eu-west-1` is the region that is published to; name other regions only\n\
        --- exit 2\n";
    assert_eq!(CliFixture::new().run(&args), expected);
}

#[test]
fn one_mistake_reads_as_one_line() {
    let cli = CliFixture::new();
    let expected = |verb: &str, mistake: &str| {
        format!("--- stderr\nerror: cannot {verb}\n  caused by: {mistake}\n--- exit 2\n")
    };
    assert_eq!(
        cli.run(&["publish", "out", "--region", "eu-west-1", "--root-volume", "iops=4001,size=8"]),
        expected(
            "publish `out`",
            "`--root-volume`: `gp3` of 8 GiB has at most 4000 iops (500 for each GiB), and 4001 are requested; give \
             `size=9GiB` or more, or fewer iops"
        )
    );
    assert_eq!(
        cli.run(&["register", "snap-1", "--region", "eu-west-1", "--name", "web", "--boot-mode", "uefi"]),
        expected(
            "register `snap-1`",
            "`--arch`: nothing says which architecture the image is for; give `--arch x86_64` or `--arch arm64`"
        )
    );
    assert_eq!(
        cli.run(&[
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
fn nothing_becomes_public_without_a_confirmation() {
    let cli = CliFixture::new();
    let home = cli.0.path().join("region");
    let shown = Command::new(env!("CARGO_BIN_EXE_amiforge"))
        .args(["publish", "out", "--region", "local", "--public"])
        .current_dir(cli.0.path())
        .env_clear()
        .env("AMIFORGE_LOCAL_REGION", home)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&shown.stderr).into_owned();
    let expected = "error: `--public` needs a confirmation, and there is no terminal\nhint: add `--yes`\n";
    assert_eq!((stderr.as_str(), shown.status.code()), (expected, Some(2)));
}

#[test]
fn a_dry_run_needs_no_network_and_a_named_region() {
    let cli = CliFixture::new();
    let expected = "--- stderr\n\
        error: a dry run makes no calls, so the region must be named\n\
        hint: add `--region eu-west-1`, or set AWS_REGION\n\
        --- exit 2\n";
    assert_eq!(cli.run(&["publish", "out", "--dry-run"]), expected);
    let output =
        cli.output(&["publish", "out", "--dry-run", "--json", "--region", "eu-west-1", "--deprecate", "90d"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&plan["name"], &plan["region"]), (&"web-1".into(), &"eu-west-1".into()));
    let manifest = fs::read(cli.0.path().join("out/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(plan["blocks"], manifest["ebs"]["without_zero"]["blocks"]);
    let policy = plan["policy"].to_string();
    assert!(policy.contains("ec2:EnableImageDeprecation") && !policy.contains("ec2:CopyImage"), "{policy}");
    assert!(!plan["unknown"].as_array().unwrap().is_empty());
    let text = cli.run(&["publish", "out", "--dry-run", "--region", "eu-west-1"]);
    for part in [
        "`web-1` in eu-west-1\n",
        "\ncalls:\n",
        "\nestimate of the cost (",
        "\nIAM policy:\n{",
        "--- exit 0\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!cli.0.path().join("out.publish").exists(), "a dry run leaves nothing");
}

#[test]
fn failures_are_json_with_the_json_option() {
    let cli = CliFixture::new();
    for (args, code, message) in [
        (
            &["publish", "out", "--region", "eu-west-1", "--tag", "x", "--json"][..],
            "usage",
            "cannot publish `out`",
        ),
        (&["publish", "nothing", "--region", "eu-west-1", "--json"], "failed", "cannot publish `nothing`"),
        (&["inspect", "nothing", "--json"], "usage", "cannot "),
        (&["build", "nothing.toml", "-o", "x", "--json"], "", "cannot "),
        (&["publish", "--no-such-option", "--json"], "usage", "unexpected argument"),
    ] {
        let output = cli.output(args);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{args:?}");
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{args:?}: {error}: {}", String::from_utf8_lossy(&output.stdout)));
        let error = &shown["error"];
        let message_shown = error["message"].as_str().unwrap();
        assert!(message_shown.starts_with(message), "{args:?}: {message_shown}");
        assert!(error["code"].as_str().unwrap().starts_with(code), "{args:?}: {shown}");
        assert!(error["causes"].is_array(), "{shown}");
        assert!(!output.stderr.is_empty(), "the failure is also on standard error");
    }
}

/// Starts a publish to a service that accepts connections and never answers.
fn hanging(cli: &CliFixture) -> (std::net::TcpListener, std::process::Child) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let child = Command::new(env!("CARGO_BIN_EXE_amiforge"))
        .args(["publish", "out", "--region", "eu-west-1", "--endpoint-url", &endpoint])
        .current_dir(cli.0.path())
        .env_clear()
        .envs([
            ("AWS_ACCESS_KEY_ID", "A"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    listener.accept().unwrap();
    (listener, child)
}

fn interrupt(child: &std::process::Child) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

#[test]
fn the_first_interrupt_ends_a_request_that_hangs_and_the_second_one_at_once() {
    let cli = CliFixture::new();
    let (_listener, child) = hanging(&cli);
    let begun = std::time::Instant::now();
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    // Two seconds, and a margin for a busy machine.
    assert!(begun.elapsed() < std::time::Duration::from_secs(4), "{:?}", begun.elapsed());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("caused by: interrupted\nhint: nothing was made; "), "{stderr}");
    let (_listener, mut child) = hanging(&cli);
    let begun = std::time::Instant::now();
    let status = loop {
        interrupt(&child);
        std::thread::sleep(std::time::Duration::from_millis(50));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
    };
    // By the signal, unless the first one was quicker.
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert!(signal == Some(2) || status.code() == Some(1), "{status}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn uploads_and_publishes_are_checked_by_the_same_rules_before_anything_is_called() {
    let cli = CliFixture::new();
    let alias = "arn:aws:kms:us-east-1:123456789012:alias/web";
    let elsewhere = "arn:aws:kms:us-east-1:123456789012:key/1";
    for (options, said) in [
        (&["--kms-key", alias][..], "is of `us-east-1`, and `eu-west-1` cannot use it"),
        (&["--kms-key", "alias/a b"], "`--kms-key`: `alias/a b` is not an alias of a key"),
        (&["--kms-key", elsewhere], "is of `us-east-1`, and `eu-west-1` cannot use it"),
        (&["--description", "Büro"], "`--description`: `ü` is not ASCII"),
        (&["--description", ""], "`--description`: it is empty"),
        (&["--tag", "x"], "`--tag`: `x` has no `=`"),
        (&["--tag", "aws:x=1"], "`--tag`: `aws:x` begins with `aws:`"),
        (&["--tag", "x=1", "--tag", "x=2"], "`--tag`: `x` is given twice"),
    ] {
        for command in ["upload", "publish"] {
            // Nothing listens there, and there are no credentials.
            let region = ["--region", "eu-west-1", "--endpoint-url", "http://127.0.0.1:9"];
            let shown = cli.run(&[&[command, "out"], options, &region].concat());
            assert!(shown.contains(&format!("error: cannot {command} `out`\n")), "{shown}");
            assert!(shown.contains(said) && shown.ends_with("--- exit 2\n"), "{command}: {shown}");
        }
    }
}

#[test]
fn a_call_that_fails_has_the_same_hint_in_every_command() {
    let cli = CliFixture::new();
    let id = "snap-0123456789abcdef0";
    let ami = "ami-0123456789abcdef0";
    for args in [
        &["upload", "out"][..],
        &["publish", "out"],
        &["register", id, "--bundle", "out"],
        &["download", id, "-o", "x"],
        &["verify", id, "--bundle", "out"],
        &["verify", ami, "--bundle", "out"],
        &["boot", ami],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_amiforge"))
            .args(args)
            .args(["--json", "--region", "eu-west-1", "--endpoint-url", "http://127.0.0.1:9"])
            .current_dir(cli.0.path())
            .env_clear()
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {shown}");
        assert_eq!(shown["error"]["code"], "NoCredentials", "{args:?}: {shown}");
        let hint = shown["error"]["hint"].as_str().unwrap_or_default();
        assert!(hint.starts_with("set AWS_ACCESS_KEY_ID"), "{args:?}: {shown}");
    }
}
