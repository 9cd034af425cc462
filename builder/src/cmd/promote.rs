//! `amiforge promote`: sets a channel to an image, in all its regions.

use std::path::Path;

use amiforge_lifecycle::channel::{
    self, Audience, BundleImages, ChangeKind, ChannelOptions, ChannelServices, PromoteOptions, Subject,
};
use amiforge_machine::boot::receipt;
use amiforge_progress::{CancelToken, Monitor};
use amiforge_publish::ami;
use amiforge_publish::api::ec2::Grantee;
use amiforge_publish::request::grantee;
use amiforge_publish::source::ImageSource;
use amiforge_publish::timer::Timer;
use anyhow::Context as _;

use super::{channel as shared, region};
use crate::outcome::{CommandResult, Failure};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Set a channel to an image: launches that name the channel's parameter get its AMI
///
/// A channel is an SSM parameter in each region (`String`, data type `aws:ec2:image`), for `resolve:ssm:` in launch
/// templates. All regions move together: if one fails, those that have moved are set back. Can be stopped at any moment,
/// also by a power cut: the same command goes on, and `--abandon` sets back.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amiforge promote out/web --channel stable --region eu-west-1 --require-boot\n  \
    amiforge promote ami-0123456789abcdef0 --channel stable --regions eu-west-1,us-east-1 --region eu-west-1\n  \
    amiforge promote --abandon --channel stable --name web --region eu-west-1"
)]
pub(crate) struct Args {
    /// The bundle, whose published AMIs are meant, or an AMI (`ami-…`) of the region, whose copies are meant elsewhere
    #[arg(value_name = "BUNDLE|AMI", required_unless_present = "abandon")]
    subject: Option<String>,

    /// The channel, such as `stable`
    #[arg(long, value_name = "NAME")]
    channel: String,

    /// Set back a promotion that is not finished. One that is complete stays
    #[arg(long, conflicts_with_all = ["dry_run", "require_boot", "shared_with"])]
    abandon: bool,

    /// Refuse a bundle without a receipt of `amiforge boot`: that these very bytes booted and showed what they should
    #[arg(long)]
    require_boot: bool,

    /// Refuse an AMI that these may not launch: accounts, and ARNs of organisations and organisational units
    #[arg(long, value_name = "WHO", value_delimiter = ',')]
    shared_with: Vec<String>,

    #[command(flatten)]
    parameters: shared::Args,

    #[command(flatten)]
    change: shared::ChangeArgs,

    #[command(flatten)]
    aws: region::Args,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cancel = interrupt_on_signals()?;
    let audience = args.audience()?;
    let subject = args.subject.as_deref().map(|text| args.subject(text)).transpose()?;
    if args.require_boot {
        args.demand_receipt(subject.as_ref(), &cancel, ui)?;
    }
    if args.change.dry_run {
        let options = args.options(subject.as_ref(), &shared::offline_region(&args.aws, &args.cannot())?)?;
        let plan = channel::plan(ChangeKind::Promote, &options, !audience.with.is_empty());
        return shared::show_plan(&plan.map_err(|error| args.failure(error))?, ui);
    }
    // Mistakes in the options are reported before any call, and before a local region is started.
    args.options(subject.as_ref(), region::named_region(&args.aws).as_deref().unwrap_or("region"))?;
    let connected = args.aws.connect(&cancel)?;
    let options = args.options(subject.as_ref(), connected.name())?;
    let timer = Timer::default();
    let monitor = Monitor::new(ui, &cancel);
    let services = ChannelServices { regions: connected.config(), timer: &timer, monitor };
    let done = match subject {
        Some(subject) if !args.abandon => {
            let request = PromoteOptions { channel: options, subject, audience };
            connected.block_on(channel::promote(services, &request))
        }
        subject => connected.block_on(channel::abandon(services, &options, subject.as_ref())),
    };
    shared::show(&done.map_err(|error| args.failure(error))?, ui)
}

impl Args {
    fn cannot(&self) -> String {
        match (&self.subject, self.abandon) {
            (Some(subject), false) => format!("cannot promote `{subject}` to `{}`", self.channel),
            _ => format!("cannot set the promotion to `{}` back", self.channel),
        }
    }

    fn failure(&self, error: channel::ChannelError) -> Failure {
        shared::failure(error, self.cannot(), "amiforge promote")
    }

    fn subject(&self, text: &str) -> Result<Subject, Failure> {
        if text.starts_with("ami-") && !Path::new(text).exists() {
            return region::resource_id(text).map(Subject::Image).map_err(|problem| {
                Failure::usage(anyhow::anyhow!("`{text}` is {problem}").context(self.cannot()))
            });
        }
        let bundle = BundleImages::read(Path::new(text)).map_err(|error| self.failure(error))?;
        if bundle.tags.is_empty() {
            let error =
                anyhow::anyhow!("`{text}` is not a bundle, so nothing says which AMIs were made from it");
            return Err(Failure::usage(error.context(self.cannot())).hint("name the AMI (`ami-…`)"));
        }
        Ok(Subject::Bundle(bundle))
    }

    fn audience(&self) -> Result<Audience, Failure> {
        let mut with: Vec<Grantee> = Vec::new();
        for who in &self.shared_with {
            let Some((grantee, _)) = grantee(who) else {
                let error = anyhow::anyhow!("`{who}` is neither an account nor an organisation");
                return Err(Failure::usage(error.context(self.cannot()))
                    .hint("write 12 digits, or the ARN of an organisation or an organisational unit"));
            };
            with.push(grantee);
        }
        Ok(Audience { with, everybody: self.parameters.public_prefix.is_some() })
    }

    fn options(&self, subject: Option<&Subject>, home: &str) -> Result<ChannelOptions, Failure> {
        let cannot = self.cannot();
        let parts = (&self.parameters, &self.change);
        let mut options = shared::options(parts, &self.aws, &self.channel, home, &cannot)?;
        if let Some(Subject::Bundle(bundle)) = subject {
            let facts = self.facts()?;
            let arch = facts.architecture.map(|architecture| architecture.ec2_name().to_owned());
            options.arch = options.arch.or(arch);
            options.name = options.name.or(facts.name);
            if self.change.dry_run && options.regions.is_empty() {
                options.regions = bundle.published.keys().cloned().collect();
            }
        }
        Ok(options)
    }

    /// The facts of the bundle.
    fn facts(&self) -> Result<amiforge_publish::request::ImageFacts, Failure> {
        Ok(ami::image_facts(&self.source()?))
    }

    fn source(&self) -> Result<ImageSource, Failure> {
        let path = self.subject.as_deref().unwrap_or_default();
        Ok(ImageSource::open(Path::new(path)).with_context(|| self.cannot())?)
    }

    /// Refuses an image without a receipt of a boot, for `--require-boot`.
    fn demand_receipt(
        &self,
        subject: Option<&Subject>,
        cancel: &CancelToken,
        ui: &Ui,
    ) -> Result<(), Failure> {
        let path = self.subject.clone().unwrap_or_default();
        if !matches!(subject, Some(Subject::Bundle(_))) {
            let error = anyhow::anyhow!("a receipt of a boot is beside a bundle, and `{path}` is an AMI");
            return Err(Failure::usage(error.context(self.cannot()))
                .hint("name the bundle: its published AMIs are promoted"));
        }
        let source = self.source()?;
        let digests = match source.manifest() {
            Some(manifest) => receipt::ImageDigests::from(manifest),
            None => receipt::compute_digests(Path::new(&path), Monitor::new(ui, cancel))
                .with_context(|| self.cannot())?,
        };
        receipt::require(Path::new(&path), digests).map(drop).map_err(|error| {
            let hint = format!("`amiforge boot {path} --expect 'login:'` leaves one");
            Failure::from(anyhow::Error::from(error).context(self.cannot())).hint(hint)
        })
    }
}
