//! The IAM policy that a dry run prints allows exactly the calls that the publish makes.

use std::collections::BTreeSet;

use amiforge_publish::api::ec2::Cooldown;
use amiforge_publish::plan::{Parent, Precision, Volume, plan};
use amiforge_publish::request::{AmiOptions, Request, SnapshotSharing};
use amiforge_publish::source::ImageSource;

use super::fixture::{AmiFixture, request, texts};

fn allowed(request: &Request, fixture: &AmiFixture) -> BTreeSet<String> {
    let source = ImageSource::open(&fixture.bundle).unwrap();
    let manifest = source.manifest().unwrap();
    let (data, all) = (manifest.without_zero.blocks, manifest.without_free.blocks);
    let (path, image) = ("web".to_owned(), Some(manifest.origin.name.clone()));
    let volume = Volume { path, image, data, zero: all - data, known: Precision::Exact };
    let plan = plan(request, &[volume], Parent::None, &[]);
    let statements = plan.policy["Statement"].as_array().unwrap().clone();
    let actions = statements.iter().flat_map(|one| one["Action"].as_array().unwrap().clone());
    actions.map(|action| action.as_str().unwrap().split(':').next_back().unwrap().to_owned()).collect()
}

#[test]
fn a_policy_is_what_the_calls_need() {
    for options in [
        AmiOptions::default(),
        AmiOptions { copy_to: texts(&["local-2"]), ..AmiOptions::default() },
        AmiOptions {
            share: texts(&["111122223333"]),
            snapshots: SnapshotSharing::Shared,
            deprecate: Some("2027-11-21".to_owned()),
            protection: Some(Cooldown::None),
            copy_to: texts(&["local-2"]),
            ..AmiOptions::default()
        },
    ] {
        let fixture = AmiFixture::new();
        let request = request(&fixture.bundle, &options);
        let allowed = allowed(&request, &fixture);
        fixture.must(&options);
        let made: BTreeSet<String> =
            fixture.region.request_log.requests().into_iter().map(|seen| seen.action).collect();
        let forbidden: Vec<_> = made.difference(&allowed).collect();
        assert!(forbidden.is_empty(), "these calls are made and not allowed: {forbidden:?}");
        // Calls that happen only when something is repaired or removed, or when the account encrypts.
        let rare = [
            "CreateTags",
            "DeleteSnapshot",
            "DeregisterImage",
            "DisableImageDeregistrationProtection",
            "GetEbsDefaultKmsKeyId",
        ];
        let idle: Vec<_> =
            allowed.difference(&made).filter(|action| !rare.contains(&action.as_str())).collect();
        assert!(idle.is_empty(), "these calls are allowed and not made: {idle:?}");
    }
}
