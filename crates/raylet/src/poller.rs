//! Waiting for descriptors: a thin, safe layer over `epoll` and process descriptors (Linux).
//!
//! Owns: the system calls. Is not: the owner of the descriptors it watches; one that is closed leaves
//! the set by itself.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Events taken in by one call of [`Poller::wait`]; more come with the next.
const EVENTS_MAX: usize = 128;

/// What a watched descriptor belongs to: chosen by the caller, given back with each event.
pub(crate) type Token = u64;

/// A descriptor that can be used now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) token: Token,
    /// Readable, closed by its peer, or broken.
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

/// A set of watched descriptors.
pub(crate) struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the call has just made this descriptor; nobody else owns it.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { epoll })
    }

    /// Watches a descriptor for being readable.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, false)
    }

    /// Sets whether a watched descriptor is also watched for being writable.
    pub(crate) fn watch_writable(
        &self,
        fd: BorrowedFd<'_>,
        token: Token,
        writable: bool,
    ) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, writable)
    }

    /// Stops watching a descriptor.
    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, false)
    }

    fn control(
        &self,
        operation: libc::c_int,
        fd: BorrowedFd<'_>,
        token: Token,
        writable: bool,
    ) -> io::Result<()> {
        let events = libc::EPOLLIN | if writable { libc::EPOLLOUT } else { 0 };
        let mut event = libc::epoll_event {
            events: events.cast_unsigned(),
            u64: token,
        };
        // SAFETY: `event` is valid for the call; both descriptors are open while borrowed.
        check(unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                operation,
                fd.as_raw_fd(),
                &raw mut event,
            )
        })
        .map(drop)
    }

    /// Waits until something is ready or the time is over; `None` waits for ever. May return early with
    /// nothing, when a signal came.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<Ready>> {
        // Rounded up, so that a deadline has passed when its wait ends.
        let milliseconds = timeout.map_or(-1, |timeout| {
            libc::c_int::try_from(timeout.as_micros().div_ceil(1_000)).unwrap_or(libc::c_int::MAX)
        });
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX];
        // SAFETY: room for EVENTS_MAX events.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                events.as_mut_ptr(),
                EVENTS_MAX as libc::c_int,
                milliseconds,
            )
        };
        let count = match check(count) {
            Ok(count) => count.unsigned_abs() as usize,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        let broken = (libc::EPOLLERR | libc::EPOLLHUP).cast_unsigned();
        let ready = events[..count].iter().map(|event| Ready {
            token: event.u64,
            readable: event.events & (libc::EPOLLIN.cast_unsigned() | broken) != 0,
            writable: event.events & (libc::EPOLLOUT.cast_unsigned() | broken) != 0,
        });
        Ok(ready.collect())
    }
}

/// A descriptor that becomes readable when the process, a child of this one, has ended.
pub(crate) fn process_descriptor(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
    let fd = check(libc::c_int::try_from(fd).unwrap_or(-1))?;
    // SAFETY: the call has just made this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
