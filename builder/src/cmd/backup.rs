//! `amiforge backup`: stores an AMI as an object of S3.

use std::time::Duration;

use amiforge_lifecycle::storage::backup::{self, BackupOrigin, BackupRequest, EncryptedSource};
use amiforge_lifecycle::storage::plan;
use amiforge_progress::Monitor;
use amiforge_publish::ami::AmiRegion;

use super::{call_plan, region, storage_failure};
use crate::outcome::{CommandResult, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{HumanBytes, Ui};

/// Store an AMI as an object of S3: an archive, or a way to another partition
///
/// The object is `AMI.bin`, with the AMI's fields, tags and data, but not with its permissions. A task that runs already
/// is joined, and an AMI that is stored already is not stored again, so the same command can be run again at any time.
/// `restore-image` makes an AMI of the object.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge backup ami-0abc --bucket backups --region eu-west-1\n  \
    amiforge backup ami-0abc --bucket backups --dry-run --region eu-west-1")]
pub(crate) struct Args {
    /// The AMI, of this account or shared with it together with its snapshots
    #[arg(value_parser = region::image_id)]
    image: String,

    /// The bucket, in the region of the AMI
    #[arg(long, value_name = "BUCKET", value_parser = bucket_name)]
    bucket: String,

    /// Store an encrypted AMI too: the object holds its data decrypted
    #[arg(long)]
    decrypt: bool,

    /// Minutes to wait
    #[arg(long, value_name = "N", default_value_t = 360)]
    wait: u64,

    /// Print the calls and the IAM policy that they need; makes no call
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    aws: region::Args,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    if args.dry_run {
        let region = call_plan::named_region(&args.aws)?;
        let title = format!("store {} in `{}`", args.image, args.bucket);
        return call_plan::show(&title, &plan::backup(&region, &args.image, &args.bucket), ui);
    }
    let cancel = interrupt_on_signals()?;
    let connected = args.aws.connect(&cancel)?;
    let services = connected.services();
    let region = AmiRegion {
        name: &services.region,
        ec2: &*services.ec2,
        timer: &services.timer,
        monitor: Monitor::new(ui, &cancel),
    };
    let request = BackupRequest {
        image: &args.image,
        bucket: &args.bucket,
        encrypted: if args.decrypt { EncryptedSource::Decrypt } else { EncryptedSource::Refuse },
        wait: Duration::from_mins(args.wait),
    };
    let objects = connected.config().s3();
    let stored = connected.block_on(backup::backup(&region, &objects, &request)).map_err(|error| {
        storage_failure::failure(error, format!("cannot store {} in `{}`", args.image, args.bucket))
    })?;
    ui.status(match stored.origin {
        BackupOrigin::Stored => format!("stored {} as {}", stored.image_id, HumanBytes(stored.bytes)),
        BackupOrigin::Joined => format!("{} was being stored; it is done", stored.image_id),
        BackupOrigin::Present => format!("{} is stored already", stored.image_id),
    });
    if ui.json() {
        ui.object(&stored)?;
    } else {
        ui.line(format_args!("{} s3://{}/{} {}", stored.region, stored.bucket, stored.key, stored.bytes))?;
    }
    Ok(Outcome::Success)
}

/// Parses the name of a bucket: what S3 allows, so that it changes no address.
pub(crate) fn bucket_name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let valid = (3..=63).contains(&text.len())
        && text.bytes().all(plain)
        && ends(bytes.first())
        && ends(bytes.last())
        && !text.contains("..");
    if valid {
        Ok(text.to_owned())
    } else {
        Err("not the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_buckets_are_those_of_s3() {
        for (text, valid) in [
            ("backups", true),
            ("my.backups-2", true),
            ("ab", false),
            ("s3://backups", false),
            ("backups/", false),
            ("Backups", false),
            ("-backups", false),
            ("a..b", false),
        ] {
            assert_eq!(bucket_name(text).is_ok(), valid, "{text}");
        }
    }
}
