//! `CancelImageLaunchPermission`: an account gives up its permission to launch an image of another account.
//!
//! "Cancel having an AMI shared with your Amazon Web Services account", Amazon EC2 User Guide: only a permission of the
//! account itself can be cancelled; a permission of its organization or of everybody stays. Error codes are not
//! documented and were not tried on AWS.

use super::call::{Ec2Call, check_image_id, no_image};
use super::errors::Ec2Error;
use super::success::return_true;
use crate::services::xml::Xml;
use crate::state::image::Life;
use crate::state::sharing::SharedWith;

/// `CancelImageLaunchPermission`.
pub(crate) fn cancel(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let id = call.params().required("ImageId")?;
    check_image_id(id)?;
    // Allowed AMIs hide an image, but do not prevent an account from giving its permission up.
    let image = call.region.images.find(id).filter(|image| image.life != Life::Deregistered);
    let image = image.filter(|image| image.owner == call.account || image.grants.allows(call.account));
    let image = image.ok_or_else(|| no_image(id))?;
    if image.owner == call.account {
        let message = format!("The image {id} is owned by this account, not shared with it");
        return Err(Ec2Error::new("OperationNotPermitted", message));
    }
    if !image.grants.names(call.account) {
        let message = format!("The image {id} is not shared with the account {} itself", call.account);
        return Err(Ec2Error::new("OperationNotPermitted", message));
    }
    call.commit()?;
    call.edit_image(id, |image| {
        image.grants.0.remove(&SharedWith::Account(call.account.to_owned()));
        Ok(())
    })?;
    Ok(return_true())
}
