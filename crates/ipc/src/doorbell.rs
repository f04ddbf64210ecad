//! A process's doorbell: a descriptor that becomes readable when somebody rings, for `ppoll` and for an
//! event loop. It says *that* something happened, not what, and rings before it is cleared are one.

use crate::platform::{self, Interest, POLL_MAX, Readiness};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The most descriptors that [`wait`] waits for.
pub const WAIT_MAX: usize = POLL_MAX;

/// An event counter of the kernel, non-blocking and close-on-exec.
#[derive(Debug)]
pub struct Doorbell {
    fd: OwnedFd,
}

impl Doorbell {
    /// Makes a doorbell that nobody has rung.
    pub fn create() -> io::Result<Self> {
        platform::event_counter().map(Self::from_fd)
    }

    /// Takes over the descriptor of a doorbell that another process has made.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Rings: the descriptor becomes readable. Costs about a microsecond and more if it wakes somebody, so
    /// let [`Mailbox::wake`](crate::Mailbox::wake) decide.
    pub fn ring(&self) -> io::Result<()> {
        platform::event_add(self.fd())
    }

    /// Makes the descriptor unreadable again; true if somebody had rung. Clear first, look at the rings
    /// afterwards: what comes in between rings again.
    pub fn clear(&self) -> io::Result<bool> {
        platform::event_take(self.fd()).map(|count| count > 0)
    }

    /// The descriptor, for an event loop.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Another handle of the same doorbell.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.fd.try_clone().map(Self::from_fd)
    }

    /// Gives up the descriptor.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

/// Waits until one of at most [`WAIT_MAX`] descriptors is readable, closed by its peer, or broken, and
/// returns bit `i` for `fds[i]`; 0 when the time is over. `None` waits for ever. Signals do not end it.
pub fn wait(fds: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<u64> {
    wait_or_write(fds, None, timeout)
}

/// As [`wait`], and also until `writable` takes bytes: bit `fds.len()`. With it there are at most [`WAIT_MAX`]
/// descriptors.
pub fn wait_or_write(
    fds: &[BorrowedFd<'_>],
    writable: Option<BorrowedFd<'_>>,
    timeout: Option<Duration>,
) -> io::Result<u64> {
    if fds.len() + usize::from(writable.is_some()) > WAIT_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many descriptors to wait for",
        ));
    }
    let reads = fds.iter().map(|&fd| Interest {
        fd,
        writable: false,
    });
    let write = writable.map(|fd| Interest { fd, writable: true });
    let interests: Vec<_> = reads.chain(write).collect();
    let mut ready = [Readiness::default(); WAIT_MAX];
    poll_until(&interests, Deadline::after(timeout), &mut ready)?;
    let is_ready = |(index, readiness): (usize, &Readiness)| {
        if index < fds.len() {
            readiness.readable
        } else {
            readiness.writable
        }
    };
    let bits = ready
        .iter()
        .take(interests.len())
        .enumerate()
        .filter(|&entry| is_ready(entry));
    Ok(bits.fold(0, |mask, (index, _)| mask | 1 << index))
}

/// When a wait ends at the latest.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// `None`, and times beyond the clock's range, never end.
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    fn remaining(self) -> Option<Duration> {
        self.0
            .map(|end| end.saturating_duration_since(Instant::now()))
    }
}

/// Polls again after a signal, with the time that is left.
pub(crate) fn poll_until(
    interests: &[Interest<'_>],
    deadline: Deadline,
    ready: &mut [Readiness],
) -> io::Result<()> {
    loop {
        match platform::poll(interests, deadline.remaining(), ready) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
