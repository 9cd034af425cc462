//! Which AMI a name means: that of an SSM parameter, or the newest one of an owner whose name matches a pattern.
//!
//! `DescribeImages` knows no order, so the newest is the one of the latest `creationDate`, as Packer's and Terraform's
//! `most_recent` take it. An owner is always named: a name alone may be taken by anybody. Nothing here pins what was chosen.

mod error;
mod explain;
#[cfg(test)]
mod tests;

use std::future::Future;

use amiforge_image::values;
use amiforge_publish::api::ec2::{DescribedImage, Ec2, ImageOwner, ImageQuery, QueryFilter};
use amiforge_publish::retry::{CallStep, NoObserver, retry};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use amiforge_publish::timer::Timer;

pub use error::ImageChoiceError;

use crate::api::parameters::{Parameter, Parameters};

/// What names an AMI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageNaming<'a> {
    /// The SSM parameter that holds its id: a public one, or one of the account, such as that of a channel. `:VERSION` or
    /// `:LABEL` may follow its name.
    Parameter(&'a str),
    /// The newest of an owner.
    Newest {
        /// `amazon`, `self`, or an account.
        owner: &'a str,
        /// Its name, in which `*` and `?` stand for others (`DescribeImages`, filter `name`).
        name: &'a str,
    },
}

/// What the AMI has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageTerms<'a> {
    /// What names it.
    pub naming: ImageNaming<'a>,
    /// EC2's word for its architecture: `x86_64` or `arm64`. Without one, all that match have to have the same.
    pub arch: Option<&'a str>,
    /// The time in seconds since 1970, by which deprecation is known.
    pub now: i64,
}

/// The clients of a region that is asked.
#[derive(Debug, Clone, Copy)]
pub struct ChoiceRegion<'a, C, P> {
    /// Its name.
    pub name: &'a str,
    /// Its EC2.
    pub ec2: &'a C,
    /// Its parameters.
    pub parameters: &'a P,
    /// Clock and random source.
    pub timer: &'a Timer,
}

/// An AMI that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenImage {
    /// The AMI.
    pub image: DescribedImage,
    /// How it was chosen, and what is to be said of it, as sentences.
    pub notes: Vec<String>,
}

/// Finds the AMI that is meant.
///
/// # Errors
/// [`ImageChoiceError`], which says what was found where nothing can be taken.
pub async fn choose<C: Ec2, P: Parameters>(
    region: &ChoiceRegion<'_, C, P>,
    terms: &ImageTerms<'_>,
) -> Result<ChosenImage, ImageChoiceError> {
    match terms.naming {
        ImageNaming::Parameter(name) => of_parameter(region, name, terms).await,
        ImageNaming::Newest { owner, name } => newest(region, (owner, name), terms).await,
    }
}

/// What is to be said of an AMI that is used in spite of it: that it is deprecated, or disabled.
pub fn remarks(image: &DescribedImage, now: i64) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(since) = deprecated_since(image, now) {
        remarks.push(format!("{} is deprecated since {since}: its owner advises a newer one", image.id));
    }
    if image.state == "disabled" {
        remarks.push(format!("{} is disabled: no instance can be launched from it", image.id));
    }
    remarks
}

impl<C: Ec2, P: Parameters> ChoiceRegion<'_, C, P> {
    async fn call<T, F, G>(&self, action: String, call: G) -> Result<T, ImageChoiceError>
    where
        G: FnMut() -> F,
        F: Future<Output = Result<T, ServiceError>>,
    {
        let done = retry(self.timer, CallStep::Idempotent, &NoObserver, call).await;
        done.map_err(|source| match source.error.kind {
            ServiceErrorKind::Interrupted => ImageChoiceError::Interrupted,
            _ => ImageChoiceError::Call { action: format!("{action} in {}", self.name), source },
        })
    }

    /// The images of a query; none for an id that does not exist.
    async fn images(
        &self,
        action: String,
        query: &ImageQuery,
    ) -> Result<Vec<DescribedImage>, ImageChoiceError> {
        absent_as(self.call(action, || self.ec2.describe_images(query)).await, Vec::new)
    }
}

/// The AMI whose id a parameter holds.
async fn of_parameter<C: Ec2, P: Parameters>(
    region: &ChoiceRegion<'_, C, P>,
    name: &str,
    terms: &ImageTerms<'_>,
) -> Result<ChosenImage, ImageChoiceError> {
    let read = region.call(format!("reading `{name}`"), || region.parameters.parameter(name)).await;
    let parameter = absent_as(read.map(Some), || None)?;
    let missing = || ImageChoiceError::NoParameter { name: name.to_owned(), region: region.name.to_owned() };
    let parameter = parameter.ok_or_else(missing)?;
    let id = image_id(name, &parameter)?;
    let images = region.images(format!("asking for {id}"), &ImageQuery::by_id(id)).await?;
    let Some(image) = images.into_iter().find(|image| image.id == id) else {
        let problem = "does not exist, or is not shared with this account".to_owned();
        return Err(ImageChoiceError::Unusable { image: id.to_owned(), holder: holder(name), problem });
    };
    if let Some(problem) = explain::unusable(&image, terms.arch) {
        return Err(ImageChoiceError::Unusable {
            image: explain::shown(&image),
            holder: holder(name),
            problem,
        });
    }
    let mut notes =
        vec![format!("version {} of `{name}` holds {}", parameter.version, explain::shown(&image))];
    notes.extend(remarks(&image, terms.now));
    Ok(ChosenImage { image, notes })
}

fn holder(parameter: &str) -> String {
    format!(", which `{parameter}` holds,")
}

/// The id in a parameter's value.
fn image_id<'p>(name: &str, parameter: &'p Parameter) -> Result<&'p str, ImageChoiceError> {
    let value = parameter.value.trim();
    let digits = value.strip_prefix("ami-").unwrap_or_default();
    let is_id = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id && parameter.kind != "SecureString" {
        return Ok(value);
    }
    let found = match (parameter.kind.as_str(), value.strip_prefix('{')) {
        ("SecureString", _) => "a secret, which is not read".to_owned(),
        // Those of ECS and EKS: a document with a parameter of its own for each of its members.
        (_, Some(_)) => format!("a document; the id in it is that of `ssm:{name}/image_id`"),
        _ => format!("`{}`", explain::plain(&value.chars().take(40).collect::<String>())),
    };
    Err(ImageChoiceError::NoImageId { name: name.to_owned(), found })
}

/// The newest AMI of an owner whose name matches.
async fn newest<C: Ec2, P: Parameters>(
    region: &ChoiceRegion<'_, C, P>,
    (owner, name): (&str, &str),
    terms: &ImageTerms<'_>,
) -> Result<ChosenImage, ImageChoiceError> {
    let filter =
        |name: &str, value: &str| QueryFilter { name: name.to_owned(), values: vec![value.to_owned()] };
    let named = filter("name", name);
    let mut filters = vec![named.clone(), filter("state", "available")];
    filters.extend(terms.arch.map(|arch| filter("architecture", arch)));
    let query = |filters| ImageQuery { ids: Vec::new(), owner: ImageOwner::Named(owner.to_owned()), filters };
    let action = || format!("looking for AMIs of {owner} named `{name}`");
    let mut images = region.images(action(), &query(filters)).await?;
    // The filters are the service's, and so is the meaning of the pattern; what is taken is looked at again.
    images.retain(|image| explain::unusable(image, terms.arch).is_none());
    images.retain(|image| deprecated_since(image, terms.now).is_none());
    images.sort_by(|one, other| (&other.created, &other.id).cmp(&(&one.created, &one.id)));
    let Some(image) = images.first().cloned() else {
        let all = region.images(action(), &query(vec![named])).await?;
        return Err(explain::nothing(&all, (owner, name), region.name, terms));
    };
    if let Some(ambiguity) = explain::ambiguity(&images) {
        return Err(ImageChoiceError::Ambiguous {
            owner: owner.to_owned(),
            name: name.to_owned(),
            ambiguity,
        });
    }
    let of = match images.len() {
        1 => "the only AMI".to_owned(),
        count => format!("the newest of {count} AMIs"),
    };
    let shown = explain::shown(&image);
    let notes = vec![format!("{shown} is {of} of {owner} named `{name}`")];
    Ok(ChosenImage { image, notes })
}

/// Since when an AMI is deprecated, if it is.
fn deprecated_since(image: &DescribedImage, now: i64) -> Option<&str> {
    let at = image.deprecation_time.as_deref()?;
    // With or without a fraction of a second.
    let whole = at.split('.').next().unwrap_or(at).trim_end_matches('Z');
    values::epoch(&format!("{whole}Z")).is_ok_and(|since| since <= now).then_some(at)
}

/// A missing resource as a value.
fn absent_as<T>(
    done: Result<T, ImageChoiceError>,
    absent: impl FnOnce() -> T,
) -> Result<T, ImageChoiceError> {
    match done {
        Err(ImageChoiceError::Call { source, .. }) if source.error.kind == ServiceErrorKind::NotFound => {
            Ok(absent())
        }
        other => other,
    }
}
