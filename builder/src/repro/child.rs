//! Builds made by running this program again under changed conditions.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use amiforge_progress::CancelToken;
use rustix::fs::Mode;
use rustix::process::{Pid, Signal};

use super::host_load::{HostLoad, OneProcessor};
use super::{Condition, NotVaried, ReproError, StoreSetup, readdir_order};
use crate::recipe::Recipe;

/// Interval of polling the child and the interrupt.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The part of a failed build's standard error that is shown, in bytes.
const STDERR_MAX: u64 = 64 << 10;

/// Where distributions install the library that shifts the clock of multi-threaded programs.
const FAKETIME: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// Makes builds of one recipe.
#[derive(Debug)]
pub struct ChildBuilds<'a> {
    /// The executable of this program.
    pub program: PathBuf,
    /// The absolute path of the recipe.
    pub path: PathBuf,
    /// The recipe.
    pub recipe: &'a Recipe,
    /// The lock and the store, for a recipe with a lock.
    pub store: Option<StoreSetup>,
    /// Folder for the files of the conditions.
    pub scratch: &'a Path,
    /// Stops the current build.
    pub cancel: &'a CancelToken,
}

impl ChildBuilds<'_> {
    /// Makes a build.
    ///
    /// # Errors
    /// [`ReproError::Start`], [`ReproError::Build`], [`ReproError::Interrupted`].
    pub fn build(
        &self,
        number: usize,
        conditions: &[Condition],
        out: &Path,
    ) -> Result<Vec<NotVaried>, ReproError> {
        let mut not_varied = Vec::new();
        let mut skip = |condition: Condition, why: String| {
            not_varied.push(NotVaried { condition: condition.to_string(), why });
        };
        let mut recipe = self.path.clone();
        let mut reordered = None;
        let (mut load, mut one_processor) = (HostLoad::default(), None);
        let mut command = Command::new(&self.program);
        for condition in conditions {
            match condition {
                Condition::InputOrder => match readdir_order::copy(self.recipe, &self.path, self.scratch) {
                    Ok(copy) => {
                        recipe.clone_from(&copy.recipe);
                        reordered = Some(copy);
                    }
                    Err(why) => skip(*condition, why.to_string()),
                },
                Condition::Clock => match FAKETIME.into_iter().find(|path| Path::new(path).is_file()) {
                    Some(library) => {
                        command
                            .env("LD_PRELOAD", library)
                            .env("FAKETIME", "+400d")
                            .env("FAKETIME_NO_CACHE", "1");
                    }
                    None => skip(
                        *condition,
                        "libfaketime is not installed; only the real time that passed varied".to_owned(),
                    ),
                },
                Condition::Mounts => {
                    if let Err(why) = load.mount() {
                        skip(*condition, why);
                    }
                }
                Condition::Load => load.keep_busy(),
                Condition::OneProcessor => match OneProcessor::take() {
                    Ok(taken) => one_processor = Some(taken),
                    Err(why) => skip(*condition, why),
                },
                other => self.set(*other, number, &mut command)?,
            }
        }
        let threads = threads(conditions);
        command.arg("build").arg(&recipe).arg("--out").arg(out).args(threads).arg("--quiet");
        // Layers of an earlier build would hide differences.
        let store =
            self.store.as_ref().map(|store| store.create(self.scratch.join(format!("store-{number}"))));
        let store = store.transpose()?;
        if let Some(store) = &store {
            command.arg("--store").arg(store);
        }
        let result = self.run(number, conditions, command);
        drop((reordered, load, one_processor));
        if let Some(path) = store {
            std::fs::remove_dir_all(&path).map_err(|source| ReproError::Scratch { path, source })?;
        }
        result.map(|()| not_varied)
    }

    /// Sets the environment and the working directory.
    fn set(&self, condition: Condition, number: usize, command: &mut Command) -> Result<(), ReproError> {
        match condition {
            Condition::WorkingDirectory => {
                command.current_dir("/");
            }
            Condition::TimeZone => {
                command.env("TZ", "Pacific/Kiritimati");
            }
            // In this locale the upper case of `i` is not `I`.
            Condition::Locale => {
                command.env("LANG", "tr_TR.UTF-8").env("LC_ALL", "tr_TR.UTF-8");
            }
            Condition::Home => {
                let home = self.scratch.join(format!("home-{number}"));
                std::fs::create_dir_all(&home)
                    .map_err(|source| ReproError::Scratch { path: home.clone(), source })?;
                for (name, below) in
                    [("XDG_CACHE_HOME", "cache"), ("XDG_CONFIG_HOME", "config"), ("TMPDIR", "")]
                {
                    command.env(name, home.join(below));
                }
                command.env("HOME", home);
            }
            _ => {}
        }
        Ok(())
    }

    /// Starts a build and waits for it.
    fn run(&self, number: usize, conditions: &[Condition], mut command: Command) -> Result<(), ReproError> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let masked = conditions.contains(&Condition::Umask);
        // A child inherits the mask of its parent; no file is made in between.
        let before = masked.then(|| rustix::process::umask(Mode::RWXG | Mode::RWXO));
        let child = command.spawn();
        if let Some(before) = before {
            rustix::process::umask(before);
        }
        let mut child = child.map_err(|source| ReproError::Start { path: self.program.clone(), source })?;
        if conditions.contains(&Condition::Niceness) {
            // If this fails, the build runs at the usual priority.
            let _ = rustix::process::setpriority_process(Pid::from_raw(child.id() as i32), 15);
        }
        let stderr = child.stderr.take();
        let reader = std::thread::spawn(move || {
            let mut shown = Vec::new();
            if let Some(mut stderr) = stderr {
                // The rest must be read too, or the child would block on a full pipe.
                let _ = stderr.by_ref().take(STDERR_MAX).read_to_end(&mut shown);
                let _ = std::io::copy(&mut stderr, &mut std::io::sink());
            }
            shown
        });
        let success = self.wait(&mut child)?;
        let shown = reader.join().unwrap_or_default();
        if success {
            return Ok(());
        }
        let conditions = condition_text(conditions);
        let stderr = String::from_utf8_lossy(&shown)
            .trim()
            .replace(|char: char| char.is_control() && char != '\n', " ");
        Err(ReproError::Build { number, conditions, stderr })
    }

    /// Waits for a build; an interrupt terminates it.
    fn wait(&self, child: &mut Child) -> Result<bool, ReproError> {
        let failed = |source| ReproError::Start { path: self.program.clone(), source };
        let mut terminated = false;
        loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                return if terminated { Err(ReproError::Interrupted) } else { Ok(status.success()) };
            }
            if self.cancel.is_cancelled() && !terminated {
                terminated = true;
                if let Some(pid) = Pid::from_raw(child.id() as i32) {
                    // It may have ended already.
                    let _ = rustix::process::kill_process(pid, Signal::TERM);
                }
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

/// The options that set the number of threads.
fn threads(conditions: &[Condition]) -> Vec<OsString> {
    let number = match conditions {
        _ if conditions.contains(&Condition::OneThread) => 1,
        _ if conditions.contains(&Condition::ManyThreads) => {
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get) * 2 + 1
        }
        _ => return Vec::new(),
    };
    vec!["--threads".into(), number.to_string().into()]
}

/// The conditions as text.
fn condition_text(conditions: &[Condition]) -> String {
    if conditions.is_empty() {
        return "nothing changed".to_owned();
    }
    conditions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
