//! What this machine allows this process: CPUs, memory, GPUs.
//!
//! Owns: reading what the kernel and the driver say, and which of it counts. Is not: a judge of what the runtime
//! takes of it. It reads files and the environment only, through a seam ([`System`]), so tests can be any machine.
//!
//! Invariants:
//! - DT-1 What can't be read limits nothing: detection never fails, it knows less.
//! - DT-2 There is always at least one CPU.

mod cgroup;
mod gpu;
mod system;

pub use gpu::{gpu_ids_for, gpus};
pub use system::{Detected, HostSystem, MemoryRoom, System};

/// How many CPUs this process may use: the smaller of cgroup quota and affinity mask, rounded up, at least one.
pub fn cpus(system: &impl System) -> Detected<u32> {
    let affinity = system.affinity_count().map(|count| Detected {
        value: count.max(1),
        source: format!("affinity mask of {count}"),
    });
    let quota = cgroup::cpu_quota(system).map(|quota| Detected {
        value: (quota.value.ceil() as u32).max(1),
        source: quota.source,
    });
    match (affinity, quota) {
        (Some(affinity), Some(quota)) if quota.value < affinity.value => quota,
        (Some(affinity), _) => affinity,
        (None, Some(quota)) => quota,
        (None, None) => Detected {
            value: 1,
            source: "nothing known of this machine".into(),
        },
    }
}

/// How many bytes of memory this process may use: the smallest limit of its cgroups, or what the machine has.
/// `None` where neither can be read (there is no `/proc` outside Linux).
pub fn memory(system: &impl System) -> Option<Detected<u64>> {
    let machine = machine_memory(system);
    let limit = cgroup::memory_limit(system);
    match (machine, limit) {
        // An unlimited cgroup of version 1 has a limit of almost 2^63.
        (Some(machine), Some(limit)) if limit.value >= machine.value => Some(machine),
        (machine, limit) => limit.or(machine),
    }
}

/// How much memory this process and those it starts may still take: the least of what its cgroups and the machine have
/// free. `None` where neither can be read. Reads some files, so it is not for every moment.
pub fn memory_room(system: &impl System) -> Option<MemoryRoom> {
    let machine = machine_memory(system)
        .zip(meminfo(system, "MemAvailable:"))
        .map(|(limit, free)| MemoryRoom { free, limit });
    let group = cgroup::memory_room(system);
    machine
        .into_iter()
        .chain(group)
        .min_by_key(|room| room.free)
}

fn machine_memory(system: &impl System) -> Option<Detected<u64>> {
    Some(Detected {
        value: meminfo(system, "MemTotal:")?,
        source: "memory of the machine".into(),
    })
}

/// A line of `/proc/meminfo`, in bytes.
fn meminfo(system: &impl System, name: &str) -> Option<u64> {
    let text = system.read_file("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1_024)
}

#[cfg(test)]
mod fake;

#[cfg(test)]
mod tests {
    use super::fake::FakeSystem;
    use super::system::allowed_processors;
    use super::*;

    #[test]
    fn the_affinity_mask_is_counted_by_its_bits() {
        assert_eq!(
            allowed_processors("Name:\tnode\nCpus_allowed:\tf0,0000000f\n"),
            Some(8)
        );
        assert_eq!(allowed_processors("Name:\tnode\n"), None);
        assert_eq!(allowed_processors("Cpus_allowed:\t0\n"), None);
    }

    #[test]
    fn without_any_knowledge_there_is_one_cpu_and_no_gpu() {
        let system = FakeSystem::default();
        assert_eq!(cpus(&system).value, 1);
        assert_eq!(memory(&system), None);
        assert_eq!(gpus(&system).value, Vec::<String>::new());
    }

    #[test]
    fn the_smaller_of_quota_and_mask_counts_and_is_named() {
        let mut system = FakeSystem::default().cgroup_v2("/", "/");
        system.affinity = Some(4);
        assert_eq!(
            cpus(&system),
            Detected {
                value: 4,
                source: "affinity mask of 4".into()
            }
        );
        system = system.file("/sys/fs/cgroup/cpu.max", "250000 100000\n");
        assert_eq!(
            cpus(&system),
            Detected {
                value: 3,
                source: "cgroup v2 quota 2.5".into()
            }
        );
        system = system.file("/sys/fs/cgroup/cpu.max", "5000 100000\n");
        assert_eq!(cpus(&system).value, 1);
        system = system.file("/sys/fs/cgroup/cpu.max", "1600000 100000\n");
        assert_eq!(cpus(&system).value, 4);
    }

    #[test]
    fn memory_is_the_smallest_limit_or_the_machines() {
        let meminfo = "MemTotal:       16000000 kB\nMemFree:         1000 kB\n";
        let mut system = FakeSystem::default()
            .cgroup_v2("/a/b", "/")
            .file("/proc/meminfo", meminfo);
        assert_eq!(memory(&system).unwrap().value, 16_000_000 * 1_024);
        system = system.file("/sys/fs/cgroup/a/b/memory.max", "max\n");
        system = system.file("/sys/fs/cgroup/a/memory.max", "1073741824\n");
        let limit = memory(&system).unwrap();
        assert_eq!(
            (limit.value, limit.source.as_str()),
            (1 << 30, "cgroup v2 limit of 1073741824 bytes")
        );
    }

    #[test]
    fn the_unlimited_of_version_one_is_the_machines_memory() {
        let system = FakeSystem::default()
            .cgroup_v1("/", "/")
            .file("/proc/meminfo", "MemTotal: 2000 kB\n")
            .file(
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            );
        assert_eq!(memory(&system).unwrap().source, "memory of the machine");
    }

    #[test]
    fn the_room_is_what_the_fullest_group_has_left_without_the_files_that_can_be_dropped() {
        let system = FakeSystem::default()
            .cgroup_v2("/a/b", "/")
            .file(
                "/proc/meminfo",
                "MemTotal: 16000 kB\nMemAvailable:    9000 kB\n",
            )
            .file("/sys/fs/cgroup/a/b/memory.max", "max\n")
            .file("/sys/fs/cgroup/a/b/memory.current", "4000000\n");
        let room = memory_room(&system).unwrap();
        assert_eq!((room.free, room.limit.value), (9_000 << 10, 16_000 << 10));
        let system = system
            .file("/sys/fs/cgroup/a/memory.max", "5000000\n")
            .file("/sys/fs/cgroup/a/memory.current", "4500000\n")
            .file(
                "/sys/fs/cgroup/a/memory.stat",
                "anon 3000000\nshmem 700000\ninactive_file 100000\nactive_file 200000\nnonsense\n",
            );
        let room = memory_room(&system).unwrap();
        assert_eq!(room.free, 800_000);
        assert_eq!(room.limit.source, "cgroup v2 limit of 5000000 bytes");
        let over = system.file("/sys/fs/cgroup/a/memory.current", "9000000\n");
        assert_eq!(memory_room(&over).unwrap().free, 0);
    }

    #[test]
    fn the_room_in_version_one_and_that_of_a_group_beside_a_fuller_machine() {
        let system = FakeSystem::default()
            .cgroup_v1("/", "/")
            .file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "8000000\n")
            .file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "3000000\n")
            .file(
                "/sys/fs/cgroup/memory/memory.stat",
                "inactive_file 7\ntotal_inactive_file 50\ntotal_active_file 25\n",
            );
        let room = memory_room(&system).unwrap();
        assert_eq!((room.free, room.limit.value), (5_000_075, 8_000_000));
        let system = system.file("/proc/meminfo", "MemTotal: 9000 kB\nMemAvailable: 1 kB\n");
        assert_eq!(memory_room(&system).unwrap().free, 1_024);
        assert_eq!(memory_room(&FakeSystem::default()), None);
    }

    #[test]
    fn this_machine_has_a_cpu_and_some_memory() {
        assert!(cpus(&HostSystem).value >= 1);
        if cfg!(target_os = "linux") {
            assert!(memory(&HostSystem).unwrap().value > 1 << 20);
            let room = memory_room(&HostSystem).unwrap();
            assert!(room.free > 0 && room.free <= room.limit.value);
            assert!(HostSystem.affinity_count().unwrap() >= 1);
        }
    }
}
