//! Processes that end with the one that started them, together with what they have started.
//!
//! Each test has three generations beside itself: a parent, a worker that asks to end with it, and the worker's child.
//! Worker and child have the only writing ends of a pipe: its end is theirs.
#![cfg(not(loom))]

#[allow(dead_code)]
mod support;

use std::io::{PipeReader, PipeWriter, Read, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use eagleray_ipc::{process, wait};
use support::fork;

/// Only ever reached when a process has outlived its parent: then the test fails instead of hanging.
const LOST: Option<Duration> = Some(Duration::from_secs(20));

/// Not even the signal that nobody can catch needs to be this one: each end of a parent is the same to the kernel.
const SIGNALS: [libc::c_int; 4] = [libc::SIGKILL, libc::SIGTERM, libc::SIGABRT, libc::SIGHUP];

/// What a worker does when its parent ends.
#[derive(Clone, Copy, Debug)]
enum State {
    Loops,
    Waits,
    Stopped,
    /// Its threads were started with every signal blocked, as those of some libraries are.
    StartedBlocked,
}

/// Pids of worker and child, in the order in which they are ready.
struct Family {
    told: PipeReader,
    alive: PipeReader,
}

impl Family {
    /// Pipes for a family, and the ends that it gets.
    fn prepare() -> (Self, PipeWriter, PipeWriter) {
        let (told, tells) = pipe().unwrap();
        let (alive, lives) = pipe().unwrap();
        (Self { told, alive }, tells, lives)
    }

    fn pids(&mut self) -> [libc::pid_t; 2] {
        let mut bytes = [0; 8];
        self.told.read_exact(&mut bytes).unwrap();
        [0, 4].map(|at| libc::pid_t::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()))
    }

    fn expect_gone(&self, pids: [libc::pid_t; 2], what: &str) {
        let gone = wait(&[self.alive.as_fd()], LOST).unwrap() == 1;
        if !gone {
            for pid in pids {
                // SAFETY: processes of this test, which are alive or waited for by nobody.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
        }
        assert!(gone, "a process has outlived its parent: {what}");
    }
}

fn tell(to: &PipeWriter) -> bool {
    let id = std::process::id().to_ne_bytes();
    // SAFETY: four readable bytes.
    unsafe { libc::write(to.as_raw_fd(), id.as_ptr().cast(), 4) == 4 }
}

fn pause_for_ever() -> bool {
    loop {
        // SAFETY: no arguments.
        unsafe { libc::pause() };
    }
}

/// The worker's child; it asks for nothing, and a hang-up is nothing to it.
fn start_child(tells: &PipeWriter) -> bool {
    // SAFETY: the child calls async-signal-safe functions only.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: no pointers.
            unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
            tell(tells) && pause_for_ever()
        }
        id => id > 0,
    }
}

fn lead_group() -> bool {
    // SAFETY: no pointers.
    unsafe { libc::setpgid(0, 0) == 0 }
}

fn run_worker(state: State, parent: u32, tells: &PipeWriter) -> bool {
    if matches!(state, State::StartedBlocked) {
        // SAFETY: a set that is filled before it is read.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
        }
    }
    let begun = lead_group() && process::end_with_parent(parent).is_ok() && start_child(tells);
    if !begun || !tell(tells) {
        return false;
    }
    match state {
        State::Loops => loop {
            std::hint::spin_loop();
        },
        State::Waits | State::Stopped | State::StartedBlocked => pause_for_ever(),
    }
}

#[test]
fn a_worker_and_what_it_has_started_end_with_its_parent() {
    for state in [
        State::Loops,
        State::Waits,
        State::Stopped,
        State::StartedBlocked,
    ] {
        for signal in SIGNALS {
            let (mut family, tells, lives) = Family::prepare();
            let parent = fork(|| {
                let parent = std::process::id();
                // SAFETY: the worker calls async-signal-safe functions only.
                if unsafe { libc::fork() } == 0 {
                    return run_worker(state, parent, &tells);
                }
                // SAFETY: descriptors of this process.
                let closed = unsafe {
                    libc::close(tells.as_raw_fd()) == 0 && libc::close(lives.as_raw_fd()) == 0
                };
                closed && pause_for_ever()
            });
            drop((tells, lives));
            let pids = family.pids();
            if matches!(state, State::Stopped) {
                for pid in pids {
                    // The child came first or second: whichever is the worker, both stop.
                    // SAFETY: processes of this test.
                    assert_eq!(unsafe { libc::kill(pid, libc::SIGSTOP) }, 0);
                }
            }
            // SAFETY: a child of this process that was not waited for.
            assert_eq!(unsafe { libc::kill(parent.id, signal) }, 0);
            assert_eq!(parent.wait(), -signal);
            family.expect_gone(pids, &format!("{state:?}, signal {signal}"));
        }
    }
}

/// To the worker a wrong parent looks exactly like one that has ended before it asked: it was adopted by another.
#[test]
fn a_worker_whose_parent_has_ended_already_ends_with_what_it_has_started() {
    let (mut family, tells, lives) = Family::prepare();
    let worker = fork(|| {
        lead_group()
            && tell(&tells)
            && start_child(&tells)
            && process::end_with_parent(u32::MAX >> 1).is_ok()
    });
    drop((tells, lives));
    assert_eq!(worker.wait(), -libc::SIGKILL);
    // The child may have been ended before it could tell its number.
    let mut first = [0; 4];
    family.told.read_exact(&mut first).unwrap();
    let pid = libc::pid_t::from_ne_bytes(first);
    family.expect_gone([-pid; 2], "ended before");
}

/// A worker may learn of its parent's end by other ways first (a closed socket, a pipe that nobody reads), and exit before
/// the kernel could tell it. So what it has started ends with it however it exits, and its own end looks as ever.
#[test]
fn a_worker_that_exits_ends_what_it_has_started_and_keeps_its_exit_code() {
    for code in [0, 7] {
        let (mut family, tells, lives) = Family::prepare();
        let parent = std::process::id();
        let worker = fork(|| {
            let begun =
                lead_group() && process::end_with_parent(parent).is_ok() && start_child(&tells);
            if !begun || !tell(&tells) {
                return false;
            }
            let mut both = [0; 8];
            // Until both have told: a child that has not begun could not be seen to end.
            while family.told.read_exact(&mut both).is_err() {}
            // SAFETY: runs what was registered for the exit, and nothing of the harness.
            unsafe { libc::exit(code) }
        });
        drop((tells, lives));
        assert_eq!(worker.wait(), code);
        family.expect_gone([0; 2], &format!("exit code {code}"));
    }
}

/// A hang-up that somebody sends is what it always was, and so is how the worker's end looks.
#[test]
fn a_hang_up_ends_a_worker_that_has_its_parent() {
    let (mut ready, tells) = pipe().unwrap();
    let parent = std::process::id();
    let worker =
        fork(|| process::end_with_parent(parent).is_ok() && tell(&tells) && pause_for_ever());
    drop(tells);
    ready.read_exact(&mut [0; 4]).unwrap();
    // SAFETY: a child of this process that was not waited for.
    assert_eq!(unsafe { libc::kill(worker.id, libc::SIGHUP) }, 0);
    assert_eq!(worker.wait(), -libc::SIGHUP);
}

/// A worker that leads no group, whatever has come of it, ends alone: the group that it is in is somebody else's.
#[test]
fn a_worker_without_a_group_of_its_own_ends_alone() {
    let worker = fork(|| process::end_with_parent(u32::MAX >> 1).is_ok());
    assert_eq!(worker.wait(), -libc::SIGKILL);
}

/// A child of a worker gets nothing of all this: no setting, no handler after `exec`, no ignored or blocked signal.
#[test]
fn what_a_worker_starts_inherits_nothing() {
    let (mut status, write) = pipe().unwrap();
    let parent = std::process::id();
    let number = write.as_raw_fd();
    let worker = fork(|| {
        if process::end_with_parent(parent).is_err() {
            return false;
        }
        let arguments = [
            c"grep".as_ptr(),
            c"-E".as_ptr(),
            c"^Sig(Ign|Blk|Cgt)".as_ptr(),
            c"/proc/self/status".as_ptr(),
            std::ptr::null(),
        ];
        // SAFETY: the descriptors are open; the arguments end with a null pointer. Returns only if it fails.
        unsafe {
            libc::dup2(number, 1);
            libc::execvp(arguments[0], arguments.as_ptr());
        }
        false
    });
    drop(write);
    let mut text = String::new();
    status.read_to_string(&mut text).unwrap();
    assert_eq!(worker.wait(), 0, "{text}");
    let bit = 1u64 << (50 - 1);
    let masks = text.lines().map(|line| {
        let (_, mask) = line.split_once(':').unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap()
    });
    assert_eq!(masks.clone().count(), 3, "{text}");
    assert!(masks.into_iter().all(|mask| mask & bit == 0), "{text}");
}
