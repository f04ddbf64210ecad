//! Seeded histories of the real submitter: a user, executors, rings and a raylet that do to it what real ones can.
//!
//! The user submits tasks and calls, with refs as arguments, cancels some and lets go of others. Executors answer in parts,
//! with values and errors, wait, retire, die at any moment, and sometimes lie. Rings are small, the store is often full,
//! leases are asked back, classes refused, actors restarted.
//!
//! Invariants, checked after every step:
//! - SS-1 The submitter's own tables agree ([`Submitter::validate`]), and TA-2 holds.
//! - SS-2 TA-1: the results of a task are there all at once, of one attempt, and never change.
//! - SS-3 AC-1 and AC-2: calls start in order, and no more often than they may; what never started did not crash.
//! - SS-4 Executors are sent each function before it is needed, once, and told to forget it (FU-1).
//! - SS-5 In the end every task is done, nothing is held, and all room is given back.

mod audit;
mod executors;
mod network;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use eagleray_core_worker::events::Event;
use eagleray_core_worker::handle::{ActorNumber, BORROWED_BASE, Handle, PeerSlot};
use eagleray_core_worker::objects::Objects;
use eagleray_core_worker::submitter::{
    Cancellation, Place, Submission, Submitter, Target, Template,
};
use eagleray_core_worker::work::{Effect, Out, RoomFor};
use eagleray_object_store::Extent;
use eagleray_protocol::frames::{
    ARGUMENT_INLINE, ARGUMENT_REF, BLOCKED, FORGOTTEN, REPLY, UNBLOCKED, write_argument,
};
use eagleray_protocol::{
    ActorOptions, ActorSpec, ActorState, DRIVER, Nested, NestedKind, ObjectId, Outcome as Value,
    Payload, Status, SystemError, ToRaylet, WorkerExit,
};

use self::audit::{Audit, Origin};
use self::executors::{Executor, Executors, Role};
use self::network::Network;
use crate::random::Random;

/// Steps after which a history that is not at rest counts as running in circles.
const STEPS_MAX: u64 = 20_000;

/// The owner of objects that the submitter borrows.
const OTHER_PROCESS: u32 = 77;

/// An argument or function that has to travel by the store.
const LARGE: usize = 70 << 10;

/// How a history went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Steps that were made.
    pub steps: u64,
    /// Tasks and calls that were submitted.
    pub submitted: u64,
    /// Executors that died.
    pub deaths: u64,
    /// Answers that came in parts.
    pub parts: u64,
    /// Requests for room that were made.
    pub room_requests: u64,
}

/// What the raylet has to say, in its order.
#[derive(Debug)]
enum News {
    Granted {
        lease: u64,
        class: u32,
        peer: PeerSlot,
    },
    AskedBack {
        lease: u64,
    },
    Refused {
        class: u32,
    },
    Lost {
        peer: PeerSlot,
    },
    Actor {
        id: ObjectId,
        state: ActorState,
        peer: Option<PeerSlot>,
    },
    Room {
        room_for: RoomFor,
        length: u64,
    },
    Ready {
        id: ObjectId,
    },
}

/// What a task or call is given.
struct Arguments {
    bytes: Vec<u8>,
    count: u32,
    refs: Vec<Handle>,
    actors: Vec<ActorNumber>,
    has_refs: bool,
}

/// An actor as the raylet knows it.
struct Actor {
    number: ActorNumber,
    is_ordered: bool,
    is_created: bool,
    is_wanted: bool,
    is_dead: bool,
    peer: Option<PeerSlot>,
    restarts_left: u32,
}

struct World {
    random: Random,
    submitter: Submitter,
    objects: Objects,
    out: Out,
    network: Network,
    executors: Executors,
    /// Errors that nobody has looked at, and that were reported.
    reported: BTreeSet<Handle>,
    audit: Audit,
    story: Option<Vec<String>>,
    outcome: Outcome,

    // The user.
    next_sequence: u64,
    held: BTreeSet<Handle>,
    handles_of_actors: BTreeMap<ObjectId, ActorNumber>,
    templates: Vec<(u32, i64)>,
    next_function: u8,
    exports: BTreeMap<u32, Handle>,

    // The raylet.
    news: VecDeque<News>,
    wanted: BTreeMap<u32, u32>,
    leases: BTreeMap<u64, PeerSlot>,
    next_lease: u64,
    next_peer: PeerSlot,
    closing: BTreeSet<PeerSlot>,
    workers_max: usize,
    actors: BTreeMap<ObjectId, Actor>,
    awaited: BTreeSet<ObjectId>,
    is_calm: bool,
    liars: bool,
}

/// Runs the history of a seed.
///
/// # Errors
/// What went wrong, and the whole story that led to it.
pub fn run(seed: u64) -> Result<Outcome, String> {
    let mut world = World::new(seed);
    match world.play() {
        Ok(()) => Ok(world.outcome),
        Err(_) => {
            let mut world = World::new(seed);
            world.story = Some(Vec::new());
            let wrong = world.play().err().unwrap_or_else(|| {
                "the history is not determined by its seed: the second time it went well".into()
            });
            let story = world.story.take().unwrap_or_default();
            Err(format!(
                "seed {seed}: {wrong}\n{}\nseed {seed}: {wrong}",
                story.join("\n")
            ))
        }
    }
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let cpus = random.between(1, 4) as u32;
        World {
            submitter: Submitter::new(DRIVER, cpus),
            objects: Objects::new(DRIVER),
            out: Out::default(),
            network: Network::new(),
            executors: Executors::default(),
            reported: BTreeSet::new(),
            audit: Audit::default(),
            story: None,
            outcome: Outcome::default(),
            next_sequence: 1,
            held: BTreeSet::new(),
            handles_of_actors: BTreeMap::new(),
            templates: Vec::new(),
            next_function: 0,
            exports: BTreeMap::new(),
            news: VecDeque::new(),
            wanted: BTreeMap::new(),
            leases: BTreeMap::new(),
            next_lease: 1,
            next_peer: 0,
            closing: BTreeSet::new(),
            workers_max: random.between(1, 4) as usize,
            actors: BTreeMap::new(),
            awaited: BTreeSet::new(),
            is_calm: false,
            liars: random.chance(20),
            random,
        }
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(line());
        }
    }

    fn play(&mut self) -> Result<(), String> {
        for _ in 0..self.random.between(1, 3) {
            self.declare_template();
        }
        for _ in 0..self.random.below(3) {
            self.create_actor();
        }
        for _ in 0..self.random.between(50, 250) {
            self.disturb()?;
            self.rest_of_step()?;
        }
        // From here on nothing bad happens, and everything has to come to its end.
        self.is_calm = true;
        self.tell(|| "---- calm".into());
        while self.progress()? {
            self.rest_of_step()?;
        }
        self.finish()
    }

    fn rest_of_step(&mut self) -> Result<(), String> {
        self.outcome.steps += 1;
        if self.outcome.steps > STEPS_MAX {
            return Err("it runs in circles".into());
        }
        self.settle()?;
        self.check()
    }

    // ---- what happens

    /// Something that a user, an executor, or the raylet does.
    fn disturb(&mut self) -> Result<(), String> {
        match self.random.below(100) {
            0..20 => self.submit(),
            20..30 => self.call(),
            30..32 => self.terminate(),
            32..36 => self.let_go(),
            36..40 => self.cancel(),
            40..42 => self.declare_template(),
            42..44 => self.release_template(),
            44..46 => self.define(),
            46..48 => self.create_actor(),
            48..51 => self.ask_back(),
            51..54 => self.kill(),
            54..55 => self.refuse(),
            55..60 => self.block(),
            60..62 => self.forge(),
            62..64 => self.close_unused(),
            64..66 => self.network.at_hand = self.random.below(150_000),
            66..67 => self.network.is_write_broken = self.random.chance(30),
            _ => {
                self.progress()?;
            }
        }
        Ok(())
    }

    /// Something that brings what was begun nearer to its end; false if there is nothing.
    fn progress(&mut self) -> Result<bool, String> {
        if self.is_calm {
            self.network.is_write_broken = false;
        }
        let start = self.random.below(7);
        for step in 0..7 {
            let did = match (start + step) % 7 {
                0 => self.hear(),
                1 => self.grant(),
                6 => self.start_actor(),
                2 => self.take()?,
                3 => self.answer(),
                4 => self.read_reply()?,
                _ => self.unblock(),
            };
            if did {
                return Ok(true);
            }
        }
        Ok(self.resolve_borrowed() || self.ask_idle_back())
    }

    // ---- the user

    fn sequence(&mut self, results: u32) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence += u64::from(results.max(1));
        sequence
    }

    /// Arguments: values, refs, and what they hold inside.
    fn arguments(&mut self) -> Arguments {
        let mut arguments = Vec::new();
        let mut has_refs = false;
        let count = self.random.below(4) as u32;
        let held: Vec<Handle> = self.held.iter().copied().collect();
        for _ in 0..count {
            match self.random.choose(&held) {
                Some(handle) if self.random.chance(50) => {
                    has_refs = true;
                    write_argument(&mut arguments, ARGUMENT_REF, &(handle as f64).to_le_bytes());
                }
                _ => {
                    let length = if self.random.chance(10) { LARGE } else { 5 };
                    write_argument(&mut arguments, ARGUMENT_INLINE, &vec![1; length]);
                }
            }
        }
        let mut refs = Vec::new();
        let mut actors = Vec::new();
        if self.random.chance(20) {
            refs.extend(self.random.choose(&held));
        }
        if self.random.chance(10) {
            let known: Vec<ActorNumber> = self.handles_of_actors.values().copied().collect();
            actors.extend(self.random.choose(&known));
        }
        Arguments {
            bytes: arguments,
            count,
            refs,
            actors,
            has_refs,
        }
    }

    fn submit_to(&mut self, target: Target, results: u32, retries: i32, promised: i64) {
        let arguments = self.arguments();
        let sequence = self.sequence(results);
        self.tell(|| format!("submit {sequence} to {target:?}, {results} results"));
        let actor = target.called_actor();
        let is_end = matches!(target, Target::Terminate { .. });
        self.audit.submitted(
            sequence,
            results,
            promised,
            actor,
            [is_end, arguments.has_refs],
        );
        self.outcome.submitted += 1;
        self.held.extend(sequence..sequence + u64::from(results));
        let submission = Submission {
            target,
            sequence,
            result_count: results,
            arguments: &arguments.bytes,
            argument_count: arguments.count,
            refs: arguments.refs,
            actors: arguments.actors,
            parent: self.random.below(3),
            retries,
        };
        let well_formed = self
            .submitter
            .submit(submission, &mut self.objects, &mut self.out);
        assert!(well_formed.is_some(), "a well-formed submission");
    }

    fn submit(&mut self) {
        if let Some((template, retries)) = self.random.choose(&self.templates) {
            let results = self.random.below(6) as u32;
            self.submit_to(Target::Template(template), results, 0, retries);
        }
    }

    fn call(&mut self) {
        let known: Vec<ActorNumber> = self.handles_of_actors.values().copied().collect();
        if let Some(actor) = self.random.choose(&known) {
            let (results, retries) = (self.random.below(5) as u32, self.random.below(3) as i32);
            let target = Target::Actor { actor, method: 3 };
            self.submit_to(target, results, retries, i64::from(retries));
        }
    }

    fn terminate(&mut self) {
        let known: Vec<ActorNumber> = self.handles_of_actors.values().copied().collect();
        if let Some(actor) = self.random.choose(&known) {
            self.submit_to(Target::Terminate { actor }, 0, 0, 0);
        }
    }

    fn let_go(&mut self) {
        if self.random.chance(15) {
            let known: Vec<ObjectId> = self.handles_of_actors.keys().copied().collect();
            if let Some(id) = self.random.choose(&known)
                && let Some(actor) = self.handles_of_actors.remove(&id)
            {
                self.tell(|| format!("let go of actor {actor}"));
                self.objects.release_actor(actor, &mut self.out);
            }
            return;
        }
        let held: Vec<Handle> = self.held.iter().copied().collect();
        if let Some(handle) = self.random.choose(&held) {
            self.tell(|| format!("let go of {handle}"));
            self.held.remove(&handle);
            self.audit.released(handle);
            self.objects.release(handle, &mut self.out);
        }
    }

    fn cancel(&mut self) {
        let held: Vec<Handle> = self.held.iter().copied().collect();
        let Some(handle) = self.random.choose(&held) else {
            return;
        };
        let task = self
            .objects
            .producer(handle)
            .and_then(|slot| self.submitter.task(slot))
            .map(|task| task.sequence);
        let Self {
            submitter,
            objects,
            network,
            out,
            ..
        } = self;
        let cancelled = submitter.cancel(handle, objects, network, out);
        self.tell(|| format!("cancel {handle} of {task:?}: {cancelled:?}"));
        if let (Some(sequence), Cancellation::Dropped | Cancellation::Runs { .. }) =
            (task, cancelled)
        {
            self.audit.cancelled(sequence);
        }
    }

    fn declare_template(&mut self) {
        self.next_function += 1;
        let resources = vec![("CPU".to_owned(), self.random.below(2) as f64)];
        let is_pipelined = self.random.chance(70);
        let class = self.submitter.declare_class(resources, 0, is_pipelined);
        let retries = self.random.below(4) as i64 - 1;
        let length = if self.random.chance(10) { LARGE } else { 20 };
        let export = self.sequence(1);
        let payload = Payload::inline(&vec![self.next_function; length]);
        self.objects
            .define(export, payload.clone(), Vec::new(), Vec::new(), false);
        let template = Template {
            function: [self.next_function; 16],
            name: format!("f{}", self.next_function),
            export: payload,
            export_object: None,
            class,
            max_retries: retries,
        };
        let number = self
            .submitter
            .declare_template(template, export, &mut self.objects);
        self.tell(|| format!("template {number}, class {class}, {retries} retries"));
        self.exports.insert(number, export);
        self.templates.push((number, retries));
    }

    /// A remote function of the user is garbage: it uses its template no more, and nobody its export.
    fn release_template(&mut self) {
        if self.templates.is_empty() {
            return;
        }
        let which = self.random.below(self.templates.len() as u64) as usize;
        let (template, _) = self.templates.remove(which);
        self.tell(|| format!("release template {template}"));
        let Self {
            submitter,
            objects,
            out,
            ..
        } = self;
        submitter.release_template(template, objects, out);
        if let Some(export) = self.exports.remove(&template) {
            self.objects.release(export, &mut self.out);
        }
    }

    fn define(&mut self) {
        if self.random.chance(50) {
            let id = ObjectId::local(OTHER_PROCESS, self.random.below(20));
            let handle = self.objects.borrow(id, &mut self.out);
            if !self.held.insert(handle) {
                self.objects.release(handle, &mut self.out);
            }
            return;
        }
        let sequence = self.sequence(1);
        let inside: Vec<Handle> = self.held.iter().copied().collect();
        let pins: Vec<Handle> = self.random.choose(&inside).into_iter().collect();
        let nested = self.objects.nested_ids(&pins, &[]);
        let origin = Origin {
            sequence,
            index: 0,
            attempt: 0,
        };
        let payload = Payload {
            nested: nested.into(),
            ..Payload::inline(&origin.to_bytes())
        };
        self.objects
            .define(sequence, payload, pins, Vec::new(), false);
        self.held.insert(sequence);
    }

    // ---- the raylet

    fn create_actor(&mut self) {
        let sequence = self.sequence(1);
        let id = ObjectId::local(DRIVER, sequence);
        let is_ordered = self.random.chance(60);
        let number = self
            .objects
            .actor_number(id, is_ordered, true, &mut self.out);
        if is_ordered {
            self.audit.actor_is_ordered(number);
        }
        self.tell(|| format!("actor {number}, ordered {is_ordered}"));
        self.handles_of_actors.insert(id, number);
        let actor = Actor {
            number,
            is_ordered,
            // Its creator is this process, or another one that has done it long ago.
            is_created: self.random.chance(50),
            is_wanted: false,
            is_dead: false,
            peer: None,
            restarts_left: self.random.below(3) as u32,
        };
        let is_ours = !actor.is_created;
        self.actors.insert(id, actor);
        if is_ours {
            self.submitter.begin_creation(number, spec(id));
            self.submit_to(Target::Create { actor: number }, 0, 0, 0);
        }
    }

    fn connect(&mut self, role: Role) -> PeerSlot {
        let peer = self.next_peer;
        self.next_peer += 1;
        self.network.rings.insert(peer, network::Ring::default());
        self.executors.table.insert(peer, Executor::new(role));
        peer
    }

    fn workers(&self) -> usize {
        let table = self.executors.table.values();
        table
            .filter(|executor| executor.role == Role::Worker)
            .count()
    }

    /// Grants a lease that is wanted: of an idle worker over its connection, or of a new one.
    fn grant(&mut self) -> bool {
        let wanting: Vec<u32> = self
            .wanted
            .iter()
            .filter(|(_, wanted)| **wanted > 0)
            .map(|(class, _)| *class)
            .collect();
        let Some(class) = self.random.choose(&wanting) else {
            return false;
        };
        if self.leases.len() >= self.workers_max && !self.is_calm {
            return false;
        }
        let free: Vec<PeerSlot> = self
            .executors
            .table
            .iter()
            .filter(|(peer, executor)| {
                executor.role == Role::Worker
                    && executor.is_idle()
                    && !self.leases.values().any(|leased| leased == *peer)
                    && !self.closing.contains(peer)
            })
            .map(|(peer, _)| *peer)
            .collect();
        let peer = match self.random.choose(&free) {
            Some(peer) => peer,
            None if self.workers() < self.workers_max + usize::from(self.is_calm) => {
                self.connect(Role::Worker)
            }
            None => return false,
        };
        if let Some(wanted) = self.wanted.get_mut(&class) {
            *wanted -= 1;
        }
        let lease = self.next_lease;
        self.next_lease += 1;
        self.leases.insert(lease, peer);
        self.tell(|| format!("raylet grants lease {lease} of class {class} on {peer}"));
        self.news.push_back(News::Granted { lease, class, peer });
        true
    }

    fn start_actor(&mut self) -> bool {
        let waiting: Vec<ObjectId> = self
            .actors
            .iter()
            .filter(|(_, actor)| {
                actor.is_wanted && actor.is_created && !actor.is_dead && actor.peer.is_none()
            })
            .map(|(id, _)| *id)
            .collect();
        let Some(id) = self.random.choose(&waiting) else {
            return false;
        };
        let Some((number, is_ordered)) = self
            .actors
            .get(&id)
            .map(|actor| (actor.number, actor.is_ordered))
        else {
            return false;
        };
        if self.random.chance(15) {
            if let Some(actor) = self.actors.get_mut(&id) {
                actor.is_wanted = false;
            }
            self.tell(|| format!("actor {number} can't be reached"));
            let error = SystemError::new("ActorUnavailableError", "there is no room for rings");
            self.news.push_back(News::Actor {
                id,
                state: ActorState::Unreachable { error },
                peer: None,
            });
            return true;
        }
        let peer = self.connect(Role::Actor {
            actor: number,
            is_ordered,
        });
        if let Some(actor) = self.actors.get_mut(&id) {
            actor.peer = Some(peer);
        }
        self.tell(|| format!("actor {number} is alive over {peer}"));
        let state = ActorState::Alive { connection: peer };
        self.news.push_back(News::Actor {
            id,
            state,
            peer: Some(peer),
        });
        true
    }

    fn ask_back(&mut self) {
        let leases: Vec<u64> = self.leases.keys().copied().collect();
        if let Some(lease) = self.random.choose(&leases) {
            self.news.push_back(News::AskedBack { lease });
        }
    }

    fn refuse(&mut self) {
        let classes: Vec<u32> = self.wanted.keys().copied().collect();
        if let Some(class) = self.random.choose(&classes) {
            self.wanted.insert(class, 0);
            self.news.push_back(News::Refused { class });
        }
    }

    /// An executor dies: what it has written counts, and nothing else.
    fn kill(&mut self) {
        let peers: Vec<PeerSlot> = self.executors.table.keys().copied().collect();
        if let Some(peer) = self.random.choose(&peers) {
            self.end_executor(peer, self.random.clone().chance(50));
        }
    }

    fn end_executor(&mut self, peer: PeerSlot, may_restart: bool) {
        if !self.closing.insert(peer) {
            return;
        }
        self.tell(|| format!("the executor at {peer} dies"));
        self.outcome.deaths += 1;
        if let Some(ring) = self.network.rings.get_mut(&peer) {
            ring.cut();
        }
        self.leases.retain(|_, leased| *leased != peer);
        self.news.push_back(News::Lost { peer });
        let found = self
            .actors
            .iter_mut()
            .find(|(_, actor)| actor.peer == Some(peer));
        let Some((&id, actor)) = found else { return };
        actor.peer = None;
        let restarts = may_restart && actor.restarts_left > 0;
        let error = SystemError::new("ActorDiedError", "it died");
        let state = if restarts {
            actor.restarts_left -= 1;
            ActorState::Restarting {
                error: SystemError::new("ActorUnavailableError", "it starts again"),
            }
        } else {
            actor.is_dead = true;
            ActorState::Dead { error }
        };
        self.news.push_back(News::Actor {
            id,
            state,
            peer: None,
        });
    }

    /// The submitter hears the next of the raylet's news.
    fn hear(&mut self) -> bool {
        let Some(news) = self.news.pop_front() else {
            return false;
        };
        self.tell(|| format!("hear {news:?}"));
        let Self {
            submitter,
            objects,
            network,
            out,
            ..
        } = self;
        match news {
            News::Granted { lease, class, peer } => {
                let open = network.rings.contains_key(&peer).then_some(peer);
                submitter.lease_granted(lease, class, open, out);
            }
            News::AskedBack { lease } => submitter.lease_asked_back(lease, objects, network, out),
            News::Refused { class } => {
                submitter.class_refused(class, SystemError::new("Infeasible", "never"));
            }
            News::Lost { peer } => self.lose(peer),
            News::Actor { id, state, peer } => {
                let peer = peer.filter(|peer| network.rings.contains_key(peer));
                submitter.actor_changed(id, state, peer, objects, out);
            }
            News::Room { room_for, length } => {
                let answer = if !self.is_calm && self.random.chance(25) {
                    Err(SystemError::new("ObjectStoreFullError", "full"))
                } else {
                    Ok(network.allocate(length))
                };
                submitter.room_answered(room_for, answer, objects, network, out);
            }
            News::Ready { id } => {
                let origin = Origin {
                    sequence: u64::MAX,
                    index: 0,
                    attempt: 0,
                };
                let mut value = Value::value(Payload::inline(&origin.to_bytes()));
                if id.sequence % 5 == 0 {
                    value.status = Status::UserError;
                }
                objects.object_ready(id, value, out);
            }
        }
        true
    }

    fn lose(&mut self, peer: PeerSlot) {
        // What it wrote before counts.
        while let Some((kind, frame)) = self
            .executors
            .table
            .get_mut(&peer)
            .and_then(Executor::next_reply)
        {
            self.handle_frame(peer, kind, &frame);
        }
        let exit = WorkerExit {
            process: peer,
            pid: 1,
            code: None,
            signal: Some(9),
            stderr_tail: Vec::new(),
            reason: String::new(),
        };
        let Self {
            submitter,
            objects,
            network,
            out,
            ..
        } = self;
        if network.rings.contains_key(&peer) {
            submitter.peer_lost(peer, &exit, objects, network, out);
        }
        self.network.rings.remove(&peer);
        self.executors.table.remove(&peer);
        self.closing.remove(&peer);
    }

    /// An idle lease is asked back, because somebody waits for one.
    fn ask_idle_back(&mut self) -> bool {
        if !self.is_calm || self.wanted.values().all(|wanted| *wanted == 0) {
            return false;
        }
        let idle: Vec<u64> = self
            .leases
            .iter()
            .filter(|(_, peer)| {
                self.network
                    .rings
                    .get(peer)
                    .is_some_and(|ring| ring.in_flight == 0)
            })
            .map(|(lease, _)| *lease)
            .collect();
        let lease = self.random.choose(&idle);
        self.news
            .extend(lease.map(|lease| News::AskedBack { lease }));
        lease.is_some()
    }

    /// A borrowed object that is awaited is there.
    fn resolve_borrowed(&mut self) -> bool {
        let Some(id) = self.awaited.pop_first() else {
            return false;
        };
        self.news.push_back(News::Ready { id });
        true
    }

    // ---- executors

    fn living(&self) -> Vec<PeerSlot> {
        let peers = self.executors.table.keys();
        peers
            .copied()
            .filter(|peer| !self.closing.contains(peer))
            .collect()
    }

    fn take(&mut self) -> Result<bool, String> {
        let ready: Vec<PeerSlot> = self
            .living()
            .into_iter()
            .filter(|peer| {
                self.network
                    .rings
                    .get(peer)
                    .is_some_and(network::Ring::has_ready)
            })
            .collect();
        let start = self.random.below(ready.len() as u64) as usize;
        for offset in 0..ready.len() {
            let peer = ready[(start + offset) % ready.len()];
            if self
                .executors
                .take(peer, &mut self.network, &mut self.audit)?
            {
                self.tell(|| format!("{peer} takes a frame"));
                let awaited = self.network.rings.get_mut(&peer);
                if awaited.is_some_and(|ring| std::mem::take(&mut ring.is_awaited)) {
                    self.submitter.peer_has_room(peer);
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn answer(&mut self) -> bool {
        let living = self.living();
        let start = self.random.below(living.len() as u64) as usize;
        for offset in 0..living.len() {
            let peer = living[(start + offset) % living.len()];
            let (did, has_ended) = self.executors.answer(peer, &mut self.random);
            if has_ended {
                self.end_executor(peer, false);
            }
            if did {
                self.tell(|| format!("{peer} answers"));
                return true;
            }
        }
        false
    }

    fn read_reply(&mut self) -> Result<bool, String> {
        let peers: Vec<PeerSlot> = self
            .living()
            .into_iter()
            .filter(|peer| {
                self.executors
                    .table
                    .get(peer)
                    .is_some_and(Executor::has_replies)
            })
            .collect();
        let Some(peer) = self.random.choose(&peers) else {
            return Ok(false);
        };
        let reply = self
            .executors
            .table
            .get_mut(&peer)
            .and_then(Executor::next_reply);
        if let Some((kind, frame)) = reply {
            self.tell(|| format!("read a frame {kind} of {peer}"));
            self.handle_frame(peer, kind, &frame);
        }
        Ok(true)
    }

    fn handle_frame(&mut self, peer: PeerSlot, kind: u32, frame: &[u8]) {
        let Self {
            submitter,
            objects,
            network,
            out,
            ..
        } = self;
        match kind {
            REPLY => {
                if let Err(nonsense) = submitter.reply(peer, frame, objects, network, out) {
                    self.tell(|| format!("{peer} talks nonsense: {nonsense:?}"));
                    self.end_executor(peer, true);
                }
            }
            BLOCKED => submitter.blocked(peer, frame, objects, network, out),
            UNBLOCKED => submitter.unblocked(peer),
            FORGOTTEN => {
                let read = submitter.function_forgotten(peer, frame, objects, out);
                assert_eq!(read, Ok(()), "an id is one");
            }
            _ => {}
        }
    }

    fn block(&mut self) {
        let living = self.living();
        if let Some(peer) = self.random.choose(&living)
            && self.executors.block(peer, &mut self.network)
        {
            self.tell(|| format!("{peer} blocks, or blocks no more"));
        }
    }

    /// In the end, whoever waits has what it waits for.
    fn unblock(&mut self) -> bool {
        if !self.is_calm {
            return false;
        }
        for peer in self.living() {
            if self
                .executors
                .table
                .get(&peer)
                .is_some_and(Executor::is_waiting)
                && self.executors.block(peer, &mut self.network)
            {
                return true;
            }
        }
        false
    }

    fn forge(&mut self) {
        if !self.liars || self.is_calm {
            return;
        }
        let living = self.living();
        if let Some(peer) = self.random.choose(&living) {
            // Of a task that is in flight to itself, whatever it says is an answer.
            let open: Vec<(u32, u64, u32)> = self
                .submitter
                .tasks()
                .filter(|(_, task)| task.place != Place::InFlight(peer))
                .map(|(slot, task)| (slot, task.sequence, task.result_count))
                .collect();
            self.tell(|| format!("{peer} lies"));
            for (kind, frame) in Executors::forge(&mut self.random, &open) {
                self.handle_frame(peer, kind, &frame);
            }
        }
    }

    fn close_unused(&mut self) {
        let living = self.living();
        if let Some(peer) = self.random.choose(&living)
            && self.submitter.may_close(peer)
        {
            self.tell(|| format!("close {peer}"));
            self.submitter
                .peer_closed(peer, &mut self.objects, &mut self.out);
            self.close(peer);
        }
    }

    /// The submitter has no further use for a connection. The executor lives on; an actor may be called again.
    fn close(&mut self, peer: PeerSlot) {
        self.network.rings.remove(&peer);
        self.executors.table.remove(&peer);
        self.leases.retain(|_, leased| *leased != peer);
        for actor in self.actors.values_mut() {
            if actor.peer == Some(peer) {
                actor.peer = None;
                actor.is_wanted = false;
            }
        }
    }

    // ---- carrying out

    fn settle(&mut self) -> Result<(), String> {
        self.drive()?;
        while let Some(event) = self.out.events.pop() {
            if let Event::UnhandledError { handle } = event {
                let value = self.objects.value(handle);
                if !value.is_some_and(|value| value.is_missed()) {
                    return Err(format!("{handle} is reported, and is no error"));
                }
                if !self.reported.insert(handle) {
                    return Err(format!("{handle} is reported twice"));
                }
                self.objects.release(handle, &mut self.out);
                self.drive()?;
            }
        }
        Ok(())
    }

    fn drive(&mut self) -> Result<(), String> {
        while !self.out.is_empty() || self.submitter.has_changed() {
            let Self {
                submitter,
                objects,
                network,
                out,
                ..
            } = self;
            submitter.carry_on(objects, out);
            submitter.send(objects, network, out);
            while let Some(effect) = self.out.effects.pop_front() {
                self.carry_out(effect)?;
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Tell(message) => self.told(*message),
            Effect::Hold(_) | Effect::ErrorsSeen(_) => {}
            Effect::LetGo(Nested { kind, id }) => {
                if kind == NestedKind::Ref {
                    self.executors.sealed.remove(&id);
                }
            }
            Effect::ClosePeer(peer) => {
                self.submitter
                    .peer_closed(peer, &mut self.objects, &mut self.out);
                self.close(peer);
            }
            Effect::Post { peer, kind, frame } => {
                use eagleray_core_worker::rings::Rings;
                // A ring that is full keeps it until there is room.
                if let Some(ring) = self.network.rings.get_mut(&peer) {
                    ring.widen();
                }
                self.network.send(peer, kind, &frame);
            }
            Effect::PostSettled { .. } => {
                return Err("it forgets a function that nobody has sent to it".into());
            }
            Effect::AskRoom { room_for, length } => {
                self.outcome.room_requests += 1;
                self.news.push_back(News::Room { room_for, length });
            }
            Effect::Abandon(extent) => {
                if !self.network.abandon(extent) {
                    return Err(format!("{extent:?} is given back twice"));
                }
            }
            Effect::EndProcess { reason } => return Err(format!("it ends itself: {reason}")),
        }
        Ok(())
    }

    fn told(&mut self, message: ToRaylet) {
        match message {
            ToRaylet::LeasesWanted { class, wanted } => {
                self.wanted.insert(class, wanted);
            }
            ToRaylet::ReturnLease { lease, retire } => {
                let peer = self.leases.remove(&lease);
                if let (true, Some(peer)) = (retire, peer) {
                    self.end_executor(peer, false);
                }
            }
            ToRaylet::ConnectActor { actor: id } => {
                let Some(actor) = self.actors.get_mut(&id) else {
                    return;
                };
                actor.is_wanted = true;
                if actor.is_dead {
                    let error = SystemError::new("ActorDiedError", "it is dead");
                    self.news.push_back(News::Actor {
                        id,
                        state: ActorState::Dead { error },
                        peer: None,
                    });
                }
            }
            ToRaylet::CreateActor { spec } => {
                if let Some(actor) = self.actors.get_mut(&spec.id) {
                    actor.is_created = true;
                }
            }
            ToRaylet::FailActor { actor: id, error } => {
                let Some(actor) = self.actors.get_mut(&id) else {
                    return;
                };
                actor.is_dead = true;
                self.news.push_back(News::Actor {
                    id,
                    state: ActorState::Dead { error },
                    peer: None,
                });
            }
            ToRaylet::Subscribe { id } => {
                self.awaited.insert(id);
            }
            _ => {}
        }
    }

    // ---- checking

    fn check(&mut self) -> Result<(), String> {
        self.submitter.validate()?;
        for (slot, task) in self.submitter.tasks() {
            // TA-2
            for &pin in &task.pins {
                if self.objects.value(pin).is_none() {
                    return Err(format!("TA-2: {} of the task in slot {slot} is gone", pin));
                }
            }
            for &actor in &task.actor_pins {
                if self.objects.actor_id(actor).is_none() {
                    return Err(format!("TA-2: actor {actor} of slot {slot} is gone"));
                }
            }
            if let Place::InFlight(peer) = task.place
                && !self.network.rings.contains_key(&peer)
            {
                return Err(format!(
                    "slot {slot} is in flight over {peer}, which is closed"
                ));
            }
        }
        let objects = &self.objects;
        self.audit.look(|handle| objects.value(handle))
    }

    fn finish(&mut self) -> Result<(), String> {
        let stuck: Vec<String> = self
            .submitter
            .tasks()
            .map(|(_, task)| {
                format!(
                    "{} to {:?} is {:?} and misses {}",
                    task.sequence, task.target, task.place, task.missing
                )
            })
            .collect();
        if !stuck.is_empty() {
            return Err(format!("never done: {}", stuck.join("; ")));
        }
        self.audit.finish()?;
        for handle in std::mem::take(&mut self.held) {
            self.audit.released(handle);
            self.objects.release(handle, &mut self.out);
        }
        for (_, actor) in std::mem::take(&mut self.handles_of_actors) {
            self.objects.release_actor(actor, &mut self.out);
        }
        while !self.templates.is_empty() {
            self.release_template();
        }
        self.rest_of_step()?;
        while self.progress()? {
            self.rest_of_step()?;
        }
        if !self.objects.is_empty() {
            return Err(format!("{} objects are left", self.objects.len()));
        }
        if self.network.extents() > 0 {
            return Err(format!("{} extents are left", self.network.extents()));
        }
        if !self.executors.sealed.is_empty() {
            return Err(format!("{:?} are held for ever", self.executors.sealed));
        }
        let known: usize = self.executors.table.values().map(Executor::functions).sum();
        if known > 0 {
            return Err(format!("FU-1: executors still know {known} functions"));
        }
        self.outcome.parts = self.executors.parts;
        Ok(())
    }
}

/// What an actor is made of.
fn spec(id: ObjectId) -> ActorSpec {
    ActorSpec {
        id,
        class: [0; 16],
        export: Payload::default(),
        export_object: None,
        arguments: Box::default(),
        argument_count: 0,
        holds: Vec::new(),
        options: ActorOptions {
            class_name: String::new(),
            name: String::new(),
            namespace: String::new(),
            detached: false,
            max_restarts: 0,
            placement: Vec::new(),
            held: Vec::new(),
            environment: 0,
            max_concurrency: 1,
            methods: Vec::new(),
            handle: String::new(),
        },
    }
}

/// Handles of borrowed objects are far above those of owned ones.
const _: () = assert!(BORROWED_BASE > 1 << 40);

/// So that the fake extents of stored results are none of the store's.
const _: fn() -> Extent = || Extent::new(4096, 8);
