//! The errors that the raylet itself reports, in the form that the SDK's error classes read.

use std::borrow::Cow;

use eagleray_object_store::StoreFull;
use eagleray_protocol::{ActorId, Details, ObjectId, SystemError, WorkerExit};
use eagleray_resources::ResourceSet;
use eagleray_scheduler::Refusal;

use crate::failed_starts;

/// The longest text of a process that others get, in characters.
const TEXT_MAX: usize = 2_000;

/// An actor is dead. The SDK writes the message from the details.
pub(crate) fn actor_died(
    actor: ActorId,
    class_name: &str,
    reason: Option<&str>,
    exit: Option<&WorkerExit>,
) -> SystemError {
    let mut details = Details::new()
        .text("actorId", &format!("{actor:?}"))
        .text("className", class_name)
        .text_if_any("reason", reason);
    if let Some(exit) = exit {
        details = details.exit(exit);
    }
    SystemError::new("ActorDiedError", "").with_details(details.finish())
}

/// An actor's process died while a call ran, and the actor is started again.
pub(crate) fn actor_unavailable(actor: ActorId) -> SystemError {
    let details = Details::new().text("actorId", &format!("{actor:?}"));
    SystemError::new("ActorUnavailableError", "").with_details(details.finish())
}

/// An actor is there, and a caller can't be connected with it.
pub(crate) fn actor_unreachable(actor: ActorId, why: &str) -> SystemError {
    let details = Details::new().text("actorId", &format!("{actor:?}"));
    SystemError::new(
        "ActorUnavailableError",
        format!("the actor can't be reached: {why}"),
    )
    .with_details(details.finish())
}

/// The process that had an object's value died before it gave it to anybody. Nobody is missed who does not ask for it: of a
/// process that has crashed its own task says so.
pub(crate) fn owner_died(id: ObjectId) -> SystemError {
    let details = Details::new().text("objectId", &format!("{id:?}"));
    SystemError::new("OwnerDiedError", "")
        .with_details(details.finish())
        .on_purpose()
}

/// Somebody asks for the value of an object that is gone.
pub(crate) fn object_lost(id: ObjectId) -> SystemError {
    let details = Details::new().text("objectId", &format!("{id:?}"));
    SystemError::new("ObjectLostError", "").with_details(details.finish())
}

/// The store has no room, also after a while.
pub(crate) fn store_full(full: &StoreFull) -> SystemError {
    let details = Details::new()
        .number("requested", full.requested)
        .number("free", full.free)
        .number("total", full.total)
        .number("largest", full.largest_free);
    SystemError::new("ObjectStoreFullError", "").with_details(details.finish())
}

/// Resources that the node will never have.
pub(crate) fn infeasible(asked: &ResourceSet, total: &ResourceSet) -> SystemError {
    let details = Details::new()
        .raw("asked", &resources(asked))
        .raw("total", &resources(total));
    SystemError::new("InfeasibleResourcesError", "").with_details(details.finish())
}

/// A text of a process that goes into an error or a line: as much of its start as belongs there.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(TEXT_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// A process has declared as many classes as it may.
pub(crate) fn too_many_classes(limit: usize) -> SystemError {
    SystemError::new(
        "InfeasibleResourcesError",
        format!(
            "this process uses {limit} different combinations of resources and env at the same time, and that is the \
             limit"
        ),
    )
}

/// Workers of an environment can't be started.
pub(crate) fn workers_do_not_start(reason: &Refusal, last: Option<&WorkerExit>) -> SystemError {
    let details = last.map_or_else(Details::new, |exit| Details::new().exit(exit));
    let mut message = failed_starts::why(reason, last);
    for line in last.iter().flat_map(|exit| &exit.stderr_tail) {
        message.push('\n');
        message.push_str(line);
    }
    SystemError::new("WorkerCrashedError", message).with_details(details.finish())
}

fn resources(set: &ResourceSet) -> String {
    let mut details = Details::new();
    for (name, quantity) in set.iter() {
        details = details.number(name.as_str(), quantity.to_f64());
    }
    details.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_json_whatever_a_worker_printed() {
        let exit = WorkerExit {
            process: 2,
            pid: 7,
            code: None,
            signal: Some(11),
            stderr_tail: vec!["a \"quoted\"\tline\\".to_owned()],
            reason: String::new(),
        };
        let error = actor_died(ObjectId::local(1, 5), "Counter", None, Some(&exit));
        assert_eq!(
            error.details,
            "{\"actorId\":\"01000000000000000500000000000000\",\"className\":\"Counter\",\"pid\":7,\
             \"signal\":\"SIGSEGV\",\"stderrTail\":[\"a \\\"quoted\\\"\\u0009line\\\\\"]}"
        );
    }
}
