//! Percentiles and the signed-rank test are those of NumPy and SciPy (`fixtures/scipy_pruning.py`).

use eagleray_search::pruning::{Alternative, percentile, wilcoxon};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixtures {
    wilcoxon: Vec<Test>,
    percentile: Vec<Percentile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    differences: Vec<f64>,
    less: f64,
    greater: f64,
    two_sided: f64,
}

#[derive(Deserialize)]
struct Percentile {
    /// `null` is no number.
    values: Vec<Option<f64>>,
    percent: f64,
    expected: f64,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("fixtures/scipy_pruning.json")).unwrap()
}

#[test]
fn the_test_is_that_of_scipy() {
    let cases = fixtures().wilcoxon;
    assert!(cases.len() > 50);
    for case in &cases {
        for (alternative, expected) in [
            (Alternative::Less, case.less),
            (Alternative::Greater, case.greater),
            (Alternative::TwoSided, case.two_sided),
        ] {
            let found = wilcoxon(&case.differences, alternative);
            assert!(
                (found - expected).abs() <= 1e-13,
                "{alternative:?} of {:?}: {found} is not {expected}",
                case.differences
            );
        }
    }
}

#[test]
fn of_nothing_and_of_what_is_no_number_nothing_is_known() {
    // SciPy refuses it.
    assert_eq!(wilcoxon(&[0.0], Alternative::Greater), 1.0);
    assert!(wilcoxon(&[], Alternative::Greater).is_nan());
    assert!(wilcoxon(&[1.0, f64::NAN], Alternative::Greater).is_nan());
    assert!(percentile(&[], 50.0).is_nan());
    assert!(percentile(&[f64::NAN], 50.0).is_nan());
}

#[test]
fn percentiles_are_those_of_numpy() {
    let cases = fixtures().percentile;
    assert!(cases.len() > 50);
    for case in &cases {
        let values: Vec<f64> = case
            .values
            .iter()
            .map(|value| value.unwrap_or(f64::NAN))
            .collect();
        // Schedulers compare with it: it has to be the same to the last digit.
        assert_eq!(
            percentile(&values, case.percent),
            case.expected,
            "{} of {values:?}",
            case.percent
        );
    }
}

#[test]
fn infinities_have_a_place_like_any_number() {
    let worst = f64::INFINITY;
    assert_eq!(percentile(&[1.0, worst, worst], 50.0), worst);
    assert_eq!(percentile(&[worst, worst, worst], 75.0), worst);
    assert_eq!(percentile(&[1.0, 2.0, worst], 50.0), 2.0);
    assert_eq!(percentile(&[1.0, worst], 0.0), 1.0);
}
