//! Bundles against their page: a verifier in Python that was written from `docs/bundle.md` alone has to accept what builds write and
//! what version 0.1 wrote, and to agree with both programs about some 200 changes of a signed bundle.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use amiforge_tests::{oracle, program, python, scratch};
use serde_json::{Value, json};

const RECIPE: &str = "[image]\nname = \"web\"\nversion = \"1\"\narch = \"x86_64\"\nepoch = 1700000000\n[disk]\nsize = \
                      \"minimal\"\n[[partition]]\nrole = \"root\"\n[[source]]\nkind = \"dir\"\npath = \
                      \"files\"\n[[file]]\npath = \"/etc/extra\"\nsource = \"extra\"\n";

/// A Python with what the verifier needs beside its standard library.
fn reader() -> Option<PathBuf> {
    python::with(&["cryptography", "tomllib"])
}

/// What the page says of bundles, in the order of the requests.
fn judged(python: &Path, requests: &[Value]) -> Vec<Value> {
    let mut command = python::script(python, "bundle_by_the_book.py");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: Vec<String> = requests.iter().map(ToString::to_string).collect();
    let lines = lines.join("\n") + "\n";
    input.write_all(lines.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A bundle that alice signed, bob's envelopes in it, and a policy, all in a folder.
fn signed(folder: &Path) -> String {
    fs::create_dir_all(folder.join("files/etc")).unwrap();
    fs::write(folder.join("files/etc/motd"), "hello\n").unwrap();
    fs::write(folder.join("extra"), "extra\n").unwrap();
    fs::write(folder.join("recipe.toml"), RECIPE).unwrap();
    let out = program::Bundle::build(&folder.join("recipe.toml"), &folder.join("out")).folder;
    let keys = folder.join("keys");
    fs::create_dir(&keys).unwrap();
    let [alice, bob] = ["alice", "bob"].map(|name| keys.join(name).to_string_lossy().into_owned());
    for (path, kind) in [(&alice, "ed25519"), (&bob, "ecdsa")] {
        oracle::must("ssh-keygen", &["-q", "-t", kind, "-N", "", "-C", "", "-f", path]);
    }
    let out = out.to_string_lossy().into_owned();
    program::must(&["sign", &out, "--for", "bundle", "--key", &alice]);
    program::must(&["sign", &out, "--for", "attestations", "--key", &bob]);
    let signers = [&alice, &bob].map(|path| {
        let key = fs::read_to_string(format!("{path}.pub")).unwrap();
        let name = Path::new(path).file_name().unwrap().to_string_lossy().into_owned();
        format!("[[signer]]\nname = \"{name}\"\nkeys = [\"{}\"]\n\n", key.trim())
    });
    let rule = "[[rule]]\nnames = [\"we?*\"]\nsigners = [\"alice\", \"bob\"]\nthreshold = 1\n";
    fs::write(keys.join("policy.toml"), signers.concat() + rule).unwrap();
    out
}

#[test]
fn the_page_accepts_what_builds_write_and_what_version_0_1_wrote() {
    let Some(python) = reader() else { return };
    if !oracle::ready(&["ssh-keygen", "tar"], false) {
        return;
    }
    let folder = scratch::folder();
    let out = signed(folder.path());
    let policy = folder.path().join("keys/policy.toml");
    let mut requests = vec![
        json!({ "bundle": &out, "policy": null }),
        json!({ "bundle": &out, "policy": policy }),
        json!({ "bundle": &out, "origins": true }),
    ];
    let strict = folder.path().join("keys/strict.toml");
    let text = fs::read_to_string(&policy).unwrap() + "require = [\"provenance\"]\n";
    fs::write(&strict, &text).unwrap();
    requests.push(json!({ "bundle": &out, "policy": strict }));
    for name in ["ext4", "journal", "verity-erofs", "verity-ext4"] {
        let old = folder.path().join(name);
        fs::create_dir(&old).unwrap();
        let archive = scratch::repository().join(format!("fixtures/bundles/0.1/{name}.tar.xz"));
        oracle::must("tar", &["-xJf", &archive.to_string_lossy(), "-C", &old.to_string_lossy()]);
        requests.push(json!({ "bundle": old, "policy": null }));
    }
    for (request, answer) in requests.iter().zip(judged(&python, &requests)) {
        assert_eq!(answer["outcome"], "good", "{request}: {answer}");
    }
    program::must(&["verify", &out, "--signed-by", &strict.to_string_lossy()]);
    // Alice signed no envelope, so a rule of hers alone that requires one is not met.
    let alone = folder.path().join("keys/alone.toml");
    fs::write(&alone, text.replace("\"alice\", \"bob\"", "\"alice\"")).unwrap();
    let answers = judged(&python, &[json!({ "bundle": &out, "policy": alone })]);
    assert_eq!(answers[0]["outcome"], "different", "{}", answers[0]);
    let refused = program::run(&["verify", &out, "--signed-by", &alone.to_string_lossy()]);
    assert_eq!(refused.status.code(), Some(3));
}

#[test]
fn the_page_and_both_programs_agree_about_changed_bundles() {
    let Some(python) = reader() else { return };
    if !oracle::ready(&["ssh-keygen"], false) {
        return;
    }
    let verifier = program::path().with_file_name("amiforge-verify");
    assert!(verifier.is_file(), "{} is missing: run `cargo build --workspace` first", verifier.display());
    let folder = scratch::folder();
    let out = signed(folder.path());
    let keys = folder.path().join("keys");
    let words = [Path::new(&out), &keys, &program::path(), &verifier];
    let answer = python::must(&python, "bundle_mutations.py", &words);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    println!("accepted {}, refused {}", answer["accepted"], answer["refused"]);
    let different = answer["different"].as_array().unwrap();
    assert!(different.is_empty(), "{different:#?}");
    let count = |key: &str| answer[key].as_u64().unwrap();
    assert!(count("accepted") >= 5 && count("refused") >= 190, "{answer}");
}
