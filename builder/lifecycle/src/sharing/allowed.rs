//! Whether the Allowed AMIs setting of an account hides an image, why, and which criteria admit it.
//!
//! The service marks an image that the account sees (`ImageAllowed`), but gives no reason, and a hidden image looks like
//! one that does not exist. So the criteria are applied here too, as its User Guide describes them: an image is allowed
//! if it meets every condition of one criterion; images of the account itself always are.

use amiforge_image::values;
use amiforge_publish::ami::AmiRegion;
use amiforge_publish::api::ec2::DescribedImage;
use amiforge_publish::tags;
use serde::Serialize;

use super::SharingError;
use crate::api::sharing::{AllowedImages, ImageCriterion, SharingCalls};

/// The maximum number of criteria.
const MAX_CRITERIA: usize = 10;

/// Seconds of a day.
const DAY: i64 = 24 * 3600;

/// What the user knows of an image that the account may not see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownFacts {
    /// The account that owns it.
    pub owner: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The pattern of names to admit, instead of one that follows from the name.
    pub names: Option<String>,
}

/// The properties of an image that criteria are about. Times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ImageFacts {
    owner: Option<String>,
    name: Option<String>,
    created: Option<i64>,
    deprecated: Option<i64>,
}

/// Whether the account can use an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It can.
    Allowed,
    /// It can, but could not if the setting were enabled: it is in audit mode.
    WouldBeHidden,
    /// It cannot: the criteria exclude it.
    Hidden,
    /// It does not see the image, although the setting does not exclude it: it is not shared, or does not exist.
    NotShared,
    /// It does not see the image, and without its owner and name it is not known why.
    Unknown,
}

/// The answer for an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedReport {
    /// The region.
    pub region: String,
    /// The image.
    pub image_id: String,
    /// `disabled`, `audit-mode` or `enabled`.
    pub state: String,
    /// `account` or `declarative-policy`.
    pub managed_by: String,
    /// Whether the account can use the image.
    pub verdict: Verdict,
    /// For each criterion, the conditions that the image does not meet.
    pub unmet: Vec<Vec<String>>,
    /// All criteria with which the image is allowed, if it is not and its owner is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criteria: Option<Vec<ImageCriterion>>,
}

/// Asks for the setting and the image, and compares them. `now` is in seconds since 1970.
///
/// # Errors
/// [`SharingError::Ami`].
pub async fn check<C: SharingCalls>(
    region: &AmiRegion<'_, C>,
    image: &str,
    known: &KnownFacts,
    now: i64,
) -> Result<AllowedReport, SharingError> {
    let action = "asking for the Allowed AMIs setting";
    let setting = region.call(action, || region.ec2.allowed_images()).await?;
    let seen = region.find_image(image).await?;
    Ok(report(region.name, image, &setting, seen.as_ref(), known, now))
}

fn report(
    region: &str,
    id: &str,
    setting: &AllowedImages,
    seen: Option<&DescribedImage>,
    known: &KnownFacts,
    now: i64,
) -> AllowedReport {
    let facts = facts(seen, known);
    let unmet: Vec<Vec<String>> =
        setting.criteria.iter().map(|criterion| unmet(criterion, &facts, now)).collect();
    let verdict = verdict(setting, seen, &facts, unmet.iter().any(Vec::is_empty));
    let excluded = matches!(verdict, Verdict::Hidden | Verdict::WouldBeHidden);
    AllowedReport {
        region: region.to_owned(),
        image_id: id.to_owned(),
        state: setting.state.clone(),
        managed_by: setting.managed_by.clone(),
        verdict,
        unmet: if excluded { unmet } else { Vec::new() },
        criteria: if excluded { admitting(setting, &facts, seen, known) } else { None },
    }
}

fn facts(seen: Option<&DescribedImage>, known: &KnownFacts) -> ImageFacts {
    let time = |text: Option<&String>| text.and_then(|text| seconds(text));
    ImageFacts {
        owner: seen.and_then(|image| image.owner.clone()).or_else(|| known.owner.clone()),
        name: seen.and_then(|image| image.name.clone()).or_else(|| known.name.clone()),
        created: time(seen.and_then(|image| image.created.as_ref())),
        deprecated: time(seen.and_then(|image| image.deprecation_time.as_ref())),
    }
}

fn verdict(setting: &AllowedImages, seen: Option<&DescribedImage>, facts: &ImageFacts, met: bool) -> Verdict {
    match (setting.state.as_str(), seen) {
        // What the service says of an image that it shows is right by definition.
        ("audit-mode", Some(image)) if image.allowed == Some(false) => Verdict::WouldBeHidden,
        (_, Some(_)) => Verdict::Allowed,
        ("enabled", None) if facts.owner.is_none() => Verdict::Unknown,
        ("enabled", None) if !met => Verdict::Hidden,
        (_, None) => Verdict::NotShared,
    }
}

/// The conditions of a criterion that an image does not meet, as sentences. A fact that is not known counts as met.
fn unmet(criterion: &ImageCriterion, facts: &ImageFacts, now: i64) -> Vec<String> {
    let mut unmet = Vec::new();
    if let (Some(owner), false) = (&facts.owner, criterion.image_providers.is_empty())
        && !criterion.image_providers.contains(owner)
    {
        unmet.push(format!("its owner {owner} is none of {}", criterion.image_providers.join(", ")));
    }
    if let (Some(name), false) = (&facts.name, criterion.image_names.is_empty())
        && !criterion.image_names.iter().any(|pattern| matches_pattern(pattern, name))
    {
        unmet.push(format!("its name `{name}` matches none of {}", criterion.image_names.join(", ")));
    }
    let days = |since: i64| (now - since) / DAY;
    let max = criterion.creation_date_condition.and_then(|condition| condition.maximum_days_since_created);
    if let (Some(max), Some(created)) = (max, facts.created)
        && now - created > days_in_seconds(max)
    {
        unmet.push(format!("it was created {} days ago, and {max} is the most", days(created)));
    }
    let max = criterion.deprecation_time_condition.and_then(|it| it.maximum_days_since_deprecated);
    if let (Some(max), Some(deprecated)) = (max, facts.deprecated.filter(|from| *from <= now))
        && (max == 0 || now - deprecated > days_in_seconds(max))
    {
        unmet.push(format!("it was deprecated {} days ago, and {max} is the most", days(deprecated)));
    }
    for (requested, what) in [
        (!criterion.marketplace_product_codes.is_empty(), "a product code of AWS Marketplace"),
        (!criterion.image_watermarks.is_empty(), "a watermark"),
        (criterion.scan_result_condition.is_some(), "a result of a scan by Amazon Inspector"),
    ] {
        if requested {
            unmet.push(format!("it needs {what}, which this program does not set"));
        }
    }
    unmet
}

fn days_in_seconds(days: u64) -> i64 {
    i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(DAY)
}

/// All criteria of the setting and what admits the image: its owner, and its names with every version.
fn admitting(
    setting: &AllowedImages,
    facts: &ImageFacts,
    seen: Option<&DescribedImage>,
    known: &KnownFacts,
) -> Option<Vec<ImageCriterion>> {
    let owner = facts.owner.clone()?;
    let pattern = known.names.clone().or_else(|| Some(names_of(facts.name.as_deref()?, seen)));
    let mut criteria = setting.criteria.clone();
    let same_names = |criterion: &&mut ImageCriterion| {
        let names = ImageCriterion {
            image_names: pattern.iter().cloned().collect(),
            image_providers: criterion.image_providers.clone(),
            ..ImageCriterion::default()
        };
        **criterion == names && !criterion.image_providers.iter().any(|provider| provider == "none")
    };
    // A criterion with the same names gets one more provider.
    if let Some(criterion) = criteria.iter_mut().find(same_names) {
        criterion.image_providers.push(owner);
        return Some(criteria);
    }
    if criteria.len() >= MAX_CRITERIA {
        return None;
    }
    criteria.push(ImageCriterion {
        image_providers: vec![owner],
        image_names: pattern.into_iter().collect(),
        ..ImageCriterion::default()
    });
    Some(criteria)
}

/// The pattern of an image's names: every version, if the name ends with it.
fn names_of(name: &str, seen: Option<&DescribedImage>) -> String {
    let version = seen.and_then(|image| image.tags.get(tags::VERSION));
    let stem = version.and_then(|version| name.strip_suffix(version.as_str()));
    match stem {
        Some(stem) if !stem.is_empty() => format!("{stem}*"),
        _ => name.to_owned(),
    }
}

/// Whether a name matches a pattern with `?` and `*`.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Greedy matching with one backtracking point: only the last `*` ever has to match more.
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(letter) = name.get(position) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(expected) if *expected == '?' || expected == letter => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((back, from)) = star else { return false };
                star = Some((back, from + 1));
                at = back + 1;
                position = from + 1;
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|letter| *letter == '*')
}

/// The seconds since 1970 of a time that the service reports: RFC 3339 in UTC, possibly with a fraction.
fn seconds(text: &str) -> Option<i64> {
    let whole = text.split('.').next()?.trim_end_matches('Z');
    values::epoch(&format!("{whole}Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::sharing::{CreationDateCondition, DeprecationTimeCondition};

    const NOW: i64 = 1_795_240_800;

    fn image(allowed: Option<bool>) -> DescribedImage {
        DescribedImage {
            id: "ami-1".to_owned(),
            name: Some("web-2026.11".to_owned()),
            owner: Some("1".repeat(12)),
            created: Some("2026-11-01T00:00:00.000Z".to_owned()),
            allowed,
            tags: [(tags::VERSION.to_owned(), "2026.11".to_owned())].into(),
            ..DescribedImage::default()
        }
    }

    fn setting(state: &str, criteria: Vec<ImageCriterion>) -> AllowedImages {
        AllowedImages { state: state.to_owned(), managed_by: "account".to_owned(), criteria }
    }

    fn providers(all: &[&str]) -> ImageCriterion {
        let image_providers = all.iter().map(|&one| one.to_owned()).collect();
        ImageCriterion { image_providers, ..ImageCriterion::default() }
    }

    fn check(setting: &AllowedImages, seen: Option<&DescribedImage>, known: &KnownFacts) -> AllowedReport {
        report("local", "ami-1", setting, seen, known, NOW)
    }

    #[test]
    fn times_are_read() {
        assert_eq!(seconds("2026-11-21T06:00:00.000Z"), Some(NOW));
        assert_eq!(seconds("2000-02-29T00:00:00Z"), Some(951_782_400));
        assert_eq!(seconds("yesterday"), None);
    }

    #[test]
    fn patterns_match_as_the_service_describes() {
        for (pattern, name, expected) in [
            ("web-*", "web-1", true),
            ("web-?", "web-12", false),
            ("*-1*", "web-21-12", true),
            ("web", "web-1", false),
        ] {
            assert_eq!(matches_pattern(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn an_image_in_audit_mode_would_be_hidden_and_the_printed_criteria_admit_it() {
        let before = setting("audit-mode", vec![providers(&["amazon"])]);
        let seen = image(Some(false));
        let report = check(&before, Some(&seen), &KnownFacts::default());
        assert_eq!(report.verdict, Verdict::WouldBeHidden);
        assert_eq!(report.unmet, [["its owner 111111111111 is none of amazon"]]);
        let criteria = report.criteria.unwrap();
        assert_eq!(criteria.len(), 2);
        let json = serde_json::to_value(&criteria[1]).unwrap();
        let expected = serde_json::json!({"ImageProviders": ["111111111111"], "ImageNames": ["web-*"]});
        assert_eq!(json, expected);
        let facts = facts(Some(&seen), &KnownFacts::default());
        assert!(unmet(&criteria[1], &facts, NOW).is_empty());
    }

    #[test]
    fn a_hidden_image_and_one_that_is_not_shared_differ_by_what_the_user_knows() {
        let enabled = setting("enabled", vec![providers(&["amazon"])]);
        let known = KnownFacts { owner: Some("1".repeat(12)), ..KnownFacts::default() };
        assert_eq!(check(&enabled, None, &KnownFacts::default()).verdict, Verdict::Unknown);
        assert_eq!(check(&enabled, None, &known).verdict, Verdict::Hidden);
        let admitted = setting("enabled", vec![providers(&["111111111111"])]);
        assert_eq!(check(&admitted, None, &known).verdict, Verdict::NotShared);
        assert_eq!(check(&setting("disabled", Vec::new()), None, &known).verdict, Verdict::NotShared);
        assert_eq!(check(&enabled, Some(&image(Some(true))), &known).verdict, Verdict::Allowed);
    }

    #[test]
    fn ages_are_compared_in_days() {
        let old = DescribedImage { deprecation_time: Some("2026-11-20T00:00:00Z".to_owned()), ..image(None) };
        let facts = facts(Some(&old), &KnownFacts::default());
        let created = |days| ImageCriterion {
            creation_date_condition: Some(CreationDateCondition { maximum_days_since_created: Some(days) }),
            ..ImageCriterion::default()
        };
        assert_eq!(unmet(&created(20), &facts, NOW), ["it was created 20 days ago, and 20 is the most"]);
        assert!(unmet(&created(21), &facts, NOW).is_empty());
        let deprecated = |days| ImageCriterion {
            deprecation_time_condition: Some(DeprecationTimeCondition {
                maximum_days_since_deprecated: Some(days),
            }),
            ..ImageCriterion::default()
        };
        assert_eq!(unmet(&deprecated(0), &facts, NOW).len(), 1);
        assert!(unmet(&deprecated(2), &facts, NOW).is_empty());
    }

    #[test]
    fn a_criterion_with_the_same_names_gets_one_more_provider() {
        let same = ImageCriterion { image_names: vec!["web-*".to_owned()], ..providers(&["222222222222"]) };
        let before = setting("audit-mode", vec![same]);
        let report = check(&before, Some(&image(Some(false))), &KnownFacts::default());
        let criteria = report.criteria.unwrap();
        assert_eq!(criteria[0].image_providers, ["222222222222", "111111111111"]);
        assert_eq!(criteria.len(), 1);
    }
}
