//! Numbers of file descriptors: this process shares its limit of them with the driver and the user's program.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Numbers that the raylet leaves free when it takes one, so that it fails first: in the raylet it is one
/// connection or worker that fails, but the driver has to end when it can't receive a descriptor.
const SPARE_DESCRIPTORS: usize = 16;

/// Fails like a call that finds no number free, unless there are some to spare. `any` is an open descriptor.
pub(crate) fn require_spare(any: BorrowedFd<'_>) -> io::Result<()> {
    let spare: Vec<OwnedFd> = (0..SPARE_DESCRIPTORS)
        .map(|_| any.try_clone_to_owned())
        .collect::<io::Result<_>>()?;
    drop(spare);
    Ok(())
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
    use super::*;

    #[test]
    fn the_lack_of_descriptors_is_explained_and_other_errors_stay() {
        let lack = io::Error::from_raw_os_error(libc::EMFILE);
        assert!(explained(&lack).contains("too many open files"));
        assert!(explained(&lack).contains("ulimit -n"));
        assert_eq!(explained(&io::Error::other("else")), "else");
    }
}
