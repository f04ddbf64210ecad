//! Makes programs of texts that are only parts of one.

use oxc_allocator::Allocator;
use oxc_ast::ast::Program;
use oxc_parser::{ParseOptions, Parser};
use oxc_span::SourceType;

use crate::SyntaxError;

/// What is put around the text of a function. The closing half begins with a line break, because the
/// text may end in a line comment.
#[derive(Debug, Clone, Copy)]
pub enum Wrapping {
    /// For arrow functions, functions and classes.
    Expression,
    /// For methods and accessors.
    Object,
    /// For what only a class may have.
    Class,
}

impl Wrapping {
    fn halves(self) -> (&'static str, &'static str) {
        match self {
            Wrapping::Expression => ("(", "\n)"),
            Wrapping::Object => ("({", "\n})"),
            Wrapping::Class => ("(class{", "\n})"),
        }
    }

    /// The program.
    pub fn wrap(self, source: &str) -> String {
        let (before, after) = self.halves();
        [before, source, after].concat()
    }

    /// How much of the program stands before the text, in bytes.
    pub fn prefix_length(self) -> usize {
        self.halves().0.len()
    }
}

/// The result for the first wrapping that gives one, else the first error.
pub fn first_wrapping<T>(
    attempt: impl Fn(Wrapping) -> Result<T, SyntaxError>,
) -> Result<T, SyntaxError> {
    let mut first_error = None;
    for wrapping in [Wrapping::Expression, Wrapping::Object, Wrapping::Class] {
        match attempt(wrapping) {
            Ok(result) => return Ok(result),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| not_a_function("an empty text")))
}

/// Parses a program that `wrap` made.
pub fn parse<'a>(allocator: &'a Allocator, text: &'a str) -> Result<Program<'a>, SyntaxError> {
    // `import.meta` makes it a module, everything else is read as a script, which allows more.
    let parsed = Parser::new(allocator, text, SourceType::unambiguous())
        .with_options(ParseOptions {
            preserve_parens: false,
            ..ParseOptions::default()
        })
        .parse();
    match parsed.errors.first() {
        Some(error) => Err(SyntaxError {
            message: error.message.to_string(),
        }),
        None => Ok(parsed.program),
    }
}

/// The error of a text that is JavaScript, but no function.
pub fn not_a_function(found: &str) -> SyntaxError {
    SyntaxError {
        message: format!("expected the text of a function or class, found {found}"),
    }
}
