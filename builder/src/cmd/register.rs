//! `amiforge register`: registers an existing snapshot as an AMI.

use std::path::PathBuf;

use amiforge_progress::Monitor;
use amiforge_publish::ami::{self, AmiOrigin, AmiRegion};
use amiforge_publish::api::ec2::DescribedImage;
use amiforge_publish::request::{ImageFacts, Request, RequestMistake, RequestMistakes, VolumeContent};
use amiforge_publish::source::ImageSource;
use anyhow::Context as _;
use serde::Serialize;

use super::{ami_args, call_plan, dry_run, region};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Register a snapshot as an AMI
///
/// Name and boot mode of the AMI come from the bundle that the snapshot holds, or from the options. An existing AMI of
/// that name is adopted if it is equal, and refused, with the fields that differ, if it is not; so the same command can
/// be run again. `publish` uploads, registers, shares and copies in one go.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge register snap-0abc --bundle out/web --region eu-west-1")]
pub(crate) struct Args {
    /// The snapshot
    snapshot: String,

    /// The bundle that the snapshot holds
    #[arg(long, value_name = "BUNDLE")]
    bundle: Option<PathBuf>,

    /// Print the calls and the IAM policy that they need; makes no call
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    ami: ami_args::Args,

    #[command(flatten)]
    aws: region::Args,
}

/// What `--json` shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RegisterJson<'a> {
    image_id: &'a str,
    snapshot_id: &'a str,
    region: &'a str,
    name: &'a str,
    adopted: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = format!("cannot register `{}`", args.snapshot);
    let cancel = interrupt_on_signals()?;
    let subject = args.subject(&cannot)?;
    // Mistakes in the options are reported before any call, and before a local region is started.
    let offline = region::named_region(&args.aws);
    let check = |region: &str| args.request(&subject, region, &cannot);
    if let Some(region) = &offline {
        check(region)?;
    }
    if args.dry_run {
        return dry_run::show_register(&check(&call_plan::named_region(&args.aws)?)?, ui);
    }
    let connected = args.aws.connect(&cancel)?;
    let request = check(connected.name())?;
    args.ami.confirm(&request, ui)?;
    let services = connected.services();
    let region = AmiRegion {
        name: &services.region,
        ec2: &*services.ec2,
        timer: &services.timer,
        monitor: Monitor::new(ui, &cancel),
    };
    let work = ami::register_snapshot(&region, &request, &args.snapshot);
    let (image, origin) =
        connected.block_on(work).map_err(|error| ami_args::failure(error, cannot.clone(), None))?;
    show(&image, origin, &request, args, ui)
}

impl Args {
    fn subject(&self, cannot: &str) -> Result<ImageFacts, Failure> {
        let Some(bundle) = &self.bundle else { return Ok(ImageFacts::default()) };
        let source = ImageSource::open(bundle).with_context(|| cannot.to_owned())?;
        ami_args::refuse_secrets(&source, cannot)?;
        ami_args::refuse_unsigned(&source, cannot)?;
        Ok(ami::image_facts(&source))
    }

    fn request(&self, subject: &ImageFacts, region: &str, cannot: &str) -> Result<Request, Failure> {
        let request = ami_args::request(&self.ami.options(), subject, region, cannot)?;
        let bundles = request.volumes.iter().any(|volume| matches!(volume.content, VolumeContent::Bundle(_)));
        if !bundles {
            return Ok(request);
        }
        let mistake = RequestMistake {
            option: "--volume",
            problem: "`register` uploads nothing, and a volume is of a bundle".to_owned(),
            remedy: "upload it and name its snapshot (`snapshot:snap-…`), or use `publish`".to_owned(),
        };
        Err(Failure::usage(anyhow::Error::from(RequestMistakes(vec![mistake])).context(cannot.to_owned())))
    }
}

fn show(image: &DescribedImage, origin: AmiOrigin, request: &Request, args: &Args, ui: &Ui) -> CommandResult {
    if origin == AmiOrigin::Adopted {
        ui.status(format_args!("{} exists already and is equal", image.id));
    }
    if ui.json() {
        ui.object(&RegisterJson {
            image_id: &image.id,
            snapshot_id: &args.snapshot,
            region: &request.region,
            name: &request.name,
            adopted: origin == AmiOrigin::Adopted,
        })?;
    } else {
        ui.line(&image.id)?;
    }
    Ok(Outcome::Success)
}
