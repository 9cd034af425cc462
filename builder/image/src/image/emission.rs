//! The work behind [`super::emit`]: every thread gathers, writes or hashes windows, whatever there is to do.
//!
//! The digest of the whole image is a chain, so one thread at a time hashes, window after window in order. Through
//! the page cache one thread at a time writes, because the kernel lets one in per file and the others would burn a
//! core waiting; around the cache several write at once. Gathering fills the rest of the time, as far as there are
//! buffers.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::{Plan, Sources};
use amiforge_progress::Monitor;

use super::digester::Digester;
use super::target::ImageFile;
use super::window::{AROUND, Gatherer, Survey, THROUGH, Unread, WindowBuffer};
use super::{EmitError, EmitOptions, Emitted, sha256};

/// Most threads that have work: the chain takes what about three others gather.
pub(super) const THREADS_MAX: usize = 8;

/// Threads beyond the requested number when writes bypass the cache: so many wait for the device, not for a core.
const IN_FLIGHT: usize = 2;

/// Most windows in memory: 48 MiB.
const BUFFERS_MAX: usize = 12;

/// Who digests the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DigestMode {
    /// The chain, together with the whole: where the second digest costs nothing.
    Chain,
    /// Whoever gathered them.
    Gatherers,
    /// Whoever gathered them; there is no digest of the whole.
    Blocks,
    /// No thread: neither blocks nor the whole image are digested.
    None,
}

impl DigestMode {
    /// The fastest on this machine.
    pub(super) fn best() -> Self {
        if sha256::fused() { Self::Chain } else { Self::Gatherers }
    }
}

/// The runs of data of a whole plan, as windows of `len` bytes cut them.
fn data_runs(plan: &Plan, len: u64) -> impl Iterator<Item = Range<u64>> + '_ {
    (0..plan.len().div_ceil(len)).flat_map(move |index| Survey::of(plan, index * len, len).runs)
}

/// What all threads see.
pub(super) struct Emission<'a> {
    plan: &'a Plan,
    sources: &'a dyn Sources,
    monitor: Monitor<'a>,
    /// Bytes in a window.
    window: u64,
    /// Bytes that will be written in all.
    needed: u64,
    /// Where the image is written, if it is.
    target: Option<&'a ImageFile>,
    hashing: DigestMode,
    /// Threads that may write at once: through the cache a second one would only wait for the first.
    writers: usize,
    queue: Mutex<EmitQueue>,
    changed: Condvar,
}

/// What the threads share and change.
struct EmitQueue {
    /// Index of the window that is gathered next.
    next: u64,
    /// Index of the window that is hashed next.
    hash: u64,
    /// Windows gathered and not yet hashed.
    unhashed: BTreeMap<u64, Arc<GatheredWindow>>,
    /// Windows gathered that no thread writes yet.
    unwritten: VecDeque<Arc<GatheredWindow>>,
    /// Threads that write.
    writing: usize,
    /// `None` while a thread hashes.
    digester: Option<Digester>,
    /// Unused buffers.
    buffers: Vec<WindowBuffer>,
    failed: Option<EmitError>,
}

/// A window in memory.
struct GatheredWindow {
    survey: Survey,
    buffer: Option<WindowBuffer>,
    hashed: Option<Vec<Digest>>,
}

/// What a thread does next.
enum EmitJob {
    Gather(u64, Survey, Option<WindowBuffer>),
    Write(Arc<GatheredWindow>),
    Hash(Digester, Arc<GatheredWindow>),
}

impl EmitQueue {
    fn new() -> Self {
        Self {
            next: 0,
            hash: 0,
            unhashed: BTreeMap::new(),
            unwritten: VecDeque::new(),
            writing: 0,
            digester: None,
            buffers: Vec::new(),
            failed: None,
        }
    }

    /// The next window of the chain, when it has been read and no thread hashes.
    fn hash_job(&mut self) -> Option<EmitJob> {
        if self.digester.is_none() || !self.unhashed.contains_key(&self.hash) {
            return None;
        }
        let (digester, window) = (self.digester.take()?, self.unhashed.remove(&self.hash)?);
        Some(EmitJob::Hash(digester, window))
    }

    /// A window to write, when fewer than `writers` do.
    fn write_job(&mut self, writers: usize) -> Option<EmitJob> {
        let window = if self.writing < writers { self.unwritten.pop_front()? } else { return None };
        self.writing += 1;
        Some(EmitJob::Write(window))
    }

    /// Takes back a window that a thread is done with; its buffer is free when no other thread has it.
    fn give_back(&mut self, window: Arc<GatheredWindow>) {
        self.buffers.extend(Arc::into_inner(window).and_then(|window| window.buffer));
    }
}

impl<'a> Emission<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        sources: &'a dyn Sources,
        target: Option<&'a ImageFile>,
        hashing: DigestMode,
        monitor: Monitor<'a>,
    ) -> Self {
        let direct = target.is_some_and(ImageFile::is_direct);
        let window = if direct { AROUND } else { THROUGH };
        Self {
            plan,
            sources,
            monitor,
            window,
            needed: data_runs(plan, window).map(|run| run.end - run.start).sum(),
            target,
            hashing,
            writers: if direct { usize::MAX } else { 1 },
            queue: Mutex::new(EmitQueue::new()),
            changed: Condvar::new(),
        }
    }

    /// Does all of it.
    pub(super) fn run(self, options: EmitOptions) -> Result<Emitted, EmitError> {
        let requested = options.threads.clamp(1, THREADS_MAX);
        let threads = if self.writers > 1 { requested + IN_FLIGHT } else { requested };
        let buffers = (2 * threads + 2).min(BUFFERS_MAX);
        {
            let mut queue = self.lock();
            queue.buffers.resize_with(buffers, || WindowBuffer::new(self.window));
            let whole = matches!(self.hashing, DigestMode::Chain | DigestMode::Gatherers);
            queue.digester = Some(Digester::new(whole));
        }
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| self.work());
            }
            self.work();
        });
        self.monitor.progress.end();
        let queue = self.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (queue.failed, queue.digester) {
            (None, Some(digester)) => {
                let (blocks, plain) = digester.finish();
                Ok(Emitted { blocks, plain, len: self.plan.len(), written: 0, plain_from_cache: false })
            }
            // The chain is missing only when a thread panicked, which ended the emission before.
            (failed, _) => Err(failed.unwrap_or(EmitError::Interrupted)),
        }
    }

    fn windows(&self) -> u64 {
        self.plan.len().div_ceil(self.window)
    }

    fn lock(&self) -> MutexGuard<'_, EmitQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allocates the space of all data, in order, so that a full disk is an error before anything is
    /// written and the file has few fragments.
    pub(super) fn allocate(&self) -> Result<(), EmitError> {
        let Some(target) = self.target.filter(|target| target.is_direct()) else { return Ok(()) };
        let mut runs = data_runs(self.plan, self.window).peekable();
        while let Some(mut run) = runs.next() {
            while let Some(next) = runs.next_if(|next| next.start == run.end) {
                run.end = next.end;
            }
            target.allocate(&run, self.needed)?;
        }
        Ok(())
    }

    /// Takes jobs until there are none.
    fn work(&self) {
        let _alarm = Alarm(self);
        let mut gatherer = Gatherer::default();
        while let Some(job) = self.job() {
            let done = match job {
                EmitJob::Gather(index, survey, buffer) => self.gather(&mut gatherer, index, survey, buffer),
                EmitJob::Write(window) => self.write(window),
                EmitJob::Hash(digester, window) => {
                    self.hash(digester, window);
                    Ok(())
                }
            };
            if let Err(error) = done {
                self.lock().failed.get_or_insert(error);
            }
            self.changed.notify_all();
        }
    }

    /// The next job; waits while others have all of them. `None` when the image is done or lost.
    fn job(&self) -> Option<EmitJob> {
        let mut queue = self.lock();
        loop {
            if self.monitor.cancel.is_cancelled() {
                queue.failed.get_or_insert(EmitError::Interrupted);
                self.changed.notify_all();
            }
            let written = queue.unwritten.is_empty() && queue.writing == 0;
            if queue.failed.is_some() || (queue.hash == self.windows() && written) {
                return None;
            }
            let job = queue.hash_job().or_else(|| queue.write_job(self.writers));
            if let Some(job) = job.or_else(|| self.gather_job(&mut queue)) {
                return Some(job);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn gather_job(&self, queue: &mut EmitQueue) -> Option<EmitJob> {
        // Windows without data need no buffer, so how far they run ahead has its own bound.
        if queue.next == self.windows() || queue.next - queue.hash >= 4 * BUFFERS_MAX as u64 {
            return None;
        }
        let survey = Survey::of(self.plan, queue.next * self.window, self.window);
        let buffer = if survey.has_data() { Some(queue.buffers.pop()?) } else { None };
        queue.next += 1;
        Some(EmitJob::Gather(queue.next - 1, survey, buffer))
    }

    /// Reads a window.
    fn gather(
        &self,
        gatherer: &mut Gatherer,
        index: u64,
        survey: Survey,
        mut buffer: Option<WindowBuffer>,
    ) -> Result<(), EmitError> {
        let mut hashed = None;
        if let Some(buffer) = &mut buffer {
            gatherer
                .gather(self.plan, self.sources, &survey, buffer)
                .map_err(|Unread { offset, source }| EmitError::Read { offset, source })?;
            hashed = matches!(self.hashing, DigestMode::Gatherers | DigestMode::Blocks)
                .then(|| Digester::hash_blocks(&survey, buffer));
        }
        let window = Arc::new(GatheredWindow { survey, buffer, hashed });
        let mut queue = self.lock();
        if window.buffer.is_some() && self.target.is_some() {
            queue.unwritten.push_back(Arc::clone(&window));
        }
        queue.unhashed.insert(index, window);
        Ok(())
    }

    /// Writes the runs of a window.
    fn write(&self, window: Arc<GatheredWindow>) -> Result<(), EmitError> {
        let Survey { range, runs, .. } = &window.survey;
        let bytes = window.buffer.as_ref().map_or(&[][..], WindowBuffer::bytes);
        let mut runs = runs.iter();
        let written = runs.try_for_each(|run| {
            let part = (run.start - range.start) as usize..(run.end - range.start) as usize;
            self.target.map_or(Ok(()), |target| target.write(&bytes[part], run.start, self.needed))
        });
        let mut queue = self.lock();
        queue.writing -= 1;
        queue.give_back(window);
        written
    }

    /// Adds the next window to the chain.
    fn hash(&self, mut digester: Digester, window: Arc<GatheredWindow>) {
        let GatheredWindow { survey, buffer, hashed } = &*window;
        if self.hashing != DigestMode::None {
            digester.take(survey, buffer.as_ref(), hashed.as_deref());
        }
        self.monitor.progress.advance(survey.range.end - survey.range.start);
        let mut queue = self.lock();
        queue.digester = Some(digester);
        queue.hash += 1;
        queue.give_back(window);
    }
}

/// Stops the other threads when one panics, so that they do not wait for it.
struct Alarm<'a, 'b>(&'a Emission<'b>);

impl Drop for Alarm<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().failed.get_or_insert(EmitError::Interrupted);
            self.0.changed.notify_all();
        }
    }
}
