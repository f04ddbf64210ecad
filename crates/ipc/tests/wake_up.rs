//! Rings, mailboxes and doorbells between two processes, and the pieces for starting children.
#![cfg(not(loom))]

#[allow(dead_code)]
mod support;

use eagleray_ipc::mailbox::MAILBOX_SIZE;
use eagleray_ipc::process;
use eagleray_ipc::ring::RING_HEADER;
use eagleray_ipc::{AdaptiveSpin, Doorbell, Mailbox, RingReader, RingWriter, wait};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{SharedMemory, fork};

/// Only ever reached when a wake-up was lost: then the test fails instead of hanging.
const LOST: Option<Duration> = Some(Duration::from_secs(20));

#[test]
fn a_doorbell_is_readable_from_the_ring_to_the_clearing() {
    let doorbell = Doorbell::create().unwrap();
    let now = Some(Duration::ZERO);
    assert_eq!(wait(&[doorbell.fd()], now).unwrap(), 0);
    assert!(!doorbell.clear().unwrap());
    doorbell.ring().unwrap();
    doorbell.try_clone().unwrap().ring().unwrap();
    assert_eq!(wait(&[doorbell.fd()], None).unwrap(), 1);
    assert!(doorbell.clear().unwrap());
    assert!(!doorbell.clear().unwrap(), "two rings are one");
    assert_eq!(wait(&[doorbell.fd()], now).unwrap(), 0);
}

#[test]
fn wait_tells_which_of_many_are_ready() {
    let doorbells: Vec<_> = (0..64).map(|_| Doorbell::create().unwrap()).collect();
    let fds: Vec<_> = doorbells.iter().map(Doorbell::fd).collect();
    for index in [0, 5, 63] {
        doorbells[index].ring().unwrap();
    }
    assert_eq!(wait(&fds, None).unwrap(), 1 | 1 << 5 | 1 << 63);
    assert_eq!(wait(&[], Some(Duration::ZERO)).unwrap(), 0);
    let too_many: Vec<_> = fds.iter().chain(&fds[..1]).copied().collect();
    assert_eq!(
        wait(&too_many, None).unwrap_err().kind(),
        std::io::ErrorKind::InvalidInput
    );
}

#[test]
fn wait_reports_a_closed_peer() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(writer);
    assert_eq!(wait(&[reader.as_fd()], None).unwrap(), 1);
}

/// Whether a peer rings; its ring succeeds.
fn rings(peer: &Mailbox) -> bool {
    let mut rung = false;
    peer.wake(|| {
        rung = true;
        Ok(())
    })
    .unwrap();
    rung
}

fn views<const COUNT: usize>(memory: &SharedMemory) -> [Mailbox; COUNT] {
    // SAFETY: the mapping holds this mailbox only, and the tests keep it.
    [(); COUNT].map(|()| unsafe { Mailbox::at(memory.base()) })
}

#[test]
fn peers_ring_only_while_the_owner_sleeps_and_once_for_each_sleep() {
    let memory = SharedMemory::new(MAILBOX_SIZE);
    let [owner, peer, other] = views(&memory);
    assert!(!rings(&peer));
    for _ in 0..3 {
        owner.prepare_to_sleep();
        assert!(peer.is_sleeping());
        assert!(rings(&peer));
        assert!(!peer.is_sleeping());
        assert!(!rings(&peer) && !rings(&other));
        assert!(!owner.cancel_sleep(), "somebody has rung");
        owner.prepare_to_sleep();
        assert!(owner.cancel_sleep());
        assert!(!rings(&peer) && !rings(&other));
    }
    // Without a cancellation in between, too: the pacemaker's thread may have taken the word.
    owner.prepare_to_sleep();
    assert!(rings(&peer));
    owner.prepare_to_sleep();
    assert!(rings(&other));
}

#[test]
fn a_peer_that_is_stopped_before_it_rings_keeps_no_other_from_ringing() {
    let memory = SharedMemory::new(MAILBOX_SIZE);
    let [owner, stopped, other] = views(&memory);
    owner.prepare_to_sleep();
    stopped
        .wake(|| {
            // Here a debugger, a freezer or SIGSTOP stops it, for as long as it likes.
            assert!(rings(&other), "the owner sleeps, and nobody has rung");
            Ok(())
        })
        .unwrap();
    assert!(!owner.cancel_sleep());
}

#[test]
fn a_peer_that_goes_on_after_its_ring_says_nothing_of_a_later_sleep() {
    let memory = SharedMemory::new(MAILBOX_SIZE);
    let [owner, stopped, other] = views(&memory);
    for sleeps in 1..5 {
        owner.prepare_to_sleep();
        stopped
            .wake(|| {
                // It has rung and is stopped here, while the owner wakes and sleeps again, and again.
                for _ in 0..sleeps {
                    owner.cancel_sleep();
                    owner.prepare_to_sleep();
                }
                Ok(())
            })
            .unwrap();
        assert!(owner.is_sleeping());
        assert!(rings(&other), "nobody has rung for this sleep");
        owner.cancel_sleep();
    }
}

#[test]
fn a_ring_that_fails_is_left_to_the_next_peer() {
    let memory = SharedMemory::new(MAILBOX_SIZE);
    let [owner, peer, other] = views(&memory);
    owner.prepare_to_sleep();
    let failed = peer.wake(|| Err(std::io::ErrorKind::BrokenPipe.into()));
    assert_eq!(failed.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    assert!(rings(&other));
}

#[test]
fn a_spin_ends_with_its_condition_or_its_budget() {
    let mut spin = AdaptiveSpin::new(50);
    assert!(spin.spin(|| true));
    let mut looks = 0;
    assert!(!spin.spin(|| {
        looks += 1;
        false
    }));
    assert!(looks >= 1);
}

/// One direction between two processes: ring, mailbox of the receiver, doorbell of the receiver.
struct Line {
    mailbox: Mailbox,
    doorbell: Doorbell,
}

impl Line {
    fn send(&self, writer: &mut RingWriter, number: u64) -> bool {
        if writer.push(1, &[&number.to_le_bytes()]).is_none() {
            return false;
        }
        self.mailbox.wake(|| self.doorbell.ring()).is_ok()
    }

    /// The next number, by sleeping where there is none; `None` when something has failed.
    fn receive(&self, reader: &mut RingReader, spin: Option<&mut AdaptiveSpin>) -> Option<u64> {
        if let Some(spin) = spin {
            spin.spin(|| reader.has_ready());
        }
        loop {
            if let Some(frame) = reader.take_next().ok()? {
                let number = u64::from_le_bytes(frame.payload.try_into().ok()?);
                reader.release();
                return Some(number);
            }
            self.mailbox.prepare_to_sleep();
            if !reader.has_ready() && wait(&[self.doorbell.fd()], LOST).ok()? == 0 {
                return None;
            }
            self.mailbox.cancel_sleep();
            self.doorbell.clear().ok()?;
        }
    }
}

fn round_trips_between_processes(count: u64, spins: bool) {
    const RING: usize = RING_HEADER + 4096;
    let memory = SharedMemory::new(2 * RING.next_multiple_of(64) + 2 * MAILBOX_SIZE);
    let place = |index: usize| {
        memory
            .base()
            .wrapping_add(index * RING.next_multiple_of(64))
    };
    // SAFETY: four places of the mapping that do not overlap; it lives until both processes are done.
    let (to_child, from_child, lines) = unsafe {
        let mailboxes = place(2);
        let line = |index: usize| Line {
            mailbox: Mailbox::at(mailboxes.add(index * MAILBOX_SIZE)),
            doorbell: Doorbell::create().unwrap(),
        };
        let open = |place| {
            (
                RingWriter::create(place, RING).unwrap(),
                RingReader::open(place, RING).unwrap(),
            )
        };
        (open(place(0)), open(place(1)), (line(0), line(1)))
    };
    let (mut to_child, mut in_child) = to_child;
    let (mut out_of_child, mut from_child) = from_child;
    let (child_line, parent_line) = lines;
    let mut spin = spins.then(|| AdaptiveSpin::new(50));
    let child = fork(|| {
        (0..count).all(|expected| {
            let received = child_line.receive(&mut in_child, spin.as_mut());
            received == Some(expected) && parent_line.send(&mut out_of_child, expected * 3)
        })
    });
    let mut spin = spins.then(|| AdaptiveSpin::new(50));
    for number in 0..count {
        assert!(child_line.send(&mut to_child, number));
        assert_eq!(
            parent_line.receive(&mut from_child, spin.as_mut()),
            Some(number * 3)
        );
    }
    assert_eq!(child.wait(), 0);
}

#[test]
fn no_wake_up_is_lost_between_two_processes() {
    round_trips_between_processes(20_000, false);
}

#[test]
fn no_wake_up_is_lost_between_two_processes_that_spin() {
    round_trips_between_processes(20_000, true);
}

#[test]
fn a_child_gets_a_doorbell_by_its_number() {
    let doorbell = Doorbell::create().unwrap();
    let source = doorbell.try_clone().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", r"printf '\001\000\000\000\000\000\000\000' >&9"]);
    // SAFETY: `place_fd` is made for this place.
    unsafe { command.pre_exec(move || process::place_fd(source.fd(), 9)) };
    assert!(command.status().unwrap().success());
    assert!(doorbell.clear().unwrap());
}

fn as_raw(fd: std::os::fd::BorrowedFd<'_>) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(&fd)
}

#[test]
fn a_descriptor_can_be_made_to_survive_exec() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    process::set_close_on_exec(writer.as_fd(), false).unwrap();
    let script = format!("printf alive >&{}", as_raw(writer.as_fd()));
    let status = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .status()
        .unwrap();
    process::set_close_on_exec(writer.as_fd(), true).unwrap();
    assert!(status.success());
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "alive");
}

#[test]
fn a_nonblocking_pipe_fails_instead_of_waiting() {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    process::set_nonblocking(reader.as_fd(), true).unwrap();
    assert_eq!(
        reader.read(&mut [0]).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    process::set_nonblocking(reader.as_fd(), false).unwrap();
    writer.write_all(&[7]).unwrap();
    let mut byte = [0];
    reader.read_exact(&mut byte).unwrap();
    assert_eq!(byte, [7]);
}
