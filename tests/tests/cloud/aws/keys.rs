//! Keys that are named by an alias: found before anything is written, by KMS as boto3 sees it too.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use amiforge_emulator::{RegionServer, RequestLog};
use amiforge_tests::{program, python};
use serde_json::Value;

/// A command against the region, and what it gives: exit code, JSON, and the text of its failure.
fn amiforge(endpoint: &str, args: &[&str]) -> (Option<i32>, Value, String) {
    let output = Command::new(program::path())
        .args(args)
        .args(["--json", "--quiet", "--endpoint-url", endpoint, "--region", "local"])
        .env("AWS_ACCESS_KEY_ID", amiforge_emulator::ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", amiforge_emulator::SECRET_ACCESS_KEY)
        .output()
        .unwrap();
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), json, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn an_alias_is_found_before_anything_is_written_and_the_key_is_what_encrypts() {
    let Some(python) = python::with(&["boto3"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let trail = Arc::new(RequestLog::new());
    let mut config = amiforge_emulator::RegionConfig::new(folder.path().join("region"));
    config.request_log = Some(Arc::clone(&trail));
    let region = RegionServer::start(config).unwrap();
    let endpoint = region.endpoint();
    let endpoint = endpoint.as_str();
    let image = folder.path().join("image.raw");
    fs::write(&image, [vec![1; 1 << 20], vec![2; 1 << 20]].concat()).unwrap();
    let image = image.to_str().unwrap();
    let made = python::must(&python, "keys.py", &[endpoint, "make"]);
    let keys: Vec<&str> = made.lines().collect();
    let key_of = |region: &str, snapshot: &str| {
        python::must(&python, "keys.py", &[endpoint, "of", region, snapshot]).trim().to_owned()
    };

    for (alias, words) in [
        ("alias/none", "list-aliases --region local"),
        ("alias/off", "it is Disabled, not Enabled"),
        ("alias/signs", "EBS takes symmetric keys only"),
    ] {
        let copies = format!("local-2={alias}");
        let boot = ["--name", "web", "--arch", "x86_64", "--boot-mode", "uefi"];
        let publish = [&["publish", image], &boot[..]].concat();
        let copied = [&publish[..], &["--copy-to", "local-2", "--copy-kms", &copies]].concat();
        for command in [
            &["upload", image, "--kms-key", alias][..],
            &[&publish[..], &["--kms-key", alias]].concat(),
            &copied,
        ] {
            let (code, _, text) = amiforge(endpoint, command);
            assert_eq!(code, Some(1), "{command:?}: {text}");
            assert!(text.contains(words) && text.contains(alias), "{command:?}: {text}");
        }
    }
    assert!(
        trail.requests().iter().all(|seen| seen.service == "kms"),
        "something was asked of another service"
    );

    let alias = keys[0].split_once(":key/").map(|(start, _)| format!("{start}:alias/web")).unwrap();
    for name in ["alias/web", &alias] {
        let (code, uploaded, text) = amiforge(endpoint, &["upload", image, "--kms-key", name]);
        assert_eq!(code, Some(0), "{text}");
        assert_eq!(key_of("local", uploaded["snapshotId"].as_str().unwrap()), keys[0]);
    }
    let publish = ["publish", image, "--name", "web", "--arch", "x86_64", "--boot-mode", "uefi", "--kms-key"];
    let copies = ["alias/web", "--copy-to", "local-2", "--copy-kms", "local-2=alias/web"];
    let (code, published, text) = amiforge(endpoint, &[&publish[..], &copies].concat());
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(key_of("local", published["snapshotId"].as_str().unwrap()), keys[0]);
    assert_eq!(key_of("local-2", published["copies"][0]["snapshotIds"][0].as_str().unwrap()), keys[1]);
}
