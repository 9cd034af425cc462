//! `CreateLaunchTemplateVersion`, `DescribeLaunchTemplateVersions` and `DeleteLaunchTemplateVersions`.

use std::sync::Arc;

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::filter::{self, FieldValue, RequestFilter};
use super::image_xml::whole_seconds;
use super::pagination::{PageLimits, PageRequest};
use super::params::Params;
use super::template::no_version;
use super::template_data;
use super::template_operations::{mismatch, read_description, read_members, token, warning, write_warning};
use crate::services::xml::Xml;
use crate::state::template::{Template, TemplateMembers, TemplateVersion};

const LIMITS: PageLimits = PageLimits { min: 1, max: 200, default: Some(200) };

/// The maximum number of versions deleted in a request.
const MAX_DELETED: usize = 200;

/// The filters and the members that they apply to.
const FILTERS: [(&str, &[&str]); 13] = [
    ("ebs-optimized", &["EbsOptimized"]),
    ("http-endpoint", &["MetadataOptions", "HttpEndpoint"]),
    ("http-protocol-ipv4", &["MetadataOptions", "HttpProtocolIpv4"]),
    ("http-protocol-ipv6", &["MetadataOptions", "HttpProtocolIpv6"]),
    ("host-resource-group-arn", &["Placement", "HostResourceGroupArn"]),
    ("http-tokens", &["MetadataOptions", "HttpTokens"]),
    ("iam-instance-profile", &["IamInstanceProfile", "Arn"]),
    ("image-id", &["ImageId"]),
    ("instance-type", &["InstanceType"]),
    ("kernel-id", &["KernelId"]),
    ("license-configuration-arn", &["LicenseSpecification", "LicenseConfigurationArn"]),
    ("network-card-index", &["NetworkInterface", "NetworkCardIndex"]),
    ("ram-disk-id", &["RamDiskId"]),
];

/// `CreateLaunchTemplateVersion`.
pub(crate) fn create(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let template = call.named_template(&params)?;
    let description = read_description(&params)?;
    let requested = read_members(&params)?;
    let source = params.non_empty("SourceVersion");
    let resolve = params.boolean("ResolveAlias")?.unwrap_or(false);
    let token = token(&params, &requested);
    if let Some(done) = find_repeated(&template, token.as_ref())? {
        call.commit()?;
        return version_response(call, &template, done, resolve, None);
    }
    let members = merge_source(&template, source, requested)?;
    let warning = warning(call, &members);
    call.commit()?;
    let mut changed = Template::clone(&template);
    let version = TemplateVersion { number: changed.next, description, created: call.now, members, token };
    changed.next += 1;
    changed.versions.push(version.clone());
    call.region.templates.put(&changed.id, changed.clone())?;
    version_response(call, &changed, &version, resolve, warning.as_ref())
}

fn version_response(
    call: &Ec2Call<'_>,
    template: &Template,
    version: &TemplateVersion,
    resolve: bool,
    warning: Option<&Ec2Error>,
) -> Result<Xml, Ec2Error> {
    let members = if resolve { call.resolve_image(&version.members)? } else { version.members.clone() };
    let mut xml = Xml::new();
    xml.element("launchTemplateVersion", |xml| {
        template.write_version_xml(xml, &call.region.name, version, &members);
    });
    write_warning(&mut xml, warning);
    Ok(xml)
}

fn find_repeated<'t>(
    template: &'t Template,
    token: Option<&(String, String)>,
) -> Result<Option<&'t TemplateVersion>, Ec2Error> {
    let Some((token, request_text)) = token else { return Ok(None) };
    let same = |version: &&TemplateVersion| version.token.as_ref().is_some_and(|(other, _)| other == token);
    match template.versions.iter().find(same) {
        Some(version) if version.token.as_ref().is_some_and(|(_, before)| before != request_text) => {
            Err(mismatch())
        }
        version => Ok(version),
    }
}

/// The given members, and all others of the source version.
fn merge_source(
    template: &Template,
    source: Option<&str>,
    requested: TemplateMembers,
) -> Result<TemplateMembers, Ec2Error> {
    let Some(selector) = source else { return Ok(requested) };
    let number = template.number(selector)?;
    let version = template.version(number).ok_or_else(|| no_version(number))?;
    let mut members = version.members.clone();
    members.extend(requested);
    Ok(members)
}

/// The selection of versions.
struct VersionRequest<'q> {
    selectors: Vec<&'q str>,
    min: u64,
    max: u64,
}

/// A version and its sort key for pagination.
struct VersionRow {
    order: String,
    template: Arc<Template>,
    version: TemplateVersion,
    members: TemplateMembers,
}

/// `DescribeLaunchTemplateVersions`.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let request = read_version_request(&params)?;
    let resolve = params.boolean("ResolveAlias")?.unwrap_or(false);
    params.boolean("IncludeManagedResources")?;
    let known = |name: &str| {
        matches!(name, "create-time" | "is-default-version")
            || FILTERS.iter().any(|(known, _)| *known == name)
    };
    let filters = filter::read(&params, known)?;
    let page = PageRequest::read(&params, LIMITS)?;
    let templates = templates(call, &params, &request)?;
    let mut rows = Vec::new();
    for template in &templates {
        push_rows(call, &mut rows, template, &request, resolve)?;
    }
    call.commit()?;
    rows.retain(|row| matches(&filters, row));
    rows.sort_by(|a, b| a.order.cmp(&b.order));
    rows.dedup_by(|a, b| a.order == b.order);
    let (page_rows, next) = page.paginate(rows, |row| &row.order);
    let mut xml = Xml::new();
    xml.items("launchTemplateVersionSet", page_rows, |xml, row| {
        row.template.write_version_xml(xml, &call.region.name, &row.version, &row.members);
    });
    xml.optional("nextToken", next);
    Ok(xml)
}

fn read_version_request<'q>(params: &Params<'q>) -> Result<VersionRequest<'q>, Ec2Error> {
    let bound = |name: &str| {
        let Some(text) = params.non_empty(name) else { return Ok(None) };
        text.parse::<u64>().map(Some).map_err(|_| Ec2Error::value(name, text, "Expected a number."))
    };
    let (min, max) = (bound("MinVersion")?, bound("MaxVersion")?);
    let selectors = params.text_list("LaunchTemplateVersion");
    if !selectors.is_empty() && (min.is_some() || max.is_some()) {
        return Err(Ec2Error::combination("Versions cannot be used with MinVersion and MaxVersion"));
    }
    Ok(VersionRequest { selectors, min: min.unwrap_or(0), max: max.unwrap_or(u64::MAX) })
}

fn templates(
    call: &Ec2Call<'_>,
    params: &Params<'_>,
    request: &VersionRequest<'_>,
) -> Result<Vec<Arc<Template>>, Ec2Error> {
    let named = params.has("LaunchTemplateId") || params.has("LaunchTemplateName");
    let everywhere =
        request.selectors.iter().all(|selector| selector.starts_with('$')) && !request.selectors.is_empty();
    if named || !everywhere {
        return Ok(vec![call.named_template(params)?]);
    }
    let all = call.region.templates.all().into_iter().map(|(_, template)| template);
    Ok(all.filter(|template| template.owner == call.account).collect())
}

fn push_rows(
    call: &Ec2Call<'_>,
    rows: &mut Vec<VersionRow>,
    template: &Arc<Template>,
    request: &VersionRequest<'_>,
    resolve: bool,
) -> Result<(), Ec2Error> {
    let mut numbers = Vec::new();
    for selector in &request.selectors {
        let number = template.number(selector)?;
        template.version(number).ok_or_else(|| no_version(number))?;
        numbers.push(number);
    }
    for version in &template.versions {
        let named = numbers.is_empty() || numbers.contains(&version.number);
        if named && (request.min..=request.max).contains(&version.number) {
            let members =
                if resolve { call.resolve_image(&version.members)? } else { version.members.clone() };
            // The newest version comes first.
            let order = format!("{}/{:020}", template.id, u64::MAX - version.number);
            rows.push(VersionRow {
                order,
                template: Arc::clone(template),
                version: version.clone(),
                members,
            });
        }
    }
    Ok(())
}

fn matches(filters: &[RequestFilter], row: &VersionRow) -> bool {
    filter::all_match(filters, |name| match name {
        "create-time" => FieldValue::one(whole_seconds(row.version.created)),
        "is-default-version" => FieldValue::one(row.version.number == row.template.default),
        _ => {
            let path = FILTERS.iter().find(|(known, _)| *known == name).map(|(_, path)| *path);
            FieldValue::maybe(path.and_then(|path| template_data::text(&row.members, path)))
        }
    })
}

/// `DeleteLaunchTemplateVersions`.
pub(crate) fn delete(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let selectors = params.text_list("LaunchTemplateVersion");
    if selectors.is_empty() {
        return Err(Ec2Error::missing("LaunchTemplateVersion"));
    }
    if selectors.len() > MAX_DELETED {
        let message = format!("At most {MAX_DELETED} versions may be deleted in one call");
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    let template = call.named_template(&params)?;
    call.commit()?;
    let mut changed = Template::clone(&template);
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for selector in selectors {
        match template.number(selector) {
            Ok(number) if number == template.default => {
                failed.push((
                    number,
                    "unexpectedError",
                    "Cannot delete the default version of a launch template",
                ));
            }
            Ok(number) if changed.version(number).is_some() => {
                changed.versions.retain(|version| version.number != number);
                deleted.push(number);
            }
            other => {
                let number = other.unwrap_or_default();
                failed.push((
                    number,
                    "launchTemplateVersionDoesNotExist",
                    "Could not find launch template version",
                ));
            }
        }
    }
    call.region.templates.put(&changed.id, changed.clone())?;
    let mut xml = Xml::new();
    let head = |xml: &mut Xml, number: u64| {
        xml.value("launchTemplateId", &template.id);
        xml.value("launchTemplateName", &template.name);
        xml.value("versionNumber", number);
    };
    xml.items("successfullyDeletedLaunchTemplateVersionSet", deleted, head);
    xml.items("unsuccessfullyDeletedLaunchTemplateVersionSet", failed, |xml, (number, code, message)| {
        head(xml, number);
        xml.element("responseError", |xml| {
            xml.value("code", code);
            xml.value("message", message);
        });
    });
    Ok(xml)
}
