//! Sealing when the system refuses mappings. What it does when the system does not is in `tests/views.rs`.

use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use super::*;
use crate::mapping::faults::{Call, Fault, account_strictly, during};

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
fn sealing_leaves_no_hole_where_the_system_refuses_mappings() {
    for error in [libc::ENOMEM, libc::EPERM, libc::ENOSYS, libc::EAGAIN] {
        for mapped_away in [false, true] {
            assert!(!seals_despite(&[fault(Call::MapOver, error, mapped_away)]));
        }
        assert!(seals_despite(&[]));
        account_strictly(true);
        assert!(seals_despite(&[]));
        assert!(!seals_despite(&[fault(Call::Map, error, false)]));
        // No `mremap`, or none that succeeds: mapping in place is as good, if it is allowed.
        for moved_away in [false, true] {
            let not_moved = fault(Call::Move, error, moved_away);
            assert!(seals_despite(&[not_moved]));
            for mapped_away in [false, true] {
                let not_mapped = fault(Call::MapOver, error, mapped_away);
                assert!(!seals_despite(&[not_moved, not_mapped]));
            }
        }
        account_strictly(false);
    }
}

/// VI-3, by the kernel itself: a limit on addresses stops the private mapping.
#[test]
fn a_region_that_the_kernel_lets_nobody_seal_stays_as_it_was() {
    // The limit is the process's, so another one meets it.
    let test = "view::tests::a_region_that_the_kernel_lets_nobody_seal_stays_as_it_was";
    if !is_child(test) {
        assert!(run_as_child(test).status.success());
        return;
    }
    account_strictly(true);
    let (segment, mut region, bytes) = filled();
    // SAFETY: an all-zero limit is a valid one to overwrite.
    let mut limit: libc::rlimit = unsafe { std::mem::zeroed() };
    // SAFETY: valid for writing.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) }, 0);
    let before = limit.rlim_cur;
    limit.rlim_cur = PAGE;
    // SAFETY: valid for reading.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
    let refused = region.seal(&segment).is_err();
    limit.rlim_cur = before;
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
    assert!(refused && !region.is_sealed());
    assert!(bytes_at(region.address(), region.length()) == Some(bytes));
    region.seal(&segment).unwrap();
}

/// Nothing goes on over memory that is not there.
#[test]
fn a_process_that_has_lost_the_memory_of_an_array_ends_and_says_so() {
    let test = "view::tests::a_process_that_has_lost_the_memory_of_an_array_ends_and_says_so";
    if is_child(test) {
        let none: libc::rlimit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // No file of the process's memory: this end is wanted.
        // SAFETY: valid for reading.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
        let faults = [
            fault(Call::Move, libc::ENOMEM, true),
            fault(Call::MapOver, libc::ENOMEM, true),
            fault(Call::MapOver, libc::ENOMEM, true),
        ];
        seals_despite(&faults);
        return;
    }
    let output = run_as_child(test);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("the memory of an array"), "{text}");
}

const CHILD: &str = "EAGLERAY_TEST_CHILD";

fn is_child(test: &str) -> bool {
    std::env::var(CHILD).is_ok_and(|name| name == test)
}

/// Runs one test in a process of its own.
fn run_as_child(test: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, test)
        .output()
        .unwrap()
}
