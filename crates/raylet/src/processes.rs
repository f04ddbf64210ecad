//! How processes begin and end.
//!
//! Invariants:
//! - **PR-1:** the end of a process is handled once, after it has been reaped and all that it said has been
//!   taken in.
//! - **PR-2:** a process that was told to end, or has closed its control socket, is killed when it is still
//!   there after a named time.

use std::io;
use std::time::{Duration, Instant};

use eagleray_ipc::{ControlSocket, Doorbell, Received};
use eagleray_object_store::PAGE;
use eagleray_protocol::{DRIVER, FromRaylet, ProcessNumber, WorkerExit};
use eagleray_scheduler::{EnvironmentId, Event, ProcessId};

use crate::clients::Client;
use crate::configuration::Configuration;
use crate::departures::EXIT_GRACE;
use crate::descriptors;
use crate::failed_starts;
use crate::server::{Server, id};
use crate::worker_process::{KILLED_WITHIN, LOOK_FOR_END, Line, Stream, WorkerProcess};

/// How long a worker may live on without its control socket: it is ending.
const CLOSED_GRACE: Duration = Duration::from_secs(1);

/// How often the socket of an ended process is read; each time takes several megabytes, and no socket
/// holds as much.
const LAST_RECEIVES: usize = 2;

/// How long the driver may take nothing of its last messages before they are given up.
const FAREWELL: Duration = Duration::from_millis(500);

/// Whether a signal is one that others send. The rest are what a process does to itself, and would do again.
fn ends_from_outside(signal: i64) -> bool {
    let sent = [
        libc::SIGKILL,
        libc::SIGTERM,
        libc::SIGINT,
        libc::SIGHUP,
        libc::SIGQUIT,
    ];
    sent.into_iter().any(|each| i64::from(each) == signal)
}

impl Server {
    /// A worker is about to be started. Those that are started ahead are started whatever the memory has.
    pub(crate) fn measure_memory_for_start(&mut self) {
        if self.clients.worker_count() >= self.prestart && self.memory.is_due(self.now()) {
            self.measure_memory();
        }
    }

    /// Tells the scheduler for how many workers the memory has room.
    pub(crate) fn measure_memory(&mut self) {
        let now = self.now();
        let room = (self.configuration.memory_room)();
        let room = self.memory.measured(room, &self.clients, now);
        self.feed(Event::MemoryMeasured { room });
    }

    /// Measures again while somebody waits for memory, and says why.
    pub(crate) fn look_after_memory(&mut self) {
        let now = self.now();
        if !self.scheduler.lacks_memory() {
            self.memory.nobody_waits(now);
            return;
        }
        if !self.memory.is_due(now) {
            return;
        }
        self.measure_memory();
        self.settle();
        if self.scheduler.lacks_memory()
            && let Some(text) = self.memory.somebody_waits(self.clients.worker_count(), now)
        {
            self.log(&text);
        }
    }

    /// When [`look_after_memory`](Self::look_after_memory) has to be called at the latest.
    pub(crate) fn memory_deadline(&self) -> Option<Duration> {
        let due = self.memory.next_due().unwrap_or(Duration::ZERO);
        self.scheduler.lacks_memory().then_some(due)
    }

    /// Starts the process of a worker. When that fails, it is as if it had ended at once.
    pub(crate) fn start_worker(&mut self, worker: ProcessNumber, environment: EnvironmentId) {
        if let Err(error) = self.try_start_worker(worker, environment) {
            let text = self.describe_failed_start(&error);
            if self.failed_starts.shall_print(&text) {
                self.log(&text);
            }
            let exit = WorkerExit {
                process: worker,
                pid: 0,
                code: None,
                signal: None,
                stderr_tail: Vec::new(),
                reason: text,
            };
            self.note_failed_start(environment, exit);
            self.feed(failed_starts::event(&error, id(worker)));
        }
    }

    fn note_failed_start(&mut self, environment: EnvironmentId, exit: WorkerExit) {
        let environments = &self.environments;
        self.failed_starts.note(environment, exit, |environment| {
            environments.variables(environment.0).is_some()
        });
    }

    fn describe_failed_start(&self, error: &io::Error) -> String {
        let Configuration {
            program,
            working_directory,
            ..
        } = &self.configuration;
        let program = program.display();
        // The system says the same of a program and of a directory that does not exist.
        if error.kind() == io::ErrorKind::NotFound && !working_directory.is_dir() {
            let directory = working_directory.display();
            return format!(
                "a worker ({program}) could not be started: its working directory {directory} does not exist"
            );
        }
        let why = failed_starts::explained(error);
        format!("a worker ({program}) could not be started: {why}")
    }

    fn try_start_worker(
        &mut self,
        worker: ProcessNumber,
        environment: EnvironmentId,
    ) -> io::Result<()> {
        let Some(variables) = self.environments.variables(environment.0).cloned() else {
            return Err(io::Error::other("its environment is not known any more"));
        };
        let bells = [Doorbell::create()?, Doorbell::create()?];
        descriptors::require_spare()?;
        let (own_end, worker_end) = ControlSocket::pair()?;
        let mailbox = self.store.allocate_rings(PAGE).map_err(io::Error::other)?;
        let process = WorkerProcess::start(
            &self.configuration,
            environment,
            &variables,
            worker_end.into_fd(),
        );
        let process = match process {
            Ok(process) => process,
            Err(error) => {
                self.store.free_rings(mailbox);
                return Err(error);
            }
        };
        let pid = process.pid();
        let client = Client::new(own_end, bells, mailbox, pid, Some(process));
        let admitted = self.admit(worker, client);
        if admitted.is_err()
            && let Some(mut client) = self.clients.table.remove(&worker)
            && let Some(process) = &mut client.process
        {
            process.kill();
            process.wait_for_end(KILLED_WITHIN);
            process.finish(worker);
            self.store.free_rings(mailbox);
        }
        if admitted.is_ok() {
            let deadline = self.now() + self.configuration.worker_start_timeout;
            self.kill_at_the_latest(worker, deadline);
        }
        admitted
    }

    /// A worker is ready: its time for that is over no more.
    pub(crate) fn start_in_time(&mut self, worker: ProcessNumber) {
        if let Some(process) = self.worker_process(worker)
            && process.stopping.is_none()
        {
            process.kill_at = None;
        }
    }

    /// Ends a worker at once.
    pub(crate) fn kill_worker(&mut self, worker: ProcessNumber, reason: &str) {
        if let Some(process) = self.worker_process(worker) {
            process.stopping.get_or_insert_with(|| reason.to_owned());
            process.is_killed = true;
            process.kill();
        }
    }

    /// Ends a worker if it is still there at a time (PR-2).
    pub(crate) fn kill_at_the_latest(&mut self, worker: ProcessNumber, at: Duration) {
        if let Some(process) = self.worker_process(worker) {
            process.kill_at = Some(process.kill_at.map_or(at, |earlier| earlier.min(at)));
            self.timed.insert(worker);
        }
    }

    pub(crate) fn worker_process(&mut self, worker: ProcessNumber) -> Option<&mut WorkerProcess> {
        self.clients.get_mut(worker)?.process.as_mut()
    }

    /// A process can't be talked to any more: a worker is ended, without its driver everything ends.
    pub(crate) fn refuse_service(&mut self, process: ProcessNumber, reason: &str) {
        if process == DRIVER {
            if !self.stopping {
                self.log(&format!(
                    "the runtime has to end: the raylet can't serve the driver: {reason}"
                ));
            }
            self.stopping = true;
            return;
        }
        let Some(client) = self.clients.get_mut(process) else {
            return;
        };
        client.broken = true;
        let pid = client.pid;
        let was_ending = client
            .process
            .as_ref()
            .is_some_and(|process| process.stopping.is_some());
        self.unwatch(process);
        self.kill_worker(process, reason);
        let look = self.now() + CLOSED_GRACE;
        self.kill_at_the_latest(process, look);
        // Of one that is being ended anyway, this is no news.
        if !was_ending {
            self.log(&format!("worker {process} (pid {pid}) was ended: {reason}"));
        }
    }

    /// A process has closed its end of the control socket. A worker does that when it ends.
    pub(crate) fn control_closed(&mut self, process: ProcessNumber) {
        if process == DRIVER {
            self.stopping = true;
            return;
        }
        if let Some(client) = self.clients.get_mut(process) {
            client.broken = true;
        }
        self.unwatch(process);
        let deadline = self.now() + CLOSED_GRACE;
        self.kill_at_the_latest(process, deadline);
    }

    pub(crate) fn unwatch(&mut self, process: ProcessNumber) {
        if let Some(client) = self.clients.get(process) {
            // A socket that is not watched (any more) need not be removed.
            let _ = self.poller.remove(client.socket.fd());
        }
    }

    /// Does what is due for processes: ends those whose time is over.
    pub(crate) fn look_after_processes(&mut self) {
        let now = self.now();
        let start_timeout = self.configuration.worker_start_timeout;
        for worker in self.timed.clone() {
            let client = self.clients.get(worker);
            let (is_ready, is_broken) =
                client.map_or((false, false), |client| (client.ready, client.broken));
            let Some(process) = self.worker_process(worker) else {
                self.timed.remove(&worker);
                continue;
            };
            let has_ended =
                process.kill_at.is_some() && process.ended().is_none() && process.has_ended();
            if has_ended {
                self.process_ended(worker);
                self.settle();
                continue;
            }
            if process.kill_at.is_some_and(|at| at <= now) {
                if !is_ready && !is_broken {
                    process.stopping.get_or_insert_with(|| {
                        format!(
                            "it was not ready within {} ms, which is init({{ workerStartTimeoutMs }})",
                            start_timeout.as_millis()
                        )
                    });
                }
                process.is_killed = true;
                process.kill();
                process.kill_at = Some(now + EXIT_GRACE);
            }
            let lingers = process.lingers_at.is_some_and(|at| at <= now);
            if lingers {
                process.lingers_at = None;
            }
            if process.next_time().is_none() {
                self.timed.remove(&worker);
            }
            if lingers {
                self.let_linger(worker);
                self.settle();
            }
        }
    }

    /// When [`look_after_processes`](Self::look_after_processes) has to be called at the latest.
    pub(crate) fn process_deadline(&self) -> Option<Duration> {
        let look = self.now() + LOOK_FOR_END;
        let timed = self.timed.iter().filter_map(|worker| {
            let process = self.clients.get(*worker)?.process.as_ref()?;
            let next = process.next_time();
            let looks = process.kill_at.is_some() && process.ended().is_none();
            if looks {
                Some(next.map_or(look, |at| at.min(look)))
            } else {
                next
            }
        });
        timed.min()
    }

    /// Forwards what a worker has printed.
    pub(crate) fn read_output(&mut self, worker: ProcessNumber, stream: Stream) {
        if let Some(process) = self.worker_process(worker) {
            let (pid, lines) = (process.pid(), process.read(stream));
            self.forward(pid, lines);
        }
    }

    /// Forwards what the pipes of workers hold now, also where they are not watched at the moment.
    pub(crate) fn drain_output(&mut self) {
        let mut drained = Vec::new();
        for (_, process) in self.clients.workers() {
            drained.push((process.pid(), process.drain()));
        }
        for (pid, lines) in drained {
            self.forward(pid, lines);
        }
    }

    fn forward(&mut self, pid: u32, lines: Vec<Line>) {
        for Line {
            name,
            is_error,
            text,
        } in lines
        {
            let line = FromRaylet::Output {
                pid,
                name,
                is_error,
                text,
            };
            self.clients.send(DRIVER, &line);
        }
    }

    /// The process of a worker has ended (PR-1).
    pub(crate) fn process_ended(&mut self, worker: ProcessNumber) {
        match self
            .worker_process(worker)
            .map(|process| process.has_ended())
        {
            Some(true) => {}
            // Known to be dead, or not dead yet: its descriptor says so again.
            Some(false) | None => return,
        }
        // What it said before its end counts. A process that it left behind may keep the socket open.
        for _ in 0..LAST_RECEIVES {
            if self
                .clients
                .get(worker)
                .is_some_and(|client| !client.broken)
            {
                self.receive(worker);
            }
        }
        let Some(mut client) = self.clients.table.remove(&worker) else {
            return;
        };
        self.unconnected.process_ended(worker);
        let Some(mut process) = client.process.take() else {
            return;
        };
        let ended_here = process.is_killed;
        let (lines, exit) = process.finish(worker);
        self.forward(exit.pid, lines);
        // Nobody here has asked for that: a person, the system that is out of memory, another program.
        let is_from_outside = !ended_here && exit.signal.is_some_and(ends_from_outside);
        if !client.ready {
            self.note_failed_start(process.environment, exit.clone());
        }
        let ended = self
            .connections
            .process_ended(worker, client.mailbox, &mut self.store);
        self.tell_lost(&ended.lost, &exit);
        let worker_id = ProcessId(worker);
        self.feed(if is_from_outside && !client.ready {
            Event::StartInterrupted { worker: worker_id }
        } else {
            Event::WorkerGone { worker: worker_id }
        });
        self.leases
            .retain(|_, lease| lease.client != worker && lease.worker != worker);
        self.timed.remove(&worker);
        self.collections.process_ended(worker);
        for environment in client.classes.environments() {
            self.environments.remove_user(environment);
        }
        self.environments.process_ended(worker);
        let mut out = Vec::new();
        self.actors.process_ended(worker, &exit, &mut out);
        self.objects.process_ended(worker, &mut out);
        self.effects.extend(out);
        self.store.process_ended(worker);
        self.forget(&ended.forgotten);
        self.settle();
    }

    /// Ends everything. Afterwards no process that was started here is left.
    pub(crate) fn shut_down(mut self) {
        self.let_end_in_order();
        for (_, process) in self.clients.workers() {
            process.kill();
        }
        let mut lines = Vec::new();
        for (number, process) in self.clients.workers() {
            process.wait_for_end(KILLED_WITHIN);
            let (last, exit) = process.finish(number);
            lines.push((exit.pid, last));
        }
        for (pid, lines) in lines {
            self.forward(pid, lines);
        }
        let Some(driver) = self.clients.get_mut(DRIVER) else {
            return;
        };
        // The driver may be gone, or busy waiting for this very thread; while it takes some, it gets the rest.
        let mut deadline = Instant::now() + FAREWELL;
        let mut left = driver.socket.backlog();
        while !driver.broken && driver.socket.flush().is_ok_and(|all_gone| !all_gone) {
            if driver.socket.backlog() < left {
                left = driver.socket.backlog();
                deadline = Instant::now() + FAREWELL;
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            let Ok(readable) = driver.socket.wait_to_write(Some(rest)) else {
                break;
            };
            // What the driver still says is of no use; that it has gone is.
            let open = !readable || matches!(driver.socket.receive(|_, _| {}), Ok(Received::Open));
            if rest.is_zero() || !open {
                break;
            }
        }
    }
}
