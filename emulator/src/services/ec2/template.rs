//! Launch templates: how requests refer to them, and their XML form.

use std::sync::Arc;

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::image_xml::whole_seconds;
use super::params::Params;
use super::tags;
use super::template_data;
use crate::services::ssm::parameters;
use crate::services::xml::Xml;
use crate::state::partition::partition;
use crate::state::template::{Template, TemplateMembers, TemplateValue, TemplateVersion};

/// The prefix of an image id that refers to a parameter.
const ALIAS: &str = "resolve:ssm:";

impl Template {
    /// The version number for `$Default`, `$Latest` or digits.
    pub(crate) fn number(&self, selector: &str) -> Result<u64, Ec2Error> {
        match selector {
            "$Default" => Ok(self.default),
            "$Latest" => Ok(self.latest()),
            digits => {
                let number = digits.parse().ok().filter(|number| *number > 0);
                let wrong = || {
                    Ec2Error::value(
                        "launchTemplateVersion",
                        digits,
                        "Expected a number, $Latest or $Default.",
                    )
                };
                number.ok_or_else(wrong)
            }
        }
    }

    fn created_by(&self, region: &str) -> String {
        format!("arn:{}:iam::{}:root", partition(region), self.owner)
    }

    /// Writes the template.
    pub(crate) fn write_xml(&self, xml: &mut Xml, region: &str) {
        xml.value("launchTemplateId", &self.id);
        xml.value("launchTemplateName", &self.name);
        xml.value("createTime", whole_seconds(self.created));
        xml.value("createdBy", self.created_by(region));
        xml.value("defaultVersionNumber", self.default);
        xml.value("latestVersionNumber", self.latest());
        tags::write_xml(xml, &self.tags);
    }

    /// Writes a version; `members` is its data, possibly with the resolved image.
    pub(crate) fn write_version_xml(
        &self,
        xml: &mut Xml,
        region: &str,
        version: &TemplateVersion,
        members: &TemplateMembers,
    ) {
        xml.value("launchTemplateId", &self.id);
        xml.value("launchTemplateName", &self.name);
        xml.value("versionNumber", version.number);
        xml.optional("versionDescription", version.description.as_ref());
        xml.value("createTime", whole_seconds(version.created));
        xml.value("createdBy", self.created_by(region));
        xml.value("defaultVersion", version.number == self.default);
        xml.element("launchTemplateData", |xml| template_data::write_xml(xml, members));
    }
}

/// The version does not exist.
pub(crate) fn no_version(number: impl std::fmt::Display) -> Ec2Error {
    let message = format!("Could not find launch template version {number}");
    Ec2Error::new("InvalidLaunchTemplateId.VersionNotFound", message)
}

impl Ec2Call<'_> {
    /// Finds a template of the account by its id.
    pub(crate) fn template(&self, id: &str) -> Result<Arc<Template>, Ec2Error> {
        let digits = id.strip_prefix("lt-").unwrap_or_default();
        if !matches!(digits.len(), 8 | 17) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            let message = format!("Invalid launch template ID: {id}");
            return Err(Ec2Error::new("InvalidLaunchTemplateId.Malformed", message));
        }
        let template = self.region.templates.find(id).filter(|template| template.owner == self.account);
        template.ok_or_else(|| {
            let message = format!("The specified launch template, with template ID {id}, does not exist.");
            Ec2Error::new("InvalidLaunchTemplateId.NotFound", message)
        })
    }

    /// Finds a template of the account by its name.
    pub(crate) fn template_named(&self, name: &str) -> Result<Arc<Template>, Ec2Error> {
        let all = self.region.templates.all().into_iter().map(|(_, template)| template);
        let template =
            all.into_iter().find(|template| template.owner == self.account && template.name == name);
        template.ok_or_else(|| {
            let message =
                format!("The specified launch template, with template name {name}, does not exist.");
            Ec2Error::new("InvalidLaunchTemplateName.NotFoundException", message)
        })
    }

    /// Finds the template for `LaunchTemplateId` or `LaunchTemplateName`.
    pub(crate) fn named_template(&self, params: &Params<'_>) -> Result<Arc<Template>, Ec2Error> {
        match (params.non_empty("LaunchTemplateId"), params.non_empty("LaunchTemplateName")) {
            (Some(id), None) => self.template(id),
            (None, Some(name)) => self.template_named(name),
            (Some(_), Some(_)) => Err(Ec2Error::combination(
                "Only one of the launch template ID and the launch template name may be specified",
            )),
            (None, None) => Err(Ec2Error::new(
                "MissingParameter",
                "Either a launch template ID or a launch template name must be specified in the request.",
            )),
        }
    }

    /// Replaces a reference to a parameter by the image id that the parameter contains.
    pub(crate) fn resolve_image(&self, members: &TemplateMembers) -> Result<TemplateMembers, Ec2Error> {
        let mut members = members.clone();
        let alias = template_data::text(&members, &["ImageId"]).and_then(|image| image.strip_prefix(ALIAS));
        if let Some(name) = alias {
            let value = parameters::value_of(self.region, self.account, name, self.now);
            let missing = || {
                let message = format!("The parameter {name} cannot be resolved to an image");
                Ec2Error::new("InvalidParameterValue", message)
            };
            let image = value.ok_or_else(missing)?;
            members.insert("ImageId".to_owned(), TemplateValue::Text(image));
        }
        Ok(members)
    }
}
