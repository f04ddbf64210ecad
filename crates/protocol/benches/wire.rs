//! What it costs to write and read messages and frames.
//!
//! `cargo bench -p eagleray-protocol --bench wire`. One iteration is one message or frame. They are
//! those that a task or an object costs: the frame of a task with one small argument, its reply, and
//! the message that seals an object.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use eagleray_object_store::Extent;
use eagleray_protocol::frames::{
    ARGUMENT_INLINE, ReplyHeader, TaskHeader, read_argument, write_argument,
};
use eagleray_protocol::{ObjectId, Outcome, Payload, ToRaylet, decode, encode};

fn task_header() -> TaskHeader {
    TaskHeader {
        function: [7; 16],
        sequence: 1 << 40,
        slot: 3,
        attempt: 0,
        result_count: 1,
        argument_count: 1,
    }
}

fn frames(criterion: &mut Criterion) {
    let header = task_header();
    let mut frame = Vec::with_capacity(256);
    criterion.bench_function("task frame: write", |bencher| {
        bencher.iter(|| {
            frame.clear();
            frame.resize(TaskHeader::LENGTH, 0);
            black_box(&header).write(&mut frame);
            write_argument(&mut frame, ARGUMENT_INLINE, black_box(&[1; 24]));
            frame.len()
        });
    });
    criterion.bench_function("task frame: read", |bencher| {
        bencher.iter(|| {
            let (header, arguments) = TaskHeader::read(black_box(&frame))?;
            let (argument, _) = read_argument(arguments)?;
            Some(header.argument_count as usize + argument.bytes.len())
        });
    });
    let reply = ReplyHeader {
        sequence: 1 << 40,
        slot: 3,
        result_count: 1,
        last: true,
        retire: false,
        sealed_in_vain: false,
    };
    let mut bytes = [0; ReplyHeader::LENGTH];
    criterion.bench_function("reply header: write and read", |bencher| {
        bencher.iter(|| {
            black_box(&reply).write(&mut bytes);
            ReplyHeader::read(black_box(&bytes)).map(|(header, _)| header.slot)
        });
    });
}

fn messages(criterion: &mut Criterion) {
    let wish = ToRaylet::LeasesWanted {
        class: 1,
        wanted: 2,
    };
    criterion.bench_function("leases wanted: encode", |bencher| {
        bencher.iter(|| encode(black_box(&wish)));
    });
    let seal = ToRaylet::Seal {
        request: 0,
        id: ObjectId::local(1, 9),
        holder: 1,
        extents: vec![Extent {
            offset: 4096,
            length: 1 << 20,
        }],
        nested: Vec::new(),
    };
    let bytes = encode(&seal);
    criterion.bench_function("seal: encode", |bencher| {
        bencher.iter(|| encode(black_box(&seal)));
    });
    criterion.bench_function("seal: decode", |bencher| {
        bencher.iter(|| decode::<ToRaylet>(black_box(&bytes)));
    });
    let publish = encode(&ToRaylet::Publish {
        id: ObjectId::local(1, 9),
        outcome: Some(Outcome::value(Payload::inline(&[1; 1024]))),
    });
    criterion.bench_function("publish of 1 KiB: decode", |bencher| {
        bencher.iter(|| decode::<ToRaylet>(black_box(&publish)));
    });
}

criterion_group!(wire, frames, messages);
criterion_main!(wire);
