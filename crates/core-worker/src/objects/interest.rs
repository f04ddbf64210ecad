//! Who waits for an object inside this process.

use crate::handle::TaskKey;

/// Nearly always nobody, or one `get` or `wait`.
pub(crate) enum Interest {
    Nobody,
    /// One wait, by its number.
    Wait(u32),
    Many(Box<Interested>),
}

/// Several who wait for an object.
#[derive(Default)]
pub(crate) struct Interested {
    /// Waits, by number; finished ones are skipped.
    pub(crate) waits: Vec<u32>,
    /// Tasks that have it as an argument, as they stood then: a task that ended meanwhile is skipped.
    pub(crate) dependents: Vec<TaskKey>,
}

impl Interest {
    fn many(&mut self) -> &mut Interested {
        if !matches!(self, Self::Many(_)) {
            let mut interested = Box::<Interested>::default();
            if let Self::Wait(wait) = *self {
                interested.waits.push(wait);
            }
            *self = Self::Many(interested);
        }
        match self {
            Self::Many(interested) => interested,
            Self::Nobody | Self::Wait(_) => unreachable!("made just above"),
        }
    }

    /// Adds a wait. `is_open` tells which of the earlier ones still matter.
    pub(crate) fn add_wait(&mut self, wait: u32, is_open: impl Fn(u32) -> bool) {
        match self {
            Self::Nobody => *self = Self::Wait(wait),
            Self::Wait(earlier) if !is_open(*earlier) => *self = Self::Wait(wait),
            Self::Wait(_) | Self::Many(_) => {
                let list = &mut self.many().waits;
                // Finished waits are left in the lists; sweep them before a list grows.
                if list.len() == list.capacity() && list.len() >= 16 {
                    list.retain(|&wait| is_open(wait));
                }
                list.push(wait);
            }
        }
    }

    /// Adds a task that has the object as an argument.
    pub(crate) fn add_dependent(&mut self, task: TaskKey) {
        self.many().dependents.push(task);
    }
}
