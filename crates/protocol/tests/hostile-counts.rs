//! Ipc's first invariant, where it is easiest to break: what a peer writes never makes the reader allocate more than
//! what it really wrote can take.
//!
//! In a file of its own, because it counts every allocation of its process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use eagleray_object_store::Extent;
use eagleray_protocol::{
    FromRaylet, Nested, ObjectId, Outcome, Payload, SystemError, ToRaylet, Wire, decode,
};

struct Counting;

/// Bytes allocated now, and the most since the last [`peak_of`].
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all memory is the system allocator's; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) };
    }
}

/// The most bytes that `action` had allocated at once.
fn peak_of<R>(action: impl FnOnce() -> R) -> usize {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    drop(action());
    PEAK.load(Relaxed) - before
}

/// Long enough that a reservation by its length cannot be overlooked.
const FRAME: usize = 4 << 20;

/// Beside what the bytes themselves become.
const SLACK: usize = 256 << 10;

/// How much more memory an element may take than its bytes, while a list of them grows: an empty text is 4 bytes and
/// becomes 24, and a list that doubles has its old elements beside the new ones.
const GROWTH: usize = 24;

fn refuses_cheaply<T: Wire>(name: &str) {
    // A list that claims as much as can be claimed, or as much as there are bytes, and ends at once.
    for count in [u32::MAX, 1 << 31, FRAME as u32, FRAME as u32 - 4] {
        let short = count.to_le_bytes();
        let peak = peak_of(|| decode::<Vec<T>>(&short).is_err());
        assert!(
            peak <= SLACK,
            "{name}: {peak} bytes for an empty list of {count}"
        );
        // The same with bytes behind it in which every further length is too long.
        let mut long = vec![0xff; FRAME];
        long[..4].copy_from_slice(&short);
        let peak = peak_of(|| decode::<Vec<T>>(&long).is_err());
        assert!(
            peak <= GROWTH * FRAME / 4 + SLACK,
            "{name}: {peak} bytes for {FRAME} bytes of nonsense that claim {count} elements"
        );
    }
}

/// One test, because the counts are the process's.
#[test]
fn a_count_that_was_never_written_reserves_nothing() {
    refuses_cheaply::<u8>("u8");
    refuses_cheaply::<u64>("u64");
    refuses_cheaply::<String>("String");
    refuses_cheaply::<Extent>("Extent");
    refuses_cheaply::<ObjectId>("ObjectId");
    refuses_cheaply::<Nested>("Nested");
    refuses_cheaply::<Payload>("Payload");
    refuses_cheaply::<Outcome>("Outcome");
    refuses_cheaply::<SystemError>("SystemError");
    refuses_cheaply::<(String, Vec<Nested>)>("(String, Vec<Nested>)");
    refuses_cheaply::<Option<Vec<Payload>>>("Option<Vec<Payload>>");

    // Every message, with lists that claim too much wherever in it a list is: after the tag come `lead` bytes of one
    // value, then the claim again and again.
    let claims = (FRAME as u32 / 32)
        .to_le_bytes()
        .repeat(FRAME / 16 / size_of::<u32>());
    for (lead, fill) in (0..40).flat_map(|lead| [(lead, 0), (lead, 1)]) {
        let mut bytes = vec![fill; 1 + lead];
        bytes.extend_from_slice(&claims);
        let most = GROWTH * bytes.len() / 4 + SLACK;
        for tag in 0..=u8::MAX {
            bytes[0] = tag;
            let peak = peak_of(|| decode::<ToRaylet>(&bytes).is_err());
            assert!(
                peak <= most,
                "to the raylet, tag {tag}, {lead} × {fill}: {peak}"
            );
            let peak = peak_of(|| decode::<FromRaylet>(&bytes).is_err());
            assert!(
                peak <= most,
                "from the raylet, tag {tag}, {lead} × {fill}: {peak}"
            );
        }
    }
}
