//! Where a function's text may be broken into lines without changing what it means.
//!
//! A loader that prints code anew moves it to other lines. To move it back, line breaks and blanks are
//! put before statements, expressions and members; never inside a template, and never where a line
//! break ends a statement (`return`, `throw`, `yield`).

use oxc_allocator::Allocator;
use oxc_ast::ast::*;
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};

use crate::SyntaxError;
use crate::offsets::Offsets;
use crate::wrapping::{Wrapping, first_wrapping, parse};

/// The UTF-16 offsets before which white space of any kind may be put, ascending.
pub fn breakable_offsets(source: &str) -> Result<Vec<u32>, SyntaxError> {
    first_wrapping(|wrapping| breaks_of(source, wrapping))
}

fn breaks_of(source: &str, wrapping: Wrapping) -> Result<Vec<u32>, SyntaxError> {
    let text = wrapping.wrap(source);
    let allocator = Allocator::default();
    let program = parse(&allocator, &text)?;
    let mut breaks = Breaks::default();
    breaks.visit_program(&program);
    let first = wrapping.prefix_length() as u32;
    let last = first + source.len() as u32;
    breaks.forbidden.sort_unstable();
    breaks.allowed.sort_unstable();
    breaks.allowed.dedup();
    breaks.allowed.retain(|offset| {
        (first..last).contains(offset) && breaks.forbidden.binary_search(offset).is_err()
    });
    let offsets = Offsets::new(source, wrapping.prefix_length());
    Ok(breaks
        .allowed
        .into_iter()
        .map(|offset| offsets.offset(offset))
        .collect())
}

/// Byte offsets in the wrapped text.
#[derive(Default)]
struct Breaks {
    allowed: Vec<u32>,
    forbidden: Vec<u32>,
}

impl Breaks {
    fn forbid(&mut self, argument: Option<&Expression<'_>>) {
        self.forbidden
            .extend(argument.map(|argument| argument.span().start));
    }

    fn allow(&mut self, span: Span) {
        self.allowed.push(span.start);
    }
}

impl<'a> Visit<'a> for Breaks {
    fn visit_statement(&mut self, statement: &Statement<'a>) {
        self.allow(statement.span());
        walk::walk_statement(self, statement);
    }

    fn visit_expression(&mut self, expression: &Expression<'a>) {
        self.allow(expression.span());
        walk::walk_expression(self, expression);
    }

    fn visit_class_element(&mut self, element: &ClassElement<'a>) {
        self.allow(element.span());
        walk::walk_class_element(self, element);
    }

    fn visit_object_property(&mut self, property: &ObjectProperty<'a>) {
        self.allow(property.span);
        if property.method || property.kind != PropertyKind::Init {
            self.forbid(Some(&property.value));
        }
        walk::walk_object_property(self, property);
    }

    fn visit_static_member_expression(&mut self, member: &StaticMemberExpression<'a>) {
        self.allow(member.property.span);
        walk::walk_static_member_expression(self, member);
    }

    fn visit_return_statement(&mut self, statement: &ReturnStatement<'a>) {
        self.forbid(statement.argument.as_ref());
        walk::walk_return_statement(self, statement);
    }

    fn visit_throw_statement(&mut self, statement: &ThrowStatement<'a>) {
        self.forbid(Some(&statement.argument));
        walk::walk_throw_statement(self, statement);
    }

    fn visit_yield_expression(&mut self, expression: &YieldExpression<'a>) {
        self.forbid(expression.argument.as_ref());
        walk::walk_yield_expression(self, expression);
    }
}
