//! What can be known before anything is written is asked first.

use std::process::Command;

use amiforge_progress::Monitor;
use amiforge_publish::ami::AmiError;
use amiforge_publish::request::AmiOptions;
use amiforge_publish::service_error::ServiceError;
use amiforge_publish::upload::{self, ParentChoice};
use amiforge_tests::python;
use amiforge_tests::{error_chain, find_cause};

use super::fixture::{AmiFixture, texts};

const NONE: &str = "snap-0123456789abcdef0";

/// The code of the service's refusal.
fn code<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a str> {
    find_cause::<ServiceError>(error).and_then(|error| error.code.as_deref())
}

/// Nothing was begun.
fn assert_untouched(fixture: &AmiFixture) {
    for action in ["StartSnapshot", "RegisterImage", "CopyImage"] {
        assert!(fixture.region.requests(action).is_empty(), "{action}");
    }
}

#[test]
fn a_volume_of_a_snapshot_that_does_not_exist_is_refused() {
    let fixture = AmiFixture::new();
    let wanted = AmiOptions { volumes: vec![format!("/dev/sdb=snapshot:{NONE}")], ..AmiOptions::default() };
    let error = fixture.publish(&wanted).unwrap_err();
    assert_eq!(code(&error), Some("InvalidSnapshot.NotFound"), "{error:?}");
    assert!(error_chain(&error).contains(NONE), "{error:?}");
    assert_untouched(&fixture);
}

#[test]
fn a_parent_that_does_not_exist_is_refused() {
    let fixture = AmiFixture::new();
    for (parent, expected) in
        [(NONE, "InvalidSnapshot.NotFound"), ("ami-0123456789abcdef0", "InvalidAMIID.NotFound")]
    {
        let options = upload::UploadOptions {
            parent: Some(ParentChoice::Id(parent.to_owned())),
            rate: 0,
            ..upload::UploadOptions::default()
        };
        let services = fixture.services();
        let work = upload::upload(&services, &fixture.bundle, &options, Monitor::none());
        let error = fixture.region.block_on(work).unwrap_err();
        assert_eq!(code(&error), Some(expected), "{error:?}");
        assert!(error_chain(&error).contains(parent), "{error:?}");
    }
    assert_untouched(&fixture);
}

#[test]
fn a_disabled_ami_of_the_name_is_named_as_that() {
    let Some(python) = python::with(&["boto3"]) else { return };
    let fixture = AmiFixture::new();
    let first = fixture.must(&AmiOptions::default()).image.id;
    let code = "import sys, boto3\n\
        keys = dict(aws_access_key_id=sys.argv[2], aws_secret_access_key=sys.argv[3])\n\
        ec2 = boto3.client('ec2', endpoint_url=sys.argv[1], region_name='local', **keys)\n\
        ec2.disable_image(ImageId=sys.argv[4])\n";
    let keys = [amiforge_emulator::ACCESS_KEY_ID, amiforge_emulator::SECRET_ACCESS_KEY];
    let endpoint = fixture.region.running.endpoint();
    let output = Command::new(python).args(["-c", code, &endpoint]).args(keys).arg(&first).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fixture.region.request_log.clear();
    let Err(AmiError::Disabled { image, region }) = fixture.publish(&AmiOptions::default()) else {
        panic!("a disabled AMI is not the one that is wanted")
    };
    assert_eq!((image, region.as_str()), (first, "local"));
    assert_untouched(&fixture);
}

#[test]
fn every_region_whose_name_is_formed_as_one_can_be_copied_to() {
    let fixture = AmiFixture::new();
    let names = ["local-12", "eu-west-1", "ap-southeast-9"];
    fixture.must(&AmiOptions { copy_to: texts(&names), ..AmiOptions::default() });
    for name in names {
        fixture.assert_one(name);
    }
    for name in ["eu-wset-1", "local2"] {
        let refused = fixture.publish(&AmiOptions { copy_to: texts(&[name]), ..AmiOptions::default() });
        assert!(matches!(refused, Err(AmiError::NoSuchRegion { .. })), "{name}");
    }
}
