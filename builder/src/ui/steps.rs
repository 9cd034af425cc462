//! Progress of long steps: a bar on a terminal, elsewhere a line every five seconds. Short steps show nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use amiforge_formats::terminal::escape;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::stderr::write_stderr;

/// Time between two lines where standard error is not a terminal.
const INTERVAL: Duration = Duration::from_secs(5);

/// Shows the current step.
#[derive(Debug)]
pub(super) struct StepDisplay {
    style: StepStyle,
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
    /// Milliseconds after `begun` when the next line is due.
    due: AtomicU64,
    bar: Option<ProgressBar>,
}

impl StepDisplay {
    pub(super) fn new(terminal: bool, verbosity: i8) -> Self {
        let style = match (verbosity < 0, terminal) {
            (true, _) => StepStyle::Nothing,
            (false, true) => StepStyle::Bar,
            (false, false) => StepStyle::Lines,
        };
        Self { style, verbose: verbosity > 0, current: RwLock::new(None) }
    }

    pub(super) fn begin(&self, name: &str, total: Option<u64>) {
        self.end();
        let step = ShownStep {
            name: name.to_owned(),
            total,
            begun: Instant::now(),
            done: AtomicU64::new(0),
            due: AtomicU64::new(INTERVAL.as_millis() as u64),
            bar: (self.style == StepStyle::Bar).then(|| bar(name, total)),
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(step);
    }

    pub(super) fn advance(&self, bytes: u64) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let Some(step) = &*current else { return };
        let done = step.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match (&step.bar, self.style) {
            (Some(bar), _) => bar.inc(bytes),
            (None, StepStyle::Lines) if step.line_is_due() => {
                write_stderr("", &format!("{}\n", step.line(done)));
            }
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
            let amount = if done > 0 { format!(", {}", HumanBytes(done)) } else { String::new() };
            write_stderr(
                "",
                &format!("{}: {:.2} s{amount}\n", step.name, step.begun.elapsed().as_secs_f64()),
            );
        }
    }

    /// Hides the bar while `write` writes to the terminal.
    pub(super) fn suspend(&self, write: impl FnOnce()) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        match current.as_ref().and_then(|step| step.bar.as_ref()) {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl ShownStep {
    /// Whether a line is due. Of several threads only one gets `true` for each interval.
    fn line_is_due(&self) -> bool {
        let now = self.begun.elapsed().as_millis() as u64;
        let due = self.due.load(Ordering::Relaxed);
        let next = now + INTERVAL.as_millis() as u64;
        now >= due && self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn line(&self, done: u64) -> String {
        let rate = done as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        let rate_shown = HumanBytes(rate as u64);
        match self.total {
            Some(total) => {
                let left = total.saturating_sub(done) as f64 / rate.max(1.0);
                let (name, done, total) = (&self.name, HumanBytes(done), HumanBytes(total));
                format!("{name}: {done} of {total}, {rate_shown}/s, {left:.0} s left")
            }
            None => format!("{}: {}, {rate_shown}/s", self.name, HumanBytes(done)),
        }
    }
}

/// A bar, or a spinner with a count where the total is unknown. It is drawn after a delay, so that short steps do not
/// flicker.
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
    // The name of a step may hold names of packages and files, which are of foreign origin.
    bar.set_message(escape(name).into_owned());
    bar
}

/// Formats a number of bytes with about three digits and a binary unit.
pub(crate) struct HumanBytes(pub(crate) u64);

impl std::fmt::Display for HumanBytes {
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
        let shown = |bytes| HumanBytes(bytes).to_string();
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
