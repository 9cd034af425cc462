//! Bundles that keys of KMS sign: of the local region, and of moto's; ssh-keygen judges the signatures.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use amiforge_emulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use amiforge_tests::moto::Moto;
use amiforge_tests::region::Region;
use amiforge_tests::{oracle, program, python, scratch};

const RECIPE: &str = "[image]\nname = \"web\"\narch = \"x86_64\"\nepoch = 1700000000\n[disk]\nsize = \"64 MiB\"\n\
                      [[partition]]\nrole = \"root\"\n[[source]]\nkind = \"dir\"\npath = \"files\"\n";

/// A bundle in a folder.
fn bundle(folder: &Path) -> String {
    fs::create_dir(folder.join("files")).unwrap();
    fs::write(folder.join("files/hello"), "hello\n").unwrap();
    fs::write(folder.join("recipe.toml"), RECIPE).unwrap();
    let out = folder.join("out");
    program::Bundle::build(&folder.join("recipe.toml"), &out);
    out.to_string_lossy().into_owned()
}

/// Makes keys, signs a bundle with each, and has the signatures judged by `verify`, `verify.sh` and a policy.
fn sign_with(python: &Path, endpoint: &str, region: &str, keys: [&str; 2], specs: &[&str]) {
    let folder = scratch::folder();
    let out = bundle(folder.path());
    let mut command = Command::new(python);
    command.arg(scratch::repository().join("tests/oracles/signing_keys.py"));
    let made = command.args([endpoint, region]).args(keys).args(specs).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let lines = String::from_utf8(made.stdout).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), specs.len());
    let mut policy = String::new();
    for (spec, line) in specs.iter().zip(&lines) {
        let signed = Command::new(program::path())
            .args(["sign", &out, "--key", &format!("awskms:alias/{spec}")])
            .args(["--region", region, "--endpoint-url", endpoint])
            .env("AWS_ACCESS_KEY_ID", keys[0])
            .env("AWS_SECRET_ACCESS_KEY", keys[1])
            .output()
            .unwrap();
        assert!(signed.status.success(), "{spec}: {}", String::from_utf8_lossy(&signed.stderr));
        write!(policy, "[[signer]]\nname = \"{spec}\"\nkeys = [\"{line}\"]\n").unwrap();
    }
    let count = specs.len();
    write!(policy, "[[rule]]\nnames = [\"web\"]\nsigners = {specs:?}\nthreshold = {count}\n").unwrap();
    let (file, allowed) = (folder.path().join("policy.toml"), folder.path().join("allowed"));
    fs::write(&file, policy).unwrap();
    let file = file.to_string_lossy().into_owned();
    program::must(&["verify", &out, "--signed-by", &file]);
    if oracle::ready(&["ssh-keygen"], false) {
        let text = program::must(&["policy", "allowed-signers", &file, "--name", "web"]);
        fs::write(&allowed, text).unwrap();
        oracle::must("sh", &[&format!("{out}/verify.sh"), &allowed.to_string_lossy().into_owned()]);
    }
}

#[test]
fn keys_of_the_local_region_sign_a_bundle() {
    let Some(python) = python::with(&["boto3", "cryptography"]) else { return };
    let folder = scratch::folder();
    let region = Region::start(folder.path());
    let keys = [ACCESS_KEY_ID, SECRET_ACCESS_KEY];
    sign_with(&python, &region.running.endpoint(), "local", keys, &["ECC_NIST_P256", "ECC_NIST_P384"]);
}

#[test]
fn keys_of_moto_sign_a_bundle() {
    let Some(python) = python::with(&["boto3", "moto.server", "cryptography"]) else { return };
    let moto = Moto::start(&python);
    let specs = ["ECC_NIST_P256", "ECC_NIST_P384", "RSA_2048"];
    sign_with(&python, &moto.endpoint, "us-east-1", ["testing", "testing"], &specs);
}
