//! Everybody but the scheduler: processes, messages on their way, and the clock.

mod processes;

use std::collections::BTreeMap;

use eagleray_resources::ResourceSet;
use eagleray_scheduler::{
    ActorId, EnvironmentId, Event, Instruction, LeaseId, ProcessId, Scheduler, SchedulingClass,
};

use crate::audit::Audit;
use crate::clients::{Act, Client, Task};
use crate::random::Random;

/// How long after somebody began to wait for memory it is measured again.
const MEASURE_AFTER_MS: u64 = 1_000;

/// What will happen at some time.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A message or a piece of news reaches the scheduler.
    Told(Event),
    /// A message of the scheduler reaches a process.
    Received(ProcessId, Instruction),
    /// A process that was started is ready.
    Ready(ProcessId),
    /// A process ends.
    Dies(ProcessId),
    /// A process answers what it was asked.
    Answers(ProcessId),
    /// A running task comes to the place where it submits its children.
    HalfTime(ProcessId, LeaseId),
    /// A running task returns.
    Returns(ProcessId, LeaseId),
    /// A lease may have been idle for long.
    IdleForLong(ProcessId, LeaseId, u64),
    /// An actor is not needed any more.
    ActorEnds(ActorId),
    /// An actor whose process died gets another one, if it is still needed.
    Restarts(ActorId),
    /// Somebody waited for memory a while ago, and may still.
    MemoryIsMeasured,
    /// Something that the history's first half does to the world.
    Chaos,
}

/// A process that was started for the scheduler.
struct Worker {
    executing: Option<Executing>,
    actor: Option<ActorId>,
    /// It does nothing any more, like a process that got SIGSTOP.
    is_stopped: bool,
}

/// A task on a worker.
struct Executing {
    lease: LeaseId,
    holder: ProcessId,
    task: Task,
    awaited_children: usize,
}

/// An actor as its owner sees it.
struct Actor {
    owner: ProcessId,
    placement: ResourceSet,
    held: ResourceSet,
    environment: EnvironmentId,
    worker: Option<ProcessId>,
}

/// How likely the bad things are, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    pub start_fails: u64,
    pub message_repeated: u64,
    pub worker_kept: u64,
    pub worker_lingers: u64,
    pub worker_retires: u64,
    pub worker_stopped: u64,
    pub broken_environment: Option<EnvironmentId>,
}

pub(crate) struct World {
    pub scheduler: Scheduler,
    pub random: Random,
    pub classes: Vec<SchedulingClass>,
    pub clients: BTreeMap<ProcessId, Client>,
    pub faults: Faults,
    pub now_ms: u64,
    pub delay_max_ms: u64,
    /// For how many more processes the memory has room at most; `None` if it is never measured.
    pub room_max: Option<u32>,
    pub events: u64,
    pub grants: u64,
    measures: bool,
    story: Option<Vec<String>>,
    audit: Audit,
    workers: BTreeMap<ProcessId, Worker>,
    actors: BTreeMap<ActorId, Actor>,
    agenda: BTreeMap<(u64, u64), Happening>,
    scheduled: u64,
    /// Messages on one socket do not overtake each other.
    last_sent_ms: BTreeMap<ProcessId, u64>,
    last_received_ms: BTreeMap<ProcessId, u64>,
    next_actor: u64,
}

impl World {
    pub fn new(
        scheduler: Scheduler,
        random: Random,
        classes: Vec<SchedulingClass>,
        faults: Faults,
        answer_grace_ms: u64,
    ) -> World {
        World {
            scheduler,
            random,
            classes,
            clients: BTreeMap::new(),
            faults,
            now_ms: 0,
            delay_max_ms: 3,
            room_max: None,
            events: 0,
            grants: 0,
            measures: false,
            story: None,
            audit: Audit::new(answer_grace_ms),
            workers: BTreeMap::new(),
            actors: BTreeMap::new(),
            agenda: BTreeMap::new(),
            scheduled: 0,
            last_sent_ms: BTreeMap::new(),
            last_received_ms: BTreeMap::new(),
            next_actor: 0,
        }
    }

    /// Writes down all that happens from now on.
    pub fn tell_story(&mut self) {
        self.story = Some(Vec::new());
    }

    pub fn take_story(&mut self) -> Vec<String> {
        self.story.take().unwrap_or_default()
    }

    pub fn after(&mut self, delay_ms: u64, happening: Happening) {
        self.scheduled += 1;
        self.agenda
            .insert((self.now_ms + delay_ms, self.scheduled), happening);
    }

    /// Lets the next thing happen; `None` when nothing will, ever.
    ///
    /// # Errors
    /// A broken invariant, in words.
    pub fn step(&mut self) -> Result<Option<Happening>, String> {
        let next_ms = self.agenda.first_key_value().map(|((at_ms, _), _)| *at_ms);
        let deadline_ms = self.scheduler.next_deadline_ms();
        if let Some(deadline_ms) = deadline_ms
            && next_ms.is_none_or(|next_ms| deadline_ms < next_ms)
        {
            self.now_ms = self.now_ms.max(deadline_ms);
            self.tell(Event::Tick)?;
            return Ok(Some(Happening::Told(Event::Tick)));
        }
        let Some(((at_ms, _), happening)) = self.agenda.pop_first() else {
            return Ok(None);
        };
        self.now_ms = at_ms;
        if self.is_prevented(&happening) {
            return Ok(Some(Happening::Told(Event::Tick)));
        }
        match happening {
            Happening::Told(event) => self.tell(event)?,
            Happening::Received(process, instruction) => self.receive(process, instruction),
            Happening::Ready(worker) => self.ready(worker),
            Happening::Dies(process) => self.die(process),
            Happening::Answers(worker) => self.answer(worker),
            Happening::HalfTime(worker, lease) => self.half_time(worker, lease),
            Happening::Returns(worker, lease) => self.task_returns(worker, lease),
            Happening::IdleForLong(client, lease, idle_count) => {
                self.with_client(client, |client, classes, acts| {
                    client.idle_for_long(lease, idle_count, classes, acts);
                });
            }
            Happening::ActorEnds(actor) => self.end_actor(actor),
            Happening::Restarts(actor) => {
                if let Some(event) = self.actor_wanted(actor) {
                    self.tell(event)?;
                }
            }
            Happening::MemoryIsMeasured => {
                self.measures = false;
                self.measure_memory()?;
            }
            Happening::Chaos => return Ok(Some(Happening::Chaos)),
        }
        Ok(Some(Happening::Told(Event::Tick)))
    }

    /// Whether something does not happen, because the process that would do it is stopped.
    fn is_prevented(&self, happening: &Happening) -> bool {
        let (Happening::Received(process, _)
        | Happening::Answers(process)
        | Happening::HalfTime(process, _)
        | Happening::Returns(process, _)
        | Happening::IdleForLong(process, ..)) = happening
        else {
            return false;
        };
        let worker = self.workers.get(process);
        worker.is_some_and(|worker| worker.is_stopped)
    }

    /// Sends a message on a process's socket; sometimes twice.
    pub fn send(&mut self, from: ProcessId, event: Event) {
        let repeatable = !matches!(event, Event::ClientGone { .. } | Event::ActorWanted { .. });
        let times = if repeatable && self.random.chance(self.faults.message_repeated) {
            2
        } else {
            1
        };
        for _ in 0..times {
            self.send_once(from, event.clone());
        }
    }

    fn send_once(&mut self, from: ProcessId, event: Event) {
        let delay_ms = self.random.below(self.delay_max_ms + 1);
        let earliest_ms = self.last_sent_ms.get(&from).copied().unwrap_or(0);
        let at_ms = (self.now_ms + delay_ms).max(earliest_ms);
        self.last_sent_ms.insert(from, at_ms);
        self.after(at_ms - self.now_ms, Happening::Told(event));
    }

    pub fn connect_driver(&mut self, process: ProcessId) {
        self.clients.insert(process, Client::new(process));
        self.send(process, Event::ClientConnected { client: process });
    }

    pub fn submit(&mut self, process: ProcessId, tasks: Vec<Task>) {
        self.with_client(process, |client, classes, acts| {
            client.submit(tasks, classes, acts)
        });
    }

    pub fn withdraw(&mut self, process: ProcessId, class: usize) {
        self.with_client(process, |client, classes, acts| {
            client.withdraw(class, classes, acts)
        });
    }

    pub fn live_workers(&self) -> Vec<ProcessId> {
        self.workers.keys().copied().collect()
    }

    /// Processes that can submit tasks now.
    pub fn live_clients(&self) -> Vec<ProcessId> {
        self.clients.keys().copied().collect()
    }

    pub fn live_actors(&self) -> Vec<ActorId> {
        self.actors.keys().copied().collect()
    }

    /// Lets a driver have tasks of one class without end, or ends that.
    pub fn set_stream(&mut self, process: ProcessId, stream: Option<(Task, usize)>) {
        let (task, count) = stream.unzip();
        if let Some(client) = self.clients.get_mut(&process) {
            client.stream = task.clone();
        }
        if let (Some(task), Some(count)) = (task, count) {
            self.submit(process, vec![task; count]);
        }
    }

    /// Whether everybody else has got what was asked for, while `stream` has tasks without end.
    pub fn is_served_beside(&self, stream: ProcessId) -> bool {
        self.unserved(stream).next().is_none()
    }

    /// Somebody who waits for what was asked for, in words.
    pub fn first_unserved(&self, stream: ProcessId) -> String {
        self.unserved(stream)
            .next()
            .unwrap_or_else(|| "nobody".into())
    }

    fn unserved(&self, stream: ProcessId) -> impl Iterator<Item = String> {
        let waits = move |client: &&Client| {
            client.process != stream && client.queues.values().any(|queue| !queue.is_empty())
        };
        let clients = self.clients.values().filter(waits).map(|client| {
            let waiting = client.queues.iter().filter(|(_, queue)| !queue.is_empty());
            let classes: Vec<_> = waiting.map(|(class, _)| &self.classes[*class]).collect();
            format!("{:?} with {classes:?}", client.process)
        });
        let actors = self
            .actors
            .iter()
            .filter(|(_, actor)| actor.worker.is_none());
        clients.chain(actors.map(|(id, actor)| format!("{id:?} with {}", actor.placement)))
    }

    /// SM-3: nothing is left to be done.
    pub fn check_end(&self) -> Result<(), String> {
        if let Some(client) = self.clients.values().find(|client| !client.is_done()) {
            return Err(format!("SM-3: {client:?} is not done"));
        }
        if let Some((actor, _)) = self.actors.iter().next() {
            return Err(format!("SM-3: {actor:?} was never placed"));
        }
        if let Some((worker, _)) = self.workers.iter().find(|(_, worker)| worker.is_stopped) {
            return Err(format!("SM-5: {worker:?} is stopped and was not ended"));
        }
        if self
            .workers
            .values()
            .any(|worker| worker.executing.is_some())
        {
            return Err("SM-3: a task never ended".into());
        }
        if self.scheduler.available() != self.scheduler.total() {
            return Err(format!(
                "SM-3: {} of {} is available",
                self.scheduler.available(),
                self.scheduler.total()
            ));
        }
        self.audit.nothing_is_held()
    }

    /// Others use the memory, too: what is found has little to do with what was found before.
    pub fn measure_memory(&mut self) -> Result<(), String> {
        let Some(room_max) = self.room_max else {
            return Ok(());
        };
        let room = self.random.below(u64::from(room_max) + 1) as u32;
        self.tell(Event::MemoryMeasured { room })
    }

    /// Tells the scheduler at once, checks everything, and carries its instructions out.
    pub fn tell(&mut self, event: Event) -> Result<(), String> {
        self.events += 1;
        self.note(|now_ms| format!("{now_ms:6} > {event:?}"));
        self.audit.event(&event, self.now_ms);
        let mut instructions = Vec::new();
        self.scheduler.handle(event, self.now_ms, &mut instructions);
        for instruction in instructions {
            self.note(|now_ms| format!("{now_ms:6} < {instruction:?}"));
            self.audit
                .instruction(&instruction, self.now_ms)
                .map_err(|wrong| format!("SM-2: {wrong}"))?;
            self.obey(instruction);
        }
        if self.scheduler.lacks_memory() && !self.measures {
            self.measures = true;
            self.after(MEASURE_AFTER_MS, Happening::MemoryIsMeasured);
        }
        self.audit
            .nobody_is_silent(self.now_ms)
            .map_err(|wrong| format!("SM-5: {wrong}"))?;
        self.scheduler
            .validate()
            .map_err(|broken| format!("SM-1: {broken}"))
    }

    fn obey(&mut self, instruction: Instruction) {
        match instruction {
            Instruction::StartWorker {
                worker,
                environment,
            } => self.start(worker, environment),
            Instruction::StopWorker { worker, reason } => self.stop(worker, reason),
            Instruction::KillWorker { worker } => self.die(worker),
            Instruction::GrantLease { client, .. } => {
                self.grants += 1;
                self.deliver(client, instruction);
            }
            Instruction::AskLeaseBack { client, .. }
            | Instruction::LeaseLost { client, .. }
            | Instruction::RefuseWish { client, .. } => self.deliver(client, instruction),
            Instruction::PlaceActor { actor, worker, .. } => self.placed(actor, worker),
            Instruction::RefuseActor { actor, .. } => {
                self.actors.remove(&actor);
            }
        }
    }

    fn deliver(&mut self, to: ProcessId, instruction: Instruction) {
        let delay_ms = self.random.below(self.delay_max_ms + 1);
        let earliest_ms = self.last_received_ms.get(&to).copied().unwrap_or(0);
        let at_ms = (self.now_ms + delay_ms).max(earliest_ms);
        self.last_received_ms.insert(to, at_ms);
        self.after(at_ms - self.now_ms, Happening::Received(to, instruction));
    }

    fn receive(&mut self, process: ProcessId, instruction: Instruction) {
        let retry = self.random.chance(70);
        let number =
            |classes: &[SchedulingClass], class| classes.iter().position(|known| *known == class);
        self.with_client(process, |client, classes, acts| match instruction {
            Instruction::GrantLease {
                lease,
                class,
                worker,
                ..
            } => {
                if let Some(class) = number(classes, class) {
                    client.granted(lease, class, worker, classes, acts);
                }
            }
            Instruction::AskLeaseBack { lease, .. } => client.asked_back(lease, classes, acts),
            Instruction::LeaseLost { lease, .. } => client.lost(lease, retry, classes, acts),
            Instruction::RefuseWish { class, .. } => {
                if let Some(class) = number(classes, class) {
                    client.refused(class, classes, acts);
                }
            }
            _ => {}
        });
    }

    fn with_client(
        &mut self,
        process: ProcessId,
        change: impl FnOnce(&mut Client, &[SchedulingClass], &mut Vec<Act>),
    ) {
        let mut acts = Vec::new();
        if let Some(client) = self.clients.get_mut(&process) {
            change(client, &self.classes, &mut acts);
        }
        for act in acts {
            match act {
                Act::Tell(event) => self.send(process, event),
                Act::Run {
                    lease,
                    worker,
                    task,
                } => self.execute(process, lease, worker, task),
                Act::ReturnWhenIdle { lease, idle_count } => {
                    let delay_ms = self.random.between(1, 40);
                    self.after(delay_ms, Happening::IdleForLong(process, lease, idle_count));
                }
                Act::AwaitedEnded => self.awaited_child_ended(process),
            }
        }
    }

    fn note(&mut self, line: impl FnOnce(u64) -> String) {
        if let Some(story) = &mut self.story {
            story.push(line(self.now_ms));
        }
    }
}
