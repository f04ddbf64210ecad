//! A machine made of a table of files.

use std::collections::BTreeMap;
use std::io;

use super::System;

#[derive(Default)]
pub(super) struct FakeSystem {
    files: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
    pub affinity: Option<u32>,
}

impl FakeSystem {
    pub fn file(mut self, path: &str, text: &str) -> FakeSystem {
        self.files.insert(path.into(), text.into());
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> FakeSystem {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// The process is in the group `path`; what lies below `root` is mounted where systemd mounts it.
    pub fn cgroup_v2(self, path: &str, root: &str) -> FakeSystem {
        let mount =
            format!("30 23 0:26 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
        self.file("/proc/self/cgroup", &format!("0::{path}\n"))
            .file("/proc/self/mountinfo", &mount)
    }

    /// The same for version 1, with a mount for each controller.
    pub fn cgroup_v1(self, path: &str, root: &str) -> FakeSystem {
        let cpu =
            format!("31 23 0:29 {root} /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
        let memory =
            format!("32 23 0:30 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
        self.file(
            "/proc/self/cgroup",
            &format!("5:memory:{path}\n4:cpu,cpuacct:{path}\n"),
        )
        .file("/proc/self/mountinfo", &(cpu + &memory))
    }
}

impl System for FakeSystem {
    fn read_file(&self, path: &str) -> io::Result<String> {
        self.files
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list_directory(&self, path: &str) -> io::Result<Vec<String>> {
        let prefix = format!("{path}/");
        let below = self
            .files
            .keys()
            .filter_map(|file| file.strip_prefix(&prefix));
        let mut names: Vec<String> = below
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_string)
            .collect();
        names.dedup();
        if names.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(names)
    }

    fn environment_variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn affinity_count(&self) -> Option<u32> {
        self.affinity
    }
}
