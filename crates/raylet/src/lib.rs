//! The runtime of one node: starts workers, leases them out, places actors, and keeps the directory of
//! objects. A library: whoever embeds it gets a thread that does it.
//!
//! Owns: the node's truth — which processes there are, who holds what, where actors live, which parts of
//! the segment are in use. Is not: on the way of a task or a value; those go from process to process.
//!
//! The thread runs one loop (`server.rs`). Decisions are made by pure state machines: the scheduler
//! (`eagleray-scheduler`), the object directory and the actor directory. The loop feeds them with what
//! processes say (`messages.rs`) and with processes that end (`processes.rs`), and carries out what they ask for.
//!
//! Invariants:
//! 1. Nothing that a process sends makes the raylet panic, hang, or give away what belongs to another.
//! 2. When the thread has ended, no process that it started is left.
//! 3. The loop sleeps unless something has happened or a deadline has come.

#![deny(unsafe_op_in_unsafe_fn)]

mod actor_directory;
mod clients;
mod collections;
mod connections;
mod declared_classes;
mod departures;
mod descriptors;
mod effects;
mod environments;
mod errors;
mod instructions;
mod living;
mod messages;
mod object_directory;
mod peers;
mod poller;
mod processes;
mod server;
mod store;
mod worker_process;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use eagleray_ipc::{ControlSocket, Doorbell};
use eagleray_object_store::Segment;

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
    /// The process that embeds the raylet.
    pub driver_pid: u32,
}

/// A running raylet.
pub struct Started {
    /// The driver's end of its control socket. The welcome, with its descriptors, is on its way on it.
    pub control: OwnedFd,
    /// The segment, mapped in this process.
    pub segment: Arc<Segment>,
    /// For ending it.
    pub raylet: RayletHandle,
}

/// Ends a raylet and waits for its end. Dropping it does neither; the raylet also ends when the driver's
/// end of the control socket is closed.
#[derive(Debug)]
pub struct RayletHandle {
    signal: Arc<Signal>,
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

/// Wakes the loop from outside.
#[derive(Debug)]
pub(crate) struct Signal {
    stop: AtomicBool,
    pub(crate) doorbell: Doorbell,
}

impl Signal {
    pub(crate) fn is_stopping(&self) -> bool {
        // SYNC POINT: raylet-stop, the loop's side. It orders nothing but the flag with the doorbell.
        self.stop.load(Ordering::Acquire)
    }

    pub(crate) fn wake(&self) {
        // A counter that can't be written is full, so the loop wakes anyway.
        let _ = self.doorbell.ring();
    }
}

/// Starts a raylet on a thread of its own. Returns when the segment and the thread exist; workers start
/// behind it.
///
/// # Errors
/// `InvalidInput` for a resource that is no quantity or a store that no segment can hold; otherwise what the
/// system refused (memory file, sockets, thread).
pub fn start(configuration: Configuration) -> io::Result<Started> {
    let signal = Arc::new(Signal {
        stop: AtomicBool::new(false),
        doorbell: Doorbell::create()?,
    });
    let (own_end, driver_end) = ControlSocket::pair()?;
    let server = server::Server::new(configuration, own_end, Arc::clone(&signal))?;
    let segment = Arc::clone(server.segment());
    let (end, ended) = channel();
    let thread = thread::Builder::new()
        .name("eagleray-raylet".to_owned())
        .spawn(move || {
            server.run();
            // Nobody may wait for it any more.
            let _ = end.send(());
        })?;
    Ok(Started {
        control: driver_end.into_fd(),
        segment,
        raylet: RayletHandle {
            signal,
            ended,
            thread,
        },
    })
}

impl RayletHandle {
    /// Ends all workers at once and then the thread. Returns without waiting for it.
    pub fn stop(&self) {
        // SYNC POINT: raylet-stop. The flag is set before the doorbell wakes the loop.
        self.signal.stop.store(true, Ordering::Release);
        self.signal.wake();
    }

    /// Waits for the end of the thread. False if it has not ended by the deadline.
    pub fn join(self, deadline: Duration) -> bool {
        // A channel that is closed without a message means that the thread has panicked.
        let ended = self.ended.recv_timeout(deadline) != Err(RecvTimeoutError::Timeout);
        ended && self.thread.join().is_ok()
    }
}
