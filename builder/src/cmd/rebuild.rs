//! `amiforge rebuild`: builds an image again from the recipe and the lock inside it, and proves that the same bytes come out.

mod original;
mod show;

use std::path::{Path, PathBuf};

use amiforge::embedded::{Embedded, EmbeddedStatement};
use amiforge::lock::Lock;
use amiforge::pipeline::{self, BuildError, BuildOptions, Built};
use amiforge::rebuild::{self, LocalInput, RebuildComparison};
use amiforge::recipe::Recipe;
use amiforge::vendor;
use amiforge_image::bundle::ExistingBundle;
use amiforge_image::image::EmitOptions;
use amiforge_image::inspect::Medium;
use amiforge_progress::{CancelToken, Monitor};
use amiforge_sandbox::OnFailure;
use anyhow::Context as _;
use serde::Serialize;

use super::build::{self, NamedPaths};
use super::inputs::{default_store, source_date_epoch};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;
use original::Original;

/// The names of the files that `--extract` writes.
const EXTRACTED: [&str; 3] = ["recipe.toml", "recipe.lock", "provenance.json"];

/// Build an image again from the recipe and the lock inside it, and prove that it is equal
///
/// Takes recipe and lock out of an AMI, a snapshot, a bundle or a raw image, builds them as `build` does, and compares every
/// block. Exits with 3, and says which blocks differ and what the likely cause is, if they are not equal. Signatures of
/// Secure Boot, which no build can make, are no difference: only the ranges that the manifest declares for them may differ.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amiforge rebuild ami-0123456789abcdef0 --region eu-west-1 --vendor inputs.tar\n  \
    amiforge rebuild out/web --source-dir web -o out/again\n  \
    amiforge rebuild snap-0123456789abcdef0 --region eu-west-1 --extract web"
)]
pub(crate) struct Args {
    /// The AMI (`ami-…`), the snapshot (`snap-…`), the bundle or the image
    target: PathBuf,

    /// Take packages and sources from this file of `amiforge vendor` rather than from the store
    #[arg(long, value_name = "FILE")]
    vendor: Option<PathBuf>,

    /// Folder of unpacked inputs [default: amiforge in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// The folder that the paths in the recipe are relative to
    #[arg(long, value_name = "DIR", default_value = ".")]
    source_dir: PathBuf,

    /// Keep the rebuilt bundle in this folder, which is made
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Only write recipe, lock and provenance of the image into this folder, and build nothing
    #[arg(long, value_name = "DIR", conflicts_with_all = ["vendor", "out"])]
    extract: Option<PathBuf>,

    /// Threads that read, write and hash; one for each core if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    plan: super::call_plan::DryRunArgs,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    aws: super::region::Args,
}

/// The result, as `--json` shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rebuilt {
    target: String,
    image: String,
    recipe: String,
    lock: Option<String>,
    /// Version of the program that built the image, and of this one.
    built_by: Option<String>,
    tool: &'static str,
    /// Whether nothing differs but signatures.
    equal: bool,
    blocks: RebuildComparison,
    /// Likely causes of a difference.
    causes: Vec<String>,
    /// The rebuilt bundle, if it is kept.
    bundle: Option<String>,
}

/// What the image says of itself, ready to be built.
struct Recorded {
    embedded: Embedded,
    statement: Option<EmbeddedStatement>,
    recipe: Recipe,
    lock: Option<Lock>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    #[cfg(feature = "aws")]
    if let Some(shown) = args.plan.shown_for_blocks("rebuild", &args.target, &args.aws, ui) {
        return shown;
    }
    let cancel = interrupt_on_signals()?;
    let original = Original::open(args, &cancel)?;
    let embedded = original.embedded(args)?.ok_or_else(|| args.nothing_inside())?;
    for contradiction in embedded.contradictions() {
        ui.warn(contradiction);
    }
    if let Some(folder) = &args.extract {
        return extract(args, &embedded, folder, ui);
    }
    let recorded = args.recorded(embedded)?;
    let statement = recorded.statement.as_ref();
    let inputs = rebuild::local_inputs(&recorded.recipe, statement);
    args.demand(&inputs)?;
    let tool = env!("CARGO_PKG_VERSION");
    if let Some(built) =
        statement.and_then(|statement| statement.tool.as_deref()).filter(|built| *built != tool)
    {
        ui.warn(format_args!("amiforge {built} built the image, and this is {tool}"));
    }
    let scratch = tempfile::Builder::new().prefix("amiforge-rebuild-").tempdir();
    let scratch = scratch.context("making a folder for the rebuilt image").with_context(|| args.cannot())?;
    let out = args.out.clone().unwrap_or_else(|| scratch.path().join("rebuilt"));
    let built = args.build(&recorded, &out, ui, &cancel)?;
    let rebuilt = Medium::open(&built.bundle).with_context(|| args.cannot())?;
    let blocks = original.compare(args, (&built.manifest, &rebuilt), ui, &cancel)?;
    let causes = if blocks.is_equal() { Vec::new() } else { args.causes(&recorded, inputs, tool)? };
    let result = Rebuilt {
        target: args.name(),
        image: recorded.recipe.image.name.clone(),
        recipe: recorded.embedded.recipe_sha256().to_string(),
        lock: recorded.embedded.lock_sha256().map(|lock| lock.to_string()),
        built_by: recorded.statement.and_then(|statement| statement.tool),
        tool,
        equal: blocks.is_equal(),
        blocks,
        causes,
        bundle: args.out.as_ref().map(|out| out.display().to_string()),
    };
    if ui.json() {
        ui.object(&result)?;
    } else {
        show::show(&result, original.path(), ui)?;
    }
    Ok(if result.equal { Outcome::Success } else { Outcome::Difference })
}

/// Writes the texts into a folder.
fn extract(args: &Args, embedded: &Embedded, folder: &Path, ui: &Ui) -> CommandResult {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let cannot = || format!("cannot take the recipe out of `{}`", args.name());
    std::fs::create_dir_all(folder)
        .with_context(|| format!("making `{}`", folder.display()))
        .with_context(cannot)?;
    let texts = [Some(&embedded.recipe), embedded.lock.as_ref(), embedded.predicate.as_ref()];
    for (name, text) in EXTRACTED.iter().zip(texts) {
        let Some(text) = text else { continue };
        let path = folder.join(name);
        // As in the image: it may hold hashes of passwords.
        let mode = if *name == EXTRACTED[0] { 0o600 } else { 0o644 };
        let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        made.and_then(|mut file| file.write_all(text))
            .with_context(|| format!("making `{}`", path.display()))
            .with_context(cannot)?;
        ui.line(path.display())?;
    }
    Ok(Outcome::Success)
}

impl Args {
    fn name(&self) -> String {
        self.target.display().to_string()
    }

    fn cannot(&self) -> String {
        format!("cannot rebuild `{}`", self.name())
    }

    fn nothing_inside(&self) -> Failure {
        let fact = anyhow::anyhow!("there is no `/usr/lib/amiforge/recipe.toml` in it");
        Failure::from(fact.context(self.cannot())).hint(
            "an image has it unless its recipe says `provenance = false`, or an earlier version built it: `amiforge build` \
             its recipe, and compare with `amiforge diff`",
        )
    }

    /// Recipe and lock of the image, parsed.
    fn recorded(&self, embedded: Embedded) -> Result<Recorded, Failure> {
        let path = self.source_dir.join(EXTRACTED[0]);
        let text = String::from_utf8(embedded.recipe.clone());
        let text = text.context("reading the recipe in the image").with_context(|| self.cannot())?;
        let recipe = Recipe::parse(&text, &path).map_err(|error| {
            let error = anyhow::Error::from(error).context("reading the recipe in the image");
            Failure::from(error.context(self.cannot()))
                .hint("another version of amiforge may have built it: `whois` names it for an AMI")
        })?;
        let lock = embedded.lock.as_deref().map(|bytes| Lock::parse(bytes, Path::new(EXTRACTED[1])));
        let lock =
            lock.transpose().context("reading the lock in the image").with_context(|| self.cannot())?;
        let lock = lock.filter(|_| Lock::is_needed(&recipe));
        if Lock::is_needed(&recipe) && !lock.as_ref().is_some_and(|lock| lock.matches(&recipe)) {
            let fact = anyhow::anyhow!("the lock in the image is not that of the recipe in it");
            return Err(fact.context(self.cannot()).into());
        }
        if let Some(vendor) = &self.vendor {
            let vendored = vendor::lock(vendor).with_context(|| self.cannot())?;
            if Some(&vendored) != lock.as_ref() {
                let fact = format!("`{}` holds the inputs of another lock", vendor.display());
                return Err(Failure::usage(anyhow::anyhow!(fact).context(self.cannot()))
                    .hint(self.fetching(lock.as_ref())));
            }
        }
        let statement = embedded.statement();
        Ok(Recorded { embedded, statement, recipe, lock })
    }

    /// Refuses to build without inputs that are on no server.
    fn demand(&self, inputs: &[LocalInput]) -> Result<(), Failure> {
        let missing = rebuild::missing(inputs);
        if missing.is_empty() {
            return Ok(());
        }
        let named = missing.iter().map(|input| {
            let digest = input.expected.as_deref().map(|digest| format!(" (SHA-256 {digest})"));
            format!(
                "`{}`{}, looked for at `{}`",
                input.name,
                digest.unwrap_or_default(),
                input.path.display()
            )
        });
        let named = named.collect::<Vec<_>>().join("; ");
        let fact = anyhow::anyhow!("{} inputs of the recipe are missing: {named}", missing.len());
        Err(Failure::from(fact.context(self.cannot()))
            .hint("`--source-dir DIR` names the folder that the paths in the recipe are relative to"))
    }

    fn build(
        &self,
        recorded: &Recorded,
        out: &Path,
        ui: &Ui,
        cancel: &CancelToken,
    ) -> Result<Built, Failure> {
        let threads = self.threads.map(usize::from);
        // What the provenance states goes before the environment, also where it states that there was none.
        let epoch = match &recorded.statement {
            Some(statement) => statement.source_date_epoch,
            None => source_date_epoch()?,
        };
        let options = BuildOptions {
            out: out.to_owned(),
            existing: ExistingBundle::Refuse,
            threads: threads.unwrap_or_else(|| EmitOptions::default().threads),
            store: self.store.clone().or_else(default_store),
            source_date_epoch: epoch,
            lock: recorded.lock.clone(),
            vendor: self.vendor.clone(),
            signatures: Vec::new(),
            vex: None,
            on_failure: OnFailure::Stop,
        };
        let built = pipeline::build(&recorded.recipe, &options, Monitor::new(ui, cancel));
        built.map_err(|error| match error {
            error @ (BuildError::NotFetched { .. } | BuildError::NoLock) => {
                Failure::from(anyhow::Error::from(error).context(self.cannot()))
                    .hint(self.fetching(recorded.lock.as_ref()))
            }
            error => {
                let named = NamedPaths { recipe: Path::new(EXTRACTED[0]), out, on_failure: OnFailure::Stop };
                build::failure(error, &recorded.recipe, &named)
            }
        })
    }

    /// How to get what the lock pins.
    fn fetching(&self, lock: Option<&Lock>) -> String {
        let copy = if lock.is_some_and(|lock| !lock.snapshots.is_empty()) {
            " (with `--copy` if the snapshot that it pins is public)"
        } else {
            ""
        };
        format!(
            "`--vendor FILE` takes what the lock pins from a file; or `amiforge rebuild {} --extract DIR`, and then \
             `amiforge fetch DIR/recipe.toml`{copy}",
            self.name()
        )
    }

    fn causes(
        &self,
        recorded: &Recorded,
        inputs: Vec<LocalInput>,
        tool: &str,
    ) -> Result<Vec<String>, Failure> {
        let changed = rebuild::changed(inputs).map_err(|(path, error)| {
            anyhow::Error::from(error).context(format!("reading `{}`", path.display())).context(self.cannot())
        })?;
        Ok(rebuild::causes(recorded.statement.as_ref(), tool, &changed))
    }
}
