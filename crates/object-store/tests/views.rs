//! Copy-on-write views and regions: isolation, freshness, and that neither copies what it need not.
#![cfg(not(miri))]

use std::fs;
use std::os::unix::fs::MetadataExt;

use eagleray_object_store::{AccessError, Extent, PAGE, Region, Segment, View, ViewError};

const LENGTH: u64 = 16 * PAGE;
const EXTENT: Extent = Extent::new(4 * PAGE, LENGTH - 100);

fn filled() -> (Segment, Vec<u8>) {
    let segment = Segment::create(64 * PAGE).expect("the system has a memfd for the test");
    let bytes: Vec<u8> = (0..EXTENT.length)
        .map(|index| (index % 251) as u8)
        .collect();
    segment.write(EXTENT.offset, &bytes).unwrap();
    (segment, bytes)
}

fn bytes_at(address: *const u8, length: usize) -> Vec<u8> {
    // SAFETY: the tests pass the address and length of mappings that are alive and that no other thread writes.
    unsafe { std::slice::from_raw_parts(address, length) }.to_vec()
}

fn write_at(address: *mut u8, index: usize, byte: u8) {
    // SAFETY: the tests pass indices within mappings that are alive.
    unsafe { address.add(index).write_volatile(byte) }
}

/// Bytes of the mapping at `address` that are private copies, by the kernel's own figures.
fn copied_bytes(address: *const u8) -> u64 {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    let start = format!("{:x}-", address.addr());
    let mapping = maps
        .lines()
        .skip_while(|line| !line.starts_with(&start))
        .skip(1);
    let line = mapping
        .take_while(|line| line.contains(" kB"))
        .find(|line| line.starts_with("Anonymous:"));
    let kilobytes = line
        .and_then(|line| line.split_whitespace().nth(1))
        .expect("the mapping is listed");
    kilobytes.parse::<u64>().unwrap() << 10
}

/// Mappings of the file in this process; other tests map other files at the same time.
fn mappings_of(inode: &str) -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines()
        .filter(|line| line.split_whitespace().nth(4) == Some(inode))
        .count()
}

/// VI-1: a write stays with its view; the store and every other view, older or newer, see the sealed bytes.
#[test]
fn writes_stay_with_their_view() {
    let (segment, bytes) = filled();
    let older = View::map(&segment, EXTENT).unwrap();
    let written = View::map(&segment, EXTENT).unwrap();
    assert!(bytes_at(written.address(), written.length()) == bytes);
    assert_eq!(copied_bytes(written.address()), 0, "reading copies nothing");
    write_at(written.address(), 5, 255);
    write_at(written.address(), 3 * PAGE as usize, 254);
    let newer = View::map(&segment, EXTENT).unwrap();

    let mut changed = bytes.clone();
    (changed[5], changed[3 * PAGE as usize]) = (255, 254);
    assert!(bytes_at(written.address(), written.length()) == changed);
    assert_eq!(
        copied_bytes(written.address()),
        2 * PAGE,
        "one page is copied for each page written"
    );
    assert!(bytes_at(older.address(), older.length()) == bytes);
    assert!(bytes_at(newer.address(), newer.length()) == bytes);
    assert!(segment.read_to_vec(EXTENT).unwrap() == bytes);
}

/// A region's bytes become the object's by sealing alone: no page is copied, the address stays, later writes are private.
#[test]
fn sealing_a_region_copies_nothing_and_keeps_the_address() {
    let (segment, mut bytes) = filled();
    let mut region = Region::map(&segment, EXTENT).unwrap();
    let address = region.address();
    write_at(address, 9, 200);
    bytes[9] = 200;
    assert!(
        segment.read_to_vec(EXTENT).unwrap() == bytes,
        "before sealing, writes go to the store"
    );
    assert!(!region.is_sealed());

    region.seal(&segment).unwrap();
    assert!(region.is_sealed());
    assert_eq!(region.address(), address);
    assert!(bytes_at(address, region.length()) == bytes);
    assert_eq!(copied_bytes(address), 0, "sealing copies nothing");

    write_at(address, 9, 201);
    assert_eq!(copied_bytes(address), PAGE);
    assert!(
        segment.read_to_vec(EXTENT).unwrap() == bytes,
        "after sealing, writes are private"
    );
    let view = View::map(&segment, EXTENT).unwrap();
    assert!(bytes_at(view.address(), view.length()) == bytes);

    region.seal(&segment).unwrap();
    assert_eq!(
        bytes_at(address, 10)[9],
        201,
        "sealing again keeps the private writes"
    );
}

#[test]
fn clearing_a_region_removes_what_its_space_held_and_nothing_else() {
    let (segment, _) = filled();
    segment
        .write(EXTENT.offset + EXTENT.length, b"neighbour")
        .unwrap();
    Region::map(&segment, EXTENT).unwrap().clear();
    assert!(
        segment
            .read_to_vec(EXTENT)
            .unwrap()
            .iter()
            .all(|&byte| byte == 0)
    );
    let neighbour = Extent::new(EXTENT.offset + EXTENT.length, 9);
    assert_eq!(segment.read_to_vec(neighbour).unwrap(), b"neighbour");
}

#[test]
fn extents_that_cannot_be_mapped_are_errors() {
    let (segment, _) = filled();
    let size = segment.size();
    let refused = |offset, length| match View::map(&segment, Extent::new(offset, length)) {
        Err(ViewError::Access(error)) => error,
        other => panic!("{length} bytes at {offset} gave {other:?}"),
    };
    assert_eq!(refused(0, 0), AccessError::Empty);
    assert_eq!(
        refused(8, 8),
        AccessError::Misaligned {
            offset: 8,
            alignment: PAGE
        }
    );
    for (offset, length) in [
        (0, size + 1),
        (size, 1),
        (u64::MAX, u64::MAX),
        (PAGE, u64::MAX),
    ] {
        assert_eq!(
            refused(offset, length),
            AccessError::OutOfBounds {
                offset,
                length,
                size
            }
        );
    }
    assert!(matches!(
        Region::map(&segment, Extent::new(size, PAGE)),
        Err(ViewError::Access(_))
    ));
}

/// A finalizer on another thread gets along with the two words, for views and for sealed regions, and the segment may be gone.
#[test]
fn mappings_outlive_the_segment_and_end_on_any_thread() {
    let (segment, bytes) = filled();
    let mut region = Region::map(&segment, EXTENT).unwrap();
    region.seal(&segment).unwrap();
    let raw = [
        View::map(&segment, EXTENT).unwrap().into_raw(),
        region.into_raw(),
    ];
    let file = fs::File::from(segment.descriptor().try_clone_to_owned().unwrap());
    let inode = file.metadata().unwrap().ino().to_string();
    drop((segment, file));
    assert_eq!(mappings_of(&inode), 2);
    for (address, length) in raw {
        assert!(bytes_at(address, length) == bytes);
        let address = address.expose_provenance();
        let finalizer = std::thread::spawn(move || {
            let address = std::ptr::with_exposed_provenance_mut(address);
            // SAFETY: the words come from `into_raw`, and each pair is used once.
            drop(unsafe { View::from_raw(address, length) });
        });
        finalizer.join().unwrap();
    }
    assert_eq!(mappings_of(&inode), 0);
}
