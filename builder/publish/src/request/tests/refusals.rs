//! Volumes, sharing and copies that are refused.

use super::*;

#[test]
fn invalid_volumes_are_refused() {
    for (settings, why) in [
        ("gp4", "`gp4` is no setting of a volume"),
        ("size=4GiB", "4 GiB are less than the 8 GiB of its image"),
        ("size=1025MiB", "is not whole GiB"),
        ("size=0", "no room at all"),
        ("size=65537", "`gp3` has 1 to 65536 GiB"),
        ("standard,size=1025", "`standard` has 1 to 1024 GiB"),
        ("gp2,iops=3000", "`iops` cannot be chosen for `gp2`"),
        ("gp2,throughput=125", "`throughput` cannot be chosen for `gp2`"),
        ("io1,iops=100,throughput=125", "`throughput` cannot be chosen for `io1`"),
        ("iops=2999", "`gp3` has iops of 3000 to 80000"),
        ("throughput=2001,iops=80000,size=200", "`gp3` has throughput of 125 to 2000"),
        ("iops=4001", "`gp3` of 8 GiB has at most 4000 iops (500 for each GiB)"),
        ("io1", "`io1` needs `iops`"),
        ("io1,iops=401", "`io1` of 8 GiB has at most 400 iops (50 for each GiB)"),
        ("io2,iops=8001", "`io2` of 8 GiB has at most 8000 iops"),
        ("throughput=751", "751 MiB in a second need 3004 iops"),
        ("st1,size=125", "no machine starts from a `st1` volume"),
        ("encrypted", "a root volume is encrypted as its snapshot is"),
        ("iops=many", "is not a number"),
    ] {
        let options = AmiOptions { root_volume: Some(settings.to_owned()), ..AmiOptions::default() };
        let refused = mistake(&options, &facts());
        assert!(refused.starts_with("`--root-volume`: ") && refused.contains(why), "{settings}: {refused}");
    }
    for settings in
        ["iops=3000,size=8", "iops=4000,throughput=1000", "throughput=750", "gp2", "io2,iops=8000"]
    {
        accepted(&AmiOptions { root_volume: Some(settings.to_owned()), ..AmiOptions::default() }, &facts());
    }
}

#[test]
fn invalid_further_volumes_are_refused() {
    for (volume, why) in [
        ("/dev/sdb", "has no `=` after the device"),
        ("/dev/sdb=100GiB", "does not name the content of"),
        ("/dev/sdb=bundle:", "is not a content of a volume"),
        ("/dev/sdb=snapshot:ami-1", "is not a content of a volume"),
        ("/dev/sdb=empty:many", "is not a size"),
        ("sdb=empty:1", "`sdb` is not the name of a device"),
        ("/dev/nvme1n1=empty:1", "`/dev/nvme1n1` is not the name of a device"),
        ("/dev/sdb=bundle:x,encrypted", "`/dev/sdb` is encrypted as its snapshot is"),
        ("/dev/sda1=empty:1", "`/dev/sda1` and `/dev/xvda` are the same device to a machine"),
        ("/dev/sdb=empty:8,sc1", "`sc1` has 125 to 16384 GiB, and 8 are requested"),
        ("/dev/sdb=empty:8,size=4", "4 GiB are less than the 8 GiB"),
    ] {
        let options = AmiOptions { volumes: texts(&[volume]), ..AmiOptions::default() };
        let refused = mistake(&options, &facts());
        assert!(refused.starts_with("`--volume`: ") && refused.contains(why), "{volume}: {refused}");
    }
    let twice =
        AmiOptions { volumes: texts(&["/dev/sdb=empty:1", "/dev/xvdb=empty:1"]), ..AmiOptions::default() };
    assert!(mistake(&twice, &facts()).contains("`/dev/xvdb` and `/dev/sdb` are the same device"));
    let root = AmiOptions { root_device: Some("/dev/root".to_owned()), ..AmiOptions::default() };
    assert!(mistake(&root, &facts()).starts_with("`--root-device`: `/dev/root` is not the name of a device"));
}

#[test]
fn sharing_that_is_not_possible_is_refused() {
    let share = |with: &[&str]| AmiOptions { share: texts(with), ..AmiOptions::default() };
    let public = || AmiOptions { audience: Audience::Public, ..AmiOptions::default() };
    let account = || share(&["111122223333"]);
    let many =
        AmiOptions { share: (0..1001).map(|id| format!("{id:012}")).collect(), ..AmiOptions::default() };
    for (options, why) in [
        (share(&["1234"]), "`1234` is neither an account nor an organisation"),
        (share(&["all"]), "everybody is `--public`"),
        (share(&["arn:aws:organizations::123456789012:organization/x-1"]), "is neither an account"),
        (share(&["arn:aws:iam::123456789012:root"]), "is neither an account"),
        (
            share(&["arn:aws-cn:organizations::123456789012:organization/o-abc"]),
            "is of the partition `aws-cn`",
        ),
        (many, "these are 1001, and 1000 are the most"),
        (AmiOptions { snapshots: SnapshotSharing::Shared, ..public() }, "accounts only, and none is named"),
        (AmiOptions { encryption: KeyChoice::Default, ..public() }, "an encrypted AMI cannot be public"),
        (
            AmiOptions { encryption: KeyChoice::Arn(KEY.to_owned()), ..public() },
            "an encrypted AMI cannot be public",
        ),
        (
            AmiOptions { volumes: texts(&["/dev/sdb=empty:1,encrypted"]), ..public() },
            "leave `--public` or `--volume` out",
        ),
        (AmiOptions { encryption: KeyChoice::Default, ..account() }, "with the account's default key"),
        (
            AmiOptions { encrypt_copies: KeyChoice::Default, copy_to: texts(&["us-east-1"]), ..account() },
            "the AMI in `us-east-1` would be encrypted with the account's default key",
        ),
    ] {
        let refused = mistake(&options, &facts());
        assert!(refused.contains(why), "{refused}");
    }
    accepted(&AmiOptions { encryption: KeyChoice::Arn(KEY.to_owned()), ..account() }, &facts());
    assert_eq!(accepted(&public(), &facts()).share.with, [Grantee::Everybody]);
}

#[test]
fn invalid_copies_are_refused() {
    let to = |regions: &[&str]| AmiOptions { copy_to: texts(regions), ..AmiOptions::default() };
    let kms = |keys: &[&str]| AmiOptions { copy_kms: texts(keys), ..to(&["us-east-1"]) };
    for (options, why) in [
        (to(&["eu-west-1"]), "`eu-west-1` is the region that is published to"),
        (to(&["us-east-1", "us-east-1"]), "`us-east-1` is given twice"),
        (to(&["US East"]), "`US East` is not the name of a region"),
        (to(&["cn-north-1"]), "is of the partition `aws-cn`"),
        (to(&["us-gov-west-1"]), "is of the partition `aws-us-gov`"),
        (
            AmiOptions { encrypt_copies: KeyChoice::Default, ..AmiOptions::default() },
            "`--encrypt-copies`: there are no copies",
        ),
        (kms(&["us-east-1"]), "has no `=`"),
        (kms(&["us-east-1=1234"]), "`1234` is not the ARN of a key"),
        (
            kms(&["us-east-1=arn:aws:kms:eu-west-1:123456789012:key/1"]),
            "is of `eu-west-1`, and `us-east-1` cannot use it",
        ),
        (kms(&["us-east-2=arn:aws:kms:us-east-2:123456789012:key/1"]), "no copy goes to `us-east-2`"),
        (
            kms(&[
                "us-east-1=arn:aws:kms:us-east-1:123456789012:key/1",
                "us-east-1=arn:aws:kms:us-east-1:123456789012:key/2",
            ]),
            "`us-east-1` is given two keys",
        ),
        (
            AmiOptions {
                encryption: KeyChoice::Arn("arn:aws:kms:us-east-1:123456789012:key/1".to_owned()),
                ..AmiOptions::default()
            },
            "`--kms-key`: the key",
        ),
    ] {
        let refused = mistake(&options, &facts());
        assert!(refused.contains(why), "{refused}");
    }
}
