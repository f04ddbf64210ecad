//! What a module's text says about its names.

use eagleray_free_variables::{ModuleAnalysis, ModuleSource, analyse_module};

fn javascript(source: &str) -> ModuleAnalysis {
    analyse_module(source, ModuleSource::JavaScript)
        .unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn typescript(source: &str) -> ModuleAnalysis {
    analyse_module(source, ModuleSource::TypeScript)
        .unwrap_or_else(|error| panic!("{source}: {error}"))
}

#[test]
fn imports_say_what_they_are_called_where() {
    let analysis = javascript(
        "import a, { b, c as d, 'e f' as g } from 'x'; import * as h from './y.js'; import i from './z.json' with { type: 'json' }; import 'side';",
    );
    let imports: Vec<(&str, &str, Option<&str>, bool)> = analysis
        .imports
        .iter()
        .map(|each| {
            let imported = each.imported.as_deref();
            (
                each.local.as_str(),
                each.specifier.as_str(),
                imported,
                each.has_attributes,
            )
        })
        .collect();
    assert_eq!(
        imports,
        [
            ("a", "x", Some("default"), false),
            ("b", "x", Some("b"), false),
            ("d", "x", Some("c"), false),
            ("g", "x", Some("e f"), false),
            ("h", "./y.js", None, false),
            ("i", "./z.json", Some("default"), true),
        ]
    );
    assert!(analysis.is_module && analysis.is_strict);
}

#[test]
fn exports_lead_to_the_functions_that_they_are() {
    let source = "export function a() {} export const b = () => 1, c = 2; export class D {} \
                  function e() {} export { e as f, e as default }; \
                  export let g = function () {}; g = null; const h = __name((x) => x, 'h'); export { h };";
    let analysis = javascript(source);
    let text_of = |exported: &str| {
        let local = &analysis
            .exports
            .iter()
            .find(|each| each.exported == exported)?
            .local;
        let declaration = analysis
            .declarations
            .iter()
            .find(|each| &each.name == local)?;
        let range = declaration.function?;
        (!declaration.is_reassigned).then(|| &source[range.start as usize..range.end as usize])
    };
    assert_eq!(text_of("a"), Some("function a() {}"));
    assert_eq!(text_of("b"), Some("() => 1"));
    assert_eq!(text_of("c"), None);
    assert_eq!(text_of("D"), Some("class D {}"));
    assert_eq!(text_of("f"), Some("function e() {}"));
    assert_eq!(text_of("default"), Some("function e() {}"));
    assert_eq!(text_of("g"), None, "something else is assigned to it");
    assert_eq!(text_of("h"), Some("(x) => x"));
}

#[test]
fn anonymous_default_exports_are_found() {
    for (source, text) in [
        ("export default function () {}", "function () {}"),
        ("export default class {}", "class {}"),
        ("export default (x) => x;", "(x) => x"),
    ] {
        let analysis = javascript(source);
        assert_eq!(analysis.exports[0].exported, "default");
        assert_eq!(analysis.exports[0].local, analysis.declarations[0].name);
        let range = analysis.declarations[0].function.unwrap();
        assert_eq!(&source[range.start as usize..range.end as usize], text);
    }
}

#[test]
fn reexports_are_other_modules() {
    let analysis =
        javascript("export { a as b } from 'x'; export * from 'y'; export * as z from 'z';");
    let reexports: Vec<(Option<&str>, Option<&str>, &str)> = analysis
        .reexports
        .iter()
        .map(|each| {
            (
                each.exported.as_deref(),
                each.imported.as_deref(),
                each.specifier.as_str(),
            )
        })
        .collect();
    assert_eq!(
        reexports,
        [
            (Some("b"), Some("a"), "x"),
            (None, None, "y"),
            (Some("z"), None, "z"),
        ]
    );
    assert_eq!(analysis.dependencies.len(), 3);
}

#[test]
fn required_modules_are_seen_through_helpers_and_patterns() {
    let analysis = javascript(
        "const a = require('a'); const { b, c: d } = require('b'); const e = require('e').member; \
         var import_f = __toESM(require('f'), 1); const g = tslib_1.__importStar(require('g')); \
         const h = make(require('h')).deep.deeper; const i = require(name); const j = [require('j')];",
    );
    let required = |name: &str| {
        let found = analysis
            .required_names
            .iter()
            .find(|each| each.name == name)?;
        let required = found.required.clone();
        Some((
            required.specifier,
            required.member,
            required.helper,
            required.helper_is_node,
        ))
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(required("a"), Some(("a".to_owned(), None, None, false)));
    assert_eq!(
        required("b"),
        Some(("b".to_owned(), text("b"), None, false))
    );
    assert_eq!(
        required("d"),
        Some(("b".to_owned(), text("c"), None, false))
    );
    assert_eq!(
        required("e"),
        Some(("e".to_owned(), text("member"), None, false))
    );
    assert_eq!(
        required("import_f"),
        Some(("f".to_owned(), None, text("__toESM"), true))
    );
    assert_eq!(
        required("g"),
        Some(("g".to_owned(), None, text("__importStar"), false))
    );
    assert_eq!(required("h"), None);
    assert_eq!(required("i"), None);
    assert_eq!(required("j"), None);
    assert!(!analysis.is_module && !analysis.is_strict);
    assert_eq!(analysis.dependencies.len(), 7);
}

#[test]
fn an_awaited_import_is_a_required_module_wherever_it_stands() {
    let analysis = javascript(
        "const a = await import('a'); async function main() { const { b } = await import('./b.js'); const c = await import('c').then(f); }",
    );
    let [first, second, third] = analysis.required_names.as_slice() else {
        panic!("{:?}", analysis.required_names);
    };
    assert!(first.required.is_dynamic_import && first.is_certain);
    assert_eq!(second.required.member.as_deref(), Some("b"));
    assert_eq!(third.required.helper.as_deref(), Some("then"));
    assert!(analysis.dependencies.iter().all(|each| each.is_dynamic));
}

#[test]
fn a_required_name_is_certain_if_nothing_else_may_be_meant() {
    let certain = |source: &str| javascript(source).required_names[0].is_certain;
    assert!(certain("const a = require('a'); function f() { return a }"));
    assert!(!certain(
        "const a = require('a'); function f(a) { return () => a }"
    ));
    assert!(!certain("let a = require('a'); a = wrap(a);"));
}

#[test]
fn a_file_with_await_at_the_top_is_a_module() {
    assert!(javascript("await null; import a from 'a';").is_module);
    assert!(!javascript("const a = 1; return a;").is_module);
}

#[test]
fn strict_parts_of_sloppy_files_are_listed() {
    let source = "function a() {} function b() { 'use strict'; function c() {} } class D { m() {} } const e = () => { 'use strict'; };";
    let texts: Vec<&str> = javascript(source)
        .strict_ranges
        .iter()
        .map(|range| &source[range.start as usize..range.end as usize])
        .collect();
    assert_eq!(
        texts,
        [
            "function b() { 'use strict'; function c() {} }",
            "class D { m() {} }",
            "() => { 'use strict'; }",
        ]
    );
    let strict = javascript("'use strict'; function a() {}");
    assert!(strict.is_strict && strict.strict_ranges.is_empty());
}

#[test]
fn types_are_no_dependencies() {
    let analysis = typescript(
        "import type { A } from './a.ts'; import { type B, c } from './b.ts'; export type D = A; \
         export interface E { b: B } export const f: D = c; export type { G } from './g.ts';",
    );
    let runs: Vec<&str> = analysis
        .dependencies
        .iter()
        .filter(|each| !each.is_type)
        .map(|each| each.specifier.as_str())
        .collect();
    assert_eq!(runs, ["./b.ts"]);
    assert_eq!(analysis.exported_types, ["D", "E", "G"]);
    assert_eq!(analysis.exports[0].exported, "f");
    assert!(
        analysis
            .imports
            .iter()
            .any(|each| each.local == "B" && each.is_type)
    );
    assert!(analysis.inerasable_syntax.is_empty());
}

#[test]
fn syntax_that_can_not_be_erased_is_named() {
    for (source, syntax) in [
        ("enum A { B }", "enums"),
        ("namespace A { export const b = 1 }", "namespaces"),
        (
            "class A { constructor(private b: number) {} }",
            "parameter properties",
        ),
        ("@decorate class A {}", "decorators"),
        ("class A { @decorate m() {} }", "decorators"),
        ("import a = require('a');", "import assignments"),
        ("export = 1;", "export assignments"),
        ("const a = <number>b;", "angle-bracket assertions"),
    ] {
        assert_eq!(typescript(source).inerasable_syntax, [syntax], "{source}");
    }
    for source in [
        "declare enum A { B }",
        "declare namespace A {}",
        "const a = b as number;",
        "abstract class A { abstract b(): void }",
    ] {
        assert!(typescript(source).inerasable_syntax.is_empty(), "{source}");
    }
}

#[test]
fn what_bundlers_add_to_import_meta_is_seen() {
    let analysis = javascript("import.meta.env.DEV; import.meta.url; import.meta.glob('./*.js');");
    assert_eq!(analysis.meta_properties, ["env", "url", "glob"]);
}

#[test]
fn the_test_runners_wrapper_is_no_scope_of_its_own() {
    let analysis = javascript(
        "'use strict';async (__vite_ssr_exports__, require) => {{ let a = 1; function b() { a = 2 } const c = await import('c'); }}",
    );
    let names: Vec<(&str, bool)> = analysis
        .declarations
        .iter()
        .map(|each| (each.name.as_str(), each.is_reassigned))
        .collect();
    assert_eq!(names, [("a", true), ("b", false), ("c", false)]);
    assert!(analysis.is_strict);
}
