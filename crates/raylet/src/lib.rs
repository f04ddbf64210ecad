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
mod admission;
mod clients;
mod collections;
mod configuration;
mod connections;
mod declared_classes;
mod departures;
mod descriptors;
mod effects;
mod environments;
mod errors;
mod failed_starts;
mod instructions;
mod living;
mod memory;
mod messages;
mod object_directory;
mod peers;
mod poller;
mod processes;
mod server;
mod signal;
mod small_set;
mod store;
mod unconnected;
mod worker_process;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use eagleray_ipc::ControlSocket;
use eagleray_object_store::Segment;

pub use configuration::{Configuration, memory_room_of_host};
use signal::Signal;

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

/// Starts a raylet on a thread of its own. Returns when the segment and the thread exist; workers start
/// behind it.
///
/// # Errors
/// `InvalidInput` for a resource that is no quantity or a store that no segment can hold; otherwise what the
/// system refused (memory file, sockets, thread).
pub fn start(configuration: Configuration) -> io::Result<Started> {
    let signal = Arc::new(Signal::new()?);
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
        self.signal.stop();
    }

    /// Waits for the end of the thread. False if it has not ended by the deadline.
    pub fn join(self, deadline: Duration) -> bool {
        // A channel that is closed without a message means that the thread has panicked.
        let ended = self.ended.recv_timeout(deadline) != Err(RecvTimeoutError::Timeout);
        ended && self.thread.join().is_ok()
    }
}
