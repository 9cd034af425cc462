//! Publishing again: the same AMI, or a refusal that names what differs.

use std::fs;

use amiforge_publish::ami::{AmiError, AmiOrigin};
use amiforge_publish::request::{AmiOptions, Tpm};

use super::world::{World, build, texts};

#[test]
fn publishing_again_finds_everything_done() {
    let world = World::new();
    let wanted = AmiOptions { copy_to: texts(&["local-2"]), ..AmiOptions::default() };
    let first = world.must(&wanted);
    assert!(first.uploads[0].sent > 0);
    world.region.trail.clear();
    let again = world.must(&wanted);
    assert_eq!((&again.image.id, again.origin), (&first.image.id, AmiOrigin::Registered));
    assert_eq!(again.uploads[0].sent, 0);
    for action in ["StartSnapshot", "PutSnapshotBlock", "RegisterImage", "CopyImage", "CreateTags"] {
        assert_eq!(world.region.successes(action), 0, "{action}");
    }
    world.assert_one("local");
    world.assert_one("local-2");
}

#[test]
fn an_ami_that_another_host_published_is_adopted_without_an_upload() {
    let world = World::new();
    let first = world.must(&AmiOptions::default());
    fs::remove_dir_all(world.bundle.with_file_name("web-1.publish")).unwrap();
    world.region.trail.clear();
    let wanted = AmiOptions { tags: texts(&["team=a"]), ..AmiOptions::default() };
    let adopted = world.must(&wanted);
    assert_eq!((&adopted.image.id, adopted.origin), (&first.image.id, AmiOrigin::Adopted));
    assert_eq!((adopted.uploads.len(), world.region.successes("StartSnapshot")), (0, 0));
    let image = world.images("local").remove(0);
    assert_eq!(image.tags.get("team").map(String::as_str), Some("a"), "a tag that is missing is set");
    world.assert_one("local");
}

#[test]
fn an_ami_of_the_name_that_is_not_equal_is_refused_before_a_block_is_sent() {
    let world = World::new();
    let first = world.must(&AmiOptions::default());
    world.region.trail.clear();
    let other_fields =
        AmiOptions { description: Some("another".to_owned()), tpm: Tpm::V2, ..AmiOptions::default() };
    let Err(AmiError::Differs { image, differences, .. }) = world.publish(&other_fields) else {
        panic!("an AMI with other fields is not the one that is wanted")
    };
    let fields: Vec<_> = differences.iter().map(|one| one.field.as_str()).collect();
    assert_eq!((image, fields), (first.image.id.clone(), vec!["description", "tpmSupport"]));
    let other = build(world.folder.path(), "web", 2);
    let named = AmiOptions {
        name: Some("web-1".to_owned()),
        description: Some("web 1".to_owned()),
        ..AmiOptions::default()
    };
    let Err(AmiError::Differs { differences, .. }) = world.publish_bundle(&other, &named) else {
        panic!("an AMI of another bundle is not the one that is wanted")
    };
    assert!(differences.iter().any(|one| one.field == "tag amiforge:manifest"), "{differences:?}");
    assert_eq!(world.region.successes("StartSnapshot"), 0);
    world.assert_one("local");
}

#[test]
fn what_can_be_set_is_set_anew() {
    let world = World::new();
    world.must(&AmiOptions::default());
    let wanted = AmiOptions {
        deprecate: Some("2027-11-21".to_owned()),
        tags: texts(&["Name=mine"]),
        share: texts(&["111122223333"]),
        ..AmiOptions::default()
    };
    world.must(&wanted);
    let image = world.images("local").remove(0);
    assert!(image.deprecation_time.unwrap().starts_with("2027-11-21T00:00"));
    assert_eq!(image.tags["Name"], "mine");
}

#[test]
fn another_publish_under_way_is_not_forgotten() {
    let world = World::new();
    let taken = AmiOptions { copy_to: texts(&["local-2"]), ..AmiOptions::default() };
    let ec2 = world.ec2("local-2");
    // A snapshot of its own, so that the name is taken in the region that is copied to.
    super::copies::occupy(&world, &ec2, "local-2", "web-1");
    let first = world.publish(&taken).unwrap();
    assert!(first.copies[0].outcome.is_err());
    let renamed = AmiOptions { name: Some("other".to_owned()), ..AmiOptions::default() };
    let refused = world.publish(&renamed).unwrap_err();
    assert_eq!(refused.to_string(), "a publish of `web-1` is under way, and this one is called `other`");
}
