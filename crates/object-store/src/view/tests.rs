//! Sealing when the system refuses mappings. What it does when the system does not is in `tests/views.rs`.

use std::os::fd::AsRawFd;

use super::*;
use crate::mapping::faults::{Call, Fault, during};

const EXTENT: Extent = Extent::new(4 * PAGE, 8 * PAGE - 100);

/// A region whose bytes are written, and them.
fn filled() -> (Segment, Region, Vec<u8>) {
    let segment = Segment::create(64 * PAGE).expect("the system has a memfd for the test");
    let bytes: Vec<u8> = (0..EXTENT.length).map(|at| (at % 251) as u8).collect();
    segment.write(EXTENT.offset, &bytes).unwrap();
    let region = Region::map(&segment, EXTENT).unwrap();
    (segment, region, bytes)
}

/// The bytes at an address as the kernel reads them for this process; `None` where it can't.
fn bytes_at(address: *const u8, length: usize) -> Option<Vec<u8>> {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut bytes = vec![0; length];
    for (page, part) in bytes.chunks_mut(PAGE as usize).enumerate() {
        // The kernel answers with EFAULT where a read by this process would end it. A page fits into a pipe.
        // SAFETY: the kernel checks the range.
        let written = unsafe {
            let from = address.add(page * PAGE as usize).cast();
            libc::write(writer.as_raw_fd(), from, part.len())
        };
        if written != part.len() as isize {
            return None;
        }
        std::io::Read::read_exact(&mut reader, part).unwrap();
    }
    Some(bytes)
}

/// Writes a byte as the kernel does it for this process; false where it can't.
fn write_at(address: *mut u8, byte: u8) -> bool {
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, &[byte]).unwrap();
    // SAFETY: the kernel checks the range, which the test's region owns.
    unsafe { libc::read(reader.as_raw_fd(), address.cast(), 1) == 1 }
}

/// Seals while the faults are met, and checks that the array over the region has lost nothing by it, whatever came out.
fn seals_despite(faults: &[Fault]) -> bool {
    let (segment, mut region, bytes) = filled();
    let sealed = during(faults, || region.seal(&segment)).is_ok();
    let (address, length) = (region.address(), region.length());
    assert_eq!(region.is_sealed(), sealed, "{faults:?}");
    assert_eq!(
        bytes_at(address, length).as_ref(),
        Some(&bytes),
        "a hole under the array: {faults:?}"
    );
    assert!(write_at(address, 255), "{faults:?}");
    let in_store = segment.read_to_vec(EXTENT).unwrap();
    if sealed {
        assert!(in_store == bytes, "the object has changed: {faults:?}");
    } else {
        // As before: still the array's own memory in the store, which can be sealed later.
        assert_eq!(in_store[0], 255, "{faults:?}");
        assert!(write_at(address, bytes[0]));
        region.seal(&segment).expect("nothing fails any more");
        assert!(write_at(address, 255));
        assert!(segment.read_to_vec(EXTENT).unwrap() == bytes);
    }
    sealed
}

fn fault(call: Call, error: i32, leaves_hole: bool) -> Fault {
    Fault {
        call,
        error,
        leaves_hole,
    }
}

/// VI-3. Strict accounting (`vm.overcommit_memory` = 2) refuses private mappings; kernels before 6.12 unmap first.
#[test]
fn sealing_leaves_no_hole_where_the_system_refuses_the_mapping() {
    for error in [libc::ENOMEM, libc::EPERM, libc::EAGAIN] {
        for leaves_hole in [false, true] {
            seals_despite(&[fault(Call::MapOver, error, leaves_hole)]);
        }
        seals_despite(&[fault(Call::Map, error, false)]);
    }
}
