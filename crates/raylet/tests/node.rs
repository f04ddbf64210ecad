//! A whole node: a raylet, this test as its driver, and real worker processes, which are this program
//! started anew.

use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use eagleray_ipc::{ControlSocket, Received};
use eagleray_protocol::{
    ActorOptions, ActorSpec, ActorState, FromRaylet, Nested, NestedKind, ObjectId, Outcome,
    Payload, Status, ToRaylet, decode, encode,
};
use eagleray_raylet::{Configuration, RayletHandle, start};

/// Far beyond what anything here takes; only a defect waits for so long.
const DEADLINE: Duration = Duration::from_secs(60);

const WORKER_VARIABLE: &str = "EAGLERAY_TEST_WORKER";

/// Both ends of the protocol, for the driver and for workers.
struct Process {
    socket: ControlSocket,
    received: std::collections::VecDeque<FromRaylet>,
    descriptors: Vec<OwnedFd>,
    open: bool,
}

impl Process {
    fn new(fd: OwnedFd) -> Self {
        Self {
            socket: ControlSocket::from_fd(fd).unwrap(),
            received: std::collections::VecDeque::new(),
            descriptors: Vec::new(),
            open: true,
        }
    }

    fn tell(&mut self, message: ToRaylet) {
        self.socket.send(&encode(&message), &[]).unwrap();
    }

    fn next(&mut self) -> Option<FromRaylet> {
        while self.received.is_empty() && self.open {
            assert!(
                self.socket.wait_readable(Some(DEADLINE)).unwrap(),
                "nothing came"
            );
            let (received, descriptors) = (&mut self.received, &mut self.descriptors);
            let state = self.socket.receive(|frame, fds| {
                received.push_back(decode(frame).unwrap());
                descriptors.extend(fds);
            });
            self.open = state.unwrap() == Received::Open;
        }
        self.received.pop_front()
    }

    /// Skips messages until one is wanted.
    fn expect<T>(&mut self, mut wanted: impl FnMut(&FromRaylet) -> Option<T>) -> T {
        let mut skipped = Vec::new();
        while let Some(message) = self.next() {
            if let Some(found) = wanted(&message) {
                return found;
            }
            skipped.push(message);
        }
        panic!("the raylet has gone; before that: {skipped:?}");
    }
}

/// The part of a worker, when this program is started as one.
#[test]
fn worker() {
    let Ok(behaviour) = std::env::var(WORKER_VARIABLE) else {
        return;
    };
    let mut process = Process::new(io::stdin().as_fd().try_clone_to_owned().unwrap());
    match process.next() {
        Some(FromRaylet::Welcome { .. }) => assert_eq!(process.descriptors.len(), 3),
        other => panic!("{other:?} instead of a welcome"),
    }
    let pid = std::process::id();
    process.tell(ToRaylet::Ready { pid });
    if behaviour == "in order" || behaviour == "stuck" {
        process.tell(ToRaylet::EndsInOrder { wanted: true });
    }
    println!("\x1eeagleray-name:square");
    println!("ready");
    while let Some(message) = process.next() {
        match message {
            FromRaylet::Exit {} => std::process::exit(0),
            FromRaylet::RuntimeEnds {} if behaviour == "in order" => {
                // More than a pipe holds: somebody has to read it meanwhile.
                println!("{}", "x".repeat(200_000));
                println!("in order");
                std::process::exit(0);
            }
            FromRaylet::ConnectionOpened { spec } if spec.executor && behaviour == "crash" => {
                eprintln!("the last words");
                print!("an unfinished line");
                io::stdout().flush().unwrap();
                std::process::exit(3);
            }
            FromRaylet::CancelTask { force: true, .. } if behaviour != "deaf" => {
                process.tell(ToRaylet::StaysAlive {});
            }
            FromRaylet::StartActor { .. } if behaviour == "throw" => std::process::exit(4),
            FromRaylet::StartActor { .. } => process.tell(ToRaylet::ActorStarted {
                outcome: Outcome::value(Payload::inline(b"ready")),
            }),
            _ => {}
        }
    }
}

struct Node {
    driver: Process,
    raylet: RayletHandle,
}

fn node(behaviour: &str) -> Node {
    let mut environment: Vec<(String, String)> = std::env::vars().collect();
    environment.push((WORKER_VARIABLE.to_owned(), behaviour.to_owned()));
    let started = start(Configuration {
        resources: vec![("CPU".to_owned(), 2.0)],
        gpu_ids: Vec::new(),
        store_bytes: 1 << 20,
        program: std::env::current_exe().unwrap(),
        arguments: ["worker", "--exact", "--nocapture"]
            .map(str::to_owned)
            .to_vec(),
        working_directory: std::env::temp_dir(),
        environment,
        settings: "{\"a\":1}".to_owned(),
        worker_start_timeout: std::time::Duration::from_secs(60),
        memory_room: || None,
        driver_pid: std::process::id(),
    })
    .unwrap();
    let mut driver = Process::new(started.control);
    let welcome = driver.expect(|message| match message {
        FromRaylet::Welcome { welcome } => Some(welcome.clone()),
        _ => None,
    });
    assert_eq!((welcome.process, welcome.cpus), (1, 2));
    assert_eq!(welcome.settings, "{\"a\":1}");
    assert_eq!(driver.descriptors.len(), 3);
    let raylet = started.raylet;
    Node { driver, raylet }
}

impl Node {
    /// Ends the node and checks that none of these processes is left.
    fn end(self, pids: &[u32]) {
        self.raylet.stop();
        assert!(self.raylet.join(DEADLINE));
        for pid in pids {
            assert!(
                !Path::new(&format!("/proc/{pid}")).exists(),
                "{pid} is left"
            );
        }
    }
}

fn want(driver: &mut Process, resources: &[(&str, f64)]) {
    let resources = resources
        .iter()
        .map(|&(name, value)| (name.to_owned(), value));
    let (class, environment, wanted) = (0, 0, 1);
    driver.tell(ToRaylet::DeclareClass {
        class,
        resources: resources.collect(),
        environment,
    });
    driver.tell(ToRaylet::LeasesWanted { class, wanted });
}

fn actor(max_restarts: i64) -> (ObjectId, ActorOptions, ActorSpec) {
    let id = ObjectId::local(1, 1);
    let options = ActorOptions {
        class_name: "Counter".to_owned(),
        name: "counter".to_owned(),
        namespace: "test".to_owned(),
        detached: false,
        max_restarts,
        placement: vec![("CPU".to_owned(), 1.0)],
        held: Vec::new(),
        environment: 0,
        max_concurrency: 1,
        methods: Vec::new(),
        handle: "{}".to_owned(),
    };
    let spec = ActorSpec {
        id,
        class: [0; 16],
        export: Payload::inline(b"class"),
        export_object: None,
        arguments: Box::default(),
        argument_count: 0,
        holds: Vec::new(),
        options: options.clone(),
    };
    (id, options, spec)
}

fn create(driver: &mut Process, max_restarts: i64) -> ObjectId {
    let (id, options, spec) = actor(max_restarts);
    let (request, get_if_exists) = (1, false);
    driver.tell(ToRaylet::RegisterActor {
        request,
        id,
        options,
        get_if_exists,
    });
    driver.expect(|message| match message {
        FromRaylet::ActorCreated { refused, .. } => (!refused).then_some(()),
        _ => None,
    });
    driver.tell(ToRaylet::CreateActor { spec });
    driver.tell(ToRaylet::ConnectActor { actor: id });
    id
}

fn alive(driver: &mut Process) -> u32 {
    driver.expect(|message| match message {
        FromRaylet::ActorChanged {
            state: ActorState::Alive { connection },
            ..
        } => Some(*connection),
        _ => None,
    })
}

/// Ends the runtime as a driver does; how many lines "in order" came before its end.
fn lines_at_the_end(behaviour: &str) -> usize {
    let mut node = node(behaviour);
    let mut ready = 0;
    while ready < 2 {
        node.driver.expect(|message| match message {
            FromRaylet::Output { text, .. } if text == "ready" => Some(()),
            _ => None,
        });
        ready += 1;
    }
    node.driver.tell(ToRaylet::Shutdown {});
    let mut lines = 0;
    while let Some(message) = node.driver.next() {
        if matches!(&message, FromRaylet::Output { text, .. } if text == "in order") {
            lines += 1;
        }
    }
    assert!(node.raylet.join(DEADLINE));
    lines
}

#[test]
fn workers_that_have_something_to_do_at_the_end_of_the_runtime_do_it() {
    assert_eq!(lines_at_the_end("in order"), 2);
    assert_eq!(lines_at_the_end("good"), 0);
}

#[test]
fn a_worker_that_does_not_end_with_the_runtime_is_ended() {
    assert_eq!(lines_at_the_end("stuck"), 0);
}

#[test]
fn a_lease_comes_with_its_connection_and_the_worker_ends_with_the_node() {
    let mut node = node("good");
    let line = node.driver.expect(|message| match message {
        FromRaylet::Output {
            pid, name, text, ..
        } if text == "ready" => Some((*pid, name.clone())),
        _ => None,
    });
    assert_eq!(line.1, "square");
    want(&mut node.driver, &[("CPU", 1.0)]);
    let spec = node.driver.expect(|message| match message {
        FromRaylet::ConnectionOpened { spec } => Some(spec.clone()),
        _ => None,
    });
    assert_eq!(node.driver.descriptors.len(), 4, "the peer's doorbell");
    assert!(!spec.executor);
    let (lease, worker) = node.driver.expect(|message| match message {
        FromRaylet::LeaseGranted {
            lease,
            connection,
            worker,
            ..
        } if *connection == spec.connection => Some((*lease, *worker)),
        _ => None,
    });
    assert_eq!(worker, spec.peer);
    let retire = false;
    node.driver.tell(ToRaylet::ReturnLease { lease, retire });
    node.driver.tell(ToRaylet::QueryNode { request: 5 });
    let summary = node.driver.expect(|message| match message {
        FromRaylet::Node { summary, .. } => Some(summary.clone()),
        _ => None,
    });
    assert_eq!(summary.available, [("CPU".to_owned(), 2.0)]);
    node.end(&[line.0, spec.peer_pid]);
}

#[test]
fn a_crash_is_told_with_its_exit_code_and_last_words() {
    let mut node = node("crash");
    want(&mut node.driver, &[("CPU", 1.0)]);
    let mut printed = Vec::new();
    let exit = node.driver.expect(|message| match message {
        FromRaylet::ConnectionLost { exit, .. } => Some(exit.clone()),
        FromRaylet::Output { text, .. } => {
            printed.push(text.clone());
            None
        }
        _ => None,
    });
    assert_eq!((exit.code, exit.signal), (Some(3), None));
    assert_eq!(exit.stderr_tail, ["the last words"]);
    assert!(
        printed.contains(&"an unfinished line".to_owned()),
        "{printed:?}"
    );
    node.driver
        .expect(|message| matches!(message, FromRaylet::LeaseLost { .. }).then_some(()));
    node.end(&[exit.pid]);
}

/// Grants a lease and cancels a task on it with force; who holds it, and where.
fn cancel_with_force(driver: &mut Process) -> (u64, u32) {
    want(driver, &[("CPU", 1.0)]);
    let (lease, worker) = driver.expect(|message| match message {
        FromRaylet::LeaseGranted { lease, worker, .. } => Some((*lease, *worker)),
        _ => None,
    });
    driver.tell(ToRaylet::Cancel {
        worker,
        task: ObjectId::local(1, 1),
        force: true,
        recursive: true,
    });
    (lease, worker)
}

#[test]
fn a_worker_that_does_not_answer_a_forced_cancellation_is_killed() {
    let mut node = node("deaf");
    let (granted, _) = cancel_with_force(&mut node.driver);
    let exit = node.driver.expect(|message| match message {
        FromRaylet::ConnectionLost { exit, .. } => Some(exit.clone()),
        _ => None,
    });
    assert_eq!(exit.signal, Some(9));
    assert!(exit.reason.contains("did not answer"), "{}", exit.reason);
    node.driver.expect(|message| match message {
        FromRaylet::LeaseLost { lease } => {
            assert_eq!(*lease, granted);
            Some(())
        }
        _ => None,
    });
    node.end(&[exit.pid]);
}

#[test]
fn what_the_node_can_never_have_is_refused() {
    let mut node = node("good");
    want(&mut node.driver, &[("CPU", 3.0)]);
    let error = node.driver.expect(|message| match message {
        FromRaylet::ClassRefused { error, .. } => Some(error.clone()),
        _ => None,
    });
    assert_eq!(error.kind, "InfeasibleResourcesError");
    assert_eq!(
        error.details,
        "{\"asked\":{\"CPU\":3},\"total\":{\"CPU\":2}}"
    );
    node.end(&[]);
}

#[test]
fn a_killed_actor_restarts_once_and_then_is_dead() {
    let mut node = node("good");
    let actor = create(&mut node.driver, 1);
    let first = alive(&mut node.driver);
    let (id, may_restart) = (actor, true);
    node.driver.tell(ToRaylet::KillActor {
        actor: id,
        may_restart,
    });
    let exit = node.driver.expect(|message| match message {
        FromRaylet::ConnectionLost { connection, exit } if *connection == first => {
            Some(exit.clone())
        }
        _ => None,
    });
    assert_eq!(exit.signal, Some(9));
    node.driver
        .tell(ToRaylet::CloseConnection { connection: first });
    node.driver.expect(|message| {
        let restarting = |state: &ActorState| matches!(state, ActorState::Restarting { error } if error.kind == "ActorUnavailableError");
        matches!(message, FromRaylet::ActorChanged { state, .. } if restarting(state)).then_some(())
    });
    assert_ne!(alive(&mut node.driver), first);
    node.driver.tell(ToRaylet::KillActor {
        actor: id,
        may_restart: false,
    });
    let error = node.driver.expect(|message| match message {
        FromRaylet::ActorChanged {
            state: ActorState::Dead { error },
            ..
        } => Some(error.clone()),
        _ => None,
    });
    assert_eq!(error.kind, "ActorDiedError");
    assert!(error.details.contains("it was killed"), "{}", error.details);
    node.end(&[exit.pid]);
}

#[test]
fn a_process_that_ends_in_the_constructor_uses_up_the_restarts() {
    let mut node = node("throw");
    let id = create(&mut node.driver, 1);
    node.driver.tell(ToRaylet::Hold {
        request: 0,
        items: vec![Nested {
            kind: NestedKind::Ref,
            id,
        }],
    });
    node.driver.tell(ToRaylet::Subscribe { id });
    let outcome = node.driver.expect(|message| match message {
        FromRaylet::ObjectReady { outcome, .. } => Some(outcome.clone()),
        _ => None,
    });
    let error: eagleray_protocol::SystemError = decode(&outcome.payload.meta).unwrap();
    assert_eq!(error.kind, "ActorDiedError");
    assert!(
        error.details.contains("\"exitCode\":4"),
        "{}",
        error.details
    );
    node.end(&[]);
}

#[test]
fn sealed_objects_fill_the_store_until_they_are_released() {
    let mut node = node("good");
    let driver = &mut node.driver;
    let (length, patient) = (1 << 20, true);
    driver.tell(ToRaylet::Allocate {
        request: 1,
        length,
        patient,
    });
    let granted = |message: &FromRaylet| match message {
        FromRaylet::Granted { extent, error, .. } => Some((*extent, error.clone())),
        _ => None,
    };
    let (extent, _) = driver.expect(granted);
    // More than half of the store is in use. Who was asked is not asked again before it has answered.
    driver.expect(|message| matches!(message, FromRaylet::CollectGarbage {}).then_some(()));
    driver.tell(ToRaylet::Collected {});
    let id = ObjectId::local(1, 1);
    driver.tell(ToRaylet::Seal {
        request: 2,
        id,
        holder: 1,
        extents: vec![extent.unwrap()],
        nested: Vec::new(),
    });
    driver
        .expect(|message| matches!(message, FromRaylet::Acknowledged { request: 2 }).then_some(()));
    driver.tell(ToRaylet::Allocate {
        request: 3,
        length,
        patient: false,
    });
    let error = driver.expect(granted).1.unwrap();
    assert_eq!(error.kind, "ObjectStoreFullError");
    driver.tell(ToRaylet::Allocate {
        request: 4,
        length,
        patient,
    });
    driver.expect(|message| matches!(message, FromRaylet::CollectGarbage {}).then_some(()));
    let kind = NestedKind::Ref;
    driver.tell(ToRaylet::Release {
        items: vec![Nested { kind, id }],
    });
    assert_eq!(driver.expect(granted).0, extent);
    node.end(&[]);
}

#[test]
fn errors_that_nobody_has_looked_at_are_told_before_the_answer() {
    let mut node = node("good");
    let driver = &mut node.driver;
    let outcome = || {
        Some(Outcome {
            status: Status::UserError,
            payload: Payload::inline(b"thrown"),
        })
    };
    let [seen, unseen, shared, twin] = [1, 2, 3, 4].map(|sequence| ObjectId::local(1, sequence));
    let ids = vec![shared, twin];
    for id in [seen, unseen, shared, twin] {
        driver.tell(ToRaylet::Publish { id, outcome: None });
    }
    driver.tell(ToRaylet::OneError { ids });
    for id in [seen, unseen, shared, twin] {
        let outcome = outcome();
        driver.tell(ToRaylet::Publish { id, outcome });
    }
    driver.tell(ToRaylet::ErrorsSeen { ids: vec![seen] });
    driver.tell(ToRaylet::ReportUnseen { request: 1 });
    let mut told = Vec::new();
    driver.expect(|message| match message {
        FromRaylet::ErrorUnseen { id, outcome } => {
            assert_eq!(outcome.status, Status::UserError);
            told.push(id.sequence);
            None
        }
        FromRaylet::Acknowledged { request: 1 } => Some(()),
        _ => None,
    });
    assert_eq!(told, [2, 3]);
    // Whoever lets go of them later hears nothing more.
    let items = [seen, unseen, shared, twin].map(|id| Nested {
        kind: NestedKind::Ref,
        id,
    });
    driver.tell(ToRaylet::Release {
        items: items.to_vec(),
    });
    driver.tell(ToRaylet::Synchronize { request: 2 });
    driver.expect(|message| match message {
        FromRaylet::ErrorUnseen { id, .. } => panic!("{id:?} was told again"),
        FromRaylet::Acknowledged { request: 2 } => Some(()),
        _ => None,
    });
    node.end(&[]);
}

#[test]
fn nonsense_from_the_driver_and_its_end_both_end_the_node() {
    let mut nonsense = node("good");
    nonsense.driver.socket.send(&[255, 1, 2], &[]).unwrap();
    nonsense.driver.expect(|message| match message {
        FromRaylet::Output { name, text, .. } if name == "eagleray" => text
            .starts_with("the runtime has to end: the raylet can't serve the driver")
            .then_some(()),
        _ => None,
    });
    assert!(nonsense.raylet.join(DEADLINE));
    let gone = node("good");
    drop(gone.driver);
    assert!(gone.raylet.join(DEADLINE));
}

/// A node whose workers are shells, which never are ready.
fn workers_of_a_shell() -> Configuration {
    Configuration {
        resources: vec![("CPU".to_owned(), 1.0)],
        gpu_ids: Vec::new(),
        store_bytes: 1 << 20,
        program: "/bin/sh".into(),
        arguments: Vec::new(),
        working_directory: std::env::temp_dir(),
        environment: Vec::new(),
        settings: String::new(),
        worker_start_timeout: std::time::Duration::from_secs(60),
        memory_room: || None,
        driver_pid: std::process::id(),
    }
}

#[test]
fn workers_that_can_not_start_are_an_error_and_no_endless_loop() {
    let started = start(Configuration {
        arguments: ["-c", "echo no such module >&2; exit 5"]
            .map(str::to_owned)
            .to_vec(),
        ..workers_of_a_shell()
    })
    .unwrap();
    let mut driver = Process::new(started.control);
    want(&mut driver, &[("CPU", 1.0)]);
    let error = driver.expect(|message| match message {
        FromRaylet::ClassRefused { error, .. } => Some(error.clone()),
        _ => None,
    });
    assert_eq!(error.kind, "WorkerCrashedError");
    assert!(
        error.message.ends_with("\nno such module"),
        "{}",
        error.message
    );
    assert!(
        error.details.contains("\"exitCode\":5"),
        "{}",
        error.details
    );
    started.raylet.stop();
    assert!(started.raylet.join(DEADLINE));
}

#[test]
fn a_working_directory_that_is_gone_is_named_once() {
    let started = start(Configuration {
        working_directory: "/such/a/directory/is/not/there".into(),
        ..workers_of_a_shell()
    })
    .unwrap();
    let mut driver = Process::new(started.control);
    want(&mut driver, &[("CPU", 1.0)]);
    let mut lines = Vec::new();
    let error = driver.expect(|message| match message {
        FromRaylet::ClassRefused { error, .. } => Some(error.clone()),
        FromRaylet::Output { text, .. } => {
            lines.push(text.clone());
            None
        }
        _ => None,
    });
    let reason = "its working directory /such/a/directory/is/not/there does not exist";
    assert!(error.message.ends_with(reason), "{}", error.message);
    // Tried several times, it is printed once.
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].ends_with(reason), "{lines:?}");
    started.raylet.stop();
    assert!(started.raylet.join(DEADLINE));
}
