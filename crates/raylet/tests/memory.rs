//! A node whose memory has room for few workers, or is not known.

mod harness;

use std::sync::atomic::{AtomicU64, Ordering};

use eagleray_protocol::FromRaylet;
use eagleray_resources::detect::{Detected, MemoryRoom};
use harness::{Node, configuration, node_of_puppets};

#[test]
fn puppet() {
    harness::play_puppet();
}

fn room(free: u64) -> MemoryRoom {
    MemoryRoom {
        free,
        limit: Detected {
            value: 64 << 20,
            source: "a limit of the test".to_owned(),
        },
    }
}

/// What the raylet itself has said about memory, by now.
fn said_of_memory(node: &mut Node) -> Vec<String> {
    let said = node.driver.drain().into_iter();
    said.filter_map(|message| match message {
        FromRaylet::Output { name, text, .. } if name == "eagleray" => Some(text),
        _ => None,
    })
    .collect()
}

#[test]
fn actors_beyond_the_memory_wait_which_is_said_once_and_go_on_when_there_is_room() {
    static FREE: AtomicU64 = AtomicU64::new(0);
    let mut configuration = configuration(2.0);
    configuration.memory_room = || Some(room(FREE.load(Ordering::SeqCst)));
    let mut node = node_of_puppets(configuration);
    let mut first = node.puppet();
    let mut second = node.puppet();
    for sequence in 0..6 {
        node.create_actor(sequence, |_| {});
    }
    first.become_actor();
    second.become_actor();
    let text = node.driver.expect(|message| match message {
        FromRaylet::Output { name, text, .. } if name == "eagleray" => Some(text.clone()),
        _ => None,
    });
    for part in [
        "waiting for memory",
        "of 64 MiB (a limit of the test) 0 MiB are free",
        "there are 2 of them",
        "fewer actors",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert!(node.try_starting_puppet().is_none());
    // The end of one makes room for one.
    first.kill();
    let mut third = node.puppet();
    third.become_actor();
    assert!(node.try_starting_puppet().is_none());
    assert_eq!(said_of_memory(&mut node), [] as [String; 0]);
    FREE.store(60 << 30, Ordering::SeqCst);
    for _ in 0..3 {
        node.puppet().become_actor();
    }
    assert_eq!(said_of_memory(&mut node), [] as [String; 0]);
    node.end();
}

#[test]
fn memory_that_is_not_known_bounds_nothing() {
    let mut configuration = configuration(1.0);
    configuration.memory_room = || None;
    let mut node = node_of_puppets(configuration);
    let mut first = node.puppet();
    for sequence in 0..6 {
        node.create_actor(sequence, |_| {});
    }
    first.become_actor();
    for _ in 0..5 {
        node.puppet().become_actor();
    }
    assert_eq!(said_of_memory(&mut node), [] as [String; 0]);
    node.end();
}
