//! Publishing images with Secure Boot: what is not signed is refused, the variables reach the AMI and are read back; and
//! keys of AWS KMS, which moto stands for.

use std::process::Command;

use amiforge_tests::moto::Moto;
use amiforge_tests::region::Region;
use amiforge_tests::secure_boot::{SecureBoot, UKI};
use amiforge_tests::{oracle, program, python, scratch};

#[test]
fn an_unsigned_image_is_refused_and_a_signed_one_is_registered_with_its_variables() {
    let Some(made) = SecureBoot::new("") else { return };
    let region = Region::start(&made.path("region"));
    let endpoint = region.running.endpoint();
    let at = ["--region", "local", "--endpoint-url", &endpoint];
    let signed = made.signed_bundle().to_string_lossy().into_owned();
    let unsigned = made.text("unsigned");

    let refused = program::run(&[&["publish", &unsigned], &at[..]].concat());
    let err = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{err}");
    assert!(err.contains("`uki` in it is not signed") && err.contains("amiforge sign"), "{err}");
    assert_eq!(region.successes("StartSnapshot"), 0, "nothing was sent");

    let shown = program::must(&[&["--json", "publish", &signed], &at[..]].concat());
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let image = shown["imageId"].as_str().or(shown["image_id"].as_str()).expect("an AMI").to_owned();
    let expected = std::fs::read_to_string(made.path("signed/uefi-data")).unwrap();
    program::must(&[&["verify", &image, "--bundle", &signed], &at[..]].concat());

    let Some(python) = python::with(&["boto3"]) else { return };
    let read = "import sys, boto3\n\
                ec2 = boto3.client('ec2', region_name='local', endpoint_url=sys.argv[1],\n\
                \x20   aws_access_key_id=sys.argv[3], aws_secret_access_key=sys.argv[4])\n\
                print(ec2.describe_image_attribute(ImageId=sys.argv[2], Attribute='uefiData')['UefiData']['Value'])\n\
                print(ec2.describe_images(ImageIds=[sys.argv[2]])['Images'][0]['TpmSupport'])\n";
    let keys = [amiforge_emulator::ACCESS_KEY_ID, amiforge_emulator::SECRET_ACCESS_KEY];
    let output = Command::new(python).args(["-c", read, &endpoint, &image]).args(keys).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines, [expected.as_str(), "v2.0"], "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_key_of_kms_signs_as_the_command_line_of_aws_does() {
    let Some(python) = python::with(&["boto3", "moto.server", "cryptography"]) else { return };
    let moto = Moto::start(&python);
    // A key in KMS, and a certificate for its public half that the authority `ca` signs.
    let made = SecureBoot::with(", db = \"ca.crt\"", |made| {
        made.self_signed("ca");
        let made_key = Command::new(&python)
            .arg(scratch::repository().join("tests/oracles/kms_certificate.py"))
            .args([&moto.endpoint, &made.text("ca.crt"), &made.text("ca.key"), &made.text("kms.crt")])
            .output()
            .unwrap();
        assert!(made_key.status.success(), "{}", String::from_utf8_lossy(&made_key.stderr));
    });
    let Some(made) = made else { return };
    let unsigned = made.build("unsigned", &[]);
    let bundle = unsigned.to_string_lossy().into_owned();
    let environment = [("AWS_ACCESS_KEY_ID", "testing"), ("AWS_SECRET_ACCESS_KEY", "testing")];
    let output = Command::new(program::path())
        .args(["--quiet", "sign", &bundle, "--key", "awskms:alias/secure-boot", "-o", &made.text("by-kms")])
        .args([
            "--certificate",
            &made.text("kms.crt"),
            "--region",
            "us-east-1",
            "--endpoint-url",
            &moto.endpoint,
        ])
        .envs(environment)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let aws = python.with_file_name("aws");
    let tbs = format!("fileb://{bundle}/signing/{UKI}.tbs");
    let signed = Command::new(aws)
        .args(["kms", "sign", "--key-id", "alias/secure-boot", "--message-type", "RAW", "--message", &tbs])
        .args([
            "--signing-algorithm",
            "RSASSA_PKCS1_V1_5_SHA_256",
            "--query",
            "Signature",
            "--output",
            "text",
        ])
        .args(["--region", "us-east-1", "--endpoint-url", &moto.endpoint])
        .envs(environment)
        .output()
        .unwrap();
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    std::fs::write(made.path("kms.sig"), &signed.stdout).unwrap();
    let attached =
        made.attach(&unsigned, &made.text("kms.sig"), "by-aws", &["--certificate", &made.text("kms.crt")]);
    assert!(attached.status.success(), "{}", String::from_utf8_lossy(&attached.stderr));
    let files = amiforge_tests::secure_boot::files;
    assert!(files(&made.path("by-kms")) == files(&made.path("by-aws")));
    if oracle::ready(&["sbverify"], false) {
        let image = made.extract(&made.path("by-kms"), "kms.efi");
        oracle::must("sbverify", &["--cert", &made.text("ca.crt"), &image.to_string_lossy()]);
    }
}
