//! The program imports an image, and boto3 reads what is there.

use amiforge_tests::program;
use serde_json::Value;

use super::fixture::ImportFixture;

fn run(fixture: &ImportFixture, args: &[&str]) -> std::process::Output {
    let endpoint = fixture.region.running.endpoint();
    let image = fixture.image.to_string_lossy().into_owned();
    let all = [&["publish", &image, "--region", "local", "--endpoint-url", &endpoint], args].concat();
    program::run(&all)
}

const RAW: [&str; 4] = ["--name=appliance", "--arch=x86_64", "--boot-mode=legacy-bios", "--tag=team=a"];
const IMPORT: [&str; 2] = ["--via=import", "--bucket=imports"];

#[test]
fn a_raw_disk_is_imported_proven_and_registered() {
    let fixture = ImportFixture::new();
    let output = run(&fixture, &[&RAW[..], &IMPORT, &["--json"]].concat());
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    assert!(err.contains("an object has no holes, so zeros are sent too"), "{err}");
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&shown["blocksProven"], &shown["blocksSent"]), (&35.into(), &35.into()), "{shown}");
    fixture.assert_published();
    let image = fixture.images().remove(0);
    assert_eq!((image.boot_mode.as_deref(), image.tags["team"].as_str()), (Some("legacy-bios"), "a"));
    // Again: nothing is sent.
    let output = run(&fixture, &[&RAW[..], &IMPORT, &["--json"]].concat());
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["blocksSent"], 0, "{shown}");
    assert_eq!(fixture.region.successes("CreateMultipartUpload"), 1);
    fixture.assert_published();
}

#[test]
fn an_encrypted_import_is_encrypted() {
    let fixture = ImportFixture::new();
    let key = "--kms-key=arn:aws:kms:local:123456789012:key/11111111-1111-4111-8111-111111111111";
    let output = run(&fixture, &[&RAW[..], &IMPORT, &[key]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mappings = fixture.images().remove(0).mappings;
    assert!(mappings[0].encrypted.is_on(), "{mappings:?}");
    fixture.assert_published();
}

#[test]
fn mistakes_and_the_plan_need_no_call() {
    let fixture = ImportFixture::new();
    for (args, words) in [
        (vec!["--via=import"], "an import needs a bucket"),
        (vec!["--bucket=imports"], "nothing is imported"),
        (vec!["--via=import", "--bucket=imports", "--parent=auto"], "can continue no parent"),
        (vec!["--via=import", "--bucket=s3://imports"], "not the name of a bucket"),
    ] {
        let output = run(&fixture, &[&RAW[..], &args].concat());
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {err}");
        assert!(err.contains(words), "{args:?}: {err}");
    }
    let output = run(&fixture, &[&RAW[..], &IMPORT, &["--dry-run"]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    for words in ["the role `vmimport`", "vmie.amazonaws.com", "ec2:ImportSnapshot", "s3:GetBucketLocation"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(fixture.region.request_log.requests().is_empty());
}

#[test]
fn a_windows_disk_is_registered_and_what_it_lacks_is_said_first() {
    let fixture = ImportFixture::new();
    let args = [
        "--name=win",
        "--arch=x86_64",
        "--boot-mode=uefi",
        "--tpm",
        "--platform=windows",
        "--root-volume=size=40GiB",
    ];
    let output = run(&fixture, &args);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    for words in ["BYOL", "aws ec2 import-image", "Sysprep"] {
        assert!(err.contains(words), "{words}: {err}");
    }
    let image = fixture.images().remove(0);
    assert_eq!((image.root_device.as_deref(), image.tpm.as_deref()), (Some("/dev/sda1"), Some("v2.0")));
    assert_eq!(image.mappings[0].size, Some(40));
}

#[test]
fn an_image_is_published_in_further_regions_with_their_profiles() {
    let fixture = ImportFixture::new();
    let output = run(&fixture, &[&RAW[..], &["--also=default:local-2", "--json"]].concat());
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&shown["region"], &shown["also"][0]["region"]),
        (&"local".into(), &"local-2".into()),
        "{shown}"
    );
    assert_ne!(shown["imageId"], shown["also"][0]["imageId"], "each is published, none is a copy");
    assert_eq!(fixture.region.successes("CopyImage"), 0);
    // Mistakes in the further regions are found before anything is sent.
    let output = run(&fixture, &[&RAW[..], &["--also=default:local-2,default:Elsewhere", "--json"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let output = run(&fixture, &[&RAW[..], &["--also=local-2"]].concat());
    assert!(String::from_utf8_lossy(&output.stderr).contains("not `PROFILE:REGION`"));
}
