//! Where the commands of publishing call: the arguments that they share, the runtime that they run on, and the local
//! region, which is started in this process when nobody serves its folder.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use amiforge_aws::{AccessKeys, AwsConfig, ConnectError, ConnectOptions, EbsClient, Ec2Client};
use amiforge_progress::Interrupt;
use amiforge_publish::keys::{KeyError, resolve};
use amiforge_publish::request::KeyChoice;
use amiforge_publish::services::Services;
use amiforge_publish::timer::{Timer, until_raised};
use anyhow::Context as _;

use super::Failure;

/// What the commands that call a region share.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "AWS")]
#[group(skip)]
pub(crate) struct Args {
    /// The region; `local` (or `local-2` and so on) is one on this machine [default: as AWS tools find it]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,

    /// The profile of the shared configuration files [default: as AWS tools find it]
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,

    /// An endpoint in place of AWS's own
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
}

/// A region that can be called.
pub(crate) struct ConnectedRegion {
    /// There until this value is dropped.
    runtime: Option<tokio::runtime::Runtime>,
    interrupt: Interrupt,
    config: AwsConfig,
    /// Runs as long as this value lives, where it runs in this process.
    _local: Option<Local>,
}

impl Args {
    /// Finds the region, its endpoint and who calls.
    pub(crate) fn connect(&self, interrupt: &Interrupt) -> Result<ConnectedRegion, Failure> {
        let (place, local) = self.place()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("publish")
            .build()
            .context("cannot start the threads that talk to the service")?;
        // Files and the machine's metadata service are asked, which may take a while.
        let loading = runtime.block_on(async {
            tokio::select! {
                loaded = AwsConfig::load(&place) => Some(loaded),
                () = until_raised(interrupt) => None,
            }
        });
        let Some(loaded) = loading else {
            runtime.shutdown_background();
            return Err(anyhow::anyhow!("interrupted")
                .context("cannot find the region and credentials")
                .into());
        };
        let config = loaded.map_err(|error| match error {
            ConnectError::NoRegion => {
                Failure::usage(anyhow::Error::from(error).context("cannot tell which region is meant"))
                    .hint("`--region eu-west-1` names one; `--region local` is one on this machine")
            }
            error @ ConnectError::CaBundle { .. } => {
                Failure::usage(anyhow::Error::from(error).context("cannot prepare calls to the service"))
                    .hint("name a file of certificate authorities in PEM, or none for those of this machine")
            }
            error => anyhow::Error::from(error).context("cannot prepare calls to the service").into(),
        })?;
        Ok(ConnectedRegion { runtime: Some(runtime), interrupt: interrupt.clone(), config, _local: local })
    }

    /// Whether the region is one on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.region.as_deref().is_some_and(is_local)
    }

    fn place(&self) -> Result<(ConnectOptions, Option<Local>), Failure> {
        let mut place = ConnectOptions {
            region: self.region.clone(),
            profile: self.profile.clone(),
            endpoint: self.endpoint_url.clone(),
            keys: None,
            attempt_timeout: None,
        };
        if !self.is_local() {
            return Ok((place, None));
        }
        let (endpoint, keys, local) = serve(self.endpoint_url.as_deref())?;
        (place.endpoint, place.keys) = (Some(endpoint), Some(keys));
        Ok((place, local))
    }
}

impl ConnectedRegion {
    /// The services of the region.
    pub(crate) fn services(&self) -> Services<EbsClient, Ec2Client> {
        Services {
            ebs: Arc::new(self.config.ebs()),
            ec2: Arc::new(self.config.ec2()),
            timer: Timer::default().with_interrupt(&self.interrupt),
            region: self.config.region().to_owned(),
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.config.region()
    }

    /// The key that is meant in a region: asked for where an alias names it.
    pub(crate) fn key(&self, region: &str, key: &KeyChoice) -> Result<KeyChoice, KeyError> {
        let timer = Timer::default().with_interrupt(&self.interrupt);
        self.block_on(resolve(&self.config, &timer, region, key))
    }

    /// What clients of further regions are made from.
    pub(crate) fn config(&self) -> &AwsConfig {
        &self.config
    }

    /// Runs work to its end.
    pub(crate) fn block_on<F: Future>(&self, work: F) -> F::Output {
        #[expect(clippy::expect_used, reason = "it is taken by `drop` alone")]
        self.runtime.as_ref().expect("a runtime").block_on(work)
    }
}

impl Drop for ConnectedRegion {
    /// A look-up of a host's name that hangs is not waited for.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_millis(200));
        }
    }
}

/// The id of a snapshot or an image.
pub(crate) fn remote(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("snap-").or_else(|| text.strip_prefix("ami-"));
    match digits {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(text.to_owned())
        }
        _ => Err("neither `snap-…` nor `ami-…`".to_owned()),
    }
}

/// The region as far as it is known without looking into files or asking anybody.
pub(crate) fn named_region(args: &Args) -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|region| !region.is_empty());
    args.region.clone().or_else(|| set("AWS_REGION")).or_else(|| set("AWS_DEFAULT_REGION"))
}

/// `local`, or `local-` and a number.
fn is_local(region: &str) -> bool {
    let rest = region.strip_prefix("local");
    rest.is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix('-').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

#[cfg(feature = "local-region")]
type Local = amiforge_emulator::Running;

#[cfg(not(feature = "local-region"))]
type Local = std::convert::Infallible;

/// The endpoint of the local region, and the keys that it knows.
#[cfg(feature = "local-region")]
fn serve(given: Option<&str>) -> Result<(String, AccessKeys, Option<Local>), Failure> {
    use amiforge_emulator::{ACCESS_KEY_ID, Error, Running, SECRET_ACCESS_KEY};

    let keys = AccessKeys { id: ACCESS_KEY_ID.to_owned(), secret: SECRET_ACCESS_KEY.to_owned() };
    if let Some(endpoint) = given {
        return Ok((endpoint.to_owned(), keys, None));
    }
    match Running::start(amiforge_emulator::RegionConfig::default()) {
        Ok(running) => Ok((running.endpoint(), keys, Some(running))),
        Err(Error::Held { endpoint: Some(endpoint), .. }) => Ok((endpoint, keys, None)),
        Err(error) => Err(anyhow::Error::from(error).context("cannot start the local region").into()),
    }
}

#[cfg(not(feature = "local-region"))]
fn serve(_given: Option<&str>) -> Result<(String, AccessKeys, Option<Local>), Failure> {
    Err(Failure::usage(anyhow::anyhow!("this build of amiforge has no local region in it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_this_machine_are_local_with_or_without_a_number() {
        for (region, local) in
            [("local", true), ("local-2", true), ("local-", false), ("local-x", false), ("localhost", false)]
        {
            assert_eq!(is_local(region), local, "{region}");
        }
    }
}
