//! The connection of a command to its region: the shared arguments, the runtime, and the local region, which is started
//! in this process unless another process serves its folder.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use amiforge_aws::{AccessKeys, AwsConfig, ConnectError, ConnectOptions, EbsClient, Ec2Client};
use amiforge_progress::CancelToken;
use amiforge_publish::keys::{KeyError, resolve};
use amiforge_publish::request::KeyChoice;
use amiforge_publish::services::Services;
use amiforge_publish::timer::{Timer, until_cancelled};
use anyhow::Context as _;

use crate::outcome::Failure;

/// The arguments of commands that call a region.
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

/// A region with loaded configuration and credentials.
pub(crate) struct ConnectedRegion {
    /// `Some` until this value is dropped.
    runtime: Option<tokio::runtime::Runtime>,
    cancel: CancelToken,
    config: AwsConfig,
    /// The local region, if it runs in this process; it stops with this value.
    _local: Option<LocalServer>,
}

impl Args {
    /// Finds the region, the endpoint and the credentials.
    pub(crate) fn connect(&self, cancel: &CancelToken) -> Result<ConnectedRegion, Failure> {
        let (options, local) = self.connect_options()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("publish")
            .build()
            .context("cannot start the threads that talk to the service")?;
        // This reads files and asks the instance metadata service, which may take a while.
        let loading = runtime.block_on(async {
            tokio::select! {
                loaded = AwsConfig::load(&options) => Some(loaded),
                () = until_cancelled(cancel) => None,
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
                Failure::usage(anyhow::Error::from(error).context("cannot determine the region"))
                    .hint("`--region eu-west-1` names one; `--region local` is one on this machine")
            }
            error @ ConnectError::CaBundle { .. } => {
                Failure::usage(anyhow::Error::from(error).context("cannot prepare calls to the service"))
                    .hint("name a file of certificate authorities in PEM, or none for those of this machine")
            }
            error => anyhow::Error::from(error).context("cannot prepare calls to the service").into(),
        })?;
        Ok(ConnectedRegion { runtime: Some(runtime), cancel: cancel.clone(), config, _local: local })
    }

    /// Whether the region is a local one.
    pub(crate) fn is_local(&self) -> bool {
        self.region.as_deref().is_some_and(is_local)
    }

    fn connect_options(&self) -> Result<(ConnectOptions, Option<LocalServer>), Failure> {
        let mut options = ConnectOptions {
            region: self.region.clone(),
            profile: self.profile.clone(),
            endpoint: self.endpoint_url.clone(),
            keys: None,
            attempt_timeout: None,
        };
        if !self.is_local() {
            return Ok((options, None));
        }
        let (endpoint, keys, local) = start_local(self.endpoint_url.as_deref())?;
        (options.endpoint, options.keys) = (Some(endpoint), Some(keys));
        Ok((options, local))
    }
}

impl ConnectedRegion {
    /// The services of the region.
    pub(crate) fn services(&self) -> Services<EbsClient, Ec2Client> {
        Services {
            ebs: Arc::new(self.config.ebs()),
            ec2: Arc::new(self.config.ec2()),
            timer: Timer::default().with_cancel(&self.cancel),
            region: self.config.region().to_owned(),
        }
    }

    /// The name of the region.
    pub(crate) fn name(&self) -> &str {
        self.config.region()
    }

    /// The KMS key to use in a region. An alias is looked up by a call.
    pub(crate) fn key(&self, region: &str, key: &KeyChoice) -> Result<KeyChoice, KeyError> {
        let timer = Timer::default().with_cancel(&self.cancel);
        self.block_on(resolve(&self.config, &timer, region, key))
    }

    /// The configuration, from which clients of further regions are made.
    pub(crate) fn config(&self) -> &AwsConfig {
        &self.config
    }

    /// Runs a future to its end.
    pub(crate) fn block_on<F: Future>(&self, work: F) -> F::Output {
        #[expect(clippy::expect_used, reason = "it is taken by `drop` alone")]
        self.runtime.as_ref().expect("a runtime").block_on(work)
    }
}

impl Drop for ConnectedRegion {
    /// Waits 200 ms at most: a DNS look-up that hangs must not delay the exit.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_millis(200));
        }
    }
}

/// Parses the id of a snapshot or of an AMI.
pub(crate) fn resource_id(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("snap-").or_else(|| text.strip_prefix("ami-"));
    match digits {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(text.to_owned())
        }
        _ => Err("neither `snap-…` nor `ami-…`".to_owned()),
    }
}

/// Parses the id of an AMI.
pub(crate) fn image_id(text: &str) -> Result<String, String> {
    resource_id(text).ok().filter(|id| id.starts_with("ami-")).ok_or_else(|| "not `ami-…`".to_owned())
}

/// The region by option and environment alone, without reading files or making calls.
pub(crate) fn named_region(args: &Args) -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|region| !region.is_empty());
    args.region.clone().or_else(|| set("AWS_REGION")).or_else(|| set("AWS_DEFAULT_REGION"))
}

/// Whether a region is `local`, or `local-` and a number.
fn is_local(region: &str) -> bool {
    let rest = region.strip_prefix("local");
    rest.is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix('-').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

#[cfg(feature = "local-region")]
type LocalServer = amiforge_emulator::RegionServer;

#[cfg(not(feature = "local-region"))]
type LocalServer = std::convert::Infallible;

/// The endpoint of the local region, and its access keys.
#[cfg(feature = "local-region")]
fn start_local(given: Option<&str>) -> Result<(String, AccessKeys, Option<LocalServer>), Failure> {
    use amiforge_emulator::{ACCESS_KEY_ID, Error, RegionServer, SECRET_ACCESS_KEY};

    let keys = AccessKeys { id: ACCESS_KEY_ID.to_owned(), secret: SECRET_ACCESS_KEY.to_owned() };
    if let Some(endpoint) = given {
        return Ok((endpoint.to_owned(), keys, None));
    }
    match RegionServer::start(amiforge_emulator::RegionConfig::default()) {
        Ok(running) => Ok((running.endpoint(), keys, Some(running))),
        Err(Error::InUse { endpoint: Some(endpoint), .. }) => Ok((endpoint, keys, None)),
        Err(error) => Err(anyhow::Error::from(error).context("cannot start the local region").into()),
    }
}

#[cfg(not(feature = "local-region"))]
fn start_local(_given: Option<&str>) -> Result<(String, AccessKeys, Option<LocalServer>), Failure> {
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
