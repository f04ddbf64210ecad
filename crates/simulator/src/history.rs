//! One history: a node, its limits, and what is done to it, all chosen by a seed.

use eagleray_resources::{CPU, GPU, Quantity, ResourceSet};
use eagleray_scheduler::{
    Configuration, DRIVER, EnvironmentId, Event, ProcessId, Scheduler, SchedulingClass,
};

use crate::clients::Task;
use crate::random::Random;
use crate::world::{Faults, Happening, World};

/// Virtual time after which a second half that is not over counts as stuck. The longest wait there can be are a
/// few reservations in vain.
const STUCK_AFTER_MS: u64 = 3_600_000;

/// Virtual time after which one who waits beside a stream of short tasks counts as starved. The longest tasks and the
/// pauses after reservations in vain are some seconds.
const STARVED_AFTER_MS: u64 = 300_000;

/// Steps after which a history counts as running in circles.
const STEPS_MAX: u64 = 200_000;

/// How a history went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Events that the scheduler was told.
    pub events: u64,
    /// Leases that were granted.
    pub grants: u64,
    /// Virtual time at the end.
    pub end_ms: u64,
}

/// Runs the history of a seed.
///
/// # Errors
/// What went wrong, and the whole story that led to it.
pub fn run(seed: u64) -> Result<Outcome, String> {
    let mut world = world_of(seed);
    match play(&mut world) {
        Ok(()) => Ok(Outcome {
            events: world.events,
            grants: world.grants,
            end_ms: world.now_ms,
        }),
        Err(_) => Err(tell_again(seed)),
    }
}

/// The same history again, this time written down.
fn tell_again(seed: u64) -> String {
    let mut world = world_of(seed);
    world.tell_story();
    let wrong = match play(&mut world) {
        Err(wrong) => wrong,
        Ok(()) => "the history is not determined by its seed: the second time it went well".into(),
    };
    format!(
        "seed {seed}: {wrong}\n{}\nseed {seed}: {wrong}",
        world.take_story().join("\n")
    )
}

fn play(world: &mut World) -> Result<(), String> {
    world.connect_driver(DRIVER);
    world.tell(Event::Started)?;
    let mut chaos_left = world.random.between(5, 40);
    world.after(0, Happening::Chaos);
    let mut next_driver = 1_000_000;
    while chaos_left > 0 {
        if let Some(Happening::Chaos) = world.step()? {
            chaos_left -= 1;
            chaos(world, &mut next_driver)?;
            let delay_ms = if world.random.chance(50) {
                0
            } else {
                world.random.between(1, 60)
            };
            world.after(delay_ms, Happening::Chaos);
        }
    }
    quieten(world);
    if world.random.chance(10) {
        press(world)?;
    }
    for _ in 0..STEPS_MAX {
        if world.step()?.is_none() {
            return world.check_end();
        }
        if world.now_ms > STUCK_AFTER_MS {
            return Err(format!(
                "SM-3: stuck; {}",
                world.check_end().err().unwrap_or_default()
            ));
        }
    }
    Err("SM-3: the history runs in circles".into())
}

/// SM-4: everybody gets what was asked for beside a driver that could use the whole node for ever.
fn press(world: &mut World) -> Result<(), String> {
    let total = world.scheduler.total();
    let takes_cpu = |class: &SchedulingClass| {
        let cpu = class.resources.get(CPU);
        !cpu.is_zero() && cpu <= Quantity::ONE && class.resources.fits_in(&total)
    };
    let is_broken =
        |class: &SchedulingClass| world.faults.broken_environment == Some(class.environment);
    let Some(class) = world
        .classes
        .iter()
        .position(|class| takes_cpu(class) && !is_broken(class))
    else {
        return Ok(());
    };
    let driver = ProcessId(2_000_000);
    world.connect_driver(driver);
    let duration_ms = world.random.between(1, 20);
    let task = Task {
        class,
        duration_ms,
        children: Vec::new(),
        waits: false,
        is_awaited: false,
    };
    world.set_stream(driver, Some((task, 12)));
    let until_ms = world.now_ms + STARVED_AFTER_MS;
    // The stream's own first message has to arrive before anybody can be said to be served beside it.
    let since_ms = world.now_ms + 100;
    while world.now_ms < since_ms || !world.is_served_beside(driver) {
        let is_over = world.step()?.is_none();
        if world.now_ms > until_ms || (is_over && !world.is_served_beside(driver)) {
            return Err(format!(
                "SM-4: {} starves beside a stream of tasks",
                world.first_unserved(driver)
            ));
        }
        if is_over {
            break;
        }
    }
    world.set_stream(driver, None);
    Ok(())
}

/// Faults end. What is broken for good is not: its tasks are refused in the end.
fn quieten(world: &mut World) {
    world.faults.start_fails = 0;
    world.faults.message_repeated = 0;
    world.faults.worker_kept = 0;
    // A worker that retires returns its lease: nobody would have to ask for it.
    world.faults.worker_retires = 0;
}

fn world_of(seed: u64) -> World {
    let mut random = Random::new(seed);
    let total = total(&mut random);
    let mut configuration = Configuration::new(total, vec!["x".into(), "y".into()]);
    configuration.prestart = random.below(4) as u32;
    configuration.workers_starting_max = random.between(1, 4) as u32;
    configuration.workers_max = random.choose(&[1, 2, 3, 4, 8, 4_096]).unwrap_or(1);
    configuration.zero_cpu_leases_max = random.between(1, 4) as u32;
    configuration.worker_start_failures_max = random.between(1, 5) as u32;
    configuration.idle_worker_keep_ms = random.between(1, 200);
    configuration.lease_quantum_ms = random.between(0, 30);
    configuration.ask_others_after_ms = random.between(0, 150);
    configuration.reserve_after_ms = random.between(0, 120);
    configuration.reserve_hold_ms = random.between(1, 300);
    configuration.reserve_hold_max_ms = random.between(100, 10_000);
    configuration.answer_grace_ms = random.between(1, 200);
    let answer_grace_ms = configuration.answer_grace_ms;
    let faults = Faults {
        start_fails: if random.chance(50) {
            random.below(30)
        } else {
            0
        },
        message_repeated: random.below(20),
        worker_kept: random.below(60),
        worker_lingers: random.below(40),
        worker_retires: 10,
        worker_stopped: random.below(60),
        broken_environment: random.chance(20).then_some(EnvironmentId(1)),
    };
    let mut classes = Vec::new();
    for _ in 0..random.between(1, 7) {
        let class = class(&mut random);
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    let mut world = World::new(
        Scheduler::new(configuration),
        random,
        classes,
        faults,
        answer_grace_ms,
    );
    world.delay_max_ms = world.random.below(6);
    world.room_max = world
        .random
        .choose(&[None, None, Some(0), Some(1), Some(3), Some(10)])
        .flatten();
    world
}

fn total(random: &mut Random) -> ResourceSet {
    let cpu = random.choose(&[1.0, 1.0, 2.0, 2.5, 4.0]).unwrap_or(1.0);
    let gpu = random.choose(&[0.0, 1.0, 2.0]).unwrap_or(0.0);
    let custom = random.choose(&[0.0, 1.0, 2.5]).unwrap_or(0.0);
    set(&[(CPU, cpu), (GPU, gpu), ("Custom", custom)])
}

fn class(random: &mut Random) -> SchedulingClass {
    let cpu = random
        .choose(&[0.0, 0.5, 1.0, 1.0, 1.0, 2.0, 4.0])
        .unwrap_or(1.0);
    let gpu = random
        .choose(&[0.0, 0.0, 0.0, 0.3, 0.5, 1.0, 2.0])
        .unwrap_or(0.0);
    let custom = random.choose(&[0.0, 0.0, 0.0, 0.5, 1.0]).unwrap_or(0.0);
    let resources = set(&[(CPU, cpu), (GPU, gpu), ("Custom", custom)]);
    let environment = EnvironmentId(random.choose(&[0, 0, 0, 1, 2]).unwrap_or(0));
    SchedulingClass {
        resources,
        environment,
    }
}

fn set(entries: &[(&str, f64)]) -> ResourceSet {
    entries
        .iter()
        .map(|(name, value)| (*name, Quantity::from_f64(*value).unwrap_or_default()))
        .collect()
}

fn chaos(world: &mut World, next_driver: &mut u32) -> Result<(), String> {
    match world.random.below(100) {
        0..=44 => submit_tasks(world),
        45..=56 => create_actor(world),
        57..=62 => {
            let actors = world.live_actors();
            if let Some(actor) = world.random.choose(&actors) {
                world.end_actor(actor);
            }
        }
        63..=76 => {
            let workers = world.live_workers();
            if let Some(worker) = world.random.choose(&workers) {
                world.die(worker);
            }
        }
        77..=82 => {
            *next_driver += 1;
            world.connect_driver(ProcessId(*next_driver));
        }
        83..=86 => {
            // The first driver ends with the runtime, so it is spared.
            let others: Vec<ProcessId> = world
                .live_clients()
                .into_iter()
                .filter(|client| client.0 > 1_000_000)
                .collect();
            if let Some(driver) = world.random.choose(&others) {
                world.die(driver);
            }
        }
        87..=89 => return world.measure_memory(),
        90..=91 => {
            let workers = world.live_workers();
            if let Some(worker) = world.random.choose(&workers) {
                return world.ask(worker);
            }
        }
        92..=94 => {
            let clients = world.live_clients();
            let class = world.random.below(world.classes.len() as u64) as usize;
            if let Some(client) = world.random.choose(&clients) {
                world.withdraw(client, class);
            }
        }
        _ => return nonsense(world),
    }
    Ok(())
}

/// Messages about what does not exist.
fn nonsense(world: &mut World) -> Result<(), String> {
    use eagleray_scheduler::{ActorId, LeaseId};
    let (process, lease, actor) = (ProcessId(99_999_999), LeaseId(u64::MAX), ActorId(u64::MAX));
    let class = world.classes[0].clone();
    let events = [
        Event::ClientGone { client: process },
        Event::LeasesWanted {
            client: process,
            class,
            wanted: 3,
        },
        Event::LeaseIdle { lease, idle: true },
        Event::LeaseReturned {
            lease,
            worker_reusable: true,
        },
        Event::WorkerStarted { worker: process },
        Event::WorkerGone { worker: process },
        Event::StartInterrupted { worker: process },
        Event::StartShort { worker: process },
        Event::WorkerKept { worker: process },
        Event::WorkerLingers { worker: process },
        Event::WorkerAsked { worker: process },
        Event::WorkerAnswered { worker: process },
        Event::WorkerBlocked {
            worker: process,
            blocked: true,
        },
        Event::ActorGone { actor },
        Event::Tick,
    ];
    let index = world.random.below(events.len() as u64) as usize;
    world.tell(events[index].clone())
}

fn submit_tasks(world: &mut World) {
    let clients = world.live_clients();
    let Some(client) = world.random.choose(&clients) else {
        return;
    };
    let class = world.random.below(world.classes.len() as u64) as usize;
    let mut count = world.random.between(1, 6);
    if world.random.chance(10) {
        count = 30;
    }
    let tasks = (0..count).map(|_| task(world, class, 2)).collect();
    world.submit(client, tasks);
}

fn task(world: &mut World, class: usize, depth: u32) -> Task {
    let duration_ms = match world.random.below(20) {
        0 => world.random.between(100, 1_500),
        1..=6 => 0,
        _ => world.random.between(0, 30),
    };
    let mut children = Vec::new();
    let mut waits = false;
    // Only what a waiting task gives back may be what its children need: anything else locks by itself.
    if depth > 0 && world.random.chance(20) {
        let plain: Vec<usize> = (0..world.classes.len())
            .filter(|index| {
                let resources = &world.classes[*index].resources;
                resources.get(GPU).is_zero() && resources.get("Custom").is_zero()
            })
            .collect();
        waits = world.random.chance(80);
        for _ in 0..world.random.between(1, 3) {
            if let Some(class) = world.random.choose(&plain) {
                children.push(task(world, class, depth - 1));
            }
        }
    }
    Task {
        class,
        duration_ms,
        children,
        waits,
        is_awaited: false,
    }
}

fn create_actor(world: &mut World) {
    let clients = world.live_clients();
    let Some(owner) = world.random.choose(&clients) else {
        return;
    };
    let cpu = world.random.choose(&[0.0, 1.0, 1.0, 2.0]).unwrap_or(1.0);
    let gpu = world.random.choose(&[0.0, 0.0, 0.5, 1.0]).unwrap_or(0.0);
    let held_cpu = if world.random.chance(40) { cpu } else { 0.0 };
    let placement = set(&[(CPU, cpu), (GPU, gpu)]);
    let held = set(&[(CPU, held_cpu), (GPU, gpu)]);
    let environment = EnvironmentId(world.random.choose(&[0, 0, 1, 2]).unwrap_or(0));
    world.create_actor(owner, placement, held, environment);
}
