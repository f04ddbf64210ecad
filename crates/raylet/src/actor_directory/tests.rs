//! Histories of the actor directory.

use std::sync::{Arc, Mutex};

use eagleray_protocol::{
    ActorId, ActorOptions, ActorSpec, Nested, NestedKind, ObjectId, Outcome, Payload, Status,
    SystemError, WorkerExit,
};

use super::{ActorDirectory, ActorStage, Registration};
use crate::effects::{CallerNews, Effect, Holder};

const DRIVER: u32 = 1;
const CREATOR: u32 = 2;
const WORKER: u32 = 3;
const CALLER: u32 = 4;

fn id(owner: u32) -> ActorId {
    ObjectId::local(owner, 7)
}

fn options(change: impl FnOnce(&mut ActorOptions)) -> ActorOptions {
    let mut options = ActorOptions {
        class_name: "Counter".to_owned(),
        name: String::new(),
        namespace: "test".to_owned(),
        detached: false,
        max_restarts: 0,
        placement: Vec::new(),
        held: Vec::new(),
        environment: 0,
        max_concurrency: 1,
        methods: Vec::new(),
        handle: "{}".to_owned(),
    };
    change(&mut options);
    options
}

fn spec(id: ActorId, options: ActorOptions) -> ActorSpec {
    ActorSpec {
        id,
        class: [0; 16],
        export: Payload::inline(b"class"),
        export_object: None,
        arguments: Box::default(),
        argument_count: 0,
        holds: vec![Nested {
            kind: NestedKind::Ref,
            id: ObjectId::local(DRIVER, 1),
        }],
        options,
    }
}

fn exit(process: u32) -> WorkerExit {
    WorkerExit {
        process,
        pid: process + 1_000,
        code: Some(1),
        signal: None,
        stderr_tail: vec!["the last line".to_owned()],
        reason: String::new(),
    }
}

fn value() -> Outcome {
    Outcome::value(Payload::inline(b"ready"))
}

/// What an operation asks for, in words.
fn effects(operation: impl FnOnce(&mut Vec<Effect>)) -> Vec<String> {
    let mut out = Vec::new();
    operation(&mut out);
    let word = |effect| match effect {
        Effect::Tell { process, news, .. } => match news {
            CallerNews::Pending => format!("tell {process} pending"),
            CallerNews::Restarting(error) => format!("tell {process} restarting {}", error.kind),
            CallerNews::Dead(error) => format!("tell {process} dead {}", error.details),
        },
        Effect::Connect {
            process, worker, ..
        } => format!("connect {process} to {worker}"),
        Effect::Farewell {
            process,
            worker,
            error,
            ..
        } => format!("farewell of {worker} to {process} {}", error.details),
        Effect::Place { .. } => "place".to_owned(),
        Effect::Displace { .. } => "displace".to_owned(),
        Effect::Start {
            worker, restarts, ..
        } => format!("start on {worker} after {restarts}"),
        Effect::Kill { worker, .. } => format!("kill {worker}"),
        Effect::Resolve { outcome, .. } if outcome.is_error() => "resolve error".to_owned(),
        Effect::Resolve { .. } => "resolve value".to_owned(),
        Effect::HoldObject { id, .. } => format!("hold {}", id.sequence),
        Effect::ReleaseObject { id, .. } => format!("release {}", id.sequence),
        other => format!("{other:?}"),
    };
    out.into_iter().map(word).collect()
}

/// The effects without details of errors.
fn brief(operation: impl FnOnce(&mut Vec<Effect>)) -> Vec<String> {
    let short = |text: String| text.split(" {").next().unwrap_or_default().to_owned();
    effects(operation).into_iter().map(short).collect()
}

/// Both steps of a death.
fn die(directory: &mut ActorDirectory, process: u32, out: &mut Vec<Effect>) {
    directory.process_ended(process, &exit(process), out);
    directory.forget_process(process, out);
}

fn directory() -> ActorDirectory {
    let mut directory = ActorDirectory::default();
    for process in [DRIVER, CREATOR, WORKER, CALLER, 9] {
        directory.process_started(process);
    }
    directory
}

fn register(directory: &mut ActorDirectory, id: ActorId, options: ActorOptions) -> Registration {
    directory.register(id, options, false, &mut Vec::new())
}

/// An actor made by `owner` that answers calls on [`WORKER`].
fn living(owner: u32, options: ActorOptions) -> (ActorDirectory, ActorId) {
    let mut directory = directory();
    let actor = id(owner);
    register(&mut directory, actor, options.clone());
    directory.create(spec(actor, options), &mut Vec::new());
    assert!(directory.placed(actor, WORKER, Vec::new(), &mut Vec::new()));
    directory.started(WORKER, value(), &mut Vec::new());
    assert_eq!(directory.living(), 1);
    (directory, actor)
}

#[test]
fn an_actor_is_placed_constructed_and_called() {
    let mut directory = directory();
    let actor = id(DRIVER);
    let registered = brief(|out| {
        directory.register(actor, options(|_| {}), false, out);
    });
    assert_eq!(registered, ["hold 7"]);
    assert_eq!(
        brief(|out| directory.connect(actor, DRIVER, out)),
        ["tell 1 pending"]
    );
    let created = brief(|out| directory.create(spec(actor, options(|_| {})), out));
    assert_eq!(created, ["hold 1", "place"]);
    assert!(directory.has_wanted());
    let placed = brief(|out| assert!(directory.placed(actor, WORKER, Vec::new(), out)));
    assert_eq!(placed, ["start on 3 after 0"]);
    let started = brief(|out| directory.started(WORKER, value(), out));
    assert_eq!(started, ["resolve value", "connect 1 to 3"]);
    let connected = brief(|out| directory.connect(actor, CALLER, out));
    assert_eq!(connected, ["connect 4 to 3"]);
}

#[test]
fn a_caller_may_come_before_the_registration() {
    let mut directory = directory();
    let actor = id(DRIVER);
    directory.hold(actor, Holder::Process(CALLER));
    assert_eq!(
        brief(|out| directory.connect(actor, CALLER, out)),
        ["tell 4 pending"]
    );
    let result = register(&mut directory, actor, options(|_| {}));
    assert!(matches!(result, Registration::Created));
    directory.create(spec(actor, options(|_| {})), &mut Vec::new());
    directory.placed(actor, WORKER, Vec::new(), &mut Vec::new());
    let started = brief(|out| directory.started(WORKER, value(), out));
    assert_eq!(started, ["resolve value", "connect 4 to 3"]);
}

#[test]
fn a_constructor_that_throws_ends_the_actor_with_its_cause_and_without_restart() {
    let mut directory = directory();
    let actor = id(DRIVER);
    let options = options(|options| options.max_restarts = -1);
    register(&mut directory, actor, options.clone());
    directory.create(spec(actor, options), &mut Vec::new());
    directory.placed(actor, WORKER, Vec::new(), &mut Vec::new());
    let thrown = Outcome {
        status: Status::UserError,
        payload: Payload::inline(b"thrown"),
    };
    let mut out = Vec::new();
    directory.connect(actor, DRIVER, &mut out);
    out.clear();
    directory.started(WORKER, thrown.clone(), &mut out);
    let cause = out.iter().find_map(|effect| match effect {
        Effect::Tell {
            news: CallerNews::Dead(error),
            ..
        } => error.cause.clone(),
        _ => None,
    });
    assert_eq!(
        cause.as_deref(),
        Some(eagleray_protocol::encode(&thrown).as_slice())
    );
    assert!(brief(|out| die(&mut directory, WORKER, out)).is_empty());
}

#[test]
fn an_actor_restarts_as_often_as_it_may_and_is_ready_once() {
    let (mut directory, actor) = living(DRIVER, options(|options| options.max_restarts = 1));
    directory.connect(actor, CALLER, &mut Vec::new());
    let died = brief(|out| die(&mut directory, WORKER, out));
    assert_eq!(died, ["tell 4 restarting ActorUnavailableError", "place"]);
    let placed = brief(|out| assert!(directory.placed(actor, 9, Vec::new(), out)));
    assert_eq!(placed, ["start on 9 after 1"]);
    let died = brief(|out| die(&mut directory, 9, out));
    assert_eq!(
        died,
        ["resolve error", "tell 4 dead", "displace", "release 1"]
    );
    assert_eq!(
        brief(|out| directory.connect(actor, CALLER, out)),
        ["tell 4 dead"]
    );
}

#[test]
fn the_error_of_a_crash_says_how_the_process_ended() {
    let (mut directory, actor) = living(DRIVER, options(|_| {}));
    directory.connect(actor, CALLER, &mut Vec::new());
    let died = effects(|out| die(&mut directory, WORKER, out));
    let told = "tell 4 dead {\"actorId\":\"01000000000000000700000000000000\",\
                \"className\":\"Counter\",\"pid\":1003,\"exitCode\":1,\"stderrTail\":[\"the last line\"]}";
    assert_eq!(died[1], told);
}

#[test]
fn an_actor_that_leaves_is_not_restarted() {
    let (mut directory, actor) = living(DRIVER, options(|options| options.max_restarts = -1));
    directory.connect(actor, CALLER, &mut Vec::new());
    let left = effects(|out| directory.worker_left(WORKER, "it called exitActor()", out));
    assert!(
        left[1].starts_with("farewell of 3 to 4")
            && left[1].contains("\"reason\":\"it called exitActor()\""),
        "{left:?}"
    );
    assert!(left.contains(&"displace".to_owned()), "{left:?}");
    assert!(brief(|out| die(&mut directory, WORKER, out)).is_empty());
    let connected = brief(|out| directory.connect(actor, CREATOR, out));
    assert_eq!(connected, ["tell 2 dead"]);
}

#[test]
fn kill_ends_at_once_and_frees_the_name() {
    let named = || options(|options| options.name = "counter".to_owned());
    let (mut directory, actor) = living(DRIVER, named());
    directory.connect(actor, CALLER, &mut Vec::new());
    let second = ObjectId::local(DRIVER, 8);
    assert!(matches!(
        register(&mut directory, second, named()),
        Registration::Refused
    ));
    assert!(directory.find("counter", "elsewhere", CALLER).is_none());
    assert_eq!(
        directory
            .find("counter", "test", CALLER)
            .map(|found| found.id),
        Some(actor)
    );
    let killed = brief(|out| directory.kill(actor, false, out));
    assert_eq!(
        killed,
        [
            "resolve error",
            "tell 4 dead",
            "displace",
            "release 1",
            "kill 3"
        ]
    );
    assert!(directory.find("counter", "test", CALLER).is_none());
    assert!(matches!(
        register(&mut directory, second, named()),
        Registration::Created
    ));
    let late = brief(|out| die(&mut directory, WORKER, out));
    assert!(late.is_empty(), "AD-3: {late:?}");
}

#[test]
fn kill_may_leave_the_rest_to_the_restarts() {
    let (mut directory, actor) = living(DRIVER, options(|options| options.max_restarts = 1));
    assert_eq!(brief(|out| directory.kill(actor, true, out)), ["kill 3"]);
    let died = brief(|out| die(&mut directory, WORKER, out));
    assert_eq!(died, ["place"]);
}

#[test]
fn kill_of_an_actor_that_has_no_process_yet_uses_up_a_restart() {
    let mut directory = directory();
    let actor = id(DRIVER);
    let once = || options(|options| options.max_restarts = 1);
    register(&mut directory, actor, once());
    directory.create(spec(actor, once()), &mut Vec::new());
    let nothing: Vec<String> = Vec::new();
    assert_eq!(brief(|out| directory.kill(actor, true, out)), nothing);
    let killed = brief(|out| directory.kill(actor, true, out));
    assert_eq!(killed, ["resolve error", "displace", "release 1"]);
}

#[test]
fn an_existing_actor_is_found_and_held_by_who_found_it() {
    let named = || options(|options| options.name = "counter".to_owned());
    let (mut directory, actor) = living(DRIVER, named());
    let other = id(CALLER);
    let result = directory.register(other, named(), true, &mut Vec::new());
    assert!(matches!(result, Registration::Existing(found) if found.id == actor));
    let released = brief(|out| directory.release(actor, Holder::Process(DRIVER), out));
    assert!(released.is_empty(), "the finder holds it");
    let released = brief(|out| directory.release(actor, Holder::Process(CALLER), out));
    assert_eq!(
        released,
        ["resolve error", "displace", "release 1", "release 7"]
    );
}

#[test]
fn an_actor_ends_with_its_last_handle_but_not_while_it_is_constructed() {
    let mut directory = directory();
    let actor = id(DRIVER);
    register(&mut directory, actor, options(|_| {}));
    directory.create(spec(actor, options(|_| {})), &mut Vec::new());
    directory.placed(actor, WORKER, Vec::new(), &mut Vec::new());
    let released = brief(|out| directory.release(actor, Holder::Process(DRIVER), out));
    assert!(released.is_empty());
    let started = brief(|out| directory.started(WORKER, value(), out));
    assert_eq!(
        started,
        [
            "resolve value",
            "resolve error",
            "displace",
            "release 1",
            "release 7"
        ]
    );
    assert!(directory.records.is_empty() && directory.by_number.is_empty());
    assert!(directory.by_worker.is_empty());
}

#[test]
fn what_a_dead_process_made_ends_unless_it_is_detached() {
    let (mut directory, actor) = living(CREATOR, options(|options| options.max_restarts = -1));
    directory.hold(actor, Holder::Process(DRIVER));
    assert!(directory.has_dependents_of(CREATOR));
    let died = brief(|out| die(&mut directory, CREATOR, out));
    assert_eq!(died, ["resolve error", "displace", "release 1", "kill 3"]);

    let detached = options(|options| {
        options.detached = true;
        options.name = "counter".to_owned();
    });
    let (mut directory, actor) = living(CREATOR, detached);
    assert!(!directory.has_dependents_of(CREATOR));
    assert!(brief(|out| die(&mut directory, CREATOR, out)).is_empty());
    assert_eq!(
        directory
            .find("counter", "test", DRIVER)
            .map(|found| found.id),
        Some(actor)
    );
}

#[test]
fn a_detached_actor_whose_arguments_can_never_come_ends_with_its_creator() {
    let mut directory = directory();
    let actor = id(CREATOR);
    register(
        &mut directory,
        actor,
        options(|options| options.detached = true),
    );
    directory.connect(actor, CALLER, &mut Vec::new());
    let died = brief(|out| die(&mut directory, CREATOR, out));
    assert_eq!(
        died,
        ["resolve error", "tell 4 dead", "displace", "release 7"]
    );
}

#[test]
fn a_failed_actor_is_not_started_when_its_arguments_come_nevertheless() {
    let mut directory = directory();
    let actor = id(DRIVER);
    register(&mut directory, actor, options(|_| {}));
    let error = SystemError::new("ActorDiedError", "an argument failed");
    let failed = brief(|out| directory.fail(actor, error, out));
    assert_eq!(failed, ["resolve error", "displace"]);
    assert!(brief(|out| directory.create(spec(actor, options(|_| {})), out)).is_empty());
    assert!(!directory.placed(actor, WORKER, Vec::new(), &mut Vec::new()));
}

#[test]
fn every_change_passes_the_observer() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut directory = directory();
    let log = Arc::clone(&seen);
    directory.set_observer(Box::new(move |_, _, to| log.lock().unwrap().push(to)));
    let actor = id(DRIVER);
    register(&mut directory, actor, options(|_| {}));
    directory.create(spec(actor, options(|_| {})), &mut Vec::new());
    directory.placed(actor, WORKER, Vec::new(), &mut Vec::new());
    directory.started(WORKER, value(), &mut Vec::new());
    directory.kill(actor, false, &mut Vec::new());
    let expected = [
        ActorStage::Registered,
        ActorStage::Wanted,
        ActorStage::Starting,
        ActorStage::Alive,
        ActorStage::Dead,
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn what_a_process_held_stays_until_it_is_forgotten() {
    let (mut directory, actor) = living(DRIVER, options(|_| {}));
    directory.hold(actor, Holder::Process(CREATOR));
    directory.release(actor, Holder::Process(DRIVER), &mut Vec::new());
    let ended = brief(|out| directory.process_ended(CREATOR, &exit(CREATOR), out));
    assert!(ended.is_empty());
    // Who took the handle of the dead process holds it now.
    directory.hold(actor, Holder::Process(CALLER));
    assert!(brief(|out| directory.forget_process(CREATOR, out)).is_empty());
    assert_eq!(
        brief(|out| directory.connect(actor, CALLER, out)),
        ["connect 4 to 3"]
    );
    let released = brief(|out| directory.release(actor, Holder::Process(CALLER), out));
    assert_eq!(
        released,
        ["resolve error", "displace", "release 1", "release 7"]
    );
}

#[test]
fn who_names_an_actor_that_is_forgotten_is_told_that_it_is_dead() {
    let (mut directory, actor) = living(DRIVER, options(|_| {}));
    directory.release(actor, Holder::Process(DRIVER), &mut Vec::new());
    assert!(directory.records.is_empty());
    for _ in 0..2 {
        directory.hold(actor, Holder::Process(CALLER));
        let connected = brief(|out| directory.connect(actor, CALLER, out));
        assert_eq!(
            connected,
            ["tell 4 pending", "resolve error", "tell 4 dead"]
        );
        directory.release(actor, Holder::Process(CALLER), &mut Vec::new());
        assert!(directory.records.is_empty());
    }
    // One that is not registered yet is waited for.
    let next = ObjectId::local(DRIVER, 8);
    let connected = brief(|out| directory.connect(next, CALLER, out));
    assert_eq!(connected, ["tell 4 pending"]);
}

#[test]
fn what_a_process_made_that_ends_in_order_lives_on_with_its_handles() {
    let (mut directory, actor) = living(CREATOR, options(|_| {}));
    directory.hold(actor, Holder::Process(DRIVER));
    directory.adopt(CREATOR);
    assert!(!directory.has_dependents_of(CREATOR));
    assert!(directory.has_dependents_of(DRIVER));
    assert!(brief(|out| die(&mut directory, CREATOR, out)).is_empty());
    assert_eq!(directory.living(), 1);
    let released = brief(|out| directory.release(actor, Holder::Process(DRIVER), out));
    assert_eq!(
        released,
        ["resolve error", "displace", "release 1", "release 7"]
    );
    assert!(directory.made_by.is_empty());
}

#[test]
fn an_actor_whose_arguments_never_came_is_not_adopted() {
    let mut directory = directory();
    let actor = id(CREATOR);
    register(&mut directory, actor, options(|_| {}));
    directory.connect(actor, CALLER, &mut Vec::new());
    directory.adopt(CREATOR);
    let died = brief(|out| die(&mut directory, CREATOR, out));
    assert_eq!(
        died,
        ["resolve error", "tell 4 dead", "displace", "release 7"]
    );
}

#[test]
fn a_caller_whose_connection_was_lost_gets_another_one_to_a_living_actor_only() {
    let (mut directory, actor) = living(DRIVER, options(|_| {}));
    let nothing: Vec<String> = Vec::new();
    assert_eq!(
        brief(|out| directory.connect_again(actor, CALLER, out)),
        nothing
    );
    directory.connect(actor, CALLER, &mut Vec::new());
    assert_eq!(
        brief(|out| directory.connect_again(actor, CALLER, out)),
        ["tell 4 restarting ActorUnavailableError", "connect 4 to 3"]
    );
    directory.kill(actor, false, &mut Vec::new());
    assert_eq!(
        brief(|out| directory.connect_again(actor, CALLER, out)),
        nothing
    );
}
