//! The limit on views. A process of its own, because it uses all of them up.
#![cfg(not(miri))]

use eagleray_object_store::{
    Extent, PAGE, Region, Segment, View, ViewError, live_views, views_max,
};

/// VI-2: the limit is below the kernel's, reaching it is an error that says so, and dropping a view makes room again.
#[test]
fn views_are_counted_and_limited() {
    let kernel_limit: usize = std::fs::read_to_string("/proc/sys/vm/max_map_count")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert_eq!(views_max(), kernel_limit / 2);
    let segment = Segment::create(PAGE).unwrap();
    let extent = Extent::new(0, PAGE);
    assert!(View::map(&segment, Extent::new(1, 1)).is_err());
    assert_eq!(live_views(), 0, "a refused view is not counted");

    // A kernel that is set to millions of mappings would make this test slow without proving more.
    if views_max() > 100_000 {
        return;
    }
    let mut views: Vec<View> = (0..views_max())
        .map(|_| View::map(&segment, extent).unwrap())
        .collect();
    assert_eq!(live_views(), views_max());
    match View::map(&segment, extent) {
        Err(error @ ViewError::TooMany { live, max }) => {
            assert_eq!((live, max), (views_max(), views_max()));
            assert!(error.to_string().contains("vm.max_map_count"));
        }
        other => panic!("one view too many gave {other:?}"),
    }
    assert!(matches!(
        Region::map(&segment, extent),
        Err(ViewError::TooMany { .. })
    ));

    views.pop();
    let mut region = Region::map(&segment, extent).unwrap();
    region.seal(&segment).unwrap();
    assert_eq!(live_views(), views_max(), "sealing replaces the mapping");
    let raw = views.pop().unwrap().into_raw();
    assert_eq!(
        live_views(),
        views_max(),
        "giving up ownership keeps the mapping"
    );
    // SAFETY: the words come from `into_raw` and are used once.
    drop(unsafe { View::from_raw(raw.0, raw.1) });
    drop(region);
    views.clear();
    assert_eq!(live_views(), 0);
}
