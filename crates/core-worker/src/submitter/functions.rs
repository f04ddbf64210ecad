//! Functions that this process has exported, and the templates of tasks that run them.
//!
//! - **FU-1:** what a function's export needs is pinned while a template of it is used: by a remote function of
//!   JavaScript, or by a task that is not done. Then it is let go of, and every peer that has it is told to forget it.
//! - **FU-2:** the frame of an export is made once, when it is first sent.
//! - **FU-3:** what a forgotten function holds stays until each peer that has it has answered: it may not have come to
//!   the frame that brought it, or not have said to the raylet what it keeps of it.

use eagleray_object_store::Extent;
use eagleray_protocol::frames::{FUNCTION, SPILLED};
use eagleray_protocol::{FunctionId, ObjectId, Payload};
use rustc_hash::FxHashMap;

use super::frame::{FRAME_INLINE_MAX, spilled_frame};
use crate::handle::{Handle, NO_SLOT, PeerSlot, TaskKey};

/// What all calls of a remote function with the same options have in common.
#[derive(Debug)]
pub struct Template {
    /// The exported function.
    pub function: FunctionId,
    /// What errors call its tasks.
    pub name: String,
    /// Its envelope.
    pub export: Payload,
    /// The object that owns the envelope's extents, if it has any.
    pub export_object: Option<ObjectId>,
    /// Scheduling class.
    pub class: u32,
    /// Repetitions after a crash or a retryable error; -1 is without limit.
    pub max_retries: i64,
}

/// A template in its table.
struct Entry {
    function: u32,
    name: String,
    class: u32,
    max_retries: i64,
    /// Remote functions of JavaScript.
    users: u32,
    /// Tasks that are not done.
    tasks: u32,
}

/// The frame that exports a function.
pub(super) enum Export {
    /// Nobody has needed it.
    Unmade,
    /// It is too long for a ring and waits for room; so do these tasks.
    WaitsForRoom(Vec<TaskKey>),
    /// It can be sent.
    Made {
        kind: u32,
        bytes: Box<[u8]>,
        /// Where the content is, if it is in the store.
        extent: Option<Extent>,
    },
}

struct Function {
    id: FunctionId,
    payload: Payload,
    object: Option<ObjectId>,
    /// What keeps the envelope.
    handle: Handle,
    templates: u32,
    export: Export,
}

/// What is left of a function after its last use.
pub(super) struct Forgotten {
    /// Its number, free from now on.
    pub(super) number: u32,
    pub(super) id: FunctionId,
    /// The pin on its envelope.
    pub(super) handle: Handle,
    /// Where its frame was.
    pub(super) extent: Option<Extent>,
    /// Peers use what it holds, or read its frame where it is.
    pub(super) is_shared: bool,
}

/// A forgotten function of which these peers have not said that they are done with it (FU-3).
struct Parting {
    peers: Vec<PeerSlot>,
    rest: Forgotten,
}

/// All of them.
#[derive(Default)]
pub(super) struct Functions {
    templates: Vec<Option<Entry>>,
    free_templates: Vec<u32>,
    /// By function, class and repetitions.
    template_numbers: FxHashMap<(FunctionId, u32, i64), u32>,
    functions: Vec<Option<Function>>,
    free_functions: Vec<u32>,
    function_numbers: FxHashMap<FunctionId, u32>,
    partings: Vec<Parting>,
}

impl Functions {
    /// The number of a template, with one more user; equal ones share it, so that options made anew for each call cost
    /// nothing. `handle` is what keeps the envelope; it has to be pinned if the second item says so.
    pub(super) fn declare(&mut self, template: Template, handle: Handle) -> (u32, bool) {
        let key = (template.function, template.class, template.max_retries);
        if let Some(&number) = self.template_numbers.get(&key)
            && let Some(Some(entry)) = self.templates.get_mut(number as usize)
        {
            entry.users += 1;
            return (number, false);
        }
        let known = self.function_numbers.get(&template.function).copied();
        let function = known.unwrap_or_else(|| {
            self.free_functions.pop().unwrap_or_else(|| {
                self.functions.push(None);
                (self.functions.len() - 1) as u32
            })
        });
        match &mut self.functions[function as usize] {
            Some(entry) => entry.templates += 1,
            empty => {
                self.function_numbers.insert(template.function, function);
                *empty = Some(Function {
                    id: template.function,
                    payload: template.export,
                    object: template.export_object,
                    handle,
                    templates: 1,
                    export: Export::Unmade,
                });
            }
        }
        let entry = Entry {
            function,
            name: template.name,
            class: template.class,
            max_retries: template.max_retries,
            users: 1,
            tasks: 0,
        };
        let number = match self.free_templates.pop() {
            Some(free) => {
                self.templates[free as usize] = Some(entry);
                free
            }
            None => {
                self.templates.push(Some(entry));
                (self.templates.len() - 1) as u32
            }
        };
        self.template_numbers.insert(key, number);
        (number, known.is_none())
    }

    fn template(&self, template: u32) -> Option<&Entry> {
        self.templates.get(template as usize)?.as_ref()
    }

    /// The scheduling class of a template.
    #[inline]
    pub(super) fn class(&self, template: u32) -> Option<u32> {
        self.template(template).map(|entry| entry.class)
    }

    /// The repetitions of a template's tasks.
    #[inline]
    pub(super) fn max_retries(&self, template: u32) -> Option<i64> {
        self.template(template).map(|entry| entry.max_retries)
    }

    /// What errors call the tasks of a template.
    pub(super) fn name(&self, template: u32) -> Option<&str> {
        self.template(template).map(|entry| entry.name.as_str())
    }

    /// The number of a template's function.
    #[inline]
    pub(super) fn function(&self, template: u32) -> Option<u32> {
        self.template(template).map(|entry| entry.function)
    }

    /// The id of a function.
    #[inline]
    pub(super) fn id(&self, function: u32) -> Option<FunctionId> {
        let entry = self.functions.get(function as usize)?.as_ref()?;
        Some(entry.id)
    }

    /// The frame that exports a function.
    pub(super) fn export(&self, function: u32) -> Option<&Export> {
        let entry = self.functions.get(function as usize)?.as_ref()?;
        Some(&entry.export)
    }

    /// As [`export`](Self::export), to change it.
    pub(super) fn export_mut(&mut self, function: u32) -> Option<&mut Export> {
        let entry = self.functions.get_mut(function as usize)?.as_mut()?;
        Some(&mut entry.export)
    }

    /// The content of the frame that exports a function.
    pub(super) fn export_bytes(&self, function: u32) -> Option<Vec<u8>> {
        let entry = self.functions.get(function as usize)?.as_ref()?;
        let mut bytes = entry.id.to_vec();
        bytes.extend(eagleray_protocol::encode(&(
            entry.object,
            entry.payload.clone(),
        )));
        Some(bytes)
    }

    /// A task of a template was submitted.
    #[inline]
    pub(super) fn add_task(&mut self, template: u32) {
        if let Some(Some(entry)) = self.templates.get_mut(template as usize) {
            entry.tasks += 1;
        }
    }

    /// A task of a template is done.
    #[inline]
    pub(super) fn remove_task(&mut self, template: u32) -> Option<Forgotten> {
        let Some(Some(entry)) = self.templates.get_mut(template as usize) else {
            return None;
        };
        entry.tasks -= 1;
        if entry.tasks > 0 || entry.users > 0 {
            return None;
        }
        self.forget(template)
    }

    /// A remote function of JavaScript is gone.
    pub(super) fn release(&mut self, template: u32) -> Option<Forgotten> {
        let Some(Some(entry)) = self.templates.get_mut(template as usize) else {
            return None;
        };
        entry.users = entry.users.saturating_sub(1);
        if entry.tasks > 0 || entry.users > 0 {
            return None;
        }
        self.forget(template)
    }

    /// Forgets an unused template, and its function with the last one (FU-1).
    fn forget(&mut self, template: u32) -> Option<Forgotten> {
        let entry = self.templates.get_mut(template as usize)?.take()?;
        self.free_templates.push(template);
        let function = self.functions.get_mut(entry.function as usize)?.as_mut()?;
        self.template_numbers
            .remove(&(function.id, entry.class, entry.max_retries));
        function.templates -= 1;
        if function.templates > 0 {
            return None;
        }
        let function = self.functions[entry.function as usize].take()?;
        self.free_functions.push(entry.function);
        self.function_numbers.remove(&function.id);
        let extent = match function.export {
            Export::Made { extent, .. } => extent,
            // No task waits for it: tasks use their template.
            Export::Unmade | Export::WaitsForRoom(_) => None,
        };
        Some(Forgotten {
            number: entry.function,
            id: function.id,
            handle: function.handle,
            extent,
            is_shared: extent.is_some()
                || function.object.is_some()
                || !function.payload.nested.is_empty(),
        })
    }

    // ---- forgotten functions that peers still use (FU-3)

    /// Keeps what is left of a function until these peers are done with it.
    pub(super) fn part(&mut self, rest: Forgotten, peers: Vec<PeerSlot>) {
        self.partings.push(Parting { peers, rest });
    }

    /// A peer is done with a function. Returns what can go because all are.
    pub(super) fn is_forgotten(&mut self, peer: PeerSlot, id: &FunctionId) -> Option<Forgotten> {
        // The oldest first: a function that came again and went again is forgotten twice, in this order.
        let mut partings = self.partings.iter_mut().enumerate();
        let (index, parting) = partings
            .find(|(_, parting)| parting.rest.id == *id && parting.peers.contains(&peer))?;
        parting.peers.retain(|&other| other != peer);
        if !parting.peers.is_empty() {
            return None;
        }
        Some(self.partings.remove(index).rest)
    }

    /// A peer is gone. Returns what can go because all are done with it.
    pub(super) fn peer_gone(&mut self, peer: PeerSlot) -> Vec<Forgotten> {
        let is_done = |parting: &mut Parting| {
            parting.peers.retain(|&other| other != peer);
            parting.peers.is_empty()
        };
        let done = self.partings.extract_if(.., is_done);
        done.map(|parting| parting.rest).collect()
    }
}

/// The form of an export: whole, or as the place of its content. `None` if it has to be in the store.
pub(super) fn made(bytes: Vec<u8>) -> Result<Export, Vec<u8>> {
    if bytes.len() > FRAME_INLINE_MAX {
        return Err(bytes);
    }
    Ok(Export::Made {
        kind: FUNCTION,
        bytes: bytes.into(),
        extent: None,
    })
}

/// The form of an export whose content is in the store.
pub(super) fn made_at(extent: Extent) -> Export {
    Export::Made {
        kind: SPILLED,
        bytes: spilled_frame(FUNCTION, NO_SLOT, extent).into(),
        extent: Some(extent),
    }
}
