//! `amiforge leaks`, `[[allow]]` of the recipe, and the gate before an image is sent.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::fixture::{CliFixture, RECIPE, json, shown};

/// A token that was never issued.
const TOKEN: &str = "ghp_aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3bC5";

/// A bundle with a token in line 2 of `/etc/app.conf` and a history; `more` is added to the recipe.
fn built(more: &str) -> CliFixture {
    let cli = CliFixture::new();
    cli.write("recipe.toml", &format!("{RECIPE}{more}"));
    cli.write("files/etc/app.conf", &format!("# settings\ntoken {TOKEN}\n"));
    cli.write("files/root/.bash_history", "ls\n");
    let output = cli.command(&["build", "recipe.toml", "-o", "out"]).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    cli
}

/// Rules and files of the findings that are not allowed.
fn open(output: &Output) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let result = json(output);
    let findings = result["findings"].as_array().unwrap().iter();
    let open = findings.filter(|finding| finding.get("allowed").is_none());
    open.map(|finding| (text(&finding["rule"]), text(&finding["file"]))).collect()
}

fn pair(rule: &str, file: &str) -> (String, String) {
    (rule.to_owned(), file.to_owned())
}

#[test]
fn findings_are_shown_without_the_secret_and_are_exit_code_3() {
    let cli = built("");
    let output = cli.command(&["leaks", "out", "--json", "--sarif", "leaks.sarif"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    assert_eq!(
        open(&output),
        [pair("github-token", "/etc/app.conf"), pair("history", "/root/.bash_history")]
    );
    let finding = &json(&output)["findings"][0];
    assert_eq!((&finding["line"], &finding["secret"]["start"]), (&Value::from(2), &Value::from("ghp_")));
    let sarif: Value = serde_json::from_slice(&fs::read(cli.path("leaks.sarif")).unwrap()).unwrap();
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), 2);
    let text = shown(&cli.command(&["leaks", "out"]).output().unwrap());
    for shown in [&text, &sarif.to_string(), &json(&output).to_string()] {
        assert!(!shown.contains(&TOKEN[4..]), "{shown}");
    }
    assert!(text.contains("error (github-token): /etc/app.conf:2: a token of GitHub"), "{text}");
    // The image alone has the same, and a rule can be asked for alone.
    let output = cli.command(&["leaks", "out/disk.raw", "--rules", "history", "--json"]).output().unwrap();
    assert_eq!(open(&output), [pair("history", "/root/.bash_history")]);
    let output = cli.command(&["leaks", "out", "--rules", "netrc"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let output = cli.command(&["leaks", "out", "--rules", "nothing"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
}

#[test]
fn the_recipe_allows_by_rule_path_and_digest_and_another_content_asks_again() {
    let sha256 = amiforge_formats::digest::Digest::of(format!("# settings\ntoken {TOKEN}\n").as_bytes());
    let allow = |sha256: &str| {
        format!(
            "[[allow]]\nrule = \"github-token\"\npath = \"/etc/*.conf\"\nsha256 = \"{sha256}\"\nreason = \"a test\"\n\
             [[allow]]\nrule = \"history\"\npath = \"/root/.bash_history\"\nreason = \"a test\"\n"
        )
    };
    let cli = built(&allow(&sha256.to_string()));
    let output = cli.command(&["leaks", "out", "--json"]).output().unwrap();
    assert_eq!((output.status.code(), open(&output)), (Some(0), vec![]), "{}", shown(&output));
    assert_eq!(json(&output)["needless"], Value::Array(vec![]));
    let other = "ab".repeat(32);
    let output = built(&allow(&other)).command(&["leaks", "out", "--json"]).output().unwrap();
    assert_eq!((output.status.code(), open(&output)), (Some(3), vec![pair("github-token", "/etc/app.conf")]));
    let needless = json(&output)["needless"][0].as_str().unwrap().to_owned();
    assert!(needless.contains("with another content"), "{needless}");
    // A rule that does not exist is a mistake of the recipe.
    let cli = CliFixture::new();
    cli.write("files/x", "x\n");
    cli.write(
        "recipe.toml",
        &format!("{RECIPE}[[allow]]\nrule = \"nothing\"\npath = \"/x\"\nreason = \"x\"\n"),
    );
    let output = cli.command(&["build", "recipe.toml", "-o", "out"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
}

#[test]
fn keys_and_hashes_that_the_recipe_asks_for_are_no_leaks_and_others_beside_them_are() {
    let hash = "$6$saltsalt$abcdefghijklmnopqrstuvwxyz0123456789";
    let user = format!(
        "[[user]]\nname = \"admin\"\npassword-hash = '{hash}'\nauthorized-keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@host\"]\n"
    );
    let cli = CliFixture::new();
    cli.write("recipe.toml", &format!("{RECIPE}{user}"));
    cli.write("files/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    cli.write("files/etc/group", "root:x:0:\n");
    cli.write("files/etc/shadow", "root:$6$other$abcdefghijklmnopqrstuvwxyz:19000:0:99999:7:::\n");
    let output = cli.command(&["build", "recipe.toml", "-o", "out"]).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    let output = cli.command(&["leaks", "out", "--json"]).output().unwrap();
    assert_eq!(open(&output), [pair("password-hash", "/etc/shadow")], "{}", shown(&output));
    let findings = json(&output)["findings"].as_array().unwrap().clone();
    let allowed: Vec<_> = findings.iter().filter(|finding| finding.get("allowed").is_some()).collect();
    assert_eq!(allowed.len(), 2, "{findings:?}");
}

#[test]
fn export_refuses_leaks_before_the_first_byte_of_a_delta_too() {
    let cli = built("");
    let run = |args: &[&str]| cli.command(args).env("HOME", cli.path("home")).output().unwrap();
    for more in [&[][..], &["--parent", "out"]] {
        let output = run(&[&["export", "out", "-o", "x.amx"], more].concat());
        let text = shown(&output);
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains("/etc/app.conf:2") && text.contains("--allow-leaks"), "{text}");
        assert!(!text.contains(&TOKEN[4..]) && !cli.path("x.amx").exists(), "{text}");
    }
    let output = run(&["export", "out", "-o", "x.amx", "--allow-leaks", "*"]);
    assert!(output.status.success() && cli.path("x.amx").exists(), "{}", shown(&output));
}

#[cfg(all(feature = "aws", feature = "local-region"))]
#[test]
fn publish_refuses_leaks_before_the_first_byte_and_tags_what_is_allowed_by_hand() {
    let cli = built("");
    let run = |args: &[&str]| {
        let mut command = cli.command(args);
        command.env("HOME", cli.path("home")).env("AMIFORGE_LOCAL_REGION", cli.path("region"));
        command.env("AWS_EC2_METADATA_DISABLED", "true").output().unwrap()
    };
    for image in ["out", "out/disk.raw"] {
        let output = run(&[
            "publish",
            image,
            "--region",
            "local",
            "--name",
            "refused",
            "--arch",
            "x86_64",
            "--boot-mode",
            "uefi",
        ]);
        let text = shown(&output);
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains("/etc/app.conf:2") && text.contains("--allow-leaks"), "{text}");
        assert!(!text.contains(&TOKEN[4..]), "{text}");
        assert!(!cli.path("out.publish").exists(), "nothing was begun");
    }
    // The scan of the bundle is kept, and that of the raw file.
    assert_eq!(cli.names("home/.cache/amiforge/leaks").len(), 2);
    let output = run(&[
        "publish",
        "out",
        "--region",
        "local",
        "--boot-mode",
        "uefi",
        "--allow-leaks",
        "github-token:/etc/*",
    ]);
    assert_eq!(output.status.code(), Some(3), "the history is not allowed: {}", shown(&output));
    let args = [
        "publish",
        "out",
        "--region",
        "local",
        "--boot-mode",
        "uefi",
        "--allow-leaks",
        "github-token:/etc/*",
        "--allow-leaks",
        "history",
    ];
    let output = run(&args);
    assert!(output.status.success(), "{}", shown(&output));
    let ami = shown(&output).split_whitespace().find(|word| word.starts_with("ami-")).unwrap().to_owned();
    let output = run(&["leaks", &ami, "--region", "local", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    assert_eq!(open(&output).len(), 2);
    assert_eq!(cli.names("home/.cache/amiforge/leaks").len(), 2);
}
