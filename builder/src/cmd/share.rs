//! `amiforge share`: shares an AMI and its snapshots after its publication.

use amiforge_lifecycle::sharing::{self, PUBLIC_QUOTA, ShareRequest, SnapshotShare};
use amiforge_progress::Monitor;
use amiforge_publish::api::ec2::Grantee;
use amiforge_publish::request::{grantee, partition};

use super::sharing_args::{self, SharingTarget};
use super::{call_plan, region};
use crate::outcome::{CommandResult, Failure};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Share an AMI and its snapshots with accounts, organisations or everybody
///
/// Permissions that are there already stay. What would be refused in one region is refused before anything is changed in
/// another: public AMIs that the account blocks, more of them than its quota, snapshots with a key that the others cannot
/// use. The permissions are read back. A region that fails is completed by the same command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge share ami-0abc --with 111122223333 --region eu-west-1\n  \
    amiforge share --name web-2026.11 --with arn:aws:organizations::111122223333:organization/o-abc --regions all\n  \
    amiforge share ami-0abc --with all --dry-run --region eu-west-1")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Args {
    #[command(flatten)]
    target: SharingTarget,

    /// Accounts, ARNs of organisations and organisational units, or `all`
    #[arg(long, value_name = "WHO", value_delimiter = ',', required_unless_present = "marketplace")]
    with: Vec<String>,

    /// Let the scanner of AWS Marketplace read the AMI and its snapshots: share them with its account, 679593333241
    #[arg(long, conflicts_with = "keep_snapshots")]
    marketplace: bool,

    /// Share the AMI only: it can be launched, but not copied
    #[arg(long, conflicts_with = "public_snapshots")]
    keep_snapshots: bool,

    /// With `all`, make the snapshots public too
    #[arg(long)]
    public_snapshots: bool,

    /// The account's quota of public AMIs in a region
    #[arg(long, value_name = "N", default_value_t = PUBLIC_QUOTA)]
    public_quota: usize,

    /// Do not ask for confirmation before the AMI becomes public
    #[arg(long)]
    yes: bool,

    /// Print the calls and the IAM policy that they need; makes no call
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    aws: region::Args,
}

/// The account of AWS Marketplace, with which a seller shares AMIs and their snapshots (AWS Marketplace Seller Guide,
/// "Best practices for building AMIs", sharing).
const MARKETPLACE: &str = "679593333241";

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = format!("cannot share `{}`", args.target.text());
    let request = args.request(&cannot)?;
    if let Some(region) = region::named_region(&args.aws) {
        check_partition(&args.with, &region, &cannot)?;
    }
    if args.dry_run {
        let region = call_plan::named_region(&args.aws)?;
        let plan = sharing::plan::share(&region, &args.target.selector(), &args.target.scope(), &request);
        return call_plan::show(&format!("share `{}` in {region}", args.target.text()), &plan, ui);
    }
    args.confirm(&request, ui)?;
    let cancel = interrupt_on_signals()?;
    let connected = args.aws.connect(&cancel)?;
    check_partition(&args.with, connected.name(), &cannot)?;
    let (services, monitor) = (connected.services(), Monitor::new(ui, &cancel));
    let failed = |error| sharing_args::failure(error, cannot.clone());
    let outcomes = connected
        .block_on(async {
            let regions = connected.config();
            let targets = sharing::find_targets(
                regions,
                connected.name(),
                &args.target.selector(),
                &args.target.scope(),
                (&services.timer, monitor),
            )
            .await?;
            sharing::share(regions, &targets, &request, (&services.timer, monitor)).await
        })
        .map_err(failed)?;
    sharing_args::finish(outcomes, "shared with", &cannot, ui)
}

impl Args {
    fn request(&self, cannot: &str) -> Result<ShareRequest, Failure> {
        let mut with = Vec::new();
        if self.marketplace {
            with.push(Grantee::Account(MARKETPLACE.to_owned()));
        }
        for who in &self.with {
            with.push(parse(who).ok_or_else(|| unknown(who, cannot))?);
        }
        with.sort();
        with.dedup();
        let snapshots = match (self.keep_snapshots, self.public_snapshots) {
            (true, _) => SnapshotShare::Kept,
            (false, true) => SnapshotShare::Public,
            (false, false) => SnapshotShare::Accounts,
        };
        Ok(ShareRequest { with, snapshots, public_quota: self.public_quota })
    }

    /// Asks for confirmation before the AMI becomes public.
    fn confirm(&self, request: &ShareRequest, ui: &Ui) -> Result<(), Failure> {
        if !request.is_public() || self.yes {
            return Ok(());
        }
        let name = self.target.text();
        let question = format!(
            "Everybody, with any AWS account, will be able to launch `{name}` and read all that it holds. Make it public?"
        );
        match ui.ask(&question) {
            Some(true) => Ok(()),
            Some(false) => {
                Err(Failure::usage(anyhow::anyhow!("`{name}` was not confirmed to become public")))
            }
            None => Err(Failure::usage(anyhow::anyhow!(
                "`--with all` needs a confirmation, and there is no terminal"
            ))
            .hint("add `--yes`")),
        }
    }
}

/// Parses a grantee.
pub(super) fn parse(who: &str) -> Option<Grantee> {
    if who == "all" { Some(Grantee::Everybody) } else { grantee(who).map(|(grantee, _)| grantee) }
}

/// The failure for a text that is no grantee.
pub(super) fn unknown(who: &str, cannot: &str) -> Failure {
    let problem = format!("`{who}` is neither an account, nor an organisation, nor `all`");
    Failure::usage(anyhow::anyhow!(problem).context(cannot.to_owned())).hint(
        "write 12 digits, `arn:aws:organizations::…:organization/o-…`, `arn:aws:organizations::…:ou/o-…/ou-…` or `all`",
    )
}

/// Refuses a grantee of another partition than the region's.
fn check_partition(with: &[String], region: &str, cannot: &str) -> Result<(), Failure> {
    let expected = partition(region);
    let other = |who: &&String| {
        let partition = grantee(who).and_then(|(_, partition)| partition.map(str::to_owned));
        partition.is_some_and(|partition| partition != expected)
    };
    match with.iter().find(other) {
        Some(who) => {
            let problem = format!("`{who}` is of another partition than {region}, which is of `{expected}`");
            Err(Failure::usage(anyhow::anyhow!(problem).context(cannot.to_owned()))
                .hint("share within one partition"))
        }
        None => Ok(()),
    }
}
