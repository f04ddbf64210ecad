//! Which variables of a script may change once they have a value.

use eagleray_free_variables::{Changes, VariableChanges, variable_changes};

fn changes(source: &str) -> VariableChanges {
    variable_changes(source).unwrap_or_else(|error| panic!("{source}: {error}"))
}

/// The variables that change, each with the text of the first line of its scope.
fn changing(source: &str) -> Vec<(String, String)> {
    changes(source)
        .variables
        .into_iter()
        .filter(|each| each.changes == Changes::Always)
        .map(|each| {
            let units: Vec<u16> = source.encode_utf16().collect();
            let text = &units[each.scope.start as usize..each.scope.end as usize];
            let text = String::from_utf16(text).expect("whole characters");
            (
                each.name,
                text.lines().next().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

fn names(source: &str) -> Vec<String> {
    changing(source).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn what_is_never_assigned_to_is_not_listed() {
    assert_eq!(
        changes(
            "const a = 1; let b = 2; var c; function d(e, f = 1) { return () => [a, b, c, d, e, f]; } class G {} export { a as default }; export const h = () => G;"
        ),
        VariableChanges {
            has_direct_eval: false,
            variables: vec![]
        }
    );
}

#[test]
fn every_form_of_assignment_counts() {
    for assignment in [
        "x = 1",
        "x += 1",
        "x ??= 1",
        "x++",
        "--x",
        "[x] = [1]",
        "[...x] = [1]",
        "({ x } = {})",
        "({ a: x } = {})",
        "({ x = 2 } = {})",
        "for (x of []);",
        "for (x in {});",
        "for ([x] of []);",
        "(() => { x = 1; })()",
        "class A { static { x = 1; } }",
        "class A { a = (x = 1); }",
        "function f(a = x = 1) {}",
        "var x = 2",
    ] {
        for declaration in ["var x = 0", "let x = 0", "var x"] {
            if declaration.starts_with("let") && assignment.starts_with("var") {
                continue;
            }
            let source = format!("{declaration}; {assignment}; (() => x);");
            assert_eq!(names(&source), ["x"], "{source}");
        }
    }
}

#[test]
fn a_variable_that_no_function_shares_is_not_listed() {
    assert_eq!(
        names("let x = 0; x = 1; { let y = 0; y = x; } function f() { let z = 0; return ++z; }"),
        [] as [&str; 0]
    );
}

#[test]
fn the_scope_is_that_of_the_declaration() {
    let source = "let n = 0;
function make(a) {
  let n = 0;
  a = 1;
  for (let i = 0; i < 2; i++) {
    keep(() => i);
  }
  try { } catch (error) { error = 1; keep(() => error); }
  return { inc: () => ++n, get() { return n + a; } };
}
const other = () => n;
class A { static #n = 1; m(n) { return () => n; } }
";
    let mut found = changing(source);
    found.sort();
    let expected = [
        ("a", "function make(a) {"),
        ("error", "{ error = 1; keep(() => error); }"),
        ("i", "for (let i = 0; i < 2; i++) {"),
        ("n", "function make(a) {"),
    ];
    assert_eq!(
        found,
        expected.map(|(name, scope)| (name.to_owned(), scope.to_owned()))
    );
    // The others of these names are listed, too: a function means the innermost one.
    let constant: Vec<String> = changes(source)
        .variables
        .into_iter()
        .filter(|each| each.changes == Changes::Never)
        .map(|each| each.name)
        .collect();
    assert_eq!(constant, ["n", "n"]);
}

#[test]
fn fields_of_classes_are_functions() {
    assert_eq!(
        names("function make() { let n = 0; n = 1; return class { value = n; }; }"),
        ["n"]
    );
}

#[test]
fn a_var_that_a_loop_declares_again_changes() {
    for source in [
        "for (let i = 0; i < 2; i++) { var x = i; f(() => x); }",
        "while (g()) { if (h()) { var x = 1; } f(() => x); }",
        "do { var { x } = g(); f(() => x); } while (g());",
        "for (var x of g()) f(() => x);",
        "for (const k in g()) { var [x] = k; f(() => x); }",
    ] {
        assert_eq!(names(source), ["x"], "{source}");
    }
    assert_eq!(
        names("for (;;) { f(() => { var x = 1; return () => x; }); const y = 1; f(() => y); }"),
        [] as [&str; 0]
    );
}

#[test]
fn a_var_may_come_later() {
    let source = "f(); var a = 1, { b } = {}, c; function f() { return [a, b, c]; }";
    let found: Vec<(String, Changes)> = changes(source)
        .variables
        .into_iter()
        .map(|each| (each.name, each.changes))
        .collect();
    assert_eq!(
        found,
        [
            ("a".to_owned(), Changes::Once),
            ("b".to_owned(), Changes::Once)
        ]
    );
}

#[test]
fn parameters_change_by_arguments() {
    assert_eq!(
        names("function f(a, { b }) { arguments[0] = 1; return () => [a, b]; }"),
        ["a", "b"]
    );
    assert_eq!(
        names("function f(a) { arguments[0]++; return () => a; }"),
        ["a"]
    );
    assert_eq!(
        names("function f(a) { return () => a + arguments[0]; }"),
        [] as [&str; 0]
    );
}

#[test]
fn eval_is_told() {
    assert!(changes("let x = 0; const f = () => eval('x = 1');").has_direct_eval);
    assert!(!changes("let x = 0; (0, eval)('1'); const f = () => x.eval('1');").has_direct_eval);
}

#[test]
fn modules_scripts_and_what_loaders_make_of_them_are_read() {
    assert_eq!(
        names("import a from 'x'; export let b = 1; export const set = () => { b = a; }; await b;"),
        ["b"]
    );
    assert_eq!(names("let n = await f(); n = 1; (() => n);"), ["n"]);
    assert_eq!(names("return () => n; var n = 1; n = 2;"), ["n"]);
    assert_eq!(
        names("async (__vi_import_0__) => {{ let n = 0; n = 1; const f = () => n; }}"),
        ["n"]
    );
    assert!(variable_changes("let = ;").is_err());
}

#[test]
fn ranges_count_utf_16() {
    assert_eq!(
        changing("const smile = '😀';\n{ let ż = 0; ż = 1; (() => ż); }"),
        [(
            "ż".to_owned(),
            "{ let ż = 0; ż = 1; (() => ż); }".to_owned()
        )]
    );
}
