//! What is asked before anything is written: what the account would not allow later is refused while it costs nothing.

use std::future::Future;
use std::pin::Pin;

use super::region::{AmiRegion, service_error};
use super::{AmiError, ErrorChain, join};
use crate::api::ec2::{Ec2, PublicAccess, Regions};
use crate::api::{SnapshotState, Tier};
use crate::request::{CopyTarget, KeyChoice, Request};
use crate::retry::CallStep;
use crate::service_error::ServiceErrorKind;
use crate::upload::LaterEncryption;

/// What is known before anything is written.
#[derive(Debug)]
pub(super) struct AccountState {
    /// What will become of the snapshots, as far as it is known.
    pub(super) later: LaterEncryption,
    /// Regions to copy to that could not be asked; each is asked again before the copy.
    pub(super) unchecked: Vec<String>,
}

/// Checks the home region and those that are copied to. A region to copy to that does not answer keeps no other from
/// being published to.
///
/// # Errors
/// [`AmiError::NoSuchRegion`], [`AmiError::PublicBlocked`], [`AmiError::Encrypted`], [`AmiError::Snapshot`],
/// [`AmiError::Call`].
pub(super) async fn check_account<C: Ec2, R: Regions<Ec2 = C>>(
    home: &AmiRegion<'_, C>,
    regions: &R,
    request: &Request,
) -> Result<AccountState, AmiError> {
    if !request.copies.is_empty() {
        check_target_regions(home, request).await?;
    }
    for volume in &request.volumes {
        if let Some(id) = volume.content.snapshot() {
            check_snapshot(home, &id).await?;
        }
    }
    check_policy(home, request, &request.encryption, CallStep::Idempotent).await?;
    let mut later = if request.asks_for_encryption() {
        LaterEncryption::MayBeEncrypted
    } else {
        LaterEncryption::Unchanged
    };
    let one = |copy: &CopyTarget| -> Pin<Box<dyn Future<Output = Result<bool, AmiError>> + Send + '_>> {
        let (name, encryption) = (copy.region.clone(), copy.encryption.clone());
        Box::pin(async move {
            let ec2 = regions.ec2(&name);
            let region = AmiRegion { name: &name, ec2: &ec2, ..*home };
            check_policy(&region, request, &encryption, CallStep::Probe).await
        })
    };
    let answers = join::all(request.copies.iter().map(one).collect()).await;
    let mut unchecked = Vec::new();
    for (copy, answer) in request.copies.iter().zip(answers) {
        match answer {
            Ok(true) => later = LaterEncryption::MayBeEncrypted,
            Ok(false) => {}
            Err(error @ AmiError::Call { .. }) => {
                let region = &copy.region;
                home.monitor
                    .progress
                    .message(&format!("{region}: asked again before the copy: {}", ErrorChain(&error)));
                unchecked.push(region.clone());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(AccountState { later, unchecked })
}

/// Every region that is copied to has to be one of the account, where the account may list its regions.
async fn check_target_regions<C: Ec2>(home: &AmiRegion<'_, C>, request: &Request) -> Result<(), AmiError> {
    let names: Vec<_> = request.copies.iter().map(|copy| copy.region.clone()).collect();
    let current = match home.call("asking for the regions", || home.ec2.describe_regions(&names)).await {
        Err(error) if service_error(&error).is_some_and(|error| error.kind == ServiceErrorKind::Denied) => {
            home.monitor
                .progress
                .message(&format!("whether the regions are enabled is not checked: {}", ErrorChain(&error)));
            return Ok(());
        }
        current => current?,
    };
    match request.copies.iter().find(|copy| !current.contains(&copy.region)) {
        Some(copy) => Err(AmiError::NoSuchRegion { region: copy.region.clone() }),
        None => Ok(()),
    }
}

/// A snapshot that the user names has to be there, complete, and not archived.
pub(super) async fn check_snapshot<C: Ec2>(home: &AmiRegion<'_, C>, id: &str) -> Result<(), AmiError> {
    let snapshot = home.probe(&format!("asking for {id}"), || home.ec2.describe_snapshot(id)).await?;
    let reason = match snapshot.state {
        SnapshotState::Completed if snapshot.tier == Tier::Archive => "it is archived".to_owned(),
        SnapshotState::Completed => return Ok(()),
        state => format!("it is {}, not completed", state.as_str()),
    };
    Err(AmiError::Snapshot { snapshot: id.to_owned(), region: home.name.to_owned(), reason })
}

/// Whether what is made in a region comes out encrypted though nobody asked; refuses what then, or as public, could
/// not be shared.
pub(super) async fn check_policy<C: Ec2>(
    region: &AmiRegion<'_, C>,
    request: &Request,
    encryption: &KeyChoice,
    step: CallStep,
) -> Result<bool, AmiError> {
    let share = &request.share;
    if share.is_public() {
        let action = "asking whether AMIs may be public";
        if region.step(step, action, || region.ec2.image_public_access()).await? == PublicAccess::Blocked {
            return Err(AmiError::PublicBlocked { region: region.name.to_owned() });
        }
    }
    if *encryption != KeyChoice::Account {
        return Ok(true);
    }
    let action = "asking whether the account encrypts by default";
    let encrypts = region.step(step, action, || region.ec2.encryption_by_default()).await?;
    if encrypts && !share.with.is_empty() {
        let action = "asking for the default key";
        let key = region.step(step, action, || region.ec2.default_kms_key()).await?;
        let why = match (share.is_public(), key.contains("alias/aws/ebs")) {
            (true, _) => "an encrypted AMI cannot be public",
            (false, true) => "nobody else can be allowed to use that key",
            (false, false) => return Ok(true),
        };
        return Err(AmiError::Encrypted { region: region.name.to_owned(), key, why });
    }
    Ok(encrypts)
}
