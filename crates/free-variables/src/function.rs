//! The analysis of one function or class, from the text that `Function.prototype.toString` gives.

use std::collections::HashMap;

use oxc_allocator::Allocator;
use oxc_ast::ast::*;
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::{ScopeFlags, Scoping, SemanticBuilder};
use oxc_span::{GetSpan, Span};

use crate::offsets::Offsets;
use crate::wrapping::{Wrapping, first_wrapping, not_a_function, parse};
use crate::{Range, SyntaxError};

/// What kind of text a function has, and so, what it has to be wrapped in to be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `(x) => x`: an expression.
    Arrow,
    /// `function f() {}`: an expression.
    Function,
    /// `class A {}`: an expression.
    Class,
    /// `f() {}`: a member of an object literal.
    Method,
    /// `get x() {}`: a member of an object literal.
    Getter,
    /// `set x(value) {}`: a member of an object literal.
    Setter,
    /// `static f() {}` or `#f() {}`: only a class body takes it.
    ClassMember,
}

impl Form {
    /// The name in lower case, as the SDK compares it.
    pub fn as_str(self) -> &'static str {
        match self {
            Form::Arrow => "arrow",
            Form::Function => "function",
            Form::Class => "class",
            Form::Method => "method",
            Form::Getter => "getter",
            Form::Setter => "setter",
            Form::ClassMember => "classMember",
        }
    }
}

/// All that a function's text says about what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analysis {
    /// The kind of text.
    pub form: Form,
    /// The name by which the function knows itself; a method has none.
    pub name: Option<String>,
    /// An `async` function or generator.
    pub is_async: bool,
    /// A generator.
    pub is_generator: bool,
    /// The function has a `'use strict'` directive of its own, or is a class.
    pub is_strict: bool,
    /// The expression in the brackets of a computed method name, which can't be evaluated again.
    pub computed_key: Option<Range>,
    /// The names that the function takes from around it, globals included. Names that occur only in
    /// [`Analysis::heritage`], [`Analysis::static_elements`], [`Analysis::computed_key`] or the
    /// values of [`Analysis::static_private_fields`] are not among them.
    pub free_variables: Vec<FreeVariable>,
    /// `this` of the scope around an arrow function.
    pub outer_this: bool,
    /// `super` of the object or class that a method was taken from.
    pub outer_super: bool,
    /// `arguments` of the function around an arrow function.
    pub outer_arguments: bool,
    /// `new.target` of the function around an arrow function.
    pub outer_new_target: bool,
    /// Each `import.meta`.
    pub import_metas: Vec<Range>,
    /// The keyword of each `import(…)`.
    pub dynamic_imports: Vec<Range>,
    /// `eval(…)`, which may use any variable in sight.
    pub direct_eval: bool,
    /// Private members that instances of this class have, with their `#`.
    pub private_members: Vec<String>,
    /// Private names that are used but declared by a class around this text, with their `#`.
    pub outer_private_names: Vec<String>,
    /// The expression after `extends` of a class, unless it is `null`.
    pub heritage: Option<Range>,
    /// Where the closing brace of a class stands.
    pub class_body_end: Option<u32>,
    /// Public static fields and static blocks of the class: what would run when it is evaluated.
    pub static_elements: Vec<Range>,
    /// Private static fields of the class.
    pub static_private_fields: Vec<StaticPrivateField>,
    /// Methods and accessors of the class whose names are computed.
    pub computed_members: Vec<ComputedMember>,
}

/// `[key]() {}` in the class that is analysed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComputedMember {
    /// The expression in the brackets.
    pub key: Range,
    /// The whole member; it ends with the text that the method's own `toString` gives.
    pub member: Range,
}

/// A name that is not declared in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeVariable {
    /// The name.
    pub name: String,
    /// Something is assigned to it.
    pub is_written: bool,
    /// It only occurs as `typeof name`, so it need not exist.
    pub only_typeof: bool,
    /// The members used, if it only occurs as `name.member`.
    pub members: Option<Vec<String>>,
    /// Every place where it occurs.
    pub references: Vec<Reference>,
}

/// One occurrence of a free variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// The identifier.
    pub range: Range,
    /// It stands in `{ name }`, short for `{ name: name }`.
    pub is_shorthand: bool,
    /// It stands in `name(…)`.
    pub is_callee: bool,
    /// It is needed to evaluate the class itself (a computed member name), not only to run it.
    pub is_early: bool,
}

/// `static #name = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticPrivateField {
    /// With its `#`.
    pub name: String,
    /// From the equals sign to the end of the value, if there is one.
    pub initialiser: Option<Range>,
}

/// Analyses the text of a function or class in any of the forms that `toString` gives.
pub fn analyse_function(source: &str) -> Result<Analysis, SyntaxError> {
    first_wrapping(|wrapping| analyse_wrapped(source, wrapping))
}

fn analyse_wrapped(source: &str, wrapping: Wrapping) -> Result<Analysis, SyntaxError> {
    let text = wrapping.wrap(source);
    let allocator = Allocator::default();
    let program = parse(&allocator, &text)?;
    let semantic = SemanticBuilder::new().build(&program);
    let scoping = semantic.semantic.scoping();
    let [Statement::ExpressionStatement(statement)] = program.body.as_slice() else {
        return Err(not_a_function("more than one statement"));
    };
    let mut collector = Collector::new(scoping, Offsets::new(source, wrapping.prefix_length()));
    match (wrapping, &statement.expression) {
        (Wrapping::Expression, Expression::ArrowFunctionExpression(arrow)) => {
            collector.arrow(arrow);
        }
        (Wrapping::Expression, Expression::FunctionExpression(function)) => {
            collector.function(function, Form::Function);
        }
        (Wrapping::Expression, Expression::ClassExpression(class)) => collector.class(class),
        (Wrapping::Object, Expression::ObjectExpression(object)) => {
            let [ObjectPropertyKind::ObjectProperty(property)] = object.properties.as_slice()
            else {
                return Err(not_a_function("something else than one member"));
            };
            let (Expression::FunctionExpression(function), Some(form)) =
                (&property.value, member_form(property))
            else {
                return Err(not_a_function("a property that is no method"));
            };
            collector.method(function, form, &property.key, property.computed);
        }
        (Wrapping::Class, Expression::ClassExpression(class)) => {
            let [ClassElement::MethodDefinition(method)] = class.body.body.as_slice() else {
                return Err(not_a_function("something else than one member"));
            };
            collector.method(
                &method.value,
                Form::ClassMember,
                &method.key,
                method.computed,
            );
        }
        _ => return Err(not_a_function("another expression")),
    }
    Ok(collector.finish())
}

fn member_form(property: &ObjectProperty<'_>) -> Option<Form> {
    match property.kind {
        PropertyKind::Get => Some(Form::Getter),
        PropertyKind::Set => Some(Form::Setter),
        PropertyKind::Init => property.method.then_some(Form::Method),
    }
}

/// Whose `this`, `arguments` and `super` an expression sees. Arrow functions add no level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// A function without `super`, or the method whose object is not part of the text.
    Function,
    /// A method, field or static block of an object or class inside the text.
    Member,
}

struct Collector<'s> {
    scoping: &'s Scoping,
    offsets: Offsets,
    levels: Vec<Level>,
    private_scopes: Vec<Vec<String>>,
    /// True while the visitor is in a part of the class that runs when the class is evaluated.
    is_early: bool,
    free: Vec<FreeVariable>,
    free_index: HashMap<String, usize>,
    analysis: Analysis,
}

/// How a free variable is used at one place.
#[derive(Default)]
struct Use<'n> {
    member: Option<&'n str>,
    is_typeof: bool,
    is_shorthand: bool,
    is_callee: bool,
}

impl<'s> Collector<'s> {
    fn new(scoping: &'s Scoping, offsets: Offsets) -> Self {
        Self {
            scoping,
            offsets,
            levels: Vec::new(),
            private_scopes: Vec::new(),
            is_early: false,
            free: Vec::new(),
            free_index: HashMap::new(),
            analysis: Analysis {
                form: Form::Function,
                name: None,
                is_async: false,
                is_generator: false,
                is_strict: false,
                computed_key: None,
                free_variables: Vec::new(),
                outer_this: false,
                outer_super: false,
                outer_arguments: false,
                outer_new_target: false,
                import_metas: Vec::new(),
                dynamic_imports: Vec::new(),
                direct_eval: false,
                private_members: Vec::new(),
                outer_private_names: Vec::new(),
                heritage: None,
                class_body_end: None,
                static_elements: Vec::new(),
                static_private_fields: Vec::new(),
                computed_members: Vec::new(),
            },
        }
    }

    fn finish(mut self) -> Analysis {
        self.analysis.free_variables = self.free;
        self.analysis
    }

    fn arrow(&mut self, arrow: &ArrowFunctionExpression<'_>) {
        self.analysis.form = Form::Arrow;
        self.analysis.is_async = arrow.r#async;
        self.analysis.is_strict = has_use_strict(&arrow.body);
        self.visit_arrow_function_expression(arrow);
    }

    fn function(&mut self, function: &Function<'_>, form: Form) {
        self.analysis.form = form;
        self.analysis.name = function.id.as_ref().map(|id| id.name.to_string());
        self.analysis.is_async = function.r#async;
        self.analysis.is_generator = function.generator;
        self.analysis.is_strict = function
            .body
            .as_ref()
            .is_some_and(|body| has_use_strict(body));
        self.visit_function(function, ScopeFlags::Function);
    }

    fn method(
        &mut self,
        function: &Function<'_>,
        form: Form,
        key: &PropertyKey<'_>,
        computed: bool,
    ) {
        if computed {
            self.analysis.computed_key = Some(self.offsets.range(key.span()));
        }
        if let PropertyKey::PrivateIdentifier(name) = key {
            self.outer_private_name(&format!("#{}", name.name));
        }
        self.function(function, form);
    }

    fn class(&mut self, class: &Class<'_>) {
        self.analysis.form = Form::Class;
        self.analysis.name = class.id.as_ref().map(|id| id.name.to_string());
        self.analysis.is_strict = true;
        self.analysis.class_body_end = Some(self.offsets.offset(class.body.span.end) - 1);
        if let Some(heritage) = &class.super_class
            && !matches!(heritage, Expression::NullLiteral(_))
        {
            self.analysis.heritage = Some(self.offsets.range(heritage.span()));
        }
        self.private_scopes.push(declared_private_names(class));
        for element in &class.body.body {
            self.class_element(element);
        }
        self.private_scopes.pop();
    }

    /// An element of the class that is analysed. What runs at its evaluation is listed, not visited.
    fn class_element(&mut self, element: &ClassElement<'_>) {
        match element {
            ClassElement::StaticBlock(block) => {
                let range = self.offsets.range(block.span);
                self.analysis.static_elements.push(range);
                return;
            }
            ClassElement::PropertyDefinition(property) if property.r#static => {
                self.static_field(property);
                return;
            }
            ClassElement::MethodDefinition(method) => self.method_name(method),
            ClassElement::PropertyDefinition(property) => self.private_member(&property.key),
            ClassElement::AccessorProperty(property) if !property.r#static => {
                self.private_member(&property.key);
            }
            ClassElement::AccessorProperty(_) | ClassElement::TSIndexSignature(_) => {}
        }
        self.visit_class_element_parts(element, true);
    }

    fn method_name(&mut self, method: &MethodDefinition<'_>) {
        if !method.r#static {
            self.private_member(&method.key);
        }
        if method.computed {
            self.analysis.computed_members.push(ComputedMember {
                key: self.offsets.range(method.key.span()),
                member: self.offsets.range(method.span),
            });
        }
    }

    fn static_field(&mut self, property: &PropertyDefinition<'_>) {
        let PropertyKey::PrivateIdentifier(key) = &property.key else {
            let range = self.offsets.range(property.span);
            self.analysis.static_elements.push(range);
            return;
        };
        let initialiser = property.value.as_ref().map(|value| {
            self.offsets
                .range(Span::new(key.span.end, value.span().end))
        });
        self.analysis
            .static_private_fields
            .push(StaticPrivateField {
                name: format!("#{}", key.name),
                initialiser,
            });
    }

    fn private_member(&mut self, key: &PropertyKey<'_>) {
        if let PropertyKey::PrivateIdentifier(key) = key {
            let name = format!("#{}", key.name);
            if !self.analysis.private_members.contains(&name) {
                self.analysis.private_members.push(name);
            }
        }
    }

    /// Visits the key of a class member outside, and its value inside, of the member's level.
    fn visit_class_element_parts(&mut self, element: &ClassElement<'_>, keys_are_early: bool) {
        let key = |this: &mut Self, key: &PropertyKey<'_>, computed: bool| {
            if computed {
                let was_early = this.is_early;
                this.is_early |= keys_are_early;
                this.visit_property_key(key);
                this.is_early = was_early;
            }
        };
        match element {
            ClassElement::MethodDefinition(method) => {
                key(self, &method.key, method.computed);
                self.member_function(&method.value);
            }
            ClassElement::PropertyDefinition(property) => {
                key(self, &property.key, property.computed);
                if let Some(value) = &property.value {
                    self.at_level(Level::Member, |this| this.visit_expression(value));
                }
            }
            ClassElement::AccessorProperty(property) => {
                key(self, &property.key, property.computed);
                if let Some(value) = &property.value {
                    self.at_level(Level::Member, |this| this.visit_expression(value));
                }
            }
            ClassElement::StaticBlock(block) => {
                self.at_level(Level::Member, |this| walk::walk_static_block(this, block));
            }
            ClassElement::TSIndexSignature(_) => {}
        }
    }

    fn member_function(&mut self, function: &Function<'_>) {
        self.at_level(Level::Member, |this| {
            walk::walk_function(this, function, ScopeFlags::Function);
        });
    }

    fn at_level(&mut self, level: Level, visit: impl FnOnce(&mut Self)) {
        self.levels.push(level);
        visit(self);
        self.levels.pop();
    }

    fn outer_private_name(&mut self, name: &str) {
        let names = &mut self.analysis.outer_private_names;
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }

    fn reference(&mut self, identifier: &IdentifierReference<'_>, usage: &Use<'_>) {
        let reference = identifier
            .reference_id
            .get()
            .map(|id| self.scoping.get_reference(id));
        if reference.is_some_and(|reference| reference.symbol_id().is_some()) {
            return;
        }
        let name = identifier.name.as_str();
        if name == "arguments" {
            self.analysis.outer_arguments |= self.levels.is_empty();
            return;
        }
        let index = *self.free_index.entry(name.to_owned()).or_insert_with(|| {
            self.free.push(FreeVariable {
                name: name.to_owned(),
                is_written: false,
                only_typeof: true,
                members: Some(Vec::new()),
                references: Vec::new(),
            });
            self.free.len() - 1
        });
        let variable = &mut self.free[index];
        variable.is_written |= reference.is_some_and(|reference| reference.is_write());
        variable.only_typeof &= usage.is_typeof;
        match (usage.member, &mut variable.members) {
            (Some(member), Some(members)) => {
                if !members.iter().any(|known| known == member) {
                    members.push(member.to_owned());
                }
            }
            // `typeof name` alone says nothing about members and asks for the whole value.
            _ => variable.members = None,
        }
        variable.references.push(Reference {
            range: self.offsets.range(identifier.span),
            is_shorthand: usage.is_shorthand,
            is_callee: usage.is_callee,
            is_early: self.is_early,
        });
    }
}

impl<'a> Visit<'a> for Collector<'_> {
    fn visit_identifier_reference(&mut self, identifier: &IdentifierReference<'a>) {
        self.reference(identifier, &Use::default());
    }

    fn visit_static_member_expression(&mut self, member: &StaticMemberExpression<'a>) {
        if let Expression::Identifier(object) = &member.object {
            let usage = Use {
                member: Some(member.property.name.as_str()),
                ..Use::default()
            };
            self.reference(object, &usage);
        } else {
            walk::walk_static_member_expression(self, member);
        }
    }

    fn visit_unary_expression(&mut self, unary: &UnaryExpression<'a>) {
        match &unary.argument {
            Expression::Identifier(identifier) if unary.operator == UnaryOperator::Typeof => {
                let usage = Use {
                    is_typeof: true,
                    ..Use::default()
                };
                self.reference(identifier, &usage);
            }
            _ => walk::walk_unary_expression(self, unary),
        }
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        if let Expression::Identifier(callee) = &call.callee {
            self.analysis.direct_eval |= callee.name == "eval" && !call.optional;
            let usage = Use {
                is_callee: true,
                ..Use::default()
            };
            self.reference(callee, &usage);
            self.visit_arguments(&call.arguments);
        } else {
            walk::walk_call_expression(self, call);
        }
    }

    fn visit_tagged_template_expression(&mut self, tagged: &TaggedTemplateExpression<'a>) {
        if let Expression::Identifier(tag) = &tagged.tag {
            let usage = Use {
                is_callee: true,
                ..Use::default()
            };
            self.reference(tag, &usage);
            self.visit_template_literal(&tagged.quasi);
        } else {
            walk::walk_tagged_template_expression(self, tagged);
        }
    }

    fn visit_object_property(&mut self, property: &ObjectProperty<'a>) {
        if property.shorthand
            && let Expression::Identifier(identifier) = &property.value
        {
            let usage = Use {
                is_shorthand: true,
                ..Use::default()
            };
            self.reference(identifier, &usage);
            return;
        }
        if property.computed {
            self.visit_property_key(&property.key);
        }
        match &property.value {
            Expression::FunctionExpression(function) if member_form(property).is_some() => {
                self.member_function(function);
            }
            value => self.visit_expression(value),
        }
    }

    fn visit_assignment_target_property_identifier(
        &mut self,
        property: &AssignmentTargetPropertyIdentifier<'a>,
    ) {
        let usage = Use {
            is_shorthand: true,
            ..Use::default()
        };
        self.reference(&property.binding, &usage);
        if let Some(initialiser) = &property.init {
            self.visit_expression(initialiser);
        }
    }

    fn visit_function(&mut self, function: &Function<'a>, flags: ScopeFlags) {
        self.at_level(Level::Function, |this| {
            walk::walk_function(this, function, flags);
        });
    }

    fn visit_class(&mut self, class: &Class<'a>) {
        if let Some(heritage) = &class.super_class {
            self.visit_expression(heritage);
        }
        self.private_scopes.push(declared_private_names(class));
        for element in &class.body.body {
            self.visit_class_element_parts(element, false);
        }
        self.private_scopes.pop();
    }

    fn visit_this_expression(&mut self, _this: &ThisExpression) {
        self.analysis.outer_this |= self.levels.is_empty();
    }

    fn visit_super(&mut self, _super: &Super) {
        self.analysis.outer_super |= self.levels.last() != Some(&Level::Member);
    }

    fn visit_meta_property(&mut self, meta: &MetaProperty<'a>) {
        if meta.meta.name == "import" {
            self.analysis
                .import_metas
                .push(self.offsets.range(meta.span));
        } else {
            self.analysis.outer_new_target |= self.levels.is_empty();
        }
    }

    fn visit_import_expression(&mut self, import: &ImportExpression<'a>) {
        let start = import.span.start;
        let keyword = Span::new(start, start + "import".len() as u32);
        self.analysis
            .dynamic_imports
            .push(self.offsets.range(keyword));
        walk::walk_import_expression(self, import);
    }

    fn visit_private_identifier(&mut self, identifier: &PrivateIdentifier<'a>) {
        let name = format!("#{}", identifier.name);
        let is_declared = self
            .private_scopes
            .iter()
            .any(|scope| scope.contains(&name));
        if !is_declared {
            self.outer_private_name(&name);
        }
    }
}

fn has_use_strict(body: &FunctionBody<'_>) -> bool {
    body.directives
        .iter()
        .any(|directive| directive.directive == "use strict")
}

fn declared_private_names(class: &Class<'_>) -> Vec<String> {
    class
        .body
        .body
        .iter()
        .filter_map(|element| match element {
            ClassElement::MethodDefinition(method) => Some(&method.key),
            ClassElement::PropertyDefinition(property) => Some(&property.key),
            ClassElement::AccessorProperty(property) => Some(&property.key),
            ClassElement::StaticBlock(_) | ClassElement::TSIndexSignature(_) => None,
        })
        .filter_map(|key| match key {
            PropertyKey::PrivateIdentifier(key) => Some(format!("#{}", key.name)),
            _ => None,
        })
        .collect()
}
