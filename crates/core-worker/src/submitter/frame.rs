//! The frames of tasks and calls, as their executors get them.

use eagleray_object_store::Extent;
use eagleray_protocol::frames::{
    ARGUMENT_INLINE, ARGUMENT_REF, ARGUMENT_STORED, CALL, TASK, TERMINATE, TaskHeader,
    read_argument, read_f64, write_argument,
};
use eagleray_protocol::{FunctionId, SystemError};

use super::task::{Target, Task};
use crate::handle::Handle;
use crate::objects::{Objects, Value};
use crate::work::Out;

/// A frame above this goes to its executor by an extent.
pub(super) const FRAME_INLINE_MAX: usize = 64 << 10;

/// Builds the frame of a task in `frame`, whose content is replaced, and returns its kind. `function` is that of a task
/// that is no call. Fails if an argument is gone.
pub(super) fn build(
    slot: u32,
    task: &Task,
    function: Option<FunctionId>,
    objects: &mut Objects,
    frame: &mut Vec<u8>,
    out: &mut Out,
) -> Result<u32, SystemError> {
    let (kind, function) = match task.target {
        Target::Template(_) => (TASK, function.unwrap_or_default()),
        Target::Actor { method, .. } => {
            let mut function = [0; 16];
            function[0..4].copy_from_slice(&method.to_le_bytes());
            (CALL, function)
        }
        Target::Terminate { .. } | Target::Create { .. } => (TERMINATE, [0; 16]),
    };
    let header = TaskHeader {
        function,
        sequence: task.sequence,
        slot,
        attempt: task.attempt,
        result_count: task.result_count,
        argument_count: task.argument_count,
    };
    frame.clear();
    frame.resize(TaskHeader::LENGTH, 0);
    header.write(frame);
    resolve_arguments(&task.arguments, task.argument_count, objects, frame, out)?;
    Ok(kind)
}

/// Copies arguments, with the values of refs in the place of the refs.
pub(super) fn resolve_arguments(
    arguments: &[u8],
    count: u32,
    objects: &mut Objects,
    frame: &mut Vec<u8>,
    out: &mut Out,
) -> Result<(), SystemError> {
    let mut rest = arguments;
    let mut copied = 0;
    for _ in 0..count {
        let Some((item, after)) = read_argument(rest) else {
            return Err(SystemError::new("EaglerayError", "malformed arguments"));
        };
        let start = arguments.len() - rest.len();
        rest = after;
        if item.kind != ARGUMENT_REF {
            continue;
        }
        frame.extend_from_slice(&arguments[copied..start]);
        copied = arguments.len() - after.len();
        let handle = read_f64(item.bytes, 0).unwrap_or(0.0) as Handle;
        objects.publish_inside(handle, out);
        let (Some(id), Some(value)) = (objects.id(handle), objects.value(handle)) else {
            return Err(SystemError::new(
                "ObjectLostError",
                "an argument's object is gone",
            ));
        };
        match value {
            Value::Inline { meta, .. } => write_argument(frame, ARGUMENT_INLINE, meta),
            Value::Full(full) if !full.outcome.payload.is_stored() => {
                write_argument(frame, ARGUMENT_INLINE, &full.outcome.payload.meta);
            }
            Value::Full(full) => {
                let stored = eagleray_protocol::encode(&(id, full.outcome.payload.clone()));
                write_argument(frame, ARGUMENT_STORED, &stored);
            }
            Value::Pending => {
                return Err(SystemError::new(
                    "EaglerayError",
                    "an argument is not there yet",
                ));
            }
        }
    }
    frame.extend_from_slice(&arguments[copied..]);
    Ok(())
}

/// The handles of the refs among arguments; `None` if they are malformed.
pub(super) fn ref_arguments(arguments: &[u8], count: u32) -> Option<Vec<Handle>> {
    let mut refs = Vec::new();
    let mut rest = arguments;
    for _ in 0..count {
        let (item, after) = read_argument(rest)?;
        if item.kind == ARGUMENT_REF {
            refs.push(read_f64(item.bytes, 0)? as Handle);
        }
        rest = after;
    }
    Some(refs)
}

/// The frame that stands for one in an extent.
pub(super) fn spilled_frame(kind: u32, slot: u32, extent: Extent) -> [u8; 24] {
    let mut frame = [0; 24];
    frame[0..4].copy_from_slice(&kind.to_le_bytes());
    frame[4..8].copy_from_slice(&slot.to_le_bytes());
    frame[8..16].copy_from_slice(&extent.offset.to_le_bytes());
    frame[16..24].copy_from_slice(&extent.length.to_le_bytes());
    frame
}
