//! How results go back to who has submitted the task.

use eagleray_protocol::frames::{REPLY, ReplyHeader};

use crate::handle::PeerSlot;
use crate::peers::Peers;
use crate::reply_items::{count_items, split_items};

/// One reply frame carries results up to this size together.
const REPLY_FRAME_MAX: usize = 96 << 10;

/// Sends the results of a task: in one frame if they are few, else in several.
pub(super) fn send(peers: &mut Peers, peer: PeerSlot, header: ReplyHeader, items: &[u8]) {
    if items.len() <= REPLY_FRAME_MAX {
        let header = ReplyHeader {
            result_count: count_items(items),
            ..header
        };
        send_one(peers, peer, header, items);
        return;
    }
    let parts = split_items(items, REPLY_FRAME_MAX);
    let last = parts.len() - 1;
    for (index, (range, result_count)) in parts.into_iter().enumerate() {
        let part = ReplyHeader {
            result_count,
            last: index == last,
            retire: index == last && header.retire,
            sealed_in_vain: index == last && header.sealed_in_vain,
            ..header
        };
        send_one(peers, peer, part, &items[range]);
    }
}

fn send_one(peers: &mut Peers, peer: PeerSlot, header: ReplyHeader, items: &[u8]) {
    let mut bytes = [0; ReplyHeader::LENGTH];
    header.write(&mut bytes);
    peers.post(peer, REPLY, &[&bytes, items]);
}
