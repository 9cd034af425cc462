//! The watermark of an AMI. Copies carry that of their source, so it is attached only where it is missing.

use super::AmiError;
use super::region::AmiRegion;
use crate::api::ec2::{DescribedImage, Ec2};

impl<C: Ec2> AmiRegion<'_, C> {
    /// Attaches a watermark to an image of this account, unless the image carries it.
    ///
    /// # Errors
    /// [`AmiError::Call`].
    pub async fn watermark(&self, image: &DescribedImage, name: &str) -> Result<(), AmiError> {
        // One of another account with the same name is another watermark.
        let own = |key: &str| image.owner.as_ref().is_none_or(|owner| key.starts_with(&format!("{owner}:")));
        if image.watermarks.iter().any(|watermark| watermark.name() == name && own(&watermark.key)) {
            return Ok(());
        }
        let action = format!("attaching the watermark `{name}` to {}", image.id);
        self.call_eventual(&action, || self.ec2.attach_watermark(&image.id, name)).await.map(drop)
    }
}
