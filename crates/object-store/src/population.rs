//! Memory ahead of demand: fresh pages are populated in the background while the store grows, and memory that stays
//! idle goes back to the system.
//!
//! Owns: the policy (`Policy`, pure) and the two threads that carry it out ([`Population`]). Is not: the owner of any
//! space; ranges come from the raylet's [`Allocator`], whose thread calls [`Population::step`].
//!
//! Why two threads: populating is a courtesy and must never take a core that somebody needs, so its thread runs under
//! `SCHED_IDLE`, and it does nothing that holds a lock others wait for (PO-4). Giving back does hold such locks (the file's, for
//! a fraction of a millisecond), so it runs at normal priority, but only when the store has been idle for seconds.
//! Neither thread exists before it is first needed, and none ever polls.
//!
//! Invariants:
//! - **PO-1 (quiet):** nothing is populated before the store has grown by [`PopulationLimits::large`] within one window.
//! - **PO-2 (harmless):** a range that is being populated may be allocated at the same time; a range that is being given
//!   back is reserved in the allocator until the system has it.
//! - **PO-3 (idle only):** only what stayed warm and free for a whole idle period is given back.
//! - **PO-4 (nobody waits):** nothing is populated where a page fault of the populating thread could hold a lock that
//!   other threads of the process want: it may not be scheduled for as long as the machine is busy.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::kernel::{faults_hold_their_mapping_only, release};
use crate::mapping::accounts_strictly;
use crate::{Allocator, Extent, Segment};

/// Bytes populated between two looks at the flag that stops the thread.
const POPULATE_STEP: u64 = 64 << 10;

/// How much memory is populated ahead and when it is given back.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct PopulationLimits {
    /// The most free bytes populated ahead; 0 switches populating off.
    pub ahead_max: u64,
    /// Bytes populated at a time. Default 4 MiB.
    pub populate_chunk: u64,
    /// Bytes given back at a time, which are not available meanwhile. Default 64 MiB.
    pub give_back_chunk: u64,
    /// Growth of the used space within one window, in bytes, below which nothing is populated. Default 8 MiB.
    pub large: u64,
    /// Over how long growth is measured; growth of the last two windows counts. Default 1 s.
    pub window: Duration,
    /// For how long memory has to be free before it is given back. Default 10 s.
    pub idle: Duration,
}

impl PopulationLimits {
    /// The defaults for a store of `total` bytes: a quarter of it, at most 1 GiB, is populated ahead.
    pub fn for_store(total: u64) -> Self {
        Self {
            ahead_max: (total / 4).min(1 << 30),
            populate_chunk: 4 << 20,
            give_back_chunk: 64 << 20,
            large: 8 << 20,
            window: Duration::from_secs(1),
            idle: Duration::from_secs(10),
        }
    }
}

/// Carries the policy out. The raylet calls [`step`](Self::step) after each of its turns and at
/// [`next_deadline`](Self::next_deadline).
pub struct Population {
    segment: Arc<Segment>,
    wake: Arc<dyn Fn() + Send + Sync>,
    policy: Policy,
    populating: Errand,
    giving_back: Errand,
}

impl Population {
    /// A population of `segment`. `wake` is called from another thread whenever `step` has something to take in.
    pub fn new(
        segment: Arc<Segment>,
        limits: PopulationLimits,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let ahead_max = if may_populate() { limits.ahead_max } else { 0 };
        Self {
            segment,
            wake: Arc::new(wake),
            policy: Policy::new(PopulationLimits {
                ahead_max,
                ..limits
            }),
            populating: Errand::default(),
            giving_back: Errand::default(),
        }
    }

    /// Takes in what the threads finished and gives them the next ranges, if there are any.
    ///
    /// `now` is the time since any fixed origin. An error says that populating or giving back has been switched off
    /// because the system refused it; the store goes on without, so it is worth one line of log and nothing more.
    pub fn step(&mut self, now: Duration, allocator: &mut Allocator) -> io::Result<()> {
        self.take_in(allocator)?;
        let next = self.policy.decide(
            now,
            allocator,
            self.populating.range,
            self.giving_back.range,
        );
        if let Some(extent) = next.populate {
            let segment = Arc::clone(&self.segment);
            self.populating.send(
                extent,
                "eagleray-populate",
                &self.wake,
                move |extent, stop| populate(&segment, extent, stop),
            )?;
        }
        if let Some(extent) = next.give_back {
            let segment = Arc::clone(&self.segment);
            let sent = self.giving_back.send(
                extent,
                "eagleray-give-back",
                &self.wake,
                move |extent, _| segment.give_back(extent),
            );
            if let Err(error) = sent {
                self.policy.stop_giving_back();
                finish_give_back(allocator, extent, false)?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// When `step` wants to be called even if nothing happens, on the clock of its `now`.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.policy.idle_end
    }

    fn take_in(&mut self, allocator: &mut Allocator) -> io::Result<()> {
        if let Some((extent, result)) = self.populating.take_finished() {
            match result {
                Ok(()) => mark_populated(allocator, extent)?,
                Err(error) => {
                    self.policy.limits.ahead_max = 0;
                    return Err(error);
                }
            }
        }
        if let Some((extent, result)) = self.giving_back.take_finished() {
            finish_give_back(allocator, extent, result.is_ok())?;
            if result.is_err() {
                self.policy.stop_giving_back();
            }
            return result;
        }
        Ok(())
    }
}

/// What the threads should do next.
#[derive(Debug, Default, Eq, PartialEq)]
struct Next {
    populate: Option<Extent>,
    /// Reserved in the allocator already.
    give_back: Option<Extent>,
}

/// The decisions, without clock, thread or memory.
#[derive(Debug)]
struct Policy {
    limits: PopulationLimits,
    /// The most bytes in use since memory was last given back. Space below it has been populated by its users, so only
    /// growth beyond it is demand for fresh pages.
    peak: u64,
    growth: u64,
    growth_before: u64,
    window_end: Option<Duration>,
    idle_end: Option<Duration>,
    /// The fewest warm free bytes seen in this idle period: what nobody wanted.
    idle_bytes: u64,
    /// Bytes still to be given back of what the last idle period found.
    surplus: u64,
    gives_back: bool,
}

impl Policy {
    fn new(limits: PopulationLimits) -> Self {
        Self {
            limits,
            peak: 0,
            growth: 0,
            growth_before: 0,
            window_end: None,
            idle_end: None,
            idle_bytes: 0,
            surplus: 0,
            gives_back: true,
        }
    }

    fn decide(
        &mut self,
        now: Duration,
        allocator: &mut Allocator,
        populating: Option<Extent>,
        giving_back: Option<Extent>,
    ) -> Next {
        self.measure_growth(now, allocator.used_bytes());
        self.measure_idleness(now, allocator);
        let mut next = Next::default();
        if populating.is_none() && allocator.populated_free() < self.target() {
            next.populate = allocator.next_range_to_populate(self.limits.populate_chunk);
        }
        if giving_back.is_none() && self.surplus > 0 {
            next.give_back = allocator.take_idle(self.surplus.min(self.limits.give_back_chunk));
            self.surplus -= next
                .give_back
                .map_or(self.surplus, |extent| extent.length.min(self.surplus));
        }
        next
    }

    /// Free bytes that should be warm: twice the recent growth, so that a store which keeps growing finds warm space
    /// while the next is prepared.
    fn target(&self) -> u64 {
        let recent = self.growth.max(self.growth_before);
        if recent < self.limits.large {
            0
        } else {
            (2 * recent).min(self.limits.ahead_max)
        }
    }

    fn measure_growth(&mut self, now: Duration, used: u64) {
        if let Some(end) = self.window_end.filter(|&end| now >= end) {
            let one_window_passed = now < end + self.limits.window;
            self.growth_before = if one_window_passed { self.growth } else { 0 };
            self.growth = 0;
            self.window_end =
                (one_window_passed && self.growth_before > 0).then(|| end + self.limits.window);
        }
        if used > self.peak {
            self.growth += used - self.peak;
            self.peak = used;
            self.window_end.get_or_insert(now + self.limits.window);
        }
    }

    fn measure_idleness(&mut self, now: Duration, allocator: &Allocator) {
        let warm = allocator.populated_free();
        self.idle_bytes = self.idle_bytes.min(warm);
        if self.target() > 0 {
            self.surplus = 0;
        }
        match self.idle_end {
            Some(end) if now < end => return,
            Some(_) => {
                self.surplus = self.idle_bytes.saturating_sub(self.target());
                if self.surplus > 0 {
                    self.peak = allocator.used_bytes();
                }
            }
            None => {}
        }
        let next = warm.saturating_sub(self.surplus);
        self.idle_bytes = next;
        self.idle_end = (next > 0 && self.gives_back).then(|| now + self.limits.idle);
    }

    fn stop_giving_back(&mut self) {
        self.gives_back = false;
        self.surplus = 0;
        self.idle_end = None;
    }
}

type Finished = (Extent, io::Result<()>);

/// One kind of work on ranges, one range at a time, on a thread of its own that starts with the first range.
#[derive(Default)]
struct Errand {
    thread: Option<ErrandThread>,
    range: Option<Extent>,
}

struct ErrandThread {
    /// `None` only while dropping: the thread ends when its channel closes.
    ranges: Option<Sender<Extent>>,
    finished: Receiver<Finished>,
    stop: Arc<AtomicBool>,
    handle: Option<JoinHandle<()>>,
}

impl Errand {
    fn send(
        &mut self,
        extent: Extent,
        name: &str,
        wake: &Arc<dyn Fn() + Send + Sync>,
        work: impl Fn(Extent, &AtomicBool) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let thread = match &mut self.thread {
            Some(thread) => thread,
            none => none.insert(ErrandThread::start(name, Arc::clone(wake), work)?),
        };
        let ranges = thread.ranges.as_ref();
        ranges
            .and_then(|ranges| ranges.send(extent).ok())
            .ok_or_else(|| io::Error::other(format!("the thread {name} has ended")))?;
        self.range = Some(extent);
        Ok(())
    }

    fn take_finished(&mut self) -> Option<Finished> {
        let finished = self.thread.as_ref()?.finished.try_recv().ok()?;
        self.range = None;
        Some(finished)
    }
}

impl ErrandThread {
    fn start(
        name: &str,
        wake: Arc<dyn Fn() + Send + Sync>,
        work: impl Fn(Extent, &AtomicBool) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let (ranges, todo) = channel::<Extent>();
        let (done, finished) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let handle = thread::Builder::new()
            .name(name.to_owned())
            .stack_size(256 << 10)
            .spawn(move || {
                for extent in todo {
                    let result = work(extent, &stopped);
                    if done.send((extent, result)).is_err() {
                        return;
                    }
                    wake();
                }
            })?;
        Ok(Self {
            ranges: Some(ranges),
            finished,
            stop,
            handle: Some(handle),
        })
    }
}

impl Drop for ErrandThread {
    fn drop(&mut self) {
        // The flag carries no data: the thread looks at it only to end early, and the channel's end does the rest.
        self.stop.store(true, Ordering::Relaxed);
        self.ranges = None;
        if let Some(handle) = self.handle.take() {
            // A panic of the thread has been printed by the panic hook, and there is nothing left to undo.
            let _ = handle.join();
        }
    }
}

fn populate(segment: &Segment, extent: Extent, stop: &AtomicBool) -> io::Result<()> {
    yield_to_everyone();
    let mut position = 0;
    while position < extent.length && !stop.load(Ordering::Relaxed) {
        let length = POPULATE_STEP.min(extent.length - position);
        segment.populate(Extent::new(extent.offset + position, length))?;
        position += length;
    }
    Ok(())
}

/// Whether a thread of the lowest priority may populate: PO-4.
fn may_populate() -> bool {
    // Where the system accounts strictly, touching a page that it cannot back ends the process.
    !accounts_strictly() && faults_hold_their_mapping_only(&release())
}

/// Gives the calling thread the lowest priority there is.
fn yield_to_everyone() {
    // SAFETY: an all-zero parameter is what SCHED_IDLE requires.
    let parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    // Where a sandbox forbids it, the thread competes at normal priority: slower for others, but right.
    // SAFETY: 0 means the calling thread; the parameter outlives the call.
    let _ = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameter) };
}

fn mark_populated(allocator: &mut Allocator, extent: Extent) -> io::Result<()> {
    allocator.mark_populated(extent).map_err(io::Error::other)
}

fn finish_give_back(allocator: &mut Allocator, extent: Extent, given_back: bool) -> io::Result<()> {
    allocator
        .finish_give_back(extent, given_back)
        .map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
