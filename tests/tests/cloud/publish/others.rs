//! Clients and servers of others: boto3 reads our snapshots, we verify those of boto3, and moto accepts our uploads.

use std::path::Path;
use std::process::Command;

use amiforge_emulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use amiforge_tests::moto::Moto;
use amiforge_tests::region::Region;
use amiforge_tests::{program, python, scratch};

use super::bundles::{build, send};

/// Reads a snapshot with boto3 and compares it with an image; returns the number of its blocks.
fn read_back(python: &Path, keys: [&str; 2], args: [&str; 4]) -> u64 {
    let script = scratch::repository().join("tests/oracles/boto3_read.py");
    let mut command = Command::new(python);
    command.arg(script).args(args).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("AWS_ACCESS_KEY_ID", keys[0]).env("AWS_SECRET_ACCESS_KEY", keys[1]);
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out.trim().parse().unwrap()
}

#[test]
fn boto3_reads_a_published_bundle_byte_for_byte() {
    let Some(python) = python::with(&["boto3"]) else { return };
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 24);
    let region = Region::start(&folder.path().join("region"));
    let uploaded = send(&region, &bundle).unwrap();
    let keys = [ACCESS_KEY_ID, SECRET_ACCESS_KEY];
    let (endpoint, image) = (region.running.endpoint(), bundle.join("disk.raw"));
    let args = [&endpoint, "local", &uploaded.snapshot.id, image.to_str().unwrap()];
    assert_eq!(read_back(&python, keys, args), uploaded.written);
}

#[test]
fn an_upload_of_boto3_verifies_with_the_bundle() {
    let Some(python) = python::with(&["boto3"]) else { return };
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 8);
    let region = Region::start(&folder.path().join("region"));
    let image = bundle.join("disk.raw");
    let args = [&region.running.endpoint(), image.to_str().unwrap()];
    let snapshot = python::must(&python, "boto3_upload.py", &args);
    let target = [snapshot.trim(), "--bundle", bundle.to_str().unwrap()];
    let connection = ["--region", "local", "--endpoint-url", &region.running.endpoint()];
    program::must(&[&["verify"], &target[..], &connection[..]].concat());
}

#[test]
fn moto_takes_an_upload_and_gives_the_same_bytes_back() {
    let Some(python) = python::with(&["boto3", "moto.server"]) else { return };
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 8);
    let moto = Moto::start(&python);
    let ours = |args: &[&str]| {
        let output = Command::new(program::path())
            .args(args)
            .args(["--region", "us-east-1", "--endpoint-url", &moto.endpoint, "--quiet"])
            .env("AWS_ACCESS_KEY_ID", "testing")
            .env("AWS_SECRET_ACCESS_KEY", "testing")
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {err}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let image = bundle.join("disk.raw");
    let snapshot = ours(&["upload", bundle.to_str().unwrap()]);
    let args = [&moto.endpoint, "us-east-1", &snapshot, image.to_str().unwrap()];
    assert!(read_back(&python, ["testing"; 2], args) > 16);
    ours(&["verify", &snapshot, "--bundle", bundle.to_str().unwrap()]);
    let back = folder.path().join("back.raw");
    ours(&["download", &snapshot, "-o", back.to_str().unwrap()]);
    let (found, expected) = (std::fs::read(&back).unwrap(), std::fs::read(&image).unwrap());
    assert!(found.starts_with(&expected));
}
