//! Links the native module the way Node loads it.

fn main() {
    napi_build::setup();
    // The image must stay mapped: finalizers of shared array buffers may run on any thread, and
    // thread-local destructors after unload would crash (rust-lang/rust#91979).
    println!("cargo:rustc-link-arg=-Wl,-z,nodelete");
}
