//! The fields of an error as JSON, which the SDK's error classes read.

use std::fmt::Write as _;

use crate::WorkerExit;

/// The fields of an error, as a JSON object that is being written.
pub struct Details(String);

impl Default for Details {
    fn default() -> Self {
        Self::new()
    }
}

impl Details {
    /// No fields.
    pub fn new() -> Self {
        Self("{".to_owned())
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&json_string(name));
        self.0.push(':');
    }

    /// A text.
    #[must_use]
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.0.push_str(&json_string(value));
        self
    }

    /// A text, if there is one.
    #[must_use]
    pub fn text_if_any(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// A number.
    #[must_use]
    pub fn number(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.raw(name, &value.to_string())
    }

    /// A field that is JSON already.
    #[must_use]
    pub fn raw(mut self, name: &str, json: &str) -> Self {
        self.name(name);
        self.0.push_str(json);
        self
    }

    /// A list of texts.
    #[must_use]
    pub fn lines(self, name: &str, lines: &[String]) -> Self {
        let lines: Vec<String> = lines.iter().map(|line| json_string(line)).collect();
        self.raw(name, &format!("[{}]", lines.join(",")))
    }

    /// How a process ended.
    #[must_use]
    pub fn exit(mut self, exit: &WorkerExit) -> Self {
        self = self.number("pid", exit.pid);
        if let Some(code) = exit.code {
            self = self.number("exitCode", code);
        }
        if let Some(signal) = exit.signal {
            self = self.text("signal", &signal_name(signal));
        }
        self.lines("stderrTail", &exit.stderr_tail)
    }

    /// The JSON object.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// The name of a signal, as Node gives it.
pub fn signal_name(signal: i64) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

/// A JSON string literal.
fn json_string(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for character in text.chars() {
        match character {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            control if control < ' ' => {
                // Writing to a string never fails.
                let _ = write!(literal, "\\u{:04x}", control as u32);
            }
            other => literal.push(other),
        }
    }
    literal.push('"');
    literal
}
