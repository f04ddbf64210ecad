//! A worker's process as the system sees it: starting it, its output, its end.
//!
//! Owns: the child, its pipes, and the last lines of its standard error. Is not: a scheduler, or a
//! listener; the server's loop says when there is something to read.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eagleray_ipc::process::{self, kill_group, set_nonblocking};
use eagleray_protocol::{ProcessNumber, WorkerExit};
use eagleray_scheduler::EnvironmentId;

use crate::configuration::Configuration;
use crate::poller::process_descriptor;

/// The newest lines of standard error are kept for error messages: at most so many.
const TAIL_LINES_MAX: usize = 20;

/// And at most so many bytes of them, because every call that was under way gets a copy with its error. Older
/// lines are left out as a whole; of a last line that is longer itself, its end is kept.
const TAIL_BYTES_MAX: usize = 8 << 10;

/// Stands for what was left out of a line.
const ELLIPSIS: &str = "…";

/// A longer line is cut into pieces of this many bytes.
const LINE_MAX: usize = 1 << 20;

/// Bytes read from a pipe in one turn; what is left comes with the next.
const READ_MAX: usize = 256 << 10;

/// Bytes read from a pipe that is to be emptied: no pipe holds as much, unless somebody still writes.
const LAST_READ_MAX: usize = 16 << 20;

/// A line that begins so is not output: the name of what prints from now on follows.
const NAME_MARKER: &[u8] = b"\x1eeagleray-name:";

/// Which of a worker's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Output,
    Error,
}

/// A line that a worker printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) is_error: bool,
    pub(crate) text: String,
}

/// One output of a worker, cut into lines.
struct Pipe {
    file: File,
    is_error: bool,
    splitter: Splitter,
    ended: bool,
}

#[derive(Default)]
struct Splitter {
    partial: Vec<u8>,
    name: String,
}

/// The last lines of standard error, for error messages.
#[derive(Default)]
struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
}

/// How long a process that was killed may take to be gone: what it had mapped is freed first.
pub(crate) const KILLED_WITHIN: Duration = Duration::from_secs(10);

/// How often the end of a process is looked for where there are no process descriptors.
pub(crate) const LOOK_FOR_END: Duration = Duration::from_millis(10);

/// A worker's process.
pub(crate) struct WorkerProcess {
    /// What it was started with.
    pub(crate) environment: EnvironmentId,
    child: Child,
    ended: Option<OwnedFd>,
    output: Option<Pipe>,
    error: Option<Pipe>,
    tail: Tail,
    /// Why it was told to end.
    pub(crate) stopping: Option<String>,
    /// Why it says that it ends.
    pub(crate) leaving: Option<String>,
    /// When it is ended, if it has not by then.
    pub(crate) kill_at: Option<Duration>,
    /// It was ended.
    pub(crate) is_killed: bool,
    /// When what it holds is for others, although it has not ended.
    pub(crate) lingers_at: Option<Duration>,
    /// It has something to do when the runtime ends.
    pub(crate) ends_in_order: bool,
}

impl WorkerProcess {
    /// Starts a worker whose standard input is its control socket.
    pub(crate) fn start(
        configuration: &Configuration,
        environment: EnvironmentId,
        variables: &[(String, String)],
        socket: OwnedFd,
    ) -> io::Result<Self> {
        let all_variables = configuration.environment.iter().chain(variables);
        // No code runs between fork and exec, so the standard library can use posix_spawn, whose cost
        // does not grow with the driver's memory.
        let mut child = Command::new(&configuration.program)
            .args(&configuration.arguments)
            .current_dir(&configuration.working_directory)
            .env_clear()
            .envs(all_variables.map(|(name, value)| (name, value)))
            .stdin(Stdio::from(socket))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // So that what it starts can be ended with it, and signals for the driver's group are the driver's.
            .process_group(0)
            .spawn()?;
        let output = child.stdout.take().map(OwnedFd::from);
        let error = child.stderr.take().map(OwnedFd::from);
        // Where a sandbox has no process descriptors, the end of the control socket tells.
        let ended = process_descriptor(child.id()).ok();
        let mut process = Self {
            environment,
            child,
            ended,
            output: None,
            error: None,
            tail: Tail::default(),
            stopping: None,
            leaving: None,
            kill_at: None,
            is_killed: false,
            lingers_at: None,
            ends_in_order: false,
        };
        let pipes = Pipe::open(output, false).and_then(|output| {
            process.output = output;
            process.error = Pipe::open(error, true)?;
            Ok(())
        });
        if let Err(error) = pipes {
            process.kill();
            process.wait_for_end(KILLED_WITHIN);
            process.finish(0);
            return Err(error);
        }
        Ok(process)
    }

    /// When something is due for it.
    pub(crate) fn next_time(&self) -> Option<Duration> {
        self.kill_at.into_iter().chain(self.lingers_at).min()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The descriptor that becomes readable at its end.
    pub(crate) fn ended(&self) -> Option<BorrowedFd<'_>> {
        self.ended.as_ref().map(AsFd::as_fd)
    }

    /// The descriptor of one of its outputs, while that is open.
    pub(crate) fn pipe(&self, stream: Stream) -> Option<BorrowedFd<'_>> {
        let pipe = match stream {
            Stream::Output => self.output.as_ref(),
            Stream::Error => self.error.as_ref(),
        };
        pipe.filter(|pipe| !pipe.ended)
            .map(|pipe| pipe.file.as_fd())
    }

    /// Reads what it has printed. At the end of the stream the pipe is closed.
    pub(crate) fn read(&mut self, stream: Stream) -> Vec<Line> {
        self.read_up_to(stream, READ_MAX)
    }

    /// Reads all that its pipes hold now.
    pub(crate) fn drain(&mut self) -> Vec<Line> {
        let mut lines = self.read_up_to(Stream::Output, LAST_READ_MAX);
        lines.extend(self.read_up_to(Stream::Error, LAST_READ_MAX));
        lines
    }

    fn read_up_to(&mut self, stream: Stream, most: usize) -> Vec<Line> {
        let pipe = match stream {
            Stream::Output => self.output.as_mut(),
            Stream::Error => self.error.as_mut(),
        };
        let Some(pipe) = pipe.filter(|pipe| !pipe.ended) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        pipe.read(most, &mut lines);
        if pipe.ended {
            match stream {
                Stream::Output => self.output = None,
                Stream::Error => self.error = None,
            }
        }
        if stream == Stream::Error {
            for line in &lines {
                self.tail.push(&line.text);
            }
        }
        lines
    }

    /// Ends it at once, and the processes that it has started, unless they were detached. To be called only before it is
    /// reaped by `finish`: until then its number, which is that of its group, is nobody else's.
    pub(crate) fn kill(&mut self) {
        // The only failures are that all have ended already, which is what was wanted, or belong to another user by now.
        let _ = kill_group(self.pid());
        // It may have moved to another group.
        let _ = self.child.kill();
    }

    /// True if it has ended. It is not reaped yet.
    pub(crate) fn has_ended(&self) -> bool {
        // An error says that there is no such child.
        process::has_ended(self.pid()).unwrap_or(true)
    }

    /// Waits for its end, which the caller has brought about, for a while: it may have changed its user, and then it can't be
    /// killed. True if it has ended.
    pub(crate) fn wait_for_end(&self, limit: Duration) -> bool {
        let begun = Instant::now();
        loop {
            let left = limit.saturating_sub(begun.elapsed());
            if self.has_ended() || left.is_zero() {
                return self.has_ended();
            }
            match self.ended() {
                // A failure to wait, of which there is none that could last, only looks early.
                Some(ended) => drop(eagleray_ipc::wait(&[ended], Some(left))),
                None => std::thread::sleep(left.min(LOOK_FOR_END)),
            }
        }
    }

    /// After its end: reaps it; what it still had printed, and how it ended. A process of its own that it left
    /// behind may keep the pipes open; nobody waits for that.
    pub(crate) fn finish(&mut self, process: ProcessNumber) -> (Vec<Line>, WorkerExit) {
        // As Ray does: what it had started does not outlive it.
        self.kill();
        let mut lines = self.drain();
        for pipe in [&mut self.output, &mut self.error].into_iter().flatten() {
            pipe.splitter.finish(pipe.is_error, &mut lines);
        }
        let status = self.child.try_wait().ok().flatten();
        let reason = self.stopping.take().or_else(|| self.leaving.take());
        let exit = WorkerExit {
            process,
            pid: self.pid(),
            code: status.and_then(|status| status.code()).map(i64::from),
            signal: status.and_then(|status| status.signal()).map(i64::from),
            stderr_tail: self.tail.lines.iter().cloned().collect(),
            reason: reason.unwrap_or_default(),
        };
        (lines, exit)
    }
}

impl Tail {
    fn push(&mut self, line: &str) {
        let line = shortened(line);
        self.bytes += line.len();
        self.lines.push_back(line.into_owned());
        while (self.bytes > TAIL_BYTES_MAX || self.lines.len() > TAIL_LINES_MAX)
            && let Some(oldest) = self.lines.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }
}

/// The end of a line that is longer than the whole tail may be.
fn shortened(line: &str) -> Cow<'_, str> {
    if line.len() <= TAIL_BYTES_MAX {
        return Cow::Borrowed(line);
    }
    let earliest = line.len() - TAIL_BYTES_MAX + ELLIPSIS.len();
    let end = (earliest..line.len()).find_map(|at| line.get(at..));
    Cow::Owned(format!("{ELLIPSIS}{}", end.unwrap_or_default()))
}

impl Pipe {
    fn open(fd: Option<OwnedFd>, is_error: bool) -> io::Result<Option<Self>> {
        let Some(fd) = fd else { return Ok(None) };
        set_nonblocking(fd.as_fd(), true)?;
        Ok(Some(Self {
            file: File::from(fd),
            is_error,
            splitter: Splitter::default(),
            ended: false,
        }))
    }

    fn read(&mut self, most: usize, lines: &mut Vec<Line>) {
        let mut chunk = [0; 16 << 10];
        let mut taken = 0;
        while taken < most {
            match self.file.read(&mut chunk) {
                Ok(count) if count > 0 => {
                    taken += count;
                    self.splitter.feed(&chunk[..count], self.is_error, lines);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Its end, or a pipe that can't be read: nothing more will come.
                Ok(_) | Err(_) => {
                    self.ended = true;
                    self.splitter.finish(self.is_error, lines);
                    return;
                }
            }
        }
    }
}

impl Splitter {
    fn feed(&mut self, mut bytes: &[u8], is_error: bool, lines: &mut Vec<Line>) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.partial.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.take_line(is_error, lines);
        }
        self.partial.extend_from_slice(bytes);
        while self.partial.len() > LINE_MAX {
            let rest = self.partial.split_off(LINE_MAX);
            self.take_line(is_error, lines);
            self.partial = rest;
        }
    }

    /// A last line without an end.
    fn finish(&mut self, is_error: bool, lines: &mut Vec<Line>) {
        if !self.partial.is_empty() {
            self.take_line(is_error, lines);
        }
    }

    fn take_line(&mut self, is_error: bool, lines: &mut Vec<Line>) {
        let line = std::mem::take(&mut self.partial);
        if let Some(name) = line.strip_prefix(NAME_MARKER) {
            self.name = String::from_utf8_lossy(name).into_owned();
            return;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        lines.push(Line {
            name: self.name.clone(),
            is_error,
            text: String::from_utf8_lossy(line).into_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<(String, String)> {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.feed(chunk, false, &mut lines);
        }
        splitter.finish(false, &mut lines);
        lines
            .into_iter()
            .map(|line| (line.name, line.text))
            .collect()
    }

    #[test]
    fn lines_are_whole_whatever_pieces_they_come_in() {
        let lines = split(&[b"one\ntw", b"o\r\n\nthr", b"ee"]);
        let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["one", "two", "", "three"]);
    }

    #[test]
    fn a_marker_names_the_lines_after_it() {
        let lines = split(&[b"a\n\x1eeagleray-na", b"me:square\nb\n"]);
        assert_eq!(
            lines,
            [
                (String::new(), "a".to_owned()),
                ("square".to_owned(), "b".to_owned())
            ]
        );
    }

    #[test]
    fn the_tail_is_bounded_in_lines_and_keeps_the_newest() {
        let mut tail = Tail::default();
        for number in 0..TAIL_LINES_MAX + 5 {
            tail.push(&number.to_string());
        }
        assert_eq!(tail.lines.len(), TAIL_LINES_MAX);
        assert_eq!(tail.lines.front().map(String::as_str), Some("5"));
        assert_eq!(tail.lines.back().map(String::as_str), Some("24"));
    }

    #[test]
    fn the_tail_is_bounded_in_bytes_and_keeps_the_newest() {
        let mut tail = Tail::default();
        let third = "x".repeat(TAIL_BYTES_MAX / 3);
        for line in [&third, &third, &third, "the last"] {
            tail.push(line);
        }
        assert_eq!(tail.lines, [&third, &third, "the last"]);
        // Of two-byte characters, so that the cut has to find the start of one.
        tail.push(&format!("{}end", "é".repeat(TAIL_BYTES_MAX)));
        assert_eq!(tail.lines.len(), 1);
        assert!(tail.lines[0].starts_with("…é") && tail.lines[0].ends_with("éend"));
        assert!(tail.lines[0].len() <= TAIL_BYTES_MAX);
        assert_eq!(tail.bytes, tail.lines[0].len());
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let long = vec![b'x'; LINE_MAX + 10];
        let lengths: Vec<usize> = split(&[&long]).iter().map(|(_, text)| text.len()).collect();
        assert_eq!(lengths, [LINE_MAX, 10]);
    }
}
