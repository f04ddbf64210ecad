//! Processes that end with the one that started them, together with what they have started.
//!
//! Each test has three generations beside itself: a parent, a worker that asks to end with it, and the worker's child.
//! Worker and child have the only writing ends of a pipe: its end is theirs.
#![cfg(not(loom))]

#[allow(dead_code)]
mod support;

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
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

/// A test that forks has every descriptor of all tests in its processes, and then waits for theirs: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // A test that failed has left nothing behind that matters to the next.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// The next ones that are told.
    fn pids<const COUNT: usize>(&mut self) -> [libc::pid_t; COUNT] {
        [(); COUNT].map(|()| {
            let mut bytes = [0; 4];
            self.told.read_exact(&mut bytes).unwrap();
            libc::pid_t::from_ne_bytes(bytes)
        })
    }

    /// Waits until all of the family are gone; `pids` are those that are killed if they are not.
    fn expect_gone(&self, pids: &[libc::pid_t], what: &str) {
        let gone = wait(&[self.alive.as_fd()], LOST).unwrap() == 1;
        if !gone {
            for &pid in pids {
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

/// Ends this process as a program does, with all that was registered for that; it never says anything.
fn exit(code: i32) -> bool {
    // SAFETY: nothing of the test harness is registered.
    unsafe { libc::exit(code) }
}

/// Stops a process, and returns when it has stopped: one that has only been told to is none of which the kernel says at its
/// parent's end that it should go on.
fn stop(pid: libc::pid_t) {
    // SAFETY: a process of this test.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGSTOP) }, 0);
    // The kernel tells of this only to the parent, which runs nothing by now.
    while !std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .unwrap()
        .contains(") T")
    {
        std::thread::yield_now();
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
    let _alone = alone();
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
            let pids = family.pids::<2>();
            // The child came first or second: whichever is the worker, both stop.
            match state {
                State::Stopped => pids.into_iter().for_each(stop),
                State::Loops | State::Waits | State::StartedBlocked => {}
            }
            // SAFETY: a child of this process that was not waited for.
            assert_eq!(unsafe { libc::kill(parent.id, signal) }, 0);
            assert_eq!(parent.wait(), -signal);
            family.expect_gone(&pids, &format!("{state:?}, signal {signal}"));
        }
    }
}

/// To the worker a wrong parent looks exactly like one that has ended before it asked: it was adopted by another.
#[test]
fn a_worker_whose_parent_has_ended_already_ends_with_what_it_has_started() {
    let _alone = alone();
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
    family.expect_gone(&[-pid], "ended before");
}

/// A worker may learn of its parent's end by other ways first (a closed socket, a pipe that nobody reads), and exit before
/// the kernel could tell it. So what it has started ends with it whenever it exits, and its own end looks as ever.
#[test]
fn a_worker_that_exits_ends_what_it_has_started_and_keeps_its_exit_code() {
    let _alone = alone();
    for code in [0, 1, 7, 255] {
        let (mut family, tells, lives) = Family::prepare();
        let parent = std::process::id();
        let worker = fork(|| {
            let begun =
                lead_group() && process::end_with_parent(parent).is_ok() && start_child(&tells);
            begun && family.told.read_exact(&mut [0; 4]).is_ok() && exit(code)
        });
        drop((tells, lives));
        let group = worker.id;
        assert_eq!(worker.wait(), code);
        family.expect_gone(&[-group], &format!("exit code {code}"));
    }
}

/// The same while the parent ends, however far it has come with that.
#[test]
fn a_worker_that_exits_while_its_parent_ends_ends_what_it_has_started() {
    let _alone = alone();
    for _ in 0..200 {
        let (mut family, tells, lives) = Family::prepare();
        // Only the parent has its writing end.
        let (mut parent_lives, parent_ends) = pipe().unwrap();
        let parent = fork(|| {
            let parent = std::process::id();
            // SAFETY: the worker calls async-signal-safe functions only.
            if unsafe { libc::fork() } == 0 {
                // SAFETY: a descriptor of this process.
                let begun = unsafe { libc::close(parent_ends.as_raw_fd()) } == 0
                    && lead_group()
                    && process::end_with_parent(parent).is_ok()
                    && start_child(&tells);
                // Its parent's files are closed before the kernel tells anybody of its end.
                return begun && parent_lives.read(&mut [0]).is_ok() && exit(1);
            }
            // SAFETY: descriptors of this process.
            let closed = unsafe {
                libc::close(tells.as_raw_fd()) == 0 && libc::close(lives.as_raw_fd()) == 0
            };
            closed && pause_for_ever()
        });
        drop((tells, lives, parent_ends));
        let [child] = family.pids();
        // SAFETY: a child of this process that was not waited for.
        assert_eq!(unsafe { libc::kill(parent.id, libc::SIGKILL) }, 0);
        assert_eq!(parent.wait(), -libc::SIGKILL);
        family.expect_gone(&[child], "exits while its parent ends");
    }
}

/// What was given a group of its own lives on, also where the worker has left the group that it led.
#[test]
fn a_worker_that_exits_ends_the_group_that_it_led_and_no_other() {
    let _alone = alone();
    for leaves in [false, true] {
        let (mut family, tells, lives) = Family::prepare();
        let (mut told, tells_detached) = pipe().unwrap();
        let (mut asked, mut ask) = pipe().unwrap();
        let parent = std::process::id();
        let worker = fork(|| {
            // SAFETY: no arguments.
            let group = unsafe { libc::getpgrp() };
            let begun =
                lead_group() && process::end_with_parent(parent).is_ok() && start_child(&tells);
            // SAFETY: the child calls async-signal-safe functions only.
            match unsafe { libc::fork() } {
                0 => {
                    // SAFETY: descriptors of this process.
                    let closed = unsafe {
                        libc::close(lives.as_raw_fd()) == 0 && libc::close(ask.as_raw_fd()) == 0
                    };
                    lead_group()
                        && closed
                        && tell(&tells_detached)
                        && asked.read_exact(&mut [0]).is_ok()
                        && tell(&tells_detached)
                }
                detached => {
                    // SAFETY: no pointers; the group of the test's processes.
                    let leave = || unsafe { libc::setpgid(0, group) } == 0;
                    begun
                        && detached > 0
                        && family.told.read_exact(&mut [0; 4]).is_ok()
                        && told.read_exact(&mut [0; 4]).is_ok()
                        && (!leaves || leave())
                        && exit(3)
                }
            }
        });
        drop((tells, lives, tells_detached));
        let group = worker.id;
        assert_eq!(worker.wait(), 3);
        family.expect_gone(&[-group], &format!("left its group: {leaves}"));
        // Who was killed answers no more.
        ask.write_all(&[0]).unwrap();
        told.read_exact(&mut [0; 4]).unwrap();
    }
}

/// A library may fork. What is not the worker itself ends nothing when it exits.
#[test]
fn a_copy_of_a_worker_that_exits_ends_nothing() {
    let _alone = alone();
    let parent = std::process::id();
    let worker = fork(|| {
        if !lead_group() || process::end_with_parent(parent).is_err() {
            return false;
        }
        // SAFETY: the copy runs what was registered for an exit.
        let copy = unsafe { libc::fork() };
        if copy == 0 {
            exit(0);
        }
        let mut status = 0;
        // SAFETY: a child of this process, and a place for its status.
        let waited = unsafe { libc::waitpid(copy, &mut status, 0) };
        waited == copy && status == 0 && exit(5)
    });
    assert_eq!(worker.wait(), 5);
}

/// The group of a worker that leads none is somebody else's.
#[test]
fn a_worker_that_exits_in_the_group_of_another_ends_alone() {
    let _alone = alone();
    let leader = fork(|| {
        let parent = std::process::id();
        if !lead_group() {
            return false;
        }
        // SAFETY: the worker runs what was registered for an exit.
        let worker = unsafe { libc::fork() };
        if worker == 0 {
            return process::end_with_parent(parent).is_ok() && exit(6);
        }
        let mut status = 0;
        // SAFETY: a child of this process, and a place for its status.
        let waited = unsafe { libc::waitpid(worker, &mut status, 0) };
        waited == worker && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 6
    });
    assert_eq!(leader.wait(), 0);
}

/// A hang-up that somebody sends is what it always was, and so is how the worker's end looks.
#[test]
fn a_hang_up_ends_a_worker_that_has_its_parent() {
    let _alone = alone();
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
    let _alone = alone();
    let worker = fork(|| process::end_with_parent(u32::MAX >> 1).is_ok());
    assert_eq!(worker.wait(), -libc::SIGKILL);
}

/// A child of a worker gets nothing of all this: no setting, no handler after `exec`, no ignored or blocked signal.
#[test]
fn what_a_worker_starts_inherits_nothing() {
    let _alone = alone();
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
