//! How many further workers the memory has room for: measured, told to the scheduler, and explained to the user.
//!
//! Owns: when it is measured, and what a worker costs. Is not: a judge of who waits; the scheduler is
//! (`memory.rs` there). After the start, nothing is measured unless a worker is to be started or somebody waits for memory.

use std::time::Duration;

use eagleray_resources::detect::MemoryRoom;
use eagleray_scheduler::Event;

use crate::clients::Clients;
use crate::server::Server;

/// How often the memory is measured at most.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// What a worker costs as long as none is ready that could tell.
const WORKER_BYTES_AT_FIRST: u64 = 48 << 20;

/// What a worker costs at least, whatever those that are there take at the moment.
const WORKER_BYTES_MIN: u64 = 1 << 20;

/// How many workers are looked at to know what one costs.
const SAMPLE_MAX: usize = 32;

/// This part of the limit is left to what workers need later.
const KEPT_FREE_PART: u64 = 20;

/// How long nothing is said of the memory again, although somebody has got some meanwhile.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Default)]
pub(crate) struct Memory {
    measured_at: Option<Duration>,
    /// When the user was told why something waits, until nothing does.
    told_at: Option<Duration>,
}

impl Memory {
    fn is_due(&self, now: Duration) -> bool {
        self.measured_at.is_none_or(|at| now >= at + MEASURE_EVERY)
    }

    /// Nobody waits for memory: who does next is news, unless that goes to and fro.
    fn nobody_waits(&mut self, now: Duration) {
        self.told_at = self.told_at.filter(|at| now < *at + TELL_AGAIN_AFTER);
    }
}

impl Server {
    /// A worker is about to be started. Those that are started ahead are started whatever the memory has.
    pub(crate) fn measure_memory_for_start(&mut self) {
        if self.clients.worker_count() >= self.prestart && self.memory.is_due(self.now()) {
            self.measure_memory();
        }
    }

    /// Measures again while somebody waits for memory, and says why.
    pub(crate) fn look_after_memory(&mut self) {
        let now = self.now();
        if !self.scheduler.lacks_memory() {
            self.memory.nobody_waits(now);
            return;
        }
        if !self.memory.is_due(now) {
            return;
        }
        let measured = self.measure_memory();
        self.settle();
        if self.scheduler.lacks_memory() && self.memory.told_at.is_none() {
            self.memory.told_at = Some(now);
            if let Some((room, worker_bytes)) = measured {
                let text = describe(&room, worker_bytes, self.clients.worker_count());
                self.log(&text);
            }
        }
    }

    /// When [`look_after_memory`](Self::look_after_memory) has to be called at the latest.
    pub(crate) fn memory_deadline(&self) -> Option<Duration> {
        let next = self
            .memory
            .measured_at
            .map_or(Duration::ZERO, |at| at + MEASURE_EVERY);
        self.scheduler.lacks_memory().then_some(next)
    }

    /// Measures, and tells the scheduler. Gives what there is, and what a worker takes of it.
    pub(crate) fn measure_memory(&mut self) -> Option<(MemoryRoom, u64)> {
        self.memory.measured_at = Some(self.now());
        let measured = (self.configuration.memory_room)();
        let Some(room) = measured else {
            // What can't be read limits nothing.
            self.feed(Event::MemoryMeasured { room: u32::MAX });
            return None;
        };
        let worker_bytes = worker_bytes(&self.clients);
        let kept_free = room.limit.value / KEPT_FREE_PART;
        let count = room.free.saturating_sub(kept_free) / worker_bytes;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.feed(Event::MemoryMeasured { room: count });
        Some((room, worker_bytes))
    }
}

/// What most workers that are ready take for themselves, of memory that is not shared.
fn worker_bytes(clients: &Clients) -> u64 {
    let ready: Vec<u32> = clients
        .table
        .values()
        .filter(|client| client.ready && client.process.is_some())
        .map(|client| client.pid)
        .collect();
    let step = ready.len().div_ceil(SAMPLE_MAX).max(1);
    let sample = ready.into_iter().step_by(step);
    let mut bytes: Vec<u64> = sample.filter_map(private_bytes).collect();
    bytes.sort_unstable();
    let middle = bytes.get(bytes.len() / 2).copied();
    middle
        .unwrap_or(WORKER_BYTES_AT_FIRST)
        .max(WORKER_BYTES_MIN)
}

/// Memory of a process that no other shares; `None` if the system does not say, or it has ended.
fn private_bytes(pid: u32) -> Option<u64> {
    parse_private_bytes(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse_private_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1_024)
}

fn describe(room: &MemoryRoom, worker_bytes: u64, workers: usize) -> String {
    format!(
        "actors, or tasks of tasks that wait, are waiting for memory: a worker process takes about {} MiB, there are \
         {workers} of them, and of {} MiB ({}) {} MiB are free, of which {} MiB are left for what runs. They go on when \
         others end. What helps: fewer actors at a time, or more memory for this machine or container",
        mebibytes(worker_bytes),
        mebibytes(room.limit.value),
        room.limit.source,
        mebibytes(room.free),
        mebibytes(room.limit.value / KEPT_FREE_PART),
    )
}

fn mebibytes(bytes: u64) -> u64 {
    bytes >> 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_memory_is_what_no_file_and_no_other_process_shares() {
        let status =
            "Name:\tnode\nVmRSS:\t   90000 kB\nRssAnon:\t   42000 kB\nRssFile:\t   40000 kB\n";
        assert_eq!(parse_private_bytes(status), Some(42_000 << 10));
        assert_eq!(parse_private_bytes("Name:\tnode\n"), None);
        assert_eq!(parse_private_bytes("RssAnon:\tmany\n"), None);
        assert!(private_bytes(std::process::id()).is_some_and(|bytes| bytes > 0));
    }
}
