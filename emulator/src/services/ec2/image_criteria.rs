//! The criteria of Allowed AMIs: parsed from requests, checked, written to responses, and applied to images.
//!
//! `ImageCriterionRequest` and `ImageCriterion`, Amazon EC2 API Reference: all conditions of a criterion have to hold,
//! and one criterion is enough. Error codes are not documented and were not tried on AWS.

use std::collections::BTreeMap;
use std::time::Duration;

use super::errors::Ec2Error;
use super::filter::wildcard;
use super::owners;
use super::params::Params;
use crate::clock::Timestamp;
use crate::services::xml::Xml;
use crate::state::State;
use crate::state::allowed_images::ImageCriterion;
use crate::state::image::ImageRecord;

/// The maximum number of criteria.
const MAX_CRITERIA: usize = 10;
/// The maximum number of image providers in all criteria.
const MAX_PROVIDERS: usize = 200;
/// The maximum number of names, product codes or watermarks in a criterion.
const MAX_VALUES: usize = 50;
/// The maximum number of days in a condition.
const MAX_DAYS: i64 = 2_147_483_647;

/// Names of groups of providers.
const PROVIDER_NAMES: [&str; 4] = ["amazon", "aws-backup-vault", "aws-marketplace", "none"];
/// Members of a filter for watermarks.
const WATERMARK_MEMBERS: [&str; 4] = [
    "WatermarkKey",
    "SourceImageRegion",
    "MaximumDaysSinceSourceImageCreated",
    "MaximumDaysSinceWatermarkCreated",
];
/// Members of the condition on scans.
const SCAN_MEMBERS: [&str; 7] = [
    "MaxDaysSinceLastFindingScan",
    "MaximumSeverityLabel",
    "MaxDaysSinceInformationalFixAvailable",
    "MaxDaysSinceLowFixAvailable",
    "MaxDaysSinceMediumFixAvailable",
    "MaxDaysSinceHighFixAvailable",
    "MaxDaysSinceCriticalFixAvailable",
];

/// Parses and checks the criteria of a request.
pub(crate) fn read(params: &Params<'_>) -> Result<Vec<ImageCriterion>, Ec2Error> {
    let criteria = params.list("ImageCriterion").iter().map(criterion).collect::<Result<Vec<_>, _>>()?;
    if criteria.len() > MAX_CRITERIA {
        return Err(wrong(format!("At most {MAX_CRITERIA} image criteria can be specified")));
    }
    let providers: usize = criteria.iter().map(|criterion| criterion.providers.len()).sum();
    if providers > MAX_PROVIDERS {
        return Err(wrong(format!("At most {MAX_PROVIDERS} image providers can be specified")));
    }
    Ok(criteria)
}

fn criterion(entry: &Params<'_>) -> Result<ImageCriterion, Ec2Error> {
    let texts = |name: &str| entry.text_list(name).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let days = |structure: &str, member: &str| match entry.structure(structure) {
        Some(condition) => number_of_days(&condition, member),
        None => Ok(None),
    };
    let watermarks = entry.list("ImageWatermark");
    let criterion = ImageCriterion {
        providers: texts("ImageProvider"),
        product_codes: texts("MarketplaceProductCode"),
        names: texts("ImageName"),
        days_since_deprecated: days("DeprecationTimeCondition", "MaximumDaysSinceDeprecated")?,
        days_since_created: days("CreationDateCondition", "MaximumDaysSinceCreated")?,
        watermarks: watermarks.iter().map(|filter| members(filter, &WATERMARK_MEMBERS)).collect(),
        scan: entry
            .structure("ScanResultCondition")
            .map_or_else(BTreeMap::new, |scan| members(&scan, &SCAN_MEMBERS)),
    };
    check(&criterion)?;
    Ok(criterion)
}

fn number_of_days(condition: &Params<'_>, member: &str) -> Result<Option<u64>, Ec2Error> {
    match condition.number(member)? {
        None => Ok(None),
        Some(days) if (0..=MAX_DAYS).contains(&days) => Ok(u64::try_from(days).ok()),
        Some(days) => Err(Ec2Error::value(member, &days.to_string(), "Expected 0 or more.")),
    }
}

fn members(structure: &Params<'_>, names: &[&str]) -> BTreeMap<String, String> {
    let member = |name: &&str| Some(((*name).to_owned(), structure.non_empty(name)?.to_owned()));
    names.iter().filter_map(member).collect()
}

fn check(criterion: &ImageCriterion) -> Result<(), Ec2Error> {
    if *criterion == ImageCriterion::default() {
        return Err(wrong("An image criterion must have a condition".to_owned()));
    }
    let account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let known = |provider: &&String| account(provider) || PROVIDER_NAMES.contains(&provider.as_str());
    if let Some(unknown) = criterion.providers.iter().find(|provider| !known(provider)) {
        return Err(Ec2Error::value(
            "ImageProvider",
            unknown,
            "Expected an account or a group of providers.",
        ));
    }
    if criterion.providers.len() > 1 && criterion.providers.iter().any(|provider| provider == "none") {
        return Err(Ec2Error::combination("The image provider none excludes all others"));
    }
    let lists = [criterion.names.len(), criterion.product_codes.len(), criterion.watermarks.len()];
    if lists.iter().any(|count| *count > MAX_VALUES) {
        return Err(wrong(format!("At most {MAX_VALUES} values can be specified")));
    }
    if let Some(name) = criterion.names.iter().find(|name| !is_name_pattern(name)) {
        return Err(Ec2Error::value("ImageName", name, "Expected a name with the wildcards ? and *."));
    }
    let is_code = |code: &&String| {
        (1..=25).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match criterion.product_codes.iter().find(|code| !is_code(code)) {
        Some(code) => Err(Ec2Error::value("MarketplaceProductCode", code, "Expected letters and digits.")),
        None => Ok(()),
    }
}

/// Whether a text may be a name of a criterion: 1 to 128 characters; with `?`, at least 3.
fn is_name_pattern(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"()[]./-'@_*? ".contains(&byte);
    let min = if name.contains('?') { 3 } else { 1 };
    (min..=128).contains(&name.len()) && name.bytes().all(allowed)
}

/// Whether an image of another account meets a criterion. Criteria for watermarks are not applied, and the local region has no
/// scans, so no image meets a condition on them.
pub(crate) fn is_met(
    criterion: &ImageCriterion,
    image: &ImageRecord,
    (state, now): (&State, Timestamp),
) -> bool {
    let providers = &criterion.providers;
    let provided = |provider: &String| {
        *provider == image.owner || owners::alias(state, &image.owner) == Some(provider.as_str())
    };
    let sold = |code: &String| owners::product_code(state, &image.owner).as_ref() == Some(code);
    let within = |days: Option<u64>, since: Option<Timestamp>| match (days, since) {
        (Some(days), Some(since)) => now.since(since) <= Duration::from_secs(days.saturating_mul(24 * 3600)),
        _ => true,
    };
    let deprecated = image.deprecated.filter(|from| *from <= now);
    let deprecated_too_long = match (criterion.days_since_deprecated, deprecated) {
        (Some(0), Some(_)) => true,
        (days, since) => !within(days, since),
    };
    (providers.is_empty() || providers.iter().any(provided))
        && (criterion.names.is_empty() || criterion.names.iter().any(|name| wildcard(name, &image.name)))
        && !deprecated_too_long
        && within(criterion.days_since_created, Some(image.created))
        && (criterion.product_codes.is_empty() || criterion.product_codes.iter().any(sold))
        && criterion.watermarks.is_empty()
        && criterion.scan.is_empty()
}

/// Writes a criterion.
pub(crate) fn write_xml(xml: &mut Xml, criterion: &ImageCriterion) {
    for (list, values) in [
        ("imageProviderSet", &criterion.providers),
        ("marketplaceProductCodeSet", &criterion.product_codes),
        ("imageNameSet", &criterion.names),
    ] {
        if !values.is_empty() {
            xml.element(list, |xml| values.iter().for_each(|value| xml.value("item", value)));
        }
    }
    if let Some(days) = criterion.days_since_deprecated {
        xml.element("deprecationTimeCondition", |xml| xml.value("maximumDaysSinceDeprecated", days));
    }
    if let Some(days) = criterion.days_since_created {
        xml.element("creationDateCondition", |xml| xml.value("maximumDaysSinceCreated", days));
    }
    if !criterion.watermarks.is_empty() {
        xml.items("imageWatermarkSet", &criterion.watermarks, write_members);
    }
    if !criterion.scan.is_empty() {
        xml.element("scanResultCondition", |xml| write_members(xml, &criterion.scan));
    }
}

fn write_members(xml: &mut Xml, members: &BTreeMap<String, String>) {
    for (name, value) in members {
        let (first, rest) = name.split_at(1);
        xml.value(&format!("{}{rest}", first.to_ascii_lowercase()), value);
    }
}

fn wrong(message: String) -> Ec2Error {
    Ec2Error::new("InvalidParameterValue", message)
}
