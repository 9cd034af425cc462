//! Every field that can be asked for, read back by boto3.

use std::fs;

use amiforge_publish::api::ec2::Cooldown;
use amiforge_publish::request::{AmiOptions, Imds, Tpm};
use amiforge_tests::python;
use serde_json::{Value, json};

use super::fixture::{AmiFixture, build, texts};

fn read_back(fixture: &AmiFixture, python: &std::path::Path, image: &str) -> Value {
    let args = [fixture.region.running.endpoint(), "local".to_owned(), image.to_owned()];
    serde_json::from_str(&python::must(python, "register/read_back.py", &args)).unwrap()
}

#[test]
fn an_ami_is_registered_with_careful_defaults() {
    let Some(python) = python::with(&["boto3"]) else { return };
    let fixture = AmiFixture::new();
    let published = fixture.must(&AmiOptions::default());
    let report = read_back(&fixture, &python, &published.image.id);
    let image = &report["image"];
    for (field, value) in [
        ("Name", json!("web-1")),
        ("Description", json!("web 1")),
        ("Architecture", json!("x86_64")),
        ("VirtualizationType", json!("hvm")),
        ("BootMode", json!("uefi")),
        ("ImdsSupport", json!("v2.0")),
        ("EnaSupport", json!(true)),
        ("SriovNetSupport", json!("simple")),
        ("RootDeviceName", json!("/dev/xvda")),
        ("State", json!("available")),
        ("Public", json!(false)),
        ("TpmSupport", Value::Null),
    ] {
        assert_eq!(image[field], value, "{field}");
    }
    let root = &image["BlockDeviceMappings"][0]["Ebs"];
    assert_eq!((&root["VolumeType"], &root["DeleteOnTermination"]), (&json!("gp3"), &json!(true)));
    assert_eq!(image["BlockDeviceMappings"].as_array().unwrap().len(), 1);
    let manifest = fs::read(fixture.bundle.join("manifest.json")).unwrap();
    let digest = amiforge_formats::digest::Digest::of(&manifest).to_string();
    let of_snapshot = &report["snapshots"]["/dev/xvda"]["tags"];
    for tags in [&report["tags"], of_snapshot] {
        assert_eq!(tags["amiforge:manifest"], json!(digest));
        assert_eq!(tags["amiforge:image"], "web");
        assert_eq!(tags["amiforge:version"], "1");
        assert_eq!(tags["amiforge:tool"], env!("CARGO_PKG_VERSION"));
        assert_eq!(tags["Name"], "web-1");
        assert!(tags["amiforge:merkle-root"].is_string() && tags["amiforge:recipe"].is_string());
    }
}

#[test]
fn an_ami_is_registered_with_everything_that_is_asked_for() {
    let Some(python) = python::with(&["boto3"]) else { return };
    let fixture = AmiFixture::new();
    let further = build(fixture.folder.path(), "cache", 1);
    let variables = fixture.folder.path().join("vars");
    let body = b"\0\0\0\0zlib";
    let blob = [&b"AMZNUEFI"[..], &crc32c::crc32c(body).to_le_bytes(), body].concat();
    fs::write(&variables, blob).unwrap();
    let wanted = AmiOptions {
        name: Some("another (1)".to_owned()),
        description: Some("the web".to_owned()),
        tpm: Tpm::V2,
        uefi_data: Some(variables),
        imds: Imds::Any,
        root_device: Some("/dev/sda1".to_owned()),
        root_volume: Some("gp3,size=16GiB,iops=6000,throughput=500,keep".to_owned()),
        volumes: vec![
            format!("/dev/sdb=bundle:{},io2,size=20,iops=9000", further.display()),
            "/dev/sdc=empty:100GiB,encrypted".to_owned(),
        ],
        tags: texts(&["team=a"]),
        deprecate: Some("2027-11-21".to_owned()),
        protection: Some(Cooldown::Day),
        ..AmiOptions::default()
    };
    let published = fixture.must(&wanted);
    let report = read_back(&fixture, &python, &published.image.id);
    let image = &report["image"];
    for (field, value) in [
        ("Name", json!("another (1)")),
        ("Description", json!("the web")),
        ("TpmSupport", json!("v2.0")),
        ("ImdsSupport", Value::Null),
        ("RootDeviceName", json!("/dev/sda1")),
        ("DeregistrationProtection", json!("enabled-with-cooldown")),
    ] {
        assert_eq!(image[field], value, "{field}");
    }
    assert!(image["DeprecationTime"].as_str().unwrap().starts_with("2027-11-21T00:00"), "{image}");
    assert_eq!(report["tags"]["team"], "a");
    assert!(report["uefi"].as_str().unwrap().starts_with("QU1aTlVFRk"), "{}", report["uefi"]);
    let volume = |device: &str| {
        let all = image["BlockDeviceMappings"].as_array().unwrap();
        all.iter().find(|one| one["DeviceName"] == device).unwrap()["Ebs"].clone()
    };
    let (root, bundle, empty) = (volume("/dev/sda1"), volume("/dev/sdb"), volume("/dev/sdc"));
    assert_eq!(
        (&root["VolumeSize"], &root["Iops"], &root["Throughput"]),
        (&json!(16), &json!(6000), &json!(500))
    );
    assert_eq!(root["DeleteOnTermination"], json!(false));
    assert_eq!((&bundle["VolumeType"], &bundle["Iops"]), (&json!("io2"), &json!(9000)));
    assert_eq!((&empty["VolumeSize"], &empty["Encrypted"]), (&json!(100), &json!(true)));
    assert!(empty["SnapshotId"].is_null());
    let cache = &report["snapshots"]["/dev/sdb"];
    assert_eq!((&cache["tags"]["amiforge:image"], &cache["tags"]["team"]), (&json!("cache"), &json!("a")));
    assert_eq!(fixture.snapshots("local").len(), 2);
    let again = fixture.must(&wanted);
    assert_eq!(again.image.id, published.image.id);
}
