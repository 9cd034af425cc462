//! `CreateLaunchTemplateVersion`, `DescribeLaunchTemplateVersions` and `DeleteLaunchTemplateVersions`.

use std::sync::Arc;

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::filter::{self, FieldValue, RequestFilter};
use super::image_xml::whole_seconds;
use super::pagination::{PageRequest, Rules};
use super::params::Params;
use super::template::no_version;
use super::template_data;
use super::template_operations::{mismatch, read_description, read_members, show_warning, token, warning};
use crate::services::xml::Xml;
use crate::state::template::{Members, Template, TemplateVersion};

const RULES: Rules = Rules { least: 1, most: 200, default: Some(200) };

/// Versions that are deleted in one call, at most.
const MAX_DELETED: usize = 200;

/// Filters, and the members that they look at.
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
    let _changing = call.changing();
    let params = call.params();
    let template = call.named_template(&params)?;
    let description = read_description(&params)?;
    let given = read_members(&params)?;
    let source = params.filled("SourceVersion");
    let resolve = params.truth("ResolveAlias")?.unwrap_or(false);
    let token = token(&params, &given);
    if let Some(done) = repeated(&template, token.as_ref())? {
        call.commit()?;
        return answer(call, &template, done, resolve, None);
    }
    let members = based_on(&template, source, given)?;
    let warning = warning(call, &members);
    call.commit()?;
    let mut changed = Template::clone(&template);
    let version = TemplateVersion { number: changed.next, description, created: call.now, members, token };
    changed.next += 1;
    changed.versions.push(version.clone());
    call.region.templates.put(&changed.id, changed.clone())?;
    answer(call, &changed, &version, resolve, warning.as_ref())
}

fn answer(
    call: &Ec2Call<'_>,
    template: &Template,
    version: &TemplateVersion,
    resolve: bool,
    warning: Option<&Ec2Error>,
) -> Result<Xml, Ec2Error> {
    let members = if resolve { call.resolved(&version.members)? } else { version.members.clone() };
    let mut xml = Xml::new();
    xml.element("launchTemplateVersion", |xml| template.show_version(xml, version, &members));
    show_warning(&mut xml, warning);
    Ok(xml)
}

fn repeated<'t>(
    template: &'t Template,
    token: Option<&(String, String)>,
) -> Result<Option<&'t TemplateVersion>, Ec2Error> {
    let Some((token, asked)) = token else { return Ok(None) };
    let same = |version: &&TemplateVersion| version.token.as_ref().is_some_and(|(other, _)| other == token);
    match template.versions.iter().find(same) {
        Some(version) if version.token.as_ref().is_some_and(|(_, before)| before != asked) => Err(mismatch()),
        found => Ok(found),
    }
}

/// What is given, and of the source version all else.
fn based_on(template: &Template, source: Option<&str>, given: Members) -> Result<Members, Ec2Error> {
    let Some(word) = source else { return Ok(given) };
    let number = template.number(word)?;
    let version = template.version(number).ok_or_else(|| no_version(number))?;
    let mut members = version.members.clone();
    members.extend(given);
    Ok(members)
}

/// Which versions are asked for.
struct VersionRequest<'q> {
    words: Vec<&'q str>,
    least: u64,
    most: u64,
}

/// A version and what pages are ordered by.
struct VersionRow {
    order: String,
    template: Arc<Template>,
    version: TemplateVersion,
    members: Members,
}

/// `DescribeLaunchTemplateVersions`.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let wanted = read_wanted(&params)?;
    let resolve = params.truth("ResolveAlias")?.unwrap_or(false);
    params.truth("IncludeManagedResources")?;
    let known = |name: &str| {
        matches!(name, "create-time" | "is-default-version")
            || FILTERS.iter().any(|(known, _)| *known == name)
    };
    let filters = filter::read(&params, known)?;
    let page = PageRequest::read(&params, RULES)?;
    let templates = templates(call, &params, &wanted)?;
    let mut rows = Vec::new();
    for template in &templates {
        push_rows(call, &mut rows, template, &wanted, resolve)?;
    }
    call.commit()?;
    rows.retain(|row| matches(&filters, row));
    rows.sort_by(|a, b| a.order.cmp(&b.order));
    rows.dedup_by(|a, b| a.order == b.order);
    let (shown, next) = page.cut(rows, |row| &row.order);
    let mut xml = Xml::new();
    xml.items("launchTemplateVersionSet", shown, |xml, row| {
        row.template.show_version(xml, &row.version, &row.members);
    });
    xml.optional("nextToken", next);
    Ok(xml)
}

fn read_wanted<'q>(params: &Params<'q>) -> Result<VersionRequest<'q>, Ec2Error> {
    let bound = |name: &str| {
        let Some(text) = params.filled(name) else { return Ok(None) };
        text.parse::<u64>().map(Some).map_err(|_| Ec2Error::value(name, text, "Expected a number."))
    };
    let (least, most) = (bound("MinVersion")?, bound("MaxVersion")?);
    let words = params.texts("LaunchTemplateVersion");
    if !words.is_empty() && (least.is_some() || most.is_some()) {
        return Err(Ec2Error::combination("Versions cannot be used with MinVersion and MaxVersion"));
    }
    Ok(VersionRequest { words, least: least.unwrap_or(0), most: most.unwrap_or(u64::MAX) })
}

fn templates(
    call: &Ec2Call<'_>,
    params: &Params<'_>,
    wanted: &VersionRequest<'_>,
) -> Result<Vec<Arc<Template>>, Ec2Error> {
    let named = params.has("LaunchTemplateId") || params.has("LaunchTemplateName");
    let everywhere = wanted.words.iter().all(|word| word.starts_with('$')) && !wanted.words.is_empty();
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
    wanted: &VersionRequest<'_>,
    resolve: bool,
) -> Result<(), Ec2Error> {
    let mut numbers = Vec::new();
    for word in &wanted.words {
        let number = template.number(word)?;
        template.version(number).ok_or_else(|| no_version(number))?;
        numbers.push(number);
    }
    for version in &template.versions {
        let named = numbers.is_empty() || numbers.contains(&version.number);
        if named && (wanted.least..=wanted.most).contains(&version.number) {
            let members = if resolve { call.resolved(&version.members)? } else { version.members.clone() };
            // The newest comes first.
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
    let _changing = call.changing();
    let params = call.params();
    let words = params.texts("LaunchTemplateVersion");
    if words.is_empty() {
        return Err(Ec2Error::missing("LaunchTemplateVersion"));
    }
    if words.len() > MAX_DELETED {
        let message = format!("At most {MAX_DELETED} versions may be deleted in one call");
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    let template = call.named_template(&params)?;
    call.commit()?;
    let mut changed = Template::clone(&template);
    let (mut gone, mut kept) = (Vec::new(), Vec::new());
    for word in words {
        match template.number(word) {
            Ok(number) if number == template.default => {
                kept.push((
                    number,
                    "unexpectedError",
                    "Cannot delete the default version of a launch template",
                ));
            }
            Ok(number) if changed.version(number).is_some() => {
                changed.versions.retain(|version| version.number != number);
                gone.push(number);
            }
            other => {
                let number = other.unwrap_or_default();
                kept.push((
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
    xml.items("successfullyDeletedLaunchTemplateVersionSet", gone, head);
    xml.items("unsuccessfullyDeletedLaunchTemplateVersionSet", kept, |xml, (number, code, message)| {
        head(xml, number);
        xml.element("responseError", |xml| {
            xml.value("code", code);
            xml.value("message", message);
        });
    });
    Ok(xml)
}
