//! Tasks and actors as this process submits and controls them.

use eagleray_protocol::{
    ActorId, ActorOptions, ActorSpec, FromRaylet, FunctionId, NamedActor, NodeSummary, ObjectId,
    Payload, SystemError, ToRaylet,
};

use super::CoreWorker;
use crate::handle::{ActorNumber, Handle};
use crate::operations::{self, Operation};
use crate::submitter::Template;

/// What `create_actor` needs besides the arguments.
pub struct NewActor {
    /// Sequence number of the ref that resolves when it is ready.
    pub sequence: u64,
    /// The exported class.
    pub class: FunctionId,
    /// Its envelope.
    pub export: Payload,
    /// The object that owns the envelope's extents.
    pub export_object: Option<ObjectId>,
    /// Options.
    pub options: ActorOptions,
    /// Look for one of that name first.
    pub get_if_exists: bool,
}

/// Why no actor was created.
#[derive(Debug)]
pub enum CreationRefused {
    /// One of that name is there, and is wanted instead.
    Exists(NamedActor),
    /// One of that name is there.
    NameTaken,
    /// The runtime has ended.
    RayletGone,
    /// A defect of the SDK.
    Malformed,
}

impl CoreWorker {
    /// The number of a scheduling class.
    pub fn declare_class(
        &self,
        resources: Vec<(String, f64)>,
        environment: u32,
        pipelined: bool,
    ) -> u32 {
        let mut core = self.lock();
        core.submitter
            .declare_class(resources, environment, pipelined)
    }

    /// The number of a template, with one more user. `export` is the object that holds its function, and is held while
    /// the template is used.
    pub fn declare_template(&self, template: Template, export: Handle) -> u32 {
        let mut core = self.lock();
        let core = &mut *core;
        core.submitter
            .declare_template(template, export, &mut core.objects)
    }

    /// A template has one user less. When it has none, and its tasks have ended, its function is forgotten here and
    /// by every process that has it.
    pub fn release_template(&self, template: u32) {
        self.with(|core| {
            core.take_submissions();
            core.submitter
                .release_template(template, &mut core.objects, &mut core.out);
        });
    }

    /// The number of an environment.
    pub fn declare_environment(
        &self,
        variables: Vec<(String, String)>,
    ) -> Result<u32, SystemError> {
        self.request(
            |request| ToRaylet::DeclareEnvironment { request, variables },
            |answer| match answer {
                FromRaylet::Environment { number, error, .. } => {
                    Some(error.map_or(Ok(number), Err))
                }
                _ => None,
            },
        )?
    }

    /// Creates an actor; `record` is the submission of its creation. The raylet knows it (and its name) from now on;
    /// its constructor's arguments follow when they are there.
    pub fn create_actor(
        &self,
        new: NewActor,
        record: &[u8],
    ) -> Result<ActorNumber, CreationRefused> {
        let id = ObjectId::local(self.process(), new.sequence);
        let is_ordered = new.options.max_concurrency <= 1;
        let register = |request| ToRaylet::RegisterActor {
            request,
            id,
            options: new.options.clone(),
            get_if_exists: new.get_if_exists,
        };
        let mut core = self.lock();
        core.take_submissions();
        core.drive();
        if new.options.name.is_empty() {
            core.link.tell(&register(0));
        } else {
            let request = core.link.ask(register);
            match self.answer(core, request) {
                Some(FromRaylet::ActorCreated {
                    existing: Some(existing),
                    ..
                }) => return Err(CreationRefused::Exists(existing)),
                Some(FromRaylet::ActorCreated { refused: false, .. }) => {}
                Some(FromRaylet::ActorCreated { .. }) => return Err(CreationRefused::NameTaken),
                _ => return Err(CreationRefused::RayletGone),
            }
            core = self.lock();
        }
        let state = &mut *core;
        let actor = state
            .objects
            .actor_number(id, is_ordered, true, &mut state.out);
        state.submitter.begin_creation(
            actor,
            ActorSpec {
                id,
                class: new.class,
                export: new.export,
                export_object: new.export_object,
                arguments: Box::default(),
                argument_count: 0,
                holds: Vec::new(),
                options: new.options,
            },
        );
        let Some(Operation::Submit { submission, token }) = operations::submission(record, actor)
        else {
            return Err(CreationRefused::Malformed);
        };
        core.submit(submission, token)
            .ok_or(CreationRefused::Malformed)?;
        core.attention.turn_goes_on(true);
        self.finish_call(&mut core);
        Ok(actor)
    }

    /// The number of an actor that this process was given a handle of.
    pub fn actor_handle(&self, id: ActorId, ordered: bool) -> ActorNumber {
        let mut core = self.lock();
        let core = &mut *core;
        core.objects.actor_number(id, ordered, false, &mut core.out)
    }

    /// The calls that this process made of an actor and that are open, by their sequence numbers.
    pub fn open_calls(&self, actor: ActorNumber) -> Vec<u64> {
        self.with(|core| {
            core.pump();
            core.submitter.open_calls(actor)
        })
    }

    /// Ends an actor at once.
    pub fn kill_actor(&self, actor: ActorId, may_restart: bool) {
        self.with(|core| {
            core.take_submissions();
            core.out.tell(ToRaylet::KillActor { actor, may_restart });
        });
        // The name is free and calls fail from here on, also for this process's next call.
        let _ = self.synchronize();
    }

    /// Looks an actor up by its name.
    pub fn find_actor(
        &self,
        name: String,
        namespace: String,
    ) -> Result<Option<NamedActor>, SystemError> {
        self.request(
            |request| ToRaylet::FindActor {
                request,
                name,
                namespace,
            },
            |answer| match answer {
                FromRaylet::FoundActor { actor, .. } => Some(actor),
                _ => None,
            },
        )
    }

    /// Cancels the task that makes an object. False if that is refused: a call of an actor can't be
    /// forced, because its process is not the call's alone.
    pub fn cancel(&self, handle: Handle, force: bool, recursive: bool) -> bool {
        self.with(|core| {
            core.pump();
            let Some(id) = core.objects.id(handle) else {
                return true;
            };
            if force && core.submitter.is_call(handle, &core.objects) {
                return false;
            }
            if id.owner == core.process {
                core.cancel(handle, force, recursive);
            } else {
                core.out.tell(ToRaylet::Cancel {
                    worker: id.owner,
                    task: id,
                    force,
                    recursive,
                });
            }
            true
        })
    }

    /// The state of the node.
    pub fn node(&self) -> Result<NodeSummary, SystemError> {
        self.request(
            |request| ToRaylet::QueryNode { request },
            |answer| match answer {
                FromRaylet::Node { summary, .. } => Some(summary),
                _ => None,
            },
        )
    }

    /// Returns once the raylet has done all that this process asked before.
    pub fn synchronize(&self) -> Result<(), SystemError> {
        self.request(
            |request| ToRaylet::Synchronize { request },
            |answer| matches!(answer, FromRaylet::Acknowledged { .. }).then_some(()),
        )
    }
}
