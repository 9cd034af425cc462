//! Deterministic runs of reading a public snapshot by a copy: seeds of failing calls, lost answers, copies that fail or vanish,
//! and deaths at every call, of two machines that take turns, against a fake of the service. After each run no copy is left that
//! its ledger does not account for; after one that says it is done, none at all.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

#[path = "../../../lifecycle/tests/chance/mod.rs"]
mod chance;
mod operator;
mod world;

use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_progress::Monitor;
use amiforge_publish::source_copy::{
    CopyConsent, CopyLedger, SourceCopyError, SourceDownload, delete_copies, download_source,
};

use chance::Rng;
use operator::{Faults, Operator};
use world::{SOURCE, Shared};

/// Number of seeds: `SOURCE_COPY_SEEDS`, or 2,000 at night, or 150.
fn seeds() -> u64 {
    let night = std::env::var_os("RUN").is_some_and(|value| value == "all");
    let given = std::env::var("SOURCE_COPY_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    given.unwrap_or(if night { 2000 } else { 150 })
}

/// A folder in memory where there is one: each line of a ledger is synced.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// A machine with its store.
struct Machine {
    folder: PathBuf,
    /// The digest of the file in its store, once it is there.
    stored: Option<Digest>,
    /// Keys of the ledgers that it had.
    keys: Vec<String>,
}

/// How a run ended.
#[derive(Debug)]
enum RunEnd {
    Died,
    Failed(SourceCopyError),
    Done,
}

impl Machine {
    fn new(folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        Self { folder, stored: None, keys: Vec::new() }
    }

    fn ledger(&self) -> PathBuf {
        self.folder.join("source.copies")
    }

    /// What `lock` and `fetch` do: read the disk into the store, then delete the copies.
    async fn run(&mut self, world: &Shared, seed: u64, faults: Faults, consent: CopyConsent) -> RunEnd {
        let operator = Operator::new(world, seed, faults);
        let services = operator.services(seed);
        let (out, ledger, now) = (self.folder.join("disk"), self.ledger(), world.lock().seconds());
        let request = SourceDownload { snapshot: SOURCE, out: &out, ledger: &ledger, consent, now, rate: 0 };
        let stored = &mut self.stored;
        let work = async {
            if stored.is_none() {
                let _ = std::fs::remove_file(&out);
                let read = download_source(&services, &request, Monitor::none()).await?;
                assert_eq!(read.snapshot, SOURCE, "the lock pins the source, not the copy");
                operator.moment().await;
                *stored = Some(Digest::of(&std::fs::read(&out).unwrap()));
                operator.moment().await;
            }
            delete_copies(&services, &request, Monitor::none()).await
        };
        let end = operator.live(work).await;
        // What a dead process held is free.
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        match end {
            None => RunEnd::Died,
            Some(Err(error)) => RunEnd::Failed(error),
            Some(Ok(())) => RunEnd::Done,
        }
    }

    /// What the ledger says: its key, the copies that it knows, and the calls whose effect is not known.
    fn read_ledger(&self) -> Option<(String, Vec<String>, usize)> {
        let text = std::fs::read_to_string(self.ledger()).ok()?;
        let (mut copies, mut unanswered) = (Vec::new(), 0usize);
        let mut lines = text.lines();
        let key = lines.next()?.split(' ').nth(3)?.to_owned();
        for line in lines {
            match line.split_once(' ') {
                Some(("copy", id)) => {
                    unanswered = unanswered.saturating_sub(1);
                    copies.push(id.to_owned());
                }
                Some((_, id)) => copies.retain(|copy| copy != id),
                None if line == "begin" => unanswered += 1,
                None => unanswered = unanswered.saturating_sub(1),
            }
        }
        Some((key, copies, unanswered))
    }

    /// Checks what is left after a run.
    fn check(&mut self, world: &Shared, run: &RunEnd, end: &str) {
        let ledger = self.read_ledger();
        if let Some((key, copies, unanswered)) = &ledger {
            if !self.keys.contains(key) {
                self.keys.push(key.clone());
            }
            let left = world.lock().copies_of(key);
            let unknown = left.iter().filter(|id| !copies.contains(id)).count();
            assert!(unknown <= *unanswered && *unanswered <= 1, "{end}: {left:?} and {ledger:?}");
        }
        let current = ledger.as_ref().map(|(key, ..)| key);
        for key in self.keys.iter().filter(|key| Some(*key) != current) {
            let left = world.lock().copies_of(key);
            assert!(left.is_empty(), "{end}: {left:?} of a ledger that is gone");
        }
        if matches!(run, RunEnd::Done) {
            assert!(!CopyLedger::exists(&self.ledger()), "{end}: a ledger is left of a run that is done");
            assert!(self.stored.is_some(), "{end}");
        }
        let violations = world.lock().violations.clone();
        assert!(violations.is_empty(), "{end}: {violations:?}");
    }
}

/// How runs ended, so that the test knows that it tested something.
#[derive(Debug, Default)]
struct Ends {
    died: usize,
    failed: usize,
    done: usize,
}

impl Ends {
    fn count(&mut self, run: &RunEnd) {
        match run {
            RunEnd::Died => self.died += 1,
            RunEnd::Failed(_) => self.failed += 1,
            RunEnd::Done => self.done += 1,
        }
    }
}

fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

/// The file that every run has to give.
fn expected() -> Digest {
    let folder = folder();
    let (world, mut machine) = (Shared::new(0), Machine::new(folder.path(), "plain"));
    let run = block_on(machine.run(&world, 0, Faults::default(), CopyConsent::Given));
    assert!(matches!(run, RunEnd::Done), "{run:?}");
    assert_eq!(world.lock().counts(), (0, 1));
    machine.stored.unwrap()
}

/// One seed: some runs with faults, of one machine or of two at once, then a run of each without.
async fn story(seed: u64, folder: &Path, expected: Digest, ends: &mut Ends) {
    let mut rng = Rng(seed ^ 0x5eed);
    let world = Shared::new(seed);
    let mut machines = [Machine::new(folder, "a"), Machine::new(folder, "b")];
    if rng.chance(20) {
        world.lock().leave("a machine that is gone");
    }
    for round in 0..rng.below(4) {
        world.lock().failures = if rng.chance(25) { 1 + rng.below(2) as usize } else { 0 };
        if rng.chance(10) {
            world.lock().lose_one();
        }
        let (one, other) = (Faults::by(&mut rng), Faults::by(&mut rng));
        let end = format!("seed {seed}, round {round}, {one:?}, {other:?}");
        let [a, b] = &mut machines;
        let consent = CopyConsent::Given;
        if rng.chance(40) {
            let (first, second) = tokio::join!(
                a.run(&world, seed + round, one, consent),
                b.run(&world, !seed - round, other, consent)
            );
            for (machine, run) in [(a, first), (b, second)] {
                ends.count(&run);
                machine.check(&world, &run, &end);
            }
        } else {
            let run = a.run(&world, seed + round, one, consent).await;
            ends.count(&run);
            a.check(&world, &run, &end);
        }
    }
    world.lock().failures = 0;
    for machine in &mut machines {
        let end = format!("seed {seed}, the last run");
        let run = machine.run(&world, seed, Faults::default(), CopyConsent::Given).await;
        assert!(matches!(run, RunEnd::Done), "{end}: {run:?}");
        machine.check(&world, &run, &end);
        assert_eq!(machine.stored, Some(expected), "{end}");
    }
    let left = world.lock().copies();
    // That of the machine that is gone is deleted by the next command that begins a copy.
    assert!(
        left <= usize::from(world.lock().copies_of("a machine that is gone").len() == 1),
        "seed {seed}: {left}"
    );
}

#[test]
fn copies_are_accounted_for_after_every_fault_and_none_is_left() {
    let expected = expected();
    let mut ends = Ends::default();
    for seed in 0..seeds() {
        let folder = folder();
        block_on(story(seed, folder.path(), expected, &mut ends));
    }
    let Ends { died, failed, done } = ends;
    let least = seeds() as usize / 20;
    assert!(died > least && failed > least && done > least, "{died} died, {failed} failed, {done} done");
}

#[test]
fn nothing_is_copied_without_consent_and_a_copy_that_is_there_is_deleted_without_it() {
    let folder = folder();
    let world = Shared::new(3);
    let mut machine = Machine::new(folder.path(), "a");
    let run = block_on(machine.run(&world, 1, Faults::default(), CopyConsent::Missing));
    assert!(matches!(run, RunEnd::Failed(SourceCopyError::NeedsCopy { .. })), "{run:?}");
    assert_eq!(world.lock().made(), 0);
    assert!(!CopyLedger::exists(&machine.ledger()));
    // A run with consent dies once the copy is begun; one without goes on with that copy, and deletes it.
    let copied = (0..40u64).find(|moment| {
        let faults = Faults::killed_at(*moment);
        let died = block_on(machine.run(&world, 1, faults, CopyConsent::Given));
        matches!(died, RunEnd::Died) && world.lock().copies() == 1
    });
    assert!(copied.is_some());
    let run = block_on(machine.run(&world, 1, Faults::default(), CopyConsent::Missing));
    assert!(matches!(run, RunEnd::Done), "{run:?}");
    assert_eq!(world.lock().counts(), (0, 1));
}

#[test]
fn copies_that_always_fail_are_an_error_and_are_deleted_by_the_next_run() {
    let folder = folder();
    let world = Shared::new(5);
    world.lock().failures = usize::MAX;
    let mut machine = Machine::new(folder.path(), "a");
    let run = block_on(machine.run(&world, 1, Faults::default(), CopyConsent::Given));
    assert!(matches!(run, RunEnd::Failed(SourceCopyError::Failed { .. })), "{run:?}");
    assert_eq!(world.lock().copies(), 0, "each was deleted before the next");
    world.lock().failures = 0;
    let run = block_on(machine.run(&world, 1, Faults::default(), CopyConsent::Given));
    assert!(matches!(run, RunEnd::Done), "{run:?}");
    machine.check(&world, &run, "the last run");
}
