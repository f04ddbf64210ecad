//! What a function's text needs, form by form.

use eagleray_free_variables::{Analysis, Form, analyse_function};

fn analyse(source: &str) -> Analysis {
    analyse_function(source).unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn free(source: &str) -> Vec<String> {
    analyse(source)
        .free_variables
        .into_iter()
        .map(|variable| variable.name)
        .collect()
}

fn slice(source: &str, range: eagleray_free_variables::Range) -> String {
    let units: Vec<u16> = source.encode_utf16().collect();
    String::from_utf16(&units[range.start as usize..range.end as usize]).unwrap()
}

#[test]
fn every_form_of_text_is_recognised() {
    let forms = [
        ("(x) => x", Form::Arrow),
        ("async x => x", Form::Arrow),
        ("function () {}", Form::Function),
        ("async function* f() {}", Form::Function),
        ("class {}", Form::Class),
        ("class A extends B {}", Form::Class),
        ("foo() {}", Form::Method),
        ("async foo() {}", Form::Method),
        ("*foo() {}", Form::Method),
        ("async *foo() {}", Form::Method),
        ("'a b'() {}", Form::Method),
        ("1() {}", Form::Method),
        ("[a.b]() {}", Form::Method),
        ("async() {}", Form::Method),
        ("get() {}", Form::Method),
        ("get x() {}", Form::Getter),
        ("get [x]() {}", Form::Getter),
        ("set x(value) {}", Form::Setter),
        ("static foo() {}", Form::ClassMember),
        ("#foo() {}", Form::ClassMember),
    ];
    for (source, form) in forms {
        assert_eq!(analyse(source).form, form, "{source}");
    }
}

#[test]
fn async_and_generator_are_told_apart() {
    for (source, is_async, is_generator) in [
        ("() => {}", false, false),
        ("async () => {}", true, false),
        ("function* () {}", false, true),
        ("async function* () {}", true, true),
        ("async *foo() {}", true, true),
        ("*foo() {}", false, true),
    ] {
        let analysis = analyse(source);
        assert_eq!(
            (analysis.is_async, analysis.is_generator),
            (is_async, is_generator),
            "{source}"
        );
    }
}

#[test]
fn what_is_not_a_function_is_a_syntax_error() {
    for source in [
        "",
        "1 + 1",
        "a: 1",
        "function push() { [native code] }",
        "() => {}, () => {}",
        "foo() {}, bar() {}",
        "x = 1",
        "(",
        "class A { #a; #a; ",
        "\u{0}",
    ] {
        assert!(analyse_function(source).is_err(), "{source}");
    }
}

#[test]
fn a_line_comment_at_the_end_is_part_of_the_text() {
    assert_eq!(free("(x) => y // the end"), ["y"]);
}

#[test]
fn names_are_free_unless_something_in_the_text_declares_them() {
    assert_eq!(
        free("(a, { b, c: [d = e] }, ...f) => [a, b, d, f, g]"),
        ["e", "g"]
    );
    assert_eq!(
        free("() => { let a = b; var c; { const d = a + c; d; } d; }"),
        ["b", "d"]
    );
    assert_eq!(free("() => { try { a() } catch (b) { b } }"), ["a"]);
    assert_eq!(
        free("() => { label: for (const a of b) { continue label } }"),
        ["b"]
    );
    assert_eq!(free("() => ({ a, b: c, [d]: 1, e() {} })"), ["a", "c", "d"]);
    assert_eq!(free("() => a.b.c[d]?.e"), ["a", "d"]);
    assert_eq!(free("() => `${a}${`${b}`}`"), ["a", "b"]);
    assert_eq!(
        free("() => { function a() { return b } class C extends d { [e] = f } }"),
        ["b", "d", "e", "f"]
    );
    assert_eq!(
        free("() => { hoisted(); function hoisted() {} }"),
        Vec::<String>::new()
    );
}

#[test]
fn a_function_and_a_class_know_their_own_name() {
    assert_eq!(
        free("function fact(n) { return n < 2 ? 1 : n * fact(n - 1) }"),
        Vec::<String>::new()
    );
    assert_eq!(
        free("class A { next() { return new A() } }"),
        Vec::<String>::new()
    );
    assert_eq!(analyse("function fact() {}").name.as_deref(), Some("fact"));
    assert_eq!(analyse("class {}").name, None);
    // A method does not: its name is a property.
    assert_eq!(free("again() { return again() }"), ["again"]);
    assert_eq!(analyse("again() {}").name, None);
}

#[test]
fn writes_are_seen() {
    let written = |source| analyse(source).free_variables[0].is_written;
    assert!(!written("() => a"));
    assert!(written("() => { a = 1 }"));
    assert!(written("() => a++"));
    assert!(written("() => { a += 1 }"));
    assert!(written("() => { ({ a } = {}) }"));
    assert!(written("() => { [a] = [] }"));
    assert!(written("() => { for (a of []) ; }"));
}

#[test]
fn a_name_only_under_typeof_need_not_exist() {
    let only_typeof = |source| analyse(source).free_variables[0].only_typeof;
    assert!(only_typeof("() => typeof a"));
    assert!(!only_typeof("() => typeof a.b"));
    assert!(!only_typeof("() => typeof a === 'x' && a"));
}

#[test]
fn members_are_listed_if_nothing_else_is_used() {
    let members = |source| analyse(source).free_variables[0].members.clone();
    assert_eq!(
        members("() => a.b() + a.c.d + a.b"),
        Some(vec!["b".to_owned(), "c".to_owned()])
    );
    assert_eq!(members("() => a?.b"), Some(vec!["b".to_owned()]));
    assert_eq!(members("() => [a.b, a]"), None);
    assert_eq!(members("() => a[b]"), None);
    assert_eq!(members("() => ({ a })"), None);
    assert_eq!(members("() => a()"), None);
}

#[test]
fn every_reference_says_where_and_how_it_stands() {
    let source = "() => [é(), { é }, é.x, '😀' + é]";
    let references = &analyse(source).free_variables[0].references;
    assert_eq!(references.len(), 4);
    for reference in references {
        assert_eq!(slice(source, reference.range), "é");
    }
    assert!(references[0].is_callee && !references[0].is_shorthand);
    assert!(references[1].is_shorthand && !references[1].is_callee);
    assert!(!references[3].is_callee && !references[3].is_shorthand);
}

#[test]
fn an_arrow_function_takes_this_and_arguments_from_around_it() {
    assert!(analyse("() => this.x").outer_this);
    assert!(analyse("() => () => this").outer_this);
    assert!(analyse("() => arguments[0]").outer_arguments);
    assert!(analyse("() => new.target").outer_new_target);
    for source in [
        "function () { return () => this }",
        "() => function () { return this }",
        "() => ({ m() { return this } })",
        "() => class { x = this; static { this.y = 1 } }",
        "foo() { return this }",
        "class A { x = this; y = () => this }",
    ] {
        assert!(!analyse(source).outer_this, "{source}");
    }
    assert!(!analyse("function () { return () => arguments }").outer_arguments);
    assert!(!analyse("(arguments1) => arguments1").outer_arguments);
    assert!(!analyse("function () { return () => new.target }").outer_new_target);
}

#[test]
fn super_belongs_to_the_object_or_class_around_a_method() {
    assert!(analyse("foo() { return super.foo() }").outer_super);
    assert!(analyse("foo() { return () => super.foo() }").outer_super);
    assert!(!analyse("() => ({ __proto__: x, foo() { return super.foo() } })").outer_super);
    assert!(
        !analyse("class A extends B { constructor() { super() } x = super.y; static { super.z } }")
            .outer_super
    );
}

#[test]
fn module_syntax_is_located() {
    let source = "async () => [import.meta.url, await import('./x'), import.meta]";
    let analysis = analyse(source);
    assert_eq!(
        analysis
            .import_metas
            .iter()
            .map(|range| slice(source, *range))
            .collect::<Vec<_>>(),
        ["import.meta", "import.meta"]
    );
    assert_eq!(slice(source, analysis.dynamic_imports[0]), "import");
    assert_eq!(free(source), Vec::<String>::new());
}

#[test]
fn private_names_belong_to_the_class_that_declares_them() {
    assert_eq!(analyse("() => (o) => o.#p").outer_private_names, ["#p"]);
    assert_eq!(
        analyse("foo() { return #p in this }").outer_private_names,
        ["#p"]
    );
    assert_eq!(
        analyse("() => class { #p = 1; get() { return this.#p } }").outer_private_names,
        Vec::<String>::new()
    );
    let class = analyse(
        "class A { #a = 1; #m() {} static #s = 2; get #g() {} set #g(v) {} m() { return this.#a + this.#o } }",
    );
    assert_eq!(class.private_members, ["#a", "#m", "#g"]);
    assert_eq!(class.outer_private_names, ["#o"]);
    assert_eq!(class.static_private_fields[0].name, "#s");
}

#[test]
fn direct_eval_is_found() {
    assert!(analyse("(x) => eval(x)").direct_eval);
    assert!(!analyse("(x) => globalThis.eval(x)").direct_eval);
    assert!(!analyse("(x) => (0, eval)(x)").direct_eval);
}

#[test]
fn strictness_is_the_functions_own() {
    assert!(analyse("function () { 'use strict'; }").is_strict);
    assert!(analyse("() => { 'use strict'; }").is_strict);
    assert!(analyse("class {}").is_strict);
    assert!(!analyse("() => {}").is_strict);
    // Syntax that only sloppy code may have.
    assert_eq!(free("function () { with (a) b; return 010 }"), ["a", "b"]);
}

#[test]
fn heritage_is_located_and_not_captured() {
    let source = "class A extends mixin(B, C) { m() { return C } }";
    let analysis = analyse(source);
    assert_eq!(slice(source, analysis.heritage.unwrap()), "mixin(B, C)");
    assert_eq!(free(source), ["C"]);
    assert_eq!(analyse("class A extends null {}").heritage, None);
    assert_eq!(analyse("class A {}").heritage, None);
    assert_eq!(
        slice(
            source,
            eagleray_free_variables::Range {
                start: analysis.class_body_end.unwrap(),
                end: analysis.class_body_end.unwrap() + 1,
            }
        ),
        "}"
    );
}

#[test]
fn what_runs_when_a_class_is_evaluated_is_listed_and_not_captured() {
    let source =
        "class A { static a = b; static { c() } static #d = e; static m() { return f } g = h }";
    let analysis = analyse(source);
    let texts: Vec<String> = analysis
        .static_elements
        .iter()
        .map(|range| slice(source, *range))
        .collect();
    assert_eq!(texts, ["static a = b;", "static { c() }"]);
    let initialiser = analysis.static_private_fields[0].initialiser.unwrap();
    assert_eq!(slice(source, initialiser).trim_start(), "= e");
    assert_eq!(free(source), ["f", "h"]);
}

#[test]
fn computed_names_are_early() {
    let source = "class A { [a.b]() { return c } [d] = 1; get [e]() {} }";
    let analysis = analyse(source);
    let early: Vec<(&str, bool)> = analysis
        .free_variables
        .iter()
        .map(|variable| (variable.name.as_str(), variable.references[0].is_early))
        .collect();
    assert_eq!(early, [("a", true), ("c", false), ("d", true), ("e", true)]);
    let members: Vec<(String, String)> = analysis
        .computed_members
        .iter()
        .map(|each| (slice(source, each.key), slice(source, each.member)))
        .collect();
    assert_eq!(
        members,
        [
            ("a.b".to_owned(), "[a.b]() { return c }".to_owned()),
            ("e".to_owned(), "get [e]() {}".to_owned()),
        ]
    );
    // The name of a method alone says nothing about the method.
    let method = analyse("[a.b]() { return c }");
    assert_eq!(
        slice("[a.b]() { return c }", method.computed_key.unwrap()),
        "a.b"
    );
    assert_eq!(free("[a.b]() { return c }"), ["c"]);
}

#[test]
fn compilers_wrappers_are_read_as_they_are() {
    assert_eq!(
        free("(x) => (0, __vite_ssr_import_0__.helper)(x)"),
        ["__vite_ssr_import_0__"]
    );
    assert_eq!(
        free("(x)=>{const inner=__name(y=>y,\"inner\");return inner(x)}"),
        ["__name"]
    );
}
