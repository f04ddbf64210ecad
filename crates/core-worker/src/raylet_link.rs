//! The control socket: what the raylet is told, in order, and what it says.
//!
//! - **RL-1:** messages leave in the order in which they were told, changes of holds among them.
//! - **RL-2:** an answer is kept until whoever asked takes it; everything else is handled in its order.
//! - **RL-3:** what the raylet has said before its end counts; that it is gone comes last.
//!
//! It does not know what messages mean.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use eagleray_ipc::control::is_peer_gone;
use eagleray_ipc::{ControlSocket, Received};
use eagleray_protocol::{FromRaylet, Nested, ObjectId, ToRaylet};
use rustc_hash::FxHashMap;

/// How long what the raylet has sent may stay unread while this process is busy.
const RECEIVE_INTERVAL: Duration = Duration::from_micros(200);

/// Holds, releases or seen errors in one message, so that it stays far below the limit of a control frame.
const ITEMS_PER_MESSAGE_MAX: usize = 64 << 10;

/// A message of the raylet, with the descriptors that came along.
pub(crate) type Message = (FromRaylet, Vec<OwnedFd>);

/// A change to what this process holds, in the order in which it happened.
enum HoldChange {
    Hold(Nested),
    Release(Nested),
}

/// See the module.
pub(crate) struct RayletLink {
    socket: ControlSocket,
    hold_changes: Vec<HoldChange>,
    /// Something is held or was seen that the raylet has not acknowledged.
    is_unsettled: bool,
    last_request: u64,
    answers: FxHashMap<u64, FromRaylet>,
    /// What the raylet has sent and was not handled yet.
    incoming: VecDeque<Message>,
    last_received: Instant,
    is_gone: bool,
    /// Why the runtime can't go on, for whoever shows it to the user.
    fatal: Option<String>,
}

impl RayletLink {
    pub(crate) fn new(socket: ControlSocket) -> Self {
        Self {
            socket,
            hold_changes: Vec::new(),
            is_unsettled: false,
            last_request: 0,
            answers: FxHashMap::default(),
            incoming: VecDeque::new(),
            last_received: Instant::now(),
            is_gone: false,
            fatal: None,
        }
    }

    /// The socket's descriptor, for an event loop.
    pub(crate) fn socket_number(&self) -> RawFd {
        self.socket.fd().as_raw_fd()
    }

    // ---- telling

    /// Queues a message, after the changes of holds that came before it.
    pub(crate) fn tell(&mut self, message: &ToRaylet) {
        self.send_hold_changes();
        self.send(message);
    }

    fn send(&mut self, message: &ToRaylet) {
        if self.is_gone {
            return;
        }
        let frame = eagleray_protocol::encode(message);
        // Nothing is written here, so the only failure is a message above its limit.
        if let Err(error) = self.socket.send_buffered(&frame, &[]) {
            self.fail(error.to_string());
        }
    }

    /// A request's number and its message, queued.
    pub(crate) fn ask(&mut self, message: impl FnOnce(u64) -> ToRaylet) -> u64 {
        self.last_request += 1;
        let request = self.last_request;
        self.tell(&message(request));
        request
    }

    /// This process holds something from now on.
    pub(crate) fn hold(&mut self, item: Nested) {
        self.is_unsettled = true;
        self.hold_changes.push(HoldChange::Hold(item));
    }

    /// This process lets go of something.
    pub(crate) fn let_go(&mut self, item: Nested) {
        self.hold_changes.push(HoldChange::Release(item));
    }

    /// Errors that the raylet answers for were looked at here. A reply waits until the raylet has heard of it: whoever has
    /// the reply may let go of the last ref, or end the runtime.
    pub(crate) fn errors_seen(&mut self, ids: &[ObjectId]) {
        self.is_unsettled = true;
        for ids in ids.chunks(ITEMS_PER_MESSAGE_MAX) {
            let ids = ids.to_vec();
            self.tell(&ToRaylet::ErrorsSeen { ids });
        }
    }

    /// Something is about to be told whose effect has to be acknowledged before others may know of it.
    pub(crate) fn unsettle(&mut self) {
        self.is_unsettled = true;
    }

    /// Asks the raylet to acknowledge all that it was told; `None` if it has, as far as that matters to others.
    pub(crate) fn settle(&mut self) -> Option<u64> {
        if !std::mem::take(&mut self.is_unsettled) {
            return None;
        }
        Some(self.ask(|request| ToRaylet::Synchronize { request }))
    }

    fn send_hold_changes(&mut self) {
        if self.hold_changes.is_empty() {
            return;
        }
        let mut changes = std::mem::take(&mut self.hold_changes)
            .into_iter()
            .peekable();
        while let Some(first) = changes.next() {
            let message = match first {
                HoldChange::Hold(item) => {
                    let mut items = vec![item];
                    while items.len() < ITEMS_PER_MESSAGE_MAX
                        && let Some(HoldChange::Hold(item)) =
                            changes.next_if(|next| matches!(next, HoldChange::Hold(_)))
                    {
                        items.push(item);
                    }
                    ToRaylet::Hold { request: 0, items }
                }
                HoldChange::Release(item) => {
                    let mut items = vec![item];
                    while items.len() < ITEMS_PER_MESSAGE_MAX
                        && let Some(HoldChange::Release(item)) =
                            changes.next_if(|next| matches!(next, HoldChange::Release(_)))
                    {
                        items.push(item);
                    }
                    ToRaylet::Release { items }
                }
            };
            self.send(&message);
        }
    }

    /// Writes what is queued, as far as the socket takes it.
    pub(crate) fn flush(&mut self) {
        self.send_hold_changes();
        if self.socket.wants_write()
            && !self.is_gone
            && let Err(error) = self.socket.flush()
        {
            self.write_failed(&error);
        }
    }

    /// Whether something is queued that the socket did not take.
    pub(crate) fn wants_write(&self) -> bool {
        !self.is_gone && self.socket.wants_write()
    }

    fn write_failed(&mut self, error: &io::Error) {
        if is_peer_gone(error) {
            // The raylet has closed its end; what it has said before counts, and may say why.
            self.receive();
            self.is_gone = true;
        } else {
            self.fail(error.to_string());
        }
    }

    // ---- hearing

    /// Reads the socket unless that was done just now: a system call per task would cost more
    /// than the task. Whoever sleeps is woken by the socket, and reads it then. True if something came.
    pub(crate) fn receive_if_due(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.last_received);
        !self.is_gone && elapsed >= RECEIVE_INTERVAL && self.receive()
    }

    /// The event loop watches the control socket too: what it has not told of was not there just now.
    pub(crate) fn looked(&mut self) {
        self.last_received = Instant::now();
    }

    /// Reads what the raylet has sent. True if something came.
    pub(crate) fn receive(&mut self) -> bool {
        self.last_received = Instant::now();
        let mut frames: Vec<(Vec<u8>, Vec<OwnedFd>)> = Vec::new();
        let received = self
            .socket
            .receive(|frame, fds| frames.push((frame.to_vec(), fds)));
        let has_some = !frames.is_empty();
        for (frame, fds) in frames {
            self.sort(&frame, fds);
        }
        match received {
            Ok(Received::Open) => {}
            Ok(Received::Closed) => self.is_gone = true,
            Err(error) => self.fail(error.to_string()),
        }
        has_some
    }

    /// Keeps one message of the raylet, in its binary form.
    pub(crate) fn sort(&mut self, frame: &[u8], fds: Vec<OwnedFd>) {
        match eagleray_protocol::decode::<FromRaylet>(frame) {
            Ok(message) => match answers(&message) {
                Some(request) => {
                    self.answers.insert(request, message);
                }
                None => self.incoming.push_back((message, fds)),
            },
            Err(error) => self.fail(format!("the raylet sent something malformed: {error}")),
        }
    }

    /// The next message that is no answer.
    pub(crate) fn next_message(&mut self) -> Option<Message> {
        self.incoming.pop_front()
    }

    /// Whether messages wait to be handled.
    pub(crate) fn has_messages(&self) -> bool {
        !self.incoming.is_empty()
    }

    /// The answer to a request, if it is there.
    pub(crate) fn take_answer(&mut self, request: u64) -> Option<FromRaylet> {
        self.answers.remove(&request)
    }

    // ---- the end

    /// True once the raylet is gone, or can't be talked to.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// The runtime can't go on.
    pub(crate) fn fail(&mut self, reason: String) {
        if !std::mem::replace(&mut self.is_gone, true) {
            self.fatal = Some(reason);
        }
    }

    /// Why the runtime can't go on; told once.
    pub(crate) fn take_fatal(&mut self) -> Option<String> {
        self.fatal.take()
    }
}

/// The request that a message answers.
fn answers(message: &FromRaylet) -> Option<u64> {
    match message {
        FromRaylet::Granted { request, .. }
        | FromRaylet::Acknowledged { request }
        | FromRaylet::FoundActor { request, .. }
        | FromRaylet::Environment { request, .. }
        | FromRaylet::Node { request, .. }
        | FromRaylet::ActorCreated { request, .. }
        | FromRaylet::Unheld { request, .. } => Some(*request),
        _ => None,
    }
}
