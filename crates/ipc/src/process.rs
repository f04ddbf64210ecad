//! Pieces for starting a child process that shares descriptors with its parent and ends with it.
//!
//! The functions for [`pre_exec`](std::os::unix::process::CommandExt::pre_exec) run between `fork` and
//! `exec`: they allocate nothing and take no lock.

use crate::platform;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};

/// For `pre_exec`: the kernel kills this process when its parent ends. `parent` is the parent's process id,
/// taken before the fork; fails with ESRCH if that parent has died already.
///
/// It is the **thread** that forked whose end kills, so start children from a thread that lives as long as
/// they should. A process that changes its credentials on `exec` loses the setting.
pub fn die_with_parent(parent: u32) -> io::Result<()> {
    platform::die_with_parent(parent)
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

/// Kills this process and all that it has started in its group, itself included. Returns only if the system refuses.
pub fn kill_own_group() -> io::Error {
    platform::kill_own_group()
}
