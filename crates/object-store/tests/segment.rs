//! The segment's promises: bounds, sealed size, equal results of all ways of writing, and what populating and giving back do.
#![cfg(not(miri))]

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::Ordering;

use eagleray_object_store::{AccessError, Extent, PAGE, Segment};

const MIB: u64 = 1 << 20;

fn segment(size: u64) -> Segment {
    Segment::create(size).expect("the system has a memfd for the test")
}

/// Bytes of memory that the system has put behind the segment.
fn backed_bytes(segment: &Segment) -> u64 {
    let descriptor = segment.descriptor().try_clone_to_owned().unwrap();
    File::from(descriptor).metadata().unwrap().blocks() * 512
}

fn pattern(length: usize, seed: usize) -> Vec<u8> {
    (0..length)
        .map(|index| (index * 31 + index / 251 + seed * 7 + 1) as u8)
        .collect()
}

/// SE-1: neither the creator nor a peer can change the size, and no further seal can be added.
#[test]
fn the_size_is_sealed() {
    let segment = segment(MIB);
    let file = File::from(segment.descriptor().try_clone_to_owned().unwrap());
    assert_eq!(
        file.set_len(PAGE).unwrap_err().kind(),
        ErrorKind::PermissionDenied
    );
    assert_eq!(
        file.set_len(2 * MIB).unwrap_err().kind(),
        ErrorKind::PermissionDenied
    );
    // SAFETY: plain system call on an open descriptor.
    let sealed = unsafe {
        libc::fcntl(
            file.as_raw_fd(),
            libc::F_ADD_SEALS,
            libc::F_SEAL_FUTURE_WRITE,
        )
    };
    assert_eq!(sealed, -1);
}

/// SE-1: a descriptor that somebody could still truncate is refused, and so is one that is no memfd at all.
#[test]
fn a_descriptor_without_sealed_size_is_refused() {
    // SAFETY: the name is a valid C string, and the descriptor is fresh.
    let unsealed = unsafe {
        OwnedFd::from_raw_fd(libc::memfd_create(
            c"unsealed".as_ptr(),
            libc::MFD_ALLOW_SEALING,
        ))
    };
    File::from(unsealed.try_clone().unwrap())
        .set_len(MIB)
        .unwrap();
    assert_eq!(
        Segment::open(unsealed).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    assert_eq!(
        Segment::open(socket.into()).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(
        Segment::create(0).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(
        Segment::create(u64::MAX).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
}

/// Cold, half warm and warm ranges, small and large, at every kind of offset: what is read is what was written, through
/// another mapping too, and the bytes around it are as before.
#[test]
fn every_way_of_writing_gives_the_same_bytes() {
    let lengths = [
        1,
        100,
        4096,
        32 << 10,
        (32 << 10) + 1,
        300_000,
        MIB as usize,
        (3 * MIB + 17) as usize,
    ];
    for offset in [PAGE, PAGE + 1, MIB - 1, MIB + 4095] {
        for (seed, length) in lengths.into_iter().enumerate() {
            for populated in [0, length as u64 / 2, length as u64] {
                let writer = segment(8 * MIB);
                let reader =
                    Segment::open(writer.descriptor().try_clone_to_owned().unwrap()).unwrap();
                writer.write(offset - 1, b"<").unwrap();
                writer.write(offset + length as u64, b">").unwrap();
                writer.populate(Extent::new(offset, populated)).unwrap();
                for round in 0..2 {
                    let bytes = pattern(length, seed + round);
                    writer.write(offset, &bytes).unwrap();
                    let around = reader
                        .read_to_vec(Extent::new(offset - 1, length as u64 + 2))
                        .unwrap();
                    assert_eq!(around[0], b'<');
                    assert!(around[1..=length] == bytes, "{length} bytes at {offset}");
                    assert_eq!(around[length + 1], b'>');
                }
            }
        }
    }
}

/// SE-2: whatever the offset, an access that is not wholly inside is an error and touches nothing.
#[test]
fn accesses_out_of_bounds_are_errors() {
    let segment = segment(2 * PAGE);
    let size = 2 * PAGE;
    for (offset, length) in [
        (size, 1),
        (size + 1, 0),
        (0, size + 1),
        (u64::MAX, 1),
        (1, u64::MAX),
        (PAGE, PAGE + 1),
    ] {
        let extent = Extent::new(offset, length);
        let error = AccessError::OutOfBounds {
            offset,
            length,
            size,
        };
        assert_eq!(segment.pointer(offset, length), Err(error));
        assert_eq!(segment.populate(extent), Err(error));
        assert_eq!(
            segment.read_to_vec(extent).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        assert_eq!(
            segment.give_back(extent).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    }
    assert_eq!(
        segment.write(size - 1, b"ab").unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(
        segment.write(u64::MAX, b"a").unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert!(
        segment
            .read_to_vec(Extent::new(size, 0))
            .unwrap()
            .is_empty()
    );
    assert!(segment.write(size, b"").is_ok());
}

#[test]
fn words_are_shared_between_mappings_and_must_be_aligned() {
    let one = segment(PAGE);
    let other = Segment::open(one.descriptor().try_clone_to_owned().unwrap()).unwrap();
    one.atomic_u32_at(64).unwrap().store(7, Ordering::Release);
    assert_eq!(
        other.atomic_u32_at(64).unwrap().swap(8, Ordering::AcqRel),
        7
    );
    assert_eq!(one.atomic_u64_at(64).unwrap().load(Ordering::Acquire), 8);
    let misaligned = AccessError::Misaligned {
        offset: 2,
        alignment: 4,
    };
    assert_eq!(one.atomic_u32_at(2).unwrap_err(), misaligned);
    assert!(one.atomic_u64_at(4).is_err());
    assert!(one.atomic_u32_at(PAGE).is_err());
    assert!(one.atomic_u64_at(u64::MAX - 7).is_err());
}

/// Populating backs exactly the range with memory and changes no byte, even beside a writer.
#[test]
fn populating_backs_memory_and_changes_nothing() {
    let segment = segment(16 * MIB);
    assert_eq!(backed_bytes(&segment), 0);
    segment.populate(Extent::new(MIB, 2 * MIB)).unwrap();
    assert_eq!(backed_bytes(&segment), 2 * MIB);
    segment
        .populate(Extent::new(4 * MIB - 1, PAGE + 2))
        .unwrap();
    assert_eq!(
        backed_bytes(&segment),
        2 * MIB + 3 * PAGE,
        "every page that the range meets"
    );

    let bytes = pattern((8 * MIB) as usize, 3);
    std::thread::scope(|scope| {
        scope.spawn(|| segment.populate(Extent::new(0, 16 * MIB)).unwrap());
        segment.write(4 * MIB, &bytes).unwrap();
    });
    assert!(segment.read_to_vec(Extent::new(4 * MIB, 8 * MIB)).unwrap() == bytes);
    assert_eq!(backed_bytes(&segment), 16 * MIB);
}

/// Giving back frees the memory of exactly the pages named, reads as zeros afterwards, and spares the neighbours.
#[test]
fn giving_back_spares_the_neighbours() {
    let segment = segment(8 * MIB);
    let bytes = pattern((8 * MIB) as usize, 5);
    segment.write(0, &bytes).unwrap();
    segment
        .give_back(Extent::new(2 * MIB, 2 * MIB + PAGE - 1))
        .unwrap();
    assert_eq!(backed_bytes(&segment), 6 * MIB - PAGE);
    let now = segment.read_to_vec(Extent::new(0, 8 * MIB)).unwrap();
    let (from, to) = ((2 * MIB) as usize, (4 * MIB + PAGE) as usize);
    assert!(now[..from] == bytes[..from]);
    assert!(now[from..to].iter().all(|&byte| byte == 0));
    assert!(now[to..] == bytes[to..]);
    assert_eq!(
        segment.give_back(Extent::new(1, PAGE)).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    // What was given back can be written again, by the way for fresh pages.
    segment.write(2 * MIB, &bytes[from..to]).unwrap();
    assert!(segment.read_to_vec(Extent::new(0, 8 * MIB)).unwrap() == bytes);
}
