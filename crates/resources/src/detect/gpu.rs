//! NVIDIA GPUs, by what the driver shows as files. No library of the driver is loaded.

use super::system::{Detected, System};

const VISIBLE_DEVICES: &str = "CUDA_VISIBLE_DEVICES";

/// The ids of the NVIDIA GPUs this process may use, as `CUDA_VISIBLE_DEVICES` takes them: the entries of that
/// variable as far as they are there, or the indexes of all.
pub fn gpus(system: &impl System) -> Detected<Vec<String>> {
    let driver = driver_gpus(system);
    let all = driver.len();
    match system.environment_variable(VISIBLE_DEVICES) {
        Some(list) if all > 0 => {
            let value = visible(&list, &driver);
            let source = format!("{VISIBLE_DEVICES}={list}, of {all} shown by the NVIDIA driver");
            Detected { value, source }
        }
        _ => {
            let value = (0..all).map(|index| index.to_string()).collect();
            let source = match all {
                0 => "no NVIDIA driver".to_string(),
                _ => format!("{all} shown by the NVIDIA driver"),
            };
            Detected { value, source }
        }
    }
}

/// Ids for a number of GPUs that the user states, whether or not they can be detected: first those of
/// `CUDA_VISIBLE_DEVICES`, then indexes that are not among them.
pub fn gpu_ids_for(system: &impl System, count: usize) -> Vec<String> {
    let list = system
        .environment_variable(VISIBLE_DEVICES)
        .unwrap_or_default();
    let mut ids: Vec<String> = Vec::new();
    for id in entries(&list).filter(|id| *id != "-1").take(count) {
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_string());
        }
    }
    let mut index = 0_usize;
    while ids.len() < count {
        let id = index.to_string();
        if !ids.contains(&id) {
            ids.push(id);
        }
        index += 1;
    }
    ids
}

/// A GPU of the driver. The UUID is empty where it is not known.
struct Gpu {
    uuid: String,
}

/// The GPUs that the driver shows and whose device this process can see. A container is shown all of the machine, and has
/// the devices of its own only.
fn driver_gpus(system: &impl System) -> Vec<Gpu> {
    let devices: Vec<String> = system
        .list_directory("/dev")
        .unwrap_or_default()
        .into_iter()
        .filter_map(|name| name.strip_prefix("nvidia").map(str::to_string))
        .filter(|minor| !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    let mut addresses = system
        .list_directory("/proc/driver/nvidia/gpus")
        .unwrap_or_default();
    // By bus address, which is the order of CUDA's indexes with CUDA_DEVICE_ORDER=PCI_BUS_ID.
    addresses.sort_unstable();
    if addresses.is_empty() {
        return devices
            .iter()
            .map(|_| Gpu {
                uuid: String::new(),
            })
            .collect();
    }
    let shown = addresses.iter().map(|address| {
        let path = format!("/proc/driver/nvidia/gpus/{address}/information");
        let text = system.read_file(&path).unwrap_or_default();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_string())
        };
        (
            Gpu {
                uuid: field("GPU UUID:").unwrap_or_default(),
            },
            field("Device Minor:"),
        )
    });
    // Device files may not exist before the first use of the driver: then the driver's word counts.
    let has_device = |minor: &Option<String>| match minor {
        Some(minor) if !devices.is_empty() => devices.contains(minor),
        _ => true,
    };
    shown
        .filter(|(_, minor)| has_device(minor))
        .map(|(gpu, _)| gpu)
        .collect()
}

/// The entries before the first that names no GPU: CUDA ignores all that follow it.
fn visible(list: &str, driver: &[Gpu]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for entry in entries(list) {
        let exists = match entry.parse::<usize>() {
            Ok(index) => index < driver.len(),
            Err(_) => is_uuid_of_one(entry, driver),
        };
        if !exists || ids.iter().any(|known| known == entry) {
            break;
        }
        ids.push(entry.to_string());
    }
    ids
}

/// CUDA takes a UUID that is shortened as long as it is unique. Parts of a GPU (MIG) are not among the driver's
/// files, so they are believed.
fn is_uuid_of_one(entry: &str, driver: &[Gpu]) -> bool {
    if entry.starts_with("MIG-") {
        return true;
    }
    let unknown = driver.iter().any(|gpu| gpu.uuid.is_empty());
    let matching = driver
        .iter()
        .filter(|gpu| gpu.uuid.starts_with(entry))
        .count();
    entry.starts_with("GPU-") && (matching == 1 || unknown)
}

fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .take_while(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::fake::FakeSystem;
    use super::*;

    fn two_gpus() -> FakeSystem {
        FakeSystem::default()
            .file("/dev/nvidia0", "")
            .file("/dev/nvidia1", "")
            .file("/dev/nvidiactl", "")
            .file("/dev/nvidia-uvm", "")
            .file("/dev/null", "")
            .file(
                "/proc/driver/nvidia/gpus/0000:01:00.0/information",
                INFORMATION_0,
            )
            .file(
                "/proc/driver/nvidia/gpus/0000:02:00.0/information",
                INFORMATION_1,
            )
    }

    const INFORMATION_0: &str =
        "Model: \t\t NVIDIA A100\nGPU UUID: \t GPU-aaaa-1111\nDevice Minor: \t 0\n";
    const INFORMATION_1: &str =
        "Model: \t\t NVIDIA A100\nGPU UUID: \t GPU-aabb-2222\nDevice Minor: \t 1\n";

    fn with_list(list: &str) -> Vec<String> {
        gpus(&two_gpus().variable(VISIBLE_DEVICES, list)).value
    }

    #[test]
    fn all_are_numbered_when_nothing_is_said() {
        let found = gpus(&two_gpus());
        assert_eq!(found.value, ["0", "1"]);
        assert_eq!(found.source, "2 shown by the NVIDIA driver");
    }

    #[test]
    fn the_drivers_own_list_is_respected() {
        assert_eq!(with_list("1"), ["1"]);
        assert_eq!(with_list("1, 0"), ["1", "0"]);
        assert_eq!(with_list("GPU-aabb,0"), ["GPU-aabb", "0"]);
        assert_eq!(with_list("MIG-1/2"), ["MIG-1/2"]);
    }

    #[test]
    fn empty_or_minus_one_is_none_and_an_unknown_one_ends_the_list() {
        assert_eq!(with_list(""), Vec::<String>::new());
        assert_eq!(with_list("-1"), Vec::<String>::new());
        assert_eq!(with_list("NoDevFiles"), Vec::<String>::new());
        assert_eq!(with_list("0,-1,1"), ["0"]);
        assert_eq!(with_list("0,7,1"), ["0"]);
        assert_eq!(with_list("0,0"), ["0"]);
        assert_eq!(
            with_list("GPU-aa"),
            Vec::<String>::new(),
            "two GPUs begin like that"
        );
        assert_eq!(with_list("GPU-cc"), Vec::<String>::new());
    }

    #[test]
    fn a_container_has_those_whose_device_it_sees() {
        let system = FakeSystem::default()
            .file("/dev/nvidia1", "")
            .file(
                "/proc/driver/nvidia/gpus/0000:01:00.0/information",
                INFORMATION_0,
            )
            .file(
                "/proc/driver/nvidia/gpus/0000:02:00.0/information",
                INFORMATION_1,
            );
        assert_eq!(gpus(&system).value, ["0"]);
        let uuid = system.variable(VISIBLE_DEVICES, "GPU-aaaa-1111");
        assert_eq!(gpus(&uuid).value, Vec::<String>::new());
    }

    #[test]
    fn device_files_alone_are_enough() {
        let system = FakeSystem::default()
            .file("/dev/nvidia0", "")
            .file("/dev/nvidia10", "");
        assert_eq!(gpus(&system).value, ["0", "1"]);
    }

    #[test]
    fn a_list_on_a_machine_without_a_driver_makes_no_gpu() {
        let system = FakeSystem::default().variable(VISIBLE_DEVICES, "0,1");
        assert_eq!(gpus(&system).value, Vec::<String>::new());
        assert_eq!(gpus(&system).source, "no NVIDIA driver");
    }

    #[test]
    fn a_stated_number_always_gets_as_many_different_ids() {
        let none = FakeSystem::default();
        assert_eq!(gpu_ids_for(&none, 3), ["0", "1", "2"]);
        let some = FakeSystem::default().variable(VISIBLE_DEVICES, "2,GPU-x");
        assert_eq!(gpu_ids_for(&some, 1), ["2"]);
        assert_eq!(gpu_ids_for(&some, 4), ["2", "GPU-x", "0", "1"]);
        let hidden = FakeSystem::default().variable(VISIBLE_DEVICES, "-1");
        assert_eq!(gpu_ids_for(&hidden, 1), ["0"]);
    }
}
