use super::*;
use crate::api::ec2::{Encrypted, Grantee, OnTermination};

/// 2026-11-21T06:00:00Z.
const NOW: i64 = 1_795_240_800;
const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1";

fn facts() -> ImageFacts {
    ImageFacts {
        name: Some("web".to_owned()),
        version: Some("2026.11".to_owned()),
        content: Some("0123456789ab".to_owned()),
        architecture: Some(Arch::X86_64),
        boot_mode: Some(BootMode::Uefi),
        gib: Some(8),
        tags: Tags::from([("amiforge:image".to_owned(), "web".to_owned())]),
    }
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|&text| text.to_owned()).collect()
}

fn accepted(options: &AmiOptions, facts: &ImageFacts) -> Request {
    check(options, facts, "eu-west-1", NOW).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The only mistake of what is asked for.
fn mistake(options: &AmiOptions, facts: &ImageFacts) -> String {
    let RequestMistakes(mistakes) = check(options, facts, "eu-west-1", NOW).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
    mistakes[0].to_string()
}

#[test]
fn without_a_wish_an_image_gets_what_a_careful_person_would_choose() {
    let image = accepted(&AmiOptions::default(), &facts()).new_image("snap-1", &[]);
    assert_eq!((image.name.as_str(), image.description.as_deref()), ("web-2026.11", Some("web 2026.11")));
    assert_eq!((image.architecture.as_str(), image.boot_mode.as_str()), ("x86_64", "uefi"));
    assert_eq!((image.tpm, image.uefi_data, image.imds.as_deref()), (None, None, Some("v2.0")));
    assert_eq!(image.root_device, "/dev/xvda");
    let [root] = image.mappings.as_slice() else { panic!("{:?}", image.mappings) };
    assert_eq!((root.device.as_str(), root.snapshot.as_deref()), ("/dev/xvda", Some("snap-1")));
    assert_eq!((root.volume_type.as_deref(), root.size, root.iops), (Some("gp3"), None, None));
    assert_eq!(root.on_termination, OnTermination::Delete);
    let tags: Vec<_> = image.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["Name=web-2026.11", "amiforge:image=web"]);
}

#[test]
fn names_come_from_the_version_else_from_the_content() {
    let name = |facts: &ImageFacts| accepted(&AmiOptions::default(), facts).name;
    assert_eq!(name(&ImageFacts { version: None, ..facts() }), "web-0123456789ab");
    assert_eq!(name(&ImageFacts { version: None, content: None, ..facts() }), "web");
    let named = AmiOptions { name: Some("another (1)".to_owned()), ..AmiOptions::default() };
    assert_eq!(accepted(&named, &facts()).name, "another (1)");
}

#[test]
fn a_hybrid_image_may_be_registered_with_any_boot_mode() {
    let both = ImageFacts { boot_mode: Some(BootMode::Hybrid), ..facts() };
    let asked = |mode| AmiOptions { boot_mode: Some(mode), ..AmiOptions::default() };
    for mode in [BootMode::Uefi, BootMode::Bios, BootMode::Hybrid] {
        assert_eq!(accepted(&asked(mode), &both).boot_mode, mode);
    }
}

#[test]
fn everything_that_can_be_asked_for_reaches_the_request() {
    let options = AmiOptions {
        description: Some("the web".to_owned()),
        tpm: Tpm::V2,
        imds: Imds::Any,
        root_device: Some("/dev/sda1".to_owned()),
        root_volume: Some("gp3,size=16GiB,iops=6000,throughput=500,keep".to_owned()),
        volumes: texts(&[
            "/dev/sdb=bundle:out/cache,io2,size=20,iops=9000",
            "/dev/sdc=empty:100GiB,encrypted",
            "/dev/sdd=snapshot:snap-0abc,st1,size=125GiB,keep",
        ]),
        tags: texts(&["team=a=b", "Name=mine", "empty="]),
        deprecate: Some("2027-11-21".to_owned()),
        protection: Some(Cooldown::Day),
        encryption: KeyChoice::Arn(KEY.to_owned()),
        share: texts(&[
            "111122223333",
            "arn:aws:organizations::123456789012:organization/o-abc123",
            "arn:aws:organizations::123456789012:ou/o-abc123/ou-ab12-345",
            "111122223333",
        ]),
        snapshots: SnapshotSharing::Shared,
        copy_to: texts(&["eu-central-1", "local-2"]),
        copy_kms: texts(&["eu-central-1=arn:aws:kms:eu-central-1:123456789012:alias/x"]),
        ..AmiOptions::default()
    };
    let request = accepted(&options, &facts());
    let image = request.new_image("snap-1", &[Some("snap-2".to_owned()), None, Some("snap-0abc".to_owned())]);
    assert_eq!((image.tpm.as_deref(), image.imds), (Some("v2.0"), None));
    let reported: Vec<_> = image
        .mappings
        .iter()
        .map(|one| {
            let kind = one.volume_type.as_deref().unwrap();
            (one.device.as_str(), one.snapshot.as_deref(), kind, one.size, one.iops, one.throughput)
        })
        .collect();
    assert_eq!(
        reported,
        [
            ("/dev/sda1", Some("snap-1"), "gp3", Some(16), Some(6000), Some(500)),
            ("/dev/sdb", Some("snap-2"), "io2", Some(20), Some(9000), None),
            ("/dev/sdc", None, "gp3", Some(100), None, None),
            ("/dev/sdd", Some("snap-0abc"), "st1", Some(125), None, None),
        ]
    );
    asked_for_besides_volumes(&request);
    let kept: Vec<_> = image.mappings.iter().map(|one| one.on_termination == OnTermination::Keep).collect();
    assert_eq!(kept, [true, false, false, true]);
    assert_eq!(image.mappings[2].encrypted, Encrypted::Key(None));
}

fn asked_for_besides_volumes(request: &Request) {
    assert_eq!(
        request.tags.clone().into_iter().collect::<Vec<_>>(),
        [
            ("Name".to_owned(), "mine".to_owned()),
            ("empty".to_owned(), String::new()),
            ("team".to_owned(), "a=b".to_owned()),
        ]
    );
    assert_eq!(request.deprecation.unwrap().to_string(), "2027-11-21T00:00:00Z");
    assert_eq!(request.share.with.len(), 3);
    assert_eq!(request.share.accounts(), ["111122223333"]);
    assert_eq!(
        request.copies[1],
        CopyTarget { region: "local-2".to_owned(), encryption: KeyChoice::Account }
    );
    assert!(matches!(&request.copies[0].encryption, KeyChoice::Alias(key) if key.ends_with("alias/x")));
}

#[test]
fn moments_of_deprecation_are_days_moments_or_numbers_of_days() {
    let of = |text: &str| {
        let options = AmiOptions { deprecate: Some(text.to_owned()), ..AmiOptions::default() };
        check(&options, &facts(), "eu-west-1", NOW).map(|request| request.deprecation.unwrap().to_string())
    };
    assert_eq!(of("2027-01-01T12:00:01+01:00").unwrap(), "2027-01-01T11:01:00Z");
    assert_eq!(of("365d").unwrap(), "2027-11-21T00:00:00Z");
    for (wrong, why) in [
        ("soon", "neither a day"),
        ("1795240801", "neither a day"),
        ("2026-11-20", "is past"),
        ("0d", "is past"),
        ("2036-12-01", "more than 10 years ahead"),
    ] {
        let refused = of(wrong).unwrap_err().to_string();
        assert!(refused.starts_with("`--deprecate`: ") && refused.contains(why), "{wrong}: {refused}");
    }
    let public = AmiOptions {
        deprecate: Some("800d".to_owned()),
        audience: Audience::Public,
        ..AmiOptions::default()
    };
    assert!(mistake(&public, &facts()).contains("more than 2 years ahead"));
    let deprecation =
        accepted(&AmiOptions { deprecate: Some("365d".to_owned()), ..AmiOptions::default() }, &facts());
    let deprecation = deprecation.deprecation.unwrap();
    assert!(deprecation.is("2027-11-21T00:00:00.000Z") && deprecation.is("2027-11-21T00:00:30Z"));
    assert!(!deprecation.is("2027-11-21T00:01:00.000Z") && !deprecation.is("never"));
}

#[test]
fn names_descriptions_and_tags_that_cannot_be_are_refused() {
    let name = |name: &str| AmiOptions { name: Some(name.to_owned()), ..AmiOptions::default() };
    let description = |text: String| AmiOptions { description: Some(text), ..AmiOptions::default() };
    let tags = |tags: &[&str]| AmiOptions { tags: texts(tags), ..AmiOptions::default() };
    let many: Vec<_> = (0..49).map(|key| format!("{key}=")).collect();
    for (options, why) in [
        (name("ab"), "`--name`: `ab` has 2 characters"),
        (name("web:1"), "`--name`: `web:1` has a `:`"),
        (name(&"x".repeat(129)), "has 129 characters"),
        (description(" ".to_owned()), "`--description`: it is empty"),
        (description("x".repeat(256)), "`--description`: it has 256 characters, and 255 are the most"),
        (description("Büro".to_owned()), "`--description`: `ü` is not ASCII"),
        (tags(&["team"]), "`--tag`: `team` has no `=`"),
        (tags(&["=x"]), "`--tag`: `=x` has no key"),
        (tags(&["a=1", "a=2"]), "`--tag`: `a` is given twice"),
        (tags(&["AWS:x=1"]), "begins with `aws:`"),
        (tags(&["amiforge:image=x"]), "one of those that say which bundle it is"),
        (tags(&[&format!("{}=", "k".repeat(128))]), "127 and 255 are the most"),
        (tags(&[&format!("k={}", "v".repeat(256))]), "127 and 255 are the most"),
        (AmiOptions { tags: many, ..AmiOptions::default() }, "these are 51 tags"),
    ] {
        let refused = mistake(&options, &facts());
        assert!(refused.contains(why), "{refused}");
    }
    assert!(
        mistake(&AmiOptions::default(), &ImageFacts { name: None, ..facts() })
            .starts_with("`--name`: nothing says")
    );
}

#[test]
fn firmware_that_does_not_fit_the_image_is_refused() {
    let legacy = ImageFacts { boot_mode: Some(BootMode::Bios), ..facts() };
    let both = ImageFacts { boot_mode: Some(BootMode::Hybrid), ..facts() };
    let none = ImageFacts { boot_mode: None, ..facts() };
    let arm = ImageFacts { architecture: Some(Arch::Aarch64), boot_mode: None, ..facts() };
    let unknown = ImageFacts { architecture: None, ..facts() };
    let tpm = AmiOptions { tpm: Tpm::V2, ..AmiOptions::default() };
    let mode = |mode| AmiOptions { boot_mode: Some(mode), ..AmiOptions::default() };
    let for_arm = AmiOptions { architecture: Some(Arch::Aarch64), ..AmiOptions::default() };
    for (options, facts, why) in [
        (&tpm, &legacy, "`--tpm`: NitroTPM needs the boot mode `uefi`, and this is `legacy-bios`"),
        (
            &tpm,
            &both,
            "`--tpm`: NitroTPM needs the boot mode `uefi`, and this is `uefi-preferred`; add `--boot-mode uefi`",
        ),
        (&mode(BootMode::Uefi), &legacy, "`uefi` is asked for, and the partitions allow `legacy-bios` only"),
        (
            &mode(BootMode::Hybrid),
            &facts(),
            "`uefi-preferred` is asked for, and the partitions allow `uefi` only",
        ),
        (&mode(BootMode::Bios), &arm, "arm64 machines have UEFI only"),
        (&mode(BootMode::Hybrid), &arm, "arm64 machines have UEFI only"),
        (&AmiOptions::default(), &none, "neither an ESP nor a BIOS boot partition"),
        (&for_arm, &facts(), "`arm64` is asked for, and the image is for `x86_64`"),
        (&AmiOptions::default(), &unknown, "nothing says which architecture"),
    ] {
        let refused = mistake(options, facts);
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(
        accepted(&AmiOptions { tpm: Tpm::V2, ..AmiOptions::default() }, &arm).boot_mode,
        BootMode::Uefi
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "no variables").unwrap();
    let uefi = AmiOptions { uefi_data: Some(file.path().to_owned()), ..AmiOptions::default() };
    assert!(mistake(&uefi, &facts()).contains("holds no UEFI variables"));
    // CRC-32C of a version of four zero bytes.
    std::fs::write(file.path(), b"AMZNUEFI\xdd\xbd\x74\x48\0\0\0\0").unwrap();
    let blob = std::fs::read(file.path()).unwrap();
    let sum = crc32c::crc32c(&blob[12..]).to_le_bytes();
    std::fs::write(file.path(), [&blob[..8], &sum, &blob[12..]].concat()).unwrap();
    assert!(accepted(&uefi, &facts()).uefi_data.is_some());
    assert!(mistake(&uefi, &legacy).contains("`--uefi-data`: the boot mode is `legacy-bios`"));
}

#[test]
fn volumes_that_the_service_would_not_make_are_refused() {
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
        ("io1", "`io1` needs to be told its iops"),
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
fn further_volumes_that_cannot_be_are_refused() {
    for (volume, why) in [
        ("/dev/sdb", "has no `=` after the device"),
        ("/dev/sdb=100GiB", "does not say what stands on"),
        ("/dev/sdb=bundle:", "is nothing that can stand on a volume"),
        ("/dev/sdb=snapshot:ami-1", "is nothing that can stand on a volume"),
        ("/dev/sdb=empty:many", "is not a size"),
        ("sdb=empty:1", "`sdb` is not the name of a device"),
        ("/dev/nvme1n1=empty:1", "`/dev/nvme1n1` is not the name of a device"),
        ("/dev/sdb=bundle:x,encrypted", "`/dev/sdb` is encrypted as its snapshot is"),
        ("/dev/sda1=empty:1", "`/dev/sda1` and `/dev/xvda` are the same device to a machine"),
        ("/dev/sdb=empty:8,sc1", "`sc1` has 125 to 16384 GiB, and 8 are asked for"),
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
fn what_cannot_be_shared_is_refused() {
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
fn copies_that_cannot_be_made_are_refused() {
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

#[test]
fn all_mistakes_are_told_at_once() {
    let options = AmiOptions {
        name: Some("x".to_owned()),
        tpm: Tpm::V2,
        root_volume: Some("iops=1".to_owned()),
        copy_to: texts(&["eu-west-1"]),
        ..AmiOptions::default()
    };
    let legacy = ImageFacts { boot_mode: Some(BootMode::Bios), ..facts() };
    let refused = check(&options, &legacy, "eu-west-1", NOW).unwrap_err().to_string();
    assert_eq!(refused.lines().next(), Some("4 mistakes"), "{refused}");
    assert_eq!(refused.lines().count(), 5, "{refused}");
}

#[test]
fn a_request_reads_back_as_it_was_written() {
    let options = AmiOptions {
        tpm: Tpm::V2,
        volumes: texts(&["/dev/sdb=empty:1,encrypted", "/dev/sdc=bundle:out/x"]),
        share: texts(&["111122223333"]),
        copy_to: texts(&["us-east-1"]),
        deprecate: Some("90d".to_owned()),
        protection: Some(Cooldown::None),
        ..AmiOptions::default()
    };
    let request = accepted(&options, &facts());
    let text = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request, "{text}");
}

#[test]
fn a_key_is_named_by_alias_or_arn_and_aws_own_is_not_shared() {
    let key = |key: &str| AmiOptions { encryption: KeyChoice::parse(key), ..AmiOptions::default() };
    for alias in ["alias/web", "arn:aws:kms:eu-west-1:123456789012:alias/web"] {
        assert_eq!(accepted(&key(alias), &facts()).encryption, KeyChoice::Alias(alias.to_owned()));
    }
    assert_eq!(accepted(&key(KEY), &facts()).encryption, KeyChoice::Arn(KEY.to_owned()));
    for none in ["alias/", "alias/a b", "web", "arn:aws:kms:eu-west-1:123456789012:alias/"] {
        let refused = mistake(&key(none), &facts());
        assert!(refused.starts_with("`--kms-key`: ") && refused.contains("give `alias/"), "{refused}");
    }
    let own = AmiOptions { share: texts(&["111122223333"]), ..key("alias/aws/ebs") };
    assert!(mistake(&own, &facts()).contains("AWS's own key"));
}
