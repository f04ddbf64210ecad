//! From the parser's byte offsets to the UTF-16 offsets that JavaScript counts in.

use oxc_span::Span;

use crate::Range;

/// Converts offsets of one text, from which a prefix that the parser saw is subtracted.
pub struct Offsets {
    prefix_length: u32,
    /// For a text that is not ASCII: the UTF-16 offset of every byte of the text.
    by_byte: Option<Vec<u32>>,
}

impl Offsets {
    /// `prefix_length` is what was put before `source` for the parser, in bytes.
    pub fn new(source: &str, prefix_length: usize) -> Self {
        let by_byte = (!source.is_ascii()).then(|| {
            let mut table = Vec::with_capacity(source.len() + 1);
            let mut position = 0;
            for character in source.chars() {
                table.extend(std::iter::repeat_n(position, character.len_utf8()));
                position += character.len_utf16() as u32;
            }
            table.push(position);
            table
        });
        Self {
            prefix_length: prefix_length as u32,
            by_byte,
        }
    }

    /// A span that lies inside the text, as the parser saw it.
    pub fn range(&self, span: Span) -> Range {
        Range {
            start: self.offset(span.start),
            end: self.offset(span.end),
        }
    }

    /// One position, as the parser saw it.
    pub fn offset(&self, parsed: u32) -> u32 {
        let byte = parsed.saturating_sub(self.prefix_length);
        match &self.by_byte {
            None => byte,
            Some(table) => table
                .get(byte as usize)
                .or(table.last())
                .copied()
                .unwrap_or(byte),
        }
    }
}
