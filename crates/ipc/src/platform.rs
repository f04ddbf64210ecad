//! The system calls of this crate (Linux). Everything else in it is portable Rust; another system gets
//! another file with these functions.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

/// The most file descriptors that travel with one message. Linux allows 253.
pub(crate) const FDS_PER_MESSAGE_MAX: usize = 64;

/// Space for the control data of one message: header and descriptors, aligned as the system wants it.
const CONTROL_WORDS: usize = 8 + FDS_PER_MESSAGE_MAX.div_ceil(2);

/// Whether this is the thread that the process has started with: its number is the process's.
pub(crate) fn is_main_thread() -> bool {
    // SAFETY: no arguments.
    unsafe { libc::gettid() == libc::getpid() }
}

/// A non-blocking event counter.
pub(crate) fn event_counter() -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd = check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })?;
    // SAFETY: the call has just made this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Adds one to an event counter. A counter that is full counts as success: its owner wakes anyway.
pub(crate) fn event_add(fd: BorrowedFd<'_>) -> io::Result<()> {
    let one = 1u64.to_ne_bytes();
    // SAFETY: eight readable bytes.
    let written = retry(|| unsafe { libc::write(fd.as_raw_fd(), one.as_ptr().cast(), one.len()) });
    match written {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

/// Sets an event counter to zero and returns what it was.
pub(crate) fn event_take(fd: BorrowedFd<'_>) -> io::Result<u64> {
    let mut count = [0u8; 8];
    // SAFETY: eight writable bytes.
    let read =
        retry(|| unsafe { libc::read(fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) });
    match read {
        Ok(8) => Ok(u64::from_ne_bytes(count)),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "this is not an event counter",
        )),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(error),
    }
}

/// One descriptor to wait for.
#[derive(Clone, Copy)]
pub(crate) struct Interest<'a> {
    pub(crate) fd: BorrowedFd<'a>,
    pub(crate) writable: bool,
}

/// What became of an [`Interest`]. An error or a hang-up counts as both.
#[derive(Clone, Copy, Default)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

/// The most descriptors that one call of [`poll`] waits for.
pub(crate) const POLL_MAX: usize = 64;

/// Waits until a descriptor is readable (or writable, where wanted) or the time is over; `None` waits for
/// ever. A signal ends the wait early with nothing ready and `Interrupted`.
pub(crate) fn poll(
    interests: &[Interest<'_>],
    timeout: Option<Duration>,
    ready: &mut [Readiness],
) -> io::Result<()> {
    if interests.len() > POLL_MAX || ready.len() < interests.len() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many descriptors to wait for",
        ));
    }
    let mut polled = [libc::pollfd {
        fd: -1,
        events: 0,
        revents: 0,
    }; POLL_MAX];
    for (entry, interest) in polled.iter_mut().zip(interests) {
        entry.fd = interest.fd.as_raw_fd();
        entry.events = if interest.writable {
            libc::POLLIN | libc::POLLOUT
        } else {
            libc::POLLIN
        };
    }
    let time = timeout.map(to_timespec);
    let time_pointer = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let count = interests.len() as libc::nfds_t;
    // SAFETY: `polled` has at least `count` entries; the time is null or valid; no signal mask.
    check(unsafe { libc::ppoll(polled.as_mut_ptr(), count, time_pointer, std::ptr::null()) })?;
    for (readiness, entry) in ready.iter_mut().zip(&polled[..interests.len()]) {
        let broken = entry.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0;
        readiness.readable = broken || entry.revents & libc::POLLIN != 0;
        readiness.writable = broken || entry.revents & libc::POLLOUT != 0;
    }
    Ok(())
}

/// Two connected non-blocking stream sockets.
pub(crate) fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds: [RawFd; 2] = [-1; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: room for two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) })?;
    // SAFETY: the call has just made these descriptors; nobody else owns them.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// Sets whether reads and writes of a descriptor (and of its duplicates) fail instead of waiting.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    // SAFETY: no pointers.
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    let wanted = if nonblocking {
        flags | libc::O_NONBLOCK
    } else {
        flags & !libc::O_NONBLOCK
    };
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, wanted) }).map(drop)
}

/// Sets whether a descriptor is closed when this process executes another program.
pub(crate) fn set_close_on_exec(fd: BorrowedFd<'_>, close: bool) -> io::Result<()> {
    let flags = if close { libc::FD_CLOEXEC } else { 0 };
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, flags) }).map(drop)
}

/// Makes `number` a duplicate of `fd` that survives `exec`. Async-signal-safe.
pub(crate) fn duplicate_at(fd: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    if fd.as_raw_fd() == number {
        return set_close_on_exec(fd, false);
    }
    // SAFETY: no pointers.
    check(unsafe { libc::dup2(fd.as_raw_fd(), number) }).map(drop)
}

/// Sends some bytes, with descriptors on the first of them. Returns how many bytes have gone.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[OwnedFd]) -> io::Result<usize> {
    assert!(fds.len() <= FDS_PER_MESSAGE_MAX);
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut control = [0u64; CONTROL_WORDS];
    // SAFETY: an all-zero header is a valid one: no name, no parts, no control data.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    if !fds.is_empty() {
        let length = mem::size_of_val(fds) as u32;
        message.msg_control = control.as_mut_ptr().cast();
        // SAFETY: a computation only. Assigned without a cast, as its type differs between C libraries.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(length) } as _;
        assert!(message.msg_controllen as usize <= mem::size_of_val(&control));
        // SAFETY: `control` is aligned and holds CMSG_SPACE(length) bytes (asserted), so the first header
        // and its data lie inside it; `OwnedFd` has the layout of the descriptor's number.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(length) as _;
            let data = libc::CMSG_DATA(header);
            std::ptr::copy_nonoverlapping(fds.as_ptr().cast::<u8>(), data, length as usize);
        }
    }
    // SAFETY: the header's pointers are to `part`, `bytes` and `control`, all alive.
    retry(|| unsafe { libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL) })
}

/// Receives some bytes into `buffer` and the descriptors that come with them, close-on-exec, into `fds`.
/// Zero bytes: the peer has closed.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    fds: &mut impl Extend<OwnedFd>,
) -> io::Result<usize> {
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let mut control = [0u64; CONTROL_WORDS];
    // SAFETY: an all-zero header is a valid one.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = mem::size_of_val(&control) as _;
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: the header's pointers are to `part`, `buffer` and `control`, all alive and writable.
    let received = retry(|| unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, flags) })?;
    // SAFETY: the kernel has filled in `message` and `control`; the macros stay inside them.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&message) };
    while !header.is_null() {
        // SAFETY: not null, inside `control`.
        let entry = unsafe { &*header };
        if entry.cmsg_level == libc::SOL_SOCKET && entry.cmsg_type == libc::SCM_RIGHTS {
            // SAFETY: a computation only.
            let header_length = unsafe { libc::CMSG_LEN(0) } as usize;
            let count = (entry.cmsg_len as usize - header_length) / mem::size_of::<RawFd>();
            // SAFETY: `count` descriptors, which the kernel has just made, follow the header.
            let received_fds = (0..count).map(|index| unsafe {
                let data = libc::CMSG_DATA(header).cast::<RawFd>();
                OwnedFd::from_raw_fd(data.add(index).read_unaligned())
            });
            fds.extend(received_fds);
        }
        // SAFETY: both are as the kernel has left them.
        header = unsafe { libc::CMSG_NXTHDR(&message, header) };
    }
    if message.msg_flags & libc::MSG_CTRUNC != 0 {
        // Some descriptors were dropped: too many at once, or this process has no numbers left.
        return Err(io::Error::other(
            "file descriptors were lost on their way: this process has too many open files, and may have more \
             where the limit (ulimit -n) is higher",
        ));
    }
    Ok(received)
}

/// What the kernel sends to a process whose parent has ended.
///
/// A real-time signal in the middle of their range, because nobody else takes it: glibc keeps 32 and 33 for itself and musl
/// 32 to 34, runtimes such as .NET take the next ones, the JVM and valgrind take theirs from the other end (62 and 64). Node
/// names no signal above 31, so a program in JavaScript can't listen to it; libuv and V8 use SIGCHLD, SIGUSR1 and SIGPROF.
const PARENT_ENDED: libc::c_int = 50;

/// The parent with which this process ends.
static PARENT: AtomicI32 = AtomicI32::new(0);

/// The process that has asked for that. Copies of it, which a library may fork, have not.
static WORKER: AtomicI32 = AtomicI32::new(0);

/// Has the kernel send [`PARENT_ENDED`] to this process when the thread that started it ends, and this process kill its
/// group and itself then.
pub(crate) fn end_with_parent(parent: u32) -> io::Result<()> {
    let parent = libc::pid_t::try_from(parent).map_err(io::Error::other)?;
    PARENT.store(parent, Ordering::Relaxed);
    listen_to(PARENT_ENDED, on_parent_ended)?;
    // Where a stopped process has lost its parent, the kernel has it go on and sends this, which comes first.
    listen_to(libc::SIGHUP, on_hang_up)?;
    // SAFETY: no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, PARENT_ENDED) })?;
    // SAFETY: no arguments, can't fail.
    let own = unsafe { libc::getpid() };
    // SAFETY: the handler is of this module, which is never unloaded before the process exits.
    if WORKER.swap(own, Ordering::Relaxed) != own && unsafe { libc::atexit(on_exit) } != 0 {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    // The parent may have ended before the line above; then this process has been adopted already.
    if has_lost_parent() {
        end_own_group();
    }
    Ok(())
}

/// Calls an async-signal-safe function when a signal comes, whoever has blocked or ignored it before.
fn listen_to(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) -> io::Result<()> {
    // SAFETY: all-zero is a valid value: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    // SAFETY: the action is valid for reading.
    check(unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) })?;
    // A mask is inherited from whoever started the process. The signal is the process's: one thread that does not block
    // it is enough, and this one is the main thread, which lives as long as the process.
    // SAFETY: an all-zero set is a valid value to overwrite.
    let mut signals: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: the set is valid for writing, and for reading afterwards.
    let failed = unsafe {
        libc::sigemptyset(&mut signals);
        libc::sigaddset(&mut signals, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &signals, std::ptr::null_mut())
    };
    if failed != 0 {
        return Err(io::Error::from_raw_os_error(failed));
    }
    Ok(())
}

extern "C" fn on_parent_ended(_signal: libc::c_int) {
    end_own_group();
}

extern "C" fn on_hang_up(signal: libc::c_int) {
    if has_lost_parent() {
        end_own_group();
    }
    // Somebody has sent it: it ends this process, and whoever asks is told that it did.
    // SAFETY: no pointers.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::kill(libc::getpid(), signal);
    }
}

/// Ends what this process has started in its group when it exits by itself: it may have seen its parent's files closed, which
/// is before the kernel tells anybody of the parent's end, and after the exit there is nobody left to be told. The exit code
/// stays what it is for a parent that is there to ask.
extern "C" fn on_exit() {
    let (own, parent) = (
        WORKER.load(Ordering::Relaxed),
        PARENT.load(Ordering::Relaxed),
    );
    // SAFETY: no pointers; the parent's number is the parent's, whose child has asked for it and was not adopted.
    unsafe {
        if libc::getpid() != own {
            return;
        }
        // Whoever is in the group is killed, so this process leaves it first, for that of its parent.
        let outside = libc::getpgrp() != own || libc::setpgid(0, libc::getpgid(parent)) == 0;
        if outside {
            libc::kill(-own, libc::SIGKILL);
        } else if has_lost_parent() {
            end_own_group();
        }
        // Else the parent has a session of its own by now, and ends the group when it learns of this exit.
    }
}

/// Whether another process than [`PARENT`] is the parent by now. Async-signal-safe.
fn has_lost_parent() -> bool {
    // SAFETY: no arguments, can't fail.
    unsafe { libc::getppid() != PARENT.load(Ordering::Relaxed) }
}

/// Kills all processes of the group that this process leads, itself included. Async-signal-safe.
fn end_own_group() {
    // Not `kill(0, …)`: whatever group this process is in by now, the one with its number is its own, and no other.
    // SAFETY: no pointers.
    unsafe {
        let own = libc::getpid();
        libc::kill(-own, libc::SIGKILL);
        // It may have moved to another group, or lead none.
        libc::kill(own, libc::SIGKILL);
    }
}

/// See [`crate::process::has_ended`].
pub(crate) fn has_ended(child: u32) -> io::Result<bool> {
    // SAFETY: an all-zero record is a valid value to overwrite.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` is valid for writing.
    if unsafe { libc::waitid(libc::P_PID, child, &raw mut info, options) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `waitid` has filled the record of a child's end, or left it zero if there is none.
    Ok(unsafe { info.si_pid() } != 0)
}

/// Kills all processes of a group.
pub(crate) fn kill_group(leader: u32) -> io::Result<()> {
    let group = libc::pid_t::try_from(leader).map_err(io::Error::other)?;
    // SAFETY: no pointers.
    check(unsafe { libc::killpg(group, libc::SIGKILL) }).map(|_| ())
}

/// Kills all processes of this process's group, itself included.
pub(crate) fn kill_own_group() -> io::Error {
    // SAFETY: no pointers.
    match check(unsafe { libc::kill(0, libc::SIGKILL) }) {
        Ok(_) => io::Error::other("this process was killed and goes on"),
        Err(error) => error,
    }
}

fn to_timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: duration.subsec_nanos() as libc::c_long,
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Repeats a call that a signal has interrupted.
fn retry(mut call: impl FnMut() -> libc::ssize_t) -> io::Result<usize> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
