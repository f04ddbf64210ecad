//! What V8 knows of a function, costs nothing to ask, and Node-API does not tell: which script it was compiled from,
//! and whether two functions have a scope in common.
//!
//! The inspector answers the first question only by listing every script of the program, and the second not at all:
//! it shows copies of scopes.
//!
//! Both answers lean on V8 itself, so each is checked, and where a check fails there is no answer; the SDK then does
//! without. Invariants:
//! 1. No word is taken for a handle of V8 unless it lies where V8 has put its handles during the very call.
//! 2. Only the words that every function and every scope has are read, between two points at which V8 can move objects.
//! 3. Where V8 keeps a function's scope is found by looking at functions whose scopes are known (`learn_scopes`), never
//!    assumed; in a V8 with other tagged values than whole words nothing is found.

use std::cell::RefCell;
use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::OnceLock;

use napi::bindgen_prelude::*;
use napi::{check_status, sys};
use napi_derive::napi;

/// Where a function stands, and in which script.
#[napi(object)]
pub struct FunctionOrigin {
    /// Of the opening parenthesis of a function, the start of an arrow function, method or class.
    pub line: i32,
    pub column: i32,
    pub script_id: i32,
    /// What the script is called; null if it has no name.
    pub name: Option<String>,
    pub is_module: bool,
    /// Where V8 says that the text of the script begins.
    pub start_line: i32,
    pub start_column: i32,
}

/// `v8::ScriptOrigin` as it is returned: larger than that of any V8, whatever its fields.
#[repr(C)]
struct ReturnedOrigin([usize; 16]);

type GetScriptOrigin = unsafe extern "C" fn(*const c_void) -> ReturnedOrigin;
type GetNumber = unsafe extern "C" fn(*const c_void) -> i32;

struct Symbols {
    script_origin: GetScriptOrigin,
    script_id: GetNumber,
    line: GetNumber,
    column: GetNumber,
}

fn symbols() -> Option<&'static Symbols> {
    static FOUND: OnceLock<Option<Symbols>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let script_origin = symbol(c"_ZNK2v88Function15GetScriptOriginEv")?;
            let number = |name| {
                let found = symbol(name)?;
                // SAFETY: the names below are those of methods `int () const` of `v8::Function`.
                Some(unsafe { std::mem::transmute::<*mut c_void, GetNumber>(found) })
            };
            Some(Symbols {
                // SAFETY: the name is that of `ScriptOrigin v8::Function::GetScriptOrigin() const` of V8's public
                // interface. What it returns has more than two words, so that the caller provides the room for it.
                script_origin: unsafe {
                    std::mem::transmute::<*mut c_void, GetScriptOrigin>(script_origin)
                },
                script_id: number(c"_ZNK2v88Function8ScriptIdEv")?,
                line: number(c"_ZNK2v88Function19GetScriptLineNumberEv")?,
                column: number(c"_ZNK2v88Function21GetScriptColumnNumberEv")?,
            })
        })
        .as_ref()
}

fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name ends in a zero byte.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

/// `ScriptOriginOptions::IsModule`.
const IS_MODULE: u32 = 8;

/// Where a function stands, and in which script; null if this V8 can't be asked.
#[napi(catch_unwind)]
pub fn function_origin(env: Env, of: Unknown<'_>) -> Result<Option<FunctionOrigin>> {
    if of.get_type()? != ValueType::Function {
        return Ok(None);
    }
    // V8's handles lie one after the other in blocks: one call may straddle two of them, the next one does not.
    for _ in 0..2 {
        if let Some(found) = try_function_origin(&env, of.raw())? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn try_function_origin(env: &Env, function: sys::napi_value) -> Result<Option<FunctionOrigin>> {
    let Some(symbols) = symbols() else {
        return Ok(None);
    };
    let before = new_handle(env)? as usize;
    // SAFETY: a `napi_value` of Node is the address that a `v8::Local` holds, and `this` of a `v8::Function` is that
    // address. The value is a function, and alive during the call.
    let (ReturnedOrigin(words), [script_id, line, column]) = unsafe {
        let this = function.cast::<c_void>().cast_const();
        (
            (symbols.script_origin)(this),
            [symbols.script_id, symbols.line, symbols.column].map(|number| number(this)),
        )
    };
    let after = new_handle(env)? as usize;
    let is_handle =
        |word: usize| word > before && word < after && word.is_multiple_of(size_of::<usize>());
    // The fields are [isolate,] name, line, column, options, script id, source map, host options. Up to V8 11 the isolate
    // comes first.
    let Some(start) = (0..2).find(|&start| {
        let handles = [words[start], words[start + 3], words[start + 4]];
        handles.into_iter().all(is_handle) && halves(words[start + 2]).1 as i32 == script_id
    }) else {
        return Ok(None);
    };
    let name = words[start] as sys::napi_value;
    let (start_line, start_column) = halves(words[start + 1]);
    let (options, _) = halves(words[start + 2]);
    Ok(Some(FunctionOrigin {
        line,
        column,
        script_id,
        name: text_of(env, name)?,
        is_module: options & IS_MODULE != 0,
        start_line: start_line as i32,
        start_column: start_column as i32,
    }))
}

/// A handle that V8 has just made.
fn new_handle(env: &Env) -> Result<sys::napi_value> {
    let mut value = ptr::null_mut();
    // SAFETY: plain call with a place for the result.
    check_status!(unsafe { sys::napi_create_object(env.raw(), &mut value) })?;
    Ok(value)
}

/// The two fields of half a word each; their order is that of the machine.
fn halves(word: usize) -> (u32, u32) {
    let bytes = word.to_ne_bytes();
    let half = |at: usize| {
        let mut four = [0; 4];
        four.copy_from_slice(&bytes[at..at + 4]);
        u32::from_ne_bytes(four)
    };
    (half(0), half(4))
}

fn text_of(env: &Env, value: sys::napi_value) -> Result<Option<String>> {
    let mut kind = 0;
    // SAFETY: the value is a handle that V8 made in this call (invariant 1), and its handle scope is open.
    check_status!(unsafe { sys::napi_typeof(env.raw(), value, &mut kind) })?;
    if kind != sys::ValueType::napi_string {
        return Ok(None);
    }
    // SAFETY: as above; the value is a text.
    unsafe { String::from_napi_value(env.raw(), value) }.map(Some)
}

/// Where V8 keeps the scope of a function, and the scope around a scope: words from the beginning of the object.
#[derive(Debug, Clone, Copy)]
struct ScopeLayout {
    of_function: usize,
    around: usize,
}

static SCOPE_LAYOUT: OnceLock<Option<ScopeLayout>> = OnceLock::new();

/// So many words every function has: V8's smallest ones have that size.
const FUNCTION_WORDS: usize = 7;
/// So many words every scope has: map, length, description, and the scope around it.
const SCOPE_WORDS: usize = 4;

/// An object of V8, until V8 may move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Object(usize);

impl Object {
    /// The object that a word of V8's points to; none for small integers and what is no strong pointer.
    fn of(word: usize) -> Option<Self> {
        const TAG_MASK: usize = 3;
        const STRONG_POINTER: usize = 1;
        (word & TAG_MASK == STRONG_POINTER && word > 0xffff).then_some(Self(word))
    }

    /// # Safety
    ///
    /// The object has more than `index` words, and V8 has not been able to move it since it was found.
    unsafe fn word(self, index: usize) -> usize {
        // SAFETY: the tag of a pointer is one, and the word lies inside the object, as the caller promises.
        unsafe { ((self.0 - 1) as *const usize).add(index).read() }
    }
}

/// # Safety
///
/// The value is a function that V8 itself makes, neither bound nor a proxy.
unsafe fn function_object(function: sys::napi_value) -> Option<Object> {
    // SAFETY: a `napi_value` of Node is the address of a handle, which holds a tagged pointer.
    Object::of(unsafe { function.cast::<usize>().read() })
}

impl ScopeLayout {
    /// Learns from functions whose scopes are known; see `learn_scopes`.
    ///
    /// # Safety
    ///
    /// As for [`function_object`], of all of them.
    unsafe fn learn(functions: [sys::napi_value; 4]) -> Option<Self> {
        let mut objects = [Object(0); 4];
        for (object, function) in objects.iter_mut().zip(functions) {
            // SAFETY: as the caller promises.
            *object = unsafe { function_object(function) }?;
        }
        // SAFETY: `FUNCTION_WORDS` and `SCOPE_WORDS` are what every function and every scope has, and nothing in this
        // function gives V8 the occasion to move an object.
        let word = |object: Object, index: usize| unsafe { object.word(index) };
        let [first, sibling, stranger, inner] = objects;
        let of_function = only((1..FUNCTION_WORDS).filter(|&index| {
            let scope = word(first, index);
            Object::of(scope).is_some()
                && word(sibling, index) == scope
                && word(stranger, index) != scope
                && word(inner, index) != scope
                && word(stranger, index) != word(inner, index)
        }))?;
        let scope = |function: Object| Object::of(word(function, of_function));
        let (outer, other, inner) = (scope(first)?, scope(stranger)?, scope(inner)?);
        let around = only((1..SCOPE_WORDS).filter(|&index| {
            word(inner, index) == outer.0
                && word(outer, index) == word(other, index)
                && Object::of(word(outer, index)).is_some()
        }))?;
        Some(Self {
            of_function,
            around,
        })
    }

    /// The scopes around a function, from the inside to the outside; the last one is the global scope.
    ///
    /// # Safety
    ///
    /// As for [`function_object`]. The objects are good until V8 gets the occasion to move them.
    unsafe fn scopes(self, function: sys::napi_value) -> Vec<Object> {
        // SAFETY: as the caller promises.
        let function = unsafe { function_object(function) };
        // SAFETY: every function has the word, and the layout was learnt from functions.
        let mut next = function.and_then(|each| Object::of(unsafe { each.word(self.of_function) }));
        let mut scopes = Vec::new();
        while let Some(scope) = next.take_if(|_| scopes.len() < SCOPES_MAX) {
            scopes.push(scope);
            // SAFETY: every scope has the word; that around the global scope holds no pointer.
            next = Object::of(unsafe { scope.word(self.around) });
        }
        scopes
    }
}

/// No function stands deeper; whoever finds more has lost the way.
const SCOPES_MAX: usize = 1_000;

fn only(mut found: impl Iterator<Item = usize>) -> Option<usize> {
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Finds out where V8 keeps scopes, once: from two functions of one scope, one of another scope of the same kind, and
/// one of a scope inside that of the first two. False if that can't be found out.
#[napi(catch_unwind)]
pub fn learn_scopes(
    first: Unknown<'_>,
    sibling: Unknown<'_>,
    stranger: Unknown<'_>,
    inner: Unknown<'_>,
) -> bool {
    // V8 packs two tagged values into such a word where pointers are shorter than that.
    let is_known = cfg!(all(
        target_pointer_width = "64",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ));
    let functions = [first.raw(), sibling.raw(), stranger.raw(), inner.raw()];
    SCOPE_LAYOUT
        .get_or_init(|| {
            // SAFETY: the SDK passes closures of its own.
            is_known
                .then(|| unsafe { ScopeLayout::learn(functions) })
                .flatten()
        })
        .is_some()
}

/// Notes the scopes around a function, from the inside to the outside, the global one at the end: `target[0]` is the
/// count of garbage collections, then follows an address for each scope. Returns how many there are, 0 if that is not
/// known.
///
/// Equal addresses are one scope as long as the count is the same: then V8 has not moved anything since. The function
/// must be one that V8 makes, neither bound nor a proxy.
#[napi(catch_unwind)]
pub fn scopes_of(env: Env, of: Unknown<'_>, mut target: Float64ArraySlice<'_>) -> Result<u32> {
    let Some(Some(layout)) = SCOPE_LAYOUT.get() else {
        return Ok(0);
    };
    let collections = COLLECTIONS.with_borrow_mut(|collections| collections.count(&env))?;
    // SAFETY: the SDK has inspected the function before, and V8 has no occasion to move objects until this returns.
    let scopes = unsafe { layout.scopes(of.raw()) };
    // SAFETY: JavaScript, whose memory this is, waits for this call.
    let target = unsafe { target.as_mut() };
    if scopes.len() >= target.len() {
        return Ok(0);
    }
    target[0] = collections as f64;
    for (place, scope) in target[1..].iter_mut().zip(&scopes) {
        // Addresses have 48 bits, which a number holds exactly.
        *place = scope.0 as f64;
    }
    Ok(scopes.len() as u32)
}

thread_local! {
    static COLLECTIONS: RefCell<Collections> = const { RefCell::new(Collections { witness: None, count: 0 }) };
}

/// Counts the collections of garbage in this thread, as often as it is asked: each of them takes the witness, a young
/// object that nobody holds.
struct Collections {
    witness: Option<sys::napi_ref>,
    count: u32,
}

impl Collections {
    fn count(&mut self, env: &Env) -> Result<u32> {
        if let Some(witness) = self.witness {
            let mut scope = ptr::null_mut();
            let mut object = ptr::null_mut();
            // SAFETY: the reference was made below, in the environment of this thread, and not deleted yet. The scope
            // is closed at once, so that the handle keeps the witness no longer than that.
            let status = unsafe {
                check_status!(sys::napi_open_handle_scope(env.raw(), &mut scope))?;
                let status = sys::napi_get_reference_value(env.raw(), witness, &mut object);
                check_status!(sys::napi_close_handle_scope(env.raw(), scope))?;
                status
            };
            check_status!(status)?;
            if !object.is_null() {
                return Ok(self.count);
            }
            self.witness = None;
            // SAFETY: as above; it is forgotten with that.
            check_status!(unsafe { sys::napi_delete_reference(env.raw(), witness) })?;
        }
        self.count += 1;
        let mut scope = ptr::null_mut();
        let mut witness = ptr::null_mut();
        // SAFETY: plain calls with places for the results; a count of zero makes the reference weak, and the scope is
        // closed before anybody could see the object.
        unsafe {
            check_status!(sys::napi_open_handle_scope(env.raw(), &mut scope))?;
            let object = new_handle(env)?;
            let status = sys::napi_create_reference(env.raw(), object, 0, &mut witness);
            check_status!(sys::napi_close_handle_scope(env.raw(), scope))?;
            check_status!(status)?;
        }
        self.witness = Some(witness);
        Ok(self.count)
    }
}
