//! The commands, one per file: arguments → one library call → output. `anyhow` is used only here and in `main`.

#[cfg(feature = "aws")]
pub(crate) mod allowed_images;
#[cfg(feature = "aws")]
pub(crate) mod ami_args;
pub(crate) mod attach;
pub(crate) mod attest;
mod attestations;
#[cfg(feature = "aws")]
pub(crate) mod backup;
pub(crate) mod boot;
pub(crate) mod build;
#[cfg(feature = "aws")]
mod call_plan;
#[cfg(feature = "aws")]
mod channel;
#[cfg(feature = "aws")]
pub(crate) mod channels;
pub(crate) mod completions;
#[cfg(feature = "aws")]
pub(crate) mod copy;
pub(crate) mod diff;
pub(crate) mod docs;
#[cfg(feature = "aws")]
pub(crate) mod download;
#[cfg(feature = "aws")]
mod dry_run;
pub(crate) mod explain;
pub(crate) mod export;
#[cfg(feature = "fetch")]
pub(crate) mod fetch;
#[cfg(feature = "aws")]
pub(crate) mod follow;
mod handover;
#[cfg(feature = "aws")]
mod image_regions;
#[cfg(feature = "aws")]
pub(crate) mod images;
pub(crate) mod import;
mod inputs;
pub(crate) mod inspect;
#[cfg(feature = "aws")]
mod kms_key;
mod leak_gate;
pub(crate) mod leaks;
#[cfg(feature = "local-region")]
pub(crate) mod local;
#[cfg(feature = "fetch")]
pub(crate) mod lock;
mod machine_keys;
pub(crate) mod man;
pub(crate) mod marketplace;
pub(crate) mod measure;
pub(crate) mod new;
#[cfg(feature = "aws")]
pub(crate) mod orphans;
#[cfg(feature = "fetch")]
pub(crate) mod outdated;
#[cfg(feature = "aws")]
mod percent;
pub(crate) mod policy;
pub(crate) mod preflight;
#[cfg(feature = "aws")]
pub(crate) mod promote;
#[cfg(feature = "aws")]
pub(crate) mod prune;
#[cfg(feature = "aws")]
pub(crate) mod publish;
pub(crate) mod rebuild;
pub(crate) mod receipts;
#[cfg(feature = "aws")]
pub(crate) mod region;
#[cfg(all(feature = "aws", feature = "fetch"))]
mod region_snapshots;
#[cfg(feature = "aws")]
pub(crate) mod register;
pub(crate) mod repro;
#[cfg(feature = "aws")]
pub(crate) mod restore_image;
#[cfg(feature = "aws")]
pub(crate) mod rollback;
pub(crate) mod schema;
#[cfg(feature = "aws")]
pub(crate) mod share;
#[cfg(feature = "aws")]
mod sharing_args;
pub(crate) mod sign;
mod signatures;
mod signed_by;
mod signing_key;
#[cfg(feature = "aws")]
pub(crate) mod snapshot;
#[cfg(all(feature = "aws", feature = "fetch"))]
mod source_plan;
#[cfg(feature = "aws")]
mod storage_failure;
pub(crate) mod store;
#[cfg(feature = "aws")]
pub(crate) mod undo;
pub(crate) mod unpack;
#[cfg(feature = "aws")]
pub(crate) mod unshare;
#[cfg(all(feature = "aws", feature = "fetch"))]
pub(crate) mod update;
#[cfg(feature = "aws")]
pub(crate) mod upload;
pub(crate) mod vendor;
pub(crate) mod verify;
#[cfg(feature = "aws")]
pub(crate) mod whois;

use crate::outcome::CommandResult;
use crate::ui::Ui;

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    New(new::Args),
    Import(import::Args),
    #[cfg(feature = "fetch")]
    Lock(lock::Args),
    #[cfg(feature = "fetch")]
    Outdated(outdated::Args),
    #[cfg(feature = "fetch")]
    Fetch(fetch::Args),
    Vendor(vendor::Args),
    Build(build::Args),
    Attach(attach::Args),
    Sign(sign::Args),
    #[command(after_help = "Examples:\n  amiforge policy allowed-signers policy.toml --name web")]
    Policy(policy::Args),
    Inspect(inspect::Args),
    Diff(diff::Args),
    Explain(explain::Args),
    Verify(verify::Args),
    Measure(measure::Args),
    Attest(attest::Args),
    Boot(Box<boot::Args>),
    Preflight(preflight::Args),
    Leaks(leaks::Args),
    Repro(repro::Args),
    Rebuild(Box<rebuild::Args>),
    Store(store::Args),
    Export(export::Args),
    Unpack(unpack::Args),
    #[command(subcommand, after_help = receipts::EXAMPLES)]
    Receipts(receipts::Command),
    #[cfg(feature = "aws")]
    Publish(Box<publish::Args>),
    #[cfg(all(feature = "aws", feature = "fetch"))]
    Update(Box<update::Args>),
    #[cfg(feature = "aws")]
    Upload(upload::Args),
    #[cfg(feature = "aws")]
    Download(download::Args),
    #[cfg(feature = "aws")]
    Register(Box<register::Args>),
    #[cfg(feature = "aws")]
    Promote(Box<promote::Args>),
    #[cfg(feature = "aws")]
    Rollback(Box<rollback::Args>),
    #[cfg(feature = "aws")]
    Channels(channels::Args),
    #[cfg(feature = "aws")]
    Share(share::Args),
    #[cfg(feature = "aws")]
    Unshare(unshare::Args),
    #[cfg(feature = "aws")]
    AllowedImages(allowed_images::Args),
    #[command(after_help = "Examples:\n  amiforge marketplace check out/web")]
    Marketplace(marketplace::Args),
    #[cfg(feature = "aws")]
    Backup(backup::Args),
    #[cfg(feature = "aws")]
    RestoreImage(restore_image::Args),
    #[cfg(feature = "aws")]
    Copy(copy::Args),
    #[cfg(feature = "aws")]
    Snapshot(snapshot::Args),
    #[cfg(feature = "aws")]
    Images(images::Args),
    #[cfg(feature = "aws")]
    Whois(whois::Args),
    #[cfg(feature = "aws")]
    Prune(prune::Args),
    #[cfg(feature = "aws")]
    Orphans(orphans::Args),
    #[cfg(feature = "aws")]
    Undo(undo::Args),
    #[cfg(feature = "aws")]
    Follow(Box<follow::Args>),
    #[cfg(feature = "local-region")]
    Local(local::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
    Docs(docs::Args),
}

/// Runs a command. `program` builds the description of the whole command line, for commands that print it.
#[expect(clippy::too_many_lines, reason = "a row for each command")]
pub(crate) fn run(command: Command, program: fn() -> clap::Command, ui: &Ui) -> CommandResult {
    match command {
        Command::New(args) => new::run(&args, ui),
        Command::Import(args) => import::run(&args, ui),
        #[cfg(feature = "fetch")]
        Command::Lock(args) => lock::run(&args, ui),
        #[cfg(feature = "fetch")]
        Command::Outdated(args) => outdated::run(&args, ui),
        #[cfg(feature = "fetch")]
        Command::Fetch(args) => fetch::run(&args, ui),
        Command::Vendor(args) => vendor::run(&args, ui),
        Command::Build(args) => build::run(&args, ui),
        Command::Attach(args) => attach::run(&args, ui),
        Command::Sign(args) => sign::run(&args, ui),
        Command::Policy(args) => policy::run(&args, ui),
        Command::Inspect(args) => inspect::run(&args, ui),
        Command::Diff(args) => diff::run(&args, ui),
        Command::Explain(args) => explain::run(&args, ui),
        Command::Verify(args) => verify::run(&args, ui),
        Command::Measure(args) => measure::run(&args, ui),
        Command::Attest(args) => attest::run(&args, ui),
        Command::Boot(args) => boot::run(&args, ui),
        Command::Preflight(args) => preflight::run(&args, ui),
        Command::Leaks(args) => leaks::run(&args, ui),
        Command::Repro(args) => repro::run(&args, ui),
        Command::Rebuild(args) => rebuild::run(&args, ui),
        Command::Store(args) => store::run(&args, ui),
        Command::Export(args) => export::run(&args, ui),
        Command::Unpack(args) => unpack::run(&args, ui),
        Command::Receipts(command) => receipts::run(&command, ui),
        #[cfg(feature = "aws")]
        Command::Publish(args) => publish::run(&args, ui),
        #[cfg(all(feature = "aws", feature = "fetch"))]
        Command::Update(args) => update::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Upload(args) => upload::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Download(args) => download::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Register(args) => register::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Promote(args) => promote::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Rollback(args) => rollback::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Channels(args) => channels::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Share(args) => share::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Unshare(args) => unshare::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::AllowedImages(args) => allowed_images::run(&args, ui),
        Command::Marketplace(args) => marketplace::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Backup(args) => backup::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::RestoreImage(args) => restore_image::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Copy(args) => copy::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Snapshot(args) => snapshot::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Images(args) => images::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Whois(args) => whois::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Prune(args) => prune::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Orphans(args) => orphans::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Undo(args) => undo::run(&args, ui),
        #[cfg(feature = "aws")]
        Command::Follow(args) => follow::run(&args, ui),
        #[cfg(feature = "local-region")]
        Command::Local(args) => local::run(&args, ui),
        Command::Schema(args) => schema::run(&args, ui),
        Command::Completions(args) => completions::run(&args, program(), ui),
        Command::Man(args) => man::run(&args, program(), ui),
        Command::Docs(args) => docs::run(&args, program(), ui),
    }
}
