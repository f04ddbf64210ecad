//! What JavaScript has not been told yet.
//!
//! - **EV-1:** lines of workers take at most about [`OUTPUT_MAX`] bytes here, and what was on its way when the raylet
//!   was asked to pause: a driver that does not look is not filled by what its workers print.
//! - **EV-2:** that garbage shall be collected is told once, however often it was asked for before JavaScript looks.

use std::collections::VecDeque;

use crate::handle::Handle;

/// Bytes of lines above which the raylet is asked to leave further ones in the workers' pipes.
pub const OUTPUT_MAX: usize = 1 << 20;

/// Bytes of lines below which it is asked to go on.
const OUTPUT_LOW: usize = OUTPUT_MAX / 4;

/// Something that JavaScript has not been told yet.
#[derive(Debug)]
pub enum Event {
    /// A `get` or `wait` has ended.
    Wait {
        /// Its number.
        number: u32,
    },
    /// A failed result would go that nobody has looked at.
    UnhandledError {
        /// The error, with one count for whoever reports it.
        handle: Handle,
    },
    /// A line of a worker.
    Output {
        /// The process that printed it.
        pid: u32,
        /// The task or actor that printed it.
        name: String,
        /// True for standard error.
        is_error: bool,
        /// The line.
        text: String,
    },
    /// A running task was cancelled.
    Cancelled {
        /// Its token.
        token: u32,
    },
    /// Nobody runs a function of this number here any more.
    FunctionForgotten {
        /// Its number.
        number: u32,
    },
    /// This process shall end.
    Exit,
    /// This process shall collect garbage.
    CollectGarbage,
    /// The runtime ends: this process shall do what it has to do for that, whatever runs, and end.
    RuntimeEnds,
}

impl Event {
    /// What a line takes in memory, about.
    fn output_bytes(&self) -> usize {
        match self {
            Self::Output { name, text, .. } => size_of::<Self>() + name.len() + text.len(),
            _ => 0,
        }
    }
}

/// The queue of events.
#[derive(Debug, Default)]
pub struct Events {
    queue: VecDeque<Event>,
    output_bytes: usize,
    is_output_paused: bool,
    asks_for_garbage: bool,
}

impl Events {
    /// Adds an event.
    #[inline]
    pub fn push(&mut self, event: Event) {
        match event {
            Event::CollectGarbage if self.asks_for_garbage => return,
            Event::CollectGarbage => self.asks_for_garbage = true,
            Event::Output { .. } => self.output_bytes += event.output_bytes(),
            _ => {}
        }
        self.queue.push_back(event);
    }

    /// Takes the oldest event.
    pub fn pop(&mut self) -> Option<Event> {
        let event = self.queue.pop_front()?;
        match event {
            Event::CollectGarbage => self.asks_for_garbage = false,
            Event::Output { .. } => self.output_bytes -= event.output_bytes(),
            _ => {}
        }
        Some(event)
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether garbage shall be collected.
    pub fn asks_for_garbage(&self) -> bool {
        self.asks_for_garbage
    }

    /// Takes back that garbage shall be collected, because it is being done. True if it was asked for.
    pub fn take_garbage(&mut self) -> bool {
        if self.asks_for_garbage {
            self.queue
                .retain(|event| !matches!(event, Event::CollectGarbage));
        }
        std::mem::take(&mut self.asks_for_garbage)
    }

    /// Whether lines of workers wait to be printed.
    pub fn has_output(&self) -> bool {
        self.output_bytes > 0
    }

    /// Whether lines shall pause.
    fn shall_output_pause(&self) -> bool {
        if self.is_output_paused {
            self.output_bytes > OUTPUT_LOW
        } else {
            self.output_bytes > OUTPUT_MAX
        }
    }

    /// Whether [`output_pause`](Self::output_pause) has something to tell.
    #[inline]
    pub fn is_output_pause_due(&self) -> bool {
        self.shall_output_pause() != self.is_output_paused
    }

    /// Whether the raylet has to be told that lines shall pause (true) or go on (false); `None` if it knows.
    pub fn output_pause(&mut self) -> Option<bool> {
        let pause = self.shall_output_pause();
        (std::mem::replace(&mut self.is_output_paused, pause) != pause).then_some(pause)
    }

    /// Drops the events that tell of the cancellation of a running task that has ended: its token is the next one's.
    pub fn forget_cancellation(&mut self, token: u32) {
        self.queue
            .retain(|event| !matches!(event, Event::Cancelled { token: of } if *of == token));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(length: usize) -> Event {
        Event::Output {
            pid: 1,
            name: String::new(),
            is_error: false,
            text: "x".repeat(length),
        }
    }

    #[test]
    fn lines_pause_above_their_limit_and_go_on_far_below_it() {
        let mut events = Events::default();
        events.push(line(OUTPUT_MAX / 2));
        assert_eq!(events.output_pause(), None);
        events.push(line(OUTPUT_MAX / 2));
        assert_eq!(events.output_pause(), Some(true));
        assert_eq!(events.output_pause(), None, "it is told once");
        events.pop();
        assert_eq!(events.output_pause(), None, "half full is not low");
        events.pop();
        assert_eq!(events.output_pause(), Some(false));
        assert!(!events.has_output());
    }

    #[test]
    fn garbage_is_asked_for_once() {
        let mut events = Events::default();
        for _ in 0..10 {
            events.push(Event::CollectGarbage);
        }
        assert!(matches!(events.pop(), Some(Event::CollectGarbage)));
        assert!(events.pop().is_none());
        events.push(Event::CollectGarbage);
        events.push(Event::Exit);
        assert!(events.take_garbage());
        assert!(!events.take_garbage());
        assert!(matches!(events.pop(), Some(Event::Exit)));
        events.push(Event::CollectGarbage);
        assert!(events.asks_for_garbage());
    }
}
