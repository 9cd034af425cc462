//! Who may launch: accounts, organisations, everybody, and what keeps an AMI from becoming public.

use amiforge_publish::ami::AmiError;
use amiforge_publish::request::{AmiOptions, Audience, KeyChoice, SnapshotSharing};
use amiforge_tests::python;

use super::fixture::{AmiFixture, texts};

const ORGANIZATION: &str = "arn:aws:organizations::123456789012:organization/o-abc1234567";
const UNIT: &str = "arn:aws:organizations::123456789012:ou/o-abc1234567/ou-ab12-34567890";

#[test]
fn accounts_organisations_and_units_are_read_back_by_boto3() {
    let Some(python) = python::with(&["boto3"]) else { return };
    let fixture = AmiFixture::new();
    let wanted = AmiOptions {
        share: texts(&["111122223333", ORGANIZATION, UNIT]),
        snapshots: SnapshotSharing::Shared,
        copy_to: texts(&["local-2"]),
        ..AmiOptions::default()
    };
    let published = fixture.must(&wanted);
    let more = AmiOptions { share: texts(&["444455556666"]), ..wanted };
    fixture.must(&more);
    let copy = published.copied().next().unwrap().image_id.clone();
    for (region, image) in [("local", &published.image.id), ("local-2", &copy)] {
        let args = [fixture.region.running.endpoint(), region.to_owned(), image.clone()];
        let report: serde_json::Value =
            serde_json::from_str(&python::must(&python, "register/read_back.py", &args)).unwrap();
        let launch = report["launch"].to_string();
        for who in ["111122223333", "444455556666", ORGANIZATION, UNIT] {
            assert!(launch.contains(who), "{region}: {launch}");
        }
        let accounts = &report["snapshots"]["/dev/xvda"]["accounts"];
        assert_eq!(*accounts, serde_json::json!(["111122223333", "444455556666"]), "{region}");
    }
}

#[test]
fn a_public_ami_is_refused_where_the_account_blocks_it_and_made_where_it_does_not() {
    let Some(python) = python::with(&["boto3"]) else { return };
    let fixture = AmiFixture::new();
    let account = |region: &str, what: &str| {
        let args = [fixture.region.running.endpoint(), region.to_owned(), what.to_owned()];
        python::must(&python, "register/account.py", &args);
    };
    let public =
        AmiOptions { audience: Audience::Public, copy_to: texts(&["local-2"]), ..AmiOptions::default() };
    account("local", "allow-public");
    account("local-2", "block-public");
    let refused = fixture.publish(&public).unwrap_err();
    assert!(matches!(&refused, AmiError::PublicBlocked { region } if region == "local-2"), "{refused}");
    assert_eq!(fixture.region.successes("StartSnapshot"), 0, "it is told before a block is sent");
    account("local-2", "allow-public");
    fixture.must(&public);
    for region in ["local", "local-2"] {
        assert_eq!(fixture.images(region)[0].public, Some(true), "{region}");
    }
}

#[test]
fn what_the_account_encrypts_by_itself_is_not_shared_with_those_who_could_not_use_it() {
    let Some(python) = python::with(&["boto3"]) else { return };
    let fixture = AmiFixture::new();
    let args = |region: &str| [fixture.region.running.endpoint(), region.to_owned(), "encrypt".to_owned()];
    python::must(&python, "register/account.py", &args("local-2"));
    let shared =
        AmiOptions { share: texts(&["111122223333"]), copy_to: texts(&["local-2"]), ..AmiOptions::default() };
    let refused = fixture.publish(&shared).unwrap_err();
    assert!(matches!(&refused, AmiError::Encrypted { region, .. } if region == "local-2"), "{refused}");
    assert_eq!(fixture.region.successes("StartSnapshot"), 0);
    let own = AmiOptions { share: Vec::new(), ..shared };
    let published = fixture.must(&own);
    let source = amiforge_publish::source::ImageSource::open(&fixture.bundle).unwrap();
    let all = source.manifest().unwrap().without_free.blocks;
    assert_eq!(published.uploads[0].written, all, "the copy will be encrypted, so zeros are written");
    assert_eq!(own.encrypt_copies, KeyChoice::Account);
}
