//! Pieces for processes that share descriptors with the one that started them and end with it.
//!
//! The function for [`pre_exec`](std::os::unix::process::CommandExt::pre_exec) runs between `fork` and
//! `exec`: it allocates nothing and takes no lock.

use crate::platform;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};

/// From now on this process ends with the process that started it, at once and whatever its threads do, together with
/// what it has itself started in the group that it leads. `parent` is the parent's process id; if that parent has ended
/// already, all this happens now. What was given a group of its own (a `detached` child) lives on.
///
/// It is the same when this process exits by itself (`exit`), with the exit code as ever: who sees at a closed socket that the
/// parent ends may exit before the kernel tells of it.
///
/// To be called on the main thread. It is the **thread** that forked whose end counts, so start children from a thread
/// that lives as long as they should. A process that changes its credentials loses the setting. A process that is
/// stopped by then is continued by the kernel and ends, if it leads a group in its parent's session and nobody of that session
/// adopts it; otherwise, and if the stop was sent and not yet carried out, it ends when whoever has stopped it lets it go on.
///
/// # Errors
/// That of the system, which has no such setting or does not allow it.
pub fn end_with_parent(parent: u32) -> io::Result<()> {
    platform::end_with_parent(parent)
}

/// Whether this is the thread that the process has started with.
pub fn is_main_thread() -> bool {
    platform::is_main_thread()
}

/// For `pre_exec`: gives the child `fd` as descriptor `number`, open across `exec`. When several are
/// placed, no source may have a number that an earlier call has overwritten: first move the sources above
/// the targets.
pub fn place_fd(fd: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    platform::duplicate_at(fd, number)
}

/// Sets whether `fd` is closed when this process executes another program.
pub fn set_close_on_exec(fd: BorrowedFd<'_>, close: bool) -> io::Result<()> {
    platform::set_close_on_exec(fd, close)
}

/// Sets whether reading and writing `fd` fails with `WouldBlock` instead of waiting. It holds for every
/// duplicate of the descriptor, in other processes too.
pub fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    platform::set_nonblocking(fd, nonblocking)
}

/// Kills a process that leads a group of its own, and what it has started in that group. An error says that there is
/// none of them any more.
pub fn kill_group(leader: u32) -> io::Result<()> {
    platform::kill_group(leader)
}

/// True if a child of this process has ended. It is not reaped, so its number stays its own. An error says that there is no
/// such child (any more).
pub fn has_ended(child: u32) -> io::Result<bool> {
    platform::has_ended(child)
}

/// Kills this process and all that it has started in its group, itself included. Returns only if the system refuses.
pub fn kill_own_group() -> io::Error {
    platform::kill_own_group()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn that_a_child_has_ended_is_seen_without_reaping_it() {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        assert!(!has_ended(child.id()).unwrap());
        drop(child.stdin.take());
        while !has_ended(child.id()).unwrap() {
            std::thread::yield_now();
        }
        assert!(has_ended(child.id()).unwrap());
        assert!(
            child
                .try_wait()
                .unwrap()
                .is_some_and(|status| status.success())
        );
        assert!(has_ended(child.id()).is_err(), "it is reaped");
    }

    #[test]
    fn a_number_that_is_no_childs_is_an_error() {
        assert!(has_ended(std::process::id()).is_err());
    }
}
