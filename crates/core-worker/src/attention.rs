//! Who looks when something comes in: the whole protocol of sleeping and waking of this process.
//!
//! Two threads may look: JavaScript's own, and the pacemaker's while JavaScript computes. JavaScript sleeps in its event
//! loop, over two descriptors: this process's doorbell and its control socket. A frame in a ring wakes it only if the
//! mailbox says that it sleeps; a message of the raylet always does. What one thread has taken in, the other is not
//! woken for by its descriptor, so it is told by the doorbell.
//!
//! - **AT-1:** JavaScript is *idle* from when it was told that there is nothing for it until it looks again. Whoever
//!   takes something in meanwhile rings the doorbell.
//! - **AT-2:** a thread that is about to sleep writes SLEEPING into the mailbox, and then looks at its rings once more.
//! - **AT-3:** while JavaScript's thread waits inside a call it *attends*: it wakes for everything, and the pacemaker
//!   has nothing to do.

use std::os::fd::{AsRawFd, RawFd};

use eagleray_ipc::{AdaptiveSpin, Doorbell, Mailbox};

/// See the module.
pub(crate) struct Attention {
    mailbox: Mailbox,
    doorbell: Doorbell,
    spin: AdaptiveSpin,
    /// JavaScript was told that there is nothing for it, and has not looked since (AT-1).
    is_idle: bool,
    /// JavaScript has asked for something and may compute for long before its turn ends.
    is_turn_open: bool,
    /// Something came in, or the mailbox says awake, since JavaScript has looked.
    has_news: bool,
    /// JavaScript's thread waits inside a call (AT-3).
    is_attended: bool,
    /// The pacemaker has something to look after.
    is_pace_needed: bool,
}

impl Attention {
    pub(crate) fn new(mailbox: Mailbox, doorbell: Doorbell) -> Self {
        Self {
            mailbox,
            doorbell,
            spin: AdaptiveSpin::new(eagleray_ipc::spin::SPIN_MAX_US),
            is_idle: false,
            is_turn_open: false,
            has_news: false,
            is_attended: false,
            is_pace_needed: false,
        }
    }

    /// The doorbell's descriptor, for an event loop.
    pub(crate) fn doorbell_number(&self) -> RawFd {
        self.doorbell.fd().as_raw_fd()
    }

    // ---- JavaScript's turns

    /// JavaScript hands operations over and will look at the end of its turn. `more`: it may write further ones in
    /// this turn without saying so.
    pub(crate) fn turn_goes_on(&mut self, more: bool) {
        self.is_idle = false;
        self.is_turn_open |= more;
        self.is_pace_needed |= more;
    }

    /// JavaScript waits for something that it has asked for, and looks at the end of its turn.
    pub(crate) fn will_look(&mut self) {
        self.is_idle = false;
    }

    /// JavaScript has looked.
    pub(crate) fn has_looked(&mut self) {
        self.is_idle = false;
        self.is_turn_open = false;
        self.has_news = false;
    }

    /// Something came in over the control socket.
    pub(crate) fn note_news(&mut self) {
        self.has_news = true;
    }

    /// JavaScript is about to sleep in its event loop (AT-2). True if it may; `finds` looks once more.
    pub(crate) fn fall_asleep(&mut self, finds: impl FnOnce() -> bool) -> bool {
        self.mailbox.prepare_to_sleep();
        self.is_idle = !finds() && !self.has_news;
        if !self.is_idle {
            self.mailbox.cancel_sleep();
        }
        self.is_idle
    }

    /// JavaScript was woken by its event loop. True if it was by the doorbell, false if by the control socket.
    pub(crate) fn woken(&mut self) -> bool {
        self.mailbox.cancel_sleep();
        self.doorbell.clear().unwrap_or(false)
    }

    /// Sees to it that JavaScript looks, after a call that may have taken in what JavaScript was to be woken
    /// for, and that JavaScript does not follow up with a look of its own (AT-1).
    pub(crate) fn rouse(&mut self, has_events: bool) {
        if self.is_idle && (self.has_news || has_events) {
            self.is_idle = false;
            self.wake();
        }
    }

    /// Rings this process's own doorbell. The message that brought work may have been read by the
    /// pacemaker, or by a call of JavaScript that takes no tasks: the socket wakes nobody again.
    pub(crate) fn wake(&self) {
        // Full, the doorbell wakes as well.
        let _ = self.doorbell.ring();
    }

    // ---- a thread that waits inside a call

    /// JavaScript's thread begins or ends to wait inside a call (AT-3).
    pub(crate) fn attend(&mut self, is_attended: bool) {
        self.is_attended = is_attended;
    }

    /// The thread is about to sleep on the doorbell and the control socket (AT-2). True if it may; `finds` looks
    /// once more.
    pub(crate) fn prepare_to_block(&mut self, finds: impl FnOnce() -> bool) -> bool {
        self.mailbox.prepare_to_sleep();
        if finds() {
            self.mailbox.cancel_sleep();
            return false;
        }
        true
    }

    /// The thread has slept.
    pub(crate) fn unblocked(&mut self) {
        self.mailbox.cancel_sleep();
        let _ = self.doorbell.clear();
        // Nobody rings for JavaScript any more, before it has looked.
        self.has_news = true;
    }

    /// Spins until `finds` is true, for as long as that has paid off lately.
    pub(crate) fn spin(&mut self, finds: impl FnMut() -> bool) -> bool {
        self.spin.spin(finds)
    }

    // ---- the pacemaker

    /// The pacemaker has something to look after.
    pub(crate) fn need_pace(&mut self) {
        self.is_pace_needed = true;
    }

    /// Whether the pacemaker has to be told that it is needed; told once. Not while JavaScript's thread attends: it
    /// is told again when that ends.
    pub(crate) fn take_pace_needed(&mut self) -> bool {
        !self.is_attended && std::mem::take(&mut self.is_pace_needed)
    }

    /// Whether JavaScript's thread sees to everything itself.
    pub(crate) fn is_attended(&self) -> bool {
        self.is_attended
    }

    /// Whether JavaScript's turn is open, in which it may compute for long.
    pub(crate) fn is_turn_open(&self) -> bool {
        self.is_turn_open
    }
}
