//! The settings of an account in a region: block public access and encryption by default.

use super::call::Ec2Call;
use super::errors::Ec2Error;
use crate::services::xml::Xml;
use crate::state::account_settings;
use crate::state::account_settings::{AccountSettings, BlockPublicAccess, SnapshotAccess};
use crate::state::partition::partition;

/// Block public access of the account.
pub(crate) fn sharing(call: &Ec2Call<'_>) -> BlockPublicAccess {
    sharing_of(call, call.account)
}

/// Block public access of an account.
pub(crate) fn sharing_of(call: &Ec2Call<'_>, account: &str) -> BlockPublicAccess {
    call.region.sharing.find(account).map(|sharing| *sharing).unwrap_or_default()
}

fn set_sharing(call: &Ec2Call<'_>, change: impl FnOnce(&mut BlockPublicAccess)) -> Result<(), Ec2Error> {
    let _guard = call.lock_region();
    let mut sharing = sharing(call);
    change(&mut sharing);
    Ok(call.region.sharing.put(call.account, sharing)?)
}

fn image_access_state(blocked: bool) -> &'static str {
    if blocked { "block-new-sharing" } else { "unblocked" }
}

/// `GetImageBlockPublicAccessState`.
pub(crate) fn image_access(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    call.commit()?;
    let mut xml = Xml::new();
    xml.value("imageBlockPublicAccessState", image_access_state(sharing(call).images_blocked));
    xml.value("managedBy", "account");
    Ok(xml)
}

/// `EnableImageBlockPublicAccess`.
pub(crate) fn block_images(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    params.required("ImageBlockPublicAccessState")?;
    params.one_of("ImageBlockPublicAccessState", &["block-new-sharing"])?;
    set_image_access(call, true)
}

/// `DisableImageBlockPublicAccess`.
pub(crate) fn unblock_images(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    set_image_access(call, false)
}

fn set_image_access(call: &Ec2Call<'_>, blocked: bool) -> Result<Xml, Ec2Error> {
    call.commit()?;
    set_sharing(call, |sharing| sharing.images_blocked = blocked)?;
    let mut xml = Xml::new();
    xml.value("imageBlockPublicAccessState", image_access_state(blocked));
    Ok(xml)
}

/// `GetSnapshotBlockPublicAccessState`.
pub(crate) fn snapshot_access(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    call.commit()?;
    let mut xml = Xml::new();
    xml.value("state", sharing(call).snapshots.name());
    xml.value("managedBy", "account");
    Ok(xml)
}

/// `EnableSnapshotBlockPublicAccess`.
pub(crate) fn block_snapshots(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    params.required("State")?;
    let state = params.one_of("State", &["block-all-sharing", "block-new-sharing"])?;
    let all = state == Some("block-all-sharing");
    set_snapshot_access(
        call,
        if all { SnapshotAccess::BlockAllSharing } else { SnapshotAccess::BlockNewSharing },
    )
}

/// `DisableSnapshotBlockPublicAccess`.
pub(crate) fn unblock_snapshots(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    set_snapshot_access(call, SnapshotAccess::Unblocked)
}

fn set_snapshot_access(call: &Ec2Call<'_>, state: SnapshotAccess) -> Result<Xml, Ec2Error> {
    call.commit()?;
    set_sharing(call, |sharing| sharing.snapshots = state)?;
    let mut xml = Xml::new();
    xml.value("state", state.name());
    Ok(xml)
}

/// Encryption by default of the account, which EBS direct applies too.
pub(crate) fn encryption(call: &Ec2Call<'_>) -> AccountSettings {
    call.region
        .settings
        .find(call.account)
        .map(|settings| AccountSettings::clone(&settings))
        .unwrap_or_default()
}

fn set_encryption(
    call: &Ec2Call<'_>,
    change: impl FnOnce(&mut AccountSettings),
) -> Result<AccountSettings, Ec2Error> {
    let _guard = call.lock_region();
    let mut settings = encryption(call);
    change(&mut settings);
    call.region.settings.put(call.account, settings.clone())?;
    Ok(settings)
}

/// `GetEbsEncryptionByDefault`.
pub(crate) fn encryption_by_default(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    call.commit()?;
    let on = encryption(call).encrypt_by_default;
    let mut xml = Xml::new();
    xml.value("ebsEncryptionByDefault", on);
    xml.value("sseType", if on { "sse-kms" } else { "none" });
    Ok(xml)
}

/// `EnableEbsEncryptionByDefault`.
pub(crate) fn encrypt_by_default(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    set_encrypt_by_default(call, true)
}

/// `DisableEbsEncryptionByDefault`.
pub(crate) fn disable_encryption_by_default(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    set_encrypt_by_default(call, false)
}

fn set_encrypt_by_default(call: &Ec2Call<'_>, on: bool) -> Result<Xml, Ec2Error> {
    call.commit()?;
    set_encryption(call, |settings| settings.encrypt_by_default = on)?;
    let mut xml = Xml::new();
    xml.value("ebsEncryptionByDefault", on);
    Ok(xml)
}

/// `GetEbsDefaultKmsKeyId`.
pub(crate) fn default_key(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    call.commit()?;
    Ok(key_answer(&encryption(call)))
}

/// `ModifyEbsDefaultKmsKeyId`.
pub(crate) fn set_default_key(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let key = key_arn(call, call.params().required("KmsKeyId")?)?;
    call.commit()?;
    Ok(key_answer(&set_encryption(call, |settings| settings.default_key = Some(key))?))
}

/// `ResetEbsDefaultKmsKeyId`.
pub(crate) fn reset_default_key(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    call.commit()?;
    Ok(key_answer(&set_encryption(call, |settings| settings.default_key = None)?))
}

fn key_answer(settings: &AccountSettings) -> Xml {
    let mut xml = Xml::new();
    xml.value("kmsKeyId", settings.default_key.as_deref().unwrap_or("alias/aws/ebs"));
    xml
}

/// The ARN of a key in this region, from its id, alias or ARN.
pub(crate) fn key_arn(call: &Ec2Call<'_>, name: &str) -> Result<String, Ec2Error> {
    let (region, account) = (&call.region.name, call.account);
    if name == "alias/aws/ebs" {
        return Ok(account_settings::default_ebs_key_arn(region, account));
    }
    let prefix = format!("arn:{}:kms:{region}:", partition(region));
    let in_this_region = name.strip_prefix(&prefix).and_then(|rest| rest.split_once(':'));
    let named = match in_this_region {
        Some((_, rest)) => Some(rest),
        None if name.starts_with("arn:") => None,
        None => Some(name),
    };
    let plain = |text: &str| text.bytes().all(|one| one.is_ascii_alphanumeric() || b"/_-".contains(&one));
    let valid = named.filter(|rest| !rest.is_empty() && plain(rest));
    match (valid, in_this_region) {
        (None, _) => {
            let message = format!("The KMS key '{name}' does not exist in this region");
            Err(Ec2Error::new("InvalidKMSKey.NotFound", message))
        }
        (Some(_), Some(_)) => Ok(name.to_owned()),
        (Some(alias), None) if alias.starts_with("alias/") => Ok(format!("{prefix}{account}:{alias}")),
        (Some(id), None) => Ok(format!("{prefix}{account}:key/{}", id.trim_start_matches("key/"))),
    }
}

/// The ARN of the key that is used if a request names none.
pub(crate) fn default_key_arn(call: &Ec2Call<'_>) -> String {
    let settings = encryption(call);
    settings
        .default_key
        .unwrap_or_else(|| account_settings::default_ebs_key_arn(&call.region.name, call.account))
}
