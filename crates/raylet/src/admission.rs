//! Which messages are too long to be taken.

use eagleray_ipc::control::FRAME_MAX;
use eagleray_protocol::{DRIVER, ProcessNumber, SystemError, ToRaylet};

/// The longest message that is taken. What a process says may be passed on with something added, and that must not be
/// too long to be sent.
const MESSAGE_MAX: usize = FRAME_MAX - (1 << 20);

/// A message that is not too long. The driver's that are become the failure of what they ask for; a worker's are refused.
pub(crate) fn fit(process: ProcessNumber, message: ToRaylet, length: usize) -> Option<ToRaylet> {
    if length <= MESSAGE_MAX {
        return Some(message);
    }
    let too_long = || {
        SystemError::new(
            "ActorDiedError",
            format!(
                "it takes a message of {length} bytes to create it, and {MESSAGE_MAX} is the limit"
            ),
        )
    };
    match message {
        ToRaylet::CreateActor { spec } => Some(ToRaylet::FailActor {
            actor: spec.id,
            error: too_long(),
        }),
        ToRaylet::FailActor { actor, .. } => Some(ToRaylet::FailActor {
            actor,
            error: too_long(),
        }),
        other => (process == DRIVER).then_some(other),
    }
}
