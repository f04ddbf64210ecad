//! The processes of the node: the driver and the workers, each with its control socket.
//!
//! Owns: who is there, what was told to whom and is not sent yet, and what each process has declared.
//! Is not: a judge of messages; `server.rs` and `messages.rs` are.
//!
//! Invariants:
//! - **CL-1:** the first message to a process is its welcome.
//! - **CL-2:** messages to one process are sent in the order in which they were queued.
//! - **CL-3:** the bell of a process's pacemaker is rung after each urgent message was sent, as far as the socket took it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use eagleray_ipc::control::{BACKLOG_SOFT_LIMIT, is_peer_gone};
use eagleray_ipc::{ControlSocket, Doorbell};
use eagleray_object_store::Extent;
use eagleray_protocol::{ActorId, DRIVER, FromRaylet, ProcessNumber, encode};
use eagleray_scheduler::LeaseId;

use crate::declared_classes::DeclaredClasses;
use crate::poller::{Poller, Token};
use crate::worker_process::{Stream, WorkerProcess};

/// What a token of the poller stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Something outside wakes the loop.
    Wake,
    Control(ProcessNumber),
    End(ProcessNumber),
    Output(ProcessNumber),
    Error(ProcessNumber),
}

impl Source {
    pub(crate) fn token(self) -> Token {
        let (kind, process) = match self {
            Source::Wake => (0, 0),
            Source::Control(process) => (1, process),
            Source::End(process) => (2, process),
            Source::Output(process) => (3, process),
            Source::Error(process) => (4, process),
        };
        kind << 32 | u64::from(process)
    }

    pub(crate) fn of(token: Token) -> Source {
        let process = token as u32;
        match token >> 32 {
            1 => Source::Control(process),
            2 => Source::End(process),
            3 => Source::Output(process),
            4 => Source::Error(process),
            _ => Source::Wake,
        }
    }
}

/// A driver or worker.
pub(crate) struct Client {
    pub(crate) socket: ControlSocket,
    pub(crate) doorbell: Doorbell,
    /// Wakes the process's pacemaker, which looks at what must not wait for a busy JavaScript.
    bell: Doorbell,
    pub(crate) mailbox: Extent,
    pub(crate) pid: u32,
    /// `None` for the driver.
    pub(crate) process: Option<WorkerProcess>,
    /// It has said that it is ready.
    pub(crate) ready: bool,
    pub(crate) classes: DeclaredClasses,
    /// The lease under which it works, and who holds that.
    pub(crate) lease: Option<(LeaseId, ProcessNumber)>,
    /// The actor that it is.
    pub(crate) actor: Option<ActorId>,
    /// GPUs that it was told it may use.
    pub(crate) gpu_ids: Vec<String>,
    /// The poller watches for the socket to become writable.
    watched_writable: bool,
    /// Messages wait to be sent at the end of the turn.
    dirty: bool,
    /// One of them is urgent (CL-3).
    urgent: bool,
    /// Nothing can be sent or received any more.
    pub(crate) broken: bool,
}

impl Client {
    pub(crate) fn new(
        socket: ControlSocket,
        [doorbell, bell]: [Doorbell; 2],
        mailbox: Extent,
        pid: u32,
        process: Option<WorkerProcess>,
    ) -> Self {
        Self {
            socket,
            doorbell,
            bell,
            mailbox,
            pid,
            process,
            ready: false,
            classes: DeclaredClasses::default(),
            lease: None,
            actor: None,
            gpu_ids: Vec::new(),
            watched_writable: false,
            dirty: false,
            urgent: false,
            broken: false,
        }
    }

    /// Its doorbell and its pacemaker's bell, for the process itself.
    pub(crate) fn bells(&self) -> io::Result<[Doorbell; 2]> {
        Ok([self.doorbell.try_clone()?, self.bell.try_clone()?])
    }
}

/// Why nothing can be sent to a process.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It has closed its end of the control socket: it ends, or has ended.
    Gone,
    /// It is there, but what it has to be told can't be sent.
    Unserved(String),
}

/// All processes of the node.
pub(crate) struct Clients {
    pub(crate) table: BTreeMap<ProcessNumber, Client>,
    dirty: Vec<ProcessNumber>,
    /// What sending has found.
    troubled: Vec<(ProcessNumber, Trouble)>,
    /// Workers' output is not read, because the driver has enough of it.
    paused: bool,
    /// The driver has said that it has enough.
    driver_has_enough: bool,
}

impl Clients {
    pub(crate) fn new() -> Self {
        Self {
            table: BTreeMap::new(),
            dirty: Vec::new(),
            troubled: Vec::new(),
            paused: false,
            driver_has_enough: false,
        }
    }

    /// Whether the driver wants no lines of workers for the moment.
    pub(crate) fn pause_output(&mut self, paused: bool) {
        self.driver_has_enough = paused;
    }

    pub(crate) fn get(&self, process: ProcessNumber) -> Option<&Client> {
        self.table.get(&process)
    }

    pub(crate) fn get_mut(&mut self, process: ProcessNumber) -> Option<&mut Client> {
        self.table.get_mut(&process)
    }

    /// The workers' processes.
    pub(crate) fn workers(&mut self) -> impl Iterator<Item = (ProcessNumber, &mut WorkerProcess)> {
        self.table
            .iter_mut()
            .filter_map(|(&number, client)| Some((number, client.process.as_mut()?)))
    }

    /// Number of workers.
    pub(crate) fn worker_count(&self) -> usize {
        self.table.len() - usize::from(self.table.contains_key(&DRIVER))
    }

    /// Takes a process in, and has its descriptors watched.
    pub(crate) fn add(
        &mut self,
        number: ProcessNumber,
        client: Client,
        poller: &Poller,
    ) -> io::Result<()> {
        let client = self.table.entry(number).or_insert(client);
        poller.add(client.socket.fd(), Source::Control(number).token())?;
        if let Some(process) = &client.process {
            if let Some(ended) = process.ended() {
                poller.add(ended, Source::End(number).token())?;
            }
            if !self.paused {
                watch_pipes(number, process, poller)?;
            }
        }
        Ok(())
    }

    /// Queues a message; it is sent at the end of the turn. To a process that is gone, nothing is sent.
    pub(crate) fn send(&mut self, process: ProcessNumber, message: &FromRaylet) {
        self.send_with(process, message, Vec::new());
    }

    /// As [`send`](Self::send), for what must be looked at even while JavaScript computes.
    pub(crate) fn send_urgent(&mut self, process: ProcessNumber, message: &FromRaylet) {
        self.send(process, message);
        if let Some(client) = self.table.get_mut(&process) {
            client.urgent = true;
        }
    }

    /// As [`send`](Self::send), with descriptors of its own: whoever has none left notices before.
    pub(crate) fn send_with(
        &mut self,
        process: ProcessNumber,
        message: &FromRaylet,
        fds: Vec<OwnedFd>,
    ) {
        let Some(client) = self.table.get_mut(&process).filter(|client| !client.broken) else {
            return;
        };
        if let Err(error) = client.socket.send_owned(&encode(message), fds) {
            self.troubled
                .push((process, Trouble::Unserved(error.to_string())));
        }
        if !client.dirty {
            client.dirty = true;
            self.dirty.push(process);
        }
    }

    /// Sends what is queued for one process now, so that it arrives before what others are told next.
    pub(crate) fn flush(&mut self, process: ProcessNumber, poller: &Poller) {
        let Some(client) = self.table.get_mut(&process) else {
            return;
        };
        if client.broken {
            return;
        }
        let flushed = client.socket.flush().and_then(|all_gone| {
            let watch = !all_gone;
            if watch != client.watched_writable {
                let token = Source::Control(process).token();
                poller.watch_writable(client.socket.fd(), token, watch)?;
                client.watched_writable = watch;
            }
            if client.urgent {
                client.urgent = !all_gone;
                // A bell that can't be rung belongs to a process that is gone.
                let _ = client.bell.ring();
            }
            Ok(())
        });
        if let Err(error) = flushed {
            client.broken = true;
            let trouble = if is_peer_gone(&error) {
                Trouble::Gone
            } else {
                Trouble::Unserved(error.to_string())
            };
            self.troubled.push((process, trouble));
        }
    }

    /// Sends what is queued. Returns processes that were found to be gone, or can't be served, since the last
    /// call.
    pub(crate) fn flush_all(&mut self, poller: &Poller) -> Vec<(ProcessNumber, Trouble)> {
        for process in std::mem::take(&mut self.dirty) {
            self.flush(process, poller);
            if let Some(client) = self.table.get_mut(&process) {
                client.dirty = false;
            }
        }
        self.balance_output(poller);
        std::mem::take(&mut self.troubled)
    }

    /// Workers' output is read no faster than the driver takes it, so that it can't fill the memory: what is not read
    /// stays in the pipes, which hold the writers back.
    fn balance_output(&mut self, poller: &Poller) {
        let backlog = self.get(DRIVER).map_or(0, |driver| driver.socket.backlog());
        let limit = if self.paused {
            BACKLOG_SOFT_LIMIT / 2
        } else {
            BACKLOG_SOFT_LIMIT
        };
        let pause = self.driver_has_enough || backlog > limit;
        if pause == self.paused {
            return;
        }
        self.paused = pause;
        for (&number, client) in &self.table {
            let Some(process) = &client.process else {
                continue;
            };
            if pause {
                for stream in [Stream::Output, Stream::Error] {
                    if let Some(pipe) = process.pipe(stream) {
                        // A pipe that is not watched can't be paused, and need not be.
                        let _ = poller.remove(pipe);
                    }
                }
            } else {
                // A pipe that can't be watched again is read when its worker ends.
                let _ = watch_pipes(number, process, poller);
            }
        }
    }
}

fn watch_pipes(number: ProcessNumber, process: &WorkerProcess, poller: &Poller) -> io::Result<()> {
    if let Some(pipe) = process.pipe(Stream::Output) {
        poller.add(pipe, Source::Output(number).token())?;
    }
    if let Some(pipe) = process.pipe(Stream::Error) {
        poller.add(pipe, Source::Error(number).token())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use eagleray_ipc::control::FRAME_MAX;
    use eagleray_object_store::PAGE;

    use super::*;

    /// A process that is connected, and its end of the socket.
    fn connected(number: ProcessNumber, clients: &mut Clients, poller: &Poller) -> ControlSocket {
        let (own_end, peer) = ControlSocket::pair().unwrap();
        let mailbox = Extent::new(PAGE, PAGE);
        let bells = [Doorbell::create().unwrap(), Doorbell::create().unwrap()];
        let client = Client::new(own_end, bells, mailbox, 1, None);
        clients.add(number, client, poller).unwrap();
        peer
    }

    #[test]
    fn a_process_that_has_closed_its_end_is_gone_and_told_nothing_more() {
        let (mut clients, poller) = (Clients::new(), Poller::new().unwrap());
        drop(connected(2, &mut clients, &poller));
        clients.send(2, &FromRaylet::Exit {});
        let troubled = clients.flush_all(&poller);
        assert!(
            matches!(troubled.as_slice(), [(2, Trouble::Gone)]),
            "{troubled:?}"
        );
        clients.send(2, &FromRaylet::Exit {});
        assert!(clients.flush_all(&poller).is_empty(), "it was told already");
    }

    #[test]
    fn the_bell_rings_when_something_urgent_was_sent_and_for_nothing_else() {
        let (mut clients, poller) = (Clients::new(), Poller::new().unwrap());
        let mut peer = connected(2, &mut clients, &poller);
        let [_, bell] = clients.get(2).unwrap().bells().unwrap();
        clients.send(2, &FromRaylet::CollectGarbage {});
        clients.flush_all(&poller);
        assert!(!bell.clear().unwrap());
        clients.send(2, &FromRaylet::CollectGarbage {});
        clients.send_urgent(2, &FromRaylet::Exit {});
        assert!(!bell.clear().unwrap(), "it is not sent yet");
        clients.flush_all(&poller);
        assert!(bell.clear().unwrap());
        clients.send(2, &FromRaylet::CollectGarbage {});
        clients.flush_all(&poller);
        assert!(!bell.clear().unwrap());
        let mut frames = 0;
        peer.receive(|_, _| frames += 1).unwrap();
        assert_eq!(frames, 4);
    }

    #[test]
    fn the_bell_rings_again_when_what_the_socket_did_not_take_has_gone() {
        let (mut clients, poller) = (Clients::new(), Poller::new().unwrap());
        let mut peer = connected(2, &mut clients, &poller);
        let [_, bell] = clients.get(2).unwrap().bells().unwrap();
        let text = "x".repeat(4 << 20);
        let (pid, name, is_error) = (1, String::new(), false);
        clients.send(
            2,
            &FromRaylet::Output {
                pid,
                name,
                is_error,
                text,
            },
        );
        clients.send_urgent(2, &FromRaylet::Exit {});
        clients.flush_all(&poller);
        assert!(bell.clear().unwrap());
        let mut frames = 0;
        while frames < 2 {
            peer.receive(|_, _| frames += 1).unwrap();
            clients.flush(2, &poller);
        }
        assert!(bell.clear().unwrap());
        clients.flush(2, &poller);
        assert!(!bell.clear().unwrap());
    }

    #[test]
    fn a_message_that_is_too_long_is_trouble_of_its_receiver_only() {
        let (mut clients, poller) = (Clients::new(), Poller::new().unwrap());
        let mut peers = [2, 3].map(|number| connected(number, &mut clients, &poller));
        let text = "x".repeat(FRAME_MAX);
        let (pid, name, is_error) = (1, String::new(), false);
        clients.send(
            2,
            &FromRaylet::Output {
                pid,
                name,
                is_error,
                text,
            },
        );
        // What follows arrives: the reason why the runtime ends, where it is the driver.
        clients.send(2, &FromRaylet::Exit {});
        clients.send(3, &FromRaylet::Exit {});
        let troubled = clients.flush_all(&poller);
        assert!(
            matches!(troubled.as_slice(), [(2, Trouble::Unserved(reason))] if reason.contains("limit")),
            "{troubled:?}"
        );
        for peer in &mut peers {
            let mut frames = 0;
            peer.receive(|_, _| frames += 1).unwrap();
            assert_eq!(frames, 1);
        }
    }
}
