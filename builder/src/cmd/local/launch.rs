//! Launches of the page of `amiforge local serve`: each runs `amiforge boot` as a process of its own, which ends with
//! this one.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant, SystemTime};

use amiforge_emulator::{ACCESS_KEY_ID, Launch, LaunchState, Launcher, SECRET_ACCESS_KEY};
use amiforge_machine::boot::die_with_parent;
use rustix::process::{Pid, Signal, kill_process};

/// The largest number of launches that run at the same time: each takes a GiB of memory.
const MAX_RUNNING: usize = 4;
/// The number of launches that are remembered.
const MAX_REMEMBERED: usize = 20;
/// The number of bytes of a console that are kept: its end.
const MAX_CONSOLE: usize = 64 << 10;
/// How long a launch may take to end at the end of the server: `boot` ends its guest and removes the volume.
const MAX_END: Duration = Duration::from_secs(10);

/// Launches by `amiforge boot`.
#[derive(Debug)]
pub(super) struct BootLauncher {
    endpoint: OnceLock<String>,
    launches: Mutex<Vec<BootProcess>>,
    starter: mpsc::Sender<MachineStart>,
}

/// A command to start, and where its process goes.
type MachineStart = (Command, mpsc::Sender<io::Result<Child>>);

/// A launch and its process.
#[derive(Debug)]
struct BootProcess {
    id: u64,
    region: String,
    image: String,
    begun: SystemTime,
    child: Child,
    /// The state when it was looked at last.
    state: LaunchState,
    /// How often it was asked to end.
    stops: u32,
    console: Arc<Mutex<Vec<u8>>>,
}

impl BootLauncher {
    /// A launcher without launches.
    pub(super) fn new() -> Self {
        // A child that ends with its parent ends with the thread that started it. Those of the server come and go.
        let (starter, requests) = mpsc::channel::<MachineStart>();
        std::thread::spawn(move || {
            for (mut command, started) in requests {
                // If this fails, no request waits for it any more.
                let _ = started.send(command.spawn());
            }
        });
        Self { endpoint: OnceLock::new(), launches: Mutex::default(), starter }
    }

    /// Sets the endpoint of the region, from which `boot` reads the image.
    pub(super) fn serve_at(&self, endpoint: &str) {
        // It is set once, before the link to the page is known to anybody.
        let _ = self.endpoint.set(endpoint.to_owned());
    }

    /// Ends all launches and waits for them.
    pub(super) fn stop_all(&self) {
        let end = Instant::now() + MAX_END;
        self.lock().iter_mut().for_each(BootProcess::stop);
        while Instant::now() < end && self.lock().iter().any(|launch| launch.state == LaunchState::Running) {
            std::thread::sleep(Duration::from_millis(20));
        }
        // Those that have not ended are killed.
        self.lock().iter_mut().for_each(BootProcess::stop);
    }

    fn start(&self, command: Command) -> io::Result<Child> {
        let (sender, started) = mpsc::channel();
        let gone = || io::Error::other("the thread that starts launches has ended");
        self.starter.send((command, sender)).map_err(|_| gone())?;
        started.recv().map_err(|_| gone())?
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BootProcess>> {
        let mut launches = self.launches.lock().unwrap_or_else(PoisonError::into_inner);
        launches.iter_mut().for_each(BootProcess::look);
        launches
    }
}

impl Launcher for BootLauncher {
    fn launch(&self, region: &str, image: &str) -> Result<u64, String> {
        let mut launches = self.lock();
        let running = launches.iter().filter(|launch| launch.state == LaunchState::Running).count();
        if running >= MAX_RUNNING {
            return Err(format!(
                "{running} launches are running, and no more may run at the same time: stop one."
            ));
        }
        let endpoint = self.endpoint.get().ok_or_else(|| "The region is not served yet.".to_owned())?;
        let child = boot(endpoint, region, image).and_then(|command| self.start(command));
        let mut child = child.map_err(|error| format!("`amiforge boot` cannot be started: {error}"))?;
        let console = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take(), &console);
        collect(child.stderr.take(), &console);
        let id = launches.last().map_or(1, |last| last.id + 1);
        launches.push(BootProcess {
            id,
            region: region.to_owned(),
            image: image.to_owned(),
            begun: SystemTime::now(),
            child,
            state: LaunchState::Running,
            stops: 0,
            console,
        });
        forget_oldest(&mut launches);
        Ok(id)
    }

    fn stop(&self, id: u64) {
        self.lock().iter_mut().filter(|launch| launch.id == id).for_each(BootProcess::stop);
    }

    fn launches(&self) -> Vec<Launch> {
        self.lock().iter().rev().map(BootProcess::shown).collect()
    }
}

/// The command that boots an image with the public keys of the local region.
fn boot(endpoint: &str, region: &str, image: &str) -> io::Result<Command> {
    let program = std::env::current_exe()?;
    let mut command = Command::new(&program);
    command.arg(die_with_parent::SUBCOMMAND).arg(std::process::id().to_string()).arg(&program);
    command.args(["boot", image, "--region", region, "--endpoint-url", endpoint]);
    command.envs([("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)]);
    command
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_PROFILE")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// Appends everything that a process writes to a console, of which the end is kept.
fn collect(stream: Option<impl Read + Send + 'static>, console: &Arc<Mutex<Vec<u8>>>) {
    let Some(mut stream) = stream else { return };
    let console = Arc::clone(console);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            let mut console = console.lock().unwrap_or_else(PoisonError::into_inner);
            console.extend_from_slice(&buffer[..length]);
            let excess = console.len().saturating_sub(MAX_CONSOLE);
            console.drain(..excess);
        }
    });
}

/// Forgets the oldest launches that have ended.
fn forget_oldest(launches: &mut Vec<BootProcess>) {
    while launches.len() > MAX_REMEMBERED {
        let Some(oldest) = launches.iter().position(|launch| launch.state != LaunchState::Running) else {
            return;
        };
        launches.remove(oldest);
    }
}

impl BootProcess {
    /// Looks whether the process has ended.
    fn look(&mut self) {
        if self.state != LaunchState::Running {
            return;
        }
        self.state = match self.child.try_wait() {
            Ok(None) => LaunchState::Running,
            Ok(Some(_)) if self.stops > 0 => LaunchState::Ended,
            Ok(Some(status)) if status.success() => LaunchState::Ended,
            Ok(Some(status)) => LaunchState::Failed(status.code()),
            Err(_) => LaunchState::Failed(None),
        };
    }

    /// Asks the process to end its guest; kills it when it is asked again. What it started ends with it.
    fn stop(&mut self) {
        if self.state != LaunchState::Running {
            return;
        }
        self.stops += 1;
        // The process may have ended meanwhile: then there is nothing to end.
        let _ = match Pid::from_raw(self.child.id().cast_signed()) {
            Some(process) if self.stops == 1 => kill_process(process, Signal::TERM).map_err(io::Error::from),
            _ => self.child.kill(),
        };
    }

    fn shown(&self) -> Launch {
        Launch {
            id: self.id,
            region: self.region.clone(),
            image: self.image.clone(),
            begun: self.begun,
            state: self.state.clone(),
            console: self.console.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
