//! A node whose workers are puppets: real processes that pass on what the raylet tells them, and tell it what the
//! test wants. So a test is one thread that plays every part, and a death is a real one.
//!
//! A test program that uses it has a test named `puppet` that calls [`play_puppet`].

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::VecDeque;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use eagleray_ipc::{ControlSocket, Received};
use eagleray_object_store::Segment;
use eagleray_protocol::{
    ActorId, ActorOptions, ActorSpec, ActorState, FromRaylet, NodeSummary, ObjectId, Outcome,
    Payload, ProcessNumber, ToRaylet, decode, encode,
};
use eagleray_raylet::{Configuration, RayletHandle, start};

/// Far beyond what anything here takes; only a defect waits for so long.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Names the socket on which the test waits for its puppets.
const STAGE_VARIABLE: &str = "EAGLERAY_TEST_STAGE";

/// What the test tells a puppet: the first byte of a frame.
const TELL: u8 = 0;
const EXIT: u8 = 1;
const WRITE_RAW: u8 = 2;

/// One end of a control socket, in this process.
pub struct Process {
    pub socket: ControlSocket,
    pub received: VecDeque<FromRaylet>,
    pub descriptors: Vec<OwnedFd>,
    pub open: bool,
    request: u64,
}

impl Process {
    pub fn new(fd: OwnedFd) -> Self {
        Self {
            socket: ControlSocket::from_fd(fd).unwrap(),
            received: VecDeque::new(),
            descriptors: Vec::new(),
            open: true,
            request: 1 << 40,
        }
    }

    pub fn tell(&mut self, message: ToRaylet) {
        self.socket.send(&encode(&message), &[]).unwrap();
    }

    pub fn next(&mut self) -> Option<FromRaylet> {
        while self.received.is_empty() && self.open {
            assert!(
                self.socket.wait_readable(Some(DEADLINE)).unwrap(),
                "nothing came"
            );
            self.take_in();
        }
        self.received.pop_front()
    }

    fn take_in(&mut self) {
        let (received, descriptors) = (&mut self.received, &mut self.descriptors);
        let state = self.socket.receive(|frame, fds| {
            received.push_back(decode(frame).unwrap());
            descriptors.extend(fds);
        });
        self.open = state.unwrap() == Received::Open;
    }

    /// Skips messages until one is wanted.
    pub fn expect<T>(&mut self, mut wanted: impl FnMut(&FromRaylet) -> Option<T>) -> T {
        let mut skipped = Vec::new();
        while let Some(message) = self.next() {
            if let Some(found) = wanted(&message) {
                return found;
            }
            skipped.push(message);
        }
        panic!("the raylet has gone; before that: {skipped:?}");
    }

    /// All that the raylet has to say by now.
    pub fn drain(&mut self) -> Vec<FromRaylet> {
        self.request += 1;
        let request = self.request;
        self.tell(ToRaylet::Synchronize { request });
        let mut seen = Vec::new();
        while let Some(message) = self.next() {
            if matches!(message, FromRaylet::Acknowledged { request: of } if of == request) {
                return seen;
            }
            seen.push(message);
        }
        panic!("the raylet has gone; before that: {seen:?}");
    }

    /// The node now. What came before the answer is kept.
    pub fn node(&mut self) -> NodeSummary {
        self.request += 1;
        let request = self.request;
        self.tell(ToRaylet::QueryNode { request });
        let mut kept = Vec::new();
        loop {
            match self.next().expect("the raylet is there") {
                FromRaylet::Node {
                    request: of,
                    summary,
                } if of == request => {
                    for message in kept.into_iter().rev() {
                        self.received.push_front(message);
                    }
                    return summary;
                }
                other => kept.push(other),
            }
        }
    }

    /// Asks for the node until it is as wanted.
    pub fn node_when(&mut self, wanted: impl Fn(&NodeSummary) -> bool) -> NodeSummary {
        let begun = std::time::Instant::now();
        loop {
            let summary = self.node();
            if wanted(&summary) {
                return summary;
            }
            assert!(begun.elapsed() < DEADLINE, "{summary:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A worker process that does what the test says.
pub struct Puppet {
    pub number: ProcessNumber,
    pub pid: u32,
    stage: UnixStream,
    heard: Receiver<FromRaylet>,
    kept: VecDeque<FromRaylet>,
    request: u64,
}

impl Puppet {
    fn command(&mut self, kind: u8, bytes: &[u8]) {
        let mut frame = (bytes.len() as u32 + 1).to_le_bytes().to_vec();
        frame.push(kind);
        frame.extend_from_slice(bytes);
        self.stage.write_all(&frame).unwrap();
    }

    pub fn tell(&mut self, message: ToRaylet) {
        self.command(TELL, &encode(&message));
    }

    /// Writes bytes into its control socket that are no frame.
    pub fn write_raw(&mut self, bytes: &[u8]) {
        self.command(WRITE_RAW, bytes);
    }

    /// Has it end by itself.
    pub fn exit(&mut self, code: u8) {
        self.command(EXIT, &[code]);
    }

    /// Kills it from outside.
    pub fn kill(&self) {
        let killed = std::process::Command::new("kill")
            .args(["-KILL", &self.pid.to_string()])
            .status();
        assert!(killed.unwrap().success());
    }

    /// The next message of the raylet; `None` when the process has ended.
    pub fn next(&mut self) -> Option<FromRaylet> {
        self.kept
            .pop_front()
            .or_else(|| match self.heard.recv_timeout(DEADLINE) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Disconnected) => None,
                Err(RecvTimeoutError::Timeout) => panic!("nothing came to {}", self.number),
            })
    }

    /// A message that has come by now.
    pub fn try_next(&mut self) -> Option<FromRaylet> {
        self.kept.pop_front().or_else(|| self.heard.try_recv().ok())
    }

    /// Skips messages until one is wanted.
    pub fn expect<T>(&mut self, mut wanted: impl FnMut(&FromRaylet) -> Option<T>) -> T {
        let mut skipped = Vec::new();
        while let Some(message) = self.next() {
            if let Some(found) = wanted(&message) {
                return found;
            }
            skipped.push(message);
        }
        panic!("{} has ended; before that: {skipped:?}", self.number);
    }

    /// Waits for its end.
    pub fn ended(&mut self) {
        while self.next().is_some() {}
    }

    /// All that the raylet has to say by now.
    pub fn drain(&mut self) -> Vec<FromRaylet> {
        self.request += 1;
        let request = self.request;
        self.tell(ToRaylet::Synchronize { request });
        let mut seen = Vec::new();
        while let Some(message) = self.next() {
            if matches!(message, FromRaylet::Acknowledged { request: of } if of == request) {
                return seen;
            }
            seen.push(message);
        }
        panic!("{} has ended; before that: {seen:?}", self.number);
    }

    /// Room in the store for `length` bytes.
    pub fn allocate(&mut self, length: u64) -> eagleray_object_store::Extent {
        self.request += 1;
        let (request, patient) = (self.request, false);
        self.tell(ToRaylet::Allocate {
            request,
            length,
            patient,
        });
        self.expect(|message| match message {
            FromRaylet::Granted {
                request: of,
                extent,
                ..
            } if *of == request => *extent,
            _ => None,
        })
    }

    /// Stores an object of its own, with nothing inside.
    pub fn seal(&mut self, sequence: u64, extent: eagleray_object_store::Extent) -> ObjectId {
        let id = ObjectId::local(self.number, sequence);
        self.tell(ToRaylet::Seal {
            request: 0,
            id,
            holder: self.number,
            extents: vec![extent],
            nested: Vec::new(),
        });
        id
    }

    /// Plays the actor that it is told to become.
    pub fn become_actor(&mut self) {
        self.expect(|message| matches!(message, FromRaylet::StartActor { .. }).then_some(()));
        self.tell(ToRaylet::ActorStarted {
            outcome: Outcome::value(Payload::inline(b"ready")),
        });
    }
}

/// A running node.
pub struct Node {
    pub driver: Process,
    pub raylet: RayletHandle,
    pub segment: Arc<Segment>,
    puppets: Receiver<Puppet>,
    pub pids: Vec<u32>,
}

/// What a node of puppets starts with: so many CPUs, and a store of a MiB.
pub fn configuration(cpus: f64) -> Configuration {
    Configuration {
        resources: vec![("CPU".to_owned(), cpus)],
        gpu_ids: Vec::new(),
        store_bytes: 1 << 20,
        program: std::env::current_exe().unwrap(),
        arguments: ["puppet", "--exact", "--nocapture"]
            .map(str::to_owned)
            .to_vec(),
        working_directory: std::env::temp_dir(),
        environment: std::env::vars().collect(),
        settings: String::new(),
        worker_start_timeout: std::time::Duration::from_secs(60),
        memory_room: || None,
        driver_pid: std::process::id(),
    }
}

/// Starts a node whose workers are puppets.
pub fn node_of_puppets(mut configuration: Configuration) -> Node {
    static STAGES: AtomicU32 = AtomicU32::new(0);
    let stage = STAGES.fetch_add(1, Ordering::Relaxed);
    let name = format!("eagleray-test-{}-{stage}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    let (sender, puppets) = channel();
    thread::spawn(move || {
        for stage in listener.incoming() {
            let (Ok(stage), sender) = (stage, sender.clone()) else {
                return;
            };
            thread::spawn(move || listen_to(stage, &sender));
        }
    });
    configuration
        .environment
        .push((STAGE_VARIABLE.to_owned(), name));
    let started = start(configuration).unwrap();
    let mut driver = Process::new(started.control);
    driver.expect(|message| matches!(message, FromRaylet::Welcome { .. }).then_some(()));
    Node {
        driver,
        raylet: started.raylet,
        segment: started.segment,
        puppets,
        pids: Vec::new(),
    }
}

/// Hands a puppet over when it is welcome, and then what it hears.
fn listen_to(mut stage: UnixStream, puppets: &Sender<Puppet>) {
    let Some(pid) = read_frame(&mut stage).and_then(|frame| frame.try_into().ok()) else {
        return;
    };
    let pid = u32::from_le_bytes(pid);
    let (sender, heard) = channel();
    let mut heard = Some(heard);
    while let Some(frame) = read_frame(&mut stage) {
        let message: FromRaylet = decode(&frame).unwrap();
        if let FromRaylet::Welcome { welcome } = &message {
            let puppet = Puppet {
                number: welcome.process,
                pid,
                stage: stage.try_clone().unwrap(),
                heard: heard.take().expect("one welcome"),
                kept: VecDeque::new(),
                request: 1 << 40,
            };
            // The test may have ended.
            let _ = puppets.send(puppet);
            continue;
        }
        if sender.send(message).is_err() {
            return;
        }
    }
}

fn read_frame(stage: &mut UnixStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stage.read_exact(&mut length).ok()?;
    let mut frame = vec![0; u32::from_le_bytes(length) as usize];
    stage.read_exact(&mut frame).ok()?;
    Some(frame)
}

impl Node {
    /// The next worker that has started, which is not ready yet.
    pub fn starting_puppet(&mut self) -> Puppet {
        let puppet = self.puppets.recv_timeout(DEADLINE).expect("a worker");
        self.pids.push(puppet.pid);
        puppet
    }

    /// The next worker that has started, and is ready.
    pub fn puppet(&mut self) -> Puppet {
        let mut puppet = self.starting_puppet();
        let pid = puppet.pid;
        puppet.tell(ToRaylet::Ready { pid });
        puppet
    }

    /// A worker that has started by now.
    pub fn try_starting_puppet(&mut self) -> Option<Puppet> {
        let puppet = self.puppets.try_recv().ok()?;
        self.pids.push(puppet.pid);
        Some(puppet)
    }

    /// Ends the node and checks that none of its processes is left.
    pub fn end(self) {
        self.raylet.stop();
        assert!(self.raylet.join(DEADLINE));
        for pid in self.pids {
            assert!(
                !Path::new(&format!("/proc/{pid}")).exists(),
                "{pid} is left"
            );
        }
    }

    /// Has the driver make an actor, which has no worker yet.
    pub fn create_actor(
        &mut self,
        sequence: u64,
        change: impl FnOnce(&mut ActorOptions),
    ) -> ActorId {
        let id = ObjectId::local(1, sequence);
        let (options, spec) = actor(id, change);
        self.driver.tell(ToRaylet::RegisterActor {
            request: 0,
            id,
            options,
            get_if_exists: false,
        });
        self.driver.tell(ToRaylet::CreateActor { spec });
        id
    }
}

/// Options and spec of an actor that holds nothing.
pub fn actor(id: ActorId, change: impl FnOnce(&mut ActorOptions)) -> (ActorOptions, ActorSpec) {
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
    (options, spec)
}

/// The connection, if a message says that an actor answers calls.
pub fn alive(message: &FromRaylet) -> Option<u32> {
    match message {
        FromRaylet::ActorChanged {
            state: ActorState::Alive { connection },
            ..
        } => Some(*connection),
        _ => None,
    }
}

/// The part of a worker process, when a test program is started as one: for the test named `puppet`.
pub fn play_puppet() {
    let Ok(name) = std::env::var(STAGE_VARIABLE) else {
        return;
    };
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    // A test that has ended has no use for puppets.
    let Ok(mut stage) = UnixStream::connect_addr(&address) else {
        std::process::exit(0);
    };
    let mut control =
        ControlSocket::from_fd(io::stdin().as_fd().try_clone_to_owned().unwrap()).unwrap();
    say(&mut stage, &std::process::id().to_le_bytes());
    loop {
        let ready = eagleray_ipc::wait(&[control.fd(), stage.as_fd()], None).unwrap();
        if ready & 1 != 0 {
            let mut frames = Vec::new();
            let state = control.receive(|frame, _| frames.push(frame.to_vec()));
            for frame in frames {
                say(&mut stage, &frame);
            }
            if !matches!(state, Ok(Received::Open)) {
                std::process::exit(0);
            }
        }
        if ready & 2 != 0 {
            let Some(frame) = read_frame(&mut stage) else {
                std::process::exit(0);
            };
            match frame[0] {
                TELL => control.send(&frame[1..], &[]).unwrap(),
                EXIT => std::process::exit(i32::from(frame[1])),
                _ => {
                    let raw = control.fd().try_clone_to_owned().unwrap();
                    std::fs::File::from(raw).write_all(&frame[1..]).unwrap();
                }
            }
        }
    }
}

fn say(stage: &mut UnixStream, frame: &[u8]) {
    let mut bytes = (frame.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(frame);
    if stage.write_all(&bytes).is_err() {
        std::process::exit(0);
    }
}
