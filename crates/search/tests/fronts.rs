//! Fronts, crowding and hypervolumes are those of Optuna (`fixtures/optuna_fronts.py`).

use eagleray_search::fronts::{crowding_distances, fronts};
use eagleray_search::hypervolume::{hypervolume, largest_subset};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    points: Vec<Vec<f64>>,
    ranks: Vec<usize>,
    crowding: Vec<f64>,
    reference: Vec<f64>,
    hypervolume: f64,
    inside: Vec<Vec<f64>>,
    size: usize,
    subset_hypervolume: f64,
}

#[derive(Deserialize)]
struct Fixtures {
    cases: Vec<Case>,
}

fn assert_near(found: f64, expected: f64, what: &str) {
    let distance = (found - expected).abs();
    assert!(
        distance <= 1e-12 * expected.abs().max(1.0),
        "{what}: {found} is not {expected}"
    );
}

#[test]
fn all_is_as_optuna_has_it() {
    let text = include_str!("fixtures/optuna_fronts.json");
    let Fixtures { cases } = serde_json::from_str(text).unwrap();
    assert!(cases.len() > 10);
    for (index, case) in cases.iter().enumerate() {
        let what = format!("case {index}");
        let points: Vec<&[f64]> = case.points.iter().map(Vec::as_slice).collect();
        assert_eq!(fronts(&points, usize::MAX), case.ranks, "{what}");
        for (found, expected) in crowding_distances(&points).iter().zip(&case.crowding) {
            assert_near(found.min(1e300), *expected, &what);
        }
        assert_near(
            hypervolume(&points, &case.reference),
            case.hypervolume,
            &what,
        );
        let inside: Vec<&[f64]> = case.inside.iter().map(Vec::as_slice).collect();
        let chosen = largest_subset(&inside, case.size, &case.reference);
        let chosen: Vec<&[f64]> = chosen.iter().map(|place| inside[*place]).collect();
        assert_near(
            hypervolume(&chosen, &case.reference),
            case.subset_hypervolume,
            &what,
        );
    }
}
