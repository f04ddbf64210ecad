//! What a raylet is started with.

use std::path::PathBuf;
use std::time::Duration;

use eagleray_resources::detect::{HostSystem, MemoryRoom, memory_room};

/// What a node has, and how its workers are started.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Name and quantity, in units (`CPU`, `GPU`, `memory`, and custom ones).
    pub resources: Vec<(String, f64)>,
    /// The name of each GPU, as `CUDA_VISIBLE_DEVICES` takes it. A missing name is the GPU's index.
    pub gpu_ids: Vec<String>,
    /// Bytes of the object store.
    pub store_bytes: u64,
    /// What workers execute.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where workers start.
    pub working_directory: PathBuf,
    /// The complete environment of workers; that of a class is added on top.
    pub environment: Vec<(String, String)>,
    /// Passed on to every process unread (JSON).
    pub settings: String,
    /// How long a worker may take from its start until it is ready.
    pub worker_start_timeout: Duration,
    /// Says how much memory is left for workers; `None` where that can't be known, which bounds nothing. It is asked when
    /// workers start, at most once a while. [`memory_room_of_host`] is the machine's own answer.
    pub memory_room: fn() -> Option<MemoryRoom>,
    /// The process that embeds the raylet.
    pub driver_pid: u32,
}

/// How much memory this machine, or the cgroup of this process, has left.
pub fn memory_room_of_host() -> Option<MemoryRoom> {
    memory_room(&HostSystem)
}
