//! What the death of a process takes with it, and what it must not take while others may still read what it wrote.

mod harness;

use eagleray_protocol::{FromRaylet, Nested, NestedKind, Outcome, Payload, ToRaylet};
use harness::{Node, Puppet, alive, configuration, node_of_puppets, play_puppet};

const LENGTH: u64 = 64 << 10;

#[test]
fn puppet() {
    play_puppet();
}

fn reference(id: eagleray_protocol::ObjectId) -> Nested {
    let kind = NestedKind::Ref;
    Nested { kind, id }
}

fn handle(id: eagleray_protocol::ActorId) -> Nested {
    let kind = NestedKind::Actor;
    Nested { kind, id }
}

/// A caller that is about to die, an actor that it calls, and the number of their connection.
struct Called {
    node: Node,
    caller: Puppet,
    actor: Puppet,
    connection: u32,
}

fn called() -> Called {
    let mut node = node_of_puppets(configuration(2.0));
    let mut puppets = vec![node.puppet(), node.puppet()];
    called_by_last(node, &mut puppets)
}

/// The first actor of the driver is placed on one of the puppets, and called by the last one of the others.
fn called_by_last(mut node: Node, puppets: &mut Vec<Puppet>) -> Called {
    let id = node.create_actor(1, |_| {});
    let actor = placed(puppets);
    let mut called = Called {
        node,
        caller: puppets.pop().unwrap(),
        actor,
        connection: 0,
    };
    called.caller.tell(ToRaylet::Hold {
        request: 0,
        items: vec![handle(id)],
    });
    called.caller.tell(ToRaylet::ConnectActor { actor: id });
    called.connection = called.caller.expect(alive);
    called
        .actor
        .expect(|message| matches!(message, FromRaylet::ConnectionOpened { .. }).then_some(()));
    called
}

/// The puppet that is told to become an actor, and does.
fn placed(puppets: &mut Vec<Puppet>) -> Puppet {
    let position = place(puppets);
    let mut actor = puppets.swap_remove(position);
    actor.tell(ToRaylet::ActorStarted {
        outcome: Outcome::value(Payload::inline(b"ready")),
    });
    actor
}

/// The position of the puppet that is told to become an actor.
fn place(puppets: &mut [Puppet]) -> usize {
    loop {
        for (position, puppet) in puppets.iter_mut().enumerate() {
            if let Some(message) = puppet.try_next()
                && matches!(message, FromRaylet::StartActor { .. })
            {
                return position;
            }
        }
        std::thread::yield_now();
    }
}

impl Called {
    /// Kills the caller. The actor has been told when this returns, and has closed nothing.
    fn kill_caller(&mut self) {
        self.caller.kill();
        let connection = self.connection;
        self.actor.expect(|message| {
            matches!(message, FromRaylet::ConnectionLost { connection: lost, .. } if *lost == connection)
                .then_some(())
        });
    }

    fn close(&mut self) {
        let connection = self.connection;
        self.actor.tell(ToRaylet::CloseConnection { connection });
        self.actor.drain();
    }

    fn store_used(&mut self) -> u64 {
        self.node.driver.node().store_used
    }
}

#[test]
fn what_a_dead_caller_stored_stays_until_the_actor_has_read_its_frames() {
    let mut called = called();
    let extent = called.caller.allocate(LENGTH);
    let id = called.caller.seal(1, extent);
    // Leased and never sealed, as the extent of a frame that was too long for its ring.
    called.caller.allocate(LENGTH);
    called.kill_caller();
    assert_eq!(called.store_used(), 2 * LENGTH);
    // The actor takes one more frame, and keeps its argument.
    called.actor.tell(ToRaylet::Hold {
        request: 0,
        items: vec![reference(id)],
    });
    called.close();
    assert_eq!(called.store_used(), LENGTH, "the actor keeps the object");
    called.actor.tell(ToRaylet::Release {
        items: vec![reference(id)],
    });
    called.actor.drain();
    assert_eq!(called.store_used(), 0);
    called.node.end();
}

#[test]
fn a_ref_inside_a_frame_of_a_dead_caller_still_has_its_value() {
    let mut called = called();
    let id = eagleray_protocol::ObjectId::local(1, 50);
    let outcome = Some(Outcome::value(Payload::inline(b"value")));
    called.node.driver.tell(ToRaylet::Publish { id, outcome });
    called.node.driver.drain();
    called.caller.tell(ToRaylet::Hold {
        request: 0,
        items: vec![reference(id)],
    });
    called.caller.drain();
    let items = vec![reference(id)];
    called.node.driver.tell(ToRaylet::Release { items });
    called.node.driver.drain();
    called.kill_caller();
    called.actor.tell(ToRaylet::Hold {
        request: 0,
        items: vec![reference(id)],
    });
    called.actor.tell(ToRaylet::Subscribe { id });
    let outcome = called.actor.expect(|message| match message {
        FromRaylet::ObjectReady { outcome, .. } => Some(outcome.clone()),
        _ => None,
    });
    assert!(!outcome.is_error());
    called.close();
    called.node.end();
}

#[test]
fn a_handle_inside_a_frame_of_a_dead_caller_still_reaches_its_actor() {
    let mut node = node_of_puppets(configuration(3.0));
    let mut puppets: Vec<Puppet> = (0..3).map(|_| node.puppet()).collect();
    let inside = node.create_actor(2, |_| {});
    let _inside = placed(&mut puppets);
    let mut called = called_by_last(node, &mut puppets);
    called.caller.tell(ToRaylet::Hold {
        request: 0,
        items: vec![handle(inside)],
    });
    called.caller.drain();
    let items = vec![handle(inside)];
    called.node.driver.tell(ToRaylet::Release { items });
    called.node.driver.drain();
    called.kill_caller();
    called.actor.tell(ToRaylet::Hold {
        request: 0,
        items: vec![handle(inside)],
    });
    called.close();
    called.actor.tell(ToRaylet::ConnectActor { actor: inside });
    called.actor.expect(alive);
    called.node.end();
}
