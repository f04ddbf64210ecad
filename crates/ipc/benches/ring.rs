//! What rings and wake-ups cost. Run with `cargo bench -p eagleray-ipc`.
//!
//! - `one thread`: a frame pushed, taken and released, without another core's caches in the way.
//! - `two threads`: a stream of frames from one core to another.
//! - `round trip`: a frame to another process and its answer, when both spin for it, and when both sleep
//!   on their doorbells (two wake-ups by the kernel).

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use eagleray_ipc::mailbox::MAILBOX_SIZE;
use eagleray_ipc::{AdaptiveSpin, Doorbell, Mailbox, RingReader, RingWriter, wait};
use std::hint::{black_box, spin_loop};
use std::time::{Duration, Instant};

#[allow(dead_code)]
#[path = "../tests/support/mod.rs"]
mod support;

use support::{Child, SharedMemory, fork};

/// A frame of this kind ends the process that answers.
const END: u32 = 0;
const CALL: u32 = 1;

fn one_thread(criterion: &mut Criterion) {
    let memory = SharedMemory::for_ring(1 << 20);
    let (mut writer, mut reader) = memory.ring();
    let mut group = criterion.benchmark_group("one thread");
    for size in [16, 64, 256, 4096] {
        let payload = vec![7u8; size];
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("push, take and release {size} bytes"), |bencher| {
            bencher.iter(|| {
                writer
                    .push(CALL, &[black_box(&payload)])
                    .expect("an empty ring");
                let frame = reader.take_next().expect("a sound ring").expect("a frame");
                black_box(frame.payload);
                reader.release();
            });
        });
    }
    let payload = [7u8; 64];
    // The two halves on their own, a batch at a time.
    const BATCH: u32 = 1000;
    group.bench_function("push 64 bytes", |bencher| {
        bencher.iter_custom(|count| {
            let mut time = Duration::ZERO;
            for _ in 0..count {
                let start = Instant::now();
                for _ in 0..BATCH {
                    writer
                        .push(CALL, &[black_box(&payload)])
                        .expect("a ring with space");
                }
                time += start.elapsed() / BATCH;
                drain(&mut reader);
            }
            time
        });
    });
    group.bench_function("take and release 64 bytes", |bencher| {
        bencher.iter_custom(|count| {
            let mut time = Duration::ZERO;
            for _ in 0..count {
                for _ in 0..BATCH {
                    writer
                        .push(CALL, &[black_box(&payload)])
                        .expect("a ring with space");
                }
                let start = Instant::now();
                drain(&mut reader);
                time += start.elapsed() / BATCH;
            }
            time
        });
    });
    group.bench_function("push and revoke 64 bytes", |bencher| {
        bencher.iter(|| {
            let frame = writer
                .push(CALL, &[black_box(&payload)])
                .expect("a ring with space");
            black_box(writer.revoke(frame));
            black_box(reader.take_next().expect("a sound ring").is_none());
        });
    });
    group.finish();
}

fn drain(reader: &mut RingReader) {
    while let Some(frame) = reader.take_next().expect("a sound ring") {
        black_box(frame.payload);
        reader.release();
    }
}

fn two_threads(criterion: &mut Criterion) {
    const BATCH: u64 = 10_000;
    let mut group = criterion.benchmark_group("two threads");
    group.throughput(Throughput::Elements(BATCH));
    group.sample_size(20);
    group.bench_function("stream frames of 64 bytes", |bencher| {
        let memory = SharedMemory::for_ring(1 << 18);
        let (mut writer, mut reader) = memory.ring();
        bencher.iter_custom(|count| {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..count * BATCH {
                        while writer.push(CALL, &[&[7; 64]]).is_none() {
                            spin_loop();
                        }
                    }
                });
                let start = Instant::now();
                let mut received = 0;
                while received < count * BATCH {
                    if let Some(frame) = reader.take_next().expect("a sound ring") {
                        black_box(frame.payload);
                        received += 1;
                        reader.release();
                    } else {
                        spin_loop();
                    }
                }
                start.elapsed()
            })
        });
    });
    group.finish();
}

/// How a process waits for its next frame.
#[derive(Clone, Copy)]
enum Waiting {
    Spins,
    Sleeps,
    SpinsThenSleeps,
}

/// Where one process hears from the other.
struct Ear {
    mailbox: Mailbox,
    doorbell: Doorbell,
    waiting: Waiting,
    spin: AdaptiveSpin,
}

impl Ear {
    fn wait(&mut self, reader: &RingReader) {
        match self.waiting {
            Waiting::Spins => {
                while !reader.has_ready() {
                    spin_loop();
                }
                return;
            }
            Waiting::SpinsThenSleeps if self.spin.spin(|| reader.has_ready()) => return,
            Waiting::SpinsThenSleeps | Waiting::Sleeps => {}
        }
        self.mailbox.prepare_to_sleep();
        if !reader.has_ready() {
            wait(&[self.doorbell.fd()], None).expect("a doorbell");
        }
        self.mailbox.cancel_sleep();
        self.doorbell.clear().expect("a doorbell");
    }

    fn wake(&self) {
        self.mailbox
            .wake(|| self.doorbell.ring())
            .expect("a doorbell");
    }
}

/// A forked process that answers every frame with its payload.
struct Echo {
    writer: RingWriter,
    reader: RingReader,
    own_ear: Ear,
    its_ear: Ear,
    child: Child,
}

impl Echo {
    fn start(memories: &[SharedMemory; 3], waiting: Waiting) -> Self {
        let [to_child, from_child, mailboxes] = memories;
        let (writer, mut in_child) = to_child.ring();
        let (mut out_of_child, reader) = from_child.ring();
        let ear = |index: usize| Ear {
            // SAFETY: two places of a mapping that outlives both processes' views.
            mailbox: unsafe { Mailbox::at(mailboxes.base().add(index * MAILBOX_SIZE)) },
            doorbell: Doorbell::create().expect("a doorbell"),
            waiting,
            spin: AdaptiveSpin::new(50),
        };
        let (own_ear, mut its_ear) = (ear(0), ear(1));
        let child = fork(|| {
            loop {
                while let Ok(Some(frame)) = in_child.take_next() {
                    if frame.kind == END {
                        return true;
                    }
                    out_of_child
                        .push(CALL, &[frame.payload])
                        .expect("an empty ring");
                    in_child.release();
                    own_ear.wake();
                }
                its_ear.wait(&in_child);
            }
        });
        Self {
            writer,
            reader,
            own_ear,
            its_ear,
            child,
        }
    }

    fn round_trip(&mut self) {
        self.send(CALL);
        loop {
            if let Some(frame) = self.reader.take_next().expect("a sound ring") {
                black_box(frame.payload);
                self.reader.release();
                return;
            }
            self.own_ear.wait(&self.reader);
        }
    }

    fn send(&mut self, kind: u32) {
        self.writer.push(kind, &[&[7; 64]]).expect("an empty ring");
        self.its_ear.wake();
    }

    fn end(mut self) {
        self.send(END);
        assert_eq!(self.child.wait(), 0);
    }
}

fn two_processes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round trip between processes");
    let ways = [
        ("both spin", Waiting::Spins),
        ("both sleep on eventfds", Waiting::Sleeps),
        (
            "both spin up to 50 µs, then sleep",
            Waiting::SpinsThenSleeps,
        ),
    ];
    for (name, waiting) in ways {
        let memories = [
            SharedMemory::for_ring(1 << 16),
            SharedMemory::for_ring(1 << 16),
            SharedMemory::new(2 * MAILBOX_SIZE),
        ];
        let mut echo = Echo::start(&memories, waiting);
        group.bench_function(name, |bencher| bencher.iter(|| echo.round_trip()));
        echo.end();
    }
    group.finish();
}

criterion_group!(benches, one_thread, two_threads, two_processes);
criterion_main!(benches);
