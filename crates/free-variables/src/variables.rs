//! Which variables of a script may change once they have a value.
//!
//! The value of a variable that never changes has to be read only once, and functions that use it need not
//! share it. Asked are variables that a function takes from around it; those that stay inside their function are left
//! out, as are names of which every variable has its value from the beginning and for good.

use std::collections::HashSet;

use oxc_allocator::Allocator;
use oxc_ast::AstKind;
use oxc_ast::ast::*;
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::{AstNodes, Reference, ScopeFlags, ScopeId, Scoping, SemanticBuilder, SymbolId};
use oxc_span::{GetSpan, SourceType, Span};

use crate::module::parse_program;
use crate::offsets::Offsets;
use crate::{Range, SyntaxError};

/// What a script says about the changes of its variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableChanges {
    /// `eval(…)` occurs, which may assign to any variable.
    pub has_direct_eval: bool,
    /// The variables of each name of which one is no plain constant, whether they are themselves or not: a
    /// function means the one of the innermost scope around it.
    pub variables: Vec<Variable>,
}

/// A variable that functions take from around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Where the scope stands that declares it.
    pub scope: Range,
    /// When something is assigned to it.
    pub changes: Changes,
}

/// When something is assigned to a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// It has its value as soon as it can be read, and for good.
    Never,
    /// Something may be assigned to it after it has its value.
    Always,
    /// By a `var`, before which it can be read and has no value.
    Once,
}

/// Analyses the text of a module, of a CommonJS file, or of any other script.
pub fn variable_changes(source: &str) -> Result<VariableChanges, SyntaxError> {
    changes_in(source, SourceType::unambiguous()).or_else(|error| {
        // Top-level `await` alone tells of a module only by an error.
        changes_in(source, SourceType::mjs()).map_err(|_| error)
    })
}

fn changes_in(source: &str, source_type: SourceType) -> Result<VariableChanges, SyntaxError> {
    let allocator = Allocator::default();
    let program = parse_program(&allocator, source, source_type)?;
    let semantic = SemanticBuilder::new().build(&program).semantic;
    let (scoping, nodes) = (semantic.scoping(), semantic.nodes());
    let mut assignments = Assignments::default();
    assignments.visit_program(&program);
    let changes = |symbol: SymbolId| {
        if scoping.symbol_is_mutated(symbol)
            || !scoping.symbol_redeclarations(symbol).is_empty()
            || assignments.hidden.contains(&symbol)
        {
            Changes::Always
        } else if assignments.initialised.contains(&symbol) {
            Changes::Once
        } else {
            Changes::Never
        }
    };
    let captured: Vec<SymbolId> = scoping
        .symbol_ids()
        .filter(|&symbol| is_captured(symbol, scoping, nodes))
        .collect();
    let mut names: Vec<&str> = captured
        .iter()
        .filter(|&&symbol| changes(symbol) != Changes::Never)
        .map(|&symbol| scoping.symbol_name(symbol))
        .collect();
    names.sort_unstable();
    names.dedup();
    let offsets = Offsets::new(source, 0);
    let variables = captured
        .into_iter()
        .filter(|&symbol| names.binary_search(&scoping.symbol_name(symbol)).is_ok())
        .map(|symbol| Variable {
            name: scoping.symbol_name(symbol).to_owned(),
            scope: offsets.range(span_of(
                scoping.symbol_scope_id(symbol),
                scoping,
                nodes,
                source,
            )),
            changes: changes(symbol),
        })
        .collect();
    Ok(VariableChanges {
        has_direct_eval: assignments.has_direct_eval,
        variables,
    })
}

/// True if a function uses the variable that does not declare it.
fn is_captured(symbol: SymbolId, scoping: &Scoping, nodes: &AstNodes<'_>) -> bool {
    let scope_of = |reference: &Reference| nodes.get_node(reference.node_id()).scope_id();
    let home = function_around(scoping.symbol_scope_id(symbol), scoping, nodes);
    scoping
        .get_resolved_references(symbol)
        .any(|reference| function_around(scope_of(reference), scoping, nodes) != home)
}

/// The scope of the innermost function around a scope, or of the innermost class: its fields are functions to the
/// engine.
fn function_around(mut scope: ScopeId, scoping: &Scoping, nodes: &AstNodes<'_>) -> ScopeId {
    loop {
        let flags = scoping.scope_flags(scope);
        let is_class = matches!(nodes.kind(scoping.get_node_id(scope)), AstKind::Class(_));
        if flags.is_function() || flags.is_class_static_block() || is_class {
            return scope;
        }
        match scoping.scope_parent_id(scope) {
            Some(parent) => scope = parent,
            None => return scope,
        }
    }
}

fn span_of(scope: ScopeId, scoping: &Scoping, nodes: &AstNodes<'_>, source: &str) -> Span {
    match nodes.kind(scoping.get_node_id(scope)) {
        // Its own span leaves comments at its edges out.
        AstKind::Program(_) => Span::new(0, source.len() as u32),
        kind => kind.span(),
    }
}

/// Assignments that are not written as such.
#[derive(Default)]
struct Assignments {
    has_direct_eval: bool,
    /// Variables that a loop declares again and again, and parameters that are changed by `arguments`.
    hidden: HashSet<SymbolId>,
    /// Variables that have their value by a `var`.
    initialised: HashSet<SymbolId>,
    loop_depth: usize,
    /// The parameters of the functions around this place that have `arguments`.
    parameters: Vec<Vec<SymbolId>>,
}

impl Assignments {
    fn in_loop(&mut self, visit: impl FnOnce(&mut Self)) {
        self.loop_depth += 1;
        visit(self);
        self.loop_depth -= 1;
    }

    fn in_function(&mut self, visit: impl FnOnce(&mut Self)) {
        let loop_depth = std::mem::take(&mut self.loop_depth);
        visit(self);
        self.loop_depth = loop_depth;
    }

    /// `arguments[…]` is assigned to.
    fn member_target(&mut self, object: &Expression<'_>) {
        if let Expression::Identifier(identifier) = object
            && identifier.name == "arguments"
            && let Some(parameters) = self.parameters.last()
        {
            self.hidden.extend(parameters);
        }
    }
}

impl<'a> Visit<'a> for Assignments {
    fn visit_function(&mut self, function: &Function<'a>, flags: ScopeFlags) {
        let parameters = function.params.items.iter();
        self.parameters.push(
            parameters
                .flat_map(|each| each.pattern.get_binding_identifiers())
                .filter_map(|identifier| identifier.symbol_id.get())
                .collect(),
        );
        self.in_function(|this| walk::walk_function(this, function, flags));
        self.parameters.pop();
    }

    fn visit_arrow_function_expression(&mut self, arrow: &ArrowFunctionExpression<'a>) {
        self.in_function(|this| walk::walk_arrow_function_expression(this, arrow));
    }

    fn visit_static_block(&mut self, block: &StaticBlock<'a>) {
        self.in_function(|this| walk::walk_static_block(this, block));
    }

    fn visit_for_statement(&mut self, statement: &ForStatement<'a>) {
        self.in_loop(|this| walk::walk_for_statement(this, statement));
    }

    fn visit_for_in_statement(&mut self, statement: &ForInStatement<'a>) {
        self.in_loop(|this| walk::walk_for_in_statement(this, statement));
    }

    fn visit_for_of_statement(&mut self, statement: &ForOfStatement<'a>) {
        self.in_loop(|this| walk::walk_for_of_statement(this, statement));
    }

    fn visit_while_statement(&mut self, statement: &WhileStatement<'a>) {
        self.in_loop(|this| walk::walk_while_statement(this, statement));
    }

    fn visit_do_while_statement(&mut self, statement: &DoWhileStatement<'a>) {
        self.in_loop(|this| walk::walk_do_while_statement(this, statement));
    }

    fn visit_variable_declaration(&mut self, declaration: &VariableDeclaration<'a>) {
        if declaration.kind == VariableDeclarationKind::Var {
            let is_repeated = self.loop_depth > 0;
            let target = if is_repeated {
                &mut self.hidden
            } else {
                &mut self.initialised
            };
            let declarators = declaration.declarations.iter();
            target.extend(
                declarators
                    .filter(|each| is_repeated || each.init.is_some())
                    .flat_map(|each| each.id.get_binding_identifiers())
                    .filter_map(|identifier| identifier.symbol_id.get()),
            );
        }
        walk::walk_variable_declaration(self, declaration);
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        if let Expression::Identifier(callee) = &call.callee {
            self.has_direct_eval |= callee.name == "eval" && !call.optional;
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_simple_assignment_target(&mut self, target: &SimpleAssignmentTarget<'a>) {
        if let SimpleAssignmentTarget::ComputedMemberExpression(member) = target {
            self.member_target(&member.object);
        }
        walk::walk_simple_assignment_target(self, target);
    }
}
