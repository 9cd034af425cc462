//! Progress of long steps: a bar on a terminal, a line every few seconds elsewhere, nothing for steps that are short.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use amiforge_formats::terminal::escape;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::say;

/// Time between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// The step that is under way.
#[derive(Debug)]
pub(super) struct StepDisplay {
    face: StepStyle,
    verbose: bool,
    current: RwLock<Option<ShownStep>>,
}

/// How steps are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepStyle {
    Bar,
    Lines,
    Nothing,
}

#[derive(Debug)]
struct ShownStep {
    name: String,
    total: Option<u64>,
    begun: Instant,
    done: AtomicU64,
    /// Milliseconds after `begun` at which the next line is due.
    due: AtomicU64,
    bar: Option<ProgressBar>,
}

impl StepDisplay {
    pub(super) fn new(terminal: bool, loudness: i8) -> Self {
        let face = match (loudness < 0, terminal) {
            (true, _) => StepStyle::Nothing,
            (false, true) => StepStyle::Bar,
            (false, false) => StepStyle::Lines,
        };
        Self { face, verbose: loudness > 0, current: RwLock::new(None) }
    }

    pub(super) fn begin(&self, name: &str, total: Option<u64>) {
        self.end();
        let step = ShownStep {
            name: name.to_owned(),
            total,
            begun: Instant::now(),
            done: AtomicU64::new(0),
            due: AtomicU64::new(EVERY.as_millis() as u64),
            bar: (self.face == StepStyle::Bar).then(|| bar(name, total)),
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(step);
    }

    pub(super) fn advance(&self, bytes: u64) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let Some(step) = &*current else { return };
        let done = step.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match (&step.bar, self.face) {
            (Some(bar), _) => bar.inc(bytes),
            (None, StepStyle::Lines) if step.line_is_due() => say("", &format!("{}\n", step.line(done))),
            _ => {}
        }
    }

    pub(super) fn end(&self) {
        let Some(step) = self.current.write().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if let Some(bar) = &step.bar {
            bar.finish_and_clear();
        }
        if self.verbose {
            let done = step.done.load(Ordering::Relaxed);
            let amount = if done > 0 { format!(", {}", Bytes(done)) } else { String::new() };
            say("", &format!("{}: {:.2} s{amount}\n", step.name, step.begun.elapsed().as_secs_f64()));
        }
    }

    /// Runs what writes to the terminal with the bar out of the way.
    pub(super) fn around(&self, write: impl FnOnce()) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        match current.as_ref().and_then(|step| step.bar.as_ref()) {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl ShownStep {
    /// Whether a line should be written now; true for one caller each time.
    fn line_is_due(&self) -> bool {
        let now = self.begun.elapsed().as_millis() as u64;
        let due = self.due.load(Ordering::Relaxed);
        let next = now + EVERY.as_millis() as u64;
        now >= due && self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn line(&self, done: u64) -> String {
        let rate = done as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        let rate_shown = Bytes(rate as u64);
        match self.total {
            Some(total) => {
                let left = total.saturating_sub(done) as f64 / rate.max(1.0);
                let (name, done, total) = (&self.name, Bytes(done), Bytes(total));
                format!("{name}: {done} of {total}, {rate_shown}/s, {left:.0} s left")
            }
            None => format!("{}: {}, {rate_shown}/s", self.name, Bytes(done)),
        }
    }
}

/// A bar, or a count where the end is not known; drawn only after a moment, so that short steps do not flicker.
fn bar(name: &str, total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(10));
    let template = match total {
        Some(_) => {
            "{msg} [{bar:30}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left"
        }
        None => "{msg} {spinner} {binary_bytes}, {binary_bytes_per_sec}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> "));
    // Names of steps may hold names of packages and files.
    bar.set_message(escape(name).into_owned());
    bar
}

/// Shows bytes for people: three digits or so and a binary unit.
pub(crate) struct Bytes(pub(crate) u64);

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut amount = self.0 as f64;
        for unit in ["bytes", "KiB", "MiB", "GiB"] {
            if amount < 1024.0 {
                let digits = usize::from(unit != "bytes" && amount < 100.0);
                return write!(f, "{amount:.digits$} {unit}");
            }
            amount /= 1024.0;
        }
        write!(f, "{amount:.1} TiB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_with_a_unit() {
        let shown = |bytes| Bytes(bytes).to_string();
        assert_eq!(
            [shown(0), shown(1023), shown(1536), shown(300 << 20), shown(5 << 40)],
            ["0 bytes", "1023 bytes", "1.5 KiB", "300 MiB", "5.0 TiB"]
        );
    }

    #[test]
    fn a_line_is_due_once_per_interval() {
        let steps = StepDisplay::new(false, 0);
        steps.begin("copying", Some(100));
        let current = steps.current.read().unwrap();
        let step = current.as_ref().unwrap();
        assert!(!step.line_is_due(), "a short step writes nothing");
        step.due.store(0, Ordering::Relaxed);
        assert!(step.line_is_due());
        assert!(!step.line_is_due());
        assert!(step.line(50).starts_with("copying: 50 bytes of 100 bytes, "));
    }
}
