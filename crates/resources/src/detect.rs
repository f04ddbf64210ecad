//! What this machine allows this process: CPUs, memory, GPUs. Reads files and the environment only, through a
//! seam, so tests can be any machine.

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

impl System for HostSystem {
    fn read_file(&self, path: &str) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn list_directory(&self, path: &str) -> io::Result<Vec<String>> {
        std::fs::read_dir(path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn environment_variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn affinity_count(&self) -> Option<u32> {
        None
    }
}

/// How many CPUs this process may use: the smaller of cgroup quota and affinity mask, rounded up, at least one.
pub fn cpus(_system: &impl System) -> Detected<u32> {
    Detected {
        value: 1,
        source: String::new(),
    }
}

/// How many bytes of memory this process may use: the smallest limit of its cgroups, or what the machine has.
/// `None` where neither can be read.
pub fn memory(_system: &impl System) -> Option<Detected<u64>> {
    None
}

/// The ids of the NVIDIA GPUs this process may use, as `CUDA_VISIBLE_DEVICES` takes them.
pub fn gpus(_system: &impl System) -> Detected<Vec<String>> {
    Detected {
        value: Vec::new(),
        source: String::new(),
    }
}
