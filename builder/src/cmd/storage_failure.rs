//! Failures of `backup`, `restore-image`, `copy` and `snapshot`, with their hints.

use amiforge_lifecycle::storage::StorageError;

use super::ami_args;
use crate::outcome::Failure;

/// A failure with its hint.
pub(super) fn failure(error: StorageError, cannot: String) -> Failure {
    let hint = match &error {
        StorageError::Ami(_) => None,
        other => hint(other),
    };
    if let StorageError::Ami(error) = error {
        return ami_args::failure(error, cannot, None);
    }
    let failure = Failure::from(anyhow::Error::from(error).context(cannot));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn hint(error: &StorageError) -> Option<String> {
    Some(match error {
        StorageError::NoImage { region, .. } => {
            format!("is {region} the right region, and the AMI one of this account or shared with it?")
        }
        StorageError::Unsuitable { reason, .. } if reason.contains("is archived") => {
            "`amiforge snapshot restore SNAPSHOT --permanent` brings it back".to_owned()
        }
        StorageError::Unsuitable { reason, .. } if reason.contains("disabled") => {
            "`aws ec2 enable-image` makes it available again".to_owned()
        }
        StorageError::Decrypted { .. } => {
            "`--decrypt` stores it all the same: encrypt the bucket with a key of your own, and restrict who may read it"
                .to_owned()
        }
        StorageError::BucketRegion { actual, .. } => format!(
            "name a bucket of that region; an object in {actual} can be copied to it (`aws s3 cp`), also between partitions"
        ),
        StorageError::NoObject { bucket, .. } => format!("`aws s3 ls s3://{bucket}/` lists the objects"),
        StorageError::TaskFailed { .. } => {
            "the caller must be able to read the snapshots and to write to the bucket (`--dry-run` prints the policy); the \
             same command tries again"
                .to_owned()
        }
        StorageError::Unfinished { .. } => "the same command goes on waiting".to_owned(),
        StorageError::NameTaken { .. } => "choose another `--name`".to_owned(),
        StorageError::CopyDiffers { image, .. } => {
            format!("{image} was made otherwise, or changed since: deregister it, and the same command copies again")
        }
        StorageError::InUse { region, .. } => format!(
            "`aws ec2 disable-image --region {region} --image-id AMI` disables one: nothing can be launched from it then, and \
             its sharing ends"
        ),
        StorageError::Zones { .. } => "the same command changes the zones that failed".to_owned(),
        StorageError::NoZone { region, .. } => {
            format!("`aws ec2 describe-availability-zones --region {region}` lists them")
        }
        _ => return None,
    })
}
