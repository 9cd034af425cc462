//! `verify ami-…`: nothing of an untouched AMI, and everything that was changed, by name.

use std::process::Output;

use amiforge_publish::api::ec2::{Ec2 as _, Grantee, Tags};
use amiforge_publish::request::AmiOptions;
use amiforge_tests::program;

use super::fixture::{AmiFixture, texts};

fn verify(fixture: &AmiFixture, region: &str, image: &str, more: &[&str]) -> (Output, String) {
    let endpoint = fixture.region.running.endpoint();
    let mut args = vec!["verify", image, "--region", region, "--endpoint-url", &endpoint];
    args.extend(more);
    let output = program::run(&args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

#[test]
fn an_untouched_ami_and_its_copy_are_what_was_asked_for() {
    let fixture = AmiFixture::new();
    let wanted = AmiOptions {
        copy_to: texts(&["local-2"]),
        share: texts(&["111122223333"]),
        deprecate: Some("2027-11-21".to_owned()),
        volumes: texts(&["/dev/sdb=empty:1"]),
        ..AmiOptions::default()
    };
    let published = fixture.must(&wanted);
    let copy = published.copied().next().unwrap().image_id.clone();
    let bundle = fixture.bundle.to_string_lossy().into_owned();
    for (region, image) in [("local", &published.image.id), ("local-2", &copy)] {
        for more in [&["--bundle", bundle.as_str()][..], &[]] {
            let (output, text) = verify(&fixture, region, image, more);
            assert_eq!(output.status.code(), Some(0), "{region} {more:?}: {text}{output:?}");
            assert!(text.contains("no difference of its fields"), "{text}");
        }
    }
    std::fs::remove_dir_all(fixture.bundle.with_file_name("web-1.publish")).unwrap();
    let (output, text) = verify(&fixture, "local", &published.image.id, &["--bundle", &bundle]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("from what follows from the bundle"), "{text}");
}

#[test]
fn everything_that_was_changed_since_is_named() {
    let fixture = AmiFixture::new();
    let published = fixture.must(&AmiOptions { tags: texts(&["team=a"]), ..AmiOptions::default() });
    let (image, ec2) = (&published.image, fixture.ec2("local"));
    let root = image.root_snapshot().unwrap().to_owned();
    let changed = |key: &str| Tags::from([(key.to_owned(), "changed".to_owned())]);
    let ids = |id: &str| [id.to_owned()];
    fixture.region.block_on(async {
        ec2.add_launch_permissions(&image.id, &[Grantee::Account("999988887777".to_owned())]).await.unwrap();
        ec2.create_tags(&ids(&image.id), &changed("amiforge:recipe")).await.unwrap();
        ec2.create_tags(&ids(&image.id), &changed("team")).await.unwrap();
        ec2.create_tags(&ids(&root), &changed("amiforge:manifest")).await.unwrap();
    });
    let bundle = fixture.bundle.to_string_lossy().into_owned();
    let (output, text) = verify(&fixture, "local", &image.id, &["--bundle", &bundle]);
    assert_eq!(output.status.code(), Some(3), "{text}{output:?}");
    for named in [
        "launchPermission 999988887777 is `given` and should be none",
        "tag amiforge:recipe is `changed` and should be `",
        "tag team is `changed` and should be `a`",
        &format!("{root} tag amiforge:manifest is `changed` and should be `"),
        "4 differences of its fields",
    ] {
        assert!(text.contains(named), "{named}: {text}");
    }
}

#[test]
fn an_ami_of_another_bundle_differs_in_its_tags_and_blocks() {
    let fixture = AmiFixture::new();
    let published = fixture.must(&AmiOptions::default());
    let other = super::fixture::build(fixture.folder.path(), "web", 2);
    let (output, text) =
        verify(&fixture, "local", &published.image.id, &["--bundle", &other.to_string_lossy(), "--json"]);
    assert_eq!(output.status.code(), Some(3), "{text}{output:?}");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["imageId"], published.image.id.as_str());
    assert!(report["differences"].to_string().contains("amiforge:manifest"), "{report}");
    assert!(!report["volumes"][0]["differences"].as_array().unwrap().is_empty(), "{report}");
}
