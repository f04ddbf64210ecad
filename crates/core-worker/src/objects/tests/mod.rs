//! The objects alone, without a raylet and without tasks.

mod inherited_errors;
mod promised;
mod unseen_errors;

use eagleray_protocol::DRIVER;

use crate::handle::Handle;
use crate::objects::Objects;
use crate::work::Out;

/// The slot of the task whose results are awaited.
const PRODUCER: u32 = 7;

/// The objects of the driver, and what they have asked for.
struct Process {
    objects: Objects,
    out: Out,
}

impl Process {
    fn new() -> Self {
        Self {
            objects: Objects::new(DRIVER),
            out: Out::default(),
        }
    }

    fn release(&mut self, handle: Handle) {
        self.objects.release(handle, &mut self.out);
    }
}
