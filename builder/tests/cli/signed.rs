//! Signed bundles as a user meets them: keys of every location, policies demanded in every way, and refusals.

mod attestations;
mod inputs;
mod keys;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::fixture::{CliFixture, json, shown};

/// Whether programs are installed; fails where oracles are required.
#[expect(clippy::print_stderr, reason = "it says what it skips")]
fn ready(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let missing: Vec<_> = programs.iter().filter(|name| !installed(name)).collect();
    let required = std::env::var_os("REQUIRE_ORACLES").is_some_and(|value| value == "1");
    assert!(missing.is_empty() || !required, "an oracle is missing: {missing:?}");
    if !missing.is_empty() {
        eprintln!("SKIP not installed: {missing:?}");
    }
    missing.is_empty()
}

/// Runs a program in the fixture's folder, which has to succeed.
fn must(cli: &CliFixture, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(cli.path(".")).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", shown(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A bundle in `out`, keys `alice`, `bob` and `carol` of ssh-keygen, and policies `one.toml` and `two.toml` that need so many
/// of alice and bob for images with the name `web`.
fn fixture() -> Option<CliFixture> {
    if !ready(&["ssh-keygen"]) {
        return None;
    }
    let cli = CliFixture::new();
    cli.recipe();
    cli.run(&["build", "recipe.toml", "-q", "-o", "out"]);
    for (name, kind) in [("alice", "ed25519"), ("bob", "ecdsa"), ("carol", "ed25519")] {
        must(&cli, "ssh-keygen", &["-q", "-t", kind, "-N", "", "-C", name, "-f", name]);
    }
    let signer = |name: &str| {
        let line = fs::read_to_string(cli.path(&format!("{name}.pub"))).unwrap();
        format!("[[signer]]\nname = \"{name}\"\nkeys = [\"{}\"]\n", line.trim())
    };
    let signers = signer("alice") + &signer("bob");
    for (file, threshold) in [("one.toml", 1), ("two.toml", 2)] {
        let rule =
            format!("[[rule]]\nnames = [\"web\"]\nsigners = [\"alice\", \"bob\"]\nthreshold = {threshold}\n");
        cli.write(file, &(signers.clone() + &rule));
    }
    Some(cli)
}

fn expect(cli: &CliFixture, arguments: &[&str], code: i32, words: &[&str]) -> Output {
    let output = cli.command(arguments).output().unwrap();
    check(arguments, &output, code, words);
    output
}

fn check(arguments: &[&str], output: &Output, code: i32, words: &[&str]) {
    let text = shown(output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?}: `{word}` is missing: {text}");
    }
}

#[test]
fn a_policy_is_demanded_by_verify_publish_and_boot() {
    let Some(cli) = fixture() else { return };
    let verify = ["verify", "out", "--signed-by", "two.toml"];
    let missing =
        ["nobody whom the policy asks has signed: 2 more signatures are needed, of alice, bob", "hint: "];
    for command in ["verify", "publish", "boot"] {
        expect(&cli, &[command, "out", "--signed-by", "two.toml"], 3, &missing);
    }
    let refused = cli.command(&["--json", "verify", "out", "--signed-by", "two.toml"]).output().unwrap();
    assert_eq!(json(&refused)["error"]["code"], "refused");
    expect(
        &cli,
        &["sign", "out", "--key", "carol"],
        0,
        &["signing the bundle", "signed with ssh-ed25519 SHA256:"],
    );
    expect(&cli, &verify, 3, &["2 more signatures"]);
    expect(&cli, &["sign", "out", "--key", "alice", "--for", "bundle"], 0, &[]);
    expect(&cli, &verify, 3, &["1 of 2 signers have signed (alice): 1 more signature is needed, of bob"]);
    expect(&cli, &["verify", "out", "--signed-by", "one.toml"], 0, &["signed by alice (1 needed)"]);
    expect(&cli, &["sign", "out", "--key", "bob"], 0, &["ecdsa-sha2-nistp256"]);
    expect(&cli, &["sign", "out", "--key", "bob"], 0, &[]);
    assert_eq!(cli.names("out/signatures").len(), 3);
    expect(&cli, &verify, 0, &["signed by alice, bob (2 needed)", "no difference"]);
    expect(
        &cli,
        &[
            "publish",
            "out",
            "--signed-by",
            "two.toml",
            "--dry-run",
            "--region",
            "eu-west-1",
            "--boot-mode",
            "uefi",
        ],
        0,
        &[],
    );
    let report =
        json(&cli.command(&["--json", "verify", "out", "--signed-by", "two.toml"]).output().unwrap());
    assert_eq!(report["signed_by"]["signed"], serde_json::json!(["alice", "bob"]));
    assert_eq!(report["signed_by"]["unknown"].as_array().unwrap().len(), 1);
    // Without a policy the keys are listed, and nobody is trusted.
    expect(&cli, &["verify", "out"], 0, &["no policy says whose key that is"]);
    // What differs is refused before anything else.
    fs::write(cli.path("out/tree.txt"), "x").unwrap();
    for command in ["verify", "publish", "boot"] {
        expect(&cli, &[command, "out", "--signed-by", "two.toml"], 3, &["`tree.txt` has SHA-256"]);
    }
    // What is no bundle has no signatures.
    expect(&cli, &["publish", "out/disk.raw", "--signed-by", "one.toml"], 3, &["is no bundle"]);
    expect(&cli, &["boot", "ami-0123456789abcdef0", "--signed-by", "one.toml"], 3, &["is no bundle"]);
    expect(&cli, &["verify", "ami-0123456789abcdef0", "--signed-by", "one.toml"], 3, &["is no bundle"]);
}

#[test]
fn a_boot_compares_the_image_with_what_was_signed() {
    let Some(cli) = fixture() else { return };
    expect(&cli, &["sign", "out", "--key", "alice"], 0, &[]);
    let mut disk = fs::read(cli.path("out/disk.raw")).unwrap();
    disk[1 << 20] ^= 1;
    fs::write(cli.path("out/disk.raw"), disk).unwrap();
    expect(&cli, &["boot", "out", "--signed-by", "one.toml"], 3, &["`disk.raw` has SHA-256"]);
    // Nobody signs digests of something else, either.
    expect(&cli, &["sign", "out", "--key", "bob"], 1, &["`disk.raw` has SHA-256", "hint: "]);
    assert_eq!(cli.names("out/signatures").len(), 1);
}

#[test]
fn the_settings_demand_a_policy_once_for_all() {
    let Some(cli) = fixture() else { return };
    let run = |arguments: &[&str], code, words: &[&str]| {
        let output = cli.command(arguments).env("XDG_CONFIG_HOME", cli.path("config")).output().unwrap();
        check(arguments, &output, code, words);
    };
    let settings = |text: &str| cli.write("config/amiforge/config.toml", text);
    run(&["verify", "out"], 0, &[]);
    settings("signed-by = \"../../two.toml\"\n");
    for command in ["verify", "publish", "boot", "upload"] {
        run(&[command, "out"], 3, &["2 more signatures are needed, of alice, bob"]);
    }
    expect(&cli, &["sign", "out", "--key", "alice"], 0, &[]);
    run(&["verify", "out"], 3, &["1 more signature is needed, of bob"]);
    run(&["verify", "out", "--signed-by", "one.toml"], 0, &["signed by alice"]);
    // Settings that cannot be used are never passed over.
    settings("signed_by = \"../../one.toml\"\n");
    run(&["verify", "out"], 2, &["cannot use the settings", "unknown field"]);
    settings("signed-by = \"nowhere.toml\"\n");
    run(&["verify", "out"], 1, &["cannot use the policy", "nowhere.toml"]);
    settings("signed-by = \n");
    run(&["publish", "out"], 2, &["cannot use the settings"]);
    fs::remove_file(cli.path("config/amiforge/config.toml")).unwrap();
    fs::create_dir(cli.path("config/amiforge/config.toml")).unwrap();
    run(&["boot", "out"], 1, &["cannot use the settings", "a directory"]);
    let home = cli.command(&["verify", "out"]).env("HOME", cli.path("home")).output().unwrap();
    check(&["verify"], &home, 0, &[]);
    cli.write("home/.config/amiforge/config.toml", "signed-by = \"/nowhere\"\n");
    let home = cli.command(&["verify", "out"]).env("HOME", cli.path("home")).output().unwrap();
    check(&["verify"], &home, 1, &["/nowhere"]);
}

#[test]
fn a_policy_with_a_mistake_names_its_line() {
    let Some(cli) = fixture() else { return };
    let text = fs::read_to_string(cli.path("one.toml")).unwrap().replace("threshold = 1", "threshold = 3");
    cli.write("wrong.toml", &text);
    let words = ["line 10 of the policy", "the threshold is 3, and the rule has 2 signers"];
    expect(&cli, &["verify", "out", "--signed-by", "wrong.toml"], 2, &words);
    expect(&cli, &["policy", "allowed-signers", "wrong.toml"], 2, &words);
}

#[test]
fn signatures_that_were_made_elsewhere_are_attached_once_they_are_checked() {
    let Some(cli) = fixture() else { return };
    let sign = |key: &str, namespace: &str, file: &str| {
        fs::copy(cli.path(file), cli.path("copy")).unwrap();
        let _ = fs::remove_file(cli.path("copy.sig"));
        must(&cli, "ssh-keygen", &["-Y", "sign", "-n", namespace, "-f", key, "copy"]);
    };
    let attach = ["attach", "out", "--signature", "bundle=copy.sig"];
    sign("alice", "amiforge-bundle", "out/manifest.json");
    expect(
        &cli,
        &attach,
        1,
        &["no signature of the message by this key", "hint: sign `out/SHA256SUMS` as it is now"],
    );
    sign("alice", "file", "out/SHA256SUMS");
    expect(&cli, &attach, 1, &["it was made for `file`, not for `amiforge-bundle`"]);
    fs::write(cli.path("copy.sig"), "x").unwrap();
    expect(&cli, &attach, 1, &["BEGIN SSH SIGNATURE"]);
    assert!(!cli.path("out/signatures").exists());
    sign("alice", "amiforge-bundle", "out/SHA256SUMS");
    let stored = json(&cli.command(&[&["--json"], &attach[..]].concat()).output().unwrap());
    assert!(stored["signatures"][0]["file"].as_str().unwrap().starts_with("signatures/"));
    expect(&cli, &["verify", "out", "--signed-by", "one.toml"], 0, &["signed by alice"]);
    let mixed = [&attach[..], &["--signature", "uki=x"]].concat();
    expect(&cli, &mixed, 2, &["they come first"]);
    expect(&cli, &[&attach[..], &["--out", "other"]].concat(), 2, &["Secure Boot alone"]);
}

#[test]
fn the_script_in_the_bundle_and_the_policy_agree() {
    let Some(cli) = fixture() else { return };
    expect(&cli, &["sign", "out", "--key", "alice"], 0, &[]);
    let allowed = must(
        &cli,
        env!("CARGO_BIN_EXE_amiforge"),
        &["policy", "allowed-signers", "two.toml", "--name", "web"],
    );
    cli.write("allowed", &allowed);
    let script = |shell: &[&str]| {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).args(["out/verify.sh", "allowed"]).current_dir(cli.path("."));
        command.output().unwrap().status.code()
    };
    assert_eq!(script(&["sh"]), Some(3));
    expect(&cli, &["sign", "out", "--key", "bob"], 0, &[]);
    assert_eq!(script(&["sh"]), Some(0));
    expect(
        &cli,
        &["policy", "allowed-signers", "two.toml", "--name", "db"],
        2,
        &["no rule of it is for images"],
    );
}

#[test]
fn a_killed_sign_leaves_no_half_signature() {
    let Some(cli) = fixture() else { return };
    let whole = |name: &Path| fs::read_to_string(name).unwrap().ends_with("-----END SSH SIGNATURE-----\n");
    for delay in (0..24).map(|step| step * 4) {
        let mut child = cli.command(&["-q", "sign", "out", "--key", "alice"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        let _ = child.kill();
        child.wait().unwrap();
        let names =
            if cli.path("out/signatures").exists() { cli.names("out/signatures") } else { Vec::new() };
        assert!(names.iter().all(|name| whole(&cli.path(&format!("out/signatures/{name}")))), "{names:?}");
        expect(&cli, &["verify", "out"], 0, &["no difference"]);
    }
    expect(&cli, &["sign", "out", "--key", "alice"], 0, &[]);
    expect(&cli, &["verify", "out", "--signed-by", "one.toml"], 0, &[]);
    let left: Vec<_> = cli.names(".").into_iter().filter(|name| name.ends_with(".partial")).collect();
    assert_eq!(left, [""; 0]);
}
