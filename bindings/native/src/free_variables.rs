//! `freeVariables`, `analyseModule`, `variableChanges` and `breakableOffsets`: the parser's answers as plain objects.
//!
//! The shapes are those of `eagleray_free_variables`, field by field; what a field means is said
//! there. Only variables are grouped by their names, and their scopes are numbers in a row: a large script has
//! thousands of them.

use std::collections::HashMap;

use eagleray_free_variables as analysis;
use napi::bindgen_prelude::*;
use napi_derive::napi;

/// A stretch of the text: `text.slice(start, end)`.
#[napi(object)]
pub struct SourceRange {
    pub start: u32,
    pub end: u32,
}

/// What a function's text says about what it needs.
#[napi(object)]
pub struct FunctionAnalysis {
    /// `arrow`, `function`, `class`, `method`, `getter`, `setter` or `classMember`.
    pub form: String,
    pub name: Option<String>,
    pub is_async: bool,
    pub is_generator: bool,
    pub is_strict: bool,
    pub computed_key: Option<SourceRange>,
    pub free_variables: Vec<FreeVariable>,
    pub outer_this: bool,
    pub outer_super: bool,
    pub outer_arguments: bool,
    pub outer_new_target: bool,
    pub import_metas: Vec<SourceRange>,
    pub dynamic_imports: Vec<SourceRange>,
    pub direct_eval: bool,
    pub private_members: Vec<String>,
    pub outer_private_names: Vec<String>,
    pub heritage: Option<SourceRange>,
    pub class_body_end: Option<u32>,
    pub static_elements: Vec<SourceRange>,
    pub static_private_fields: Vec<StaticPrivateField>,
    pub computed_members: Vec<ComputedMember>,
}

/// A method of a class whose name is computed.
#[napi(object)]
pub struct ComputedMember {
    pub key: SourceRange,
    pub member: SourceRange,
}

/// A name that is not declared in the text.
#[napi(object)]
pub struct FreeVariable {
    pub name: String,
    pub is_written: bool,
    pub only_typeof: bool,
    pub members: Option<Vec<String>>,
    pub references: Vec<VariableReference>,
}

/// One occurrence of a free variable.
#[napi(object)]
pub struct VariableReference {
    pub start: u32,
    pub end: u32,
    pub is_shorthand: bool,
    pub is_callee: bool,
    pub is_early: bool,
}

/// `static #name = value`.
#[napi(object)]
pub struct StaticPrivateField {
    pub name: String,
    pub initialiser: Option<SourceRange>,
}

/// What a module's text says about its names.
#[napi(object)]
pub struct ModuleAnalysis {
    pub is_module: bool,
    pub is_strict: bool,
    pub strict_ranges: Vec<SourceRange>,
    pub imports: Vec<ModuleImport>,
    pub exports: Vec<ModuleExport>,
    pub reexports: Vec<ModuleReexport>,
    pub exported_types: Vec<String>,
    pub declarations: Vec<ModuleDeclaration>,
    pub required_names: Vec<RequiredName>,
    pub dependencies: Vec<ModuleDependency>,
    pub meta_properties: Vec<String>,
    pub inerasable_syntax: Vec<String>,
}

/// An imported name.
#[napi(object)]
pub struct ModuleImport {
    pub local: String,
    pub specifier: String,
    pub imported: Option<String>,
    pub has_attributes: bool,
    pub is_type: bool,
}

/// An export of a name of the module's own.
#[napi(object)]
pub struct ModuleExport {
    pub exported: String,
    pub local: String,
}

/// An export that is another module's.
#[napi(object)]
pub struct ModuleReexport {
    pub exported: Option<String>,
    pub imported: Option<String>,
    pub specifier: String,
}

/// A name that is declared at the top level.
#[napi(object)]
pub struct ModuleDeclaration {
    pub name: String,
    pub function: Option<SourceRange>,
    pub is_reassigned: bool,
}

/// A variable of any scope that holds a module or a member of one.
#[napi(object)]
pub struct RequiredName {
    pub name: String,
    pub is_certain: bool,
    pub required: RequiredModule,
}

/// What a name holds that was taken out of a module by `require` or `import()`.
#[napi(object)]
pub struct RequiredModule {
    pub specifier: String,
    pub member: Option<String>,
    pub helper: Option<String>,
    pub helper_is_node: bool,
    pub is_dynamic_import: bool,
}

/// A module that another one loads.
#[napi(object)]
pub struct ModuleDependency {
    pub specifier: String,
    pub is_dynamic: bool,
    pub is_type: bool,
}

/// What a script says about the changes of its variables.
#[napi(object)]
pub struct VariableChanges {
    pub has_direct_eval: bool,
    pub variables: Vec<NamedVariables>,
}

/// The variables of one name.
#[napi(object)]
pub struct NamedVariables {
    pub name: String,
    /// Three numbers for each: start and end of its scope, and 1 if it changes, 2 if it does by a `var`, else 0.
    pub scopes: Vec<u32>,
}

/// Analyses the text that `Function.prototype.toString` gives for a function or class.
///
/// Throws a `SyntaxError`-like error when the text is none, as that of a native function.
#[napi(catch_unwind)]
pub fn free_variables(source: String) -> Result<FunctionAnalysis> {
    let found = analysis::analyse_function(&source).map_err(invalid)?;
    Ok(FunctionAnalysis {
        form: found.form.as_str().to_owned(),
        name: found.name,
        is_async: found.is_async,
        is_generator: found.is_generator,
        is_strict: found.is_strict,
        computed_key: found.computed_key.map(range),
        free_variables: found.free_variables.into_iter().map(variable).collect(),
        outer_this: found.outer_this,
        outer_super: found.outer_super,
        outer_arguments: found.outer_arguments,
        outer_new_target: found.outer_new_target,
        import_metas: ranges(found.import_metas),
        dynamic_imports: ranges(found.dynamic_imports),
        direct_eval: found.direct_eval,
        private_members: found.private_members,
        outer_private_names: found.outer_private_names,
        heritage: found.heritage.map(range),
        class_body_end: found.class_body_end,
        static_elements: ranges(found.static_elements),
        static_private_fields: found
            .static_private_fields
            .into_iter()
            .map(|field| StaticPrivateField {
                name: field.name,
                initialiser: field.initialiser.map(range),
            })
            .collect(),
        computed_members: found
            .computed_members
            .into_iter()
            .map(|each| ComputedMember {
                key: range(each.key),
                member: range(each.member),
            })
            .collect(),
    })
}

/// Analyses the text of a module or CommonJS file; `typescript` says that it is TypeScript as its
/// author wrote it, not what a loader made of it.
#[napi(catch_unwind)]
pub fn analyse_module(source: String, typescript: bool) -> Result<ModuleAnalysis> {
    let language = if typescript {
        analysis::ModuleSource::TypeScript
    } else {
        analysis::ModuleSource::JavaScript
    };
    let found = analysis::analyse_module(&source, language).map_err(invalid)?;
    Ok(ModuleAnalysis {
        is_module: found.is_module,
        is_strict: found.is_strict,
        strict_ranges: ranges(found.strict_ranges),
        imports: found
            .imports
            .into_iter()
            .map(|import| ModuleImport {
                local: import.local,
                specifier: import.specifier,
                imported: import.imported,
                has_attributes: import.has_attributes,
                is_type: import.is_type,
            })
            .collect(),
        exports: found
            .exports
            .into_iter()
            .map(|export| ModuleExport {
                exported: export.exported,
                local: export.local,
            })
            .collect(),
        reexports: found
            .reexports
            .into_iter()
            .map(|export| ModuleReexport {
                exported: export.exported,
                imported: export.imported,
                specifier: export.specifier,
            })
            .collect(),
        exported_types: found.exported_types,
        declarations: found.declarations.into_iter().map(declaration).collect(),
        required_names: found
            .required_names
            .into_iter()
            .map(required_name)
            .collect(),
        dependencies: found
            .dependencies
            .into_iter()
            .map(|dependency| ModuleDependency {
                specifier: dependency.specifier,
                is_dynamic: dependency.is_dynamic,
                is_type: dependency.is_type,
            })
            .collect(),
        meta_properties: found.meta_properties,
        inerasable_syntax: found.inerasable_syntax,
    })
}

/// Which variables of a script may change once they have a value.
#[napi(catch_unwind)]
pub fn variable_changes(source: String) -> Result<VariableChanges> {
    let found = analysis::variable_changes(&source).map_err(invalid)?;
    let mut variables: Vec<NamedVariables> = Vec::new();
    let mut places = HashMap::new();
    for each in found.variables {
        let changes = match each.changes {
            analysis::Changes::Never => 0,
            analysis::Changes::Always => 1,
            analysis::Changes::Once => 2,
        };
        let scope = [each.scope.start, each.scope.end, changes];
        let place = *places.entry(each.name.clone()).or_insert_with(|| {
            variables.push(NamedVariables {
                name: each.name,
                scopes: Vec::new(),
            });
            variables.len() - 1
        });
        variables[place].scopes.extend(scope);
    }
    Ok(VariableChanges {
        has_direct_eval: found.has_direct_eval,
        variables,
    })
}

/// The offsets of a function's text before which white space of any kind may be put, ascending.
#[napi(catch_unwind)]
pub fn breakable_offsets(source: String) -> Result<Vec<u32>> {
    analysis::breakable_offsets(&source).map_err(invalid)
}

fn variable(found: analysis::FreeVariable) -> FreeVariable {
    FreeVariable {
        name: found.name,
        is_written: found.is_written,
        only_typeof: found.only_typeof,
        members: found.members,
        references: found
            .references
            .into_iter()
            .map(|reference| VariableReference {
                start: reference.range.start,
                end: reference.range.end,
                is_shorthand: reference.is_shorthand,
                is_callee: reference.is_callee,
                is_early: reference.is_early,
            })
            .collect(),
    }
}

fn declaration(found: analysis::Declaration) -> ModuleDeclaration {
    ModuleDeclaration {
        name: found.name,
        function: found.function.map(range),
        is_reassigned: found.is_reassigned,
    }
}

fn required_name(found: analysis::RequiredName) -> RequiredName {
    let required = found.required;
    RequiredName {
        name: found.name,
        is_certain: found.is_certain,
        required: RequiredModule {
            specifier: required.specifier,
            member: required.member,
            helper: required.helper,
            helper_is_node: required.helper_is_node,
            is_dynamic_import: required.is_dynamic_import,
        },
    }
}

fn range(found: analysis::Range) -> SourceRange {
    SourceRange {
        start: found.start,
        end: found.end,
    }
}

fn ranges(found: Vec<analysis::Range>) -> Vec<SourceRange> {
    found.into_iter().map(range).collect()
}

fn invalid(error: analysis::SyntaxError) -> Error {
    Error::new(Status::InvalidArg, error.message)
}
