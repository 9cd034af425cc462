//! Builds made by this very program, run again under changed conditions.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use amiforge_progress::Interrupt;
use rustix::fs::Mode;
use rustix::process::{Pid, Signal};

use super::host_load::{HostLoad, OneProcessor};
use super::{Condition, NotVaried, ReproError, StoreSetup, readdir_order};
use crate::recipe::Recipe;

/// Time between two looks at whether a build is done or somebody asks to stop.
const LOOK: Duration = Duration::from_millis(20);

/// Bytes of what a failed build said that are told.
const SAID_MAX: u64 = 64 << 10;

/// Where distributions put the library that shifts the clock of programs with threads.
const FAKETIME: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// Makes builds of one recipe.
#[derive(Debug)]
pub struct ChildBuilds<'a> {
    /// This program.
    pub program: PathBuf,
    /// The recipe's file, absolute.
    pub path: PathBuf,
    /// The recipe.
    pub recipe: &'a Recipe,
    /// What a recipe with a lock is built from.
    pub store: Option<StoreSetup>,
    /// Folder for what the conditions need.
    pub scratch: &'a Path,
    /// Ends the build under way.
    pub interrupt: &'a Interrupt,
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
        let mut refuse = |condition: Condition, why: String| {
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
                    Err(why) => refuse(*condition, why.to_string()),
                },
                Condition::Clock => match FAKETIME.into_iter().find(|path| Path::new(path).is_file()) {
                    Some(library) => {
                        command
                            .env("LD_PRELOAD", library)
                            .env("FAKETIME", "+400d")
                            .env("FAKETIME_NO_CACHE", "1");
                    }
                    None => refuse(
                        *condition,
                        "libfaketime is not installed; only the real time that passed varied".to_owned(),
                    ),
                },
                Condition::Mounts => {
                    if let Err(why) = load.mount() {
                        refuse(*condition, why);
                    }
                }
                Condition::Load => load.work(),
                Condition::OneProcessor => match OneProcessor::take() {
                    Ok(taken) => one_processor = Some(taken),
                    Err(why) => refuse(*condition, why),
                },
                other => self.set(*other, number, &mut command)?,
            }
        }
        let threads = threads(conditions);
        command.arg("build").arg(&recipe).arg("--out").arg(out).args(threads).arg("--quiet");
        // Layers that an earlier build made would hide what differs.
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

    /// Changes what the environment and the working directory are.
    fn set(&self, condition: Condition, number: usize, command: &mut Command) -> Result<(), ReproError> {
        match condition {
            Condition::WorkingDirectory => {
                command.current_dir("/");
            }
            Condition::TimeZone => {
                command.env("TZ", "Pacific/Kiritimati");
            }
            // Where a small i does not become I.
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

    /// Starts a build and waits for its end.
    fn run(&self, number: usize, conditions: &[Condition], mut command: Command) -> Result<(), ReproError> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let masked = conditions.contains(&Condition::Umask);
        // A child begins with its parent's mask; nothing else is made meanwhile.
        let before = masked.then(|| rustix::process::umask(Mode::RWXG | Mode::RWXO));
        let child = command.spawn();
        if let Some(before) = before {
            rustix::process::umask(before);
        }
        let mut child = child.map_err(|source| ReproError::Start { path: self.program.clone(), source })?;
        if conditions.contains(&Condition::Niceness) {
            // At worst the build runs at the usual priority.
            let _ = rustix::process::setpriority_process(Pid::from_raw(child.id() as i32), 15);
        }
        let stderr = child.stderr.take();
        let reader = std::thread::spawn(move || {
            let mut said = Vec::new();
            if let Some(mut stderr) = stderr {
                // What is not kept must be read all the same, or the child would wait for it.
                let _ = stderr.by_ref().take(SAID_MAX).read_to_end(&mut said);
                let _ = std::io::copy(&mut stderr, &mut std::io::sink());
            }
            said
        });
        let success = self.wait(&mut child)?;
        let said = reader.join().unwrap_or_default();
        if success {
            return Ok(());
        }
        let conditions = words(conditions);
        let said = String::from_utf8_lossy(&said)
            .trim()
            .replace(|char: char| char.is_control() && char != '\n', " ");
        Err(ReproError::Build { number, conditions, said })
    }

    /// Waits for a build; asked to stop, stops it first.
    fn wait(&self, child: &mut Child) -> Result<bool, ReproError> {
        let failed = |source| ReproError::Start { path: self.program.clone(), source };
        let mut asked = false;
        loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                return if asked { Err(ReproError::Interrupted) } else { Ok(status.success()) };
            }
            if self.interrupt.raised() && !asked {
                asked = true;
                if let Some(pid) = Pid::from_raw(child.id() as i32) {
                    // It may have ended by itself.
                    let _ = rustix::process::kill_process(pid, Signal::TERM);
                }
            }
            std::thread::sleep(LOOK);
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

/// Conditions in words.
fn words(conditions: &[Condition]) -> String {
    if conditions.is_empty() {
        return "nothing changed".to_owned();
    }
    conditions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
