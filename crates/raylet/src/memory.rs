//! How many further workers the memory has room for: measured, and explained to the user.
//!
//! Owns: when it may be measured, what a worker costs, and what was said. Is not: a judge of who waits; the scheduler is
//! (`memory.rs` there). After the start, nothing is measured unless a worker is to be started or somebody waits for memory.

use std::time::Duration;

use eagleray_resources::detect::MemoryRoom;

use crate::clients::Clients;

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
    /// What there was then, and what a worker takes of it.
    measured: Option<(MemoryRoom, u64)>,
    /// When the user was told why something waits, until nothing does.
    told_at: Option<Duration>,
}

impl Memory {
    /// Whether it may be measured again.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        self.next_due().is_none_or(|at| now >= at)
    }

    /// When it may be measured again; `None` if it never was.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.measured_at.map(|at| at + MEASURE_EVERY)
    }

    /// There is `room` now. Gives for how many workers, beyond those that are ready: what can't be known bounds nothing.
    pub(crate) fn measured(
        &mut self,
        room: Option<MemoryRoom>,
        clients: &Clients,
        now: Duration,
    ) -> u32 {
        self.measured_at = Some(now);
        self.measured = room.map(|room| (room, worker_bytes(clients)));
        let Some((room, worker_bytes)) = &self.measured else {
            return u32::MAX;
        };
        let for_workers = room.free.saturating_sub(room.limit.value / KEPT_FREE_PART);
        u32::try_from(for_workers / worker_bytes).unwrap_or(u32::MAX)
    }

    /// Nobody waits for memory: who does next is news, unless that goes to and fro.
    pub(crate) fn nobody_waits(&mut self, now: Duration) {
        self.told_at = self.told_at.filter(|at| now < *at + TELL_AGAIN_AFTER);
    }

    /// Somebody waits for memory, as it was measured: gives what is to be said of that, if it was not said already.
    pub(crate) fn somebody_waits(&mut self, workers: usize, now: Duration) -> Option<String> {
        let (room, worker_bytes) = self.measured.as_ref()?;
        if self.told_at.is_some() {
            return None;
        }
        self.told_at = Some(now);
        Some(describe(room, *worker_bytes, workers))
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
