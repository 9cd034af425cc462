//! Launches of images as virtual machines on this machine: what the page needs of the program that serves the
//! region, which alone knows how to launch.

use std::fmt::Debug;
use std::time::SystemTime;

/// Launches images. The methods must not block.
pub trait Launcher: Debug + Send + Sync {
    /// Begins to launch an image of a region and returns the number of the launch.
    ///
    /// # Errors
    /// The reason, as a sentence for the user.
    fn launch(&self, region: &str, image: &str) -> Result<u64, String>;

    /// Ends a launch; one that does not exist or has ended stays as it is.
    fn stop(&self, id: u64);

    /// All launches, the latest first.
    fn launches(&self) -> Vec<Launch>;
}

/// A launch.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Its number.
    pub id: u64,
    /// The region of the image.
    pub region: String,
    /// The image.
    pub image: String,
    /// When it began.
    pub begun: SystemTime,
    /// How far it is.
    pub state: LaunchState,
    /// The end of the console and of the messages, as the guest wrote it: may contain any bytes.
    pub console: Vec<u8>,
}

/// How far a launch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchState {
    /// It runs.
    Running,
    /// It ended by itself, or was stopped.
    Ended,
    /// It failed, with this exit code if it was not killed.
    Failed(Option<i32>),
}
