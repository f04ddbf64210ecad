//! What a ring costs: frames through one ring in one thread, in nanoseconds a frame.
//!
//! Run with `cargo bench -p eagleray-ipc`.

use criterion::{Criterion, criterion_group, criterion_main};
use eagleray_ipc::{RingReader, RingWriter};

fn one_thread(criterion: &mut Criterion) {
    let (mut writer, mut reader) = support::ring(1 << 20);
    let payload = [7u8; 64];
    criterion.bench_function("push, take and release 64 bytes in one thread", |bencher| {
        bencher.iter(|| {
            writer.push(1, &[&payload]).expect("the ring is empty");
            let length = reader
                .take_next()
                .expect("a sound ring")
                .map(|frame| frame.payload.len());
            reader.release();
            length
        });
    });
}

mod support {
    use super::{RingReader, RingWriter};
    use eagleray_ipc::ring::{RING_ALIGNMENT, RING_HEADER};
    use std::alloc::{Layout, alloc_zeroed};

    /// Both sides of a ring in memory that is never freed.
    pub fn ring(capacity: usize) -> (RingWriter, RingReader) {
        let length = RING_HEADER + capacity;
        let layout = Layout::from_size_align(length, RING_ALIGNMENT).expect("a valid layout");
        // SAFETY: the layout is not empty; the memory is never freed, and used by this ring only.
        unsafe {
            let base = alloc_zeroed(layout);
            let writer = RingWriter::create(base, length).expect("memory for a ring");
            (writer, RingReader::open(base, length).expect("a ring"))
        }
    }
}

criterion_group!(benches, one_thread);
criterion_main!(benches);
