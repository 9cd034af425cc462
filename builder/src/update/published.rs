//! What the account has published of an image: versions with a content, and names that are taken.

use amiforge_formats::digest::Digest;
use amiforge_publish::api::Ebs;
use amiforge_publish::api::ec2::{DescribedImage, Ec2, ImageOwner, ImageQuery, QueryFilter};
use amiforge_publish::retry::{CallStep, NoObserver, RetryExhausted, retry};
use amiforge_publish::services::Services;
use amiforge_publish::tags;

/// The account's AMI that was made from an image of this name and Merkle root and can be launched, if there is one.
///
/// # Errors
/// [`RetryExhausted`].
pub async fn has_content<E: Ebs, C: Ec2>(
    services: &Services<E, C>,
    name: &str,
    merkle_root: Digest,
) -> Result<Option<DescribedImage>, RetryExhausted> {
    let root = merkle_root.to_string();
    let filters = vec![
        QueryFilter::exact(format!("tag:{}", tags::IMAGE), name),
        QueryFilter::exact(format!("tag:{}", tags::MERKLE_ROOT), &root),
    ];
    let images = describe(services, filters).await?;
    // The filter of a service may match more than the exact value.
    let is_it = |image: &DescribedImage| {
        let has = |key: &str, value: &str| image.tags.get(key).is_some_and(|tag| tag == value);
        image.state == "available" && has(tags::IMAGE, name) && has(tags::MERKLE_ROOT, &root)
    };
    Ok(images.into_iter().find(is_it))
}

/// The names of the account's AMIs that begin and end like this, in any state.
///
/// # Errors
/// [`RetryExhausted`].
pub async fn images_named_like<E: Ebs, C: Ec2>(
    services: &Services<E, C>,
    before: &str,
    after: &str,
) -> Result<Vec<String>, RetryExhausted> {
    let escape = |text: &str| QueryFilter::exact("", text).values.concat();
    let filter = QueryFilter {
        name: "name".to_owned(),
        values: vec![format!("{}*{}", escape(before), escape(after))],
    };
    let images = describe(services, vec![filter]).await?;
    Ok(images.into_iter().filter_map(|image| image.name).collect())
}

async fn describe<E: Ebs, C: Ec2>(
    services: &Services<E, C>,
    filters: Vec<QueryFilter>,
) -> Result<Vec<DescribedImage>, RetryExhausted> {
    let query = ImageQuery { ids: Vec::new(), owner: ImageOwner::Own, filters };
    retry(&services.timer, CallStep::Idempotent, &NoObserver, || services.ec2.describe_images(&query)).await
}
