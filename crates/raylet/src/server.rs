//! The loop: waits, hands over what has happened, and does what is due.
//!
//! Owns: the raylet's state, the clock, and the order of work in a turn. What a message means is in
//! `messages.rs`, what is done about it in `instructions.rs`, how processes begin and end in
//! `processes.rs`.
//!
//! A turn: what the poller reports is handled event by event, each followed by everything that the state
//! machines ask for; then what is due is done; then what was queued for the processes is sent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use eagleray_ipc::{ControlSocket, Doorbell, Received};
use eagleray_object_store::{PAGE, Segment};
use eagleray_protocol::{
    ActorId, DRIVER, FromRaylet, ProcessNumber, SystemError, ToRaylet, Welcome, decode,
};
use eagleray_resources::{CPU, Quantity, ResourceSet};
use eagleray_scheduler as scheduler;
use eagleray_scheduler::{Event, Instruction, LeaseId, ProcessId, Scheduler};
use rustc_hash::FxHashMap;

use crate::actor_directory::ActorDirectory;
use crate::admission::fit;
use crate::clients::{Client, Clients, Source, Trouble};
use crate::collections::Collections;
use crate::configuration::Configuration;
use crate::connections::Connections;
use crate::effects::Effect;
use crate::environments::Environments;
use crate::failed_starts::FailedStarts;
use crate::memory::Memory;
use crate::object_directory::ObjectDirectory;
use crate::poller::{Poller, Ready};
use crate::signal::Signal;
use crate::store::Store;
use crate::unconnected::Unconnected;
use crate::worker_process::Stream;

/// Where, after its mailbox, a worker's page has the number of tasks in flight on its lease, written by the
/// lease's holder. A statistic: it orders nothing.
const LEASE_BUSY_OFFSET: u64 = 64;

/// What stands there until the holder has written something.
const BUSY_UNKNOWN: u32 = u32::MAX;

/// A holder that has written nothing for so long after the grant has nothing to run.
const GRANT_UNUSED: Duration = Duration::from_millis(50);

/// How often idle leases are looked for while others wait.
const LOOK_WHILE_WANTED: Duration = Duration::from_millis(100);

/// How long an actor or a task waits for its place before processes are asked to collect garbage; a start of a worker
/// is shorter. And the longest pause between two such requests.
const PLACE_PATIENCE: Duration = Duration::from_millis(400);
const PLACE_PATIENCE_MAX: Duration = Duration::from_secs(60);

/// How long a lease may stay idle while there are more workers than are kept.
const IDLE_LEASE_KEEP: Duration = Duration::from_secs(1);

/// A lease as the shell sees it.
pub(crate) struct LeaseEntry {
    pub(crate) client: ProcessNumber,
    pub(crate) worker: ProcessNumber,
    /// The client's own number of the class for which it was granted.
    pub(crate) class: u32,
    pub(crate) granted_at: Duration,
    idle_since: Option<Duration>,
    asked: bool,
}

impl LeaseEntry {
    pub(crate) fn new(
        client: ProcessNumber,
        worker: ProcessNumber,
        class: u32,
        now: Duration,
    ) -> Self {
        Self {
            client,
            worker,
            class,
            granted_at: now,
            idle_since: None,
            asked: false,
        }
    }

    /// Its holder has nothing to run on it.
    pub(crate) fn is_idle(&self) -> bool {
        self.idle_since.is_some()
    }
}

/// The raylet.
pub(crate) struct Server {
    pub(crate) configuration: Configuration,
    pub(crate) poller: Poller,
    pub(crate) signal: Arc<Signal>,
    pub(crate) clients: Clients,
    pub(crate) connections: Connections,
    pub(crate) store: Store,
    pub(crate) objects: ObjectDirectory,
    pub(crate) actors: ActorDirectory,
    pub(crate) scheduler: Scheduler,
    pub(crate) instructions: VecDeque<Instruction>,
    pub(crate) effects: VecDeque<Effect>,
    pub(crate) leases: BTreeMap<LeaseId, LeaseEntry>,
    pub(crate) environments: Environments,
    pub(crate) collections: Collections,
    /// Callers that are told that an actor is dead when a connection has ended, by its number.
    pub(crate) farewells: FxHashMap<u32, Vec<(ProcessNumber, ActorId, SystemError)>>,
    /// Workers for which something is due at some time.
    pub(crate) timed: BTreeSet<ProcessNumber>,
    pub(crate) failed_starts: FailedStarts,
    pub(crate) unconnected: Unconnected,
    pub(crate) stopping: bool,
    pub(crate) memory: Memory,
    pub(crate) prestart: usize,
    /// When to ask for garbage, and how long to wait then, while an actor waits for its place.
    ask_for_places: Option<(Duration, Duration)>,
    started: Instant,
}

impl Server {
    /// Everything but the thread. The driver's welcome is queued on `own_end`.
    pub(crate) fn new(
        configuration: Configuration,
        own_end: ControlSocket,
        signal: Arc<Signal>,
    ) -> io::Result<Self> {
        let total = resource_set(&configuration.resources)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let limits = scheduler::Configuration::new(total, configuration.gpu_ids.clone());
        let poller = Poller::new()?;
        poller.add(signal.doorbell.fd(), Source::Wake.token())?;
        let wake = Arc::clone(&signal);
        let store = Store::create(configuration.store_bytes, move || wake.wake())?;
        let mut server = Self {
            poller,
            signal,
            clients: Clients::new(),
            connections: Connections::default(),
            store,
            objects: ObjectDirectory::default(),
            actors: ActorDirectory::default(),
            prestart: limits.prestart as usize,
            ask_for_places: None,
            scheduler: Scheduler::new(limits),
            instructions: VecDeque::new(),
            effects: VecDeque::new(),
            leases: BTreeMap::new(),
            environments: Environments::new(),
            collections: Collections::default(),
            farewells: FxHashMap::default(),
            timed: BTreeSet::new(),
            failed_starts: FailedStarts::default(),
            unconnected: Unconnected::default(),
            stopping: false,
            memory: Memory::default(),
            started: Instant::now(),
            configuration,
        };
        let mailbox = server
            .store
            .allocate_rings(PAGE)
            .map_err(|full| io::Error::new(io::ErrorKind::OutOfMemory, full))?;
        let pid = server.configuration.driver_pid;
        let bells = [Doorbell::create()?, Doorbell::create()?];
        let mut driver = Client::new(own_end, bells, mailbox, pid, None);
        driver.ready = true;
        server.admit(DRIVER, driver)?;
        let mut troubled = server.clients.flush_all(&server.poller).into_iter();
        match troubled.next() {
            None => {}
            Some((_, Trouble::Gone)) => return Err(io::ErrorKind::BrokenPipe.into()),
            Some((_, Trouble::Unserved(reason))) => return Err(io::Error::other(reason)),
        }
        Ok(server)
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        self.store.segment()
    }

    /// Takes a process in and welcomes it.
    pub(crate) fn admit(&mut self, process: ProcessNumber, client: Client) -> io::Result<()> {
        let cpus = self.scheduler.total().get(CPU);
        let almost_one = Quantity::from_steps(Quantity::STEPS_PER_UNIT - 1).unwrap_or_default();
        let welcome = Welcome {
            process,
            driver_pid: self.configuration.driver_pid,
            mailbox: client.mailbox.offset,
            cpus: u32::try_from(cpus.saturating_add(almost_one).whole_units()).unwrap_or(u32::MAX),
            settings: self.configuration.settings.clone(),
        };
        let segment = self.store.segment().descriptor().try_clone_to_owned()?;
        let [doorbell, bell] = client.bells()?;
        self.clients.add(process, client, &self.poller)?;
        self.objects.process_started(process);
        self.actors.process_started(process);
        let fds = vec![segment, doorbell.into_fd(), bell.into_fd()];
        self.clients
            .send_with(process, &FromRaylet::Welcome { welcome }, fds);
        Ok(())
    }

    /// Time since the start, the clock of all deadlines.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Runs until the driver has gone or somebody stops it.
    pub(crate) fn run(mut self) {
        self.feed(Event::ClientConnected {
            client: scheduler::DRIVER,
        });
        self.feed(Event::Started);
        self.settle();
        // While those start that are started whatever the memory has; what comes later is bounded from its first.
        self.measure_memory();
        self.end_turn();
        while !self.stopping {
            match self.poller.wait(self.timeout()) {
                Ok(ready) => {
                    for event in ready {
                        self.handle_ready(event);
                        self.settle();
                    }
                }
                // Without its poller the raylet is deaf; ending everything is the only honest answer.
                Err(error) => {
                    self.log(&format!(
                        "the runtime has to end: it can't wait for its processes: {error}"
                    ));
                    self.stopping = true;
                }
            }
            self.end_turn();
        }
        self.shut_down();
    }

    /// Tells the scheduler what has happened; what it answers is carried out by [`settle`](Self::settle).
    pub(crate) fn feed(&mut self, event: Event) {
        let now = self.now().as_millis() as u64;
        let mut out = Vec::new();
        self.scheduler.handle(event, now, &mut out);
        self.instructions.extend(out);
    }

    fn handle_ready(&mut self, ready: Ready) {
        match Source::of(ready.token) {
            Source::Wake => {
                // What it can't clear keeps it awake, which costs time and nothing else.
                let _ = self.signal.doorbell.clear();
                self.stopping |= self.signal.is_stopping();
            }
            Source::Control(process) => {
                if ready.writable {
                    self.clients.flush(process, &self.poller);
                }
                if ready.readable {
                    self.receive(process);
                }
            }
            Source::End(process) => self.process_ended(process),
            Source::Output(process) => self.read_output(process, Stream::Output),
            Source::Error(process) => self.read_output(process, Stream::Error),
        }
    }

    /// Handles what a process has sent.
    pub(crate) fn receive(&mut self, process: ProcessNumber) {
        let Some(client) = self.clients.get_mut(process) else {
            return;
        };
        let mut messages = Vec::new();
        let mut malformed = false;
        let received = client.socket.receive(|frame, _| {
            match decode::<ToRaylet>(frame).map(|message| fit(process, message, frame.len())) {
                Ok(Some(message)) if !malformed => messages.push(message),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => malformed = true,
            }
        });
        for message in messages {
            if let Err(reason) = self.handle_message(process, message) {
                self.refuse_service(process, &format!("it sent nonsense: {reason}"));
                return;
            }
            self.settle();
        }
        match received {
            Ok(Received::Open) if !malformed => {}
            Ok(Received::Closed) if !malformed => self.control_closed(process),
            _ => self.refuse_service(process, "it broke the protocol of its control socket"),
        }
    }

    /// What is due at the end of a turn.
    fn end_turn(&mut self) {
        self.look_after_processes();
        self.look_after_waiting();
        self.connect_again();
        self.look_after_quiet();
        self.look_after_leases();
        self.look_after_memory();
        let now = self.now();
        let due = self.scheduler.next_deadline_ms();
        if due.is_some_and(|due| u128::from(due) <= now.as_millis()) {
            self.feed(Event::Tick);
        }
        self.settle();
        let (answers, error) = self.store.end_turn(now);
        for (process, answer) in answers {
            self.clients.send(process, &answer);
        }
        if let Some(error) = error {
            self.log(&format!(
                "the system refused to manage the store's memory ahead: {error}"
            ));
        }
        loop {
            let troubled = self.clients.flush_all(&self.poller);
            if troubled.is_empty() {
                break;
            }
            for (process, trouble) in troubled {
                match trouble {
                    Trouble::Gone => {
                        // What it has said before counts.
                        self.receive(process);
                        self.control_closed(process);
                    }
                    Trouble::Unserved(reason) => {
                        self.refuse_service(
                            process,
                            &format!("it can't be told something: {reason}"),
                        );
                    }
                }
            }
            self.settle();
        }
    }

    /// Until when the loop may sleep.
    fn timeout(&self) -> Option<Duration> {
        let now = self.now();
        let scheduler = self.scheduler.next_deadline_ms().map(Duration::from_millis);
        let looking = if self.leases.is_empty() {
            None
        } else if self.is_wanted() {
            Some(now + LOOK_WHILE_WANTED)
        } else {
            (self.clients.worker_count() > self.prestart).then(|| now + IDLE_LEASE_KEEP)
        };
        let deadlines = [
            scheduler,
            looking,
            self.store.next_deadline(),
            self.process_deadline(),
            self.memory_deadline(),
            self.ask_for_places.map(|(at, _)| at),
            self.collections.next_deadline(),
            self.unconnected.next_deadline(),
        ];
        let next = deadlines.into_iter().flatten().min()?;
        Some(next.saturating_sub(now))
    }

    /// True if somebody waits for what idle leases hold.
    fn is_wanted(&self) -> bool {
        let mut clients = self.clients.table.values();
        clients.any(|client| client.classes.has_wishes()) || self.actors.has_wanted()
    }

    /// An actor or a task may wait for what an actor holds whose last handle is garbage, and no collector feels
    /// that: so they are asked to collect, ever more rarely while it does not help.
    fn look_after_waiting(&mut self) {
        let waits = self.actors.has_wanted() || (self.is_wanted() && self.actors.has_holders());
        if !waits {
            self.ask_for_places = None;
            return;
        }
        let now = self.now();
        let (at, pause) = *self
            .ask_for_places
            .get_or_insert((now + PLACE_PATIENCE, PLACE_PATIENCE));
        if now >= at {
            let pause = (pause * 4).min(PLACE_PATIENCE_MAX);
            self.ask_for_places = Some((now + pause, pause));
            self.collect_garbage();
        }
    }

    /// Tells the scheduler which leases are idle, where that can matter.
    fn look_after_leases(&mut self) {
        if self.leases.is_empty() {
            return;
        }
        let surplus = self.clients.worker_count() > self.prestart;
        if surplus || self.is_wanted() {
            self.sample_leases(None);
        }
        if !surplus {
            return;
        }
        let now = self.now();
        let mut back = Vec::new();
        for (&lease, entry) in &mut self.leases {
            let long_idle = entry
                .idle_since
                .is_some_and(|since| now.saturating_sub(since) >= IDLE_LEASE_KEEP);
            if long_idle && !entry.asked {
                entry.asked = true;
                back.push((lease, entry.client));
            }
        }
        for (LeaseId(lease), client) in back {
            self.clients
                .send_urgent(client, &FromRaylet::AskLeaseBack { lease });
        }
    }

    /// Reads how much each lease's holder has in flight. `asker` has asked for the state of the node: what
    /// it was granted and has not used is idle, because it has not even seen the grant.
    pub(crate) fn sample_leases(&mut self, asker: Option<ProcessNumber>) {
        let now = self.now();
        let mut changed = Vec::new();
        for (&lease, entry) in &mut self.leases {
            let Some(worker) = self.clients.get(entry.worker) else {
                continue;
            };
            let word = worker.mailbox.offset + LEASE_BUSY_OFFSET;
            let Ok(word) = self.store.segment().atomic_u32_at(word) else {
                continue;
            };
            let idle = match word.load(Ordering::Relaxed) {
                0 => true,
                BUSY_UNKNOWN => {
                    asker == Some(entry.client)
                        || now.saturating_sub(entry.granted_at) >= GRANT_UNUSED
                }
                _ => false,
            };
            if idle != entry.idle_since.is_some() {
                entry.idle_since = idle.then_some(now);
                changed.push((lease, idle));
            }
        }
        for (lease, idle) in changed {
            self.feed(Event::LeaseIdle { lease, idle });
        }
        self.settle();
    }

    /// A new lease's holder has not written yet how much it has in flight.
    pub(crate) fn reset_busy(&self, mailbox: u64) {
        if let Ok(word) = self
            .store
            .segment()
            .atomic_u32_at(mailbox + LEASE_BUSY_OFFSET)
        {
            word.store(BUSY_UNKNOWN, Ordering::Relaxed);
        }
    }

    /// A line for the driver, from the raylet itself.
    pub(crate) fn log(&mut self, text: &str) {
        let line = FromRaylet::Output {
            pid: self.configuration.driver_pid,
            name: "eagleray".to_owned(),
            is_error: true,
            text: text.to_owned(),
        };
        self.clients.send(DRIVER, &line);
    }
}

/// The form in which the scheduler takes resources.
pub(crate) fn resource_set(resources: &[(String, f64)]) -> Result<ResourceSet, String> {
    let mut set = ResourceSet::new();
    for (name, value) in resources {
        let quantity = Quantity::from_f64(*value)
            .map_err(|error| format!("{name} of {value} is no quantity: {error}"))?;
        set.insert(name, quantity);
    }
    Ok(set)
}

/// The form in which resources travel.
pub(crate) fn resource_list(resources: &ResourceSet) -> Vec<(String, f64)> {
    resources
        .iter()
        .map(|(name, quantity)| (name.as_str().to_owned(), quantity.to_f64()))
        .collect()
}

/// The scheduler's name for a process.
pub(crate) fn id(process: ProcessNumber) -> ProcessId {
    ProcessId(process)
}
