//! Memory for the tests, shared with forked children.

use eagleray_ipc::ring::{RING_HEADER, RingReader, RingWriter};
use std::ptr::NonNull;

/// An anonymous shared mapping.
pub struct SharedMemory {
    base: NonNull<u8>,
    length: usize,
}

impl SharedMemory {
    pub fn new(length: usize) -> Self {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh mapping at an address of the system's choice.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
        assert_ne!(base, libc::MAP_FAILED, "mmap of {length} bytes");
        Self {
            base: NonNull::new(base.cast()).unwrap(),
            length,
        }
    }

    pub fn for_ring(capacity: usize) -> Self {
        Self::new(RING_HEADER + capacity)
    }

    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    pub fn length(&self) -> usize {
        self.length
    }

    /// Both sides of a fresh ring over the whole mapping, which must outlive them.
    pub fn ring(&self) -> (RingWriter, RingReader) {
        // SAFETY: the mapping is this ring's alone; the tests keep it until both sides are gone.
        unsafe {
            let writer = RingWriter::create(self.base(), self.length).unwrap();
            (writer, RingReader::open(self.base(), self.length).unwrap())
        }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own; views of it are gone.
        unsafe { libc::munmap(self.base().cast(), self.length) };
    }
}

/// Runs `body` in a forked child, which ends without running anything of the test harness. The body must
/// not allocate or take locks (the test process has threads).
pub fn fork(body: impl FnOnce() -> bool) -> Child {
    // SAFETY: the child runs `body` and exits.
    match unsafe { libc::fork() } {
        0 => {
            // A panic would unwind into the harness's copy; it must end the child instead.
            let succeeded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(if matches!(succeeded, Ok(true)) { 0 } else { 1 }) }
        }
        id => {
            assert!(id > 0, "fork");
            Child { id }
        }
    }
}

pub struct Child {
    pub id: libc::pid_t,
}

impl Child {
    /// Waits for the end; the exit code, or minus the signal.
    pub fn wait(self) -> i32 {
        let mut status = 0;
        // SAFETY: a child of this process, not waited for before.
        assert_eq!(unsafe { libc::waitpid(self.id, &mut status, 0) }, self.id);
        if libc::WIFSIGNALED(status) {
            -libc::WTERMSIG(status)
        } else {
            libc::WEXITSTATUS(status)
        }
    }
}
