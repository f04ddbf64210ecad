//! What the machine offers, as the SDK's defaults need it.

use eagleray_resources::detect::{self, HostSystem};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use sha2::{Digest, Sha256};

/// Beyond what two contents ever have in common.
const CONTENT_ID_BYTES: usize = 16;

/// What was found on this machine.
#[napi(object)]
pub struct Machine {
    /// CPUs that the cgroup and the affinity mask allow, rounded up, at least 1.
    pub cpus: u32,
    /// Where the number of CPUs comes from, for messages.
    pub cpus_source: String,
    /// Bytes of memory that the cgroup allows, or the machine has.
    pub memory: f64,
    /// Ids of the GPUs that this process may use.
    pub gpu_ids: Vec<String>,
}

/// Looks at the machine.
#[napi(catch_unwind)]
pub fn detect_machine() -> Machine {
    let cpus = detect::cpus(&HostSystem);
    let memory = detect::memory(&HostSystem).map_or(0, |memory| memory.value);
    Machine {
        cpus: cpus.value,
        cpus_source: cpus.source,
        memory: memory as f64,
        gpu_ids: detect::gpus(&HostSystem).value,
    }
}

/// Ids for a number of GPUs that the user states: detected ones first, then plain numbers.
#[napi(catch_unwind)]
pub fn gpu_ids_for(count: u32) -> Vec<String> {
    detect::gpu_ids_for(&HostSystem, count as usize)
}

/// The largest quantity of a resource that the core counts. The SDK has the number as well, to refuse
/// options without this module; a test compares the two.
#[napi(catch_unwind)]
pub fn quantity_max() -> f64 {
    eagleray_resources::Quantity::MAX.to_f64()
}

/// So many random bytes of the system, in hexadecimal digits. `node:crypto`, which has the same, takes longer to load than all
/// else that a driver does before its first worker starts.
#[napi(catch_unwind)]
pub fn random_id(byte_length: u32) -> napi::Result<String> {
    let mut bytes = vec![0; byte_length as usize];
    getrandom::fill(&mut bytes).map_err(|error| {
        napi::Error::from_reason(format!("the system gives no random bytes: {error}"))
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What names these bytes wherever they are: the first 16 bytes of their SHA-256, by which workers know a function again.
#[napi(catch_unwind)]
pub fn content_id(bytes: &[u8]) -> Uint8Array {
    let digest = Sha256::digest(bytes);
    Uint8Array::new(digest[..CONTENT_ID_BYTES].to_vec())
}
