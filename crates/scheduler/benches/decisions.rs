//! How many decisions the scheduler takes in a second.
//!
//! A decision is one `LeaseReturned` that leads to one `GrantLease`: the event with which a busy node spends its time.
//! Measured with 10,000 scheduling classes waiting, with 1,000,000 wishes of one class, and with 10,000
//! classes that can't be served (they must cost nothing). Run: `cargo bench -p eagleray-scheduler`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use eagleray_resources::{CPU, MEMORY, Quantity, ResourceSet};
use eagleray_scheduler::{
    ActorId, Configuration, DRIVER, EnvironmentId, Event, Instruction, LeaseId, Scheduler,
    SchedulingClass,
};

const CPUS: u64 = 8;
const CLASSES: u64 = 10_000;

/// A node whose workers are ready, and the leases that were granted and not returned.
struct Node {
    scheduler: Scheduler,
    now_ms: u64,
    out: Vec<Instruction>,
    leases: std::collections::VecDeque<LeaseId>,
    grants: u64,
}

fn units(name: &str, count: u64) -> ResourceSet {
    ResourceSet::new().with(name, Quantity::from_units(count))
}

impl Node {
    fn new(total: ResourceSet) -> Node {
        let mut node = Node {
            scheduler: Scheduler::new(Configuration::new(total, Vec::new())),
            now_ms: 0,
            out: Vec::new(),
            leases: std::collections::VecDeque::new(),
            grants: 0,
        };
        node.tell(Event::ClientConnected { client: DRIVER });
        node.tell(Event::Started);
        node
    }

    fn tell(&mut self, event: Event) {
        let mut out = std::mem::take(&mut self.out);
        self.scheduler.handle(event, self.now_ms, &mut out);
        for instruction in out.drain(..) {
            match instruction {
                Instruction::StartWorker { worker, .. } => {
                    self.tell(Event::WorkerStarted { worker })
                }
                Instruction::GrantLease { lease, .. } => {
                    self.grants += 1;
                    self.leases.push_back(lease);
                }
                _ => {}
            }
        }
        self.out = out;
    }

    fn want(&mut self, resources: ResourceSet, wanted: u32) {
        let class = SchedulingClass {
            resources,
            environment: EnvironmentId::DEFAULT,
        };
        self.tell(Event::LeasesWanted {
            client: DRIVER,
            class,
            wanted,
        });
    }

    /// The holder of the oldest lease returns it; somebody else gets its worker.
    fn decide(&mut self, decisions: u64) {
        let before = self.grants;
        for decision in 0..decisions {
            // A thousand decisions a millisecond: time passes, so leases are asked back as in earnest.
            self.now_ms += u64::from(decision % 1_000 == 0);
            let lease = self
                .leases
                .pop_front()
                .expect("a busy node has granted leases");
            self.tell(Event::LeaseReturned {
                lease,
                worker_reusable: true,
            });
        }
        assert_eq!(
            self.grants - before,
            decisions,
            "every return leads to a grant"
        );
    }
}

fn decisions(criterion: &mut Criterion) {
    const DECISIONS: u64 = 1_000;
    let mut group = criterion.benchmark_group("decisions");
    group.throughput(Throughput::Elements(DECISIONS));

    // Classes that differ in their memory: ten thousand tasks with options of their own.
    let mut node = Node::new(units(CPU, CPUS).with(MEMORY, Quantity::from_units(1 << 40)));
    for class in 1..=CLASSES {
        node.want(
            units(CPU, 1).with(MEMORY, Quantity::from_units(class)),
            1_000_000,
        );
    }
    group.bench_function("10,000 pending classes", |bencher| {
        bencher.iter(|| node.decide(DECISIONS));
    });

    let mut node = Node::new(units(CPU, CPUS));
    node.want(units(CPU, 1), u32::MAX);
    group.bench_function("one class with a million wishes and more", |bencher| {
        bencher.iter(|| node.decide(DECISIONS));
    });

    let mut node = Node::new(units(CPU, CPUS).with("Custom", Quantity::from_units(CLASSES)));
    // All of the custom resource is an actor's, so nobody can hope for it.
    let all = units("Custom", CLASSES);
    node.tell(Event::ActorWanted {
        actor: ActorId(1),
        placement: all.clone(),
        held: all,
        environment: EnvironmentId::DEFAULT,
    });
    for class in 1..CLASSES {
        node.want(units(CPU, 1).with("Custom", Quantity::from_units(class)), 1);
    }
    node.want(units(CPU, 1), u32::MAX);
    group.bench_function("one class beside 10,000 that can't be served", |bencher| {
        bencher.iter(|| node.decide(DECISIONS));
    });
    group.finish();
}

fn wishes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wishes");
    let mut node = Node::new(units(CPU, CPUS));
    node.want(units(CPU, 1), 1_000_000);
    let mut wanted = 1_000_000;
    group.throughput(Throughput::Elements(1));
    group.bench_function("a wish for a million that changes", |bencher| {
        bencher.iter(|| {
            wanted = if wanted == 1_000_000 {
                999_999
            } else {
                1_000_000
            };
            node.want(units(CPU, 1), wanted);
        });
    });
    group.finish();
}

criterion_group!(benches, decisions, wishes);
criterion_main!(benches);
