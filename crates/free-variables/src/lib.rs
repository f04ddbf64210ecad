//! What a JavaScript function needs from outside of itself, read from its source text.
//!
//! This crate owns the questions that only a parser can answer before a function can be sent to
//! another process: which names it takes from the scopes around it ([`analyse_function`]), which of a
//! module's names are imports, exports or functions ([`analyse_module`]), which variables of a script may
//! change once they have a value ([`variable_changes`]), and where white space may be put to move its
//! lines ([`breakable_offsets`]).
//!
//! It is not a type checker, not a printer, and knows nothing of V8, Node or values: what a free
//! variable holds is the inspector's answer.
//!
//! Invariants:
//! 1. Every [`Range`] counts UTF-16 code units of the text that was passed in, as JavaScript's
//!    `slice` does, never bytes.
//! 2. No input panics: a text that is not JavaScript is a [`SyntaxError`].
//! 3. Names, members and ranges are listed in the order of their first appearance, so that equal
//!    texts have equal analyses.

mod breaks;
mod function;
mod module;
mod offsets;
mod variables;
mod wrapping;

pub use breaks::breakable_offsets;
pub use function::{
    Analysis, ComputedMember, Form, FreeVariable, Reference, StaticPrivateField, analyse_function,
};
pub use module::{
    Declaration, Dependency, Import, LocalExport, ModuleAnalysis, ModuleSource, Reexport, Required,
    RequiredName, analyse_module,
};
pub use variables::{Changes, Variable, VariableChanges, variable_changes};

/// A stretch of the analysed text, in UTF-16 code units: `text.slice(start, end)` in JavaScript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first code unit.
    pub start: u32,
    /// One after the last code unit.
    pub end: u32,
}

/// The text could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// What the parser found wrong, in one line.
    pub message: String,
}

impl std::fmt::Display for SyntaxError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for SyntaxError {}
