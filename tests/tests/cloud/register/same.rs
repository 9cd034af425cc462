//! Publishing again: the same AMI, or a refusal that names what differs.

use std::fs;

use amiforge_publish::ami::{AmiError, AmiOrigin};
use amiforge_publish::request::{AmiOptions, Tpm};

use super::fixture::{AmiFixture, build, texts};

#[test]
fn publishing_again_finds_everything_done() {
    let fixture = AmiFixture::new();
    let wanted = AmiOptions { copy_to: texts(&["local-2"]), ..AmiOptions::default() };
    let first = fixture.must(&wanted);
    assert!(first.uploads[0].sent > 0);
    fixture.region.request_log.clear();
    let again = fixture.must(&wanted);
    assert_eq!((&again.image.id, again.origin), (&first.image.id, AmiOrigin::Registered));
    assert_eq!(again.uploads[0].sent, 0);
    for action in ["StartSnapshot", "PutSnapshotBlock", "RegisterImage", "CopyImage", "CreateTags"] {
        assert_eq!(fixture.region.successes(action), 0, "{action}");
    }
    fixture.assert_one("local");
    fixture.assert_one("local-2");
}

#[test]
fn an_ami_that_another_host_published_is_adopted_without_an_upload() {
    let fixture = AmiFixture::new();
    let first = fixture.must(&AmiOptions::default());
    fs::remove_dir_all(fixture.bundle.with_file_name("web-1.publish")).unwrap();
    fixture.region.request_log.clear();
    let wanted = AmiOptions { tags: texts(&["team=a"]), ..AmiOptions::default() };
    let adopted = fixture.must(&wanted);
    assert_eq!((&adopted.image.id, adopted.origin), (&first.image.id, AmiOrigin::Adopted));
    assert_eq!((adopted.uploads.len(), fixture.region.successes("StartSnapshot")), (0, 0));
    let image = fixture.images("local").remove(0);
    assert_eq!(image.tags.get("team").map(String::as_str), Some("a"), "a tag that is missing is set");
    fixture.assert_one("local");
}

#[test]
fn an_ami_of_the_name_that_is_not_equal_is_refused_before_a_block_is_sent() {
    let fixture = AmiFixture::new();
    let first = fixture.must(&AmiOptions::default());
    fixture.region.request_log.clear();
    let other_fields =
        AmiOptions { description: Some("another".to_owned()), tpm: Tpm::V2, ..AmiOptions::default() };
    let Err(AmiError::Differs { image, differences, .. }) = fixture.publish(&other_fields) else {
        panic!("an AMI with other fields is not the one that is wanted")
    };
    let fields: Vec<_> = differences.iter().map(|one| one.field.as_str()).collect();
    assert_eq!((image, fields), (first.image.id.clone(), vec!["description", "tpmSupport"]));
    let other = build(fixture.folder.path(), "web", 2);
    let named = AmiOptions {
        name: Some("web-1".to_owned()),
        description: Some("web 1".to_owned()),
        ..AmiOptions::default()
    };
    let Err(AmiError::Differs { differences, .. }) = fixture.publish_bundle(&other, &named) else {
        panic!("an AMI of another bundle is not the one that is wanted")
    };
    assert!(differences.iter().any(|one| one.field == "tag amiforge:manifest"), "{differences:?}");
    assert_eq!(fixture.region.successes("StartSnapshot"), 0);
    fixture.assert_one("local");
}

#[test]
fn what_can_be_set_is_set_anew() {
    let fixture = AmiFixture::new();
    fixture.must(&AmiOptions::default());
    let wanted = AmiOptions {
        deprecate: Some("2027-11-21".to_owned()),
        tags: texts(&["Name=mine"]),
        share: texts(&["111122223333"]),
        ..AmiOptions::default()
    };
    fixture.must(&wanted);
    let image = fixture.images("local").remove(0);
    assert!(image.deprecation_time.unwrap().starts_with("2027-11-21T00:00"));
    assert_eq!(image.tags["Name"], "mine");
}

#[test]
fn another_publish_under_way_is_not_forgotten() {
    let fixture = AmiFixture::new();
    let taken = AmiOptions { copy_to: texts(&["local-2"]), ..AmiOptions::default() };
    let ec2 = fixture.ec2("local-2");
    // A snapshot of its own, so that the name is taken in the region that is copied to.
    super::copies::occupy(&fixture, &ec2, "local-2", "web-1");
    let first = fixture.publish(&taken).unwrap();
    assert!(first.copies[0].outcome.is_err());
    let renamed = AmiOptions { name: Some("other".to_owned()), ..AmiOptions::default() };
    let refused = fixture.publish(&renamed).unwrap_err();
    assert!(matches!(&refused, AmiError::OtherPublish { name, .. } if name == "web-1"), "{refused}");
}
