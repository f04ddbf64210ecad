//! Who is connected with whom, as far as the raylet has to do with it: it opens connections, and tells both sides when one
//! has ended.

use eagleray_ipc::Doorbell;
use eagleray_protocol::{
    ActorState, ConnectionSpec, FromRaylet, ProcessNumber, SystemError, WorkerExit,
};

use crate::connections::Connection;
use crate::descriptors;
use crate::errors::{self, shortened};
use crate::server::{LeaseEntry, Server};
use crate::unconnected::{Purpose, Verdict};

impl Server {
    /// The number of the connection from a submitter to an executor, which both know of afterwards.
    pub(crate) fn connect(
        &mut self,
        submitter: ProcessNumber,
        executor: ProcessNumber,
    ) -> Result<u32, SystemError> {
        let failed = |message: String| SystemError::new("EaglerayError", message);
        let (connection, new) = self
            .connections
            .ensure(submitter, executor, &mut self.store)
            .map_err(failed)?;
        if new {
            let opened = self
                .end_for(&connection, submitter, true)
                .and_then(|of_executor| {
                    Ok((of_executor, self.end_for(&connection, executor, false)?))
                });
            match opened {
                Ok((of_executor, of_submitter)) => {
                    self.open_end(executor, of_executor);
                    self.open_end(submitter, of_submitter);
                }
                Err(error) => {
                    // Neither side has heard of it.
                    self.connections.undo(connection.number, &mut self.store);
                    return Err(failed(error));
                }
            }
        }
        Ok(connection.number)
    }

    /// As [`connect`](Self::connect). What fails is tried again later (UC-1); the error says why no longer.
    pub(crate) fn connect_for(
        &mut self,
        submitter: ProcessNumber,
        executor: ProcessNumber,
        purpose: Purpose,
    ) -> Result<u32, Option<SystemError>> {
        let error = match self.connect(submitter, executor) {
            Ok(connection) => {
                self.unconnected.ended(submitter, purpose);
                return Ok(connection);
            }
            Err(error) => error,
        };
        let now = self.now();
        match self.unconnected.failed(submitter, purpose, now) {
            Verdict::Wait { printed } => {
                if printed {
                    self.log(&format!("{}; it is tried again", error.message));
                }
                Err(None)
            }
            Verdict::GiveUp => Err(Some(error)),
        }
    }

    /// Tries again what could not be connected, as far as it is time.
    pub(crate) fn connect_again(&mut self) {
        let now = self.now();
        for (process, purpose, count) in self.unconnected.take_due(now) {
            match purpose {
                Purpose::Tasks(class) => self.wish_again(process, class, count),
                Purpose::Calls(actor) => {
                    let mut out = Vec::new();
                    self.actors.connect(actor, process, &mut out);
                    self.effects.extend(out);
                }
            }
        }
    }

    /// A process gets the leases that were granted to it in vain in another attempt.
    fn wish_again(&mut self, process: ProcessNumber, number: u32, count: u32) {
        let Some(client) = self.clients.get_mut(process) else {
            return;
        };
        client.classes.want_again(number, count);
        match client.classes.get(number).cloned() {
            Some(class) => self.tell_wish(process, class),
            None => self.unconnected.ended(process, Purpose::Tasks(number)),
        }
    }

    /// A process could not be connected with workers for its tasks in any attempt: the tasks are told, unless other workers
    /// run them.
    pub(crate) fn tasks_unconnected(
        &mut self,
        process: ProcessNumber,
        class: u32,
        error: SystemError,
    ) {
        let is_served = |lease: &LeaseEntry| lease.client == process && lease.class == class;
        if self.leases.values().any(is_served) {
            self.wish_again(process, class, 1);
        } else {
            self.clients
                .send(process, &FromRaylet::ClassRefused { class, error });
        }
    }

    fn open_end(&mut self, process: ProcessNumber, (spec, doorbell): (ConnectionSpec, Doorbell)) {
        let opened = FromRaylet::ConnectionOpened { spec };
        self.clients
            .send_with(process, &opened, vec![doorbell.into_fd()]);
    }

    /// What a side of a connection is told of its peer, with the peer's doorbell.
    fn end_for(
        &self,
        connection: &Connection,
        peer: ProcessNumber,
        executor: bool,
    ) -> Result<(ConnectionSpec, Doorbell), String> {
        let Some(other) = self.clients.get(peer) else {
            return Err(format!("the process {peer} has ended"));
        };
        let (requests, replies) = (connection.requests(), connection.replies());
        let (outgoing, incoming) = if executor {
            (replies, requests)
        } else {
            (requests, replies)
        };
        let spec = ConnectionSpec {
            connection: connection.number,
            peer,
            peer_pid: other.pid,
            peer_mailbox: other.mailbox.offset,
            executor,
            page: connection.page(),
            outgoing,
            incoming,
        };
        let doorbell = descriptors::require_spare()
            .and_then(|()| other.doorbell.try_clone())
            .map_err(|error| {
                format!(
                    "a connection between two processes could not be opened: {}",
                    descriptors::explained(&error)
                )
            })?;
        Ok((spec, doorbell))
    }

    pub(crate) fn connect_caller(
        &mut self,
        process: ProcessNumber,
        actor: eagleray_protocol::ActorId,
        worker: ProcessNumber,
    ) {
        // A caller that died meanwhile needs nothing; a worker that did is reported by its end.
        if self.clients.get(process).is_none() || self.clients.get(worker).is_none() {
            return;
        }
        let state = match self.connect_for(process, worker, Purpose::Calls(actor)) {
            Ok(connection) => ActorState::Alive { connection },
            Err(Some(error)) => ActorState::Unreachable {
                error: errors::actor_unreachable(actor, &error.message),
            },
            Err(None) => return,
        };
        self.clients.flush(worker, &self.poller);
        self.clients
            .send(process, &FromRaylet::ActorChanged { actor, state });
    }

    /// A process is done with its side of a connection.
    pub(crate) fn close_connection(&mut self, process: ProcessNumber, connection: u32) {
        let ended = self.connections.close(connection, process, &mut self.store);
        self.forget(&ended.forgotten);
        // The peer's side has no use any more either: the process that closed has nothing open there.
        let exit = self.exit_of_living(process, "it closed the connection");
        self.tell_lost(&ended.lost, &exit);
        self.say_farewells(connection);
    }

    /// A ring of a connection holds what no peer would write. Whose fault that is can't be seen, so it ends for both, and
    /// nobody else notices: but for a leased worker, which runs tasks of the other side only.
    pub(crate) fn connection_broken(&mut self, process: ProcessNumber, number: u32, reason: &str) {
        let Some(broken) = self.connections.break_off(number, process) else {
            return;
        };
        // The other side has found it, too.
        if broken.lost.is_empty() {
            return;
        }
        let (submitter, executor) = (broken.submitter, broken.executor);
        let reason = format!("its connection with a peer broke: {}", shortened(reason));
        let exit = self.exit_of_living(executor, &reason);
        self.log(&format!(
            "the connection of worker {executor} (pid {}) with process {submitter} was ended: {reason}",
            exit.pid
        ));
        self.tell_lost(&broken.lost, &exit);
        let Some(client) = self.clients.get(executor) else {
            return;
        };
        if client.lease.is_some_and(|(_, holder)| holder == submitter) {
            self.kill_worker(executor, &reason);
        } else if let Some(actor) = client.actor {
            let mut out = Vec::new();
            self.actors.connect_again(actor, submitter, &mut out);
            self.effects.extend(out);
        }
    }

    /// A leaving worker has written its last reply: its callers read that, and nothing comes any more.
    pub(crate) fn executor_left(&mut self, worker: ProcessNumber, reason: &str) {
        let lost = self.connections.executor_left(worker);
        let exit = self.exit_of_living(worker, reason);
        self.tell_lost(&lost, &exit);
    }

    /// Tells the sides of connections that they are lost.
    pub(crate) fn tell_lost(&mut self, lost: &[(u32, ProcessNumber)], exit: &WorkerExit) {
        for &(connection, side) in lost {
            let exit = exit.clone();
            self.clients
                .send_urgent(side, &FromRaylet::ConnectionLost { connection, exit });
            self.say_farewells(connection);
        }
    }

    /// A caller is told that an actor is dead after what its worker wrote: after the end of their connection.
    pub(crate) fn take_leave(
        &mut self,
        process: ProcessNumber,
        worker: ProcessNumber,
        actor: eagleray_protocol::ActorId,
        error: SystemError,
    ) {
        match self.connections.between(process, worker) {
            Some(connection) => {
                let number = connection.number;
                self.farewells
                    .entry(number)
                    .or_default()
                    .push((process, actor, error));
            }
            None => self.tell_dead(process, actor, error),
        }
    }

    fn say_farewells(&mut self, connection: u32) {
        for (process, actor, error) in self.farewells.remove(&connection).unwrap_or_default() {
            self.tell_dead(process, actor, error);
        }
    }

    fn tell_dead(
        &mut self,
        process: ProcessNumber,
        actor: eagleray_protocol::ActorId,
        error: SystemError,
    ) {
        let state = ActorState::Dead { error };
        self.clients
            .send(process, &FromRaylet::ActorChanged { actor, state });
    }

    /// Lets go of what processes held of which nobody takes anything any more.
    pub(crate) fn forget(&mut self, processes: &[ProcessNumber]) {
        for &process in processes {
            let mut out = Vec::new();
            self.actors.forget_process(process, &mut out);
            self.objects.forget_process(process, &mut out);
            self.effects.extend(out);
            self.store.forget_process(process);
        }
    }

    /// What is told of a peer that is there and is no peer any more.
    fn exit_of_living(&self, process: ProcessNumber, reason: &str) -> WorkerExit {
        WorkerExit {
            process,
            pid: self.clients.get(process).map_or(0, |client| client.pid),
            code: None,
            signal: None,
            stderr_tail: Vec::new(),
            reason: reason.to_owned(),
        }
    }
}
