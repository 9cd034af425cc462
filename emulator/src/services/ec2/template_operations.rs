//! `CreateLaunchTemplate`, `DeleteLaunchTemplate`, `DescribeLaunchTemplates` and `ModifyLaunchTemplate`.

use std::sync::Arc;

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use super::image_xml::whole_seconds;
use super::pagination::{PageLimits, PageRequest};
use super::params::Params;
use super::tags;
use super::template::no_version;
use super::template_data;
use crate::ids;
use crate::services::xml::Xml;
use crate::state::template::{Template, TemplateMembers, TemplateVersion};

const LIMITS: PageLimits = PageLimits { min: 1, max: 200, default: Some(200) };

/// `CreateLaunchTemplate`.
pub(crate) fn create(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let name = params.required("LaunchTemplateName")?;
    check_name(name)?;
    let description = read_description(&params)?;
    let members = read_members(&params)?;
    let tags = tags::read_specifications(&params, &["launch-template"])?;
    let token = token(&params, &members);
    if let Some(done) = find_repeated(call, token.as_ref())? {
        call.commit()?;
        return Ok(template_response(call, &done, None));
    }
    if call.template_named(name).is_ok() {
        let message = "Launch template name already in use.";
        return Err(Ec2Error::new("InvalidLaunchTemplateName.AlreadyExistsException", message));
    }
    let warning = warning(call, &members);
    call.commit()?;
    let version = TemplateVersion { number: 1, description, created: call.now, members, token: None };
    let template = Template {
        id: ids::fresh("lt"),
        name: name.to_owned(),
        owner: call.account.to_owned(),
        created: call.now,
        versions: vec![version],
        default: 1,
        next: 2,
        tags: tags::of_kind(&tags, "launch-template"),
        token,
    };
    call.region.templates.put(&template.id, template.clone())?;
    Ok(template_response(call, &template, warning.as_ref()))
}

fn template_response(call: &Ec2Call<'_>, template: &Template, warning: Option<&Ec2Error>) -> Xml {
    let mut xml = Xml::new();
    xml.element("launchTemplate", |xml| template.write_xml(xml, &call.region.name));
    write_warning(&mut xml, warning);
    xml
}

/// Writes the problem of a template that was created nevertheless.
pub(crate) fn write_warning(xml: &mut Xml, warning: Option<&Ec2Error>) {
    if let Some(warning) = warning {
        xml.element("warning", |xml| {
            xml.items("errorSet", [warning], |xml, error| {
                xml.value("code", &error.code);
                xml.value("message", &error.message);
            });
        });
    }
}

/// The problem of an image that cannot be launched, which does not prevent the template.
pub(crate) fn warning(call: &Ec2Call<'_>, members: &TemplateMembers) -> Option<Ec2Error> {
    let image = template_data::text(members, &["ImageId"])?;
    if image.starts_with("resolve:ssm:") { None } else { call.image(image).err() }
}

fn check_name(name: &str) -> Result<(), Ec2Error> {
    let allowed = |one: char| one.is_ascii_alphanumeric() || "()./-_".contains(one);
    if (3..=128).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    let message = "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, \
                   and the following characters: - ( ) . / _";
    Err(Ec2Error::new("InvalidLaunchTemplateName.MalformedException", message))
}

/// Parses and checks `VersionDescription`.
pub(crate) fn read_description(params: &Params<'_>) -> Result<Option<String>, Ec2Error> {
    let text = params.non_empty("VersionDescription");
    if text.is_some_and(|text| text.chars().count() > 255) {
        let message = "The version description may have at most 255 characters";
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    Ok(text.map(str::to_owned))
}

/// Parses `LaunchTemplateData`.
pub(crate) fn read_members(params: &Params<'_>) -> Result<TemplateMembers, Ec2Error> {
    let structure = params.structure("LaunchTemplateData");
    let structure = structure.ok_or_else(|| Ec2Error::missing("LaunchTemplateData"))?;
    template_data::read(&structure)
}

/// The client token of a request, and its parameters in a canonical form. The form is stored with the template: the
/// `Debug` output of the members must not change.
pub(crate) fn token(params: &Params<'_>, members: &TemplateMembers) -> Option<(String, String)> {
    let token = params.non_empty("ClientToken")?;
    let names = ["LaunchTemplateName", "LaunchTemplateId", "SourceVersion", "VersionDescription"];
    let texts = names.map(|name| params.text(name));
    Some((token.to_owned(), format!("{texts:?} {members:?}")))
}

fn find_repeated(
    call: &Ec2Call<'_>,
    token: Option<&(String, String)>,
) -> Result<Option<Arc<Template>>, Ec2Error> {
    let Some((token, request_text)) = token else { return Ok(None) };
    let all = call.region.templates.all().into_iter().map(|(_, template)| template);
    let same = |template: &Arc<Template>| {
        template.owner == call.account && template.token.as_ref().is_some_and(|(other, _)| other == token)
    };
    match all.into_iter().find(same) {
        Some(template) if template.token.as_ref().is_some_and(|(_, before)| before != request_text) => {
            Err(mismatch())
        }
        template => Ok(template),
    }
}

/// The client token was used for another request.
pub(crate) fn mismatch() -> Ec2Error {
    let message = "The request uses the same client token as a previous, but non-identical request.";
    Ec2Error::new("IdempotentParameterMismatch", message)
}

/// `DeleteLaunchTemplate`.
pub(crate) fn delete(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let template = call.named_template(&call.params())?;
    call.commit()?;
    call.region.templates.remove(&template.id)?;
    Ok(template_response(call, &template, None))
}

/// `ModifyLaunchTemplate`: sets the default version.
pub(crate) fn modify(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    params.text("ClientToken");
    let template = call.named_template(&params)?;
    let selector =
        params.non_empty("SetDefaultVersion").ok_or_else(|| Ec2Error::missing("DefaultVersion"))?;
    let number = template.number(selector)?;
    template.version(number).ok_or_else(|| no_version(number))?;
    call.commit()?;
    let mut changed = Template::clone(&template);
    changed.default = number;
    call.region.templates.put(&changed.id, changed.clone())?;
    Ok(template_response(call, &changed, None))
}

/// `DescribeLaunchTemplates`.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let (ids, names) = (params.text_list("LaunchTemplateId"), params.text_list("LaunchTemplateName"));
    params.boolean("IncludeManagedResources")?;
    let known =
        |name: &str| matches!(name, "create-time" | "launch-template-name") || filter::is_tag_filter(name);
    let filters = filter::read(&params, known)?;
    let page = PageRequest::read(&params, LIMITS)?;
    for id in &ids {
        call.template(id)?;
    }
    for name in &names {
        call.template_named(name)?;
    }
    call.commit()?;
    let is_requested = |template: &Template| {
        let named = ids.contains(&template.id.as_str()) || names.contains(&template.name.as_str());
        template.owner == call.account && (named || (ids.is_empty() && names.is_empty()))
    };
    let field = |template: &Template, name: &str| match name {
        "create-time" => FieldValue::one(whole_seconds(template.created)),
        "launch-template-name" => FieldValue::one(&template.name),
        _ => filter::tag_field(name, &template.tags),
    };
    let mut templates: Vec<_> =
        call.region.templates.all().into_iter().map(|(_, template)| template).collect();
    templates.retain(|template| is_requested(template));
    templates.retain(|template| filter::all_match(&filters, |name| field(template, name)));
    let (page_templates, next) = page.paginate(templates, |template| &template.id);
    let mut xml = Xml::new();
    xml.items("launchTemplates", page_templates, |xml, template| {
        template.write_xml(xml, &call.region.name);
    });
    xml.optional("nextToken", next);
    Ok(xml)
}
