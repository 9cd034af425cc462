//! Writing a plan to a file: many threads gather and write windows, one at a time hashes them in order.
//!
//! The digest of the whole image is a chain, so one thread at a time takes the next window that is finished and
//! hashes it; every other thread gathers and writes further windows, as far as there are buffers. Any thread does
//! either, the chain first, because it is what everything waits for in the end.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::{Plan, Sources};

use super::digester::Digester;
use super::target::Target;
use super::window::{Buffer, Gatherer, Survey, Unread, WINDOW};
use super::{EmitError, Emitted, Options, sha256};
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// Most threads that have work: the chain takes what about three others gather.
const THREADS_MAX: usize = 8;

/// Most windows in memory: 48 MiB.
const BUFFERS_MAX: usize = 12;

/// Writes `plan` to a new file at `path`, sparse where the plan says `Zero` or `Free`, and digests it in the same
/// pass. The file's bytes and the digests do not depend on the number of threads. On failure the file is removed.
///
/// # Errors
/// [`EmitError`].
pub fn emit(
    plan: &Plan,
    sources: &dyn Sources,
    path: &Path,
    options: &Options,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Emitted, EmitError> {
    let hashing = if sha256::fused() { Hashing::Chain } else { Hashing::Gatherers };
    emit_by(hashing, plan, sources, path, *options, progress, interrupt)
}

/// Who digests the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hashing {
    /// The chain, together with the whole: where the second digest costs nothing.
    Chain,
    /// Whoever gathered them.
    Gatherers,
}

/// [`emit`], with the choice that it makes.
pub(super) fn emit_by(
    hashing: Hashing,
    plan: &Plan,
    sources: &dyn Sources,
    path: &Path,
    options: Options,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Emitted, EmitError> {
    let target = Target::create(path, plan.len())?;
    let threads = options.threads.clamp(1, THREADS_MAX);
    let emission = Emission {
        plan,
        sources,
        progress,
        interrupt,
        needed: data_runs(plan).map(|run| run.end - run.start).sum(),
        target: &target,
        hashing,
        queue: Mutex::new(Queue::new((2 * threads + 2).min(BUFFERS_MAX))),
        changed: Condvar::new(),
    };
    emission.allocate()?;
    progress.begin("writing the image", Some(plan.len()));
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| emission.work());
        }
        emission.work();
    });
    progress.end();
    let queue = emission.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = queue.failed {
        return Err(error);
    }
    let (blocks, plain) = queue.digester.unwrap_or_else(Digester::new).finish();
    Ok(Emitted { blocks, plain, len: plan.len(), written: target.keep() })
}

/// The runs of data of a whole plan, as windows cut them.
fn data_runs(plan: &Plan) -> impl Iterator<Item = Range<u64>> + '_ {
    (0..plan.len().div_ceil(WINDOW)).flat_map(|index| Survey::of(plan, index * WINDOW).runs)
}

/// What all threads see.
struct Emission<'a> {
    plan: &'a Plan,
    sources: &'a dyn Sources,
    progress: &'a dyn Progress,
    interrupt: &'a Interrupt,
    /// Bytes that will be written in all.
    needed: u64,
    target: &'a Target,
    hashing: Hashing,
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// What the threads share and change.
struct Queue {
    /// Index of the window that is gathered next.
    next: u64,
    /// Index of the window that is hashed next.
    hash: u64,
    /// Windows written and not yet hashed.
    written: BTreeMap<u64, Written>,
    /// Nobody's while a thread hashes.
    digester: Option<Digester>,
    /// Buffers that nobody uses.
    buffers: Vec<Buffer>,
    failed: Option<EmitError>,
}

/// A window that is in the file.
struct Written {
    survey: Survey,
    buffer: Option<Buffer>,
    hashed: Option<Vec<Digest>>,
}

/// What a thread does next.
enum Job {
    Gather(u64, Survey, Option<Buffer>),
    Hash(Digester, Written),
}

impl Queue {
    fn new(buffers: usize) -> Self {
        Self {
            next: 0,
            hash: 0,
            written: BTreeMap::new(),
            digester: Some(Digester::new()),
            buffers: (0..buffers).map(|_| Buffer::new()).collect(),
            failed: None,
        }
    }
}

impl Emission<'_> {
    fn windows(&self) -> u64 {
        self.plan.len().div_ceil(WINDOW)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allocates all the space there will be data in, in order, so that a full disk is found before anything is
    /// written and the file has few fragments.
    fn allocate(&self) -> Result<(), EmitError> {
        if !self.target.is_direct() {
            return Ok(());
        }
        let mut runs = data_runs(self.plan).peekable();
        while let Some(mut run) = runs.next() {
            while let Some(next) = runs.next_if(|next| next.start == run.end) {
                run.end = next.end;
            }
            self.target.allocate(&run, self.needed)?;
        }
        Ok(())
    }

    /// Takes jobs until there are none.
    fn work(&self) {
        let _alarm = Alarm(self);
        let mut gatherer = Gatherer::default();
        while let Some(job) = self.job() {
            match job {
                Job::Gather(index, survey, buffer) => match self.gather(&mut gatherer, survey, buffer) {
                    Ok(written) => _ = self.lock().written.insert(index, written),
                    Err(error) => self.fail(error),
                },
                Job::Hash(digester, written) => self.hash(digester, written),
            }
            self.changed.notify_all();
        }
    }

    /// The next job; waits while others have all of them. `None` when the image is done or lost.
    fn job(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if self.interrupt.raised() {
                queue.failed.get_or_insert(EmitError::Interrupted);
                self.changed.notify_all();
            }
            if queue.failed.is_some() || queue.hash == self.windows() {
                return None;
            }
            if let Some(job) = hash_job(&mut queue).or_else(|| self.gather_job(&mut queue)) {
                return Some(job);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn gather_job(&self, queue: &mut Queue) -> Option<Job> {
        // Windows without data need no buffer, so how far they run ahead has its own bound.
        if queue.next == self.windows() || queue.next - queue.hash >= 4 * BUFFERS_MAX as u64 {
            return None;
        }
        let survey = Survey::of(self.plan, queue.next * WINDOW);
        let buffer = if survey.has_data() { Some(queue.buffers.pop()?) } else { None };
        queue.next += 1;
        Some(Job::Gather(queue.next - 1, survey, buffer))
    }

    /// Reads a window and writes it.
    fn gather(
        &self,
        gatherer: &mut Gatherer,
        survey: Survey,
        mut buffer: Option<Buffer>,
    ) -> Result<Written, EmitError> {
        let mut hashed = None;
        if let Some(buffer) = &mut buffer {
            gatherer
                .gather(self.plan, self.sources, &survey, buffer)
                .map_err(|Unread { offset, source }| EmitError::Read { offset, source })?;
            for run in &survey.runs {
                let from = (run.start - survey.range.start) as usize;
                let len = (run.end - run.start) as usize;
                self.target.write(&buffer.bytes()[from..from + len], run.start, self.needed)?;
            }
            hashed = (self.hashing == Hashing::Gatherers).then(|| Digester::hash_blocks(&survey, buffer));
        }
        Ok(Written { survey, buffer, hashed })
    }

    /// Adds the next window to the chain.
    fn hash(&self, mut digester: Digester, written: Written) {
        let Written { survey, buffer, hashed } = written;
        digester.take(&survey, buffer.as_ref(), hashed.as_deref());
        self.progress.advance(survey.range.end - survey.range.start);
        let mut queue = self.lock();
        queue.digester = Some(digester);
        queue.buffers.extend(buffer);
        queue.hash += 1;
    }

    fn fail(&self, error: EmitError) {
        self.lock().failed.get_or_insert(error);
    }
}

/// The next window of the chain, when it is written and nobody hashes.
fn hash_job(queue: &mut Queue) -> Option<Job> {
    let index = queue.hash;
    if queue.digester.is_none() || !queue.written.contains_key(&index) {
        return None;
    }
    let (digester, written) = (queue.digester.take()?, queue.written.remove(&index)?);
    Some(Job::Hash(digester, written))
}

/// Wakes the other threads when one panics, so that they do not wait for it.
struct Alarm<'a, 'b>(&'a Emission<'b>);

impl Drop for Alarm<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(EmitError::Interrupted);
            self.0.changed.notify_all();
        }
    }
}
