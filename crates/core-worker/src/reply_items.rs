//! The results in a reply, one after the other.

use std::ops::Range;

use eagleray_object_store::Extent;
use eagleray_protocol::frames::{padded, read_u32, read_u64};

/// One result of a reply.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ResultItem<'a> {
    /// Value or kind of error.
    pub status: u32,
    /// `RESULT_…`
    pub form: u32,
    /// Which of the task's results it is.
    pub index: u32,
    /// Its content.
    pub bytes: &'a [u8],
}

impl ResultItem<'_> {
    /// The place of a payload that is too long for a ring.
    pub fn extent(&self) -> Option<Extent> {
        Some(Extent {
            offset: read_u64(self.bytes, 0)?,
            length: read_u64(self.bytes, 8)?,
        })
    }

    /// Appends it to a list of them.
    pub fn write(&self, list: &mut Vec<u8>) {
        let length = self.bytes.len() as u32;
        for value in [self.status, self.form, self.index, length] {
            list.extend_from_slice(&value.to_le_bytes());
        }
        list.extend_from_slice(self.bytes);
        list.resize(list.len().next_multiple_of(8), 0);
    }
}

/// The first result, and what follows it.
fn first(list: &[u8]) -> Option<(ResultItem<'_>, &[u8])> {
    let length = read_u32(list, 12)? as usize;
    let item = ResultItem {
        status: read_u32(list, 0)?,
        form: read_u32(list, 4)?,
        index: read_u32(list, 8)?,
        bytes: list.get(16..16usize.checked_add(length)?)?,
    };
    Some((item, list.get(16 + padded(length)..).unwrap_or(&[])))
}

/// The results of a list, up to its end or to one that lies about its length.
pub fn items(mut list: &[u8]) -> impl Iterator<Item = ResultItem<'_>> {
    std::iter::from_fn(move || {
        let (item, rest) = first(list)?;
        list = rest;
        Some(item)
    })
}

/// How many results a list has.
pub fn count_items(list: &[u8]) -> u16 {
    items(list).count() as u16
}

fn item_length(list: &[u8]) -> Option<usize> {
    let length = read_u32(list, 12)? as usize;
    (list.len() >= 16usize.checked_add(length)?).then(|| (16 + padded(length)).min(list.len()))
}

/// Cuts results into frames of at most `limit` bytes, each with the number of its results; a result
/// above the limit is alone. At least one frame, because even a task without results is answered.
pub fn split_items(list: &[u8], limit: usize) -> Vec<(Range<usize>, u16)> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut end = 0;
    let mut count = 0;
    while let Some(length) = item_length(&list[end..]) {
        if end > start && end + length - start > limit {
            parts.push((start..end, count));
            start = end;
            count = 0;
        }
        end += length;
        count += 1;
    }
    parts.push((start..end, count));
    parts
}

#[cfg(test)]
mod tests {
    use eagleray_protocol::Status;
    use eagleray_protocol::frames::RESULT_INLINE;

    use super::*;

    fn item(index: u32, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let content = vec![index as u8; length];
        let item = ResultItem {
            status: Status::Value as u32,
            form: RESULT_INLINE,
            index,
            bytes: &content,
        };
        item.write(&mut bytes);
        bytes
    }

    #[test]
    fn results_are_read_one_after_the_other() {
        let list = [item(0, 3), item(1, 0), item(2, 8)].concat();
        assert_eq!(count_items(&list), 3);
        let read: Vec<_> = items(&list)
            .map(|item| (item.index, item.bytes.to_vec()))
            .collect();
        assert_eq!(read, [(0, vec![0; 3]), (1, vec![]), (2, vec![2; 8])]);
    }

    #[test]
    fn a_result_that_lies_about_its_length_is_none() {
        let mut bytes = item(0, 8);
        for length in [9, 1 << 20, u32::MAX] {
            bytes[12..16].copy_from_slice(&length.to_le_bytes());
            assert_eq!(items(&bytes).next(), None);
            assert_eq!(item_length(&bytes), None);
            assert_eq!(count_items(&bytes), 0);
        }
    }

    #[test]
    fn frames_of_results_stay_below_the_limit_and_lose_none() {
        let lengths = [10, 200, 0, 64, 500, 1, 1, 1];
        let list: Vec<u8> = lengths
            .iter()
            .enumerate()
            .flat_map(|(index, &length)| item(index as u32, length))
            .collect();
        for limit in [1, 100, 256, 1 << 20] {
            let parts = split_items(&list, limit);
            let mut next = 0;
            for (range, count) in &parts {
                assert_eq!(range.start, next);
                assert_eq!(*count, count_items(&list[range.clone()]));
                assert!(range.len() <= limit || *count == 1, "{range:?} of {limit}");
                next = range.end;
            }
            assert_eq!(next, list.len());
        }
        assert_eq!(split_items(&list, 1).len(), lengths.len());
        assert_eq!(split_items(&list, 1 << 20).len(), 1);
    }

    #[test]
    fn a_task_without_results_is_answered_by_one_empty_frame() {
        assert_eq!(split_items(&[], 100), [(0..0, 0)]);
    }
}
