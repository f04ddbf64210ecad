//! Control sockets: order, wholeness, limits, descriptors, and peers that die or lie.
#![cfg(not(loom))]

#[allow(dead_code)]
mod support;

use eagleray_ipc::control::{BACKLOG_SOFT_LIMIT, FDS_PER_FRAME_MAX, FRAME_MAX};
use eagleray_ipc::{ControlSocket, Doorbell, Received};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

type Frames = Vec<(Vec<u8>, Vec<OwnedFd>)>;

fn receive(socket: &mut ControlSocket) -> std::io::Result<(Received, Frames)> {
    let mut frames = Vec::new();
    let received = socket.receive(|body, fds| frames.push((body.to_vec(), fds)))?;
    Ok((received, frames))
}

/// Everything until the peer has closed. (A forked child of another test may hold a copy of the peer's end
/// for a moment.)
fn receive_to_the_end(socket: &mut ControlSocket) -> Frames {
    let mut all = Vec::new();
    loop {
        let (received, frames) = receive(socket).unwrap();
        all.extend(frames);
        if received == Received::Closed {
            return all;
        }
        assert!(
            socket.wait_readable(Some(Duration::from_secs(20))).unwrap(),
            "the end never came"
        );
    }
}

fn bodies(frames: &Frames) -> Vec<&[u8]> {
    frames.iter().map(|(body, _)| body.as_slice()).collect()
}

/// A control socket, and its peer as bare bytes.
fn with_bare_peer() -> (ControlSocket, UnixStream) {
    let (one, other) = UnixStream::pair().unwrap();
    (ControlSocket::from_fd(one.into()).unwrap(), other)
}

fn header(length: u32, fd_count: u32) -> Vec<u8> {
    [length.to_le_bytes(), fd_count.to_le_bytes()].concat()
}

#[test]
fn frames_arrive_whole_and_in_order_and_may_be_empty() {
    let (mut one, mut other) = ControlSocket::pair().unwrap();
    one.send(b"first", &[]).unwrap();
    one.send(b"", &[]).unwrap();
    one.send(b"third", &[]).unwrap();
    other.send(b"back", &[]).unwrap();
    let (received, frames) = receive(&mut other).unwrap();
    assert_eq!(received, Received::Open);
    assert_eq!(bodies(&frames), [b"first".as_slice(), b"", b"third"]);
    assert_eq!(bodies(&receive(&mut one).unwrap().1), [b"back"]);
    assert!(receive(&mut one).unwrap().1.is_empty());
}

#[test]
fn buffered_frames_go_with_the_flush() {
    let (mut one, mut other) = ControlSocket::pair().unwrap();
    one.send_buffered(b"a", &[]).unwrap();
    one.send_buffered(b"b", &[]).unwrap();
    assert!(one.wants_write());
    assert!(receive(&mut other).unwrap().1.is_empty());
    assert!(one.flush().unwrap());
    assert_eq!((one.wants_write(), one.backlog()), (false, 0));
    assert_eq!(bodies(&receive(&mut other).unwrap().1), [b"a", b"b"]);
}

#[test]
fn what_does_not_fit_waits_and_follows_in_pieces() {
    let (mut one, mut other) = ControlSocket::pair().unwrap();
    let frames: Vec<Vec<u8>> = (0..4000)
        .map(|index| vec![index as u8; 37 * (index % 100)])
        .collect();
    for frame in &frames {
        one.send(frame, &[]).unwrap();
    }
    assert!(
        one.wants_write(),
        "four thousand frames are more than a socket takes"
    );
    assert!(!one.flush().unwrap());
    let mut arrived = Vec::new();
    while arrived.len() < frames.len() {
        arrived.extend(receive(&mut other).unwrap().1);
        one.flush().unwrap();
    }
    assert_eq!(
        bodies(&arrived),
        frames.iter().map(Vec::as_slice).collect::<Vec<_>>()
    );
    assert_eq!(one.backlog(), 0);
}

#[test]
fn a_frame_of_the_largest_size_arrives_and_a_larger_one_is_refused() {
    let (mut one, mut other) = ControlSocket::pair().unwrap();
    let mut body: Vec<u8> = (0..FRAME_MAX).map(|index| (index / 4093) as u8).collect();
    one.send(&body, &[]).unwrap();
    assert!(one.backlog() > BACKLOG_SOFT_LIMIT);
    one.send(b"after", &[]).unwrap();
    let mut frames = Vec::new();
    while frames.len() < 2 {
        frames.extend(receive(&mut other).unwrap().1);
        one.flush().unwrap();
    }
    assert!(frames[0].0 == body);
    assert_eq!(frames[1].0, b"after");
    body.push(0);
    assert_eq!(
        one.send(&body, &[]).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert!(!one.wants_write(), "a refused frame leaves nothing behind");
}

#[test]
fn descriptors_arrive_with_their_own_frames() {
    let (mut one, mut other) = ControlSocket::pair().unwrap();
    let doorbells: Vec<_> = (0..6).map(|_| Doorbell::create().unwrap()).collect();
    let fd = |index: usize| doorbells[index].fd();
    one.send_buffered(b"none", &[]).unwrap();
    one.send_buffered(b"one", &[fd(0)]).unwrap();
    one.send_buffered(b"two", &[fd(1), fd(2)]).unwrap();
    one.send_buffered(b"none again", &[]).unwrap();
    one.send_buffered(b"three", &[fd(3), fd(4), fd(5)]).unwrap();
    one.flush().unwrap();
    let (_, frames) = receive(&mut other).unwrap();
    let counts: Vec<_> = frames
        .iter()
        .map(|(body, fds)| (body.as_slice(), fds.len()))
        .collect();
    let expected: [(&[u8], usize); 5] = [
        (b"none", 0),
        (b"one", 1),
        (b"two", 2),
        (b"none again", 0),
        (b"three", 3),
    ];
    assert_eq!(counts, expected);
    // Each is the right one: ringing what arrived is heard by what was sent.
    let arrived = frames
        .into_iter()
        .flat_map(|(_, fds)| fds)
        .map(Doorbell::from_fd);
    for (arrived, sent) in arrived.zip(&doorbells) {
        arrived.ring().unwrap();
        assert!(sent.clear().unwrap());
    }
}

#[test]
fn descriptors_keep_to_their_frames_while_the_socket_is_full() {
    let (mut one, mut other) = ControlSocket::pair().unwrap();
    let doorbell = Doorbell::create().unwrap();
    let count_of = |index: usize| [0, 1, 0, 3][index % 4];
    let mut arrived = Vec::new();
    for index in 0..400 {
        let fds = vec![doorbell.fd(); count_of(index)];
        one.send(&vec![index as u8; 3001], &fds).unwrap();
    }
    assert!(one.wants_write());
    while arrived.len() < 400 {
        arrived.extend(receive(&mut other).unwrap().1);
        one.flush().unwrap();
    }
    for (index, (body, fds)) in arrived.iter().enumerate() {
        assert_eq!(
            (body[0], body.len(), fds.len()),
            (index as u8, 3001, count_of(index))
        );
    }
}

#[test]
fn the_most_descriptors_of_a_frame_arrive_and_more_are_refused() {
    let (mut one, mut other) = ControlSocket::pair().unwrap();
    let doorbell = Doorbell::create().unwrap();
    let mut fds = vec![doorbell.fd(); FDS_PER_FRAME_MAX];
    one.send(b"full", &fds).unwrap();
    assert_eq!(receive(&mut other).unwrap().1[0].1.len(), FDS_PER_FRAME_MAX);
    fds.push(doorbell.fd());
    assert_eq!(
        one.send(b"too full", &fds).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn received_descriptors_are_closed_on_exec() {
    let (mut one, mut other) = ControlSocket::pair().unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    eagleray_ipc::process::set_close_on_exec(reader.as_fd(), false).unwrap();
    one.send(b"", &[reader.as_fd()]).unwrap();
    let (_, frames) = receive(&mut other).unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&frames[0].1[0]);
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::fcntl(fd, libc::F_GETFD) }, libc::FD_CLOEXEC);
}

#[test]
fn the_last_words_of_a_peer_are_heard() {
    let (mut one, mut other) = ControlSocket::pair().unwrap();
    one.send(b"last", &[]).unwrap();
    drop(one);
    assert_eq!(bodies(&receive_to_the_end(&mut other)), [b"last"]);
    assert!(other.wait_readable(None).unwrap());
    assert_eq!(
        other.send(b"hello?", &[]).unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
}

#[test]
fn a_peer_that_dies_with_unread_bytes_has_closed() {
    let (mut one, mut other) = ControlSocket::pair().unwrap();
    one.send(b"never read", &[]).unwrap();
    other.send(b"last", &[]).unwrap();
    drop(other);
    // Linux reports that bytes were lost before it hands over what was sent; others may not.
    assert!(receive_to_the_end(&mut one).len() <= 1);
}

#[test]
fn a_peer_killed_in_the_middle_of_a_frame_has_closed() {
    let (mut one, mut other) = ControlSocket::pair().unwrap();
    let child = support::fork(|| {
        let body = header(1000, 0);
        let fd = std::os::fd::AsRawFd::as_raw_fd(&other.fd());
        // SAFETY: readable bytes; kill takes no pointers.
        unsafe {
            libc::write(fd, body.as_ptr().cast(), body.len());
            libc::kill(libc::getpid(), libc::SIGKILL) == 0
        }
    });
    assert_eq!(child.wait(), -libc::SIGKILL);
    assert!(receive(&mut one).unwrap().1.is_empty());
    other.send(b"", &[]).unwrap();
    drop(other);
    assert!(receive_to_the_end(&mut one).is_empty());
}

#[test]
fn sending_to_a_dead_peer_is_an_error_and_no_signal() {
    let (one, mut peer) = UnixStream::pair().unwrap();
    let mut one = ControlSocket::from_fd(one.into()).unwrap();
    one.send_buffered(b"hello?", &[]).unwrap();
    peer.shutdown(std::net::Shutdown::Both).unwrap();
    let child = support::fork(|| {
        // Rust's runtime ignores the signal; the hosts of this library may not.
        // SAFETY: the default action, in this process only.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        one.flush()
            .is_err_and(|error| error.kind() == ErrorKind::BrokenPipe)
    });
    assert_eq!(child.wait(), 0);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
}

#[test]
fn one_byte_at_a_time_makes_the_same_frames() {
    let (mut socket, mut peer) = with_bare_peer();
    let bytes = [
        header(3, 0),
        b"abc".to_vec(),
        header(0, 0),
        header(1, 0),
        b"d".to_vec(),
    ]
    .concat();
    let mut arrived = Vec::new();
    for byte in bytes {
        peer.write_all(&[byte]).unwrap();
        arrived.extend(receive(&mut socket).unwrap().1);
    }
    assert_eq!(bodies(&arrived), [b"abc".as_slice(), b"", b"d"]);
}

#[test]
fn a_header_above_the_limits_is_an_error() {
    for bad in [
        header(FRAME_MAX as u32 + 1, 0),
        header(u32::MAX, 0),
        header(1, u32::MAX),
    ] {
        let (mut socket, mut peer) = with_bare_peer();
        peer.write_all(&bad).unwrap();
        assert_eq!(
            receive(&mut socket).unwrap_err().kind(),
            ErrorKind::InvalidData
        );
    }
}

#[test]
fn a_frame_whose_descriptors_are_missing_is_an_error() {
    let (mut socket, mut peer) = with_bare_peer();
    peer.write_all(&header(0, 1)).unwrap();
    assert_eq!(
        receive(&mut socket).unwrap_err().kind(),
        ErrorKind::InvalidData
    );
}

#[test]
fn descriptors_that_no_frame_claims_are_an_error_and_closed() {
    // Two honest frames with descriptors, whose headers a liar has joined into the body of one without.
    let (mut liar, socket) = ControlSocket::pair().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let bare = UnixStream::from(liar.fd().try_clone_to_owned().unwrap());
    (&bare).write_all(&header(8, 0)).unwrap();
    liar.send(b"", &[writer.as_fd()]).unwrap();
    drop(writer);
    let mut socket = socket;
    assert_eq!(
        receive(&mut socket).unwrap_err().kind(),
        ErrorKind::InvalidData
    );
    drop((socket, liar, bare));
    let mut reader = reader;
    assert_eq!(
        reader.read(&mut [0]).unwrap(),
        0,
        "no descriptor of the pipe is left"
    );
}

#[test]
fn a_peer_can_not_pile_up_descriptors_in_an_endless_frame() {
    let (mut liar, mut socket) = ControlSocket::pair().unwrap();
    let doorbell = Doorbell::create().unwrap();
    let bare = UnixStream::from(liar.fd().try_clone_to_owned().unwrap());
    (&bare).write_all(&header(FRAME_MAX as u32, 0)).unwrap();
    let fds = vec![doorbell.fd(); FDS_PER_FRAME_MAX];
    let mut outcome = Ok(());
    for _ in 0..3 {
        liar.send(b"", &fds).unwrap();
        outcome = outcome.and(receive(&mut socket).map(drop));
    }
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidData);
}

#[test]
fn waiting_ends_with_a_frame_or_with_the_time() {
    let (mut one, mut other) = ControlSocket::pair().unwrap();
    assert!(!other.wait_readable(Some(Duration::ZERO)).unwrap());
    assert!(!other.wait_readable(Some(Duration::from_millis(1))).unwrap());
    one.send(b"x", &[]).unwrap();
    assert!(other.wait_readable(None).unwrap());
}

#[test]
fn two_sides_with_full_queues_do_not_wait_for_each_other() {
    const FRAMES: usize = 200;
    let (one, other) = ControlSocket::pair().unwrap();
    let run = |mut socket: ControlSocket| {
        for _ in 0..FRAMES {
            socket.send_buffered(&[7; 20_000], &[]).unwrap();
        }
        let mut arrived = 0;
        while arrived < FRAMES || socket.wants_write() {
            if arrived < FRAMES {
                assert!(socket.wait_readable(Some(Duration::from_secs(20))).unwrap());
                arrived += receive(&mut socket).unwrap().1.len();
            } else {
                socket.flush().unwrap();
                std::thread::yield_now();
            }
        }
        // Keeps the end open until the other side has read everything.
        socket
    };
    let thread = std::thread::spawn(move || run(one));
    let kept = run(other);
    drop((thread.join().unwrap(), kept));
}

#[test]
fn an_end_can_be_handed_on_as_a_descriptor() {
    let (one, other) = ControlSocket::pair().unwrap();
    let (mut messenger, mut receiver) = ControlSocket::pair().unwrap();
    messenger
        .send(b"your socket", &[other.into_fd().as_fd()])
        .unwrap();
    let (_, mut frames) = receive(&mut receiver).unwrap();
    let mut other = ControlSocket::from_fd(frames[0].1.remove(0)).unwrap();
    let mut one = one;
    one.send(b"hello", &[]).unwrap();
    assert_eq!(bodies(&receive(&mut other).unwrap().1), [b"hello"]);
}
