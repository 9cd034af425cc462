//! `amiforge images`: lists the AMIs of an account.

use std::io::Write as _;
use std::path::PathBuf;

use amiforge_lifecycle::api::images::UseRegions as _;
use amiforge_lifecycle::inventory::{self, ImageRow, ListOptions, Listing};
use amiforge_lifecycle::prune::CleanUp;
use anyhow::Context as _;

use super::image_regions::{CHANNELS_BELOW, RegionsArg, failure, in_region, now, show_plan, show_table};
use super::region;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{HumanBytes, Ui, written};

/// List the AMIs of the account that amiforge made
///
/// Shows version, state, channels, size, who may launch each AMI, when it was launched last, what names it, and what it
/// costs in a month. AMIs of every state are listed, also deprecated and disabled ones.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge images --region eu-west-1\n  \
    amiforge images --regions all --name web --sizes --html images.html")]
pub(crate) struct Args {
    /// Only AMIs of this image name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Compare every version with the one before it: what it alone stores. Costs calls of `ListChangedBlocks`
    #[arg(long)]
    sizes: bool,

    /// Print comma-separated values
    #[arg(long, conflicts_with = "html")]
    csv: bool,

    /// Write a page of HTML to this file, which needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// The path of the parameters that are channels
    #[arg(long, value_name = "PATH", default_value = CHANNELS_BELOW)]
    channels_below: String,

    /// Print the calls and the IAM policy that they need; makes no call
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    regions: RegionsArg,

    #[command(flatten)]
    aws: region::Args,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    if args.dry_run {
        let command = CleanUp::Images { sizes: args.sizes };
        return show_plan(command, &args.regions.planned(&args.aws)?, &args.channels_below, ui);
    }
    let cancel = interrupt_on_signals()?;
    let connected = args.aws.connect(&cancel)?;
    let options = ListOptions {
        name: args.name.clone(),
        channels_below: args.channels_below.clone(),
        sizes: args.sizes,
        now: now(),
    };
    let (mut rows, mut failed) = (Vec::new(), None);
    for name in args.regions.names(&connected, &cancel)? {
        let config = connected.config().in_region(&name);
        let (ebs, other) = (config.ebs(), config.image_use(&name));
        let listed = in_region(&connected, &name, ui, &cancel, async |region| {
            inventory::list(region, &ebs, &other, &options).await
        });
        match listed {
            Ok(listed) => rows.extend(listed),
            // A region that does not answer does not hide the others.
            Err(error) => {
                let failure = failure(error, format!("cannot list the images of {name}"));
                ui.warn(format_args!("{:#}", failure.error));
                failed.get_or_insert(failure);
            }
        }
    }
    show(&Listing::new(rows, options.now), args, ui)?;
    failed.map_or(Ok(Outcome::Success), Err)
}

fn show(listing: &Listing, args: &Args, ui: &Ui) -> Result<(), Failure> {
    if let Some(path) = &args.html {
        let shown = path.display();
        std::fs::write(path, inventory::html(listing)).with_context(|| format!("cannot write `{shown}`"))?;
        ui.status(format_args!("{} images are in `{shown}`", listing.images.len()));
    }
    if ui.json() {
        return ui.object(listing);
    }
    if args.csv {
        let mut out = ui.contents();
        written(out.write_all(inventory::csv(listing).as_bytes()))?;
        return written(out.finish());
    }
    if args.html.is_some() {
        return Ok(());
    }
    show_table(&table(listing), ui)?;
    let total = listing.total();
    let bound = if total.at_most { "at most " } else { "" };
    ui.status(format_args!(
        "{} images, {bound}{:.2} US dollars a month ({})",
        listing.images.len(),
        total.usd,
        listing.prices
    ));
    Ok(())
}

fn table(listing: &Listing) -> Vec<Vec<String>> {
    if listing.images.is_empty() {
        return Vec::new();
    }
    let header = [
        "REGION", "IMAGE", "VERSION", "AMI", "STATE", "AGE", "CHANNELS", "SIZE", "CHANGED", "SHARED",
        "LAUNCHED", "NAMED BY", "USD",
    ];
    let header = header.map(str::to_owned).to_vec();
    std::iter::once(header).chain(listing.images.iter().map(cells)).collect()
}

fn cells(row: &ImageRow) -> Vec<String> {
    let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let bytes = |bytes: Option<u64>| bytes.map(|bytes| HumanBytes(bytes).to_string()).unwrap_or_default();
    let launched = row.last_launched.as_deref().and_then(|at| at.split('T').next()).unwrap_or_default();
    let named = match row.referenced_by.len() {
        0 => String::new(),
        count => count.to_string(),
    };
    let mut state = row.state.word().to_owned();
    if row.protected {
        state.push_str(" protected");
    }
    vec![
        row.region.clone(),
        row.image.clone(),
        dash(row.version.clone().unwrap_or_default()),
        row.image_id.clone(),
        state,
        dash(row.age_days.map(|days| format!("{days} d")).unwrap_or_default()),
        dash(row.channels.join(",")),
        dash(bytes(row.full_bytes)),
        dash(bytes(row.changed_bytes)),
        dash(row.shared.words()),
        dash(launched.to_owned()),
        dash(named),
        format!("{:.2}", row.month.usd),
    ]
}
