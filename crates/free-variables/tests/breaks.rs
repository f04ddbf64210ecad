//! Where white space may be put.

use eagleray_free_variables::{analyse_function, breakable_offsets};

/// The text with a bar at each place.
fn marked(source: &str) -> String {
    let mut text: Vec<char> = source.chars().collect();
    for offset in breakable_offsets(source).unwrap().into_iter().rev() {
        text.insert(offset as usize, '|');
    }
    text.into_iter().collect()
}

#[test]
fn statements_expressions_and_members_may_move() {
    assert_eq!(marked("(x)=>{a();b.c(1)}"), "|(x)=>{|a();|b.|c(|1)}");
    assert_eq!(marked("()=>({a:1,b(){}})"), "|()=>(|{|a:|1,|b(){}})");
}

#[test]
fn what_a_line_break_would_end_stays() {
    assert_eq!(marked("()=>{return a.b}"), "|()=>{|return a.|b}");
    assert_eq!(marked("()=>{throw new E()}"), "|()=>{|throw new |E()}");
    assert_eq!(marked("function*(){yield a}"), "|function*(){|yield a}");
}

#[test]
fn templates_are_not_touched_but_for_their_expressions() {
    assert_eq!(marked("()=>`a, b${c}; d`"), "|()=>|`a, b${|c}; d`");
}

#[test]
fn a_text_stays_what_it_is_with_line_breaks_everywhere() {
    for source in [
        "async (a, { b = 1 }) => { if (a) return b; else throw c; for (const d of await e) d?.f.g(`x${h}`); }",
        "class A extends B { static x = 1; #p = () => this.#p; get [k]() { return super.y } async *z() { yield* w; } }",
        "function () { label: do { a++; --b } while (c); switch (d) { case e: break label; default: f, g } return; }",
        "foo() { const { a, b: [c] } = new.target ?? this; return typeof a === 'x' ? b[c] : delete a.b }",
        "x => y => ({ x, y, ['z']: /re/.test(x) })",
    ] {
        let units: Vec<char> = source.chars().collect();
        let mut broken = units.clone();
        for offset in breakable_offsets(source).unwrap().into_iter().rev() {
            broken.insert(offset as usize, '\n');
        }
        let broken: String = broken.into_iter().collect();
        let names = |text: &str| {
            let analysis = analyse_function(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let free: Vec<String> = analysis
                .free_variables
                .into_iter()
                .map(|variable| variable.name)
                .collect();
            (analysis.form, free)
        };
        assert_eq!(names(source), names(&broken));
    }
}
