//! Requests: accepted options, and mistakes in them.

mod refusals;

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
        uefi_data: None,
        measured: false,
        watermark: None,
        tags: Tags::from([("amiforge:image".to_owned(), "web".to_owned())]),
    }
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|&text| text.to_owned()).collect()
}

fn accepted(options: &AmiOptions, facts: &ImageFacts) -> Request {
    check(options, facts, "eu-west-1", NOW).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The only mistake of these options.
fn mistake(options: &AmiOptions, facts: &ImageFacts) -> String {
    let RequestMistakes(mistakes) = check(options, facts, "eu-west-1", NOW).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
    mistakes[0].to_string()
}

#[test]
fn the_defaults_are_safe() {
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
fn names_have_the_version_or_the_content() {
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
fn every_option_reaches_the_request() {
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
    check_options_other_than_volumes(&request);
    let kept: Vec<_> = image.mappings.iter().map(|one| one.on_termination == OnTermination::Keep).collect();
    assert_eq!(kept, [true, false, false, true]);
    assert_eq!(image.mappings[2].encrypted, Encrypted::Key(None));
}

fn check_options_other_than_volumes(request: &Request) {
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
fn deprecation_is_a_date_a_time_or_a_number_of_days() {
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
fn invalid_names_descriptions_and_tags_are_refused() {
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
        (&mode(BootMode::Uefi), &legacy, "`uefi` is requested, and the partitions allow `legacy-bios` only"),
        (
            &mode(BootMode::Hybrid),
            &facts(),
            "`uefi-preferred` is requested, and the partitions allow `uefi` only",
        ),
        (&mode(BootMode::Bios), &arm, "arm64 machines have UEFI only"),
        (&mode(BootMode::Hybrid), &arm, "arm64 machines have UEFI only"),
        (&AmiOptions::default(), &none, "neither an ESP nor a BIOS boot partition"),
        (&for_arm, &facts(), "`arm64` is requested, and the image is for `x86_64`"),
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
    // CRC-32C of four zero bytes, the version.
    std::fs::write(file.path(), b"AMZNUEFI\xdd\xbd\x74\x48\0\0\0\0").unwrap();
    let blob = std::fs::read(file.path()).unwrap();
    let sum = crc32c::crc32c(&blob[12..]).to_le_bytes();
    std::fs::write(file.path(), [&blob[..8], &sum, &blob[12..]].concat()).unwrap();
    assert!(accepted(&uefi, &facts()).uefi_data.is_some());
    assert!(mistake(&uefi, &legacy).contains("`--uefi-data`: the boot mode is `legacy-bios`"));
}

#[test]
fn all_mistakes_are_reported_at_once() {
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
fn a_request_survives_serialization() {
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
fn keys_are_given_by_alias_or_arn_and_the_aws_managed_key_is_not_shared() {
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
