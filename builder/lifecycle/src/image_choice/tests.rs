//! Choices against a service that is a list.

use amiforge_publish::api::ec2::DescribedImage;

use super::explain::{ambiguity, nothing, shown, unusable};
use super::*;

const NOW: i64 = 1_800_000_000;

fn image(id: &str, created: &str) -> DescribedImage {
    DescribedImage {
        id: id.to_owned(),
        name: Some(format!("al2023-{id}")),
        state: "available".to_owned(),
        created: Some(created.to_owned()),
        architecture: Some("x86_64".to_owned()),
        ..DescribedImage::default()
    }
}

fn terms(arch: Option<&str>) -> ImageTerms<'_> {
    ImageTerms { naming: ImageNaming::Newest { owner: "amazon", name: "al2023-*" }, arch, now: NOW }
}

#[test]
fn images_of_another_architecture_or_state_are_not_taken() {
    let good = image("ami-1", "2026-11-01T00:00:00.000Z");
    assert_eq!(unusable(&good, Some("x86_64")), None);
    assert_eq!(unusable(&good, None), None);
    assert_eq!(unusable(&good, Some("arm64")).as_deref(), Some("is for x86_64, not for arm64"));
    let disabled = DescribedImage { state: "disabled".to_owned(), ..good.clone() };
    assert_eq!(unusable(&disabled, Some("x86_64")).as_deref(), Some("is disabled"));
    let failed =
        DescribedImage { state: "failed".to_owned(), state_reason: Some("no\x1broom".to_owned()), ..good };
    assert_eq!(unusable(&failed, None).as_deref(), Some("is `failed`: no\\x1broom"));
}

#[test]
fn equally_new_images_and_several_architectures_are_ambiguous() {
    let (old, new) = ("2026-10-01T00:00:00.000Z", "2026-11-01T00:00:00.000Z");
    assert_eq!(ambiguity(&[image("ami-2", new), image("ami-1", old)]), None);
    let text = ambiguity(&[image("ami-2", new), image("ami-3", new), image("ami-1", old)]).unwrap();
    assert!(text.contains("ami-2") && text.contains("ami-3") && !text.contains("ami-1"), "{text}");
    let arm = DescribedImage { architecture: Some("arm64".to_owned()), ..image("ami-2", new) };
    let text = ambiguity(&[arm, image("ami-1", old)]).unwrap();
    assert!(text.contains("for arm64 and for x86_64"), "{text}");
}

#[test]
fn an_empty_choice_says_what_there_is() {
    let at = "2026-11-01T00:00:00.000Z";
    let text = |all: &[DescribedImage]| {
        nothing(all, ("amazon", "al2023-*"), "eu-west-1", &terms(Some("x86_64"))).to_string()
    };
    assert!(text(&[]).contains("there is none"), "{}", text(&[]));
    let arm = DescribedImage { architecture: Some("arm64".to_owned()), ..image("ami-a", at) };
    let old = DescribedImage {
        deprecation_time: Some("2027-01-01T00:00:00.000Z".to_owned()),
        ..image("ami-b", at)
    };
    let found = text(&[arm, old]);
    for part in ["ami-a", "is for arm64, not for x86_64", "ami-b", "is deprecated", "eu-west-1"] {
        assert!(found.contains(part), "{found}");
    }
    let many: Vec<_> = (0..9)
        .map(|n| DescribedImage { state: "disabled".to_owned(), ..image(&format!("ami-{n}"), at) })
        .collect();
    assert!(text(&many).contains("and 5 more is disabled"), "{}", text(&many));
}

#[test]
fn deprecation_is_known_by_the_clock_and_names_are_escaped() {
    let of = |at: &str| DescribedImage { deprecation_time: Some(at.to_owned()), ..image("ami-1", "") };
    assert!(deprecated_since(&of("2027-01-14T00:00:00.000Z"), NOW).is_some());
    assert!(deprecated_since(&of("2027-01-20T00:00:00Z"), NOW).is_none());
    assert_eq!(remarks(&of("2020-01-01T00:00:00Z"), NOW).len(), 1);
    let named = DescribedImage { name: Some("a\x1b[2Jb".to_owned()), ..image("ami-1", "x") };
    assert_eq!(shown(&named), "ami-1 (`a\\x1b[2Jb` of x)");
}

#[test]
fn a_parameter_holds_an_id_and_nothing_else() {
    let parameter = |value: &str, kind: &str| Parameter {
        name: "/a".to_owned(),
        value: value.to_owned(),
        version: 1,
        kind: kind.to_owned(),
        data_type: "text".to_owned(),
        modified: 0,
    };
    assert_eq!(image_id("/a", &parameter("ami-0a\n", "String")).unwrap(), "ami-0a");
    for (value, kind, said) in [
        ("ami-0a", "SecureString", "a secret"),
        ("{\"image_id\":\"ami-0a\"}", "String", "`ssm:/a/image_id`"),
        ("ami-x\x1b", "String", "`ami-x\\x1b`"),
        ("", "String", "``"),
    ] {
        let text = image_id("/a", &parameter(value, kind)).unwrap_err().to_string();
        assert!(text.contains(said), "{text}");
    }
}
