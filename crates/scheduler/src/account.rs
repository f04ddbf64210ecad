//! What the node's requests need, have, and have reserved.
//!
//! Owns: the node's resources, the slots of leases without CPU, the room for processes of actors, and what is reserved
//! for one request.
//! Is not: a judge of who comes first.

use eagleray_resources::{Allocation, CPU, GPU, NodeResources, Quantity, ResourceSet, Shortage};

/// What a request needs to be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    pub resources: ResourceSet,
    /// Whether it takes one of the slots that bound the leases without CPU.
    pub zero_cpu_slot: bool,
    /// Whether it takes room for a process, of which there is as much as the memory allows.
    pub process_room: bool,
}

/// One of the things that can be short.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Want {
    Node(Shortage),
    ZeroCpuSlot,
    ProcessRoom,
}

/// The room that an actor takes for its process, until that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessRoom {
    None,
    /// Its process may not be there yet.
    Promised,
    /// Its process is there.
    Taken,
}

/// What a lease or an actor has taken. It goes back by [`Account::release`], once.
#[derive(Debug)]
pub(crate) struct Holding {
    allocation: Allocation,
    zero_cpu_slot: bool,
    process_room: ProcessRoom,
}

/// What is there, what is taken, and what is set aside.
#[derive(Clone)]
pub(crate) struct Account {
    node: NodeResources,
    zero_cpu_slots: u32,
    zero_cpu_slots_used: u32,
    process_room: u32,
    process_room_promised: u32,
    process_room_taken: u32,
    reserved: Option<Demand>,
    /// Of what there may be more for waiting requests than when they were last looked at.
    risen: Vec<Want>,
}

impl Demand {
    /// What a lease of a class needs.
    pub fn of_lease(resources: ResourceSet) -> Demand {
        let zero_cpu_slot = resources.get(CPU).is_zero();
        Demand {
            resources,
            zero_cpu_slot,
            process_room: false,
        }
    }

    /// What an actor needs to be placed. One that keeps a CPU needs no room: it is bounded by the CPUs, as tasks are.
    pub fn of_actor(placement: ResourceSet, held: &ResourceSet) -> Demand {
        Demand {
            resources: placement,
            zero_cpu_slot: false,
            process_room: held.get(CPU) < Quantity::ONE,
        }
    }

    /// Everything it needs, and how much.
    pub fn wants(&self) -> impl Iterator<Item = (Want, Quantity)> {
        let node = NodeResources::needs(&self.resources)
            .map(|(shortage, quantity)| (Want::Node(shortage), quantity));
        let slot = self
            .zero_cpu_slot
            .then_some((Want::ZeroCpuSlot, Quantity::ONE));
        let room = self
            .process_room
            .then_some((Want::ProcessRoom, Quantity::ONE));
        node.chain(slot).chain(room)
    }
}

impl Holding {
    /// What it holds, including CPUs that are given back for the moment.
    pub fn resources(&self) -> &ResourceSet {
        self.allocation.resources()
    }

    /// What it takes from the node right now.
    pub fn in_use(&self) -> ResourceSet {
        self.allocation.in_use()
    }

    /// What it takes of one resource right now.
    pub fn in_use_of(&self, name: &str) -> Quantity {
        if name == CPU && self.is_cpu_given_back() {
            return Quantity::ZERO;
        }
        self.resources().get(name)
    }

    /// Whether its CPUs are given back for the moment.
    pub fn is_cpu_given_back(&self) -> bool {
        self.allocation.is_cpu_given_back()
    }

    /// Whether it takes a slot right now.
    pub fn uses_slot(&self) -> bool {
        self.zero_cpu_slot && !self.is_cpu_given_back()
    }

    /// What room it takes for a process.
    pub fn process_room(&self) -> ProcessRoom {
        self.process_room
    }

    /// Whether its release would bring more of `want`.
    pub fn would_bring(&self, want: &Want) -> bool {
        match want {
            Want::ProcessRoom => self.process_room != ProcessRoom::None,
            Want::ZeroCpuSlot => self.uses_slot(),
            Want::Node(Shortage::WholeGpus | Shortage::GpuFraction) => {
                !self.allocation.gpus().is_empty()
            }
            Want::Node(Shortage::Resource(name)) => !self.in_use_of(name.as_str()).is_zero(),
        }
    }

    /// Its parts of GPUs: the index of each, and how much.
    pub fn gpus(&self) -> impl Iterator<Item = (usize, Quantity)> {
        self.allocation
            .gpus()
            .iter()
            .map(|share| (share.index, share.quantity))
    }
}

impl Account {
    pub fn new(total: ResourceSet, zero_cpu_slots: u32) -> Account {
        Account {
            node: NodeResources::new(total),
            zero_cpu_slots,
            zero_cpu_slots_used: 0,
            process_room: u32::MAX,
            process_room_promised: 0,
            process_room_taken: 0,
            reserved: None,
            risen: Vec::new(),
        }
    }

    pub fn node(&self) -> &NodeResources {
        &self.node
    }

    pub fn zero_cpu_slots(&self) -> u32 {
        self.zero_cpu_slots
    }

    pub fn zero_cpu_slots_used(&self) -> u32 {
        self.zero_cpu_slots_used
    }

    /// Room for processes that is taken, theirs included that are not there yet.
    pub fn process_room_used(&self) -> u32 {
        self.process_room_promised + self.process_room_taken
    }

    /// Of that, what is for processes that are not there yet.
    pub fn process_room_promised(&self) -> u32 {
        self.process_room_promised
    }

    /// Whether there is room for one more process of an actor.
    pub fn has_process_room(&self) -> bool {
        self.process_room_used() < self.process_room
    }

    /// How much room there is for processes from now on, those included that have it. Says whether there is more of it
    /// for those that wait.
    pub fn set_process_room(&mut self, room: u32) -> bool {
        let has_risen = room > self.process_room && room > self.process_room_used();
        self.process_room = room;
        if has_risen {
            self.note_risen_want(Want::ProcessRoom);
        }
        has_risen
    }

    pub fn risen(&self) -> &[Want] {
        &self.risen
    }

    /// Every waiting request has been looked at.
    pub fn clear_risen(&mut self) {
        self.risen.clear();
    }

    /// How much of `want` is there for requests for which nothing is reserved.
    pub fn open_to_all(&self, want: &Want) -> Quantity {
        let free = self.free(want);
        let Some(reserved) = &self.reserved else {
            return free;
        };
        match want {
            // Which GPU the reservation will need is open, so it keeps them all.
            Want::Node(Shortage::WholeGpus | Shortage::GpuFraction)
                if !reserved.resources.get(GPU).is_zero() =>
            {
                Quantity::ZERO
            }
            Want::Node(Shortage::Resource(name)) => {
                free.saturating_sub(reserved.resources.get(name.as_str()))
            }
            Want::ZeroCpuSlot if reserved.zero_cpu_slot => free.saturating_sub(Quantity::ONE),
            Want::ProcessRoom if reserved.process_room => free.saturating_sub(Quantity::ONE),
            _ => free,
        }
    }

    /// The first thing that keeps `demand` from being granted, and how much of it is needed.
    /// `privileged` is the request that has the reservation.
    pub fn shortage(&self, demand: &Demand, privileged: bool) -> Option<(Want, Quantity)> {
        demand.wants().find(|(want, quantity)| {
            *quantity
                > if privileged {
                    self.free(want)
                } else {
                    self.open_to_all(want)
                }
        })
    }

    /// Takes what `demand` needs; `None` when it is not free, whoever it is reserved for.
    pub fn allocate(&mut self, demand: &Demand) -> Option<Holding> {
        if self.shortage(demand, true).is_some() {
            return None;
        }
        let allocation = self.node.try_allocate(&demand.resources)?;
        self.zero_cpu_slots_used += u32::from(demand.zero_cpu_slot);
        self.process_room_promised += u32::from(demand.process_room);
        let process_room = if demand.process_room {
            ProcessRoom::Promised
        } else {
            ProcessRoom::None
        };
        Some(Holding {
            allocation,
            zero_cpu_slot: demand.zero_cpu_slot,
            process_room,
        })
    }

    /// Gives everything back.
    pub fn release(&mut self, holding: Holding) {
        self.note_risen(holding.resources());
        self.release_slot(&holding);
        self.release_process_room(&holding);
        self.node.release(holding.allocation);
    }

    /// In a copy of the account: as if `holding` had been released.
    pub fn preview_release(&mut self, holding: &Holding) {
        self.release_slot(holding);
        self.release_process_room(holding);
        self.node.preview_release(&holding.allocation);
    }

    /// Gives the CPUs back while a task waits.
    pub fn release_cpu(&mut self, holding: &mut Holding) {
        if holding.is_cpu_given_back() {
            return;
        }
        self.release_slot(holding);
        let cpu = holding.resources().get(CPU);
        self.note_risen(&ResourceSet::new().with(CPU, cpu));
        self.node.release_cpu(&mut holding.allocation);
    }

    /// Takes the CPUs back, beyond the limit if need be.
    pub fn retake_cpu(&mut self, holding: &mut Holding) {
        if holding.is_cpu_given_back() {
            self.node.retake_cpu(&mut holding.allocation);
            self.zero_cpu_slots_used += u32::from(holding.zero_cpu_slot);
        }
    }

    /// The process for which `holding` has room is there.
    pub fn take_process_room(&mut self, holding: &mut Holding) {
        if holding.process_room == ProcessRoom::Promised {
            holding.process_room = ProcessRoom::Taken;
            self.process_room_promised -= 1;
            self.process_room_taken += 1;
        }
    }

    /// Gives back all beyond `kept`.
    pub fn shrink(&mut self, holding: &mut Holding, kept: &ResourceSet) {
        self.note_risen(holding.resources());
        self.node.shrink(&mut holding.allocation, kept);
    }

    /// Sets aside what `demand` needs, or ends that.
    pub fn reserve(&mut self, demand: Option<Demand>) {
        if let Some(before) = std::mem::replace(&mut self.reserved, demand) {
            self.note_risen(&before.resources);
            if before.zero_cpu_slot {
                self.note_risen_want(Want::ZeroCpuSlot);
            }
            if before.process_room {
                self.note_risen_want(Want::ProcessRoom);
            }
        }
    }

    fn free(&self, want: &Want) -> Quantity {
        match want {
            Want::Node(shortage) => self.node.available_for(shortage),
            Want::ZeroCpuSlot => {
                let free = self.zero_cpu_slots.saturating_sub(self.zero_cpu_slots_used);
                Quantity::from_units(u64::from(free))
            }
            Want::ProcessRoom => {
                let free = self.process_room.saturating_sub(self.process_room_used());
                Quantity::from_units(u64::from(free))
            }
        }
    }

    fn release_process_room(&mut self, holding: &Holding) {
        match holding.process_room {
            ProcessRoom::None => return,
            ProcessRoom::Promised => self.process_room_promised -= 1,
            ProcessRoom::Taken => self.process_room_taken -= 1,
        }
        self.note_risen_want(Want::ProcessRoom);
    }

    fn release_slot(&mut self, holding: &Holding) {
        if holding.uses_slot() {
            self.zero_cpu_slots_used -= 1;
            self.note_risen_want(Want::ZeroCpuSlot);
        }
    }

    fn note_risen(&mut self, resources: &ResourceSet) {
        for (name, _) in resources.iter() {
            if name.as_str() == GPU {
                self.note_risen_want(Want::Node(Shortage::WholeGpus));
                self.note_risen_want(Want::Node(Shortage::GpuFraction));
            } else {
                self.note_risen_want(Want::Node(Shortage::Resource(name.clone())));
            }
        }
    }

    fn note_risen_want(&mut self, want: Want) {
        if !self.risen.contains(&want) {
            self.risen.push(want);
        }
    }
}
