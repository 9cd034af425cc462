//! `CreateImageUsageReport`, `DescribeImageUsageReports`, `DescribeImageUsageReportEntries` and
//! `DeleteImageUsageReport`: the use of an image by other accounts.
//!
//! EC2 User Guide, *View your AMI usage*: a report of its own for each image; a launch template counts once, however
//! many of its versions name the image; a report is deleted after 30 days. Not tried on AWS: that the account's own
//! resources are left out, and all error codes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::call::{Ec2Call, check_image_id};
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use super::image_references::{DEFAULT_DEPTH, ReferenceScope, read_depth, references, wrong_option};
use super::pagination::{PageLimits, PageRequest};
use super::params::Params;
use super::success::return_true;
use super::tags;
use crate::ids;
use crate::services::xml::Xml;
use crate::state::usage_report::{UsageEntry, UsageReport};

const LIMITS: PageLimits = PageLimits { min: 1, max: 1000, default: None };
const KINDS: [&str; 4] =
    ["ec2:Instance", "ec2:LaunchTemplate", "imagebuilder:ImageRecipe", "imagebuilder:ContainerRecipe"];
const MAX_ACCOUNTS: usize = 200;
const MAX_TOKEN: usize = 128;
/// How long a report is kept.
const KEPT: Duration = Duration::from_hours(24 * 30);

/// `CreateImageUsageReport`.
pub(crate) fn create(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let id = params.required("ImageId")?;
    let kinds = read_kinds(&params)?;
    let accounts: Vec<String> = params.text_list("AccountId").into_iter().map(str::to_owned).collect();
    check_accounts(&accounts)?;
    let tags = tags::read_specifications(&params, &["image-usage-report"])?;
    let tags = tags.into_iter().next().map(|(_, tags)| tags).unwrap_or_default();
    let image = call.own_image(id)?;
    let token = params.non_empty("ClientToken").map(|token| (token, format!("{id} {kinds:?} {accounts:?}")));
    if let Some(existing) = token.as_ref().map(|token| repeated(call, token)).transpose()?.flatten() {
        call.commit()?;
        return Ok(report_id(&existing.id));
    }
    call.commit()?;
    let report = UsageReport {
        id: ids::fresh("aiur"),
        owner: call.account.to_owned(),
        entries: entries(call, &image.id, &kinds, &accounts),
        image: image.id.clone(),
        kinds,
        accounts,
        created: call.now,
        ready: call.now.after(call.state.config.windows.task),
        expires: call.now.after(KEPT),
        tags,
        token: token.map(|(token, request)| (token.to_owned(), request)),
    };
    let id = report.id.clone();
    call.region.usage_reports.put(&id, report)?;
    Ok(report_id(&id))
}

fn report_id(id: &str) -> Xml {
    let mut xml = Xml::new();
    xml.value("reportId", id);
    xml
}

/// The report of an equal request with this token; a different request is an error.
fn repeated(
    call: &Ec2Call<'_>,
    (token, request): &(&str, String),
) -> Result<Option<Arc<UsageReport>>, Ec2Error> {
    if token.len() > MAX_TOKEN {
        return Err(Ec2Error::value("ClientToken", token, "It is too long."));
    }
    let same = |report: &Arc<UsageReport>| report.token.as_ref().is_some_and(|(used, _)| used == token);
    match visible(call).into_iter().find(same) {
        Some(report) if report.token.as_ref().is_some_and(|(_, used)| used != request) => {
            let message = "The client token was used for another request";
            Err(Ec2Error::new("IdempotentParameterMismatch", message))
        }
        other => Ok(other),
    }
}

fn read_kinds(params: &Params<'_>) -> Result<Vec<(String, Option<u64>)>, Ec2Error> {
    let mut kinds = Vec::new();
    for entry in params.list("ResourceType") {
        entry.required("ResourceType")?;
        let kind = entry.one_of("ResourceType", &KINDS)?.unwrap_or_default();
        let mut depth = (kind == "ec2:LaunchTemplate").then_some(DEFAULT_DEPTH);
        for option in entry.list("ResourceTypeOption") {
            match (option.required("OptionName")?, kind) {
                ("version-depth", "ec2:LaunchTemplate") => {
                    depth = Some(read_depth(&option.text_list("OptionValue"))?);
                }
                (name, _) => return Err(wrong_option(name, kind)),
            }
        }
        kinds.push((kind.to_owned(), depth));
    }
    if kinds.is_empty() { Err(Ec2Error::missing("ResourceType")) } else { Ok(kinds) }
}

fn check_accounts(accounts: &[String]) -> Result<(), Ec2Error> {
    if accounts.len() > MAX_ACCOUNTS {
        let message = format!("At most {MAX_ACCOUNTS} accounts may be specified");
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    let valid = |account: &str| account.len() == 12 && account.bytes().all(|one| one.is_ascii_digit());
    match accounts.iter().find(|account| !valid(account)) {
        Some(account) => Err(Ec2Error::value("AccountId", account, "Expected twelve digits.")),
        None => Ok(()),
    }
}

/// The number of resources of other accounts that name an image.
fn entries(
    call: &Ec2Call<'_>,
    image: &str,
    kinds: &[(String, Option<u64>)],
    accounts: &[String],
) -> Vec<UsageEntry> {
    let known = |kind: &str| KINDS.iter().find(|one| **one == kind).copied();
    let scope = ReferenceScope {
        kinds: kinds.iter().filter_map(|(kind, _)| known(kind)).collect(),
        states: Vec::new(),
        depth: kinds.iter().find_map(|(_, depth)| *depth).unwrap_or(DEFAULT_DEPTH),
    };
    let mut naming = references(call, &scope);
    naming.retain(|one| {
        let asked = accounts.is_empty() || accounts.contains(&one.owner);
        one.image == image && one.owner != call.account && asked
    });
    naming.sort();
    naming.dedup();
    let mut counts: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for one in &naming {
        *counts.entry((one.owner.clone(), one.kind)).or_default() += 1;
    }
    let entry = |((account, kind), count): ((String, &str), u64)| UsageEntry {
        account,
        kind: kind.to_owned(),
        count,
    };
    counts.into_iter().map(entry).collect()
}

/// The account's reports that have not expired.
fn visible(call: &Ec2Call<'_>) -> Vec<Arc<UsageReport>> {
    let all = call.region.usage_reports.all().into_iter().map(|(_, report)| report);
    all.filter(|report| report.owner == call.account && call.now < report.expires).collect()
}

/// The reports that a request selects by `ImageId` and `ReportId`.
fn selected(call: &Ec2Call<'_>, params: &Params<'_>) -> Result<Vec<Arc<UsageReport>>, Ec2Error> {
    let (images, ids) = (params.text_list("ImageId"), params.text_list("ReportId"));
    images.iter().try_for_each(|image| check_image_id(image))?;
    let mut reports = visible(call);
    if let Some(missing) = ids.iter().find(|id| reports.iter().all(|report| report.id != **id)) {
        return Err(no_report(missing));
    }
    reports.retain(|report| {
        (images.is_empty() || images.contains(&report.image.as_str()))
            && (ids.is_empty() || ids.contains(&report.id.as_str()))
    });
    Ok(reports)
}

fn no_report(id: &str) -> Ec2Error {
    Ec2Error::new("InvalidImageUsageReportId.NotFound", format!("The report '{id}' does not exist"))
}

fn state(call: &Ec2Call<'_>, report: &UsageReport) -> &'static str {
    if call.now < report.ready { "pending" } else { "available" }
}

/// `DescribeImageUsageReports`.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let known = |name: &str| matches!(name, "creation-time" | "state") || filter::is_tag_filter(name);
    let filters = filter::read(&params, known)?;
    let page = PageRequest::read(&params, LIMITS)?;
    let mut reports = selected(call, &params)?;
    call.commit()?;
    reports.retain(|report| {
        filter::all_match(&filters, |name| match name {
            "creation-time" => FieldValue::one(report.created.iso()),
            "state" => FieldValue::one(state(call, report)),
            name => filter::tag_field(name, &report.tags),
        })
    });
    let (page_reports, next) = page.paginate(reports, |report| &report.id);
    let mut xml = Xml::new();
    xml.items("imageUsageReportSet", page_reports, |xml, report| write_xml(xml, call, &report));
    xml.optional("nextToken", next);
    Ok(xml)
}

fn write_xml(xml: &mut Xml, call: &Ec2Call<'_>, report: &UsageReport) {
    xml.value("imageId", &report.image);
    xml.value("reportId", &report.id);
    xml.items("resourceTypeSet", &report.kinds, |xml, (kind, depth)| {
        xml.value("resourceType", kind);
        xml.items("resourceTypeOptionSet", depth, |xml, depth| {
            xml.value("optionName", "version-depth");
            xml.element("optionValueSet", |xml| xml.value("item", depth));
        });
    });
    xml.element("accountIdSet", |xml| report.accounts.iter().for_each(|account| xml.value("item", account)));
    xml.value("state", state(call, report));
    xml.value("creationTime", report.created.iso());
    xml.value("expirationTime", report.expires.iso());
    tags::write_xml(xml, &report.tags);
}

/// `DescribeImageUsageReportEntries`.
pub(crate) fn entries_of(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let known = |name: &str| matches!(name, "account-id" | "creation-time" | "resource-type");
    let filters = filter::read(&params, known)?;
    let page = PageRequest::read(&params, LIMITS)?;
    let reports = selected(call, &params)?;
    call.commit()?;
    let mut rows = Vec::new();
    for report in reports.iter().filter(|report| state(call, report) == "available") {
        for entry in &report.entries {
            rows.push((format!("{}\n{}\n{}", report.id, entry.account, entry.kind), report, entry));
        }
    }
    rows.retain(|(_, report, entry)| {
        filter::all_match(&filters, |name| match name {
            "account-id" => FieldValue::one(&entry.account),
            "creation-time" => FieldValue::one(report.created.iso()),
            _ => FieldValue::one(&entry.kind),
        })
    });
    let (page_rows, next) = page.paginate(rows, |(order, _, _)| order);
    let mut xml = Xml::new();
    xml.items("imageUsageReportEntrySet", page_rows, |xml, (_, report, entry)| {
        xml.value("resourceType", &entry.kind);
        xml.value("reportId", &report.id);
        xml.value("usageCount", entry.count);
        xml.value("accountId", &entry.account);
        xml.value("imageId", &report.image);
        xml.value("reportCreationTime", report.created.iso());
    });
    xml.optional("nextToken", next);
    Ok(xml)
}

/// `DeleteImageUsageReport`.
pub(crate) fn delete(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let id = call.params().required("ReportId")?;
    if visible(call).iter().all(|report| report.id != id) {
        return Err(no_report(id));
    }
    call.commit()?;
    call.region.usage_reports.remove(id)?;
    Ok(return_true())
}
