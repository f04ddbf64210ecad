//! What the bookkeeping of space costs: the client's reservation, the raylet's share of a `put` out of a slab, and a
//! mixture of allocations and releases in a store that is fragmented. Run: `cargo bench -p eagleray-object-store --bench slab`.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use eagleray_object_store::{Allocator, Extent, PAGE, SlabClient};

const STORE: u64 = 8 << 30;
const SLAB: u64 = 4 << 20;
const OBJECT: u64 = 64 << 10;

fn reserve(criterion: &mut Criterion) {
    let mut client = SlabClient::new();
    client.install(Extent::new(0, SLAB));
    criterion.bench_function("slab: reserve 64 KiB", |bencher| {
        bencher.iter(|| {
            client.reserve(black_box(OBJECT)).or_else(|| {
                client.install(Extent::new(0, SLAB));
                client.reserve(OBJECT)
            })
        })
    });
}

/// One iteration is one object: reserved by the client, sealed and released by the raylet; every 64th leases a slab.
fn seal_and_release(criterion: &mut Criterion) {
    let mut allocator = Allocator::new(0, STORE);
    let mut client = SlabClient::new();
    criterion.bench_function("slab: reserve, seal and release 64 KiB", |bencher| {
        bencher.iter(|| {
            let extent = client.reserve(OBJECT).unwrap_or_else(|| {
                client.install(
                    allocator
                        .lease(1, SLAB)
                        .expect("the store has room for a slab"),
                );
                client
                    .reserve(OBJECT)
                    .expect("a fresh slab has room for an object")
            });
            allocator
                .seal(1, extent)
                .expect("the client owns what it reserved");
            allocator
                .release(extent)
                .expect("what was sealed can be released");
        })
    });
}

/// A store of 10,000 live objects of 1 to 128 pages; one iteration replaces one of them by another size.
fn allocate_and_release(criterion: &mut Criterion) {
    let mut allocator = Allocator::new(0, STORE);
    let mut random = 1u64;
    let mut next = move || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        random >> 33
    };
    let mut live: Vec<Extent> = (0..10_000)
        .map(|_| {
            allocator
                .allocate((next() % 128 + 1) * PAGE)
                .expect("the store has room")
        })
        .collect();
    criterion.bench_function("allocator: replace one of 10,000 objects", |bencher| {
        bencher.iter(|| {
            let index = next() as usize % live.len();
            allocator.release(live[index]).expect("the object is live");
            live[index] = allocator
                .allocate((next() % 128 + 1) * PAGE)
                .expect("the store has room");
        })
    });
}

/// A client dies with 1,000 slabs, of which every second page was sealed: what its death costs the raylet in all.
fn client_death(criterion: &mut Criterion) {
    let setup = || {
        let mut allocator = Allocator::new(0, STORE);
        for _ in 0..1_000 {
            let slab = allocator.lease(1, 8 * PAGE).expect("the store has room");
            for page in [1, 3, 5, 7] {
                let extent = Extent::new(slab.offset + page * PAGE, PAGE);
                allocator.seal(1, extent).expect("the client owns the slab");
            }
        }
        allocator
    };
    criterion.bench_function("allocator: death of a client with 4,000 holes", |bencher| {
        bencher.iter_batched(
            setup,
            |mut allocator| {
                black_box(allocator.release_client(1));
                allocator
            },
            BatchSize::LargeInput,
        )
    });
}

criterion_group!(
    benches,
    reserve,
    seal_and_release,
    allocate_and_release,
    client_death
);
criterion_main!(benches);
