//! The account of one node: what it has, what is taken, and by which allocation.

use std::fmt;

use crate::instances::{GpuShare, Instances};
use crate::quantity::Quantity;
use crate::set::{CPU, GPU, Name, ResourceSet};

/// What a node has in all, what of it is taken, and what is left of each GPU.
#[derive(Clone, Debug)]
pub struct NodeResources {
    total: ResourceSet,
    used: ResourceSet,
    gpus: Instances,
}

/// Resources that were taken from a node. It has to go back by [`NodeResources::release`]; it can't be
/// cloned, so it can't go back twice.
#[derive(Debug, PartialEq, Eq)]
pub struct Allocation {
    resources: ResourceSet,
    gpus: Vec<GpuShare>,
    cpu_given_back: bool,
}

/// The first thing that keeps a request from being served now.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shortage {
    /// Too little of a countable resource is free.
    Resource(Name),
    /// Too few GPUs are entirely free.
    WholeGpus,
    /// No single GPU has as large a part left.
    GpuFraction,
}

/// A request that this node can never serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Infeasible {
    /// The resource that is the reason.
    pub resource: Name,
    /// How much of it was asked for.
    pub wanted: Quantity,
    /// How much of it the node has in all.
    pub total: Quantity,
}

impl Allocation {
    /// What it holds, including CPUs that are given back for the moment.
    pub fn resources(&self) -> &ResourceSet {
        &self.resources
    }

    /// What it takes from the node right now.
    pub fn in_use(&self) -> ResourceSet {
        let mut resources = self.resources.clone();
        if self.cpu_given_back {
            resources.insert(CPU, Quantity::ZERO);
        }
        resources
    }

    /// Its parts of GPUs.
    pub fn gpus(&self) -> &[GpuShare] {
        &self.gpus
    }

    /// Whether its CPUs are given back for the moment.
    pub fn is_cpu_given_back(&self) -> bool {
        self.cpu_given_back
    }
}

impl NodeResources {
    /// A node of which nothing is taken.
    pub fn new(total: ResourceSet) -> NodeResources {
        let gpus = Instances::new(total.get(GPU));
        NodeResources {
            total,
            used: ResourceSet::new(),
            gpus,
        }
    }

    /// What the node has in all.
    pub fn total(&self) -> &ResourceSet {
        &self.total
    }

    /// What is taken; the CPU may be above its total (RS-3).
    pub fn used(&self) -> &ResourceSet {
        &self.used
    }

    /// What is free, nothing below zero.
    pub fn available(&self) -> ResourceSet {
        self.total.saturating_sub(&self.used)
    }

    /// What is free of one resource, at least zero.
    pub fn available_of(&self, name: &str) -> Quantity {
        self.total.get(name).saturating_sub(self.used.get(name))
    }

    /// What is left of each GPU.
    pub fn gpus(&self) -> &Instances {
        &self.gpus
    }

    /// How much could serve a request that lacks `shortage`.
    pub fn available_for(&self, shortage: &Shortage) -> Quantity {
        match shortage {
            Shortage::Resource(name) => self.available_of(name.as_str()),
            Shortage::WholeGpus => self.gpus.whole_free(),
            Shortage::GpuFraction => self.gpus.largest_free(),
        }
    }

    /// What each entry of a request needs, and of what: GPUs count as whole ones or as a part of one.
    pub fn needs(wanted: &ResourceSet) -> impl Iterator<Item = (Shortage, Quantity)> {
        wanted.iter().map(|(name, quantity)| {
            let kind = match name.as_str() {
                GPU if quantity < Quantity::ONE => Shortage::GpuFraction,
                GPU => Shortage::WholeGpus,
                _ => Shortage::Resource(name.clone()),
            };
            (kind, quantity)
        })
    }

    /// The first thing that keeps `wanted` from being taken now; `None` when it can be.
    pub fn shortage(&self, wanted: &ResourceSet) -> Option<Shortage> {
        Self::needs(wanted)
            .find(|(kind, quantity)| *quantity > self.available_for(kind))
            .map(|(kind, _)| kind)
    }

    /// Whether this node could ever serve `wanted`, were nothing taken.
    ///
    /// # Errors
    /// Names the first resource of which it has too little in all, or a GPU quantity above one that is not whole.
    pub fn feasible(&self, wanted: &ResourceSet) -> Result<(), Infeasible> {
        for (name, quantity) in wanted.iter() {
            let total = self.total.get(name.as_str());
            let servable = name.as_str() != GPU || Instances::is_servable_form(quantity);
            if quantity > total || !servable {
                return Err(Infeasible {
                    resource: name.clone(),
                    wanted: quantity,
                    total,
                });
            }
        }
        Ok(())
    }

    /// Takes `wanted`; `None`, with nothing taken, when something of it is not free.
    pub fn try_allocate(&mut self, wanted: &ResourceSet) -> Option<Allocation> {
        if self.shortage(wanted).is_some() {
            return None;
        }
        let gpus = self.gpus.allocate(wanted.get(GPU))?;
        self.used.add(wanted);
        Some(Allocation {
            resources: wanted.clone(),
            gpus,
            cpu_given_back: false,
        })
    }

    /// Gives an allocation back.
    pub fn release(&mut self, allocation: Allocation) {
        self.preview_release(&allocation);
    }

    /// Gives back what `allocation` uses while it stays alive: only for a copy of the account in which one asks
    /// "what if".
    pub fn preview_release(&mut self, allocation: &Allocation) {
        self.give_back(&allocation.in_use());
        self.gpus.release(&allocation.gpus);
    }

    /// Gives only the CPUs back; a second time does nothing.
    pub fn release_cpu(&mut self, allocation: &mut Allocation) {
        if !allocation.cpu_given_back {
            allocation.cpu_given_back = true;
            self.give_back(&ResourceSet::new().with(CPU, allocation.resources.get(CPU)));
        }
    }

    /// Takes the CPUs back that [`NodeResources::release_cpu`] gave, even when that uses more than there are.
    pub fn retake_cpu(&mut self, allocation: &mut Allocation) {
        if allocation.cpu_given_back {
            allocation.cpu_given_back = false;
            let cpu = self
                .used
                .get(CPU)
                .saturating_add(allocation.resources.get(CPU));
            self.used.insert(CPU, cpu);
        }
    }

    /// Gives back all that `allocation` holds beyond `kept`. Of what it does not hold, nothing is added.
    pub fn shrink(&mut self, allocation: &mut Allocation, kept: &ResourceSet) {
        let mut rest = ResourceSet::new();
        for (name, quantity) in allocation.resources.iter() {
            rest.insert(name.as_str(), quantity.min(kept.get(name.as_str())));
        }
        let gpu = rest.get(GPU);
        if gpu != allocation.resources.get(GPU) {
            self.gpus.release(&allocation.gpus);
            // A smaller quantity of a servable form fits where the larger was; any other keeps nothing.
            allocation.gpus = match self.gpus.allocate(gpu) {
                Some(shares) => shares,
                None => {
                    rest.insert(GPU, Quantity::ZERO);
                    Vec::new()
                }
            };
        }
        let before = allocation.in_use();
        allocation.resources = rest;
        self.give_back(&before.saturating_sub(&allocation.in_use()));
    }

    fn give_back(&mut self, resources: &ResourceSet) {
        debug_assert!(
            resources.fits_in(&self.used),
            "RS-3: {resources} of {} was released twice",
            self.used
        );
        self.used = self.used.saturating_sub(resources);
    }
}

impl fmt::Display for Infeasible {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Infeasible {
            resource,
            wanted,
            total,
        } = self;
        if wanted <= total {
            return write!(
                formatter,
                "{wanted} {resource} asked for, but above 1 only whole ones can be given"
            );
        }
        write!(
            formatter,
            "{wanted} {resource} asked for, but there is {total} in all"
        )
    }
}

impl std::error::Error for Infeasible {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::MEMORY;
    use proptest::prelude::*;

    fn quantity(value: f64) -> Quantity {
        Quantity::from_f64(value).unwrap()
    }

    fn set(entries: &[(&str, f64)]) -> ResourceSet {
        entries
            .iter()
            .map(|(name, value)| (*name, quantity(*value)))
            .collect()
    }

    #[test]
    fn a_waiting_task_gives_its_cpu_and_takes_it_back_beyond_the_limit() {
        let mut node = NodeResources::new(set(&[(CPU, 1.0), (GPU, 1.0)]));
        let mut waiting = node.try_allocate(&set(&[(CPU, 1.0), (GPU, 0.5)])).unwrap();
        node.release_cpu(&mut waiting);
        node.release_cpu(&mut waiting);
        assert_eq!(node.available(), set(&[(CPU, 1.0), (GPU, 0.5)]));
        let child = node.try_allocate(&set(&[(CPU, 1.0)])).unwrap();
        node.retake_cpu(&mut waiting);
        assert_eq!(node.used().get(CPU), quantity(2.0));
        assert_eq!(node.available_of(CPU), Quantity::ZERO);
        node.release(child);
        assert_eq!(node.available_of(CPU), Quantity::ZERO);
        node.release(waiting);
        assert_eq!(node.available(), *node.total());
    }

    #[test]
    fn what_is_released_while_the_cpu_is_given_back_is_counted_once() {
        let mut node = NodeResources::new(set(&[(CPU, 2.0)]));
        let mut waiting = node.try_allocate(&set(&[(CPU, 2.0)])).unwrap();
        node.release_cpu(&mut waiting);
        node.release(waiting);
        assert!(node.used().is_empty());
    }

    #[test]
    fn an_actor_keeps_only_what_it_holds() {
        let mut node = NodeResources::new(set(&[(CPU, 1.0), (GPU, 2.0)]));
        let mut actor = node.try_allocate(&set(&[(CPU, 1.0), (GPU, 0.5)])).unwrap();
        node.shrink(&mut actor, &set(&[(GPU, 0.5), (MEMORY, 5.0)]));
        assert_eq!(*actor.resources(), set(&[(GPU, 0.5)]));
        assert_eq!(*node.used(), set(&[(GPU, 0.5)]));
        assert_eq!(actor.gpus().len(), 1);
        node.shrink(&mut actor, &ResourceSet::new());
        assert!(node.used().is_empty());
        assert_eq!(node.gpus().whole_free(), quantity(2.0));
    }

    #[test]
    fn the_impossible_is_told_from_the_busy() {
        let mut node = NodeResources::new(set(&[(CPU, 2.0), (GPU, 4.0)]));
        node.try_allocate(&set(&[(CPU, 2.0)])).unwrap();
        assert_eq!(node.feasible(&set(&[(CPU, 2.0)])), Ok(()));
        assert_eq!(
            node.shortage(&set(&[(CPU, 2.0)])),
            Some(Shortage::Resource(CPU.into()))
        );
        let error = node.feasible(&set(&[(CPU, 3.0)])).unwrap_err();
        assert_eq!(error.to_string(), "3 CPU asked for, but there is 2 in all");
        let error = node.feasible(&set(&[(GPU, 1.5)])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "1.5 GPU asked for, but above 1 only whole ones can be given"
        );
        assert!(node.feasible(&set(&[("Custom", 0.5)])).is_err());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Allocate(ResourceSet),
        Release(usize),
        GiveCpu(usize),
        RetakeCpu(usize),
        Shrink(usize, ResourceSet),
    }

    fn any_set() -> impl Strategy<Value = ResourceSet> {
        let gpu = prop_oneof![Just(0.0), Just(0.3), Just(0.5), Just(1.0), Just(2.0)];
        (0i64..30_000, gpu, 0i64..20_000).prop_map(|(cpu, gpu, custom)| {
            ResourceSet::new()
                .with(CPU, Quantity::from_steps(cpu).unwrap())
                .with(GPU, quantity(gpu))
                .with("Custom", Quantity::from_steps(custom).unwrap())
        })
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            any_set().prop_map(Step::Allocate),
            any::<usize>().prop_map(Step::Release),
            any::<usize>().prop_map(Step::GiveCpu),
            any::<usize>().prop_map(Step::RetakeCpu),
            (any::<usize>(), any_set()).prop_map(|(index, kept)| Step::Shrink(index, kept)),
        ]
    }

    proptest! {
        #[test]
        fn the_account_is_the_sum_of_the_living_allocations(steps in proptest::collection::vec(any_step(), 0..60)) {
            let mut node = NodeResources::new(set(&[(CPU, 4.0), (GPU, 3.0), ("Custom", 2.0)]));
            let mut living: Vec<Allocation> = Vec::new();
            for step in steps {
                match step {
                    Step::Allocate(wanted) => {
                        let fits = node.shortage(&wanted).is_none();
                        let allocation = node.try_allocate(&wanted);
                        prop_assert_eq!(fits, allocation.is_some());
                        living.extend(allocation);
                    }
                    Step::Release(index) if !living.is_empty() => {
                        let allocation = living.swap_remove(index % living.len());
                        node.release(allocation);
                    }
                    Step::GiveCpu(index) if !living.is_empty() => {
                        let index = index % living.len();
                        node.release_cpu(&mut living[index]);
                    }
                    Step::RetakeCpu(index) if !living.is_empty() => {
                        let index = index % living.len();
                        node.retake_cpu(&mut living[index]);
                    }
                    Step::Shrink(index, kept) if !living.is_empty() => {
                        let index = index % living.len();
                        node.shrink(&mut living[index], &kept);
                    }
                    _ => {}
                }
                let mut sum = ResourceSet::new();
                let mut gpus = [Quantity::ZERO; 3];
                for allocation in &living {
                    sum.add(&allocation.in_use());
                    for share in allocation.gpus() {
                        gpus[share.index] = gpus[share.index].saturating_add(share.quantity);
                    }
                }
                prop_assert_eq!(&sum, node.used());
                for (index, used) in gpus.iter().enumerate() {
                    let remaining = node.gpus().remaining()[index];
                    prop_assert_eq!(remaining.checked_add(*used), Some(Quantity::ONE));
                }
                for name in [GPU, "Custom"] {
                    prop_assert!(node.used().get(name) <= node.total().get(name));
                }
            }
        }
    }
}
