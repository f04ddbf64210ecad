//! Frames, with file descriptors, over a non-blocking Unix stream socket.
//!
//! ```text
//! frame:  0  length    u32   of the body, in bytes, at most FRAME_MAX
//!         4  fd count  u32   descriptors that belong to the frame, at most FDS_PER_FRAME_MAX
//!         8  body
//! ```
//!
//! The descriptors of a frame are sent with the first byte of its header, so that they have arrived when
//! the frame is complete. What does not fit into the socket waits in a queue, so that no side ever blocks
//! on the other; who sends without end must look at [`ControlSocket::backlog`].
//!
//! Invariants:
//! 1. Frames arrive whole, once, in order, each with its own descriptors, or the connection ends.
//! 2. A peer can make this side hold at most one frame of FRAME_MAX bytes, and the descriptors of one
//!    received chunk, before `receive` hands them over or fails.

use crate::doorbell::{Deadline, poll_until};
use crate::platform::{self, FDS_PER_MESSAGE_MAX, Interest, Readiness};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// The longest body of a frame in bytes.
pub const FRAME_MAX: usize = 64 << 20;

/// The most file descriptors of one frame.
pub const FDS_PER_FRAME_MAX: usize = FDS_PER_MESSAGE_MAX;

/// A sender whose [`ControlSocket::backlog`] is above this many bytes should stop until it has shrunk.
pub const BACKLOG_SOFT_LIMIT: usize = 16 << 20;

/// One call of `receive` reads about this much at most, so that one peer can't keep it for ever. The socket
/// stays readable, so the next wait returns at once.
const RECEIVE_MAX: usize = 8 << 20;

/// Bytes asked for by one system call.
const CHUNK: usize = 64 << 10;

const FRAME_HEADER: usize = 8;

/// Whether the peer can still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Everything that was there has been handed over; more may come.
    Open,
    /// The peer has closed its end or died. Whole frames before that have been handed over.
    Closed,
}

/// One end of a connection.
#[derive(Debug)]
pub struct ControlSocket {
    fd: OwnedFd,
    outgoing: Outgoing,
    incoming: Incoming,
}

#[derive(Debug, Default)]
struct Outgoing {
    bytes: Vec<u8>,
    /// What of `bytes` has gone.
    sent: usize,
    /// Descriptors to be sent with the byte at this index of `bytes`, in order.
    attachments: VecDeque<(usize, Vec<OwnedFd>)>,
}

#[derive(Debug, Default)]
struct Incoming {
    /// `bytes[..filled]` is received and not handed over; the rest is room.
    bytes: Vec<u8>,
    filled: usize,
    fds: VecDeque<OwnedFd>,
}

/// Whether a write failed because the peer has closed its end, which ends a conversation and is no trouble of its own.
pub fn is_peer_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset)
}

impl ControlSocket {
    /// Two connected ends, close-on-exec.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = platform::socket_pair()?;
        Ok((Self::new(one), Self::new(other)))
    }

    /// Takes over a connected Unix stream socket and makes it non-blocking.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        platform::set_nonblocking(fd.as_fd(), true)?;
        Ok(Self::new(fd))
    }

    fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            outgoing: Outgoing::default(),
            incoming: Incoming::default(),
        }
    }

    /// Gives up the descriptor, to be handed to another process. What is queued in either direction is lost.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// The descriptor, for an event loop.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Sends a frame, as far as the socket takes it; the rest is queued for [`flush`](Self::flush).
    /// Descriptors are duplicated. Fails with `BrokenPipe` when the peer is gone, with `InvalidInput` above
    /// [`FRAME_MAX`] or [`FDS_PER_FRAME_MAX`].
    pub fn send(&mut self, frame: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_buffered(frame, fds)?;
        self.flush().map(drop)
    }

    /// Queues a frame without a system call, so that several go out by one [`flush`](Self::flush).
    pub fn send_buffered(&mut self, frame: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let copies = fds
            .iter()
            .map(|fd| fd.try_clone_to_owned())
            .collect::<io::Result<_>>()?;
        self.send_owned(frame, copies)
    }

    /// As [`send_buffered`](Self::send_buffered), with descriptors of the caller's own: it fails above the limits
    /// and for no other reason.
    pub fn send_owned(&mut self, frame: &[u8], fds: Vec<OwnedFd>) -> io::Result<()> {
        if frame.len() > FRAME_MAX || fds.len() > FDS_PER_FRAME_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "a control message of {} bytes, and {FRAME_MAX} is the limit",
                    frame.len()
                ),
            ));
        }
        let fd_count = fds.len() as u32;
        let outgoing = &mut self.outgoing;
        if !fds.is_empty() {
            outgoing.attachments.push_back((outgoing.bytes.len(), fds));
        }
        outgoing
            .bytes
            .extend_from_slice(&(frame.len() as u32).to_le_bytes());
        outgoing.bytes.extend_from_slice(&fd_count.to_le_bytes());
        outgoing.bytes.extend_from_slice(frame);
        Ok(())
    }

    /// Writes what is queued, as far as the socket takes it; true when all is gone.
    pub fn flush(&mut self) -> io::Result<bool> {
        while self.wants_write() {
            match self.outgoing.send_some(self.fd.as_fd()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Whether something is queued, so that the owner should wait for the descriptor to become writable.
    pub fn wants_write(&self) -> bool {
        self.backlog() > 0
    }

    /// Bytes that are queued. The queue itself has no limit; see [`BACKLOG_SOFT_LIMIT`].
    pub fn backlog(&self) -> usize {
        self.outgoing.bytes.len() - self.outgoing.sent
    }

    /// Hands over the frames that are there (of about 8 MiB at once; then the descriptor is still readable).
    /// Never waits. Fails with `InvalidData` if the peer breaks the protocol: then drop the connection.
    pub fn receive(
        &mut self,
        mut on_frame: impl FnMut(&[u8], Vec<OwnedFd>),
    ) -> io::Result<Received> {
        let mut budget = RECEIVE_MAX;
        while budget > 0 {
            match self.incoming.read_some(self.fd.as_fd()) {
                Ok(0) => return Ok(Received::Closed),
                Ok(count) => {
                    budget = budget.saturating_sub(count);
                    self.incoming.hand_over(&mut on_frame)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The peer died with bytes of ours unread.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Ok(Received::Closed);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Received::Open)
    }

    /// Waits until some of what is queued could be written or the time is over, or until there is something to
    /// receive (or the peer has gone): true. For a side that will do nothing else before the queue is empty.
    pub fn wait_to_write(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let interest = Interest {
            fd: self.fd.as_fd(),
            writable: self.wants_write(),
        };
        let mut ready = [Readiness::default()];
        poll_until(&[interest], Deadline::after(timeout), &mut ready)?;
        let [ready] = ready;
        if ready.writable {
            self.flush()?;
        }
        Ok(ready.readable)
    }

    /// Waits until there is something to receive (or the peer has gone): true, or until the time is over:
    /// false. Writes what is queued meanwhile, so that two sides with full queues don't wait for each other.
    pub fn wait_readable(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let deadline = Deadline::after(timeout);
        loop {
            let interest = Interest {
                fd: self.fd.as_fd(),
                writable: self.wants_write(),
            };
            let mut ready = [Readiness::default()];
            poll_until(&[interest], deadline, &mut ready)?;
            let [ready] = ready;
            if ready.readable || !ready.writable {
                return Ok(ready.readable);
            }
            self.flush()?;
        }
    }
}

impl Outgoing {
    /// One system call: up to the next byte with descriptors, which must be the first of its call.
    fn send_some(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let attached: &[OwnedFd] = match self.attachments.front() {
            Some((at, fds)) if *at == self.sent => fds,
            _ => &[],
        };
        let mut later = self
            .attachments
            .iter()
            .map(|(at, _)| *at)
            .filter(|at| *at > self.sent);
        let end = later.next().unwrap_or(self.bytes.len());
        let count = platform::send(socket, &self.bytes[self.sent..end], attached)?;
        if !attached.is_empty() && count > 0 {
            self.attachments.pop_front();
        }
        self.sent += count;
        self.make_room();
        Ok(())
    }

    /// Forgets what has gone, when it is all or at least half, so that bytes are moved once on average.
    fn make_room(&mut self) {
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(CHUNK);
        } else if self.sent >= CHUNK && self.sent * 2 >= self.bytes.len() {
            self.bytes.drain(..self.sent);
            for (at, _) in &mut self.attachments {
                *at -= self.sent;
            }
        } else {
            return;
        }
        self.sent = 0;
    }
}

impl Incoming {
    /// One system call. The buffer grows with what arrives, not with what a header promises.
    fn read_some(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        if self.bytes.len() - self.filled < CHUNK {
            // An incomplete frame is below the limit, so the next chunk always fits this room.
            let room_max = FRAME_HEADER + FRAME_MAX + CHUNK;
            let room = (self.filled * 2).max(self.filled + CHUNK).min(room_max);
            self.bytes.resize(room, 0);
        }
        let count = platform::receive(socket, &mut self.bytes[self.filled..], &mut self.fds)?;
        self.filled += count;
        Ok(count)
    }

    fn hand_over(&mut self, on_frame: &mut impl FnMut(&[u8], Vec<OwnedFd>)) -> io::Result<()> {
        let mut at = 0;
        let result = loop {
            match next_frame(&self.bytes[at..self.filled]) {
                Ok(Some((body, fd_count))) => {
                    if self.fds.len() < fd_count {
                        break Err(malformed("a control frame without its file descriptors"));
                    }
                    at += FRAME_HEADER + body.len();
                    on_frame(body, self.fds.drain(..fd_count).collect());
                }
                Ok(None) if self.filled == at && !self.fds.is_empty() => {
                    break Err(malformed(
                        "file descriptors that belong to no control frame",
                    ));
                }
                Ok(None) if self.fds.len() > FDS_PER_FRAME_MAX => {
                    break Err(malformed("file descriptors of more than one control frame"));
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.bytes.copy_within(at..self.filled, 0);
        self.filled -= at;
        if self.filled == 0 && self.bytes.len() > CHUNK * 2 {
            self.bytes = Vec::new();
        }
        result
    }
}

/// The first frame in `bytes`, if it is complete, and the number of its descriptors.
fn next_frame(bytes: &[u8]) -> io::Result<Option<(&[u8], usize)>> {
    let Some((header, rest)) = bytes.split_first_chunk::<FRAME_HEADER>() else {
        return Ok(None);
    };
    let [l0, l1, l2, l3, f0, f1, f2, f3] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let fd_count = u32::from_le_bytes([f0, f1, f2, f3]) as usize;
    if length > FRAME_MAX || fd_count > FDS_PER_FRAME_MAX {
        return Err(malformed("a control frame above its limits"));
    }
    Ok(rest.get(..length).map(|body| (body, fd_count)))
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
