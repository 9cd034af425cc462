//! `DescribeRegions` and `DescribeAvailabilityZones`.

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use crate::services::xml::Xml;

/// The number of local regions that are always listed, besides AWS's regions and those that have been used:
/// `local`, `local-2`, ...
const LISTED_LOCAL_REGIONS: usize = 9;

/// The names of AWS's regions (Regions and Zones, AWS General Reference), which are valid here too.
const AWS_REGIONS: [&str; 38] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// Whether a name has the form of a region name: `local-12`, or an area, a direction and a digit. This
/// includes regions that AWS opens in the future.
fn is_region_shaped(name: &str) -> bool {
    const DIRECTIONS: [&str; 9] =
        ["central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west"];
    let number =
        |text: &str| !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = name.strip_prefix("local-") {
        return number(rest);
    }
    let mut parts = name.rsplitn(3, '-');
    let (Some(digit), Some(direction), Some(area)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let (area, kind) = area.split_once('-').unwrap_or((area, "gov"));
    digit.len() == 1
        && number(digit)
        && DIRECTIONS.contains(&direction)
        && (2..=4).contains(&area.len())
        && area.bytes().all(|byte| byte.is_ascii_lowercase())
        && (kind == "gov" || kind.starts_with("iso"))
}

/// `DescribeRegions`.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let (params, host) = (call.params(), call.host);
    let requested = params.text_list("RegionName");
    params.boolean("AllRegions")?;
    let known = |name: &str| matches!(name, "endpoint" | "opt-in-status" | "region-name");
    let filters = filter::read(&params, known)?;
    let mut names = vec!["local".to_owned()];
    names.extend((2..=LISTED_LOCAL_REGIONS).map(|number| format!("local-{number}")));
    names.extend(AWS_REGIONS.map(str::to_owned));
    names.extend(call.state.used_regions());
    // The list cannot contain all regions, so a requested name with a valid form is added.
    let requested_names = filter::values(&filters, "region-name").chain(requested.iter().copied());
    names.extend(requested_names.filter(|name| is_region_shaped(name)).map(str::to_owned));
    names.sort();
    names.dedup();
    if let Some(missing) = requested.iter().find(|name| !names.iter().any(|known| known == *name)) {
        return Err(Ec2Error::value("region", missing, "The region does not exist."));
    }
    call.commit()?;
    let field = |region: &str, name: &str| match name {
        "endpoint" => FieldValue::one(host),
        "opt-in-status" => FieldValue::one("opt-in-not-required"),
        _ => FieldValue::one(region),
    };
    names.retain(|name| requested.is_empty() || requested.contains(&name.as_str()));
    names.retain(|region| filter::all_match(&filters, |name| field(region, name)));
    let mut xml = Xml::new();
    xml.items("regionInfo", names, |xml, name| {
        xml.value("regionName", name);
        xml.value("regionEndpoint", host);
        xml.value("optInStatus", "opt-in-not-required");
    });
    Ok(xml)
}

/// The availability zones of a region: names and ids.
pub(crate) fn zones_of(region: &str) -> Vec<(String, String)> {
    let letters = ["a", "b", "c"].iter().zip(1..);
    letters.map(|(letter, number)| (format!("{region}{letter}"), format!("{region}-az{number}"))).collect()
}

/// `DescribeAvailabilityZones`.
pub(crate) fn zones(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let region = &call.region.name;
    params.boolean("AllAvailabilityZones")?;
    let (names, ids) = (params.text_list("ZoneName"), params.text_list("ZoneId"));
    let known = ["group-name", "opt-in-status", "region-name", "state", "zone-id", "zone-name", "zone-type"];
    let filters = filter::read(&params, |name| known.contains(&name))?;
    let mut zones = zones_of(region);
    let missing = names.iter().find(|name| !zones.iter().any(|zone| zone.0 == **name));
    let missing = missing.or_else(|| ids.iter().find(|id| !zones.iter().any(|zone| zone.1 == **id)));
    if let Some(missing) = missing {
        return Err(Ec2Error::value("availabilityZone", missing, "The zone does not exist."));
    }
    call.commit()?;
    let field = |zone: &(String, String), name: &str| match name {
        "zone-name" => FieldValue::one(&zone.0),
        "zone-id" => FieldValue::one(&zone.1),
        "state" => FieldValue::one("available"),
        "zone-type" => FieldValue::one("availability-zone"),
        "opt-in-status" => FieldValue::one("opt-in-not-required"),
        _ => FieldValue::one(region),
    };
    zones.retain(|zone| names.is_empty() || names.contains(&zone.0.as_str()));
    zones.retain(|zone| ids.is_empty() || ids.contains(&zone.1.as_str()));
    zones.retain(|zone| filter::all_match(&filters, |name| field(zone, name)));
    let mut xml = Xml::new();
    xml.items("availabilityZoneInfo", zones, |xml, (name, id)| {
        xml.value("zoneName", name);
        xml.value("zoneId", id);
        xml.value("zoneState", "available");
        xml.value("zoneType", "availability-zone");
        xml.value("regionName", region);
        xml.value("groupName", region);
        xml.value("networkBorderGroup", region);
        xml.value("optInStatus", "opt-in-not-required");
        xml.element("messageSet", |_| {});
    });
    Ok(xml)
}
