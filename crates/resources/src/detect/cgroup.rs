//! Limits that control groups set: versions 1 and 2, in containers and outside, and both at once.
//!
//! A group's limit holds for all groups below it, so every group from the process's own up to the mount is read
//! and the smallest limit counts.

use super::system::{Detected, MemoryRoom, System};

/// CPUs' worth of time that the process's groups may use; `None` when nothing limits it.
pub(super) fn cpu_quota(system: &impl System) -> Option<Detected<f64>> {
    let quotas = groups(system, "cpu").into_iter().filter_map(|group| {
        let value = match group.version {
            Version::One => {
                let quota = read_number(system, &format!("{}/cpu.cfs_quota_us", group.directory))?;
                let period =
                    read_number(system, &format!("{}/cpu.cfs_period_us", group.directory))?;
                quota / period
            }
            Version::Two => {
                let text = system
                    .read_file(&format!("{}/cpu.max", group.directory))
                    .ok()?;
                let mut words = text.split_whitespace();
                let quota: f64 = words.next()?.parse().ok()?;
                let period: f64 = words
                    .next()
                    .map_or(Some(100_000.0), |word| word.parse().ok())?;
                quota / period
            }
        };
        // Version 1 says -1 for no limit; version 2 says "max", which is no number.
        let source = format!("cgroup {} quota {value:?}", group.version.name());
        (value.is_finite() && value > 0.0).then_some(Detected { value, source })
    });
    quotas.min_by(|left, right| left.value.total_cmp(&right.value))
}

/// Bytes of memory that the process's groups may use; `None` when nothing says so.
pub(super) fn memory_limit(system: &impl System) -> Option<Detected<u64>> {
    let limits = groups(system, "memory")
        .into_iter()
        .filter_map(|group| group.memory_limit(system));
    limits.min_by_key(|limit| limit.value)
}

/// The memory that is free in the group of the process that has least, by its limit; `None` when nothing limits it.
pub(super) fn memory_room(system: &impl System) -> Option<MemoryRoom> {
    let rooms = groups(system, "memory").into_iter().filter_map(|group| {
        let limit = group.memory_limit(system)?;
        let (use_file, kept) = match group.version {
            Version::One => (
                "memory.usage_in_bytes",
                ["total_inactive_file", "total_active_file"],
            ),
            Version::Two => ("memory.current", ["inactive_file", "active_file"]),
        };
        let used: u64 = group.read(system, use_file)?.trim().parse().ok()?;
        // Files that the kernel keeps in memory count as used, and make room when somebody needs it.
        let statistics = group.read(system, "memory.stat").unwrap_or_default();
        let reclaimable = statistics
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(name, _)| kept.contains(name))
            .filter_map(|(_, bytes)| bytes.trim().parse::<u64>().ok())
            .fold(0, u64::saturating_add);
        let used = used.saturating_sub(reclaimable);
        Some(MemoryRoom {
            free: limit.value.saturating_sub(used),
            limit,
        })
    });
    rooms.min_by_key(|room| room.free)
}

#[derive(Clone, Copy, PartialEq)]
enum Version {
    One,
    Two,
}

impl Version {
    fn name(self) -> &'static str {
        match self {
            Version::One => "v1",
            Version::Two => "v2",
        }
    }
}

/// One group of the process, as a directory.
struct Group {
    version: Version,
    directory: String,
}

impl Group {
    fn read(&self, system: &impl System, file: &str) -> Option<String> {
        system.read_file(&format!("{}/{file}", self.directory)).ok()
    }

    fn memory_limit(&self, system: &impl System) -> Option<Detected<u64>> {
        let file = match self.version {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        };
        let value: u64 = self.read(system, file)?.trim().parse().ok()?;
        let source = format!("cgroup {} limit of {value} bytes", self.version.name());
        Some(Detected { value, source })
    }
}

/// A cgroup file system: the part of the hierarchy below `root` is visible at `point`.
struct Mount {
    version: Version,
    root: String,
    point: String,
    options: String,
}

/// The process's groups for a controller, from its own up to the top of each mount.
fn groups(system: &impl System, controller: &str) -> Vec<Group> {
    let Ok(membership) = system.read_file("/proc/self/cgroup") else {
        return Vec::new();
    };
    let mounts = mounts(system);
    let mut groups = Vec::new();
    for line in membership.lines() {
        // hierarchy:controllers:path, and `0::path` for version 2.
        let mut fields = line.splitn(3, ':');
        let (Some(hierarchy), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let version = if hierarchy == "0" && controllers.is_empty() {
            Version::Two
        } else {
            Version::One
        };
        if version == Version::One && !controllers.split(',').any(|name| name == controller) {
            continue;
        }
        for mount in mounts
            .iter()
            .filter(|mount| mount.serves(version, controller))
        {
            let relative = mount.relative(path);
            groups.extend(ancestors(&relative).map(|path| Group {
                version,
                directory: format!("{}{path}", mount.point.trim_end_matches('/')),
            }));
        }
    }
    groups
}

impl Mount {
    fn serves(&self, version: Version, controller: &str) -> bool {
        self.version == version
            && (version == Version::Two || self.options.split(',').any(|name| name == controller))
    }

    /// The path of a group below the mount. What lies outside of what is mounted (a container that sees its host's
    /// names) is taken as the top of the mount.
    fn relative(&self, path: &str) -> String {
        let inside = match self.root.as_str() {
            "/" => Some(path),
            root => path
                .strip_prefix(root)
                .filter(|rest| rest.is_empty() || rest.starts_with('/')),
        };
        match inside {
            Some(inside) if !inside.split('/').any(|part| part == "..") => {
                inside.trim_end_matches('/').to_string()
            }
            _ => String::new(),
        }
    }
}

/// `/a/b`, `/a` and the empty path for `/a/b`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rfind('/').map(|end| &path[..end]))
}

fn mounts(system: &impl System) -> Vec<Mount> {
    let Ok(text) = system.read_file("/proc/self/mountinfo") else {
        return Vec::new();
    };
    text.lines().filter_map(mount_of).collect()
}

/// `31 23 0:28 /root /mount/point rw,relatime shared:1 - cgroup cgroup rw,cpu,cpuacct`
fn mount_of(line: &str) -> Option<Mount> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut file_system = file_system.split(' ');
    let version = match file_system.next()? {
        "cgroup" => Version::One,
        "cgroup2" => Version::Two,
        _ => return None,
    };
    let options = file_system.nth(1)?.to_string();
    let mut fields = mount.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    Some(Mount {
        version,
        root: unescape(root),
        point: unescape(point),
        options,
    })
}

/// The kernel writes space, tab, newline and backslash in octal.
fn unescape(path: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(path.to_string(), |path, (escaped, character)| {
        path.replace(escaped, character)
    })
}

fn read_number(system: &impl System, path: &str) -> Option<f64> {
    system.read_file(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::fake::FakeSystem;
    use super::*;

    fn quota(system: &FakeSystem) -> Option<f64> {
        cpu_quota(system).map(|quota| quota.value)
    }

    #[test]
    fn a_limit_above_holds_below() {
        let system = FakeSystem::default()
            .cgroup_v2("/user.slice/session/leaf", "/")
            .file(
                "/sys/fs/cgroup/user.slice/session/leaf/cpu.max",
                "max 100000\n",
            )
            .file(
                "/sys/fs/cgroup/user.slice/session/cpu.max",
                "400000 100000\n",
            )
            .file("/sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n");
        assert_eq!(quota(&system), Some(1.5));
        assert_eq!(cpu_quota(&system).unwrap().source, "cgroup v2 quota 1.5");
    }

    #[test]
    fn no_limit_is_none() {
        let system = FakeSystem::default()
            .cgroup_v2("/a", "/")
            .file("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
        assert_eq!(quota(&system), None);
        let system = FakeSystem::default()
            .cgroup_v1("/a", "/")
            .file("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n")
            .file("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
        assert_eq!(quota(&system), None);
    }

    #[test]
    fn a_container_of_version_one_sees_its_own_group_at_the_mount() {
        let system = FakeSystem::default()
            .cgroup_v1("/docker/abc", "/docker/abc")
            .file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n")
            .file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
            .file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n");
        assert_eq!(quota(&system), Some(2.0));
        assert_eq!(memory_limit(&system).unwrap().value, 4_096);
    }

    #[test]
    fn a_group_outside_of_the_mount_is_its_top() {
        for path in ["/kubepods/pod1", "/../../other", "/docker/abcd"] {
            let system = FakeSystem::default()
                .cgroup_v2(path, "/docker/abc")
                .file("/sys/fs/cgroup/cpu.max", "300000 100000\n");
            assert_eq!(quota(&system), Some(3.0), "{path}");
        }
    }

    #[test]
    fn both_versions_at_once_are_both_read() {
        let system = FakeSystem::default()
            .file("/proc/self/cgroup", "4:cpu,cpuacct:/one\n0::/two\n")
            .file(
                "/proc/self/mountinfo",
                "31 23 0:29 / /my\\040groups/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                 32 23 0:30 / /my\\040groups/unified rw shared:9 - cgroup2 cgroup2 rw\n\
                 33 23 0:31 / /elsewhere rw - ext4 /dev/sda rw\n",
            )
            .file("/my groups/cpu/one/cpu.cfs_quota_us", "300000\n")
            .file("/my groups/cpu/one/cpu.cfs_period_us", "100000\n")
            .file("/my groups/unified/two/cpu.max", "250000\n");
        assert_eq!(quota(&system), Some(2.5));
    }

    #[test]
    fn what_makes_no_sense_limits_nothing() {
        for text in [
            "",
            "nonsense",
            "100000 0",
            "0 100000",
            "-5 100000",
            "1e400 1",
        ] {
            let system = FakeSystem::default()
                .cgroup_v2("/", "/")
                .file("/sys/fs/cgroup/cpu.max", text);
            assert_eq!(quota(&system), None, "{text}");
        }
        let system = FakeSystem::default()
            .file("/proc/self/cgroup", "x\n0\n::\n")
            .file("/proc/self/mountinfo", "- - -\n");
        assert_eq!(quota(&system), None);
    }
}
