//! Numbers of file descriptors: this process shares its limit of them with the driver and the user's program.

use std::io;

/// Numbers that the raylet leaves free when it takes one, so that it fails first: in the raylet it is one
/// connection or worker that fails, but the driver has to end when it can't receive a descriptor.
const SPARE_DESCRIPTORS: usize = 16;

/// Numbers that are looked at with one system call, after the first.
const LOOK_AT_MAX: usize = 256;

/// Fails like a call that finds no number free, unless there are some to spare. It takes none itself, not even for a
/// moment: the program may be about to open a file.
pub(crate) fn require_spare() -> io::Result<()> {
    // SAFETY: an all-zero limit is a valid value to overwrite.
    let mut limit: libc::rlimit = unsafe { std::mem::zeroed() };
    // SAFETY: valid for writing.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // No number is above `i32::MAX`, whatever the limit.
    let mut end = limit.rlim_cur.min(i32::MAX as libc::rlim_t) as usize;
    let (mut free, mut count) = (0, SPARE_DESCRIPTORS);
    // The lowest free number is always taken first, so the highest ones are almost always free: one look is enough.
    while free < SPARE_DESCRIPTORS {
        let start = end.saturating_sub(count);
        if start == end {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        free += free_between(start, end)?;
        (end, count) = (start, LOOK_AT_MAX);
    }
    Ok(())
}

/// How many of at most [`LOOK_AT_MAX`] numbers are no open descriptor: what `poll` calls invalid.
fn free_between(start: usize, end: usize) -> io::Result<usize> {
    let mut looked_at = [libc::pollfd {
        fd: -1,
        events: 0,
        revents: 0,
    }; LOOK_AT_MAX];
    let looked_at = &mut looked_at[..end - start];
    for (entry, number) in looked_at.iter_mut().zip(start..) {
        entry.fd = number as libc::c_int;
    }
    loop {
        // SAFETY: the count is the slice's.
        let answered =
            unsafe { libc::poll(looked_at.as_mut_ptr(), looked_at.len() as libc::nfds_t, 0) };
        if answered >= 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let free = looked_at
        .iter()
        .filter(|entry| entry.revents & libc::POLLNVAL != 0);
    Ok(free.count())
}

/// The text of an error; of the lack of descriptors, with what helps.
pub(crate) fn explained(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EMFILE) => {
            "too many open files; raise the limit of this process (ulimit -n)".to_owned()
        }
        Some(libc::ENFILE) => "too many open files on this machine (fs.file-max)".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn the_lack_of_descriptors_is_explained_and_other_errors_stay() {
        let lack = io::Error::from_raw_os_error(libc::EMFILE);
        assert!(explained(&lack).contains("too many open files"));
        assert!(explained(&lack).contains("ulimit -n"));
        assert_eq!(explained(&io::Error::other("else")), "else");
    }

    /// The limit is the process's, so another one meets it: it runs the same test, with this variable set.
    const CHILD: &str = "EAGLERAY_TEST_CHILD";
    const LIMIT: usize = 300;

    /// Runs a test in a process of its own that may have [`LIMIT`] descriptors. True in that process.
    fn is_limited(test: &str) -> bool {
        let test = format!("descriptors::tests::{test}");
        if std::env::var(CHILD).is_ok_and(|name| name == test) {
            return true;
        }
        let output = Command::new("sh")
            .args(["-c", &format!("ulimit -n {LIMIT}; exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", &test, "--nocapture"])
            .env(CHILD, &test)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        false
    }

    /// A descriptor with the lowest free number from `from` on; `None` if there is none.
    fn take_from(any: BorrowedFd<'_>, from: usize) -> Option<OwnedFd> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::fcntl(any.as_raw_fd(), libc::F_DUPFD_CLOEXEC, from as i32) };
        // SAFETY: just made, and nobody else's.
        (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
    }

    fn has_spare() -> bool {
        match require_spare() {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                false
            }
        }
    }

    #[test]
    fn there_is_one_to_spare_exactly_while_so_many_numbers_are_free() {
        if !is_limited("there_is_one_to_spare_exactly_while_so_many_numbers_are_free") {
            return;
        }
        let file = File::open("/dev/null").unwrap();
        // From the lowest number on, as programs take them; from the highest on; and all but some in between.
        for from in [0, LIMIT - 40, 100] {
            let mut taken: Vec<OwnedFd> = Vec::new();
            while let Some(fd) = take_from(file.as_fd(), from) {
                taken.push(fd);
            }
            while let Some(fd) = take_from(file.as_fd(), 0) {
                taken.push(fd);
            }
            // None is free. Those in the middle are given back, one after the other.
            for free in 0..40 {
                assert_eq!(has_spare(), free >= SPARE_DESCRIPTORS, "{free}");
                taken.swap_remove(taken.len() / 2);
            }
        }
    }

    /// What is looked for is the user's: while the raylet looks, the program opens its files.
    #[test]
    fn looking_takes_nothing_from_the_program() {
        if !is_limited("looking_takes_nothing_from_the_program") {
            return;
        }
        let file = File::open("/dev/null").unwrap();
        let mut taken: Vec<OwnedFd> = Vec::new();
        while let Some(fd) = take_from(file.as_fd(), 0) {
            taken.push(fd);
        }
        taken.truncate(taken.len() - SPARE_DESCRIPTORS / 2);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let program = scope.spawn(|| {
                let mut opened = 0;
                while !done.load(Ordering::Relaxed) {
                    File::open("/dev/null").expect("there are numbers for the program");
                    opened += 1;
                }
                opened
            });
            for _ in 0..20_000 {
                assert!(!has_spare());
            }
            done.store(true, Ordering::Relaxed);
            assert!(program.join().unwrap() > 0);
        });
    }
}
