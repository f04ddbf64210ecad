//! The environments that workers are started with, by number.
//!
//! An environment is known while a process may name it, a class or an actor is of it. Numbers are never used again: a
//! worker that was started with a forgotten one is of no other.

use eagleray_protocol::ProcessNumber;
use rustc_hash::{FxHashMap, FxHashSet};

/// Sorted names and values.
pub(crate) type Variables = Vec<(String, String)>;

/// Environments of one node at a time.
const ENVIRONMENTS_MAX: usize = 1 << 16;

/// Bytes of names and values of all of them.
const BYTES_MAX: usize = 256 << 20;

/// The environment without additions.
const DEFAULT: u32 = 0;

struct Environment {
    variables: Variables,
    /// Processes that may name it.
    named_by: FxHashSet<ProcessNumber>,
    /// Classes and actors that are of it.
    users: usize,
}

/// All environments.
pub(crate) struct Environments {
    table: FxHashMap<u32, Environment>,
    numbers: FxHashMap<Variables, u32>,
    named_by: FxHashMap<ProcessNumber, FxHashSet<u32>>,
    bytes: usize,
    next: u32,
}

impl Environments {
    /// With the one that needs no declaration.
    pub(crate) fn new() -> Self {
        let default = Environment {
            variables: Vec::new(),
            named_by: FxHashSet::default(),
            users: 1,
        };
        Self {
            table: FxHashMap::from_iter([(DEFAULT, default)]),
            numbers: FxHashMap::from_iter([(Vec::new(), DEFAULT)]),
            named_by: FxHashMap::default(),
            bytes: 0,
            next: DEFAULT + 1,
        }
    }

    /// The number of an environment, which `process` may name from now on.
    ///
    /// # Errors
    /// What is wrong with the variables, or which limit is reached, in words.
    pub(crate) fn declare(
        &mut self,
        process: ProcessNumber,
        mut variables: Variables,
    ) -> Result<u32, String> {
        // A name with these would make the start of a process fail, or panic.
        let is_bad = |(name, value): &(String, String)| {
            name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')
        };
        if let Some((name, _)) = variables.iter().find(|variable| is_bad(variable)) {
            return Err(format!("{name:?} can't be an environment variable"));
        }
        variables.sort_unstable();
        let number = match self.numbers.get(&variables) {
            Some(&number) => number,
            None => self.add(variables)?,
        };
        if number != DEFAULT
            && let Some(environment) = self.table.get_mut(&number)
        {
            environment.named_by.insert(process);
            self.named_by.entry(process).or_default().insert(number);
        }
        Ok(number)
    }

    fn add(&mut self, variables: Variables) -> Result<u32, String> {
        if self.table.len() >= ENVIRONMENTS_MAX {
            return Err(format!(
                "there are {ENVIRONMENTS_MAX} environments (option env) in use already"
            ));
        }
        let bytes = bytes_of(&variables);
        if self.bytes + bytes > BYTES_MAX {
            return Err(format!(
                "the environments (option env) in use have {} bytes already, and {BYTES_MAX} is the limit",
                self.bytes
            ));
        }
        let number = self.next;
        self.next = number
            .checked_add(1)
            .ok_or("there are no numbers for environments left")?;
        self.bytes += bytes;
        self.numbers.insert(variables.clone(), number);
        let environment = Environment {
            variables,
            named_by: FxHashSet::default(),
            users: 0,
        };
        self.table.insert(number, environment);
        Ok(number)
    }

    /// The variables of an environment.
    pub(crate) fn variables(&self, number: u32) -> Option<&Variables> {
        Some(&self.table.get(&number)?.variables)
    }

    /// A class or actor is of it. False if there is no such environment.
    pub(crate) fn add_user(&mut self, number: u32) -> bool {
        match self.table.get_mut(&number) {
            Some(environment) => {
                environment.users += 1;
                true
            }
            None => false,
        }
    }

    /// A class or actor that was of it is gone.
    pub(crate) fn remove_user(&mut self, number: u32) {
        if let Some(environment) = self.table.get_mut(&number) {
            environment.users = environment.users.saturating_sub(1);
            self.forget_if_unused(number);
        }
    }

    /// A process will not name it any more.
    pub(crate) fn unname(&mut self, process: ProcessNumber, number: u32) {
        if let Some(environment) = self.table.get_mut(&number) {
            environment.named_by.remove(&process);
            self.forget_if_unused(number);
        }
        if let Some(named) = self.named_by.get_mut(&process) {
            named.remove(&number);
            if named.is_empty() {
                self.named_by.remove(&process);
            }
        }
    }

    /// A process has ended, and names nothing any more.
    pub(crate) fn process_ended(&mut self, process: ProcessNumber) {
        for number in self.named_by.remove(&process).unwrap_or_default() {
            self.unname(process, number);
        }
    }

    fn forget_if_unused(&mut self, number: u32) {
        let is_unused = self
            .table
            .get(&number)
            .is_some_and(|environment| environment.users == 0 && environment.named_by.is_empty());
        if is_unused && let Some(environment) = self.table.remove(&number) {
            self.bytes -= bytes_of(&environment.variables);
            self.numbers.remove(&environment.variables);
        }
    }
}

fn bytes_of(variables: &Variables) -> usize {
    let each = variables.iter();
    each.map(|(name, value)| name.len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(value: &str) -> Variables {
        vec![("NAME".to_owned(), value.to_owned())]
    }

    #[test]
    fn an_environment_is_known_while_somebody_names_or_uses_it() {
        let mut environments = Environments::new();
        let first = environments.declare(1, variables("a")).unwrap();
        assert_eq!(environments.declare(2, variables("a")), Ok(first));
        assert!(environments.add_user(first));
        environments.unname(1, first);
        environments.process_ended(2);
        assert_eq!(environments.variables(first), Some(&variables("a")));
        environments.remove_user(first);
        assert_eq!(environments.variables(first), None);
        assert!(!environments.add_user(first));
        let again = environments.declare(1, variables("a")).unwrap();
        assert_ne!(again, first, "a number is never used again");
        assert_eq!(environments.bytes, 5);
        environments.process_ended(1);
        assert_eq!(environments.bytes, 0);
        assert_eq!(environments.table.len(), 1);
        assert!(environments.named_by.is_empty());
    }

    #[test]
    fn the_default_one_is_always_there() {
        let mut environments = Environments::new();
        assert_eq!(environments.declare(1, Vec::new()), Ok(0));
        environments.unname(1, 0);
        environments.process_ended(1);
        assert_eq!(environments.variables(0), Some(&Vec::new()));
    }

    #[test]
    fn what_is_too_much_or_no_variable_is_refused_with_words() {
        let mut environments = Environments::new();
        let bad = environments.declare(1, vec![("A=B".to_owned(), String::new())]);
        assert!(bad.unwrap_err().contains("\"A=B\""));
        let large = environments.declare(1, variables(&"x".repeat(BYTES_MAX)));
        assert!(large.unwrap_err().contains("268435456"));
        for number in 1..ENVIRONMENTS_MAX {
            environments
                .declare(1, variables(&number.to_string()))
                .unwrap();
        }
        let more = environments.declare(1, variables("one more"));
        assert!(more.unwrap_err().contains("65536"));
        assert!(
            environments.declare(1, variables("1")).is_ok(),
            "a known one"
        );
    }
}
