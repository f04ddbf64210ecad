//! The analysis of a whole module: its imports, exports, functions and what it loads.

use oxc_allocator::Allocator;
use oxc_ast::ast::*;
use oxc_ast_visit::{Visit, walk};
use oxc_parser::{ParseOptions, Parser};
use oxc_semantic::{ScopeFlags, Scoping, SemanticBuilder};
use oxc_span::{GetSpan, SourceType, Span};

use crate::offsets::Offsets;
use crate::{Range, SyntaxError};

/// In which language a module is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModuleSource {
    /// JavaScript as the engine sees it, a module or a CommonJS file.
    JavaScript,
    /// TypeScript as its author wrote it.
    TypeScript,
}

/// What a module says about its own names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleAnalysis {
    /// It has `import` or `export` declarations, `import.meta`, or top-level `await`.
    pub is_module: bool,
    /// All of it is strict code.
    pub is_strict: bool,
    /// In a file that is not strict: the outermost functions and classes that are.
    pub strict_ranges: Vec<Range>,
    /// Every imported name.
    pub imports: Vec<Import>,
    /// Every export of a name of its own.
    pub exports: Vec<LocalExport>,
    /// Every export that is another module's.
    pub reexports: Vec<Reexport>,
    /// Names of exported types and interfaces, which do not exist when the program runs.
    pub exported_types: Vec<String>,
    /// Every name that is declared at the top level.
    pub declarations: Vec<Declaration>,
    /// Every variable, at the top level or not, that holds a module or a member of one.
    pub required_names: Vec<RequiredName>,
    /// Every module that is named by a literal.
    pub dependencies: Vec<Dependency>,
    /// The `x` of every `import.meta.x`.
    pub meta_properties: Vec<String>,
    /// TypeScript syntax that can't be removed by leaving characters out, each kind once.
    pub inerasable_syntax: Vec<String>,
}

/// `import { imported as local } from 'specifier'`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The name in this module.
    pub local: String,
    /// The module as it is written.
    pub specifier: String,
    /// The name in that module, `default` included; nothing for the namespace object.
    pub imported: Option<String>,
    /// It has a `with { … }` clause.
    pub has_attributes: bool,
    /// `import type`.
    pub is_type: bool,
}

/// `export { local as exported }`, or an exported declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalExport {
    /// The name that other modules use.
    pub exported: String,
    /// The name in this module; `*default*` for an anonymous default export.
    pub local: String,
}

/// `export { imported as exported } from 'specifier'`; `export *` has no names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reexport {
    /// The name that other modules use; nothing for `export * from`.
    pub exported: Option<String>,
    /// The name in the other module; nothing for its namespace or for `export * from`.
    pub imported: Option<String>,
    /// The module as it is written.
    pub specifier: String,
}

/// A name that is declared at the top level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The name; `*default*` for an anonymous default export.
    pub name: String,
    /// The function or class that is its value, as `toString` gives it.
    pub function: Option<Range>,
    /// Something is assigned to it after its declaration.
    pub is_reassigned: bool,
}

/// A variable of any scope that holds what `require` or an awaited `import()` gave:
/// `helper(require('specifier')).member`, in any combination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredName {
    /// The variable.
    pub name: String,
    /// Nothing is assigned to it later, and no other variable of the file has its name.
    pub is_certain: bool,
    /// What it holds.
    pub required: Required,
}

/// A module, or a member of one, that was taken by `require` or `import()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Required {
    /// The module as it is written.
    pub specifier: String,
    /// The member that the name holds; nothing for the whole module.
    pub member: Option<String>,
    /// The helper function around `require`, such as `__toESM` or `__importStar`; `then` behind an
    /// `import()`.
    pub helper: Option<String>,
    /// The helper has a true second argument (`__toESM(require('x'), 1)`: as Node imports it).
    pub helper_is_node: bool,
    /// `await import('specifier')`.
    pub is_dynamic_import: bool,
}

/// A module that this one loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The module as it is written.
    pub specifier: String,
    /// `import('specifier')`: it is loaded when that code runs, if ever.
    pub is_dynamic: bool,
    /// Only types are taken from it.
    pub is_type: bool,
}

/// Analyses the text of a module or CommonJS file.
pub fn analyse_module(source: &str, language: ModuleSource) -> Result<ModuleAnalysis, SyntaxError> {
    let (source_type, second) = match language {
        // Whether it is a module shows at its declarations; top-level `await` alone only at an error.
        ModuleSource::JavaScript => (SourceType::unambiguous(), Some(SourceType::mjs())),
        ModuleSource::TypeScript => (SourceType::ts(), None),
    };
    match (analyse_as(source, source_type), second) {
        (Err(error), Some(second)) => analyse_as(source, second).map_err(|_| error),
        (result, _) => result,
    }
}

fn analyse_as(source: &str, source_type: SourceType) -> Result<ModuleAnalysis, SyntaxError> {
    let allocator = Allocator::default();
    let program = &parse_program(&allocator, source, source_type)?;
    let semantic = SemanticBuilder::new().build(program);
    let is_module = program.source_type.is_module();
    let mut collector = Collector {
        scoping: semantic.semantic.scoping(),
        offsets: Offsets::new(source, 0),
        strict_depth: 0,
        analysis: ModuleAnalysis {
            is_module,
            is_strict: is_module || program.has_use_strict_directive(),
            ..ModuleAnalysis::default()
        },
    };
    for statement in runner_body(program).unwrap_or(&program.body) {
        collector.top_level(statement);
    }
    collector.visit_program(program);
    Ok(collector.analysis)
}

/// Parses the text of a module or CommonJS file.
pub(crate) fn parse_program<'a>(
    allocator: &'a Allocator,
    source: &'a str,
    source_type: SourceType,
) -> Result<Program<'a>, SyntaxError> {
    let parsed = Parser::new(allocator, source, source_type)
        .with_options(ParseOptions {
            allow_return_outside_function: true,
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

/// The statements of a module that Vite's module runner wrapped: `async (…) => {{ … }}`.
fn runner_body<'b, 'a>(program: &'b Program<'a>) -> Option<&'b [Statement<'a>]> {
    let [Statement::ExpressionStatement(statement)] = program.body.as_slice() else {
        return None;
    };
    let Expression::ArrowFunctionExpression(arrow) = &statement.expression else {
        return None;
    };
    let [Statement::BlockStatement(block)] = arrow.body.statements.as_slice() else {
        return None;
    };
    Some(&block.body)
}

struct Collector<'s> {
    scoping: &'s Scoping,
    offsets: Offsets,
    /// How many strict functions and classes of a file that is not strict enclose this place.
    strict_depth: usize,
    analysis: ModuleAnalysis,
}

/// The name that stands for a default export without a name of its own.
const ANONYMOUS_DEFAULT: &str = "*default*";

impl Collector<'_> {
    fn top_level(&mut self, statement: &Statement<'_>) {
        match statement {
            Statement::ImportDeclaration(import) => self.import(import),
            Statement::ExportNamedDeclaration(export) => self.export_named(export),
            Statement::ExportDefaultDeclaration(export) => self.export_default(export),
            Statement::ExportAllDeclaration(export) => {
                if export.export_kind.is_type() {
                    return;
                }
                self.analysis.reexports.push(Reexport {
                    exported: export.exported.as_ref().map(|name| name.name().to_string()),
                    imported: None,
                    specifier: export.source.value.to_string(),
                });
            }
            Statement::VariableDeclaration(declaration) => self.variables(declaration),
            Statement::FunctionDeclaration(function) => self.function(function),
            Statement::ClassDeclaration(class) => self.class(class),
            _ => {}
        }
    }

    fn import(&mut self, import: &ImportDeclaration<'_>) {
        let Some(specifiers) = &import.specifiers else {
            return;
        };
        for specifier in specifiers {
            let (local, imported, is_type) = match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(named) => (
                    &named.local,
                    Some(named.imported.name().to_string()),
                    named.import_kind.is_type(),
                ),
                ImportDeclarationSpecifier::ImportDefaultSpecifier(named) => {
                    (&named.local, Some("default".to_owned()), false)
                }
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(named) => {
                    (&named.local, None, false)
                }
            };
            self.analysis.imports.push(Import {
                local: local.name.to_string(),
                specifier: import.source.value.to_string(),
                imported,
                has_attributes: import.with_clause.is_some(),
                is_type: is_type || import.import_kind.is_type(),
            });
        }
    }

    fn export_named(&mut self, export: &ExportNamedDeclaration<'_>) {
        if let Some(declaration) = &export.declaration {
            self.exported_declaration(declaration);
        }
        for specifier in &export.specifiers {
            let exported = specifier.exported.name().to_string();
            if export.export_kind.is_type() || specifier.export_kind.is_type() {
                self.analysis.exported_types.push(exported);
                continue;
            }
            let local = specifier.local.name().to_string();
            match &export.source {
                Some(source) => self.analysis.reexports.push(Reexport {
                    exported: Some(exported),
                    imported: Some(local),
                    specifier: source.value.to_string(),
                }),
                None => self.analysis.exports.push(LocalExport { exported, local }),
            }
        }
    }

    fn exported_declaration(&mut self, declaration: &oxc_ast::ast::Declaration<'_>) {
        let mut names = Vec::new();
        match declaration {
            oxc_ast::ast::Declaration::VariableDeclaration(variables) => {
                self.variables(variables);
                for declarator in &variables.declarations {
                    for identifier in declarator.id.get_binding_identifiers() {
                        names.push(identifier.name.to_string());
                    }
                }
            }
            oxc_ast::ast::Declaration::FunctionDeclaration(function) => {
                self.function(function);
                names.extend(function.id.as_ref().map(|id| id.name.to_string()));
            }
            oxc_ast::ast::Declaration::ClassDeclaration(class) => {
                self.class(class);
                names.extend(class.id.as_ref().map(|id| id.name.to_string()));
            }
            oxc_ast::ast::Declaration::TSTypeAliasDeclaration(alias) => {
                self.analysis.exported_types.push(alias.id.name.to_string());
            }
            oxc_ast::ast::Declaration::TSInterfaceDeclaration(interface) => {
                let name = interface.id.name.to_string();
                self.analysis.exported_types.push(name);
            }
            oxc_ast::ast::Declaration::TSEnumDeclaration(declaration) => {
                names.push(declaration.id.name.to_string());
            }
            _ => {}
        }
        for name in names {
            self.analysis.exports.push(LocalExport {
                exported: name.clone(),
                local: name,
            });
        }
    }

    fn export_default(&mut self, export: &ExportDefaultDeclaration<'_>) {
        let local = match &export.declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(function) => {
                self.default_function(function.id.as_ref(), function.span, |this| {
                    this.function(function)
                })
            }
            ExportDefaultDeclarationKind::ClassDeclaration(class) => {
                self.default_function(class.id.as_ref(), class.span, |this| this.class(class))
            }
            ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => return,
            ExportDefaultDeclarationKind::Identifier(identifier) => identifier.name.to_string(),
            declaration => {
                let Some(expression) = declaration.as_expression() else {
                    return;
                };
                self.analysis.declarations.push(Declaration {
                    name: ANONYMOUS_DEFAULT.to_owned(),
                    function: self.function_value(expression),
                    is_reassigned: false,
                });
                ANONYMOUS_DEFAULT.to_owned()
            }
        };
        self.analysis.exports.push(LocalExport {
            exported: "default".to_owned(),
            local,
        });
    }

    fn default_function(
        &mut self,
        id: Option<&BindingIdentifier<'_>>,
        span: Span,
        declare: impl FnOnce(&mut Self),
    ) -> String {
        if let Some(id) = id {
            declare(self);
            return id.name.to_string();
        }
        self.analysis.declarations.push(Declaration {
            name: ANONYMOUS_DEFAULT.to_owned(),
            function: Some(self.offsets.range(span)),
            is_reassigned: false,
        });
        ANONYMOUS_DEFAULT.to_owned()
    }

    fn function(&mut self, function: &Function<'_>) {
        if let (Some(id), true) = (&function.id, function.body.is_some()) {
            self.declare(id, Some(self.offsets.range(function.span)));
        }
    }

    fn class(&mut self, class: &Class<'_>) {
        if let Some(id) = &class.id {
            self.declare(id, Some(self.offsets.range(class.span)));
        }
    }

    fn variables(&mut self, declaration: &VariableDeclaration<'_>) {
        for declarator in &declaration.declarations {
            self.variable(declarator);
        }
    }

    fn variable(&mut self, declarator: &VariableDeclarator<'_>) {
        if let BindingPatternKind::BindingIdentifier(id) = &declarator.id.kind {
            let function = declarator
                .init
                .as_ref()
                .and_then(|value| self.function_value(value));
            self.declare(id, function);
            return;
        }
        for id in declarator.id.get_binding_identifiers() {
            self.declare(id, None);
        }
    }

    fn declare(&mut self, id: &BindingIdentifier<'_>, function: Option<Range>) {
        self.analysis.declarations.push(Declaration {
            name: id.name.to_string(),
            function,
            is_reassigned: self.is_reassigned(id),
        });
    }

    fn is_reassigned(&self, id: &BindingIdentifier<'_>) -> bool {
        id.symbol_id.get().is_some_and(|symbol| {
            self.scoping.symbol_is_mutated(symbol)
                || !self.scoping.symbol_redeclarations(symbol).is_empty()
        })
    }

    /// Notes the variables of a declarator that takes something out of a module.
    fn required(&mut self, declarator: &VariableDeclarator<'_>) {
        let Some(required) = declarator.init.as_ref().and_then(required_module) else {
            return;
        };
        match &declarator.id.kind {
            BindingPatternKind::BindingIdentifier(id) => self.require(id, required),
            BindingPatternKind::ObjectPattern(pattern) if required.member.is_none() => {
                for property in &pattern.properties {
                    if let (BindingPatternKind::BindingIdentifier(id), false, Some(member)) = (
                        &property.value.kind,
                        property.computed,
                        property.key.static_name(),
                    ) {
                        let member = Some(member.to_string());
                        self.require(
                            id,
                            Required {
                                member,
                                ..required.clone()
                            },
                        );
                    }
                }
            }
            _ => {}
        }
    }

    fn require(&mut self, id: &BindingIdentifier<'_>, required: Required) {
        let same_name = self.scoping.symbol_names().filter(|name| *name == id.name);
        self.analysis.required_names.push(RequiredName {
            name: id.name.to_string(),
            is_certain: same_name.count() == 1 && !self.is_reassigned(id),
            required,
        });
    }

    /// The function or class that an expression is, also when a compiler wrapped it to keep its
    /// name: `__name((x) => x, "f")`.
    fn function_value(&self, expression: &Expression<'_>) -> Option<Range> {
        match expression {
            Expression::ArrowFunctionExpression(_)
            | Expression::FunctionExpression(_)
            | Expression::ClassExpression(_) => Some(self.offsets.range(expression.span())),
            Expression::CallExpression(call) => {
                let Expression::Identifier(callee) = &call.callee else {
                    return None;
                };
                if callee.name != "__name" {
                    return None;
                }
                self.function_value(call.arguments.first()?.as_expression()?)
            }
            _ => None,
        }
    }

    fn dependency(&mut self, specifier: &str, is_dynamic: bool, is_type: bool) {
        let dependency = Dependency {
            specifier: specifier.to_owned(),
            is_dynamic,
            is_type,
        };
        if !self.analysis.dependencies.contains(&dependency) {
            self.analysis.dependencies.push(dependency);
        }
    }

    fn inerasable(&mut self, syntax: &str) {
        let list = &mut self.analysis.inerasable_syntax;
        if !list.iter().any(|known| known == syntax) {
            list.push(syntax.to_owned());
        }
    }

    fn in_strict(&mut self, span: Span, is_strict: bool, visit: impl FnOnce(&mut Self)) {
        if !is_strict || self.analysis.is_strict {
            return visit(self);
        }
        if self.strict_depth == 0 {
            let range = self.offsets.range(span);
            self.analysis.strict_ranges.push(range);
        }
        self.strict_depth += 1;
        visit(self);
        self.strict_depth -= 1;
    }
}

impl<'a> Visit<'a> for Collector<'_> {
    fn visit_function(&mut self, function: &Function<'a>, flags: ScopeFlags) {
        let is_strict = function.has_use_strict_directive();
        self.in_strict(function.span, is_strict, |this| {
            walk::walk_function(this, function, flags);
        });
    }

    fn visit_arrow_function_expression(&mut self, arrow: &ArrowFunctionExpression<'a>) {
        let is_strict = arrow.has_use_strict_directive();
        self.in_strict(arrow.span, is_strict, |this| {
            walk::walk_arrow_function_expression(this, arrow);
        });
    }

    fn visit_class(&mut self, class: &Class<'a>) {
        if !class.decorators.is_empty() {
            self.inerasable("decorators");
        }
        self.in_strict(class.span, true, |this| walk::walk_class(this, class));
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        self.required(declarator);
        walk::walk_variable_declarator(self, declarator);
    }

    fn visit_import_declaration(&mut self, import: &ImportDeclaration<'a>) {
        // `import { type A } from 'x'` still loads the module, unlike `import type { A } from 'x'`.
        self.dependency(&import.source.value, false, import.import_kind.is_type());
    }

    fn visit_export_named_declaration(&mut self, export: &ExportNamedDeclaration<'a>) {
        if let Some(source) = &export.source {
            self.dependency(&source.value, false, export.export_kind.is_type());
        }
        walk::walk_export_named_declaration(self, export);
    }

    fn visit_export_all_declaration(&mut self, export: &ExportAllDeclaration<'a>) {
        self.dependency(&export.source.value, false, export.export_kind.is_type());
    }

    fn visit_import_expression(&mut self, import: &ImportExpression<'a>) {
        if let Expression::StringLiteral(specifier) = &import.source {
            self.dependency(&specifier.value, true, false);
        }
        walk::walk_import_expression(self, import);
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        if let Some(specifier) = require_call(call) {
            self.dependency(specifier, false, false);
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_static_member_expression(&mut self, member: &StaticMemberExpression<'a>) {
        if let Expression::MetaProperty(meta) = &member.object
            && meta.meta.name == "import"
        {
            let name = member.property.name.to_string();
            if !self.analysis.meta_properties.contains(&name) {
                self.analysis.meta_properties.push(name);
            }
        }
        walk::walk_static_member_expression(self, member);
    }

    fn visit_formal_parameter(&mut self, parameter: &FormalParameter<'a>) {
        if parameter.accessibility.is_some() || parameter.readonly || parameter.r#override {
            self.inerasable("parameter properties");
        }
        if !parameter.decorators.is_empty() {
            self.inerasable("decorators");
        }
        walk::walk_formal_parameter(self, parameter);
    }

    fn visit_decorator(&mut self, decorator: &Decorator<'a>) {
        self.inerasable("decorators");
        walk::walk_decorator(self, decorator);
    }

    fn visit_ts_enum_declaration(&mut self, declaration: &TSEnumDeclaration<'a>) {
        if !declaration.declare {
            self.inerasable("enums");
        }
        walk::walk_ts_enum_declaration(self, declaration);
    }

    fn visit_ts_module_declaration(&mut self, declaration: &TSModuleDeclaration<'a>) {
        if !declaration.declare {
            self.inerasable("namespaces");
        }
    }

    fn visit_ts_import_equals_declaration(&mut self, declaration: &TSImportEqualsDeclaration<'a>) {
        if !declaration.import_kind.is_type() {
            self.inerasable("import assignments");
        }
    }

    fn visit_ts_export_assignment(&mut self, _export: &TSExportAssignment<'a>) {
        self.inerasable("export assignments");
    }

    fn visit_ts_type_assertion(&mut self, assertion: &TSTypeAssertion<'a>) {
        self.inerasable("angle-bracket assertions");
        walk::walk_ts_type_assertion(self, assertion);
    }
}

/// The module of `require('x')`.
fn require_call<'b>(call: &'b CallExpression<'_>) -> Option<&'b str> {
    let Expression::Identifier(callee) = &call.callee else {
        return None;
    };
    let [Argument::StringLiteral(specifier)] = call.arguments.as_slice() else {
        return None;
    };
    (callee.name == "require").then_some(specifier.value.as_str())
}

/// What an initialiser takes out of a module, if that is all it does.
fn required_module(initialiser: &Expression<'_>) -> Option<Required> {
    match initialiser {
        Expression::StaticMemberExpression(member) => {
            let required = required_module(&member.object)?;
            required.member.is_none().then(|| Required {
                member: Some(member.property.name.to_string()),
                ..required
            })
        }
        Expression::AwaitExpression(awaited) => awaited_import(&awaited.argument),
        Expression::CallExpression(call) => required_call(call),
        _ => None,
    }
}

/// `import('x')`, or `import('x').then(…)`, which is what tsx makes of it; then the helper is `then`.
fn awaited_import(expression: &Expression<'_>) -> Option<Required> {
    match expression {
        Expression::ImportExpression(import) => {
            let Expression::StringLiteral(specifier) = &import.source else {
                return None;
            };
            import.options.is_none().then(|| Required {
                specifier: specifier.value.to_string(),
                member: None,
                helper: None,
                helper_is_node: false,
                is_dynamic_import: true,
            })
        }
        Expression::CallExpression(call) => {
            let Expression::StaticMemberExpression(callee) = &call.callee else {
                return None;
            };
            let required = awaited_import(&callee.object)?;
            (callee.property.name == "then").then(|| Required {
                helper: Some("then".to_owned()),
                ..required
            })
        }
        _ => None,
    }
}

fn required_call(call: &CallExpression<'_>) -> Option<Required> {
    if let Some(specifier) = require_call(call) {
        return Some(Required {
            specifier: specifier.to_owned(),
            member: None,
            helper: None,
            helper_is_node: false,
            is_dynamic_import: false,
        });
    }
    // `__importStar(require('x'))` or, with TypeScript's helper package, `tslib_1.__importStar(…)`.
    let helper = match &call.callee {
        Expression::Identifier(callee) => callee.name.to_string(),
        Expression::StaticMemberExpression(member) => member.property.name.to_string(),
        _ => return None,
    };
    let Some(Argument::CallExpression(inner)) = call.arguments.first() else {
        return None;
    };
    let required = required_call(inner)?;
    (required.helper.is_none() && required.member.is_none()).then(|| Required {
        helper: Some(helper),
        helper_is_node: call.arguments.len() > 1,
        ..required
    })
}
