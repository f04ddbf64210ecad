//! What the running kernel can do, by its version, where it can't be asked.

use std::ffi::CStr;

/// The first Linux whose page faults in files hold the lock of their own mapping alone.
const OWN_LOCK_SINCE: (u32, u32) = (6, 7);

/// Whether a thread in a page fault of a file's mapping keeps no other thread of its process from mapping and unmapping.
/// `release` is the kernel's name of itself, as `uname -r` prints it; one that can't be read counts as old.
///
/// Before 6.7 a fault holds the lock of all the process's mappings (`mmap_lock`) for reading. A thread that is not
/// scheduled meanwhile keeps it: the next `mmap` waits for that thread, and every fault of the process for that `mmap`.
pub(crate) fn faults_hold_their_mapping_only(release: &str) -> bool {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    match (next(), next()) {
        (Some(major), minor) => (major, minor.unwrap_or(0)) >= OWN_LOCK_SINCE,
        (None, _) => false,
    }
}

/// The running kernel's name of itself; empty if it has none.
pub(crate) fn release() -> String {
    // SAFETY: an all-zero answer is a valid value to overwrite: empty texts.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: valid for writing.
    if unsafe { libc::uname(&raw mut name) } != 0 {
        return String::new();
    }
    // SAFETY: the kernel ends each text of its answer with a zero.
    let release = unsafe { CStr::from_ptr(name.release.as_ptr()) };
    release.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_hold_their_mapping_only_from_6_7_on() {
        for new in [
            "6.7.0",
            "6.7",
            "6.7.0-rc1",
            "6.8.0-57-generic",
            "6.10.14-linuxkit",
            "6.12.0-55.el10.x86_64",
            "6.18.44",
            "6.18.44+",
            "7.0.0",
            "7",
            "10.1.2",
        ] {
            assert!(faults_hold_their_mapping_only(new), "{new}");
        }
        for old in [
            "2.6.32",
            "4.4.0",
            "4.18.0-553.el8_10.x86_64",
            "5.14.0-570.12.1.el9_6.x86_64",
            "5.15.0-139-generic",
            "5.15.153.1-microsoft-standard-WSL2",
            "5.100.0",
            "6",
            "6.1.0-34-amd64",
            "6.6.87",
            "6.6",
            "6.x",
            "",
            ".",
            "six",
            "-6.7",
            "Linux 6.7",
            "99999999999.1",
        ] {
            assert!(!faults_hold_their_mapping_only(old), "{old}");
        }
    }

    #[test]
    fn the_running_kernel_has_a_version() {
        assert!(
            release().starts_with(|first: char| first.is_ascii_digit()),
            "{}",
            release()
        );
    }
}
