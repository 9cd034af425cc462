//! Measures time and memory of a command.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// One run of a case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Wall-clock time.
    pub(crate) seconds: f64,
    /// Processor time of user and system.
    pub(crate) cpu: f64,
    /// Largest anonymous memory that was sampled, if the case is one process.
    pub(crate) anon: Option<u64>,
}

/// Runs a command to its end.
///
/// # Panics
/// When it fails, because its time would be meaningless.
pub(crate) fn run(command: &mut Command) -> Sample {
    let before = children_cpu();
    let start = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
    let mut anon = 0;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the program can be waited for") {
            break status;
        }
        anon = anon.max(anonymous(&child));
        std::thread::sleep(Duration::from_millis(4));
    };
    let seconds = start.elapsed().as_secs_f64();
    assert!(status.success(), "{command:?}: {status}");
    Sample { seconds, cpu: children_cpu() - before, anon: (anon > 0).then_some(anon) }
}

/// Runs a shell script in a folder.
pub(crate) fn script(text: &str, folder: &Path) -> Sample {
    let sample = run(Command::new("sh").args(["-euc", text]).current_dir(folder));
    // The memory of a shell is not that of the programs that it runs.
    Sample { anon: None, ..sample }
}

/// Median of the times.
pub(crate) fn median(samples: &[Sample]) -> f64 {
    median_of(samples.iter().map(|sample| sample.seconds))
}

/// Median of some numbers.
pub(crate) fn median_of(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Anonymous memory of a process now (proc(5), `RssAnon`).
fn anonymous(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Processor seconds of all children that ended (proc(5), `cutime` and `cstime`; a tick is a hundredth).
fn children_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may hold spaces; the third field follows it.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(13) + ticks(14)) / 100.0
}
