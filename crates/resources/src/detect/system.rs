//! What detection reads of a machine, so that a test can be any machine; and what it says.

use std::io;

/// What detection reads of a machine.
pub trait System {
    /// The text of a file.
    ///
    /// # Errors
    /// As the file system says; detection takes an unreadable file as a missing one.
    fn read_file(&self, path: &str) -> io::Result<String>;
    /// The names in a directory, in no order.
    ///
    /// # Errors
    /// As the file system says.
    fn list_directory(&self, path: &str) -> io::Result<Vec<String>>;
    /// A variable of the environment.
    fn environment_variable(&self, name: &str) -> Option<String>;
    /// How many processors the process may run on, where the system can say so.
    fn affinity_count(&self) -> Option<u32>;
}

/// The machine this process runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostSystem;

/// A detected value, and in words where it comes from, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected<T> {
    /// The value.
    pub value: T,
    /// Such as `cgroup v2 quota 2.0` or `affinity mask`.
    pub source: String,
}

/// How much memory this process and those it starts may still take, and whose limit says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRoom {
    /// Bytes that nobody uses, or that hold files which the kernel can drop.
    pub free: u64,
    /// The limit, in bytes.
    pub limit: Detected<u64>,
}

impl System for HostSystem {
    fn read_file(&self, path: &str) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn list_directory(&self, path: &str) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(path)?;
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn environment_variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    /// The mask as the kernel prints it, so no unsafe call is needed; elsewhere the standard library's answer.
    fn affinity_count(&self) -> Option<u32> {
        let status = self.read_file("/proc/self/status").ok();
        status.as_deref().and_then(allowed_processors).or_else(|| {
            let parallelism = std::thread::available_parallelism().ok()?;
            u32::try_from(parallelism.get()).ok()
        })
    }
}

/// Counts the bits of `Cpus_allowed: ff,ffffffff`.
pub(super) fn allowed_processors(status: &str) -> Option<u32> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed:"))?;
    let count = mask
        .trim()
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(u32::count_ones)
        .sum();
    (count > 0).then_some(count)
}
