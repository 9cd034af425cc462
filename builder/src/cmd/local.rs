//! `amiforge local`: serves, reads or empties the local region.

mod attest;
mod booted;
mod launch;
mod measured;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use amiforge_emulator::{
    ACCESS_KEY_ID, Error, FaultScript, LocalRegion, Quotas, RegionConfig, RegionServer, RequestLog,
    SECRET_ACCESS_KEY, SnapshotVolume, UnwrittenView, Windows,
};
use anyhow::{Context as _, anyhow};
use launch::BootLauncher;
use serde::Serialize;

use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Serve, read or empty the local region: an AWS-compatible region on this machine
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge local serve --listen 127.0.0.1:4600\n\n\
    Commands with `--region local` need no server: they run the local region themselves.")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// The subcommands.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    Serve(Serve),
    Volume(VolumeArgs),
    Attest(attest::AttestArgs),
    Reset(Reset),
}

/// Serve the local region to other programs until Ctrl-C: aws CLI, SDKs, Terraform, Packer
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge local serve --listen 127.0.0.1:4600 --windows --quotas\n\n\
    It serves every region name (`local`, `local-2`, `us-east-1`, ...): the signature of a request names the region.\n\n\
    It prints a link to a page that shows AMIs, snapshots, channels and what is in progress in a browser, and launches \
    AMIs with `amiforge boot`. Who has the link may do both; it is new at each start.\n\n\
    Access keys with an IAM policy go into `accounts.json` in its folder, and are obeyed:\n  \
    [{\"account\": \"123456789012\", \"access_key_id\": \"CI\", \"secret_access_key\": \"secret\", \"policy\": {\"Version\": ...}}]\n\n\
    Scripted faults are JSON; the first rule that applies to a request decides:\n  \
    {\"rules\": [{\"service\": \"ebs\", \"action\": \"PutSnapshotBlock\", \"when\": {\"nth\": 3}, \"what\": \"throttle\"}]}\n  \
    when: \"always\", {\"nth\": N}, {\"first\": N}, {\"every\": N}, {\"probability\": {\"p\": 0.1, \"seed\": 7}}\n  \
    what: \"throttle\", \"throttle_in_front\", {\"server_error\": {\"status\": 503}}, \"drop_before\", \"drop_after\", {\"slow\": {\"millis\": 300}},\n    \
    {\"flip_bit\": {\"bit\": N}}, {\"flip_stored_bit\": {\"bit\": N}}, {\"short_read\": {\"bytes\": N}}, \"expire_tokens\", \"not_found\", \"fail_later\"\n  \
    A rule may have \"target\" (a part of the path and query) and \"times\" (how often at most) too.")]
struct Serve {
    #[command(flatten)]
    state: StateFolder,

    /// Address to listen on; loopback only [default: a free port of 127.0.0.1]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = loopback)]
    listen: Option<SocketAddr>,

    /// Delay the visibility of changes, as a real region does: 404 for a while, then found
    #[arg(long)]
    windows: bool,

    /// Refuse requests beyond a real account's default quotas
    #[arg(long)]
    quotas: bool,

    /// Inject the faults of a JSON file
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,

    /// Append a line of JSON to a file for each request
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// Write a snapshot to a raw file, as a guest would see it on a volume
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  amiforge local volume snap-0123456789abcdef0 -o volume.raw --encrypted\n\n\
    On an encrypted volume a block that was never written reads as garbage, not as zeros."
)]
struct VolumeArgs {
    /// The snapshot
    snapshot: String,

    /// The file; it must not exist
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,

    /// Read it as on an encrypted volume, even if the snapshot is not encrypted
    #[arg(long)]
    encrypted: bool,

    /// Which local region the snapshot is in
    #[arg(long, value_name = "NAME", default_value = "local")]
    region: String,

    #[command(flatten)]
    state: StateFolder,
}

/// Remove everything that the local region holds, except its accounts
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge local reset")]
struct Reset {
    #[command(flatten)]
    state: StateFolder,
}

/// The folder of the state.
#[derive(Debug, clap::Args)]
struct StateFolder {
    /// Folder of its state [default: `$AMIFORGE_LOCAL_REGION`, else `amiforge/local-region` in `$XDG_DATA_HOME`]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl StateFolder {
    fn folder(&self) -> PathBuf {
        self.folder.clone().unwrap_or_else(RegionConfig::default_folder)
    }
}

/// Parses an address, which must be a loopback address: the demo keys are public.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "expected ADDRESS:PORT, as in 127.0.0.1:4600".to_owned())?;
    let ip: IpAddr = address.ip();
    if ip.is_loopback() { Ok(address) } else { Err(format!("{ip} is no loopback address")) }
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    match &args.verb {
        Verb::Serve(args) => serve(args, ui),
        Verb::Volume(args) => volume(args, ui),
        Verb::Attest(args) => attest::attest(args, ui),
        Verb::Reset(args) => reset(args, ui),
    }
}

/// What a client needs to know.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServeJson<'a> {
    endpoint: &'a str,
    /// The link that opens the page.
    page: &'a str,
    folder: &'a Path,
    access_key_id: &'a str,
    secret_access_key: &'a str,
}

fn serve(args: &Serve, ui: &Ui) -> CommandResult {
    let cancel = interrupt_on_signals()?;
    let address = args.listen.unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
    let launcher = Arc::new(BootLauncher::new());
    let running = RegionServer::start_with_page(config(args)?, address, Some(launcher.clone()));
    let running = running.map_err(|error| failure(error, "cannot serve the local region"))?;
    let endpoint = running.endpoint();
    launcher.serve_at(&endpoint);
    let page = running.page_link().unwrap_or_default();
    if ui.json() {
        let folder = running.region().folder();
        let (endpoint, page) = (endpoint.as_str(), page.as_str());
        let (access_key_id, secret_access_key) = (ACCESS_KEY_ID, SECRET_ACCESS_KEY);
        ui.object(&ServeJson { endpoint, page, folder, access_key_id, secret_access_key })?;
    } else {
        ui.line(client_settings(&endpoint, &page, running.region().folder()))?;
    }
    ui.status("Ctrl-C stops it");
    while !cancel.is_cancelled() {
        std::thread::park_timeout(Duration::from_millis(50));
    }
    drop(running);
    launcher.stop_all();
    ui.status("stopped");
    Ok(Outcome::Success)
}

fn config(args: &Serve) -> Result<RegionConfig, Failure> {
    let mut config = RegionConfig::new(args.state.folder());
    if args.windows {
        config.windows = Windows::real();
    }
    if args.quotas {
        config.quotas = Quotas::real();
    }
    if let Some(path) = &args.faults {
        config.faults = FaultScript::load(path).map_err(|error| {
            Failure::usage(anyhow::Error::from(error).context("cannot serve the local region"))
        })?;
    }
    if let Some(path) = &args.log {
        config.request_log =
            Some(Arc::new(RequestLog::to_file(path).context("cannot serve the local region")?));
    }
    Ok(config)
}

/// A failure of the local region with its hint.
fn failure(error: Error, cannot: &str) -> Failure {
    let hint = match &error {
        Error::InUse { endpoint: Some(endpoint), .. } => {
            Some(format!("use that one: `--endpoint-url {endpoint}`, or another `--folder`"))
        }
        Error::InUse { endpoint: None, .. } => {
            Some("wait for it to end, or use another `--folder`".to_owned())
        }
        Error::NoRegion(_) => {
            Some("publish an image with `--region local` first, or name its `--folder`".to_owned())
        }
        Error::NoInstance(_) => {
            Some("list them with `aws ec2 describe-instances`, or name another `--region`".to_owned())
        }
        Error::NotAttestable { .. } => Some(
            "publish the image with `--tpm` and boot mode `uefi`, and launch an instance of it".to_owned(),
        ),
        Error::ForeignEntry { .. } => Some("name an empty folder, or one that does not exist yet".to_owned()),
        Error::Damaged { .. } => Some(
            "remove that file to continue without it, or run `amiforge local reset` to start empty"
                .to_owned(),
        ),
        _ => None,
    };
    let failure = Failure::from(anyhow::Error::from(error).context(cannot.to_owned()));
    Failure { hint, ..failure }
}

/// The settings of clients, to be typed into another terminal.
fn client_settings(endpoint: &str, page: &str, folder: &Path) -> String {
    format!(
        "The local region is at {endpoint}, its state in {}.\n\n\
         In a browser:\n\
         \x20 {page}\n\n\
         aws CLI, boto3 and other SDKs:\n\
         \x20 export AWS_ENDPOINT_URL={endpoint}\n\
         \x20 export AWS_ACCESS_KEY_ID={ACCESS_KEY_ID}\n\
         \x20 export AWS_SECRET_ACCESS_KEY={SECRET_ACCESS_KEY}\n\
         \x20 export AWS_REGION=local AWS_DEFAULT_REGION=local AWS_EC2_METADATA_DISABLED=true\n\n\
         Terraform:\n\
         \x20 provider \"aws\" {{\n\
         \x20   region                      = \"us-east-1\"\n\
         \x20   access_key                  = \"{ACCESS_KEY_ID}\"\n\
         \x20   secret_key                  = \"{SECRET_ACCESS_KEY}\"\n\
         \x20   s3_use_path_style           = true\n\
         \x20   skip_metadata_api_check     = true\n\
         \x20   skip_region_validation      = true\n\
         \x20   endpoints {{\n\
         \x20     ec2 = \"{endpoint}\"\n\
         \x20     s3  = \"{endpoint}\"\n\
         \x20     ssm = \"{endpoint}\"\n\
         \x20     sts = \"{endpoint}\"\n\
         \x20   }}\n\
         \x20 }}\n",
        folder.display()
    )
}

/// The result of `local volume` as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VolumeJson<'a> {
    snapshot_id: &'a str,
    path: &'a Path,
    bytes: u64,
    blocks: u32,
}

fn volume(args: &VolumeArgs, ui: &Ui) -> CommandResult {
    let cannot = format!("cannot write `{}` to `{}`", args.snapshot, args.out.display());
    let view = if args.encrypted { UnwrittenView::Encrypted } else { UnwrittenView::AsStored };
    let volume = SnapshotVolume::open(&args.state.folder(), &args.region, &args.snapshot, view);
    let volume = volume.map_err(|error| failure(error, &cannot))?;
    let blocks = volume.export(&args.out).map_err(|error| failure(error, &cannot))?;
    if ui.json() {
        let (snapshot_id, path, bytes) = (args.snapshot.as_str(), args.out.as_path(), volume.len());
        ui.object(&VolumeJson { snapshot_id, path, bytes, blocks })?;
    } else {
        ui.line(format!("{}: {} GiB, {blocks} blocks are not zero", args.out.display(), volume.len() >> 30))?;
    }
    Ok(Outcome::Success)
}

fn reset(args: &Reset, ui: &Ui) -> CommandResult {
    let folder = args.state.folder();
    let cannot = "cannot empty the local region";
    let removed = LocalRegion::remove(&folder).map_err(|error| match error {
        Error::InUse { ref endpoint, .. } => {
            let at = endpoint.clone().unwrap_or_else(|| "its address".to_owned());
            Failure::from(anyhow!(error).context(cannot)).hint(format!("stop the server at {at} first"))
        }
        error => failure(error, cannot),
    })?;
    if ui.json() {
        ui.object(&serde_json::json!({"folder": folder, "removed": removed}))?;
    } else {
        let outcome = if removed { "removed" } else { "there was nothing" };
        ui.line(format!("{outcome} in {}", folder.display()))?;
    }
    Ok(Outcome::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_can_be_listened_to() {
        assert!(loopback("127.0.0.1:0").is_ok() && loopback("[::1]:80").is_ok());
        assert!(
            loopback("0.0.0.0:80").is_err() && loopback("192.168.0.1:80").is_err() && loopback("80").is_err()
        );
    }
}
