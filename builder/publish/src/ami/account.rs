//! What is asked before anything is written: what the account would not allow later is refused while it costs nothing.

use std::future::Future;
use std::pin::Pin;

use super::region::{AmiRegion, fault_of};
use super::{AmiError, ErrorChain, join};
use crate::api::ec2::{Ec2, PublicAccess, Regions};
use crate::api::{SnapshotState, Tier};
use crate::fault::ServiceErrorKind;
use crate::request::{CopyTarget, KeyOf, Request};
use crate::retry::CallStep;
use crate::upload::LaterEncryption;

/// What is known before anything is written.
#[derive(Debug)]
pub(super) struct Account {
    /// What will become of the snapshots, as far as it is known.
    pub(super) later: LaterEncryption,
    /// Regions to copy to that could not be asked; each is asked again before the copy.
    pub(super) unasked: Vec<String>,
}

/// Checks the home region and those that are copied to. A region to copy to that does not answer keeps no other from
/// being published to.
///
/// # Errors
/// [`AmiError::NoSuchRegion`], [`AmiError::PublicBlocked`], [`AmiError::Encrypted`], [`AmiError::Snapshot`],
/// [`AmiError::Call`].
pub(super) async fn account<C: Ec2, R: Regions<Ec2 = C>>(
    home: &AmiRegion<'_, C>,
    regions: &R,
    request: &Request,
) -> Result<Account, AmiError> {
    if !request.copies.is_empty() {
        targets(home, request).await?;
    }
    for volume in &request.volumes {
        if let Some(id) = volume.content.snapshot() {
            usable(home, &id).await?;
        }
    }
    allowed(home, request, &request.encryption, CallStep::Ask).await?;
    let mut later = if request.asks_for_encryption() {
        LaterEncryption::MayBeEncrypted
    } else {
        LaterEncryption::StaysAsItIs
    };
    let one = |copy: &CopyTarget| -> Pin<Box<dyn Future<Output = Result<bool, AmiError>> + Send + '_>> {
        let (name, encryption) = (copy.region.clone(), copy.encryption.clone());
        Box::pin(async move {
            let ec2 = regions.ec2(&name);
            let region = AmiRegion { name: &name, ec2: &ec2, ..*home };
            allowed(&region, request, &encryption, CallStep::Probe).await
        })
    };
    let answers = join::all(request.copies.iter().map(one).collect()).await;
    let mut unasked = Vec::new();
    for (copy, answer) in request.copies.iter().zip(answers) {
        match answer {
            Ok(true) => later = LaterEncryption::MayBeEncrypted,
            Ok(false) => {}
            Err(error @ AmiError::Call { .. }) => {
                let region = &copy.region;
                home.progress.tell(&format!("{region}: asked again before the copy: {}", ErrorChain(&error)));
                unasked.push(region.clone());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Account { later, unasked })
}

/// Every region that is copied to has to be one of the account, where the account may list its regions.
async fn targets<C: Ec2>(home: &AmiRegion<'_, C>, request: &Request) -> Result<(), AmiError> {
    let names: Vec<_> = request.copies.iter().map(|copy| copy.region.clone()).collect();
    let there = match home.ask("asking for the regions", || home.ec2.describe_regions(&names)).await {
        Err(error) if fault_of(&error).is_some_and(|fault| fault.kind == ServiceErrorKind::Denied) => {
            home.progress
                .tell(&format!("whether the regions are enabled is not checked: {}", ErrorChain(&error)));
            return Ok(());
        }
        there => there?,
    };
    match request.copies.iter().find(|copy| !there.contains(&copy.region)) {
        Some(copy) => Err(AmiError::NoSuchRegion { region: copy.region.clone() }),
        None => Ok(()),
    }
}

/// A snapshot that the user names has to be there, complete, and not archived.
pub(super) async fn usable<C: Ec2>(home: &AmiRegion<'_, C>, id: &str) -> Result<(), AmiError> {
    let snapshot = home.probe(&format!("asking for {id}"), || home.ec2.snapshot(id)).await?;
    let reason = match snapshot.state {
        SnapshotState::Completed if snapshot.tier == Tier::Archive => "it is archived".to_owned(),
        SnapshotState::Completed => return Ok(()),
        state => format!("it is {}, not completed", state.word()),
    };
    Err(AmiError::Snapshot { snapshot: id.to_owned(), region: home.name.to_owned(), reason })
}

/// Whether what is made in a region comes out encrypted though nobody asked; refuses what then, or as public, could
/// not be shared.
pub(super) async fn allowed<C: Ec2>(
    region: &AmiRegion<'_, C>,
    request: &Request,
    asked: &KeyOf,
    step: CallStep,
) -> Result<bool, AmiError> {
    let share = &request.share;
    if share.is_public() {
        let doing = "asking whether AMIs may be public";
        if region.step(step, doing, || region.ec2.image_public_access()).await? == PublicAccess::Blocked {
            return Err(AmiError::PublicBlocked { region: region.name.to_owned() });
        }
    }
    if *asked != KeyOf::Account {
        return Ok(true);
    }
    let doing = "asking whether the account encrypts by default";
    let encrypts = region.step(step, doing, || region.ec2.encryption_by_default()).await?;
    if encrypts && !share.with.is_empty() {
        let doing = "asking for the default key";
        let key = region.step(step, doing, || region.ec2.default_kms_key()).await?;
        let why = match (share.is_public(), key.contains("alias/aws/ebs")) {
            (true, _) => "an encrypted AMI cannot be public",
            (false, true) => "nobody else can be allowed to use that key",
            (false, false) => return Ok(true),
        };
        return Err(AmiError::Encrypted { region: region.name.to_owned(), key, why });
    }
    Ok(encrypts)
}
