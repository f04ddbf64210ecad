//! What each policy promises, one story per test.

use std::collections::VecDeque;

use eagleray_resources::{CPU, GPU, Quantity, ResourceSet};
use eagleray_scheduler::{
    ActorId, Configuration, DRIVER, EnvironmentId, Event, Instruction, LeaseId, ProcessId, Refusal,
    Scheduler, SchedulingClass, StopReason,
};

const OTHER: ProcessId = ProcessId(1_000);

/// A scheduler with a clock, whose processes do what they are told at once unless a test says otherwise.
struct Node {
    scheduler: Scheduler,
    now_ms: u64,
    slow_starts: bool,
    slow_stops: bool,
    started: Vec<(ProcessId, EnvironmentId)>,
    stopped: Vec<(ProcessId, StopReason)>,
    killed: Vec<ProcessId>,
    granted: Vec<Grant>,
    asked: Vec<LeaseId>,
    lost: Vec<LeaseId>,
    placed: Vec<(ActorId, ProcessId, Vec<String>)>,
    refused: Vec<Refusal>,
}

#[derive(Clone, Debug, PartialEq)]
struct Grant {
    lease: LeaseId,
    client: ProcessId,
    resources: ResourceSet,
    worker: ProcessId,
    gpu_ids: Vec<String>,
}

fn set(entries: &[(&str, f64)]) -> ResourceSet {
    entries
        .iter()
        .map(|(name, value)| (*name, Quantity::from_f64(*value).unwrap()))
        .collect()
}

fn cpus(count: f64) -> ResourceSet {
    set(&[(CPU, count)])
}

impl Node {
    fn new(total: &[(&str, f64)]) -> Node {
        Node::with(total, |_| {})
    }

    fn with(total: &[(&str, f64)], change: impl FnOnce(&mut Configuration)) -> Node {
        let mut configuration = Configuration::new(set(total), vec!["a".into(), "b".into()]);
        change(&mut configuration);
        let mut node = Node {
            scheduler: Scheduler::new(configuration),
            now_ms: 0,
            slow_starts: false,
            slow_stops: false,
            started: Vec::new(),
            stopped: Vec::new(),
            killed: Vec::new(),
            granted: Vec::new(),
            asked: Vec::new(),
            lost: Vec::new(),
            placed: Vec::new(),
            refused: Vec::new(),
        };
        node.handle(Event::ClientConnected { client: DRIVER });
        node.handle(Event::ClientConnected { client: OTHER });
        node
    }

    fn handle(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let mut instructions = Vec::new();
            let text = format!("{event:?}");
            self.scheduler.handle(event, self.now_ms, &mut instructions);
            if let Err(broken) = self.scheduler.validate() {
                panic!("after {text}: {broken}");
            }
            for instruction in instructions {
                events.extend(self.obey(instruction));
            }
        }
    }

    fn obey(&mut self, instruction: Instruction) -> Option<Event> {
        match instruction {
            Instruction::StartWorker {
                worker,
                environment,
            } => {
                self.started.push((worker, environment));
                return (!self.slow_starts).then_some(Event::WorkerStarted { worker });
            }
            Instruction::StopWorker { worker, reason } => {
                self.stopped.push((worker, reason));
                return (!self.slow_stops).then_some(Event::WorkerGone { worker });
            }
            Instruction::KillWorker { worker } => {
                self.killed.push(worker);
                return Some(Event::WorkerGone { worker });
            }
            Instruction::GrantLease {
                lease,
                client,
                class,
                worker,
                gpu_ids,
            } => {
                let resources = class.resources;
                self.granted.push(Grant {
                    lease,
                    client,
                    resources,
                    worker,
                    gpu_ids,
                });
            }
            Instruction::AskLeaseBack { lease, .. } => self.asked.push(lease),
            Instruction::LeaseLost { lease, .. } => self.lost.push(lease),
            Instruction::PlaceActor {
                actor,
                worker,
                gpu_ids,
            } => {
                self.placed.push((actor, worker, gpu_ids));
            }
            Instruction::RefuseWish { reason, .. } | Instruction::RefuseActor { reason, .. } => {
                self.refused.push(reason);
            }
        }
        None
    }

    fn pass(&mut self, duration_ms: u64) {
        let end_ms = self.now_ms + duration_ms;
        while let Some(deadline_ms) = self
            .scheduler
            .next_deadline_ms()
            .filter(|at_ms| *at_ms <= end_ms)
        {
            assert!(
                deadline_ms > self.now_ms,
                "a deadline in the past would be asked for without end"
            );
            self.now_ms = deadline_ms;
            self.handle(Event::Tick);
        }
        self.now_ms = end_ms;
        self.handle(Event::Tick);
    }

    fn want(&mut self, client: ProcessId, resources: ResourceSet, wanted: u32) {
        self.want_in(client, resources, EnvironmentId::DEFAULT, wanted);
    }

    fn want_in(
        &mut self,
        client: ProcessId,
        resources: ResourceSet,
        environment: EnvironmentId,
        wanted: u32,
    ) {
        let class = SchedulingClass {
            resources,
            environment,
        };
        self.handle(Event::LeasesWanted {
            client,
            class,
            wanted,
        });
    }

    fn actor(&mut self, actor: u64, placement: ResourceSet, held: ResourceSet) {
        let environment = EnvironmentId::DEFAULT;
        self.handle(Event::ActorWanted {
            actor: ActorId(actor),
            placement,
            held,
            environment,
        });
    }

    fn give_back(&mut self, lease: LeaseId) {
        self.handle(Event::LeaseReturned {
            lease,
            worker_reusable: true,
        });
    }

    fn take_granted(&mut self) -> Vec<Grant> {
        std::mem::take(&mut self.granted)
    }

    /// Lets whoever is asked give back, and everybody else keep, for a while.
    fn obey_asks(&mut self, duration_ms: u64) {
        for _ in 0..duration_ms {
            self.pass(1);
            for lease in std::mem::take(&mut self.asked) {
                self.give_back(lease);
            }
        }
    }
}

#[test]
fn the_first_workers_are_started_ahead_and_not_all_at_once() {
    let mut node = Node::with(&[(CPU, 8.0)], |limits| limits.workers_starting_max = 3);
    node.slow_starts = true;
    node.handle(Event::Started);
    assert_eq!(node.started.len(), 3);
    node.handle(Event::WorkerStarted {
        worker: ProcessId(2),
    });
    assert_eq!(node.started.len(), 4);
    node.slow_starts = false;
    for number in 3..=5 {
        node.handle(Event::WorkerStarted {
            worker: ProcessId(number),
        });
    }
    assert_eq!(node.started.len(), 8);
    node.pass(60_000);
    assert_eq!(node.stopped, []);
}

#[test]
fn a_grant_takes_the_idle_worker_that_was_busy_last() {
    let mut node = Node::new(&[(CPU, 2.0)]);
    node.handle(Event::Started);
    node.want(DRIVER, cpus(1.0), 2);
    let granted = node.take_granted();
    assert_eq!(granted.len(), 2);
    node.give_back(granted[0].lease);
    node.give_back(granted[1].lease);
    node.want(DRIVER, cpus(1.0), 1);
    assert_eq!(node.take_granted()[0].worker, granted[1].worker);
}

#[test]
fn grants_go_round_between_clients_of_equal_wishes() {
    let mut node = Node::new(&[(CPU, 4.0)]);
    node.slow_starts = true;
    let blocker = cpus(4.0);
    node.want(DRIVER, blocker.clone(), 1);
    node.handle(Event::WorkerStarted {
        worker: ProcessId(2),
    });
    let all = node.take_granted()[0].lease;
    node.slow_starts = false;
    node.want(DRIVER, cpus(1.0), 10);
    node.want(OTHER, cpus(1.0), 10);
    assert_eq!(node.take_granted(), []);
    node.give_back(all);
    let clients: Vec<ProcessId> = node
        .take_granted()
        .iter()
        .map(|grant| grant.client)
        .collect();
    assert_eq!(clients, [DRIVER, OTHER, DRIVER, OTHER]);
}

#[test]
fn a_wish_replaces_the_one_before_and_zero_withdraws_it() {
    let mut node = Node::new(&[(CPU, 2.0)]);
    node.want(DRIVER, cpus(1.0), 1_000_000);
    let granted = node.take_granted();
    assert_eq!(granted.len(), 2);
    node.want(DRIVER, cpus(1.0), 0);
    node.give_back(granted[0].lease);
    assert_eq!(node.take_granted(), []);
    node.want(DRIVER, cpus(1.0), 1);
    assert_eq!(node.take_granted().len(), 1);
}

#[test]
fn what_was_promised_before_its_worker_started_counts_as_wanted() {
    let mut node = Node::new(&[(CPU, 4.0)]);
    node.slow_starts = true;
    node.want(DRIVER, cpus(1.0), 3);
    node.want(DRIVER, cpus(1.0), 3);
    assert_eq!(node.scheduler.available(), cpus(1.0));
    node.want(DRIVER, cpus(1.0), 1);
    assert_eq!(node.scheduler.available(), cpus(3.0));
    for (worker, _) in node.started.clone() {
        node.handle(Event::WorkerStarted { worker });
    }
    assert_eq!(node.take_granted().len(), 1);
}

#[test]
fn the_impossible_is_refused_at_once() {
    let mut node = Node::new(&[(CPU, 2.0)]);
    node.want(DRIVER, cpus(3.0), 1);
    node.actor(1, set(&[(GPU, 1.0)]), ResourceSet::new());
    let texts: Vec<String> = node.refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "3 CPU asked for, but there is 2 in all",
            "1 GPU asked for, but there is 0 in all"
        ]
    );
    assert!(node.scheduler.feasible(&cpus(2.0)).is_ok());
}

#[test]
fn a_waiting_task_gives_its_cpu_and_a_worker_replaces_it() {
    let mut node = Node::new(&[(CPU, 1.0)]);
    node.want(DRIVER, cpus(1.0), 1);
    let parent = node.take_granted().remove(0);
    node.want(parent.worker, cpus(1.0), 1);
    assert_eq!(node.take_granted(), []);
    node.handle(Event::WorkerBlocked {
        worker: parent.worker,
        blocked: true,
    });
    node.handle(Event::WorkerBlocked {
        worker: parent.worker,
        blocked: true,
    });
    let child = node.take_granted().remove(0);
    assert_eq!((child.client, node.started.len()), (parent.worker, 2));
    node.handle(Event::WorkerBlocked {
        worker: parent.worker,
        blocked: false,
    });
    assert_eq!(node.scheduler.available(), ResourceSet::new());
    node.give_back(child.lease);
    assert_eq!(node.scheduler.available(), ResourceSet::new());
    node.give_back(parent.lease);
    assert_eq!(node.scheduler.available(), cpus(1.0));
}

/// Two leases of the driver on one CPU: the first one's task has waited while the second was granted.
fn overloaded(quantum_ms: u64) -> (Node, [Grant; 2]) {
    let mut node = Node::with(&[(CPU, 1.0)], |configuration| {
        configuration.lease_quantum_ms = quantum_ms;
    });
    node.want(DRIVER, cpus(1.0), 1);
    let first = node.take_granted().remove(0);
    let blocked = |blocked| Event::WorkerBlocked {
        worker: first.worker,
        blocked,
    };
    node.handle(blocked(true));
    node.want(DRIVER, cpus(1.0), 1);
    let second = node.take_granted().remove(0);
    node.handle(blocked(false));
    (node, [first, second])
}

#[test]
fn what_is_used_beyond_the_limit_for_long_is_asked_back() {
    let (mut node, [first, second]) = overloaded(10);
    node.pass(9);
    assert_eq!(node.asked, []);
    node.pass(1);
    assert_eq!(node.asked, [first.lease]);
    // Its task may take for ever, so another one is asked after a while.
    node.pass(10_000);
    assert_eq!(node.asked, [first.lease, second.lease]);
    node.give_back(second.lease);
    // There is work for both, and a CPU for one.
    node.want(DRIVER, cpus(1.0), 1);
    assert_eq!(node.take_granted(), []);
    node.give_back(first.lease);
    assert_eq!(node.take_granted().len(), 1);
    node.pass(10_000);
    assert_eq!(node.asked, [first.lease, second.lease]);
}

#[test]
fn what_is_used_beyond_the_limit_for_a_moment_is_not_asked_back() {
    let (mut node, [first, second]) = overloaded(10);
    for round in 0..100 {
        node.pass(9);
        let (lease, idle) = (second.lease, true);
        node.handle(Event::LeaseIdle { lease, idle });
        node.pass(5);
        node.handle(Event::LeaseIdle { lease, idle: false });
        assert_eq!(node.asked, [], "round {round}");
    }
    node.handle(Event::WorkerBlocked {
        worker: first.worker,
        blocked: true,
    });
    node.pass(10_000);
    assert_eq!(node.asked, []);
}

#[test]
fn a_waiting_task_keeps_its_gpu() {
    let mut node = Node::new(&[(CPU, 1.0), (GPU, 2.0)]);
    node.want(DRIVER, set(&[(CPU, 1.0), (GPU, 1.5)]), 1);
    assert_eq!(node.refused.len(), 1);
    node.want(DRIVER, set(&[(CPU, 1.0), (GPU, 0.5)]), 1);
    let parent = node.take_granted().remove(0);
    assert_eq!(parent.gpu_ids, ["a"]);
    node.handle(Event::WorkerBlocked {
        worker: parent.worker,
        blocked: true,
    });
    node.want(DRIVER, set(&[(GPU, 2.0)]), 1);
    assert_eq!(node.take_granted(), []);
    node.want(DRIVER, set(&[(GPU, 1.0)]), 1);
    assert_eq!(node.take_granted()[0].gpu_ids, ["b"]);
}

#[test]
fn an_idle_lease_counts_as_available_and_is_asked_back_at_once() {
    let mut node = Node::new(&[(CPU, 1.0)]);
    node.want(DRIVER, cpus(1.0), 1);
    let lease = node.take_granted()[0].lease;
    assert_eq!(node.scheduler.available(), ResourceSet::new());
    node.handle(Event::LeaseIdle { lease, idle: true });
    assert_eq!(node.scheduler.available(), cpus(1.0));
    assert_eq!(node.asked, []);
    node.want(OTHER, cpus(1.0), 1);
    assert_eq!(node.asked, [lease]);
    node.give_back(lease);
    assert_eq!(node.take_granted()[0].client, OTHER);
}

#[test]
fn an_idle_lease_of_another_class_is_asked_back_from_the_same_client() {
    let mut node = Node::new(&[(CPU, 2.0)]);
    node.want(DRIVER, cpus(1.0), 2);
    let granted = node.take_granted();
    node.handle(Event::LeaseIdle {
        lease: granted[0].lease,
        idle: true,
    });
    node.handle(Event::LeaseIdle {
        lease: granted[1].lease,
        idle: true,
    });
    node.want(DRIVER, cpus(2.0), 1);
    assert_eq!(node.asked, [granted[0].lease, granted[1].lease]);
}

#[test]
fn many_idle_leases_are_asked_back_together() {
    let mut node = Node::new(&[(CPU, 4.0)]);
    node.want(DRIVER, cpus(1.0), 4);
    for grant in node.take_granted() {
        node.handle(Event::LeaseIdle {
            lease: grant.lease,
            idle: true,
        });
    }
    node.want(OTHER, cpus(1.0), 3);
    assert_eq!(node.asked.len(), 3);
}

#[test]
fn an_idle_lease_is_asked_back_whatever_busy_holders_were_asked_before() {
    for actors in 1..=3 {
        let mut node = Node::new(&[(CPU, 4.0)]);
        node.want(DRIVER, cpus(1.0), 2);
        // Their tasks never end.
        node.take_granted();
        node.pass(50);
        node.want(OTHER, cpus(1.0), 2);
        let others = node.take_granted();
        for actor in 1..=actors {
            node.actor(actor, cpus(1.0), ResourceSet::new());
        }
        let asked = std::mem::take(&mut node.asked);
        assert!(!asked.is_empty(), "busy holders are asked");
        for grant in &others {
            assert!(!asked.contains(&grant.lease));
        }
        node.handle(Event::LeaseIdle {
            lease: others[0].lease,
            idle: true,
        });
        assert_eq!(node.asked, [others[0].lease]);
        node.give_back(others[0].lease);
        assert_eq!(node.placed.len(), actors as usize, "an actor holds nothing");
    }
}

#[test]
fn an_idle_lease_comes_before_busy_ones_for_each_of_the_first_in_line() {
    let mut node = Node::with(&[(CPU, 4.0)], |limits| limits.reserve_after_ms = 10_000);
    node.want(DRIVER, cpus(1.0), 4);
    let leases = node.take_granted();
    node.pass(50);
    // What it lacks is more than what is idle soon.
    node.want(OTHER, cpus(2.0), 1);
    node.actor(1, cpus(1.0), ResourceSet::new());
    node.asked.clear();
    node.handle(Event::LeaseIdle {
        lease: leases[3].lease,
        idle: true,
    });
    assert_eq!(node.asked, [leases[3].lease]);
}

#[test]
fn holders_whose_tasks_never_end_are_relied_on_for_a_while_only() {
    let mut node = Node::new(&[(CPU, 3.0)]);
    node.want(DRIVER, cpus(1.0), 3);
    let leases: Vec<_> = node
        .take_granted()
        .iter()
        .map(|grant| grant.lease)
        .collect();
    node.pass(50);
    node.actor(1, cpus(1.0), ResourceSet::new());
    assert_eq!(node.asked, leases[..1]);
    node.pass(99);
    assert_eq!(node.asked, leases[..1]);
    node.pass(1);
    assert_eq!(node.asked, leases[..2]);
    node.give_back(leases[1]);
    assert_eq!(node.placed.len(), 1);
    node.pass(10_000);
    assert_eq!(node.asked, leases[..2], "nobody waits any more");
}

#[test]
fn busy_leases_are_asked_back_after_a_quantum_until_the_shares_are_equal() {
    let mut node = Node::new(&[(CPU, 4.0)]);
    node.want(DRIVER, cpus(1.0), 100);
    node.want(OTHER, cpus(1.0), 100);
    assert_eq!(node.asked, []);
    node.pass(9);
    assert_eq!(node.asked, []);
    node.pass(1);
    assert_eq!(node.asked.len(), 2);
    node.obey_asks(50);
    let granted = node.take_granted();
    let returned = granted.iter().filter(|grant| grant.client == OTHER).count();
    assert_eq!(returned, 2);
    assert_eq!(
        granted.len(),
        6,
        "equal shares stay as they are: {granted:?}"
    );
}

#[test]
fn one_cpu_is_shared_by_turns() {
    let mut node = Node::new(&[(CPU, 1.0)]);
    node.want(DRIVER, cpus(1.0), 100);
    node.want(OTHER, cpus(1.0), 100);
    node.obey_asks(45);
    let clients: Vec<ProcessId> = node
        .take_granted()
        .iter()
        .map(|grant| grant.client)
        .collect();
    assert_eq!(clients, [DRIVER, OTHER, DRIVER, OTHER, DRIVER]);
}

#[test]
fn an_actor_gets_its_place_from_busy_leases() {
    let mut node = Node::new(&[(CPU, 2.0)]);
    node.want(DRIVER, cpus(1.0), 100);
    node.actor(7, cpus(1.0), ResourceSet::new());
    assert_eq!(node.placed, []);
    node.obey_asks(11);
    assert_eq!(node.placed.len(), 1);
    node.pass(0);
    assert_eq!(
        node.scheduler.available(),
        ResourceSet::new(),
        "the CPU serves leases again"
    );
}

#[test]
fn a_large_request_is_not_overtaken_for_ever() {
    let mut node = Node::new(&[(CPU, 4.0)]);
    node.want(DRIVER, cpus(1.0), 1_000_000);
    node.want(OTHER, cpus(4.0), 1);
    let mut running: Vec<Grant> = node.take_granted();
    let mut rounds = 0;
    // Each task lasts three milliseconds and ends on its own; another is always there to follow it.
    while !running.iter().any(|grant| grant.client == OTHER) {
        node.pass(1);
        let ended = running.remove(0);
        node.give_back(ended.lease);
        running.extend(node.take_granted());
        rounds += 1;
        assert!(rounds < 1_000, "the large request starves");
    }
}

#[test]
fn who_has_waited_long_and_has_nothing_may_ask_whoever_has_no_more() {
    let mut node = Node::new(&[(CPU, 1.0), (GPU, 1.0)]);
    node.want(DRIVER, set(&[(GPU, 1.0)]), 1);
    node.want(OTHER, cpus(1.0), 1);
    let others = node.take_granted().remove(1);
    // Each has one lease, but the driver's is no help for what it wants now.
    node.want(DRIVER, cpus(1.0), 1);
    node.pass(99);
    assert_eq!(node.asked, []);
    node.pass(1);
    assert_eq!(node.asked, [others.lease]);
}

#[test]
fn what_comes_back_for_a_reservation_is_kept_together() {
    let mut node = Node::with(&[(CPU, 2.0)], |limits| limits.lease_quantum_ms = 1_000);
    node.want(DRIVER, cpus(1.0), 2);
    let leases = node.take_granted();
    node.pass(950);
    node.want(DRIVER, cpus(1.0), 1);
    node.give_back(leases[0].lease);
    let younger = node.take_granted().remove(0);
    node.want(OTHER, cpus(2.0), 1);
    node.pass(200);
    assert_eq!(
        node.asked,
        [leases[1].lease],
        "the other may be kept for its quantum"
    );
    node.give_back(leases[1].lease);
    node.want(DRIVER, cpus(1.0), 1);
    assert_eq!(node.take_granted(), []);
    node.pass(800);
    assert_eq!(node.asked, [leases[1].lease, younger.lease]);
    node.give_back(younger.lease);
    assert_eq!(node.take_granted()[0].client, OTHER);
}

#[test]
fn who_has_a_lease_of_its_kind_gets_no_reservation() {
    let mut node = Node::new(&[(CPU, 2.0), ("Custom", 2.0)]);
    let both = set(&[(CPU, 1.0), ("Custom", 1.0)]);
    node.want(OTHER, set(&[("Custom", 1.0)]), 1);
    node.want(DRIVER, both, 2);
    assert_eq!(node.take_granted().len(), 2);
    node.pass(500);
    node.want(OTHER, cpus(1.0), 1);
    assert_eq!(node.take_granted().len(), 1, "the free CPU is nobody's");
}

#[test]
fn what_an_actor_keeps_is_never_waited_for_with_a_reservation() {
    let mut node = Node::new(&[(CPU, 1.0), (GPU, 1.0)]);
    node.actor(1, set(&[(GPU, 1.0)]), set(&[(GPU, 1.0)]));
    node.want(OTHER, set(&[(CPU, 1.0), (GPU, 1.0)]), 1);
    node.pass(500);
    node.want(DRIVER, cpus(1.0), 1);
    assert_eq!(node.take_granted().len(), 1);
    node.handle(Event::ActorGone { actor: ActorId(1) });
    node.obey_asks(20);
    assert_eq!(node.take_granted()[0].client, OTHER);
}

#[test]
fn a_reservation_in_vain_makes_room_for_others_after_a_while() {
    let mut node = Node::new(&[(CPU, 2.0)]);
    node.want(DRIVER, cpus(1.0), 1);
    let endless = node.take_granted().remove(0);
    node.want(OTHER, cpus(2.0), 1);
    node.pass(200);
    assert_eq!(node.asked, [endless.lease]);
    node.want(DRIVER, cpus(1.0), 1);
    assert_eq!(
        node.take_granted(),
        [],
        "the free CPU is kept for the large request"
    );
    node.pass(1_000);
    assert_eq!(
        node.take_granted().len(),
        1,
        "the holder does not return: others may go on"
    );
}

#[test]
fn an_actor_keeps_only_what_it_holds_and_its_worker_is_never_used_again() {
    let mut node = Node::new(&[(CPU, 1.0), (GPU, 2.0)]);
    node.slow_stops = true;
    node.handle(Event::Started);
    node.actor(1, set(&[(CPU, 1.0), (GPU, 0.5)]), set(&[(GPU, 0.5)]));
    let worker = ProcessId(2);
    assert_eq!(node.placed, [(ActorId(1), worker, vec!["a".to_string()])]);
    assert_eq!(node.scheduler.available(), set(&[(CPU, 1.0), (GPU, 1.5)]));
    node.handle(Event::WorkerBlocked {
        worker,
        blocked: true,
    });
    assert_eq!(node.scheduler.available(), set(&[(CPU, 1.0), (GPU, 1.5)]));
    node.handle(Event::ActorGone { actor: ActorId(1) });
    assert_eq!(node.stopped, [(worker, StopReason::ActorGone)]);
    assert_eq!(
        node.scheduler.available().get(GPU),
        Quantity::from_f64(1.5).unwrap()
    );
    node.handle(Event::WorkerGone { worker });
    assert_eq!(node.scheduler.available(), node.scheduler.total());
    node.want(DRIVER, cpus(1.0), 1);
    assert_ne!(node.take_granted()[0].worker, worker);
}

#[test]
fn an_actor_can_be_wanted_again_when_its_worker_died() {
    let mut node = Node::new(&[(CPU, 1.0)]);
    node.actor(1, cpus(1.0), cpus(1.0));
    node.handle(Event::WorkerGone {
        worker: node.placed[0].1,
    });
    node.actor(1, cpus(1.0), cpus(1.0));
    assert_eq!(node.placed.len(), 2);
    assert_ne!(node.placed[0].1, node.placed[1].1);
}

#[test]
fn the_leases_of_a_client_that_has_gone_end_with_their_workers() {
    let mut node = Node::new(&[(CPU, 2.0)]);
    node.want(OTHER, cpus(1.0), 5);
    let granted = node.take_granted();
    node.handle(Event::ClientGone { client: OTHER });
    let stopped: Vec<_> = granted
        .iter()
        .map(|grant| (grant.worker, StopReason::HolderGone))
        .collect();
    assert_eq!(node.stopped, stopped);
    assert_eq!(node.scheduler.available(), cpus(2.0));
    assert_eq!(node.lost, [], "nobody is there to be told");
    node.want(OTHER, cpus(1.0), 1);
    assert_eq!(
        node.take_granted(),
        [],
        "a message that crossed the end changes nothing"
    );
}

#[test]
fn a_worker_that_dies_takes_its_lease_and_what_it_started_with_it() {
    let mut node = Node::new(&[(CPU, 2.0)]);
    node.want(DRIVER, cpus(1.0), 1);
    let parent = node.take_granted().remove(0);
    node.want(parent.worker, cpus(1.0), 1);
    let child = node.take_granted().remove(0);
    node.handle(Event::WorkerGone {
        worker: parent.worker,
    });
    assert_eq!(node.lost, [parent.lease]);
    assert_eq!(node.stopped, [(child.worker, StopReason::HolderGone)]);
    assert_eq!(node.scheduler.available(), cpus(2.0));
    node.give_back(parent.lease);
    node.give_back(child.lease);
    assert_eq!(node.scheduler.available(), cpus(2.0));
}

#[test]
fn a_worker_that_does_not_answer_in_time_is_killed_and_all_that_it_held_comes_back() {
    let mut node = Node::with(&[(CPU, 1.0), (GPU, 1.0)], |configuration| {
        configuration.answer_grace_ms = 100;
    });
    node.want(DRIVER, set(&[(CPU, 1.0), (GPU, 1.0)]), 1);
    let grant = node.take_granted().remove(0);
    let worker = grant.worker;
    node.handle(Event::WorkerAsked { worker });
    node.pass(50);
    // A second question does not prolong the first one's time.
    node.handle(Event::WorkerAsked { worker });
    node.pass(49);
    assert_eq!(node.killed, []);
    node.pass(1);
    assert_eq!(node.killed, [worker]);
    assert_eq!(node.lost, [grant.lease]);
    assert_eq!(node.scheduler.available(), set(&[(CPU, 1.0), (GPU, 1.0)]));
    assert_eq!(node.scheduler.next_deadline_ms(), None);
}

#[test]
fn a_worker_that_answers_goes_on() {
    let mut node = Node::with(&[(CPU, 1.0)], |configuration| {
        configuration.answer_grace_ms = 100;
    });
    node.want(DRIVER, cpus(1.0), 1);
    let worker = node.take_granted().remove(0).worker;
    for _ in 0..3 {
        node.handle(Event::WorkerAsked { worker });
        node.pass(99);
        node.handle(Event::WorkerAnswered { worker });
    }
    node.pass(10_000);
    // Of two questions one is open, and an answer that nobody has asked for is none to the next one.
    node.handle(Event::WorkerAnswered { worker });
    node.handle(Event::WorkerAsked { worker });
    node.handle(Event::WorkerAsked { worker });
    node.handle(Event::WorkerAnswered { worker });
    assert_eq!(node.killed, []);
    node.pass(100);
    assert_eq!(node.killed, [worker]);
}

#[test]
fn a_retired_worker_frees_its_cpu_at_once_and_its_gpu_when_it_has_ended() {
    let mut node = Node::new(&[(CPU, 1.0), (GPU, 1.0)]);
    node.slow_stops = true;
    node.want(DRIVER, set(&[(CPU, 1.0), (GPU, 1.0)]), 2);
    let granted = node.take_granted();
    node.handle(Event::LeaseReturned {
        lease: granted[0].lease,
        worker_reusable: false,
    });
    assert_eq!(node.stopped, [(granted[0].worker, StopReason::Retired)]);
    assert_eq!(node.scheduler.available(), cpus(1.0));
    assert_eq!(node.take_granted(), []);
    node.handle(Event::WorkerGone {
        worker: granted[0].worker,
    });
    assert_eq!(node.take_granted().len(), 1);
}

#[test]
fn idle_workers_above_the_kept_ones_are_stopped_after_a_while() {
    let mut node = Node::new(&[(CPU, 2.0)]);
    node.handle(Event::Started);
    node.want(DRIVER, cpus(0.5), 4);
    let granted = node.take_granted();
    for grant in &granted {
        node.give_back(grant.lease);
    }
    node.pass(999);
    assert_eq!(node.stopped, []);
    node.pass(1);
    let longest_idle = [
        (granted[0].worker, StopReason::Surplus),
        (granted[1].worker, StopReason::Surplus),
    ];
    assert_eq!(node.stopped, longest_idle);
    node.pass(60_000);
    assert_eq!(node.stopped.len(), 2);
}

#[test]
fn a_surplus_worker_that_owns_objects_stays_and_serves_again() {
    let mut node = Node::with(&[(CPU, 1.0)], |limits| limits.prestart = 0);
    node.slow_stops = true;
    node.want(DRIVER, cpus(1.0), 1);
    let grant = node.take_granted().remove(0);
    node.give_back(grant.lease);
    node.pass(1_000);
    assert_eq!(node.stopped, [(grant.worker, StopReason::Surplus)]);
    node.slow_starts = true;
    node.want(DRIVER, cpus(1.0), 1);
    assert_eq!(
        node.take_granted(),
        [],
        "a worker that was told to end serves nobody"
    );
    node.handle(Event::WorkerKept {
        worker: grant.worker,
    });
    assert_eq!(node.take_granted()[0].worker, grant.worker);
}

#[test]
fn a_worker_whose_children_run_is_not_surplus() {
    let mut node = Node::with(&[(CPU, 2.0)], |limits| limits.prestart = 0);
    node.want(DRIVER, cpus(1.0), 1);
    let parent = node.take_granted().remove(0);
    node.want(parent.worker, cpus(1.0), 1);
    let child = node.take_granted().remove(0);
    node.give_back(parent.lease);
    node.pass(10_000);
    assert_eq!(node.stopped, []);
    node.give_back(child.lease);
    node.pass(1_000);
    assert_eq!(node.stopped.len(), 2);
}

#[test]
fn a_worker_serves_only_its_environment() {
    let mut node = Node::new(&[(CPU, 2.0)]);
    node.handle(Event::Started);
    node.want_in(DRIVER, cpus(1.0), EnvironmentId(5), 1);
    assert_eq!(node.started.last(), Some(&(ProcessId(4), EnvironmentId(5))));
    assert_eq!(node.take_granted()[0].worker, ProcessId(4));
}

#[test]
fn at_the_limit_an_idle_worker_of_another_environment_makes_room() {
    let mut node = Node::with(&[(CPU, 2.0)], |limits| limits.workers_max = 2);
    node.handle(Event::Started);
    node.want_in(DRIVER, cpus(1.0), EnvironmentId(5), 1);
    assert_eq!(node.stopped, [(ProcessId(2), StopReason::Surplus)]);
    assert_eq!(node.take_granted()[0].worker, ProcessId(4));
}

#[test]
fn at_the_limit_a_busy_worker_makes_room_for_another_environment() {
    let mut node = Node::with(&[(CPU, 4.0)], |limits| limits.workers_max = 2);
    node.want(DRIVER, cpus(1.0), 2);
    let busy = node.take_granted();
    node.want_in(OTHER, cpus(1.0), EnvironmentId(5), 1);
    node.want(DRIVER, cpus(1.0), 100);
    assert_eq!(node.asked, []);
    node.pass(10);
    assert_eq!(
        node.asked,
        [busy[0].lease],
        "there are CPUs, but no room for a process"
    );
    node.give_back(busy[0].lease);
    assert_eq!(node.stopped, [(busy[0].worker, StopReason::Surplus)]);
    assert_eq!(node.take_granted()[0].client, OTHER);
}

#[test]
fn beyond_the_limit_a_worker_starts_only_when_all_others_wait() {
    let mut node = Node::with(&[(CPU, 2.0)], |limits| limits.workers_max = 2);
    node.want(DRIVER, cpus(1.0), 2);
    let parents = node.take_granted();
    for parent in &parents {
        assert_eq!(node.started.len(), 2);
        node.want(parent.worker, cpus(1.0), 1);
        node.handle(Event::WorkerBlocked {
            worker: parent.worker,
            blocked: true,
        });
    }
    assert_eq!(node.started.len(), 3, "one more, and not one for each");
    assert_eq!(node.take_granted().len(), 1);
}

/// An actor that takes a CPU to be placed and keeps `kept`.
fn actor_that_keeps(number: u64, kept: f64) -> Event {
    Event::ActorWanted {
        actor: ActorId(number),
        placement: cpus(1.0),
        held: cpus(kept),
        environment: EnvironmentId::DEFAULT,
    }
}

#[test]
fn actors_without_a_cpu_start_while_the_memory_has_room_and_the_others_wait_for_it() {
    let mut node = Node::with(&[(CPU, 2.0)], |limits| limits.prestart = 2);
    node.handle(Event::Started);
    node.handle(Event::MemoryMeasured { room: 3 });
    for number in 0..10 {
        node.handle(actor_that_keeps(number, 0.0));
    }
    // Five processes have room. Two of them are for tasks.
    assert_eq!(node.placed.len(), 3);
    assert!(node.scheduler.lacks_memory());
    assert_eq!(
        node.scheduler.available(),
        cpus(2.0),
        "who waits for memory takes nothing from others"
    );
    node.pass(1_000_000);
    assert_eq!(node.placed.len(), 3, "time makes no room");
    let actor = node.placed[0].0;
    node.handle(Event::ActorGone { actor });
    assert_eq!(node.placed.len(), 4, "the end of a process does");
    node.handle(Event::MemoryMeasured { room: 100 });
    assert_eq!(node.placed.len(), 10);
    assert!(!node.scheduler.lacks_memory());
}

#[test]
fn without_any_memory_as_many_actors_and_workers_start_as_there_are_cpus() {
    let mut node = Node::with(&[(CPU, 2.0)], |limits| limits.prestart = 2);
    node.handle(Event::Started);
    node.handle(Event::MemoryMeasured { room: 0 });
    for number in 0..10 {
        node.handle(actor_that_keeps(number, 0.0));
    }
    assert_eq!(node.placed.len(), 2);
    node.want(DRIVER, cpus(1.0), 2);
    let granted = node.take_granted();
    assert_eq!(granted.len(), 2, "tasks that have a CPU have a worker");
    for grant in granted {
        node.give_back(grant.lease);
    }
    assert_eq!(
        node.placed.len(),
        2,
        "workers of tasks are not given to actors for which there is no room"
    );
    for _ in 0..100 {
        node.handle(Event::MemoryMeasured { room: 0 });
    }
    assert_eq!(node.placed.len(), 2, "asking again makes no room");
}

#[test]
fn without_memory_and_without_workers_ahead_one_actor_and_one_task_run() {
    let mut node = Node::with(&[(CPU, 1.0)], |limits| limits.prestart = 0);
    node.handle(Event::MemoryMeasured { room: 0 });
    node.handle(actor_that_keeps(1, 0.0));
    node.handle(actor_that_keeps(2, 0.0));
    assert_eq!(node.placed.len(), 1);
    node.want(DRIVER, cpus(1.0), 1);
    assert_eq!(node.take_granted().len(), 1);
}

#[test]
fn actors_that_keep_a_cpu_are_bounded_by_their_cpus_and_not_by_the_memory() {
    let mut node = Node::with(&[(CPU, 3.0)], |limits| limits.prestart = 1);
    node.handle(Event::MemoryMeasured { room: 0 });
    for number in 0..5 {
        node.handle(actor_that_keeps(number, 0.0));
    }
    assert_eq!(node.placed.len(), 1);
    for number in 10..15 {
        node.handle(actor_that_keeps(number, 1.0));
    }
    assert_eq!(node.placed.len(), 4);
    assert!(node.scheduler.lacks_memory());
}

#[test]
fn actors_that_wait_for_memory_keep_nobody_else_from_being_served() {
    let mut node = Node::with(&[(CPU, 2.0)], |limits| limits.prestart = 2);
    node.handle(Event::Started);
    node.handle(Event::MemoryMeasured { room: 0 });
    for number in 0..100 {
        node.handle(actor_that_keeps(number, 0.0));
    }
    node.pass(1_000);
    node.want(DRIVER, cpus(1.0), 2);
    let busy = node.take_granted();
    assert_eq!(
        busy.len(),
        2,
        "nothing is reserved for those whom no lease can help"
    );
    node.want(OTHER, cpus(1.0), 1);
    node.pass(10);
    assert_eq!(
        node.asked,
        [busy[0].lease],
        "leases are asked back for whoever stands behind them"
    );
    node.give_back(busy[0].lease);
    assert_eq!(node.take_granted()[0].client, OTHER);
}

/// Hundred actors wait for GPUs that somebody has; behind them, somebody wants a CPU that another one holds.
fn waits_behind_actors_without_hope(node: &mut Node) {
    for number in 0..100 {
        node.actor(number, set(&[(GPU, 1.0)]), set(&[(GPU, 1.0)]));
    }
    node.want(DRIVER, cpus(1.0), 2);
    let busy = node.take_granted();
    assert_eq!(busy.len(), 2);
    node.asked.clear();
    node.want(OTHER, cpus(1.0), 1);
    node.pass(1_000);
    let asked = busy
        .iter()
        .find(|grant| node.asked.contains(&grant.lease))
        .expect("a lease is asked back for whoever stands behind them");
    node.give_back(asked.lease);
    assert_eq!(node.take_granted()[0].client, OTHER);
}

#[test]
fn actors_that_wait_for_what_other_actors_keep_keep_nobody_else_from_being_served() {
    let mut node = Node::new(&[(CPU, 2.0), (GPU, 2.0)]);
    node.handle(Event::Started);
    for number in 1_000..1_002 {
        node.actor(number, set(&[(GPU, 1.0)]), set(&[(GPU, 1.0)]));
    }
    assert_eq!(node.placed.len(), 2);
    waits_behind_actors_without_hope(&mut node);
}

#[test]
fn actors_that_wait_for_what_a_long_task_holds_keep_nobody_else_from_being_served() {
    let mut node = Node::new(&[(CPU, 3.0), (GPU, 2.0)]);
    node.handle(Event::Started);
    node.want(DRIVER, set(&[(CPU, 1.0), (GPU, 2.0)]), 1);
    assert_eq!(node.take_granted().len(), 1);
    waits_behind_actors_without_hope(&mut node);
}

#[test]
fn workers_for_tasks_of_tasks_that_wait_start_while_the_memory_has_room() {
    let mut node = Node::with(&[(CPU, 1.0)], |limits| limits.prestart = 1);
    node.handle(Event::Started);
    node.handle(Event::MemoryMeasured { room: 2 });
    // The driver's tasks wait one after the other, and each leaves its CPU to the next one.
    node.want(DRIVER, cpus(1.0), 100);
    let mut running = node.take_granted();
    for expected in [2, 3] {
        let worker = running.remove(0).worker;
        node.handle(Event::WorkerBlocked {
            worker,
            blocked: true,
        });
        running = node.take_granted();
        assert_eq!((node.started.len(), running.len()), (expected, 1));
        assert!(!node.scheduler.lacks_memory());
    }
    // Beyond the room: as at the limit of workers, one at a time, because all wait for each other.
    node.slow_starts = true;
    node.handle(Event::WorkerBlocked {
        worker: running[0].worker,
        blocked: true,
    });
    assert_eq!(node.started.len(), 4);
    node.want(OTHER, ResourceSet::new(), 5);
    assert_eq!(node.started.len(), 4, "one at a time");
}

#[test]
fn a_worker_that_runs_makes_room_before_one_is_started_beyond_the_memory() {
    let mut node = Node::with(&[(CPU, 2.0)], |limits| limits.prestart = 2);
    node.handle(Event::Started);
    node.handle(Event::MemoryMeasured { room: 0 });
    node.want(DRIVER, cpus(1.0), 2);
    let parents = node.take_granted();
    node.want(parents[0].worker, cpus(1.0), 1);
    node.handle(Event::WorkerBlocked {
        worker: parents[0].worker,
        blocked: true,
    });
    assert_eq!(node.started.len(), 2);
    assert!(node.scheduler.lacks_memory());
    node.pass(10);
    assert_eq!(node.asked, [parents[1].lease]);
    node.give_back(parents[1].lease);
    assert_eq!(node.started.len(), 2, "the child has its worker");
    assert_eq!(node.take_granted()[0].worker, parents[1].worker);
    assert!(!node.scheduler.lacks_memory());
}

#[test]
fn room_that_waiting_tasks_have_taken_is_no_lock_for_the_actors_that_they_wait_for() {
    let mut node = Node::with(&[(CPU, 1.0)], |limits| limits.prestart = 1);
    node.handle(Event::Started);
    node.handle(Event::MemoryMeasured { room: 0 });
    node.handle(actor_that_keeps(0, 0.0));
    assert_eq!(node.placed.len(), 1);
    node.want(DRIVER, cpus(1.0), 10);
    let mut waiting = 0;
    while let Some(grant) = node.take_granted().first() {
        node.handle(actor_that_keeps(grant.lease.0 + 100, 0.0));
        node.handle(Event::WorkerBlocked {
            worker: grant.worker,
            blocked: true,
        });
        waiting += 1;
    }
    assert_eq!(waiting, 10);
    assert_eq!(node.placed.len(), 1);
    for placed in 2..=11 {
        node.handle(Event::MemoryMeasured { room: 0 });
        assert_eq!(node.placed.len(), placed, "one with each measurement");
    }
}

#[test]
fn nobody_gets_a_lease_on_itself() {
    let mut node = Node::new(&[(CPU, 2.0)]);
    node.want(DRIVER, cpus(1.0), 1);
    let parent = node.take_granted().remove(0);
    node.give_back(parent.lease);
    node.want(parent.worker, cpus(1.0), 1);
    assert_ne!(node.take_granted()[0].worker, parent.worker);
    assert_eq!(node.started.len(), 2);
}

#[test]
fn tasks_without_cpu_are_bounded_and_waiting_ones_do_not_count() {
    let mut node = Node::with(&[(CPU, 1.0)], |limits| limits.zero_cpu_leases_max = 2);
    node.want(DRIVER, ResourceSet::new(), 1_000_000);
    let granted = node.take_granted();
    assert_eq!(granted.len(), 2);
    assert_eq!(node.scheduler.available(), cpus(1.0));
    node.handle(Event::WorkerBlocked {
        worker: granted[0].worker,
        blocked: true,
    });
    assert_eq!(node.take_granted().len(), 1);
    node.handle(Event::WorkerBlocked {
        worker: granted[0].worker,
        blocked: false,
    });
    node.give_back(granted[0].lease);
    assert_eq!(node.take_granted(), []);
}

#[test]
fn workers_that_never_start_end_in_a_refusal_and_not_in_an_endless_loop() {
    let mut node = Node::with(&[(CPU, 4.0)], |limits| limits.worker_start_failures_max = 3);
    node.slow_starts = true;
    let broken = EnvironmentId(9);
    node.want_in(DRIVER, cpus(1.0), broken, 100);
    let environment = broken;
    node.handle(Event::ActorWanted {
        actor: ActorId(1),
        placement: cpus(1.0),
        held: cpus(0.0),
        environment,
    });
    let mut died = 0;
    while let Some((worker, _)) = node.started.pop() {
        node.handle(Event::WorkerGone { worker });
        died += 1;
    }
    let reason = Refusal::WorkersDoNotStart { environment };
    assert_eq!(node.refused, [reason.clone(), reason]);
    assert!(died < 10, "{died} processes were started");
    assert_eq!(node.scheduler.available(), cpus(4.0));
    node.want_in(DRIVER, cpus(1.0), broken, 1);
    assert_eq!(node.started.len(), 1, "a new wish is a new try");
}

#[test]
fn starts_that_something_outside_ends_are_tried_again_after_pauses_and_refused_only_when_it_goes_on()
 {
    let mut node = Node::with(&[(CPU, 1.0)], |limits| {
        limits.worker_start_interruptions_max = 20;
    });
    node.slow_starts = true;
    node.want(DRIVER, cpus(1.0), 1);
    let mut pauses = Vec::new();
    while node.refused.is_empty() {
        let (worker, _) = node.started.pop().unwrap();
        node.handle(Event::StartInterrupted { worker });
        assert!(node.started.is_empty(), "the next start is not at once");
        if let Some(at_ms) = node.scheduler.next_deadline_ms() {
            pauses.push(at_ms - node.now_ms);
            node.now_ms = at_ms;
            node.handle(Event::Tick);
        }
    }
    assert_eq!(pauses.len(), 19, "the twentieth is the last");
    assert_eq!(pauses[..4], [10, 20, 40, 80]);
    assert_eq!(pauses.last(), Some(&Configuration::START_PAUSE_MAX_MS));
    assert_eq!(node.scheduler.available(), cpus(1.0));
    node.want(DRIVER, cpus(1.0), 1);
    assert_eq!(node.started.len(), 1, "a new wish is a new try");
}

#[test]
fn starts_for_which_the_program_left_nothing_are_tried_again_for_ten_seconds() {
    let mut node = Node::new(&[(CPU, 1.0)]);
    node.slow_starts = true;
    node.want(DRIVER, cpus(1.0), 1);
    let begun_ms = node.now_ms;
    while node.refused.is_empty() {
        let (worker, _) = node.started.pop().unwrap();
        node.handle(Event::StartShort { worker });
        if let Some(at_ms) = node.scheduler.next_deadline_ms() {
            node.now_ms = at_ms;
            node.handle(Event::Tick);
        }
    }
    let waited_ms = node.now_ms - begun_ms;
    assert!((8_000..12_000).contains(&waited_ms), "{waited_ms} ms");
    node.want(DRIVER, cpus(1.0), 1);
    assert_eq!(node.started.len(), 1, "a new wish is a new try");
}

#[test]
fn neither_kind_of_failed_start_counts_for_the_other_and_a_start_makes_both_forgotten() {
    let mut node = Node::with(&[(CPU, 1.0)], |limits| {
        limits.worker_start_failures_max = 3;
        limits.worker_start_interruptions_max = 3;
    });
    node.slow_starts = true;
    for _ in 0..3 {
        node.want(DRIVER, cpus(1.0), 1);
        for interrupted in [true, false, true, false] {
            let (worker, _) = node.started.pop().unwrap();
            if interrupted {
                node.handle(Event::StartInterrupted { worker });
                node.now_ms += Configuration::START_PAUSE_MAX_MS;
                node.handle(Event::Tick);
            } else {
                node.handle(Event::WorkerGone { worker });
                node.now_ms += Configuration::START_PAUSE_MAX_MS;
                node.handle(Event::Tick);
            }
        }
        let (worker, _) = node.started.pop().unwrap();
        node.handle(Event::WorkerStarted { worker });
        let granted = node.take_granted();
        assert_eq!(granted.len(), 1);
        node.handle(Event::StartInterrupted { worker });
        assert_eq!(
            node.lost,
            [granted[0].lease],
            "of one that is ready it is its end"
        );
        node.lost.clear();
    }
    assert_eq!(node.refused, []);
}

#[test]
fn a_worker_that_starts_makes_failures_before_it_forgotten() {
    let mut node = Node::with(&[(CPU, 1.0)], |limits| limits.worker_start_failures_max = 2);
    node.slow_starts = true;
    node.want(DRIVER, cpus(1.0), 1);
    node.handle(Event::WorkerGone {
        worker: ProcessId(2),
    });
    node.handle(Event::WorkerStarted {
        worker: ProcessId(3),
    });
    node.handle(Event::WorkerGone {
        worker: ProcessId(3),
    });
    node.want(DRIVER, cpus(1.0), 1);
    node.handle(Event::WorkerGone {
        worker: ProcessId(4),
    });
    assert_eq!(node.refused, []);
    assert_eq!(node.started.len(), 4);
}

#[test]
fn late_and_repeated_messages_change_nothing() {
    let mut node = Node::new(&[(CPU, 2.0)]);
    node.want(DRIVER, cpus(1.0), 1);
    let grant = node.take_granted().remove(0);
    node.handle(Event::WorkerStarted {
        worker: grant.worker,
    });
    node.give_back(grant.lease);
    node.give_back(grant.lease);
    node.handle(Event::LeaseIdle {
        lease: grant.lease,
        idle: true,
    });
    node.handle(Event::WorkerBlocked {
        worker: grant.worker,
        blocked: true,
    });
    node.handle(Event::WorkerBlocked {
        worker: ProcessId(77),
        blocked: true,
    });
    node.handle(Event::WorkerKept {
        worker: grant.worker,
    });
    node.handle(Event::ActorGone { actor: ActorId(3) });
    node.handle(Event::WorkerGone {
        worker: ProcessId(77),
    });
    assert_eq!(node.scheduler.available(), cpus(2.0));
    assert_eq!(node.scheduler.lease_holder(grant.lease), None);
}

#[test]
fn the_same_events_give_the_same_instructions() {
    let story = || {
        let mut node = Node::new(&[(CPU, 4.0), ("Custom", 2.0)]);
        for index in 0..50 {
            let resources = set(&[(CPU, 1.0), ("Custom", f64::from(index % 3))]);
            node.want_in(DRIVER, resources.clone(), EnvironmentId(index % 2), index);
            node.want_in(OTHER, resources, EnvironmentId(index % 3), 50 - index);
        }
        node.obey_asks(100);
        node.take_granted()
    };
    assert_eq!(story(), story());
}
