//! What a driver or worker does as one who submits tasks: it queues them, says how many leases it would use, runs
//! one task at a time on each lease, and returns leases that are asked for or idle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use eagleray_scheduler::{Event, LeaseId, ProcessId, SchedulingClass};

/// A class, by its place in the history's list.
pub(crate) type ClassNumber = usize;

/// A piece of work.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub class: ClassNumber,
    pub duration_ms: u64,
    /// What it submits when half of its time is over.
    pub children: Vec<Task>,
    /// Whether it waits for them.
    pub waits: bool,
    /// Whether the process that submitted it waits for it.
    pub is_awaited: bool,
}

/// A lease as its holder sees it.
#[derive(Debug)]
pub(crate) struct Held {
    pub class: ClassNumber,
    pub worker: ProcessId,
    pub running: Option<Task>,
    pub asked: bool,
    pub told_idle: bool,
    /// Counts the times it became idle, so an old alarm finds a new number.
    pub idle_count: u64,
}

/// What the client does next, for the world to carry out.
#[derive(Debug)]
pub(crate) enum Act {
    Tell(Event),
    Run {
        lease: LeaseId,
        worker: ProcessId,
        task: Task,
    },
    ReturnWhenIdle {
        lease: LeaseId,
        idle_count: u64,
    },
    /// A task that somebody waits for has ended, one way or the other.
    AwaitedEnded,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub process: ProcessId,
    pub queues: BTreeMap<ClassNumber, VecDeque<Task>>,
    pub leases: BTreeMap<LeaseId, Held>,
    /// A task that is submitted again whenever one has ended.
    pub stream: Option<Task>,
    /// What the scheduler believes is wanted, at least.
    told: BTreeMap<ClassNumber, usize>,
}

impl Client {
    pub fn new(process: ProcessId) -> Client {
        Client {
            process,
            queues: BTreeMap::new(),
            leases: BTreeMap::new(),
            stream: None,
            told: BTreeMap::new(),
        }
    }

    pub fn is_done(&self) -> bool {
        self.queues.values().all(VecDeque::is_empty) && self.leases.is_empty()
    }

    pub fn submit(&mut self, tasks: Vec<Task>, classes: &[SchedulingClass], acts: &mut Vec<Act>) {
        let numbers: BTreeSet<ClassNumber> = tasks.iter().map(|task| task.class).collect();
        for task in tasks {
            self.queues.entry(task.class).or_default().push_back(task);
        }
        for class in numbers {
            self.dispatch(class, classes, acts);
        }
    }

    /// Drops what has not started of a class.
    pub fn withdraw(
        &mut self,
        class: ClassNumber,
        classes: &[SchedulingClass],
        acts: &mut Vec<Act>,
    ) {
        for task in self.queues.remove(&class).unwrap_or_default() {
            end_awaited(&task, acts);
        }
        self.say_wish(class, classes, acts);
    }

    pub fn refused(
        &mut self,
        class: ClassNumber,
        classes: &[SchedulingClass],
        acts: &mut Vec<Act>,
    ) {
        self.told.insert(class, 0);
        self.withdraw(class, classes, acts);
    }

    pub fn granted(
        &mut self,
        lease: LeaseId,
        class: ClassNumber,
        worker: ProcessId,
        classes: &[SchedulingClass],
        acts: &mut Vec<Act>,
    ) {
        let told = self.told.entry(class).or_default();
        *told = told.saturating_sub(1);
        let held = Held {
            class,
            worker,
            running: None,
            asked: false,
            told_idle: false,
            idle_count: 0,
        };
        self.leases.insert(lease, held);
        self.dispatch(class, classes, acts);
        self.rest(lease, acts);
    }

    pub fn asked_back(&mut self, lease: LeaseId, classes: &[SchedulingClass], acts: &mut Vec<Act>) {
        let Some(held) = self.leases.get_mut(&lease) else {
            return;
        };
        held.asked = true;
        if held.running.is_none() {
            self.give_back(lease, true, classes, acts);
        }
    }

    pub fn lost(
        &mut self,
        lease: LeaseId,
        retry: bool,
        classes: &[SchedulingClass],
        acts: &mut Vec<Act>,
    ) {
        let Some(held) = self.leases.remove(&lease) else {
            return;
        };
        match held.running {
            Some(task) if retry => self.queues.entry(held.class).or_default().push_front(task),
            Some(task) => end_awaited(&task, acts),
            None => {}
        }
        self.dispatch(held.class, classes, acts);
    }

    pub fn task_done(
        &mut self,
        lease: LeaseId,
        retire: bool,
        classes: &[SchedulingClass],
        acts: &mut Vec<Act>,
    ) {
        let Some(held) = self.leases.get_mut(&lease) else {
            return;
        };
        let (class, asked) = (held.class, held.asked);
        if let Some(task) = held.running.take() {
            end_awaited(&task, acts);
        }
        if let Some(task) = self.stream.clone() {
            self.queues.entry(task.class).or_default().push_back(task);
        }
        if asked || retire {
            self.give_back(lease, !retire, classes, acts);
        } else {
            self.dispatch(class, classes, acts);
            self.rest(lease, acts);
        }
    }

    /// The lease has been idle for as long as a holder keeps one.
    pub fn idle_for_long(
        &mut self,
        lease: LeaseId,
        idle_count: u64,
        classes: &[SchedulingClass],
        acts: &mut Vec<Act>,
    ) {
        let Some(held) = self.leases.get(&lease) else {
            return;
        };
        if held.running.is_none() && held.idle_count == idle_count {
            self.give_back(lease, true, classes, acts);
        }
    }

    fn dispatch(&mut self, class: ClassNumber, classes: &[SchedulingClass], acts: &mut Vec<Act>) {
        let queue = self.queues.entry(class).or_default();
        let free = self
            .leases
            .iter_mut()
            .filter(|(_, held)| held.class == class && held.running.is_none() && !held.asked);
        for (lease, held) in free {
            let Some(task) = queue.pop_front() else {
                break;
            };
            if std::mem::take(&mut held.told_idle) {
                acts.push(Act::Tell(Event::LeaseIdle {
                    lease: *lease,
                    idle: false,
                }));
            }
            held.idle_count += 1;
            held.running = Some(task.clone());
            acts.push(Act::Run {
                lease: *lease,
                worker: held.worker,
                task,
            });
        }
        self.say_wish(class, classes, acts);
    }

    fn say_wish(&mut self, class: ClassNumber, classes: &[SchedulingClass], acts: &mut Vec<Act>) {
        let wanted = self.queues.get(&class).map_or(0, VecDeque::len);
        let told = self.told.entry(class).or_default();
        if *told != wanted {
            *told = wanted;
            let (client, class) = (self.process, classes[class].clone());
            acts.push(Act::Tell(Event::LeasesWanted {
                client,
                class,
                wanted: wanted as u32,
            }));
        }
    }

    fn rest(&mut self, lease: LeaseId, acts: &mut Vec<Act>) {
        if let Some(held) = self.leases.get_mut(&lease)
            && held.running.is_none()
        {
            held.told_idle = true;
            held.idle_count += 1;
            acts.push(Act::Tell(Event::LeaseIdle { lease, idle: true }));
            acts.push(Act::ReturnWhenIdle {
                lease,
                idle_count: held.idle_count,
            });
        }
    }

    fn give_back(
        &mut self,
        lease: LeaseId,
        reusable: bool,
        classes: &[SchedulingClass],
        acts: &mut Vec<Act>,
    ) {
        if let Some(held) = self.leases.remove(&lease) {
            acts.push(Act::Tell(Event::LeaseReturned {
                lease,
                worker_reusable: reusable,
            }));
            self.say_wish(held.class, classes, acts);
        }
    }
}

fn end_awaited(task: &Task, acts: &mut Vec<Act>) {
    if task.is_awaited {
        acts.push(Act::AwaitedEnded);
    }
}
